//! Heartbeats (PROTOCOL.md 2.3): who pings, and how long silence lasts before a session is given up.

use crate::protocol::Dialect;
use std::time::{Duration, Instant};

/// How often the server pings sessions whose clients expect it. They give up after 45 s without a ping.
const PING: Duration = Duration::from_secs(30);
/// Sessions whose clients ping every 25 s are given up after this much silence.
const SILENCE: Duration = Duration::from_secs(90);
/// Sessions that the server pings are given up after this much silence: two pings unanswered.
const UNANSWERED: Duration = Duration::from_secs(75);

/// The clock of one connection.
#[derive(Debug)]
pub(super) struct Heartbeat {
    heard: Instant,
    pinged: Instant,
}

/// What is due.
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
    /// A connection that was opened now.
    pub(super) fn new(now: Instant) -> Heartbeat {
        Heartbeat {
            heard: now,
            pinged: now,
        }
    }

    /// Something arrived, whatever it was.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// What is due now; a ping that is due counts as sent.
    pub(super) fn due(&mut self, dialect: Dialect, now: Instant) -> Due {
        let patience = if dialect.server_pings() {
            UNANSWERED
        } else {
            SILENCE
        };
        if now >= self.heard + patience {
            return Due::GiveUp;
        }
        if dialect.server_pings() {
            if now >= self.pinged + PING {
                self.pinged = now;
                return Due::Ping;
            }
            return Due::Nothing((self.pinged + PING).min(self.heard + patience));
        }
        // The dialect may change to one that is pinged, so look again at the time of a ping.
        self.pinged = self.pinged.max(now.checked_sub(PING).unwrap_or(now));
        Due::Nothing((self.heard + patience).min(now + PING))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_dialect_is_pinged() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut heartbeat = Heartbeat::new(start);
        assert_eq!(heartbeat.due(Dialect::Happn4, at(29)), Due::Nothing(at(30)));
        assert_eq!(heartbeat.due(Dialect::Happn4, at(30)), Due::Ping);
        assert_eq!(heartbeat.due(Dialect::Happn4, at(60)), Due::Ping);
        assert_eq!(heartbeat.due(Dialect::Happn4, at(75)), Due::GiveUp);
        let mut heartbeat = Heartbeat::new(start);
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
}
