//! How much of a long piece of work is done before others get a turn.

use std::time::{Duration, Instant};

/// Work that is done where a request arrives. Most scans are done within it.
const INLINE_WORK: usize = 1024;
/// The longest that a request may take where it arrives.
const INLINE_TIME: Duration = Duration::from_millis(1);
/// How long a turn on a thread of scans lasts.
const TURN: Duration = Duration::from_millis(2);
/// Work done between two looks at the clock.
const LOOK: usize = 32;

/// The rest of a turn. Work is counted in small documents.
#[derive(Debug)]
pub struct Budget {
    work: usize,
    until: Option<Instant>,
    /// Work done since the clock was looked at.
    unlooked: usize,
    is_spent: bool,
}

impl Budget {
    /// That of a request where it arrives.
    pub fn inline() -> Budget {
        Budget {
            until: Some(Instant::now() + INLINE_TIME),
            ..Budget::of(INLINE_WORK)
        }
    }

    /// That of a turn on a thread of scans: any single piece of work fits.
    pub fn turn() -> Budget {
        Budget {
            until: Some(Instant::now() + TURN),
            ..Budget::of(usize::MAX)
        }
    }

    /// So much work, however long it takes.
    pub fn of(work: usize) -> Budget {
        Budget {
            work,
            until: None,
            unlooked: 0,
            is_spent: false,
        }
    }

    /// Whether another piece of work may be done now. It counts as done then.
    pub fn spend(&mut self, work: usize) -> bool {
        if self.unlooked >= LOOK {
            self.unlooked = 0;
            self.is_spent |= self.until.is_some_and(|until| Instant::now() >= until);
        }
        if self.is_spent || work > self.work {
            self.is_spent = true;
            return false;
        }
        self.work -= work;
        self.unlooked = self.unlooked.saturating_add(work);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_that_does_not_fit_ends_the_turn() {
        let mut budget = Budget::of(10);
        assert!(budget.spend(4) && budget.spend(6));
        assert!(!budget.spend(1));
        let mut budget = Budget::of(10);
        assert!(!budget.spend(11));
        assert!(!budget.spend(1), "a turn that has ended stays so");
    }

    #[test]
    fn time_ends_a_turn_that_has_work_left() {
        let mut budget = Budget::turn();
        budget.until = Some(Instant::now());
        assert!(budget.spend(usize::MAX - 1), "a turn does one thing at least");
        assert!(!budget.spend(1));
    }
}
