//! Records of a round.

use super::process::{self, Memory};
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
    /// The CPU time of each process that works for an operation, in that period.
    pub(super) shares: Vec<Share>,
    /// The generator's CPU time in that period.
    pub(super) generator_cpu: Option<Duration>,
}

/// The time that one process has spent on one server's turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    /// The process.
    pub(super) pid: u32,
    /// Its CPU time.
    pub(super) cpu: Option<Duration>,
    /// Its memory at the end.
    pub(super) memory: Option<Memory>,
}

/// Processes whose CPU time is being counted.
#[derive(Debug)]
pub(super) struct Counting(Vec<(u32, Option<Duration>)>);

impl Counting {
    /// Begins to count. A process that is named twice counts once.
    pub(super) fn begin(pids: impl IntoIterator<Item = u32>) -> Counting {
        let mut begun: Vec<(u32, Option<Duration>)> = Vec::new();
        for pid in pids {
            if begun.iter().all(|(known, _)| *known != pid) {
                begun.push((pid, process::cpu_time(pid)));
            }
        }
        Counting(begun)
    }

    /// The share of each process since then.
    pub(super) fn end(self) -> Vec<Share> {
        let share = |(pid, before): (u32, Option<Duration>)| Share {
            pid,
            cpu: process::cpu_time(pid).and_then(|after| after.checked_sub(before?)),
            memory: process::memory(pid),
        };
        self.0.into_iter().map(share).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Counting;
    use std::process::{Child, Command, Stdio};

    /// A process that works until it is killed.
    struct Working(Child);

    impl Working {
        fn begin() -> Working {
            let mut command = Command::new("sh");
            command.args(["-c", "while :; do :; done"]).stdin(Stdio::null());
            Working(command.spawn().expect("a shell can be started"))
        }
    }

    impl Drop for Working {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn each_process_has_a_share_of_its_own_and_counts_once() {
        let (one, two) = (Working::begin(), Working::begin());
        let (first, second) = (one.0.id(), two.0.id());
        // One that is not there has no share, and takes none from the others.
        let missing = u32::MAX;
        loop {
            let counting = Counting::begin([first, second, first, missing]);
            std::thread::sleep(std::time::Duration::from_millis(50));
            let shares = counting.end();
            let pids: Vec<u32> = shares.iter().map(|share| share.pid).collect();
            assert_eq!(pids, [first, second, missing]);
            assert!(shares[2].cpu.is_none() && shares[2].memory.is_none());
            // A busy machine may let them wait.
            if shares[..2]
                .iter()
                .all(|share| share.cpu.is_some_and(|cpu| !cpu.is_zero()))
            {
                return;
            }
        }
    }
}
