//! A call of an own caller: its wish, where it goes, and the answer that it gets.
//!
//! Enters: the parts of a call. Leaves: the same, as the table of calls keeps and hands them on. Guarantees: a copy of a call copies
//! no text.

use super::error::CallError;
use super::frame::Body;
use crate::choice::{Asked, NoChoice, Tried};
use crate::component::{Aim, Component};
use crate::identity::Incarnation;
use crate::peer::Peer;
use crate::provider::Place;
use bytes::Bytes;
use mesh_wire::origin::Origin;
use mesh_wire::versions::{ComponentVersion, Line, RequestedRange};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// The part of a component that a call is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A method.
    Method(Arc<str>),
    /// A route of HTTP.
    Route(Arc<str>),
}

impl Target {
    /// The same, borrowed.
    pub fn aim(&self) -> Aim<'_> {
        match self {
            Target::Method(name) => Aim::Method(name),
            Target::Route(name) => Aim::Route(name),
        }
    }

    pub(super) fn name(&self) -> &Arc<str> {
        match self {
            Target::Method(name) | Target::Route(name) => name,
        }
    }
}

/// The versions that a call asks for.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// All.
    Any,
    /// One like the version that the session was shown.
    Line(Line),
    /// Those inside a range: as it was written, and what it means.
    Range(Arc<(Box<str>, RequestedRange)>),
}

impl Wanted {
    /// The range `text`.
    pub fn range(text: &str) -> Wanted {
        Wanted::Range(Arc::new((text.into(), RequestedRange::from(text))))
    }

    /// The same, borrowed.
    pub fn asked(&self) -> Asked<'_> {
        match self {
            Wanted::Any => Asked::Any,
            Wanted::Line(line) => Asked::Line(*line),
            Wanted::Range(range) => Asked::Range(&range.1),
        }
    }

    pub(super) fn text(&self) -> Arc<str> {
        match self {
            Wanted::Any => "".into(),
            Wanted::Line(line) => line.to_string().into(),
            Wanted::Range(range) => (&*range.0).into(),
        }
    }
}

/// A call.
#[derive(Clone, Debug)]
pub struct Request {
    /// The component.
    pub component: Arc<str>,
    /// The same as its caller named it, perhaps with a range behind an `@`. Errors of calls that reach no method repeat it.
    pub named: Arc<str>,
    /// Its part.
    pub target: Target,
    /// The versions that may serve.
    pub wanted: Wanted,
    /// The hash of the session, where one calls.
    pub session: Option<u64>,
    /// Who calls.
    pub origin: Origin,
    /// The user who acts in the caller's name.
    pub delegate: Option<Arc<str>>,
    /// The revision of the groups that the caller was authorised by.
    pub groups: u64,
    /// The arguments.
    pub arguments: Bytes,
    /// The time that it has.
    pub timeout: Duration,
}

/// Where a call goes.
#[derive(Clone, Debug)]
pub struct Route {
    /// The node.
    pub place: Place,
    /// The version.
    pub component: Arc<Component>,
}

/// How many calls there are at each node.
#[derive(Debug, Default)]
pub struct InFlight(HashMap<Incarnation, u32>);

impl InFlight {
    /// How many there are at this one.
    pub fn at(&self, peer: &Peer) -> u32 {
        self.0.get(&peer.incarnation).copied().unwrap_or(0)
    }

    pub(super) fn begin(&mut self, place: &Place) {
        if let Some(peer) = place.peer() {
            *self.0.entry(peer.incarnation).or_default() += 1;
        }
    }

    pub(super) fn end(&mut self, place: &Place) {
        let Some(peer) = place.peer() else { return };
        if let Some(count) = self.0.get_mut(&peer.incarnation) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&peer.incarnation);
            }
        }
    }
}

/// Chooses where a call goes.
pub trait Router {
    /// A node for this call, none of those tried.
    ///
    /// # Errors
    ///
    /// Why there is none.
    fn choose(&mut self, request: &Request, tried: &[Tried], in_flight: &InFlight)
    -> Result<Route, NoChoice>;

    /// The versions of a component that there are.
    fn versions(&self, component: &str) -> Vec<ComponentVersion>;
}

/// The answer that a caller gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The component has answered.
    Answered {
        /// A status of the component contract.
        status: i32,
        /// Its results.
        payload: Bytes,
    },
    /// No component has answered.
    Failed(CallError),
}

/// Something that is to be done.
#[derive(Debug)]
pub enum Output<C> {
    /// A call goes to a peer. The link says what becomes of it, by its number.
    Send {
        /// The peer.
        peer: Peer,
        /// The number of the attempt.
        number: u64,
        /// The body of a [`CallFrame`](super::CallFrame).
        body: Body,
    },
    /// A call goes to a component of the own node. Its answer comes through [`Calls::answered`](super::Calls::answered).
    Here {
        /// The number of the attempt.
        number: u64,
        /// The version.
        component: Arc<Component>,
        /// The call.
        request: Request,
        /// The time that it has.
        left: Duration,
    },
    /// An attempt that its peer has not taken is taken out of the link, if it is still there.
    Withdraw {
        /// The peer.
        peer: Peer,
        /// The number of the attempt.
        number: u64,
    },
    /// Nobody waits for an attempt any more.
    Cancel {
        /// Where it is.
        place: Place,
        /// The number of the attempt.
        number: u64,
        /// The body of a [`CancelFrame`](super::CancelFrame).
        body: Body,
    },
    /// A caller gets its answer.
    Reply {
        /// The caller.
        caller: C,
        /// The answer.
        reply: Reply,
    },
}

/// Numbers of things that have happened since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Answers for which nobody waited any more.
    pub late: u64,
    /// Attempts that followed a refusal.
    pub rerouted: u64,
    /// Attempts that followed a loss, of idempotent methods.
    pub repeated: u64,
    /// Calls whose time was over.
    pub timed_out: u64,
    /// Calls whose node was lost.
    pub lost: u64,
}
