//! When calls are over.
//!
//! Enters: deadlines of calls, and the time. Leaves: the numbers of calls whose deadlines have passed. Guarantees: a call that was
//! answered costs nothing at its deadline. Memory is in proportion to the calls that wait.

use crate::moment::Moment;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Below this, nothing is gained by looking for calls that have been answered.
const FEW: usize = 64;

/// The deadlines of calls by their keys. Most calls are answered long before, so keys are not taken out one by one.
#[derive(Default)]
pub(super) struct Deadlines(BinaryHeap<Reverse<(Moment, u64)>>);

impl Deadlines {
    /// Adds a deadline. `waiting` calls wait, those for which `waits` holds.
    pub(super) fn add(&mut self, deadline: Moment, key: u64, waiting: usize, waits: impl Fn(u64) -> bool) {
        if self.0.len() > FEW.max(2 * waiting) {
            self.0.retain(|Reverse((_, key))| waits(*key));
        }
        self.0.push(Reverse((deadline, key)));
    }

    /// The next key whose deadline has passed.
    pub(super) fn take(&mut self, now: Moment) -> Option<u64> {
        let Reverse((deadline, _)) = self.0.peek()?;
        match *deadline <= now {
            true => self.0.pop().map(|Reverse((_, key))| key),
            false => None,
        }
    }

    /// The next deadline of a call that waits.
    pub(super) fn next_deadline(&mut self, waits: impl Fn(u64) -> bool) -> Option<Moment> {
        while let Some(Reverse((deadline, key))) = self.0.peek() {
            if waits(*key) {
                return Some(*deadline);
            }
            self.0.pop();
        }
        None
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
