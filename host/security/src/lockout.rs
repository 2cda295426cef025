//! Accounts that are closed for a while after wrong passwords.
//!
//! Enters: names with the results of their attempts to log in. Leaves: the locked names, and the time of each lock.
//! Guarantees: after the allowed number of failures in a row no password is accepted until the time is over. That
//! holds for attempts that were under way when the account was locked. Names that nobody has are treated as all
//! others. Memory is bounded however many names are tried, and no number of names that are not locked opens one that
//! is.

use super::recent::Recent;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use thiserror::Error;

/// Why an attempt to log in is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The password was wrong.
    #[error("Invalid credentials")]
    Wrong,
    /// The account is locked, whatever the password was.
    #[error("Account locked out")]
    Locked {
        /// How long it stays so.
        remaining: Duration,
    },
}

/// The number of failures of each name.
#[derive(Debug)]
pub struct Lockout {
    /// Failures in a row that lock an account.
    attempts: u32,
    /// How long an account stays locked.
    duration: Duration,
    failures: Mutex<Names>,
}

/// Names that have failed, by the time of their last failure. Those that are locked are kept apart. To lock one takes
/// as many failures as are allowed. So pushing it out takes as many times more than failing once with many names.
#[derive(Debug)]
struct Names {
    open: Recent<Failures>,
    locked: Recent<Failures>,
}

impl Names {
    fn get(&self, username: &str) -> Option<&Failures> {
        self.locked.get(username).or_else(|| self.open.get(username))
    }

    fn remove(&mut self, username: &str) {
        self.locked.remove(username);
        self.open.remove(username);
    }
}

/// The record of one name.
#[derive(Clone, Copy, Debug)]
struct Failures {
    /// In a row.
    count: u32,
    /// When the last one was.
    last: Instant,
}

impl Lockout {
    /// `attempts` failures in a row lock an account for `duration`; at most `names` that are locked are remembered, and as many
    /// that are not.
    pub fn new(attempts: u32, duration: Duration, names: usize) -> Lockout {
        Lockout {
            attempts,
            duration,
            failures: Mutex::new(Names {
                open: Recent::new(names),
                locked: Recent::new(names),
            }),
        }
    }

    /// How long the account stays locked; nothing if it is open. To be asked before a password is looked at.
    pub fn remaining(&self, username: &str, now: Instant) -> Option<Duration> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        self.remaining_in(&failures, username, now)
    }

    /// Notes what became of an attempt and says whether it is accepted. A right password is accepted only where the
    /// account is still open. Many attempts at once are worth no more than the same number in a row.
    ///
    /// # Errors
    ///
    /// When the password was wrong, or the account is locked.
    pub fn judge(&self, username: &str, right: bool, now: Instant) -> Result<(), Refusal> {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let is_old = |failed: &Failures| now.saturating_duration_since(failed.last) >= self.duration;
        failures.open.forget_while(is_old);
        failures.locked.forget_while(is_old);
        if let Some(remaining) = self.remaining_in(&failures, username, now) {
            return Err(Refusal::Locked { remaining });
        }
        if right {
            failures.remove(username);
            return Ok(());
        }
        let count = failures.get(username).map_or(0, |failed| failed.count);
        let failed = Failures {
            count: count.saturating_add(1),
            last: now,
        };
        if failed.count >= self.attempts {
            failures.open.remove(username);
            failures.locked.put(username, failed);
        } else {
            failures.open.put(username, failed);
        }
        Err(Refusal::Wrong)
    }

    fn remaining_in(&self, failures: &Names, username: &str, now: Instant) -> Option<Duration> {
        let failed = failures
            .get(username)
            .filter(|failed| failed.count >= self.attempts)?;
        let remaining = self
            .duration
            .saturating_sub(now.saturating_duration_since(failed.last));
        (!remaining.is_zero()).then_some(remaining)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// As it is configured where nothing else is said.
    fn usual() -> Lockout {
        Lockout::new(4, 10 * MINUTE, 1000)
    }

    #[test]
    fn four_wrong_passwords_lock_the_account_for_ten_minutes() {
        let (lockout, start) = (usual(), Instant::now());
        for _ in 0..4 {
            assert_eq!(lockout.remaining("bob", start), None);
            assert_eq!(lockout.judge("bob", false, start), Err(Refusal::Wrong));
        }
        assert_eq!(lockout.remaining("bob", start + MINUTE), Some(9 * MINUTE));
        let refused = lockout.judge("bob", true, start + MINUTE);
        assert_eq!(
            refused,
            Err(Refusal::Locked {
                remaining: 9 * MINUTE
            })
        );
        assert_eq!(lockout.judge("alice", true, start), Ok(()));
        assert_eq!(lockout.remaining("bob", start + 10 * MINUTE), None);
        assert_eq!(lockout.judge("bob", true, start + 10 * MINUTE), Ok(()));
    }

    #[test]
    fn attempts_at_a_locked_account_do_not_keep_it_locked() {
        let (lockout, start) = (usual(), Instant::now());
        for _ in 0..4 {
            let _ = lockout.judge("bob", false, start);
        }
        assert!(matches!(
            lockout.judge("bob", false, start + 9 * MINUTE),
            Err(Refusal::Locked { .. })
        ));
        assert_eq!(lockout.judge("bob", true, start + 10 * MINUTE), Ok(()));
    }

    #[test]
    fn a_right_password_forgives_the_wrong_ones_before_it() {
        let (lockout, now) = (usual(), Instant::now());
        for _ in 0..10 {
            for _ in 0..3 {
                assert_eq!(lockout.judge("bob", false, now), Err(Refusal::Wrong));
            }
            assert_eq!(lockout.judge("bob", true, now), Ok(()));
        }
    }

    #[test]
    fn old_failures_do_not_count() {
        let (lockout, start) = (usual(), Instant::now());
        for minute in [0, 10, 20, 30, 40, 50] {
            assert_eq!(
                lockout.judge("bob", false, start + minute * MINUTE),
                Err(Refusal::Wrong)
            );
        }
    }

    #[test]
    fn many_names_do_not_fill_the_memory() {
        let (lockout, start) = (Lockout::new(1, MINUTE, 1000), Instant::now());
        for number in 0..5000 {
            let _ = lockout.judge(&format!("name {number}"), false, start);
        }
        assert_eq!(lockout.failures.lock().unwrap().locked.len(), 1000);
        assert_eq!(lockout.remaining("name 3999", start), None);
        assert_eq!(lockout.remaining("name 4000", start), Some(MINUTE));
        assert_eq!(lockout.judge("bob", true, start + MINUTE), Ok(()));
        let failures = lockout.failures.lock().unwrap();
        assert_eq!(failures.locked.len(), 0);
        assert!(
            failures.locked.capacity() < 100,
            "room for {} names is left",
            failures.locked.capacity()
        );
    }

    #[test]
    fn many_names_that_are_not_locked_do_not_open_one_that_is() {
        let (lockout, start) = (Lockout::new(2, MINUTE, 100), Instant::now());
        for _ in 0..2 {
            let _ = lockout.judge("bob", false, start);
        }
        for number in 0..1000 {
            let _ = lockout.judge(&format!("name {number}"), false, start);
        }
        assert_eq!(lockout.failures.lock().unwrap().open.len(), 100);
        assert_eq!(lockout.remaining("bob", start), Some(MINUTE));
        assert!(matches!(
            lockout.judge("bob", true, start),
            Err(Refusal::Locked { .. })
        ));
    }
}
