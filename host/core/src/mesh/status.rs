//! The status of a running mesh, for people.

use super::swaps::Report;
use super::{Elsewhere, Endpoint, Mesh};
use mesh_cluster::status::ClusterStatus;
use mesh_plugin::ffi::interpose;
use mesh_plugin::{Component, ComponentState};
use serde::{Deserialize, Serialize};

/// One component in [`Status`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ComponentStatus {
    /// The name it is registered under.
    pub name: String,
    /// The version of its library.
    pub version: String,
    /// Where it is in its life.
    pub state: String,
    /// The file it was loaded from.
    pub library: String,
    /// Threads that run its code.
    pub lanes: usize,
    /// Calls taken since it was loaded.
    pub calls: u64,
    /// Calls not yet answered.
    pub pending: usize,
    /// Calls given up because their deadline passed.
    pub timeouts: u64,
    /// Answers that came late or twice.
    pub late_completions: u64,
    /// Events dropped because the component did not keep up.
    pub dropped_events: u64,
    /// Calls that ended with an error.
    #[serde(default)]
    pub errors: u64,
    /// Calls that wait until a version takes them.
    #[serde(default)]
    pub waiting: usize,
    /// Why it is still in memory, or what else is to be known.
    #[serde(default)]
    pub note: Option<String>,
}

/// The state of a mesh at one moment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The mesh's name.
    pub name: String,
    /// The host's version.
    pub version: String,
    /// The process.
    pub pid: u32,
    /// Where clients connect.
    pub url: String,
    /// Seconds since the mesh was made.
    pub uptime_seconds: u64,
    /// Open websocket sessions.
    pub sessions: usize,
    /// Sessions closed because they read too slowly.
    pub slow_consumers: u64,
    /// (session, channel) pairs subscribed.
    pub subscriptions: usize,
    /// Stored documents.
    pub documents: usize,
    /// Thread keys that libraries hold; grows without end only if the host cannot release them.
    pub thread_keys: usize,
    /// In the order of their loading; then those that another version has replaced and that have not ended yet.
    pub components: Vec<ComponentStatus>,
    /// Why the store does not take writes; none when it does.
    #[serde(default)]
    pub store_failure: Option<String>,
    /// The last swaps, the oldest first.
    #[serde(default)]
    pub swaps: Vec<Report>,
    /// The cluster, where the host is a node of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterStatus>,
}

impl Mesh {
    /// The state at this moment. `url` is where clients connect.
    pub fn status(&self, url: &str) -> Status {
        let registry = self.registry();
        let retired = self.retired();
        let serving = registry.in_order().map(status_of);
        let components = serving.chain(retired.iter().map(|component| status_of_library(component)));
        Status {
            name: self.name().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            url: url.to_owned(),
            uptime_seconds: self.started.elapsed().as_secs(),
            sessions: self.sessions().count(),
            slow_consumers: self.sessions().slow_consumers(),
            subscriptions: self.subscriptions().count(),
            documents: self.store().count(),
            thread_keys: interpose::keys_in_use(),
            components: components.collect(),
            store_failure: self.store().health().failure.map(|failure| failure.to_string()),
            swaps: self.swap_history().reports(),
            cluster: self.elsewhere().map(Elsewhere::status),
        }
    }
}

fn status_of(endpoint: &Endpoint) -> ComponentStatus {
    if let Endpoint::Library(component) = endpoint {
        return status_of_library(component);
    }
    let calls = endpoint.calls();
    ComponentStatus {
        name: endpoint.name().to_owned(),
        version: endpoint.descriptor().version().text().to_owned(),
        // It answers calls for as long as it is in the registry.
        state: ComponentState::Active.as_str().to_owned(),
        library: endpoint.source(),
        lanes: 0,
        calls: calls.taken,
        pending: calls.pending,
        timeouts: calls.timeouts,
        late_completions: 0,
        dropped_events: 0,
        errors: 0,
        waiting: 0,
        note: None,
    }
}

fn status_of_library(component: &Component) -> ComponentStatus {
    ComponentStatus {
        name: component.name().to_owned(),
        version: component.descriptor().version().text().to_owned(),
        state: component.state().as_str().to_owned(),
        library: component.library().display().to_string(),
        lanes: component.lanes(),
        calls: component.calls(),
        pending: component.pending(),
        timeouts: component.timeouts(),
        late_completions: component.late_completions(),
        dropped_events: component.dropped_events(),
        errors: component.errors(),
        waiting: component.waiting(),
        note: component.resident_reason().map(str::to_owned),
    }
}
