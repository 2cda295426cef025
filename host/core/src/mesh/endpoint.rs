//! One version of a component, wherever it runs: what the registry holds and calls are routed to.
//!
//! Enters: calls that were routed to this version. Leaves: the same for a lane, for a part of the host, or for another node.
//! Guarantees: each kind has what belongs to it and nothing else, so that only a library can be replaced, stopped or unloaded;
//! the kind of an endpoint costs a call one comparison.

use super::Builtin;
use mesh_plugin::{Answer, Component, Descriptor, Job, Place, Refused, Wake};
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// One version of a component.
#[derive(Clone)]
pub enum Endpoint {
    /// A library that this host runs, and can replace.
    Library(Arc<Component>),
    /// A part of the host itself.
    Builtin(Arc<Builtin>),
    /// A component that runs elsewhere.
    Remote(Arc<dyn Remote>),
}

/// A version of a component that runs elsewhere: on another node, or in a mesh that this one is attached to.
///
/// It owes each call that it takes one answer: what comes back, or that nothing came until the deadline.
pub trait Remote: Send + Sync {
    /// The name that it is called by.
    fn name(&self) -> &str;

    /// The description that it gives of itself: its version, its methods and its events.
    fn descriptor(&self) -> &Descriptor;

    /// Tells it apart from all other endpoints. Never used twice while the host runs.
    fn number(&self) -> u64;

    /// Where it runs, for people.
    fn place(&self) -> &str;

    /// Sends a call on its way. Must not wait.
    ///
    /// # Errors
    ///
    /// When it is not taken; it comes back.
    fn call(&self, job: Job, answer: Box<dyn Answer>, deadline: Instant) -> Result<(), Box<Refused>>;

    /// Gives up calls whose deadline has passed.
    fn expire(&self, now: Instant);

    /// Its calls so far.
    fn calls(&self) -> Calls;
}

/// The calls of one endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Taken so far.
    pub taken: u64,
    /// Not answered yet.
    pub pending: usize,
    /// Given up because their deadline passed.
    pub timeouts: u64,
}

/// Why an endpoint cannot be replaced by a library.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Irreplaceable {
    /// It is part of the host.
    #[error("component {component} is part of the host and cannot be replaced")]
    Builtin {
        /// The component's name.
        component: String,
    },
    /// It runs elsewhere.
    #[error("component {component} runs on {place} and can only be replaced there")]
    Remote {
        /// The component's name.
        component: String,
        /// Where it runs.
        place: String,
    },
}

impl Endpoint {
    /// The name that it is called by.
    pub fn name(&self) -> &str {
        match self {
            Endpoint::Library(component) => component.name(),
            Endpoint::Builtin(builtin) => &builtin.emitter().identity().component,
            Endpoint::Remote(remote) => remote.name(),
        }
    }

    /// The description that it gives of itself.
    pub fn descriptor(&self) -> &Descriptor {
        match self {
            Endpoint::Library(component) => component.descriptor(),
            Endpoint::Builtin(builtin) => builtin.descriptor(),
            Endpoint::Remote(remote) => remote.descriptor(),
        }
    }

    /// Tells it apart from all other endpoints, those that are gone too.
    pub fn number(&self) -> u64 {
        match self {
            Endpoint::Library(component) => component.instance().identity().number,
            Endpoint::Builtin(builtin) => builtin.emitter().identity().number,
            Endpoint::Remote(remote) => remote.number(),
        }
    }

    /// Whether both are the same version, loaded once.
    pub fn is(&self, other: &Endpoint) -> bool {
        self.number() == other.number()
    }

    /// The library, where it is one.
    pub fn library(&self) -> Option<&Arc<Component>> {
        match self {
            Endpoint::Library(component) => Some(component),
            Endpoint::Builtin(_) | Endpoint::Remote(_) => None,
        }
    }

    /// The library, which another one may replace.
    ///
    /// # Errors
    ///
    /// When it is no library.
    pub fn replaceable(&self) -> Result<&Arc<Component>, Irreplaceable> {
        match self {
            Endpoint::Library(component) => Ok(component),
            Endpoint::Builtin(_) => Err(Irreplaceable::Builtin {
                component: self.name().to_owned(),
            }),
            Endpoint::Remote(remote) => Err(Irreplaceable::Remote {
                component: self.name().to_owned(),
                place: remote.place().to_owned(),
            }),
        }
    }

    /// Where it comes from, for people: a file, the host, or another node.
    pub fn source(&self) -> String {
        match self {
            Endpoint::Library(component) => component.library().display().to_string(),
            Endpoint::Builtin(_) => "(part of the host)".to_owned(),
            Endpoint::Remote(remote) => format!("(on {})", remote.place()),
        }
    }

    /// Whether it answers requests for the web routes that it lists. Parts of the host answer theirs without a call, and no request
    /// for a route is sent elsewhere.
    pub fn answers_web_requests(&self) -> bool {
        self.library()
            .is_some_and(|component| component.answers_web_requests())
    }

    /// Hands over a call. The thread that has to be woken for it is woken when the returned [`Wake`] is dropped.
    ///
    /// # Errors
    ///
    /// When it is not taken; it comes back.
    pub fn call(&self, job: Job, answer: Box<dyn Answer>, deadline: Instant) -> Result<Wake, Box<Refused>> {
        match self {
            Endpoint::Library(component) => component.call(job, answer, deadline),
            Endpoint::Builtin(builtin) => builtin.call(job, answer).map(|()| Wake::nobody()),
            Endpoint::Remote(remote) => remote.call(job, answer, deadline).map(|()| Wake::nobody()),
        }
    }

    /// The place of a call with this token, which a library has taken. The work of a part of the host or of another node is not
    /// stopped.
    pub fn place_of(&self, token: u64) -> Option<Place> {
        self.library()?.instance().place_of(token)
    }

    /// Gives up calls whose deadline has passed. A part of the host keeps its own limits.
    pub fn expire(&self, now: Instant) {
        match self {
            Endpoint::Library(component) => component.expire(now),
            Endpoint::Builtin(_) => {}
            Endpoint::Remote(remote) => remote.expire(now),
        }
    }

    /// Its calls so far.
    pub fn calls(&self) -> Calls {
        match self {
            Endpoint::Library(component) => Calls {
                taken: component.calls(),
                pending: component.pending(),
                timeouts: component.timeouts(),
            },
            Endpoint::Builtin(builtin) => Calls {
                taken: builtin.calls(),
                pending: builtin.pending(),
                ..Calls::default()
            },
            Endpoint::Remote(remote) => remote.calls(),
        }
    }
}

impl From<Arc<Component>> for Endpoint {
    fn from(component: Arc<Component>) -> Endpoint {
        Endpoint::Library(component)
    }
}

impl From<Arc<Builtin>> for Endpoint {
    fn from(builtin: Arc<Builtin>) -> Endpoint {
        Endpoint::Builtin(builtin)
    }
}

impl From<Arc<dyn Remote>> for Endpoint {
    fn from(remote: Arc<dyn Remote>) -> Endpoint {
        Endpoint::Remote(remote)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.descriptor().version().text();
        write!(formatter, "{} {version} {}", self.name(), self.source())
    }
}
