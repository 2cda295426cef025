//! Figures of the mesh at one moment for the console, beside those that any client can get.
//!
//! Enters: a mesh. Leaves: [`Figures`], a JSON document. Guarantees: no token is in it, and of libraries only
//! the name of the file; its size does not grow with the number of sessions.

use mesh_cluster::status::ClusterStatus;
use mesh_core::mesh::swaps::Report;
use mesh_core::mesh::{Elsewhere, Endpoint, Mesh};
use mesh_plugin::{Component, ComponentState, Descriptor, LATENCY_STEPS, Latencies};
use mesh_session::Session;
use serde::Serialize;
use serde_json::value::RawValue;
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// So many sessions are listed, those that connected last.
const MOST_SESSIONS: usize = 200;

/// The mesh at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Milliseconds since 1970, by the clock of the host.
    time: u64,
    /// Another one after each start of the host.
    instance: String,
    name: String,
    version: &'static str,
    pid: u32,
    uptime_milliseconds: u64,
    secure: bool,
    /// Why requests had better not be sent here; nothing when all is well.
    unready: Option<String>,
    /// The principal, in a secure mesh.
    user: Option<String>,
    session_count: usize,
    /// The sessions that connected last, the newest first.
    sessions: Vec<SessionFigures>,
    slow_consumers: u64,
    subscriptions: usize,
    documents: usize,
    /// The upper ends of the steps that latencies are counted in, in microseconds.
    latency_steps: &'static [u64],
    /// In the order of their loading; then those that another version has replaced.
    components: Vec<ComponentFigures>,
    /// The last swaps, the oldest first.
    swaps: Vec<Report>,
    /// The cluster, where the host is a node of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<ClusterStatus>,
    /// The methods and events of the component that was asked about, while it is there.
    described: Option<Described>,
}

/// The methods and events of a component.
#[derive(Clone, Debug, Serialize)]
struct Described {
    instance: String,
    methods: Vec<Offered>,
    events: Box<RawValue>,
}

/// A method.
#[derive(Clone, Debug, Serialize)]
struct Offered {
    name: String,
    description: Option<String>,
    parameters: Box<RawValue>,
}

/// A version of a component.
#[derive(Clone, Debug, Serialize)]
struct ComponentFigures {
    /// A text, since numbers of this size are not exact in a browser.
    instance: String,
    name: String,
    /// The name in the mesh's description; nothing when it cannot be called any more.
    listed: Option<String>,
    version: String,
    state: &'static str,
    /// Whether it is part of the host.
    native: bool,
    lanes: usize,
    calls: u64,
    errors: u64,
    panics: u64,
    timeouts: u64,
    pending: usize,
    waiting: usize,
    late_completions: u64,
    dropped_events: u64,
    /// Calls by step, not added up; behind the last step those that took longer.
    latencies: Vec<u64>,
    note: Option<String>,
    /// The SDK that it was built with.
    sdk: String,
}

/// A session.
#[derive(Clone, Debug, Serialize)]
struct SessionFigures {
    id: String,
    user: Option<String>,
    dialect: &'static str,
    address: String,
    open_seconds: u64,
    queued_bytes: usize,
}

