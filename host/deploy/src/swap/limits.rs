//! The limits that swaps keep to.

use std::time::Duration;

/// How long the parts of a swap may take, and what a new version may do in its probation.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How long a new version is watched, and the old one kept, after the switch.
    pub probation: Duration,
    /// How long an old version may take to finish its calls.
    pub drain: Duration,
    /// How long calls may wait for state to be handed over.
    pub handover: Duration,
    /// How many bytes of state may be handed over.
    pub state_bytes: usize,
    /// By how many points the share of failed calls may rise, in percent.
    pub max_error_percent: u64,
}
