//! Until when somebody has to log in.
//!
//! Enters: when a websocket was opened, and while which times the host was at work on a login of it. Leaves: whether
//! it is too late. Guarantees: nothing that a client sends moves the deadline; time that a login waits in the host does not
//! count, up to [`MOST_WAITED`].

use std::time::{Duration, Instant};

/// Time in the host's own queue that does not count. After that a client that offers one password after the other has
/// had enough of it.
const MOST_WAITED: Duration = Duration::from_secs(60);
/// How soon it is looked again while a login is at work.
const SOON: Duration = Duration::from_secs(1);

/// The deadline of one websocket.
#[derive(Debug)]
pub(super) struct Deadline {
    at: Instant,
    latest: Instant,
    /// Since when the host is at work on a login.
    waits_since: Option<Instant>,
}

impl Deadline {
    /// For a websocket that was opened now.
    pub(super) fn new(now: Instant, timeout: Duration) -> Deadline {
        let at = now + timeout;
        Deadline {
            at,
            latest: at + MOST_WAITED,
            waits_since: None,
        }
    }

    /// Notes whether the host is at work on a login.
    pub(super) fn note(&mut self, waits: bool, now: Instant) {
        match (self.waits_since, waits) {
            (None, true) => self.waits_since = Some(now),
            (Some(since), false) => {
                self.at += now.saturating_duration_since(since);
                self.waits_since = None;
            }
            _ => {}
        }
    }

    /// When to look again; `None` when it is too late for a login.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        let next = match self.waits_since {
            Some(_) => self.latest.min(now + SOON),
            None => self.latest.min(self.at),
        };
        (now < self.latest && now < next).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_in_the_queue_of_the_host_does_not_count_and_is_bounded() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut deadline = Deadline::new(start, Duration::from_secs(30));
        assert_eq!(deadline.next(at(29)), Some(at(30)));
        assert_eq!(deadline.next(at(30)), None);
        deadline.note(true, at(20));
        deadline.note(true, at(25));
        assert_eq!(deadline.next(at(40)), Some(at(41)));
        deadline.note(false, at(45));
        assert_eq!(deadline.next(at(45)), Some(at(55)));
        assert_eq!(deadline.next(at(55)), None);
        deadline.note(true, at(50));
        assert_eq!(deadline.next(at(89)), Some(at(90)));
        assert_eq!(deadline.next(at(90)), None);
        deadline.note(false, at(120));
        assert_eq!(deadline.next(at(120)), None);
    }
}
