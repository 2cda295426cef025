//! Records of a round.

use super::process::Memory;
use hdrhistogram::Histogram;
use std::time::Duration;

/// Operations of the measured time.
#[derive(Debug)]
pub(super) struct Record {
    /// Those that succeeded.
    pub(super) operations: u64,
    /// Those that did not, including connections that broke.
    pub(super) errors: u64,
    /// The message of the first of them.
    pub(super) first_error: Option<String>,
    /// How long the successful ones took, in nanoseconds.
    pub(super) latencies: Histogram<u64>,
}

impl Record {
    pub(super) fn new() -> Record {
        Record {
            operations: 0,
            errors: 0,
            first_error: None,
            latencies: histogram(),
        }
    }

    pub(super) fn operation(&mut self, latency: Duration) {
        self.operations += 1;
        self.latencies
            .saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(super) fn error(&mut self, count: u64, why: String) {
        self.errors += count;
        self.first_error.get_or_insert(why);
    }
}

/// Nanoseconds up to a minute, in three digits.
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(60_000_000_000, 3).unwrap_or_else(|_| unreachable!("the bounds are valid"))
}

/// One server's turn.
#[derive(Debug)]
pub(super) struct Outcome {
    /// The records.
    pub(super) record: Record,
    /// How long it was recorded.
    pub(super) elapsed: Duration,
    /// The server's CPU time in that period.
    pub(super) server_cpu: Option<Duration>,
    /// The generator's CPU time in that period.
    pub(super) generator_cpu: Option<Duration>,
    /// The server's memory at the end.
    pub(super) memory: Option<Memory>,
}
