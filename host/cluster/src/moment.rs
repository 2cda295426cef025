//! Points of a node's monotonic time.
//!
//! Enters: the time since any beginning that the caller keeps to. Leaves: points that can be compared and moved. Guarantees: nothing
//! overflows; the clock itself belongs to the caller.

use std::ops::{Add, AddAssign};
use std::time::Duration;

/// A point of the own monotonic time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(Duration);

impl Moment {
    /// So long behind the beginning, which is the same for all points of one incarnation.
    pub const fn at(since_beginning: Duration) -> Moment {
        Moment(since_beginning)
    }

    /// The time that has passed since another point, or nothing where that one is later.
    pub fn since(self, earlier: Moment) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// Whole milliseconds behind the beginning, as messages carry them.
    pub fn millis(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }
}

impl Add<Duration> for Moment {
    type Output = Moment;

    fn add(self, later: Duration) -> Moment {
        Moment(self.0.saturating_add(later))
    }
}

impl AddAssign<Duration> for Moment {
    fn add_assign(&mut self, later: Duration) {
        *self = *self + later;
    }
}

/// A time in whole milliseconds, as messages carry it.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The earlier of two points where both are there.
pub(crate) fn earlier(one: Option<Moment>, other: Option<Moment>) -> Option<Moment> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
