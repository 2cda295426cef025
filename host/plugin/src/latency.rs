//! How long the calls of a lane took, counted by steps.
//!
//! Enters: the time of each completed call. Leaves: how many took at most so long, and the sum of all. Guarantees:
//! counting takes no lock and no memory.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper ends of the steps, in microseconds. Calls that take longer are counted behind the last one.
pub const STEPS: [u64; 15] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    10_000_000,
];

/// Counts of one lane.
#[derive(Debug, Default)]
pub(super) struct Latency {
    counts: [AtomicU64; STEPS.len() + 1],
    microseconds: AtomicU64,
}

/// Counts of all lanes of a component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    /// Calls by step, not added up; behind the last step those that took longer.
    pub counts: [u64; STEPS.len() + 1],
    /// The time of all calls together.
    pub microseconds: u64,
}

impl Latency {
    /// Counts a call.
    pub(super) fn count(&self, took: Duration) {
        let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let step = STEPS.partition_point(|end| *end < microseconds);
        self.counts[step].fetch_add(1, Ordering::Relaxed);
        self.microseconds.fetch_add(microseconds, Ordering::Relaxed);
    }

    /// Adds these counts to those of other lanes.
    pub(super) fn add_to(&self, all: &mut Latencies) {
        for (sum, count) in all.counts.iter_mut().zip(&self.counts) {
            *sum += count.load(Ordering::Relaxed);
        }
        all.microseconds += self.microseconds.load(Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_in_the_step_that_they_fit() {
        let latency = Latency::default();
        for microseconds in [0, 50, 51, 1_000, 1_001, 20_000_000] {
            latency.count(Duration::from_micros(microseconds));
        }
        let mut all = Latencies::default();
        latency.add_to(&mut all);
        latency.add_to(&mut all);
        assert_eq!(all.counts[0], 4, "up to 50 µs");
        assert_eq!(all.counts[1], 2);
        assert_eq!(all.counts[4], 2, "up to 1 ms");
        assert_eq!(all.counts[5], 2);
        assert_eq!(all.counts[STEPS.len()], 2, "longer than the last step");
        assert_eq!(all.microseconds, 2 * 20_002_102);
    }
}
