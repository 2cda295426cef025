//! Which calls descend from calls that were under way before versions began to change places.
//!
//! Enters: the moments at which calls begin and at which calls are held back. Leaves: whether a call began before
//! such a moment. Guarantees: a call that another one makes is never younger than that one. While nothing is held
//! back, a call costs one look at a number.

use std::sync::atomic::{AtomicU64, Ordering};

/// How often calls were held back.
static HOLDS: AtomicU64 = AtomicU64::new(0);
/// How many versions hold calls back now.
static UNDER_WAY: AtomicU64 = AtomicU64::new(0);

/// When the first of a chain of calls began, counted in holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Began(u64);

impl Began {
    /// For what began before anything was ever held back.
    pub(super) const BEFORE_ALL: Began = Began(0);

    /// For a call that nobody else's call has led to.
    pub fn now() -> Began {
        Began(HOLDS.load(Ordering::Acquire))
    }
}

/// A time in which calls of a version are held back. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Hold(u64);

impl Hold {
    pub(super) fn begin() -> Hold {
        UNDER_WAY.fetch_add(1, Ordering::AcqRel);
        Hold(HOLDS.fetch_add(1, Ordering::AcqRel) + 1)
    }

    /// A time that began in the same moment.
    pub(super) fn of_same_moment(&self) -> Hold {
        UNDER_WAY.fetch_add(1, Ordering::AcqRel);
        Hold(self.0)
    }

    /// Whether a call began before calls were held back.
    pub(super) fn is_younger_than(&self, began: Began) -> bool {
        began.0 < self.0
    }

    /// Whether there is any now, so that it matters when calls began.
    pub(super) fn is_any() -> bool {
        UNDER_WAY.load(Ordering::Acquire) > 0
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        UNDER_WAY.fetch_sub(1, Ordering::AcqRel);
    }
}
