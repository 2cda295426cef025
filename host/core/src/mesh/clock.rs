//! The time of one mesh.
//!
//! Enters: nothing, or in tests how much time has passed. Leaves: moments of the monotonic clock. Guarantees: time
//! never goes back.

use std::time::Instant;

/// The clock of a mesh: that of the system, or in tests one that stands until it is moved.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    #[cfg(any(test, feature = "testing"))]
    stopped: Option<std::sync::Arc<std::sync::Mutex<Instant>>>,
}

impl Clock {
    /// The time.
    pub fn now(&self) -> Instant {
        #[cfg(any(test, feature = "testing"))]
        if let Some(stopped) = &self.stopped {
            return *stopped.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        Instant::now()
    }
}

#[cfg(any(test, feature = "testing"))]
impl Clock {
    /// A clock that stands still at this moment.
    pub fn stopped() -> Clock {
        let now = std::sync::Arc::new(std::sync::Mutex::new(Instant::now()));
        Clock { stopped: Some(now) }
    }

    /// Lets time pass, where the clock stands still.
    pub fn advance(&self, by: std::time::Duration) {
        if let Some(stopped) = &self.stopped {
            *stopped.lock().unwrap_or_else(std::sync::PoisonError::into_inner) += by;
        }
    }
}
