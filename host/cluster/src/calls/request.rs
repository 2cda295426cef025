//! A call of an own caller: its wish, where it goes, and the answer that it gets.
//!
//! Enters: the parts of a call. Leaves: the same, as the table of calls keeps and hands them on. Guarantees: a copy of a call copies
//! no text.

use super::error::CallError;
use super::frame::{AskedText, Body, CallFrame, Caller};
use crate::choice::{Asked, NoChoice, Tried};
use crate::component::{Aim, Component};
use crate::identity::{Incarnation, NodeName};
use crate::peer::Peer;
use crate::provider::Place;
use crate::status::CallCounts;
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

impl Request {
    /// The frame that carries it to a version on another node.
    pub(super) fn frame<'a>(
        &'a self,
        number: u64,
        component: &'a Component,
        left: Duration,
    ) -> CallFrame<'a> {
        CallFrame {
            number,
            budget: left,
            component: &self.component,
            version: component.version().text(),
            asked: match &self.wanted {
                Wanted::Any => AskedText::Any,
                Wanted::Line(_) => AskedText::Line,
                Wanted::Range(range) => AskedText::Range(&range.0),
            },
            aim: self.target.aim(),
            is_repeated: component.is_idempotent(self.target.aim()),
            caller: Caller::of(&self.origin, self.delegate.as_deref(), self.groups),
            arguments: self.arguments.clone(),
        }
    }
}

/// Where a call goes.
#[derive(Clone, Debug)]
pub struct Route {
    /// The node.
    pub place: Place,
    /// The version.
    pub component: Arc<Component>,
    /// The node is away, so that a call which waits for another one gains nothing there.
    pub is_away: bool,
}

/// How an attempt to have a call executed by a node has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The component has answered.
    Answered,
    /// The node refused it, or never had it.
    Refused,
    /// The node was lost, or withdrew without a word.
    Lost,
    /// The time of the call was over.
    TimedOut,
}

/// How many calls there are at each node, and how those that were there have ended.
#[derive(Debug, Default)]
pub struct InFlight(HashMap<Incarnation, AtNode>);

#[derive(Debug)]
struct AtNode {
    node: NodeName,
    count: u32,
    ended: CallCounts,
}

impl InFlight {
    /// How many there are at this one.
    pub fn at(&self, peer: &Peer) -> u32 {
        self.of(peer.incarnation)
    }

    /// How many there are at this incarnation of a node.
    pub fn of(&self, incarnation: Incarnation) -> u32 {
        self.0.get(&incarnation).map_or(0, |at| at.count)
    }

    pub(super) fn begin(&mut self, place: &Place) {
        if let Some(peer) = place.peer() {
            let new = || AtNode {
                node: peer.node.clone(),
                count: 0,
                ended: CallCounts::default(),
            };
            self.0.entry(peer.incarnation).or_insert_with(new).count += 1;
        }
    }

    pub(super) fn end(&mut self, place: &Place, ending: Ending) {
        let Some(peer) = place.peer() else { return };
        if let Some(at) = self.0.get_mut(&peer.incarnation) {
            at.count -= 1;
            let counts = &mut at.ended;
            *match ending {
                Ending::Answered => &mut counts.answered,
                Ending::Refused => &mut counts.refused,
                Ending::Lost => &mut counts.lost,
                Ending::TimedOut => &mut counts.timed_out,
            } += 1;
        }
    }

    /// Takes the endings since the last time. Nodes without calls are forgotten then.
    pub(super) fn take_ended(&mut self, mut each: impl FnMut(&NodeName, CallCounts)) {
        self.0.retain(|_, at| {
            let ended = std::mem::take(&mut at.ended);
            if ended != CallCounts::default() {
                each(&at.node, ended);
            }
            at.count > 0
        });
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
