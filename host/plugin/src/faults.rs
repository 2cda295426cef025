//! Counting the calls of a version that failed.
//!
//! Enters: the status of each completion. Leaves: numbers, by which a version in probation is judged.

use super::Status;
use std::sync::atomic::{AtomicU64, Ordering};

/// Calls that failed.
#[derive(Debug, Default)]
pub(super) struct Faults {
    errors: AtomicU64,
    panics: AtomicU64,
}

impl Faults {
    /// Counts a completion with this status, if it is a failure.
    pub(super) fn count(&self, status: i32) {
        match status {
            Status::OK | Status::VALUE_ERROR => return,
            Status::PANIC => self.panics.fetch_add(1, Ordering::Relaxed),
            _ => 0,
        };
        self.errors.fetch_add(1, Ordering::Relaxed);
    }

    /// Calls that ended with an error, whatever its cause.
    pub(super) fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// Those among them that ended with a panic.
    pub(super) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }
}
