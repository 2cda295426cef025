//! The mesh: components under their names, calls to them, their events and their data.
//!
//! Enters: requests that the gate has checked, and what components ask for. Leaves: jobs for lanes, and publications.
//! Guarantees (docs/mesh-protocol.md): a call goes to the highest version inside its range. It is answered once, to
//! its caller alone, after the events that the method emitted before it answered. The caller is taken from the
//! session, never from the request.

mod acknowledgements;
mod answer;
mod authentication;
mod builtin;
mod clock;
mod data;
mod delegation;
mod description;
mod documents;
mod elsewhere;
mod endpoint;
mod exchange;
mod hearing;
mod metrics;
mod nested;
mod origins;
mod publishing;
mod registry;
mod secure;
mod services;
mod site;
mod status;
pub mod swaps;
mod takeover;

pub use acknowledgements::Acknowledgements;
pub use answer::{abandoned_arguments, error_array};
pub use builtin::{Builtin, BuiltinCall, Handler};
pub use clock::Clock;
pub use description::StartProgress;
pub use documents::{Change, Data, Publisher, Write, WriteError, WriteMode, Written};
pub use elsewhere::{Elsewhere, NodeCall, NotHere};
pub use endpoint::{Calls, Endpoint, Irreplaceable, Remote};
pub use exchange::{CallRequest, Caller, RangeCache, is_own_address};
pub use origins::Origins;
#[cfg(any(test, feature = "testing"))]
pub use publishing::Observer;
pub use publishing::Reach;
pub use registry::{Asked, Registry, listed};
pub use secure::Concerned;
pub use services::targets_of;
pub use site::{RootRoute, Site, WebFolder};
pub use status::{ComponentStatus, Status};
pub use takeover::Takeover;

use self::elsewhere::Described;
use self::swaps::History;

use arc_swap::{ArcSwap, ArcSwapOption};
use mesh_plugin::{Component, LoadError, Stage, Unloaded};
use mesh_scans::Scans;
use mesh_security::Security;
use mesh_session::pubsub::{Index, Limits};
use mesh_session::{AddressShares, AdmissionLimits, Sessions};
use mesh_store::Store;
use mesh_wire::origin::Origin;
use mesh_wire::versions::Advertised;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// The parts that a mesh is made of.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The mesh's name.
    pub name: String,
    /// The second segment of request and event paths; by default the name.
    pub domain: String,
    /// How long a call may take before its caller gets an error.
    pub call_timeout: Duration,
    /// How long clients are told to wait for an answer.
    pub client_timeout: Duration,
    /// How long the recipients of a publication may take to acknowledge it.
    pub acknowledge_timeout: Duration,
    /// Bytes of calls that may wait for one lane.
    pub lane_queue: usize,
    /// Bytes that a session may have queued before it is closed as too slow.
    pub session_queue: usize,
    /// How many connections there may be that nobody has logged in with.
    pub admission: AdmissionLimits,
    /// Whether messages are compressed for clients that offer it.
    pub compression: bool,
    /// How often clients are pinged that expect it.
    pub ping_interval: Duration,
    /// Subscriptions that a session may have.
    pub subscriptions_each: Limits,
    /// Where private copies of libraries go.
    pub stage: Stage,
    /// The content that is served over HTTP beside the mesh itself.
    pub site: Site,
    /// Whether the console is served.
    pub console: bool,
}

