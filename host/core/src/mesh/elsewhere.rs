//! The other nodes of a cluster, as the mesh sees them: who has what, and where calls go that nobody serves here.
//!
//! Enters: calls that no version here serves; the components of this node as they change; calls of other nodes. Leaves: the same for
//! the cluster, which is behind [`Elsewhere`]; jobs for components of this node; a description that has the components of all nodes.
//! Guarantees: a mesh without a cluster pays one look at a flag, and only where a call fails or components change.

use super::description::StartProgress;
use super::exchange::{Aim, milliseconds};
use super::{Endpoint, Mesh, Registry, WriteError};
use bytes::Bytes;
use mesh_cluster::calls::{Request, Target, Wanted};
use mesh_cluster::catalogue::{Entry, Publication};
use mesh_cluster::choice::{Asked, session_hash};
use mesh_cluster::component::{self, Affinity, Facts, Reach};
use mesh_cluster::status::{ClusterStatus, Offer};
use mesh_config::Config;
use mesh_plugin::{Answer, Job, JobKind, Refusal, Refused};
use mesh_session::pubsub::Event;
use mesh_wire::origin::Origin;
use mesh_wire::versions::{Advertised, ComponentVersion};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

/// A call is handed over again when its version was just replaced; more often than this nobody replaces versions.
const MOST_TURNS: usize = 16;

/// The other nodes of a cluster.
pub trait Elsewhere: Send + Sync {
    /// Whether a version of this component is on another node, or was a moment ago.
    fn knows(&self, component: &str) -> bool;

    /// Whether calls go there although a version here serves them.
    fn competes(&self) -> bool;

    /// Takes a call, and owes it one answer. Must not wait.
    fn call(&self, request: Request, answer: Box<dyn Answer>);

    /// Takes a configuration that has changed. The description of own components follows.
    fn configure(&self, config: &Config);

    /// Takes the components of this node, for other nodes alone. Their description follows.
    fn tell(&self, own: Vec<Facts>);

    /// Takes the components of this node. Returns the description that follows.
    fn describe(&self, own: Vec<Facts>) -> Publication;

    /// Sends an event of this node to those that have somebody who listens to it. Must not wait.
    fn publish(&self, event: &Event<'_>);

    /// The description as it is now.
    fn entries(&self) -> Arc<[Entry]>;

    /// The cluster at this moment, for operators. Must not wait.
    fn status(&self) -> ClusterStatus;

    /// Who has which version, for operators. Must not wait.
    fn offers(&self) -> Vec<Offer>;
}

/// Why a call of another node is not executed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotHere {
    /// No version that may serve it is here.
    Gone,
    /// The version that serves it has too many calls waiting.
    Full,
}

/// A call that was routed by the cluster, for a component of this node.
#[derive(Debug)]
pub struct NodeCall<'a> {
    /// The component.
    pub component: &'a str,
    /// The version that was chosen. A later one may serve in its place.
    pub version: &'a ComponentVersion,
    /// The versions that may serve.
    pub asked: Asked<'a>,
    /// The part of the component.
    pub aim: component::Aim<'a>,
    /// Who calls, as the other node has authorised it.
    pub origin: Origin,
    /// A JSON array; the body of a web request.
    pub payload: Bytes,
    /// The head of a web request.
    pub head: Bytes,
    /// The time that it has.
    pub timeout: Duration,
}

/// How far the description of all nodes has come.
#[derive(Debug, Default)]
pub(super) struct Described {
    /// The components of this node are in it.
    is_ready: bool,
}

impl Mesh {
    /// Joins other nodes. Only the first call counts.
    pub fn join(&self, elsewhere: Arc<dyn Elsewhere>) {
        let _ = self.elsewhere.set(elsewhere);
    }

    /// The other nodes, where the mesh is one of a cluster.
    pub fn elsewhere(&self) -> Option<&dyn Elsewhere> {
        self.elsewhere.get().map(|elsewhere| &**elsewhere)
    }

