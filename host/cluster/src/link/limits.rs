//! The limits of a link.
//!
//! Enters: the configuration, and the limits of the server. Leaves: limits that fit together. Guarantees: a batch has room for a frame; a
//! message fits into the link.

use super::parcel::OVERHEAD;
use std::time::Duration;

/// The limits of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that wait or are not acknowledged, before calls are refused and events dropped (`link_bytes`).
    pub bytes: usize,
    /// Bytes of batches that are not acknowledged, before the next one waits.
    pub window_bytes: usize,
    /// Bytes of a batch. At most half of what the server takes.
    pub batch_bytes: usize,
    /// Bytes of a message, which may need many batches (`max_call_bytes`). The smaller one of both ends.
    pub message_bytes: usize,
    /// How long a sign of life allows the peer to take batches. Calls are not voided earlier than that after the last one.
    pub lease: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            bytes: 16 << 20,
            window_bytes: 4 << 20,
            batch_bytes: 256 << 10,
            message_bytes: 10 << 20,
            lease: Duration::from_secs(2),
        }
    }
}

impl Limits {
    /// These limits, where none makes another one impossible.
    pub(super) fn sensible(self) -> Limits {
        let bytes = self.bytes.max(2 * OVERHEAD);
        Limits {
            bytes,
            window_bytes: self.window_bytes.max(1),
            batch_bytes: self.batch_bytes.max(1024),
            message_bytes: self.message_bytes.min(bytes - OVERHEAD),
            lease: self.lease,
        }
    }
}
