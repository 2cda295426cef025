//! The work of the host for a request of a component, as far as it can be stopped.
//!
//! Enters: where a call is, or which task runs. Leaves: an end to it. Guarantees: all that was asked for because of a stopped
//! call is stopped with it; a chain of calls may be long, so that is no recursion.

use std::fmt;
use std::sync::Arc;
use tokio::task::AbortHandle;

/// The work of the host for a request.
#[derive(Debug)]
pub enum Doing {
    /// It ends by itself, and soon.
    Soon,
    /// A call waits in a lane or is worked on.
    Call(Place),
    /// A task of the host.
    Task(AbortHandle),
}

/// The place of a call that a lane has taken.
#[derive(Clone)]
pub struct Place {
    pub(super) holder: Arc<dyn Holds>,
    pub(super) token: u64,
}

impl fmt::Debug for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Place").field(&self.token).finish()
    }
}

/// A lane, as the one who has calls.
pub(super) trait Holds: Send + Sync {
    /// Gives up a call whose caller does not want the answer any more. Returns what is to be stopped because of that.
    fn cancel_call(self: Arc<Self>, token: u64) -> Vec<Doing>;
}

/// Stops what the host does for a request that was cancelled, and all that the called components have asked for because of it.
pub(super) fn stop(doing: Doing) {
    let mut left = vec![doing];
    while let Some(doing) = left.pop() {
        match doing {
            Doing::Soon => {}
            Doing::Task(task) => task.abort(),
            Doing::Call(Place { holder, token }) => left.extend(holder.cancel_call(token)),
        }
    }
}
