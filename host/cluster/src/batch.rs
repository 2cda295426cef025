//! Messages between two nodes: a head, then frames.
//!
//! Enters: a head and frames, or the bytes of a message. Leaves: the bytes, or the head and the frames. Guarantees: the first byte of every
//! message is the version of its form. Damaged input is an error, and costs no memory.

use crate::frame::Frames;
use crate::identity::Mark;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use thiserror::Error;

/// The version of the form that this host writes, and the only one that it reads.
pub const VERSION: u8 = 1;

/// Bytes of a head.
pub const HEAD: usize = 48;

/// The largest time that a head can carry: 8,900 years.
const LATEST: u64 = (1 << 48) - 1;

/// The frames are a batch with a number of its own.
const IS_BATCH: u8 = 1;

/// The beginning of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The number of this message, or of the last one before it.
    pub numbered: Numbered,
    /// The sender's monotonic milliseconds when it was sent.
    pub sent: u64,
    /// The incarnation of the sender.
    pub from: Mark,
    /// The incarnation that it is for.
    pub to: Mark,
    /// The last batch that the sender has taken, with all before it.
    pub acknowledged: u64,
    /// The last of the receiver's own monotonic milliseconds at which a batch may be taken.
    pub valid_until: u64,
}

/// The place of a message in the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbered {
    /// A batch. It counts once, in the order of numbers, and is sent again until it is acknowledged.
    Batch(u64),
    /// Beside the conversation. The batches up to this number were sent before it.
    Beside(u64),
}

impl Numbered {
    /// The last number that was sent.
    pub fn number(self) -> u64 {
        match self {
            Numbered::Batch(number) | Numbered::Beside(number) => number,
        }
    }
}

/// Bytes that are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HeadError {
    /// The message ends inside of its head.
    #[error("the message has {have} bytes; its head alone has {HEAD}")]
    Cut {
        /// The bytes that there are.
        have: usize,
    },
    /// The form is another one.
    #[error("the message has the form {version}; this host reads {VERSION}")]
    Version {
        /// The first byte.
        version: u8,
    },
    /// A flag is set that has no meaning.
    #[error("the message has the flags {flags:#04x}; only {IS_BATCH:#04x} has a meaning")]
    Flags {
        /// The flags.
        flags: u8,
    },
    /// Batches are numbered from 1.
    #[error("the message is a batch with the number 0; batches are numbered from 1")]
    NoNumber,
}

impl Head {
    /// Begins a message, with room for so many bytes behind its head.
    pub fn write(&self, room: usize) -> BytesMut {
        let mut message = BytesMut::with_capacity(HEAD + room);
        message.put_u8(VERSION);
        let flags = match self.numbered {
            Numbered::Batch(_) => IS_BATCH,
            Numbered::Beside(_) => 0,
        };
        message.put_u8(flags);
        message.put_uint(self.sent.min(LATEST), 6);
        message.put_u64(self.from.number());
        message.put_u64(self.to.number());
        message.put_u64(self.numbered.number());
        message.put_u64(self.acknowledged);
        message.put_u64(self.valid_until);
        message
    }

    /// The head and the frames of a message.
    pub fn read(mut message: Bytes) -> Result<(Head, Frames), HeadError> {
        if let Some(version) = message.first().copied().filter(|version| *version != VERSION) {
            return Err(HeadError::Version { version });
        }
        if message.len() < HEAD {
            return Err(HeadError::Cut { have: message.len() });
        }
        let _version = message.get_u8();
        let flags = message.get_u8();
        let sent = message.get_uint(6);
        let from = Mark::of(message.get_u64());
        let to = Mark::of(message.get_u64());
        let number = message.get_u64();
        let numbered = match (flags, number) {
            (IS_BATCH, 0) => return Err(HeadError::NoNumber),
            (IS_BATCH, number) => Numbered::Batch(number),
            (0, number) => Numbered::Beside(number),
            (flags, _) => return Err(HeadError::Flags { flags }),
        };
        let head = Head {
            numbered,
            sent,
            from,
            to,
            acknowledged: message.get_u64(),
            valid_until: message.get_u64(),
        };
        Ok((head, Frames::of(message)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{self, Kind, Written};
    use mesh_choices::Choices;

    fn head(numbered: Numbered) -> Head {
        Head {
            numbered,
            sent: 0x0102_0304_0506,
            from: Mark::of(0x1111_1111_1111_1111),
            to: Mark::of(0x2222_2222_2222_2222),
            acknowledged: 0x44,
            valid_until: 0x55,
        }
    }

    /// Hosts of different versions exchange these bytes. They change only together with the version.
    #[test]
    fn a_message_has_these_bytes() {
        let mut message = head(Numbered::Batch(0x33)).write(10);
        let pieces = [Bytes::from_static(b"e")];
        frame::write(&mut message, &Written::whole(Kind::EVENT, &pieces));
        let golden = b"\x01\x01\x01\x02\x03\x04\x05\x06\
            \x11\x11\x11\x11\x11\x11\x11\x11\x22\x22\x22\x22\x22\x22\x22\x22\
            \x00\x00\x00\x00\x00\x00\x00\x33\x00\x00\x00\x00\x00\x00\x00\x44\x00\x00\x00\x00\x00\x00\x00\x55\
            \x17\x00\x00\x00\x00\x01e";
        assert_eq!(message[..], golden[..]);
        let (read, frames) = Head::read(Bytes::from_static(golden)).unwrap();
        assert_eq!(read, head(Numbered::Batch(0x33)));
        assert_eq!(frames.count(), 1);
        let beside = head(Numbered::Beside(7)).write(0);
        assert_eq!(beside[1], 0);
        assert_eq!(Head::read(beside.freeze()).unwrap().0, head(Numbered::Beside(7)));
    }

    #[test]
    fn a_wrong_head_is_an_error_that_says_why() {
        let good = head(Numbered::Batch(1)).write(0).freeze();
        for length in 1..HEAD {
            let cut = Head::read(good.slice(..length)).unwrap_err();
            assert_eq!(cut, HeadError::Cut { have: length });
        }
        assert_eq!(Head::read(Bytes::new()).unwrap_err(), HeadError::Cut { have: 0 });
        assert_eq!(
            Head::read(Bytes::from_static(b"\x02")).unwrap_err(),
            HeadError::Version { version: 2 }
        );
        let changed = |at: usize, byte: u8| {
            let mut message = good.to_vec();
            message[at] = byte;
            Head::read(message.into()).unwrap_err()
        };
        assert_eq!(changed(1, 4), HeadError::Flags { flags: 4 });
        assert_eq!(changed(31, 0), HeadError::NoNumber);
    }

    #[test]
    fn any_bytes_are_read_or_refused() {
        let mut choices = Choices::new(16);
        for _ in 0..20_000 {
            let length = choices.below(120);
            let mut bytes: Vec<u8> = (0..length).map(|_| choices.number() as u8).collect();
            if let Some(first) = bytes.first_mut() {
                *first = VERSION;
            }
            if let Some(flags) = bytes.get_mut(1) {
                *flags &= 1;
            }
            let whole = bytes.len();
            if let Ok((_, frames)) = Head::read(bytes.into()) {
                let read: usize = frames.flatten().map(|frame| frame.body.len()).sum();
                assert!(read <= whole);
            }
        }
    }
}
