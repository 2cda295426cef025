//! A swap in its probation, as later swaps see it.
//!
//! Enters: a wish to replace a version that is in probation. Leaves: whether that may begin. Guarantees: a
//! probation is either ended by a later swap, or leads back to the old version; never both.

use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Probation,
    Superseded,
    TakingBack,
    Ended,
}

/// Shared between a swap and those that come after it.
#[derive(Debug)]
pub struct Standing {
    components: Vec<String>,
    phase: Mutex<Phase>,
    changed: Notify,
}

impl Standing {
    /// The standing of a swap of these components.
    pub fn new(components: Vec<String>) -> Standing {
        Standing {
            components,
            phase: Mutex::new(Phase::Probation),
            changed: Notify::new(),
        }
    }

    /// Whether it is about one of these components.
    pub fn concerns(&self, components: &[String]) -> bool {
        self.components.iter().any(|name| components.contains(name))
    }

    /// Ends the probation because another swap follows. False when the old version is being rolled back.
    pub fn supersede(&self) -> bool {
        let mut phase = self.lock();
        match *phase {
            Phase::Probation => *phase = Phase::Superseded,
            Phase::Superseded | Phase::Ended => return true,
            Phase::TakingBack => return false,
        }
        drop(phase);
        self.changed.notify_waiters();
        true
    }

    /// Claims the right to take the old version back. False when another swap follows already.
    pub fn take_back(&self) -> bool {
        let mut phase = self.lock();
        if *phase == Phase::Probation {
            *phase = Phase::TakingBack;
        }
        *phase == Phase::TakingBack
    }

    /// Notes the end.
    pub fn end(&self) {
        *self.lock() = Phase::Ended;
        self.changed.notify_waiters();
    }

    /// Waits until another swap follows.
    pub async fn superseded(&self) {
        self.until(|phase| phase == Phase::Superseded).await;
    }

    /// Waits until it has ended.
    pub async fn ended(&self) {
        self.until(|phase| phase == Phase::Ended).await;
    }

    async fn until(&self, wanted: impl Fn(Phase) -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if wanted(*self.lock()) {
                return;
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
