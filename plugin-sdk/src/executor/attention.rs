//! Whether a lane has to be asked for, so that tasks that were woken are polled.
//!
//! Enters: wakes from any thread, and the looks of the lane's thread. Leaves: the keys of tasks that were woken, and whether the host
//! is to be asked for the lane's attention. Guarantees: a task that was woken is polled by a look that goes on, or by one that the host
//! is asked for; the poll sees what was written before the wake.
//!
//! `tests/simulation/tests/wake_ups/main.rs` includes this file, and tries all orders in which threads can take these steps.

use super::sync::{AtomicBool, AtomicUsize, Mutex, MutexGuard, Ordering};
use std::sync::PoisonError;

/// The attention of one lane.
pub(super) struct Attention {
    /// Keys of tasks that were woken.
    ready: Mutex<Vec<u64>>,
    /// The host was asked for a wake that has not come yet.
    is_requested: AtomicBool,
    /// The mark of the thread that works on the lane just now; 0 when none does.
    worker: AtomicUsize,
}

impl Attention {
    pub(super) fn none() -> Attention {
        Attention {
            ready: Mutex::new(Vec::new()),
            is_requested: AtomicBool::new(false),
            worker: AtomicUsize::new(0),
        }
    }

    /// The thread with this mark works on the lane, until [`Attention::leave`].
    pub(super) fn enter(&self, mark: usize) {
        self.worker.store(mark, Ordering::Release);
    }

    /// A task was woken by the thread with this mark. Returns whether the host is to be asked.
    pub(super) fn wake(&self, key: u64, mark: usize) -> bool {
        self.ready().push(key);
        self.worker.load(Ordering::SeqCst) != mark && self.request()
    }

    /// The tasks that were woken since the last look.
    pub(super) fn look(&self) -> Vec<u64> {
        self.is_requested.store(false, Ordering::SeqCst);
        std::mem::take(&mut *self.ready())
    }

    /// No thread works on the lane any more. Returns whether the host is to be asked.
    pub(super) fn leave(&self) -> bool {
        self.worker.store(0, Ordering::SeqCst);
        // A task that was woken between the last look and the line above believed that the lane was still working.
        let is_left = !self.ready().is_empty();
        is_left && self.request()
    }

    /// Forgets which tasks were woken.
    pub(super) fn clear(&self) {
        self.ready().clear();
    }

    /// Whether this request is the first since the last look.
    fn request(&self) -> bool {
        !self.is_requested.swap(true, Ordering::SeqCst)
    }

    fn ready(&self) -> MutexGuard<'_, Vec<u64>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a task was woken and has not been polled since.
pub(super) struct Woken(AtomicBool);

impl Woken {
    pub(super) fn no() -> Woken {
        Woken(AtomicBool::new(false))
    }

    /// Wakes the task. Returns whether the lane has to know.
    pub(super) fn wake(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }

    /// The task is about to be polled.
    pub(super) fn begin_poll(&self) {
        // A swap and not a store: a waker that found the flag set has happened before, and what it wrote is seen by the poll.
        self.0.swap(false, Ordering::AcqRel);
    }
}
