//! The duty to wake a lane.
//!
//! Enters: a lane that sleeps, and the call that it has taken. Leaves: one signal. Guarantees: one wake serves all jobs that
//! were queued before it is dropped.

use super::Lane;
use std::sync::Arc;

/// The duty to wake a lane, fulfilled when dropped. Lets one wake serve many jobs.
#[must_use]
pub struct Wake {
    lane: Option<Arc<Lane>>,
    token: u64,
}

impl Wake {
    /// No duty at all: for what is taken without a lane.
    pub fn nobody() -> Wake {
        Wake { lane: None, token: 0 }
    }

    /// To wake this lane, where it sleeps.
    pub(super) fn of(lane: Option<Arc<Lane>>, token: u64) -> Wake {
        Wake { lane, token }
    }

    /// The token of the call that was taken; 0 where the call waits until a version takes it, or where no lane has it.
    pub fn token(&self) -> u64 {
        self.token
    }
}

impl Drop for Wake {
    fn drop(&mut self) {
        if let Some(lane) = self.lane.take() {
            lane.signal();
        }
    }
}
