//! What a session may hear of the events that it subscribed to.
//!
//! What enters: the path of an event. What leaves: whether the session's user may hear it. Guarantees: whoever may hear
//! everything that its subscriptions say costs a publication nothing.

use std::fmt;

/// Decides event by event.
pub struct Audience {
    hears: Box<dyn Fn(&str) -> bool + Send + Sync>,
    /// Something is forbidden that a subscription may reach; otherwise only those are asked for that mean more than their
    /// text.
    is_strict: bool,
}

impl Audience {
    /// `hears` decides; of all events where the audience is strict.
    pub fn new(is_strict: bool, hears: impl Fn(&str) -> bool + Send + Sync + 'static) -> Audience {
        Audience {
            hears: Box::new(hears),
            is_strict,
        }
    }

    /// Whether an event may be heard. `is_loose` says that the subscription may mean more than its text, which was allowed.
    pub fn may_hear(&self, path: &str, is_loose: bool) -> bool {
        (!self.is_strict && !is_loose) || (self.hears)(path)
    }
}

impl fmt::Debug for Audience {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Audience")
            .field("is_strict", &self.is_strict)
            .finish_non_exhaustive()
    }
}
