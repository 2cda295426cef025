//! The cluster as the mesh and operators see it.
//!
//! Enters: calls that go elsewhere, the components of this node, questions about nodes. Leaves: commands for the task, the description,
//! the state of all nodes. Guarantees: nothing here waits for the network.

use crate::caller::{Awaits, Room, Waiting};
use crate::events;
use crate::numbers::AllNumbers;
use crate::queue::{Command, Listening, Queue};
use crate::settings::{Rules, Settings};
use crate::status::{self, OwnStart, ServerWatch};
use mesh_cluster::calls::{CallError, Reply, Request, Target};
use mesh_cluster::catalogue::{self, Catalogues, Publication};
use mesh_cluster::choice::Prefer;
use mesh_cluster::component::{Component, Facts, Reach};
use mesh_cluster::identity::{ClusterName, Incarnation, NodeName};
use mesh_cluster::interest::Wanting;
use mesh_cluster::moment::Moment;
use mesh_cluster::peer::{Peer, Standing};
use mesh_cluster::presence::beat::State;
use mesh_cluster::presence::{Alone, Verdict};
use mesh_cluster::status::{ClusterStatus, NodeStatus, Offer};
use mesh_config::Config;
use mesh_core::mesh::Elsewhere;
use mesh_plugin::{Answer, Unserved};
use mesh_session::InFlight;
use mesh_session::pubsub::{Event, Watched, Watcher};
use mesh_wire::versions::{ComponentVersion, Range};
use std::collections::HashSet;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;
use tokio::time::Instant;

/// The cluster, as the mesh and operators see it.
pub struct Nodes {
    cluster: ClusterName,
    node: NodeName,
    began: Instant,
    calls_of_each: usize,
    /// Bytes of calls that wait, and how many may.
    calls_held: Arc<AtomicUsize>,
    calls_bytes: usize,
    rules: RwLock<Rules>,
    catalogues: Mutex<Catalogues>,
    /// The own components, as peers are told of them.
    own: Mutex<Vec<Arc<Component>>>,
    /// The events that others want.
    wanting: RwLock<Wanting>,
    alone: Mutex<Option<Alone>>,
    /// This start, and whether others take it for one of them.
    own_start: Mutex<OwnStart>,
    /// The server, as the connection knows it.
    server: OnceLock<ServerWatch>,
    pub(crate) numbers: AllNumbers,
    pub(crate) queue: Queue,
}

impl Nodes {
    pub(crate) fn new(settings: &Settings) -> Nodes {
        let of_catalogues = catalogue::Settings {
            expose: settings.rules.expose.clone(),
            forget: settings.presence.forget,
            ..catalogue::Settings::default()
        };
        Nodes {
            cluster: settings.cluster.clone(),
            node: settings.node.clone(),
            began: Instant::now(),
            calls_of_each: settings.calls_of_each,
            calls_held: Arc::default(),
            calls_bytes: settings.calls_bytes,
            rules: RwLock::new(settings.rules.clone()),
            catalogues: Mutex::new(Catalogues::new(of_catalogues)),
            own: Mutex::default(),
            wanting: RwLock::default(),
            alone: Mutex::default(),
            own_start: Mutex::default(),
            server: OnceLock::new(),
            numbers: AllNumbers::default(),
            queue: Queue::new(settings.link_bytes),
        }
    }

    /// Knows the server from now on. Only the first watch counts.
    pub fn watch_server(&self, watch: ServerWatch) {
        let _ = self.server.set(watch);
    }

    /// The own name.
    pub fn node(&self) -> &NodeName {
        &self.node
    }

    /// The cluster at this moment.
    pub fn status(&self) -> ClusterStatus {
        let (incarnation, is_excluded) = {
            let own = self.own_start();
            (own.incarnation, own.is_excluded)
        };
        let state = self.catalogues().own_state();
        ClusterStatus {
            name: self.cluster.to_string(),
            node: self.node.to_string(),
            incarnation: incarnation.map(|start| start.to_string()).unwrap_or_default(),
            state: match is_excluded {
                true => "excluded".to_owned(),
                false => state.as_str().to_owned(),
            },
            server: self.server.get().map(|watch| watch()).unwrap_or_default(),
            alone: self.alone().map(|why| why.to_string()),
            nodes: self.others(),
        }
    }

    /// The other nodes, by name.
    pub fn others(&self) -> Vec<NodeStatus> {
        status::others(&self.catalogues(), &self.numbers)
    }

    /// How many other nodes are there, ready or not.
    pub fn count(&self) -> usize {
        let is_there =
            |standing: Standing| standing.verdict == Verdict::Alive && standing.state != State::Left;
        let catalogues = self.catalogues();
        catalogues
            .nodes()
            .filter(|(_, standing, _)| is_there(*standing))
            .count()
    }