/// The mesh at this moment, for a user of this name; with what the instance of a component offers whose number is `describe`.
pub fn figures(mesh: &Mesh, user: Option<&str>, describe: Option<&str>) -> Figures {
    let registry = mesh.registry();
    let retired = mesh.retired();
    let serving = registry
        .in_order()
        .map(|endpoint| of_endpoint(endpoint, registry.listed_name(endpoint)));
    let leaving = retired.iter().map(|component| of_component(component, None));
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut sessions = mesh.sessions().all();
    let session_count = sessions.len();
    sessions.sort_unstable_by_key(|session| std::cmp::Reverse(session.number()));
    sessions.truncate(MOST_SESSIONS);
    let now = Instant::now();
    Figures {
        time: time.as_millis() as u64,
        instance: mesh.id().to_owned(),
        name: mesh.name().to_owned(),
        version: env!("CARGO_PKG_VERSION"),
        pid: std::process::id(),
        uptime_milliseconds: mesh.uptime().as_millis() as u64,
        secure: mesh.security().is_some(),
        unready: mesh.readiness().err(),
        user: user.map(str::to_owned),
        session_count,
        sessions: sessions.iter().map(|session| of_session(session, now)).collect(),
        slow_consumers: mesh.sessions().slow_consumers(),
        subscriptions: mesh.subscriptions().count(),
        documents: mesh.store().count(),
        latency_steps: &LATENCY_STEPS,
        components: serving.chain(leaving).collect(),
        swaps: swaps(mesh),
        cluster: mesh.elsewhere().map(Elsewhere::status),
        described: describe.and_then(|number| {
            let serving = registry
                .in_order()
                .map(|endpoint| (endpoint.number(), endpoint.descriptor()));
            let leaving = retired
                .iter()
                .map(|component| (number_of(component), component.descriptor()));
            let mut all = serving
                .chain(leaving)
                .map(|(own, descriptor)| (own.to_string(), descriptor));
            all.find(|(own, _)| own == number)
                .map(|(own, descriptor)| described(own, descriptor))
        }),
    }
}

/// The reports of swaps. Where the operator's files are is nobody else's business.
fn swaps(mesh: &Mesh) -> Vec<Report> {
    let mut reports = mesh.swap_history().reports();
    for part in reports.iter_mut().flat_map(|report| &mut report.components) {
        let name = part.library.as_deref().map(Path::new).and_then(Path::file_name);
        part.library = name.map(|name| name.to_string_lossy().into_owned());
    }
    reports
}

fn number_of(component: &Component) -> u64 {
    component.instance().identity().number
}

fn described(instance: String, descriptor: &Descriptor) -> Described {
    let methods = descriptor.methods().iter().map(|method| Offered {
        name: method.name().to_owned(),
        description: method.description().map(str::to_owned),
        parameters: method.parameters().to_owned(),
    });
    Described {
        instance,
        methods: methods.collect(),
        events: descriptor.events().to_owned(),
    }
}

fn of_endpoint(endpoint: &Endpoint, listed: String) -> ComponentFigures {
    if let Endpoint::Library(component) = endpoint {
        return of_component(component, Some(listed));
    }
    let calls = endpoint.calls();
    ComponentFigures {
        instance: endpoint.number().to_string(),
        name: endpoint.name().to_owned(),
        listed: Some(listed),
        version: endpoint.descriptor().version().text().to_owned(),
        state: ComponentState::Active.as_str(),
        native: matches!(endpoint, Endpoint::Builtin(_)),
        lanes: 0,
        calls: calls.taken,
        errors: 0,
        panics: 0,
        timeouts: calls.timeouts,
        pending: calls.pending,
        waiting: 0,
        late_completions: 0,
        dropped_events: 0,
        latencies: Latencies::default().counts.to_vec(),
        note: None,
        sdk: endpoint.descriptor().sdk().to_owned(),
    }
}

fn of_component(component: &Component, listed: Option<String>) -> ComponentFigures {
    ComponentFigures {
        instance: number_of(component).to_string(),
        name: component.name().to_owned(),
        listed,
        version: component.descriptor().version().text().to_owned(),
        state: component.state().as_str(),
        native: false,
        lanes: component.lanes(),
        calls: component.calls(),
        errors: component.errors(),
        panics: component.panics(),
        timeouts: component.timeouts(),
        pending: component.pending(),
        waiting: component.waiting(),
        late_completions: component.late_completions(),
        dropped_events: component.dropped_events(),
        latencies: component.latencies().counts.to_vec(),
        note: component.resident_reason().map(str::to_owned),
        sdk: component.descriptor().sdk().to_owned(),
    }
}

fn of_session(session: &Session, now: Instant) -> SessionFigures {
    SessionFigures {
        id: session.id().to_owned(),
        user: session.login().map(|login| login.username.to_string()),
        dialect: session.dialect().name(),
        address: session.peer().to_string(),
        open_seconds: now.saturating_duration_since(session.since()).as_secs(),
        queued_bytes: session.outbound().queued_bytes(),
    }
}