/// The state of one mesh, shared by all its sessions and components.
pub struct Mesh {
    settings: Settings,
    /// The session id under which the mesh itself publishes.
    id: Box<str>,
    /// The mesh itself as a caller.
    origin: Origin,
    /// Counts what the mesh itself has published.
    published: AtomicU64,
    /// Replaced as a whole; readers never wait.
    registry: ArcSwap<Registry>,
    /// All components were loaded, and the mesh is not stopping.
    serves: AtomicBool,
    /// Versions that cannot be called any more and have not ended yet.
    retired: Mutex<Vec<Arc<Component>>>,
    /// Pages of which origins may use the mesh from a browser; replaced when the configuration says otherwise.
    origins: ArcSwap<Origins>,
    subscriptions: Index,
    acknowledgements: Acknowledgements,
    sessions: Sessions,
    /// Pending calls of those who call over HTTP.
    http_calls: AddressShares,
    store: Arc<dyn Store>,
    /// Where long scans are done.
    scans: Scans,
    /// The directory of users and rights, in a secure mesh.
    security: Option<Arc<Security>>,
    swap_history: History,
    /// The other nodes, in a cluster.
    elsewhere: OnceLock<Arc<dyn Elsewhere>>,
    described: Mutex<Described>,
    /// The versions in the description of all nodes.
    advertised_elsewhere: ArcSwapOption<Advertised>,
    started: Instant,
    clock: Clock,
    /// Sees what is published.
    #[cfg(any(test, feature = "testing"))]
    observer: OnceLock<Observer>,
    /// Answers over HTTP, by the first digit of their status.
    http_answers: [AtomicU64; 6],
    runtime: tokio::runtime::Handle,
}

impl Mesh {
    /// A mesh without components. Must be called inside a tokio runtime, which runs its timers.
    pub fn new(settings: Settings, store: Arc<dyn Store>, security: Option<Arc<Security>>) -> Arc<Mesh> {
        Mesh::with_clock(settings, store, security, Clock::default())
    }

    /// As [`Mesh::new`], by a clock of one's own.
    pub fn with_clock(
        settings: Settings,
        store: Arc<dyn Store>,
        security: Option<Arc<Security>>,
        clock: Clock,
    ) -> Arc<Mesh> {
        let id: Box<str> = uuid::Uuid::new_v4().to_string().into();
        Arc::new(Mesh {
            security,
            sessions: Sessions::new(settings.session_queue, settings.admission),
            subscriptions: Index::new(settings.subscriptions_each),
            scans: Scans::new(2 * settings.session_queue),
            acknowledgements: Acknowledgements::new(settings.acknowledge_timeout),
            settings,
            origin: Origin::of_session(&id),
            id,
            published: AtomicU64::new(0),
            registry: ArcSwap::from_pointee(Registry::default()),
            serves: AtomicBool::new(false),
            origins: ArcSwap::default(),
            retired: Mutex::default(),
            store,
            swap_history: History::default(),
            elsewhere: OnceLock::new(),
            described: Mutex::default(),
            advertised_elsewhere: ArcSwapOption::empty(),
            started: clock.now(),
            clock,
            #[cfg(any(test, feature = "testing"))]
            observer: OnceLock::new(),
            http_calls: AddressShares::default(),
            http_answers: Default::default(),
            runtime: tokio::runtime::Handle::current(),
        })
    }

    /// The mesh's name.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// The second segment of request and event paths.
    pub fn domain(&self) -> &str {
        &self.settings.domain
    }

    /// The session id under which the mesh itself publishes.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The mesh itself, as the components that it calls are told.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Who subscribed to what.
    pub fn subscriptions(&self) -> &Index {
        &self.subscriptions
    }

    /// Publications that wait for their recipients.
    pub fn acknowledgements(&self) -> &Acknowledgements {
        &self.acknowledgements
    }

    /// All sessions.
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// All documents.
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Where long scans are done.
    pub fn scans(&self) -> &Scans {
        &self.scans
    }

    /// The content that is served over HTTP beside the mesh itself.
    pub fn site(&self) -> &Site {
        &self.settings.site
    }

    /// The history of swaps.
    pub fn swap_history(&self) -> &History {
        &self.swap_history
    }

    /// How long there has been this mesh.
    pub fn uptime(&self) -> Duration {
        self.clock.now().saturating_duration_since(self.started)
    }

    /// Whether the console is served.
    pub fn has_console(&self) -> bool {
        self.settings.console
    }

