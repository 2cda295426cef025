//! Who emits events: a version of a component, by what the mesh knows it.
//!
//! Enters: an identity, and what was published in its name. Leaves: what an answer has to wait for. Guarantees: an answer
//! that waits for what is left here leaves behind all that was published before it; a version that has published nothing
//! costs an answer one look at a flag.

use mesh_session::After;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Who a component is, as it learns itself when it is created.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The mesh's name.
    pub mesh: String,
    /// The mesh's domain: the second segment of request and event paths.
    pub domain: String,
    /// The name under which the component is registered.
    pub component: String,
    /// The version of the library.
    pub version: String,
    /// Groups what this loaded version subscribed to. Never used twice while the host runs.
    pub number: u64,
}

/// A version of a component, as somebody who emits events.
pub struct Emitter {
    identity: Identity,
    /// Whether it has published something that may still be on its way.
    has_published: AtomicBool,
    /// The means to wait for all that it has published.
    published: Mutex<Option<After>>,
}

impl Emitter {
    /// Somebody who has published nothing yet.
    pub fn new(identity: Identity) -> Emitter {
        Emitter {
            identity,
            has_published: AtomicBool::new(false),
            published: Mutex::default(),
        }
    }

    /// Who it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Notes that it has just published something: its answers from now on leave behind it.
    pub fn published(&self, after: Option<After>) {
        if let Some(after) = after {
            self.follow(after, After::and_before);
        }
    }

    /// Notes that a component which it has called had published something before it answered.
    pub fn answered_after(&self, after: After) {
        self.follow(after, After::both);
    }

    fn follow(&self, after: After, join: fn(After, After) -> After) {
        let mut published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        *published = Some(match published.take() {
            Some(earlier) => join(after, earlier),
            None => after,
        });
        self.has_published.store(true, Ordering::Release);
    }

    /// The events that an answer has to wait for.
    pub fn unwritten(&self) -> Option<After> {
        if !self.has_published.load(Ordering::Acquire) {
            return None;
        }
        let mut published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        published.take_if(|after| after.is_over());
        self.has_published.store(published.is_some(), Ordering::Release);
        published.clone()
    }
}
