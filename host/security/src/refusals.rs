//! Limits the number of refused logins in the log.
//!
//! Enters: refusals, as they happen. Leaves: whether one is a line of its own, how many were not, and how many there were
//! for each reason. Guarantees: strangers who fail as often as they can write a bounded number of lines; every refusal is
//! counted in one.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lines in a second.
const MOST: u64 = 100;

/// The refusals of the present second.
#[derive(Debug)]
pub(super) struct Refusals(Mutex<Second>);

#[derive(Debug)]
struct Second {
    began: Instant,
    refused: u64,
    /// All since the start, by reason.
    by_reason: BTreeMap<&'static str, u64>,
}

impl Refusals {
    /// None so far.
    pub fn new() -> Refusals {
        let began = Instant::now();
        Refusals(Mutex::new(Second {
            began,
            refused: 0,
            by_reason: BTreeMap::new(),
        }))
    }

    /// Counts one. Says whether it is to be logged, and how many before it were not.
    pub fn note(&self, reason: &'static str, now: Instant) -> (bool, u64) {
        let mut second = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let untold = second.turn(now);
        second.refused += 1;
        *second.by_reason.entry(reason).or_default() += 1;
        (second.refused <= MOST, untold)
    }

    /// How many there were for each reason.
    pub fn by_reason(&self) -> BTreeMap<&'static str, u64> {
        let second = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        second.by_reason.clone()
    }

    /// How many were not logged, once their second is over. To be asked about once a second.
    pub fn untold(&self, now: Instant) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).turn(now)
    }
}

impl Second {
    fn turn(&mut self, now: Instant) -> u64 {
        if now.saturating_duration_since(self.began) < Duration::from_secs(1) {
            return 0;
        }
        self.began = now;
        std::mem::take(&mut self.refused).saturating_sub(MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_that_are_not_logged_are_counted_once() {
        let refusals = Refusals::new();
        let start = Instant::now();
        let told = (0..1000).filter(|_| refusals.note("busy", start).0).count();
        assert_eq!(told, 100);
        assert_eq!(refusals.untold(start), 0);
        let later = start + Duration::from_secs(2);
        assert_eq!(refusals.note("locked", later), (true, 900));
        let counts = BTreeMap::from([("busy", 1000), ("locked", 1)]);
        assert_eq!(refusals.by_reason(), counts);
        assert_eq!(refusals.untold(later + Duration::from_secs(2)), 0);
    }
}
