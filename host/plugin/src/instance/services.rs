//! Requests of a component as the rest of the host sees them.
//!
//! Enters: what a component asks for, and for which call. Leaves: a reply on the lane that it chose, or that the request is
//! wrong. Guarantees: a request that can be cancelled gets one reply at most, and none after it was cancelled.

use super::Instance;
use crate::Status;
use crate::authority::Authority;
use crate::emitter::Emitter;
use crate::job::{Job, JobKind};
use crate::lane::{Lane, RequestNumber, split_token};
use crate::place::{Doing, Place, stop};
use crate::slots::Ticket;
use crate::wrong::Wrong;
use bytes::Bytes;
use std::sync::Arc;

/// Where the reply to a request of a component goes.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The component that asked.
    pub instance: Arc<Instance>,
    /// The lane on which it waits.
    pub lane: u32,
    /// The number that it chose for the request.
    pub token: u64,
    /// For which call it asked, and with whose rights.
    pub authority: Authority,
    /// The number of the request, where it names the call that it is made for, and can be cancelled.
    pub request: Option<RequestNumber>,
}

impl Caller {
    /// Queues the reply, unless the request was cancelled.
    pub fn reply(&self, status: i32, payload: impl Into<Bytes>) {
        if let Some((lane, ticket)) = self.place()
            && !lane.requests().finish(ticket)
        {
            return;
        }
        let job = Job {
            status,
            payload: payload.into(),
            ..Job::new(JobKind::Reply, self.token)
        };
        self.instance.push(self.lane, job);
    }

    /// Says that the request is wrong: at once where the component hears of that, else with this reply.
    ///
    /// # Errors
    ///
    /// Where it hears of that at once.
    pub fn refuse(&self, wrong: Wrong, payload: impl Into<Bytes>) -> Result<(), Wrong> {
        if self.request.is_some() {
            return Err(wrong);
        }
        self.reply(Status::ERROR, payload);
        Ok(())
    }

    /// Whether the component hears at once that a request is wrong.
    pub fn hears_at_once(&self) -> bool {
        self.request.is_some()
    }

    /// Whether the request was cancelled or answered, so that no reply is wanted.
    pub fn is_over(&self) -> bool {
        self.place()
            .is_some_and(|(lane, ticket)| !lane.requests().has(ticket))
    }

    /// Notes what the host does for the request, to be stopped when it is cancelled. Where it was cancelled before, that is
    /// stopped at once.
    pub fn note(&self, doing: Doing) {
        if let Some((lane, ticket)) = self.place()
            && let Some(doing) = lane.requests().note(ticket, doing)
        {
            stop(doing);
        }
    }

    /// As [`Caller::note`] for a call that has found its place. A lane is locked, so nothing is stopped: who looks there for calls
    /// that nobody wants finds it.
    pub fn note_place(&self, place: Place) {
        if let Some((lane, ticket)) = self.place() {
            let _ = lane.requests().note(ticket, Doing::Call(place));
        }
    }

    fn place(&self) -> Option<(&Arc<Lane>, Ticket)> {
        let (lane, ticket) = split_token(self.request?.get());
        Some((self.instance.lanes().get(lane)?, ticket))
    }
}

/// The services of the host for a component. All functions are called from threads of the component and never wait.
///
/// # Errors
///
/// The fault of a request, which was not begun then. Nobody replies to it. Where [`Caller::hears_at_once`] says no, a
/// request that is wrong is taken, and the reply says so.
pub trait Services: Send + Sync {
    /// Publishes an event of a component.
    fn emit(&self, emitter: &Emitter, key: &str, data: &[u8], options: &[u8]) -> Result<(), Wrong>;
    /// Calls a method of a component.
    fn call(
        &self,
        caller: Caller,
        component: &str,
        method: &str,
        range: &str,
        arguments: &[u8],
        timeout_milliseconds: u32,
    ) -> Result<(), Wrong>;
    /// Subscribes to events of a component.
    fn subscribe(&self, caller: Caller, component: &str, key: &str, range: &str) -> Result<(), Wrong>;
    /// Ends a subscription by the number that the component chose.
    fn unsubscribe(&self, instance: &Arc<Instance>, subscription: u64) -> Result<(), Wrong>;
    /// Stores one of the component's documents.
    fn data_set(&self, caller: Caller, path: &str, value: &[u8], options: &[u8]) -> Result<(), Wrong>;
    /// Reads the component's documents.
    fn data_get(&self, caller: Caller, path: &str) -> Result<(), Wrong>;
    /// Removes some of the component's documents.
    fn data_remove(&self, caller: Caller, path: &str) -> Result<(), Wrong>;
    /// Replies after a while.
    fn after(&self, caller: Caller, milliseconds: u64) -> Result<(), Wrong>;
}
