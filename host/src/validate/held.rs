//! Resources of the operating system that this process holds.
//!
//! Enters: `/proc/self`. Leaves: a [`Held`], and a [`Finding`] where a series of memory sizes grows.
//! Guarantees: taking it allocates no more than it gives back.

use super::report::Finding;
use mesh_plugin::ffi::interpose;
use std::fs;

/// Fewer rounds than this say nothing about memory.
pub(super) const ENOUGH_FOR_MEMORY: usize = 20;

/// Growth of memory that is worth a word, and growth that is a leak: KiB a round. A library that stays mapped takes
/// hundreds.
const NOTEWORTHY: f64 = 16.0;
const LEAK: f64 = 100.0;
/// The allocator takes so much at once, so that less in all says nothing, in KiB.
const LEAST_IN_ALL: f64 = 1024.0;

/// One look at this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) memory_kilobytes: u64,
    pub(super) threads: usize,
    pub(super) keys: usize,
    pub(super) descriptors: usize,
    pub(super) libraries: usize,
}

impl Held {
    pub(super) fn now() -> Held {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let number = |name: &str| -> u64 {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .and_then(|rest| rest.split_whitespace().next())
                .and_then(|number| number.parse().ok())
                .unwrap_or_default()
        };
        Held {
            memory_kilobytes: number("VmRSS:"),
            threads: number("Threads:") as usize,
            keys: interpose::keys_in_use(),
            descriptors: fs::read_dir("/proc/self/fd").map_or(0, Iterator::count),
            libraries: fs::read_to_string("/proc/self/maps")
                .unwrap_or_default()
                .lines()
                .filter(|line| line.contains(".so"))
                .count(),
        }
    }

    /// The counts, with the words for each.
    pub(super) fn counts(&self) -> [(&'static str, usize); 4] {
        [
            ("threads", self.threads),
            ("thread keys", self.keys),
            ("file descriptors", self.descriptors),
            ("mappings of libraries", self.libraries),
        ]
    }
}

/// The fault when the memory of so many rounds grows. `right` follows the number of KiB: it says for what, and what
/// would be right.
pub(super) fn growth(memory: &[u64], right: &str) -> Option<Finding> {
    let growth = slope(memory);
    let in_all = growth * memory.len() as f64;
    if memory.len() < ENOUGH_FOR_MEMORY || growth < NOTEWORTHY || in_all < LEAST_IN_ALL {
        return None;
    }
    let sentence = format!("memory grew by {growth:.0} KiB {right}");
    Some(if growth >= LEAK {
        Finding::failed(sentence)
    } else {
        Finding::warning(sentence)
    })
}

/// The slope of the straight line that is nearest to a series: growth from one value to the next.
fn slope(series: &[u64]) -> f64 {
    let count = series.len() as f64;
    if series.len() < 2 {
        return 0.0;
    }
    let middle = (count - 1.0) / 2.0;
    let average = series.iter().map(|value| *value as f64).sum::<f64>() / count;
    let (mut above, mut below) = (0.0, 0.0);
    for (position, value) in series.iter().enumerate() {
        let distance = position as f64 - middle;
        above += distance * (*value as f64 - average);
        below += distance * distance;
    }
    above / below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_seen_and_a_single_step_is_not_much() {
        assert_eq!(slope(&[]), 0.0);
        assert_eq!(slope(&[7]), 0.0);
        assert_eq!(slope(&[100, 100, 100]), 0.0);
        assert_eq!(slope(&[0, 350, 700, 1050]), 350.0);
        assert!(slope(&[100, 100, 104, 100, 100]).abs() < 1e-9);
    }

    #[test]
    fn this_process_holds_something() {
        let held = Held::now();
        assert!(
            held.memory_kilobytes > 0 && held.threads > 0 && held.descriptors > 0,
            "{held:?}"
        );
    }
}
