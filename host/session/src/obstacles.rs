//! Obstacles to reading a session's requests, and how its connection notices that they have gone.
//!
//! Enters: requests that are worked on elsewhere, and answers that wait for the store, as they begin and end on any thread. Leaves:
//! whether the next request is read. Guarantees: a connection that stopped reading and says that it sleeps has either noticed that the
//! obstacle ended, or is woken by its end.
//!
//! `tests/simulation/tests/sleep/main.rs` tries all orders in which threads can take these steps.

use super::sync::{AtomicBool, AtomicUsize, Ordering};

/// The reasons to read no more requests of one session. Each that ends one wakes the connection behind that.
#[derive(Debug)]
pub struct Obstacles {
    /// A request is being worked on elsewhere, and its answer comes before all that follow.
    waits: AtomicBool,
    /// Answers that wait for the store.
    uncommitted: AtomicUsize,
}

impl Obstacles {
    pub(super) fn none() -> Obstacles {
        Obstacles {
            waits: AtomicBool::new(false),
            uncommitted: AtomicUsize::new(0),
        }
    }

    pub(super) fn hold_requests(&self) {
        self.waits.store(true, Ordering::Release);
    }

    pub(super) fn go_on(&self) {
        self.waits.store(false, Ordering::Release);
    }

    /// Whether a request is being worked on elsewhere.
    pub fn waits(&self) -> bool {
        self.waits.load(Ordering::Acquire)
    }

    pub(super) fn begin_commit(&self) {
        self.uncommitted.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end_commit(&self) {
        self.uncommitted.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many answers wait for the store.
    pub fn uncommitted(&self) -> usize {
        self.uncommitted.load(Ordering::Relaxed)
    }

    /// Whether there is one, where fewer than `most` answers may wait for the store.
    fn are_there(&self, most: usize) -> bool {
        self.waits() || self.uncommitted() >= most
    }
}

/// The reading side of a connection before [`Obstacles`].
#[derive(Debug)]
pub struct Reading {
    /// Answers that may wait for the store before no more is read.
    most_uncommitted: usize,
    /// Reading was stopped since the connection slept last.
    is_halted: bool,
}

impl Reading {
    /// Reading that stops while so many answers wait for the store.
    pub fn until(most_uncommitted: usize) -> Reading {
        Reading {
            most_uncommitted,
            is_halted: false,
        }
    }

    /// Whether nothing more is read for now.
    pub fn halts(&mut self, obstacles: &Obstacles) -> bool {
        let halts = obstacles.are_there(self.most_uncommitted);
        self.is_halted |= halts;
        halts
    }

    /// Whether the obstacle has gone before which reading stopped. To be asked when the connection has said that it sleeps: nobody
    /// wakes it again for an obstacle that ended before, and it has to look once more.
    pub fn goes_on(&mut self, obstacles: &Obstacles) -> bool {
        std::mem::take(&mut self.is_halted) && !obstacles.are_there(self.most_uncommitted)
    }
}
