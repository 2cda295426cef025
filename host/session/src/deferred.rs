//! Writing for connections that sleep.
//!
//! What enters: recipients that a publisher has pushed frames for without waking them. What leaves: those frames, written by
//! the publisher's own thread. Guarantees: nobody is forgotten, also when the publisher's task panics; whoever wakes meanwhile
//! writes itself; no more than fit into a turn, so that others go on and many recipients are still served by many threads.

use super::Session;
use std::sync::Arc;

/// Recipients that one batch of requests writes for: about as many as can be written for in a turn of a millisecond.
const MOST: usize = 128;

/// Recipients that sleep, and whose frames are to be written.
#[derive(Debug, Default)]
pub struct Deferred(Vec<Arc<Session>>);

impl Deferred {
    /// Whether one more may be added.
    pub fn has_room(&self) -> bool {
        self.0.len() < MOST
    }

    /// Adds a recipient that was not woken.
    pub fn add(&mut self, recipient: &Arc<Session>) {
        self.0.push(recipient.clone());
    }

    /// Writes for all of them.
    pub fn write(&mut self) {
        self.0
            .drain(..)
            .for_each(|recipient| recipient.outbound().write_deferred());
    }
}

impl Drop for Deferred {
    fn drop(&mut self) {
        self.write();
    }
}
