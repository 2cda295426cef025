//! Calls of other nodes that are executed here.
//!
//! Enters: calls and cancels of peers, and the ends of jobs. Leaves: the time that a job has, jobs to cancel, and answers.
//! Guarantees: an attempt is executed at most once and answered at most once. Nothing is executed whose time is over. A peer has a
//! bounded number of calls here.

use super::frame::{AnswerFrame, Body, CallFrame, Outcome, Refusal};
use crate::peer::Peer;
use std::collections::HashMap;
use std::time::Duration;
use thiserror::Error;

/// The most calls of one peer that are executed at once.
pub const MOST_SERVED: usize = 16 * 1024;

/// The fate of a call that has arrived.
#[derive(Debug, PartialEq, Eq)]
pub enum Served {
    /// It is executed, and has so much time.
    Execute(Duration),
    /// It is not. The body is that of an [`AnswerFrame`].
    Refuse(Body),
}

/// A frame that a peer should not have sent. Its link is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// The number of a call does not rise.
    #[error("call {number} came after call {highest}, and numbers of calls rise")]
    Repeated {
        /// Its number.
        number: u64,
        /// The highest that was there before.
        highest: u64,
    },
}

/// The calls of other nodes. `J` is what knows a job.
pub struct Serving<J> {
    most_bytes: usize,
    peers: HashMap<Peer, Of<J>>,
    unwanted: u64,
}

struct Of<J> {
    highest: u64,
    jobs: HashMap<u64, J>,
}

impl<J> Serving<J> {
    /// No calls. Arguments and answers may have so many bytes.
    pub fn new(most_bytes: usize) -> Serving<J> {
        Serving {
            most_bytes,
            peers: HashMap::new(),
            unwanted: 0,
        }
    }

    /// Takes a call of a peer that is `age` old. A job has at most `limit`. `job` is made for a call that is executed.
    ///
    /// # Errors
    ///
    /// When the peer sends what it should not.
    pub fn receive(
        &mut self,
        peer: &Peer,
        call: &CallFrame<'_>,
        age: Duration,
        limit: Duration,
        job: impl FnOnce() -> J,
    ) -> Result<Served, Fault> {
        let number = call.number;
        // A peer's name is copied for its first call only.
        let of = match self.peers.get_mut(peer) {
            Some(of) => of,
            None => self.peers.entry(peer.clone()).or_insert(Of {
                highest: 0,
                jobs: HashMap::new(),
            }),
        };
        if number <= of.highest {
            let highest = of.highest;
            return Err(Fault::Repeated { number, highest });
        }
        of.highest = number;
        let left = call.budget.saturating_sub(age).min(limit);
        let refusal = if left.is_zero() {
            Refusal::Expired
        } else if call.arguments.len() > self.most_bytes {
            Refusal::TooLarge
        } else if of.jobs.len() >= MOST_SERVED {
            Refusal::Full
        } else {
            of.jobs.insert(number, job());
            return Ok(Served::Execute(left));
        };
        let outcome = Outcome::Refused(refusal);
        Ok(Served::Refuse(AnswerFrame { number, outcome }.write()))
    }

    /// A job has ended, or was refused by what should have executed it. `None` when nobody waits for it any more.
    pub fn finished(&mut self, peer: &Peer, number: u64, outcome: Outcome) -> Option<Body> {
        let of = self.peers.get_mut(peer);
        if of.and_then(|of| of.jobs.remove(&number)).is_none() {
            self.unwanted += 1;
            return None;
        }
        let outcome = match outcome {
            Outcome::Answered { payload, .. } if payload.len() > self.most_bytes => Outcome::TooLarge {
                bytes: payload.len() as u64,
            },
            outcome => outcome,
        };
        Some(AnswerFrame { number, outcome }.write())
    }

    /// Nobody waits for an attempt any more. Returns the job that is to be cancelled.
    pub fn cancel(&mut self, peer: &Peer, number: u64) -> Option<J> {
        self.peers.get_mut(peer)?.jobs.remove(&number)
    }

    /// A peer never comes back: it said goodbye, was forgotten, or has a new incarnation. One that is only silent may still wait
    /// for its answers. Its jobs go on, as those of a session that has ended do, and their answers go nowhere.
    pub fn gone(&mut self, peer: &Peer) {
        self.peers.remove(peer);
    }

    /// How many calls are executed for others.
    pub fn running(&self) -> usize {
        self.peers.values().map(|of| of.jobs.len()).sum()
    }

    /// How many jobs have ended for which nobody waited any more.
    pub fn unwanted(&self) -> u64 {
        self.unwanted
    }
}
