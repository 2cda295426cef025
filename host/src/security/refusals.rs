//! How many refused logins are told in the log.
//!
//! What enters: refusals, as they happen. What leaves: whether one is a line of its own, and how many were not. Guarantees: strangers
//! who fail as often as they can write a bounded number of lines; every refusal is counted in one.

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
}

impl Refusals {
    /// None so far.
    pub fn new() -> Refusals {
        let began = Instant::now();
        Refusals(Mutex::new(Second { began, refused: 0 }))
    }

    /// Counts one. Says whether it is to be told, and how many before it were not.
    pub fn note(&self, now: Instant) -> (bool, u64) {
        let mut second = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let untold = second.turn(now);
        second.refused += 1;
        (second.refused <= MOST, untold)
    }

    /// How many were not told, once their second is over. To be asked about once a second.
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
    fn what_is_not_told_is_counted_once() {
        let refusals = Refusals::new();
        let start = Instant::now();
        let told = (0..1000).filter(|_| refusals.note(start).0).count();
        assert_eq!(told, 100);
        assert_eq!(refusals.untold(start), 0);
        let later = start + Duration::from_secs(2);
        assert_eq!(refusals.note(later), (true, 900));
        assert_eq!(refusals.untold(later + Duration::from_secs(2)), 0);
    }
}