    /// Takes a configuration that has changed: which components other nodes may reach and clients here may see.
    ///
    /// # Errors
    ///
    /// When the store cannot write.
    pub fn configure_elsewhere(&self, config: &Config) -> Result<(), WriteError> {
        let Some(elsewhere) = self.elsewhere() else {
            return Ok(());
        };
        elsewhere.configure(config);
        self.publish_description(StartProgress::Ready)
    }

    /// The versions that a client learns when it reads the description now.
    pub(super) fn advertised(&self) -> Arc<Advertised> {
        let elsewhere = self.advertised_elsewhere.load_full();
        elsewhere.unwrap_or_else(|| self.registry().advertised().clone())
    }

    /// Tells clients what other nodes have now.
    ///
    /// # Errors
    ///
    /// When the store cannot write.
    pub fn publish_elsewhere(&self, publication: &Publication) -> Result<(), WriteError> {
        let Some(elsewhere) = self.elsewhere() else {
            return Ok(());
        };
        let described = self.describing();
        // The first description of this node has their components, too.
        if !described.is_ready {
            return Ok(());
        }
        if !publication.without.is_empty() {
            let without: Vec<&str> = publication.without.iter().map(|name| &**name).collect();
            self.publish_entries(StartProgress::Ready, &without, &elsewhere.entries())?;
        }
        self.publish_entries(StartProgress::Ready, &[], &elsewhere.entries())
    }

    /// Tells other nodes what there is here now. Clients are told afterwards.
    pub(super) fn tell_elsewhere(&self) {
        if let Some(elsewhere) = self.elsewhere() {
            let described = self.describing();
            if described.is_ready {
                elsewhere.tell(facts_of(&self.registry()));
            }
        }
    }

    /// Has the cluster describe the components that there are here now, and tells clients: first without those that are hidden, where
    /// there are such.
    pub(super) fn publish_described(
        &self,
        elsewhere: &dyn Elsewhere,
        progress: StartProgress,
        hidden: &[&str],
    ) -> Result<(), WriteError> {
        let mut described = self.describing();
        let Publication { without, entries } = match progress {
            StartProgress::Initializing => Publication {
                without: Vec::new(),
                entries: elsewhere.entries(),
            },
            StartProgress::Ready => elsewhere.describe(facts_of(&self.registry())),
        };
        described.is_ready = progress == StartProgress::Ready;
        let without = without.iter().map(|name| &**name);
        let hidden: Vec<&str> = hidden.iter().copied().chain(without).collect();
        if !hidden.is_empty() {
            self.publish_entries(progress, &hidden, &entries)?;
        }
        self.publish_entries(progress, &[], &entries)
    }

    fn publish_entries(
        &self,
        progress: StartProgress,
        hidden: &[&str],
        entries: &Arc<[Entry]>,
    ) -> Result<(), WriteError> {
        let all = Publication {
            without: Vec::new(),
            entries: entries.clone(),
        };
        let advertised = Arc::new(all.advertised());
        self.advertised_elsewhere.store(Some(advertised.clone()));
        self.publish_description_of(progress, hidden, entries, &advertised)
    }

