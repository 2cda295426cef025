//! The times of presence.
//!
//! Enters: the configuration. Leaves: times with meanings. Guarantees: none.

use std::time::Duration;

/// The times and limits of presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The time between beats (`beat_ms`).
    pub beat: Duration,
    /// Missed beats before a node is suspect (`suspect_beats`).
    pub suspect_beats: u32,
    /// Silence before a node is lost (`lost_ms`).
    pub lost: Duration,
    /// The time that an away node has to come back (`away_ms`).
    pub away: Duration,
    /// The time from lost to forgotten (`forget_ms`).
    pub forget: Duration,
    /// The most nodes that are known. Those that were forgotten first make room.
    pub most_nodes: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            beat: Duration::from_millis(1_000),
            suspect_beats: 3,
            lost: Duration::from_millis(10_000),
            away: Duration::from_millis(2_000),
            forget: Duration::from_millis(600_000),
            most_nodes: 1_000,
        }
    }
}

impl Settings {
    /// The shortest silence after which a node may be lost. A sign of life allows for less than this to take batches.
    pub fn lease(&self) -> Duration {
        self.away.min(self.lost)
    }

    /// The silence after which a node is suspect.
    pub fn suspect(&self) -> Duration {
        self.beat * self.suspect_beats
    }
}