    /// Whether another node that is there has a component, and clients here may call it as soon as that node is ready.
    pub fn has(&self, component: &str) -> bool {
        let catalogues = self.catalogues();
        let mut providers = catalogues.providers(component).iter();
        providers.any(|provider| {
            let is_going = matches!(provider.standing.state, State::Draining | State::Left);
            provider.place.peer().is_some() && provider.standing.verdict == Verdict::Alive && !is_going
        })
    }

    /// Whether another node takes calls of a component whose version is in this range.
    pub fn serves(&self, component: &str, range: Option<&Range>) -> bool {
        let catalogues = self.catalogues();
        let mut providers = catalogues.providers(component).iter();
        providers.any(|provider| {
            let takes_calls = Standing {
                verdict: Verdict::Alive,
                state: State::Ready,
            } == provider.standing;
            let fits = |range: &Range| range.admits(provider.component.version());
            provider.place.peer().is_some() && takes_calls && range.is_none_or(fits)
        })
    }

    /// Why this node judges nobody; none while it does.
    pub fn alone(&self) -> Option<Alone> {
        *self.alone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells others what this node is doing from now on.
    pub fn set_state(&self, state: State) {
        self.catalogues().set_own_state(state);
        self.tell(Command::State(state));
    }

    /// Says goodbye when all is worked off that others were sent, or after this time.
    pub(crate) fn leave(&self, patience: Duration) {
        self.tell(Command::Leave(patience));
    }

    /// Queues a command. Nothing comes of it when the task has ended.
    pub(crate) fn tell(&self, command: Command) {
        drop(self.queue.push(command));
    }

    /// The task has ended. All who wait for it are told, and others are as those that have left.
    pub(crate) fn close(&self) {
        // Answers and subscriptions that wait are given when their commands are dropped, which needs no lock of this.
        drop(self.queue.close());
        let mut catalogues = self.catalogues();
        let peers: Vec<Peer> = catalogues.nodes().map(|(peer, ..)| peer.clone()).collect();
        let standing = Standing {
            verdict: Verdict::Left,
            state: State::Left,
        };
        for peer in peers {
            // A node that has a place keeps it.
            let _ = catalogues.stand(self.now(), &peer, standing);
        }
        drop(catalogues);
        *self.wanting_mut() = Wanting::default();
    }

    /// Whether the configuration keeps a version of an own component to this node.
    pub(crate) fn keeps(&self, component: &str, version: &ComponentVersion) -> bool {
        let rules = self.rules();
        let declared = rules.declared(component, version);
        declared.is_some_and(|declared| declared.reach == Reach::Node)
    }

    pub(crate) fn set_alone(&self, alone: Option<Alone>) {
        *self.alone.lock().unwrap_or_else(PoisonError::into_inner) = alone;
    }

    pub(crate) fn set_incarnation(&self, incarnation: Incarnation) {
        self.own_start().incarnation = Some(incarnation);
    }

    /// Others do not take this node for one of them any more.
    pub(crate) fn set_excluded(&self, is_excluded: bool) {
        self.own_start().is_excluded = is_excluded;
    }

    fn own_start(&self) -> MutexGuard<'_, OwnStart> {
        self.own_start.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Moment {
        Moment::at(self.began.elapsed())
    }

    /// When a moment is.
    pub(crate) fn instant(&self, moment: Moment) -> Instant {
        self.began + moment.since(Moment::default())
    }

    pub(crate) fn prefer(&self) -> Prefer {
        self.rules().prefer
    }

    fn rules(&self) -> RwLockReadGuard<'_, Rules> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn catalogues(&self) -> MutexGuard<'_, Catalogues> {
        self.catalogues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn wanting_mut(&self) -> RwLockWriteGuard<'_, Wanting> {
        self.wanting.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn own(&self) -> Vec<Arc<Component>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_own(&self, own: Vec<Facts>) -> Vec<Arc<Component>> {
        let own: Vec<Arc<Component>> = own
            .into_iter()
            .filter_map(|facts| self.component(facts))
            .collect();
        *self.own.lock().unwrap_or_else(PoisonError::into_inner) = own.clone();
        own
    }

    /// An own component, with what the configuration says of it. One that others cannot be told of stays on its node.
    fn component(&self, mut facts: Facts) -> Option<Arc<Component>> {
        self.rules().complete(&mut facts);
        match Component::new(facts) {
            Ok(component) => Some(Arc::new(component)),
            Err(error) => {
                tracing::warn!("other nodes are not told of a component: {error}");
                None
            }
        }
    }
}

impl Elsewhere for Nodes {
    fn knows(&self, component: &str) -> bool {
        let catalogues = self.catalogues();
        let mut providers = catalogues.providers(component).iter();
        providers.any(|provider| provider.place.peer().is_some()) || catalogues.remembers(component)
    }

    fn competes(&self) -> bool {
        self.prefer() == Prefer::Any
    }

    fn call(&self, request: Request, answer: Box<dyn Answer>) {
        let bytes = request.arguments.len();
        let of_caller = answer.share().map(|share| share.held()).unwrap_or_default();
        let room = Room::take(&self.calls_held, bytes, self.calls_bytes, of_caller);
        let room = room.filter(|_| of_caller.calls < self.calls_of_each);
        let Some(room) = room else {
            let error = CallError::Busy {
                component: request.component,
            };
            return answer.unserved(Unserved {
                status: error.status(),
                arguments: &error.arguments(),
            });
        };
        let awaits = match request.target {
            Target::Method(_) => Awaits::Results,
            Target::Route(_) => Awaits::Response,
        };
        let waiting = Waiting::new(answer, bytes, awaits, room);
        if let Some(Command::Call { request, waiting }) = self.queue.push(Command::Call { request, waiting })
        {
            let error = CallError::Unavailable {
                component: request.component,
                asked: "".into(),
            };
            waiting.give(Reply::Failed(error), None);
        }
    }

    fn configure(&self, config: &Config) {
        let Some(cluster) = &config.cluster else { return };
        let rules = Rules::of(config, cluster);
        let expose = rules.expose.clone();
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = rules;
        // The description follows when the own components are told.
        self.catalogues().set_expose(self.now(), expose);
    }

    fn tell(&self, own: Vec<Facts>) {
        self.set_own(own);
        self.queue.push(Command::OwnChanged);
    }

    fn describe(&self, own: Vec<Facts>) -> Publication {
        let parts = own.iter().filter(|facts| facts.reach == Reach::Node);
        let mut kept: HashSet<Arc<str>> = parts.map(|facts| facts.name.clone()).collect();
        let own = self.set_own(own);
        for component in own.iter().filter(|own| own.facts().reach == Reach::Cluster) {
            kept.remove(component.name());
        }
        let mut catalogues = self.catalogues();
        // Nobody is to get what is meant for a part of this host, such as passwords.
        catalogues.set_kept(kept);
        let published = catalogues.set_own(self.now(), own);
        let published = published.unwrap_or_else(|| Publication {
            without: Vec::new(),
            entries: catalogues.published().clone(),
        });
        drop(catalogues);
        self.tell(Command::OwnChanged);
        published
    }

    fn publish(&self, event: &Event<'_>) {
        let wanting = self.wanting.read().unwrap_or_else(PoisonError::into_inner);
        if wanting.is_empty() {
            return;
        }
        let mut found = Vec::new();
        wanting.wanted(event.publication.path, event.version, &mut found);
        let peers: Vec<Peer> = found
            .into_iter()
            .filter_map(|index| wanting.peer(index).cloned())
            .collect();
        drop(wanting);
        if !peers.is_empty()
            && let Some(body) = events::write(event)
        {
            self.queue.publish(peers, body);
        }
    }

    fn entries(&self) -> Arc<[catalogue::Entry]> {
        self.catalogues().published().clone()
    }

    fn status(&self) -> ClusterStatus {
        Nodes::status(self)
    }

    fn offers(&self) -> Vec<Offer> {
        let own = self.own();
        catalogue::offers(&self.catalogues(), &self.node, &own)
    }
}

fn listening(watched: &Watched<'_>) -> Listening {
    Listening {
        pattern: watched.pattern.into(),
        matching: watched.matching,
        range: watched.range.map(Into::into),
    }
}

impl Watcher for Nodes {
    fn began(&self, watched: &Watched<'_>, until: Option<InFlight>) {
        let listening = listening(watched);
        self.tell(Command::Listen { listening, until });
    }

    fn ended(&self, watched: &Watched<'_>) {
        self.tell(Command::ListenNoMore(listening(watched)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Declared;
    use mesh_cluster::catalogue::Expose;
    use mesh_cluster::component::Affinity;
    use mesh_cluster::identity::ClusterName;
    use mesh_cluster::presence;

    #[test]
    fn a_version_that_takes_over_is_kept_to_its_node_before_others_are_told_of_it() {
        let settings = Settings {
            cluster: ClusterName::new("test").expect("it is a name"),
            node: NodeName::new("a").expect("it is a name"),
            about: String::new(),
            presence: presence::Settings::default(),
            link_bytes: 1 << 20,
            payload_bytes: 1 << 20,
            calls_of_each: 1,
            calls_bytes: 1 << 20,
            rules: Rules {
                expose: Expose::all(),
                prefer: Prefer::Local,
                components: vec![Declared {
                    component: "calc".to_owned(),
                    versions: Range::parse("^1").expect("it is a range"),
                    reach: Reach::Node,
                    affinity: Affinity::None,
                    idempotent: HashSet::default(),
                }],
            },
        };
        let nodes = Nodes::new(&settings);
        let version = |text: &str| ComponentVersion::parse(text).expect("it is a version");
        assert!(nodes.own().is_empty());
        assert!(nodes.keeps("calc", &version("1.2.0")));
        assert!(!nodes.keeps("calc", &version("2.0.0")));
        assert!(!nodes.keeps("other", &version("1.2.0")));
    }
}
