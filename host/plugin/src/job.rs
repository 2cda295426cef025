//! Jobs for a component, and the receivers of its answers.
//!
//! Enters: a kind, and bytes that belong to it. Leaves: work for a lane. Guarantees: numbers are those of the ABI.

use super::chain::Began;
use super::place::Place;
use bytes::Bytes;
use mesh_session::{After, Share};
use mesh_wire::origin::Origin;

/// The publisher of events that are not counted by publisher: the mesh itself.
pub const NO_PUBLISHER: u8 = u8::MAX;

/// The kinds of jobs of a component. The numbers are those of the ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum JobKind {
    /// Get ready.
    Start = mesh_plugin_abi::WorkKind::START,
    /// A method call.
    Call = mesh_plugin_abi::WorkKind::CALL,
    /// An event that the component subscribed to.
    Event = mesh_plugin_abi::WorkKind::EVENT,
    /// The outcome of a request of the component's.
    Reply = mesh_plugin_abi::WorkKind::REPLY,
    /// Nobody waits for a call any more.
    Cancel = mesh_plugin_abi::WorkKind::CANCEL,
    /// The component asked to be woken.
    Wake = mesh_plugin_abi::WorkKind::WAKE,
    /// Finish.
    Stop = mesh_plugin_abi::WorkKind::STOP,
    /// Give the state.
    Snapshot = mesh_plugin_abi::WorkKind::SNAPSHOT,
    /// Take over the state.
    Restore = mesh_plugin_abi::WorkKind::RESTORE,
    /// Another version has taken over.
    Quiesce = mesh_plugin_abi::WorkKind::QUIESCE,
    /// Serve again.
    Resume = mesh_plugin_abi::WorkKind::RESUME,
    /// Say whether you can serve.
    Health = mesh_plugin_abi::WorkKind::HEALTH,
    /// A request for a web route.
    Http = mesh_plugin_abi::WorkKind::HTTP,
}

impl JobKind {
    /// Whether somebody outside of the host waits for it, so that it has a limit, may be held back, and counts.
    pub(super) fn is_call(self) -> bool {
        matches!(self, JobKind::Call | JobKind::Http)
    }
}

/// One piece of work for a lane.
#[derive(Debug)]
pub struct Job {
    /// Its kind.
    pub kind: JobKind,
    /// The call, subscription or request of the component that it is about.
    pub token: u64,
    /// For a reply: how it ended.
    pub status: i32,
    /// For a call or a web request: milliseconds until nobody waits any more.
    pub deadline_milliseconds: u32,
    /// For a call: position of the method in the descriptor. For [`JobKind::Http`]: of the route. For
    /// [`JobKind::Restore`]: the schema of the state.
    pub method: u32,
    /// A method's name, or an event's path. For [`JobKind::Http`]: what is asked for, as JSON.
    pub target: Bytes,
    /// JSON. For [`JobKind::Http`]: the body, any bytes.
    pub payload: Bytes,
    /// For a call or a web request: who asks.
    pub origin: Option<Origin>,
    /// For an event: the JSON of its `_meta`.
    pub meta: String,
    /// For a call that a component makes: when the chain of calls began that led to it, since the first of them may wait for its
    /// answer.
    pub chain: Option<Began>,
    /// For an event: what stands for who published it, so that nobody's events fill the queue.
    pub publisher: u8,
}

impl Job {
    /// A job without content.
    pub fn new(kind: JobKind, token: u64) -> Job {
        Job {
            kind,
            token,
            status: 0,
            deadline_milliseconds: 0,
            method: u32::MAX,
            target: Bytes::new(),
            payload: Bytes::new(),
            origin: None,
            meta: String::new(),
            chain: None,
            publisher: NO_PUBLISHER,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        size_of::<Job>() + self.payload.len() + self.target.len() + self.about().len()
    }

    /// Who asks, or an event's `_meta`, as libraries get it: JSON.
    pub(super) fn about(&self) -> &[u8] {
        match &self.origin {
            Some(origin) => origin.json().as_bytes(),
            None => self.meta.as_bytes(),
        }
    }
}

/// The error of a component that gave a web response where none was asked for.
pub(super) const NOT_ASKED_FOR: &[u8] =
    br#"[{"message":"a web response was given where none was asked for","name":"Error"}]"#;

/// The receiver of a completion.
pub trait Answer: Send {
    /// Takes the outcome: a [`mesh_plugin_abi::Status`] and the bytes that the component gave, unchecked. Must not
    /// wait, and must not call back into the lane.
    fn answer(self: Box<Self>, status: i32, payload: &[u8]);

    /// Is told, before the outcome comes, that what the component has published is still on its way.
    fn follow(&mut self, after: After) {
        let _ = after;
    }

    /// Takes the response to a web request, unchecked. As for [`Answer::answer`]. To who waits for something else it is an
    /// answer that makes no sense.
    fn respond(self: Box<Self>, response: Response<'_>) {
        let _ = response;
        self.answer(mesh_plugin_abi::Status::ERROR, NOT_ASKED_FOR);
    }

    /// No component has taken the call. Who can show no more than an error takes it as one.
    fn unserved(self: Box<Self>, unserved: Unserved<'_>) {
        self.answer(mesh_plugin_abi::Status::ERROR, unserved.arguments.as_bytes());
    }

    /// Is told where its call is, when that was waiting for a version. Must not wait, and must not call back into the lane.
    fn placed(&mut self, place: Place) {
        let _ = place;
    }

    /// Whether nobody waits for it any more.
    fn is_unwanted(&self) -> bool {
        false
    }

    /// Whether the caller has gone. The call goes on all the same, for as long as nobody else needs its place.
    fn is_orphaned(&self) -> bool {
        false
    }

    /// Where the call is counted while it is pending; nowhere if a component made it.
    fn share(&self) -> Option<&Share> {
        None
    }

    /// Nobody will complete it.
    fn abandon(self: Box<Self>, why: Abandoned);
}

/// The completion that a component gave for a call, as it came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Completion<'a> {
    /// The value that should be a [`mesh_plugin_abi::Status`].
    pub(super) status: i32,
    /// The bytes that should be a JSON array.
    pub(super) payload: &'a [u8],
}

/// The end of a call that no component has answered.
#[derive(Clone, Copy, Debug)]
pub struct Unserved<'a> {
    /// The `status` of the response document; without one it has none.
    pub status: Option<&'a str>,
    /// A JSON array that begins with the error.
    pub arguments: &'a str,
}

/// The response that a component gave for a web request, as it came.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    /// The value that should be a status of HTTP.
    pub status: u32,
    /// The text that should be a JSON object of headers, or nothing.
    pub headers: &'a [u8],
    /// The body.
    pub body: &'a [u8],
}

/// Why a call is never answered by its component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abandoned {
    /// Its deadline passed.
    TimedOut,
    /// The component was stopped.
    Stopped,
    /// Another version took over, and this one did not finish in the time that it was given.
    Replaced,
}
