//! The age of messages, without a common clock.
//!
//! Enters: the sender's time in a message, and the receiver's time when it arrives. Leaves: how much longer it was under way than the
//! fastest message of the last minute. Guarantees: clocks that differ do no harm, and neither do pauses of either end: a minute only
//! passes while messages arrive.

use std::time::Duration;

/// The fastest message of this long, and of as long before, is compared with.
const HALF_A_MINUTE: u64 = 30_000;

/// The fastest messages of a sender.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Age {
    current: Option<Period>,
    before: Option<Period>,
}

#[derive(Clone, Copy, Debug)]
struct Period {
    began: u64,
    /// The smallest difference of the two clocks.
    least: i128,
}

impl Age {
    /// The age of a message that was sent and received at these milliseconds, each of its own clock.
    pub(super) fn of(&mut self, sent: u64, received: u64) -> Duration {
        let difference = i128::from(received) - i128::from(sent);
        match &mut self.current {
            Some(period) if received.saturating_sub(period.began) < HALF_A_MINUTE => {
                period.least = period.least.min(difference);
            }
            current => {
                self.before = *current;
                *current = Some(Period {
                    began: received,
                    least: difference,
                });
            }
        }
        let periods = self.current.iter().chain(&self.before);
        let least = periods.map(|period| period.least).min().unwrap_or(difference);
        Duration::from_millis(u64::try_from(difference - least).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_differ_do_not_matter() {
        for skew in [0, 1_000_000_000] {
            let mut age = Age::default();
            assert_eq!(age.of(skew + 1_000, 5_010), Duration::ZERO);
            assert_eq!(age.of(skew + 1_100, 5_400), Duration::from_millis(290));
            assert_eq!(age.of(skew + 1_500, 5_505), Duration::ZERO);
        }
    }

    #[test]
    fn a_pause_of_the_receiver_does_not_make_old_messages_look_new() {
        let mut age = Age::default();
        age.of(0, 1_000);
        let pause = 600_000;
        assert_eq!(age.of(500, 1_500 + pause), Duration::from_millis(pause));
        assert_eq!(age.of(1_000, 1_501 + pause), Duration::from_millis(pause - 499));
    }

    #[test]
    fn a_way_that_has_become_longer_is_normal_after_a_minute() {
        let mut age = Age::default();
        age.of(0, 0);
        for second in 1..=61 {
            age.of(second * 1_000, second * 1_000 + 200);
        }
        assert_eq!(age.of(62_000, 62_200), Duration::ZERO);
    }
}