    /// Counts an answer over HTTP.
    pub fn count_http_answer(&self, status: u16) {
        if let Some(count) = self.http_answers.get(usize::from(status / 100)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Where the pending calls of those are counted who call over HTTP.
    pub fn http_calls(&self) -> &AddressShares {
        &self.http_calls
    }

    /// Whether messages are compressed for clients that offer it.
    pub fn compresses(&self) -> bool {
        self.settings.compression
    }

    /// How often clients are pinged that expect it.
    pub fn ping_interval(&self) -> Duration {
        self.settings.ping_interval
    }

    /// How long a call may take.
    pub fn call_timeout(&self) -> Duration {
        self.settings.call_timeout
    }

    /// Pages of which origins may use the mesh from a browser.
    pub fn origins(&self) -> arc_swap::Guard<Arc<Origins>> {
        self.origins.load()
    }

    /// Lets in pages of other origins than until now.
    pub fn set_origins(&self, origins: Origins) {
        self.origins.store(Arc::new(origins));
    }

    /// The components at this moment.
    pub fn registry(&self) -> arc_swap::Guard<Arc<Registry>> {
        self.registry.load()
    }

    /// Gives up calls, and publications that nobody acknowledged, whose deadline has passed. To be called about once a
    /// second.
    pub fn expire(&self) {
        let now = self.clock.now();
        self.acknowledgements.expire(now);
        self.end_expired(now);
        self.sessions.admission().tell();
        for endpoint in self.registry().all() {
            endpoint.expire(now);
        }
        for component in self.retired() {
            component.expire(now);
        }
    }

    /// Notes whether all components are there.
    pub fn set_serving(&self, serves: bool) {
        self.serves.store(serves, Ordering::Relaxed);
    }

    /// Whether requests had better be sent here.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn readiness(&self) -> Result<(), String> {
        if !self.serves.load(Ordering::Relaxed) {
            return Err("the mesh is starting or stopping".to_owned());
        }
        match self.store().health().failure {
            Some(failure) => Err(format!("the store takes no writes: {failure}")),
            None => Ok(()),
        }
    }

    /// Has somebody see each publication as it leaves. Only the first one who asks is taken.
    #[cfg(any(test, feature = "testing"))]
    pub fn observe(&self, observer: Observer) {
        let _ = self.observer.set(observer);
    }

    /// Makes a version of a component reachable: a library that was started, a part of the host, or one that runs elsewhere.
    ///
    /// # Errors
    ///
    /// When one of this name and version is there already.
    pub fn register(&self, endpoint: impl Into<Endpoint>) -> Result<(), LoadError> {
        let endpoint = endpoint.into();
        let mut registry = Registry::clone(&self.registry());
        registry.insert(endpoint.clone())?;
        if let Endpoint::Library(component) = &endpoint {
            component.instance().set_hearing(true);
        }
        self.registry.store(Arc::new(registry));
        Ok(())
    }

    /// Waits until no call is left, for at most `patience`. Calls go on to be taken meanwhile.
    pub async fn drain(&self, patience: Duration) {
        let until = Instant::now() + patience;
        while self.registry().all().any(|endpoint| endpoint.calls().pending > 0) && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Stops all components at the same time and unloads their libraries. Each gets `patience` to finish. Components
    /// without a library are no longer reachable, and have nothing to be unloaded.
    pub async fn stop_components(&self, patience: Duration) -> Vec<(String, Unloaded)> {
        let registry = self.registry.swap(Arc::new(Registry::default()));
        let retired = self.retired();
        let ending = retired.iter().filter(|component| !component.has_ended());
        let stops: Vec<_> = registry
            .libraries()
            .chain(ending)
            .map(|component| {
                let component = component.clone();
                let name = format!("{} {}", component.name(), component.descriptor().version().text());
                let number = component.instance().identity().number;
                (
                    name,
                    number,
                    tokio::spawn(async move { component.stop(patience).await }),
                )
            })
            .collect();
        let mut outcome = Vec::new();
        for (name, number, stop) in stops {
            let unloaded = stop
                .await
                .unwrap_or_else(|error| Unloaded::Resident(format!("stopping it failed: {error}")));
            self.subscriptions.unsubscribe_all(number);
            outcome.push((name, unloaded));
        }
        outcome
    }

    /// Bytes that a session may have queued, and so the size of the largest answer.
    pub fn session_queue(&self) -> usize {
        self.settings.session_queue
    }

    /// A number for the next thing that the mesh itself publishes.
    fn next_event(&self) -> u64 {
        self.published.fetch_add(1, Ordering::Relaxed) + 1
    }
}
