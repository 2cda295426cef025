//! Heartbeats (docs/protocol.md 2.3): who pings, and how long silence lasts before a session is given up.

use mesh_wire::protocol::Dialect;
use std::time::{Duration, Instant};

/// Sessions whose clients ping every 25 s are given up after this much silence.
const SILENCE: Duration = Duration::from_secs(90);

/// The clock of one connection.
#[derive(Debug)]
pub(super) struct Heartbeat {
    heard: Instant,
    pinged: Instant,
    /// Time between two pings.
    interval: Duration,
}

/// The next action.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing before this moment.
    Nothing(Instant),
    /// A ping of ours.
    Ping,
    /// The session has been silent for too long.
    GiveUp,
}

impl Heartbeat {
    /// A connection that was opened now. Where its client expects pings, there is one every `interval`.
    pub(super) fn new(now: Instant, interval: Duration) -> Heartbeat {
        Heartbeat {
            heard: now,
            pinged: now,
            interval,
        }
    }

    /// Something arrived, whatever it was.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// The action that is due now; a ping that is due counts as sent.
    pub(super) fn due(&mut self, dialect: Dialect, now: Instant) -> Due {
        let interval = self.interval;
        let patience = match dialect.server_pings() {
            // Two pings unanswered.
            true => interval * 5 / 2,
            false => SILENCE,
        };
        if now >= self.heard + patience {
            return Due::GiveUp;
        }
        if dialect.server_pings() {
            if now >= self.pinged + interval {
                self.pinged = now;
                return Due::Ping;
            }
            return Due::Nothing((self.pinged + interval).min(self.heard + patience));
        }
        // The dialect may change to one that is pinged, so look again at the time of a ping.
        self.pinged = self.pinged.max(now.checked_sub(interval).unwrap_or(now));
        Due::Nothing((self.heard + patience).min(now + interval))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_dialect_is_pinged() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut heartbeat = Heartbeat::new(start, Duration::from_secs(30));
        assert_eq!(heartbeat.due(Dialect::Happn4, at(29)), Due::Nothing(at(30)));
        assert_eq!(heartbeat.due(Dialect::Happn4, at(30)), Due::Ping);
        assert_eq!(heartbeat.due(Dialect::Happn4, at(60)), Due::Ping);
        assert_eq!(heartbeat.due(Dialect::Happn4, at(75)), Due::GiveUp);
        let mut heartbeat = Heartbeat::new(start, Duration::from_secs(30));
        for seconds in [0, 30, 60] {
            assert!(matches!(
                heartbeat.due(Dialect::Happn3, at(seconds)),
                Due::Nothing(_)
            ));
        }
        assert_eq!(heartbeat.due(Dialect::Happn1, at(90)), Due::GiveUp);
        heartbeat.heard(at(89));
        assert!(matches!(heartbeat.due(Dialect::Happn1, at(90)), Due::Nothing(_)));
    }

    #[test]
    fn patience_grows_with_the_interval() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut heartbeat = Heartbeat::new(start, Duration::from_millis(200));
        assert_eq!(heartbeat.due(Dialect::Happn4, at(199)), Due::Nothing(at(200)));
        assert_eq!(heartbeat.due(Dialect::Happn4, at(200)), Due::Ping);
        assert_eq!(heartbeat.due(Dialect::Happn4, at(400)), Due::Ping);
        assert_eq!(heartbeat.due(Dialect::Happn4, at(499)), Due::Nothing(at(500)));
        assert_eq!(heartbeat.due(Dialect::Happn4, at(500)), Due::GiveUp);
    }
}