    /// Held while a description is made and published, so that a later one is not overwritten by an earlier one.
    fn describing(&self) -> MutexGuard<'_, Described> {
        self.described.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a call that was routed by the cluster to a version of this node: the highest that may serve it, not below the one that was
    /// chosen. `may_serve` decides about versions besides.
    ///
    /// # Errors
    ///
    /// Why it is not executed.
    pub fn call_from_node(
        &self,
        call: NodeCall<'_>,
        may_serve: impl Fn(&Endpoint) -> bool,
        mut answer: Box<dyn Answer>,
    ) -> Result<(), (NotHere, Box<dyn Answer>)> {
        let (kind, aim) = match call.aim {
            component::Aim::Method(name) => (JobKind::Call, Aim::Method(name)),
            component::Aim::Route(name) => (JobKind::Http, Aim::Route(name)),
        };
        let deadline = self.clock.now() + call.timeout;
        let mut job = Job {
            deadline_milliseconds: milliseconds(call.timeout),
            target: call.head,
            payload: call.payload,
            origin: Some(call.origin),
            ..Job::new(kind, 0)
        };
        for _ in 0..MOST_TURNS {
            let registry = self.registry();
            let serves = |endpoint: &&Endpoint| {
                let version = endpoint.descriptor().version();
                call.asked.admits(version) && version.exact() >= call.version.exact() && may_serve(endpoint)
            };
            let mut versions = registry.versions(call.component).iter().filter(serves);
            let Some(endpoint) = versions.find(|endpoint| aim.take(endpoint, &mut job)) else {
                return Err((NotHere::Gone, answer));
            };
            match endpoint.call(job, answer, deadline) {
                Ok(wake) => {
                    drop(wake);
                    return Ok(());
                }
                Err(refused) => {
                    let why = refused.why;
                    Refused { job, answer, .. } = *refused;
                    match why {
                        Refusal::Full | Refusal::Share => return Err((NotHere::Full, answer)),
                        Refusal::Closed => return Err((NotHere::Gone, answer)),
                        Refusal::Replaced => {}
                    }
                }
            }
        }
        Err((NotHere::Gone, answer))
    }
}

/// A call that goes elsewhere, made of what a call here is made of.
pub(super) struct HandOver<'a> {
    /// The component as it was asked for, perhaps with a range behind an `@`.
    pub(super) named: &'a str,
    /// The component alone.
    pub(super) component: &'a str,
    /// The part of it.
    pub(super) aim: Aim<'a>,
    /// The versions that may serve.
    pub(super) wanted: Wanted,
}

impl HandOver<'_> {
    /// The call. A web request has its head in front of its body.
    pub(super) fn request(self, job: Job) -> Request {
        let origin = job.origin.unwrap_or_else(Origin::nobody);
        let session = origin.id().map(session_hash);
        Request {
            component: self.component.into(),
            named: self.named.into(),
            arguments: match self.aim {
                Aim::Method(_) => job.payload,
                Aim::Route(_) => mesh_cluster::calls::WebRequest {
                    head: job.target,
                    body: job.payload,
                }
                .write(),
            },
            target: match self.aim {
                Aim::Method(name) => Target::Method(name.into()),
                Aim::Route(name) => Target::Route(name.into()),
            },
            wanted: self.wanted,
            session,
            origin,
            delegate: None,
            groups: 0,
            timeout: Duration::from_millis(u64::from(job.deadline_milliseconds)),
        }
    }
}

/// The facts of the components that other nodes may be told of. Parts of the host serve their own node alone.
fn facts_of(registry: &Registry) -> Vec<Facts> {
    registry.in_order().map(facts).collect()
}

fn facts(endpoint: &Endpoint) -> Facts {
    let descriptor = endpoint.descriptor();
    let methods = descriptor.methods().iter().map(|method| component::Method {
        name: method.name().into(),
        parameters: method.parameters().to_owned(),
        is_asynchronous: method.is_asynchronous(),
        is_idempotent: method.is_idempotent(),
    });
    let routes = descriptor.routes().iter().map(|(name, kind)| component::Route {
        name: (&**name).into(),
        kind: (&**kind).into(),
    });
    let library = endpoint.library();
    Facts {
        name: endpoint.name().into(),
        version: descriptor.version().clone(),
        methods: methods.collect(),
        routes: routes.collect(),
        events: descriptor.events().to_owned(),
        data: descriptor.data().to_owned(),
        lanes: library.map_or(1, |library| u32::try_from(library.lanes()).unwrap_or(u32::MAX)),
        reach: match library {
            Some(_) => Reach::Cluster,
            None => Reach::Node,
        },
        affinity: Affinity::None,
        is_settled: true,
    }
}
