//! Writing for connections that sleep.
//!
//! Enters: recipients that a publisher has pushed frames for without waking them. Leaves: those frames, written by
//! the publisher's own thread. Guarantees: nobody is forgotten, also when the publisher's task panics; a session that wakes
//! meanwhile writes itself. No more than fit into a turn, so that others go on and many recipients are still served
//! by many threads.

use super::Session;
use std::sync::Arc;

/// Recipients that one batch of requests writes for: about as many as can be written for in a turn of a millisecond.
const MOST: usize = 128;
/// Bytes that one batch of requests writes for others; each is copied once more for its recipient.
const MOST_BYTES: usize = 256 * 1024;
/// A larger frame is written by the recipient's own connection: so that few of them do not take up the whole turn.
const LARGEST: usize = 4 * 1024;

/// Recipients that sleep, and whose frames are to be written.
#[derive(Debug, Default)]
pub struct Deferred {
    recipients: Vec<Arc<Session>>,
    bytes: usize,
}

impl Deferred {
    /// Takes room for a frame of so many bytes, where there is some.
    pub fn admit(&mut self, bytes: usize) -> bool {
        let has_room = self.recipients.len() < MOST && bytes <= LARGEST && self.bytes + bytes <= MOST_BYTES;
        if has_room {
            self.bytes += bytes;
        }
        has_room
    }

    /// Adds a recipient that was not woken.
    pub fn add(&mut self, recipient: &Arc<Session>) {
        self.recipients.push(recipient.clone());
    }

    /// Writes for all of them.
    pub fn write(&mut self) {
        self.bytes = 0;
        self.recipients
            .drain(..)
            .for_each(|recipient| recipient.outbound().write_deferred());
    }
}

impl Drop for Deferred {
    fn drop(&mut self) {
        self.write();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_batch_writes_a_bounded_number_of_bytes_for_others() {
        let mut deferred = Deferred::default();
        assert!(!deferred.admit(LARGEST + 1));
        let admitted = (0..1000).filter(|_| deferred.admit(LARGEST)).count();
        assert_eq!(admitted, MOST_BYTES / LARGEST);
        deferred.write();
        assert!(deferred.admit(LARGEST), "the next batch has room again");
    }

    #[test]
    fn one_batch_writes_for_a_bounded_number_of_recipients() {
        let mut deferred = Deferred::default();
        for number in 0..MOST as u64 {
            assert!(deferred.admit(1));
            deferred.add(&Arc::new(Session::new(number, ([127, 0, 0, 1], 1).into(), 1000)));
        }
        assert!(!deferred.admit(1));
    }
}
