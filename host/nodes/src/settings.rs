//! Everything that a node joins its cluster with.
//!
//! Enters: the configuration. Leaves: settings for each state machine. Guarantees: none.

use mesh_cluster::catalogue::Expose;
use mesh_cluster::choice::Prefer;
use mesh_cluster::component::{Affinity, Facts, Reach};
use mesh_cluster::identity::{ClusterName, NodeName};
use mesh_cluster::link::Limits;
use mesh_cluster::presence;
use mesh_config::{ClusterConfig, ComponentConfig, Config};
use mesh_wire::versions::{ComponentVersion, Range};
use std::collections::HashSet;

/// Bytes of a link that a message does not use.
const BESIDE_A_MESSAGE: usize = 1024;

/// Everything that a node joins its cluster with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The cluster.
    pub cluster: ClusterName,
    /// The own name.
    pub node: NodeName,
    /// Where this process is, for another one that wants the same name.
    pub about: String,
    /// The times of presence.
    pub presence: presence::Settings,
    /// Bytes to one peer that wait or are not acknowledged, before calls are refused and events dropped.
    pub link_bytes: usize,
    /// The longest message that the server takes, in bytes.
    pub payload_bytes: usize,
    /// Calls of one session that may wait for other nodes.
    pub calls_of_each: usize,
    /// Bytes of arguments of calls that may wait for other nodes.
    pub calls_bytes: usize,
    /// The rules, which may change while the node runs.
    pub rules: Rules,
}

/// The part of the configuration that may change while the node runs.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Which components of other nodes clients here see and may call.
    pub expose: Expose,
    /// Whether the own node comes first.
    pub prefer: Prefer,
    /// The configuration's words about own components. The first entry that fits a version counts.
    pub components: Vec<Declared>,
}

/// The configuration's word about the versions of a component.
#[derive(Clone, Debug)]
pub struct Declared {
    /// The component.
    pub component: String,
    /// The versions.
    pub versions: Range,
    /// How far it is reached.
    pub reach: Reach,
    /// Which node serves a session.
    pub affinity: Affinity,
    /// Methods that may be executed twice for one call.
    pub idempotent: HashSet<String>,
}

impl Settings {
    /// Those of a configuration. `payload_bytes` is the longest message that the server takes, and `about` says where this process is.
    pub fn of(config: &Config, cluster: &ClusterConfig, payload_bytes: usize, about: String) -> Settings {
        Settings {
            cluster: cluster.name.value.clone(),
            node: cluster.node.clone(),
            about,
            presence: cluster.presence,
            link_bytes: cluster.link_bytes,
            payload_bytes,
            calls_of_each: config.calls.max_pending_per_session,
            calls_bytes: config.calls.queue_bytes,
            rules: Rules::of(config, cluster),
        }
    }

    /// The limits of links. A batch is at most half of what the server takes, and a message fits into a link.
    pub(crate) fn limits(&self) -> Limits {
        let limits = Limits::default();
        Limits {
            bytes: self.link_bytes,
            message_bytes: limits
                .message_bytes
                .min(self.link_bytes.saturating_sub(BESIDE_A_MESSAGE)),
            batch_bytes: limits.batch_bytes.min(self.payload_bytes / 2),
            ..limits
        }
    }
}

impl Rules {
    /// Those of a configuration.
    pub fn of(config: &Config, cluster: &ClusterConfig) -> Rules {
        Rules {
            expose: cluster.expose.clone(),
            prefer: cluster.prefer,
            components: config.components.iter().filter_map(Declared::of).collect(),
        }
    }

    /// The configuration's word about an own component.
    pub(crate) fn declared(&self, component: &str, version: &ComponentVersion) -> Option<&Declared> {
        let fits =
            |declared: &&Declared| *declared.component == *component && declared.versions.admits(version);
        self.components.iter().find(fits)
    }

    /// Adds to the facts of an own component what the configuration says of it.
    pub(crate) fn complete(&self, facts: &mut Facts) {
        let Some(declared) = self.declared(&facts.name, &facts.version) else {
            return;
        };
        facts.affinity = declared.affinity;
        facts.reach = declared.reach;
        for method in &mut facts.methods {
            method.is_idempotent |= declared.idempotent.contains(&*method.name);
        }
    }
}

impl Declared {
    /// That of an entry. One whose range cannot be read serves no version.
    fn of(entry: &ComponentConfig) -> Option<Declared> {
        Some(Declared {
            component: entry.name.value.clone(),
            versions: Range::parse(&entry.version.value).ok()?,
            reach: entry.reach,
            affinity: entry.affinity,
            idempotent: entry.idempotent.iter().cloned().collect(),
        })
    }
}
