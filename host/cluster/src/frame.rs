//! Frames: the pieces of a message, each with a kind and a body.
//!
//! Enters: pieces of bytes that belong together, or the body of a message. Leaves: a written frame, or frames whose bodies are slices of
//! the message. Guarantees: bodies are never looked into and never copied on the way in. Damaged input is an error, and costs no memory.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::time::Duration;
use thiserror::Error;

/// Bytes of a frame before its body: kind, flags, length.
pub const FRAME_HEAD: usize = 6;

/// The most bytes of a frame before its body: a frame that waited says for how long.
pub const LONGEST_FRAME_HEAD: usize = FRAME_HEAD + 4;

/// The message goes on in the next frame of the same kind.
const MORE: u8 = 1;
/// The time that the message waited at its sender stands before the body, in milliseconds.
const WAITED: u8 = 2;

/// The meaning of a frame's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(pub u8);

impl Kind {
    /// Of a link itself: the message whose first parts came before is void.
    pub const VOID: Kind = Kind(1);
    /// Of a link itself: so many events were dropped here.
    pub const GAP: Kind = Kind(2);
    /// Of a link itself: batches from a number on are missing.
    pub const MISSING: Kind = Kind(3);
    /// Of a link itself: say something at once.
    pub const PROBE: Kind = Kind(4);
    /// Of a link itself: nothing more is taken from this incarnation.
    pub const CLOSE: Kind = Kind(5);
    /// A node that starts asks for its own name.
    pub const HELLO: Kind = Kind(8);
    /// The answer of the node that has the name already.
    pub const HERE: Kind = Kind(9);
    /// A beat for one receiver, as everybody answers the first one of a node.
    pub const GREETING: Kind = Kind(10);
    /// A later incarnation of the receiver's name is known.
    pub const OUTDATED: Kind = Kind(11);

    /// The components of the sender.
    pub const CATALOGUE: Kind = Kind(16);
    /// The sender's catalogue is wanted.
    pub const CATALOGUE_REQUEST: Kind = Kind(17);
    /// The topics that somebody at the sender listens to, or a difference of them.
    pub const INTEREST: Kind = Kind(18);
    /// A difference of interest counts from here on.
    pub const INTEREST_ACKNOWLEDGEMENT: Kind = Kind(19);
    /// A call of a method.
    pub const CALL: Kind = Kind(20);
    /// The answer to a call.
    pub const ANSWER: Kind = Kind(21);
    /// Nobody waits for a call any more.
    pub const CANCEL: Kind = Kind(22);
    /// An event for those who listen at the receiver.
    pub const EVENT: Kind = Kind(23);
    /// A request over HTTP for a component at the receiver.
    pub const WEB_REQUEST: Kind = Kind(24);
    /// The answer to such a request.
    pub const WEB_ANSWER: Kind = Kind(25);

    /// Kinds from here on must be understood. One below may be unknown: a newer host sent it, and it is left out.
    pub const MUST_BE_KNOWN: u8 = 128;

    /// Whether the frame is for the link's own use.
    pub const fn is_of_links(self) -> bool {
        self.0 < 16
    }

    /// Whether this version knows the kind.
    pub const fn is_known(self) -> bool {
        matches!(self.0, 1..=5 | 8..=11 | 16..=25)
    }
}

/// One frame, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The meaning of the body.
    pub kind: Kind,
    /// Whether the next frame of this kind continues the body.
    pub more: bool,
    /// The time that the message waited before it was sent. Nothing for one that hardly waited.
    pub waited: Duration,
    /// A slice of the message.
    pub body: Bytes,
}

/// Bytes that are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// The message ends inside of a frame's head.
    #[error("a frame begins {have} bytes before the end of the message; its head has at least {FRAME_HEAD}")]
    HeadIsCut {
        /// The bytes that are left.
        have: usize,
    },
    /// The message ends inside of a frame's body.
    #[error("a frame of kind {kind} says that its body has {says} bytes, and {have} are left in the message")]
    BodyIsCut {
        /// The kind of the frame.
        kind: u8,
        /// The length in its head.
        says: u32,
        /// The bytes that are left.
        have: usize,
    },
    /// A flag is set that has no meaning.
    #[error("a frame of kind {kind} has the flags {flags:#04x}; only {:#04x} has a meaning", MORE | WAITED)]
    Flags {
        /// The kind of the frame.
        kind: u8,
        /// Its flags.
        flags: u8,
    },
    /// The kind is not known, and must be.
    #[error(
        "a frame has the unknown kind {kind}; unknown kinds are left out only below {}",
        Kind::MUST_BE_KNOWN
    )]
    Kind {
        /// The kind.
        kind: u8,
    },
}

/// Appends a frame.
///
/// # Panics
///
/// Never in this crate: parts are cut to the size of a batch. A body of 4 GiB would have no length.
pub fn write(message: &mut BytesMut, frame: &Written<'_>) {
    let length = frame.pieces.iter().map(Bytes::len).sum::<usize>();
    let waited = u32::try_from(frame.waited.as_millis()).unwrap_or(u32::MAX);
    let mut flags = if frame.more { MORE } else { 0 };
    if waited > 0 {
        flags |= WAITED;
    }
    message.put_u8(frame.kind.0);
    message.put_u8(flags);
    message.put_u32(u32::try_from(length).expect("a frame is smaller than a message"));
    if waited > 0 {
        message.put_u32(waited);
    }
    for piece in frame.pieces {
        message.extend_from_slice(piece);
    }
}

/// A frame to be written. Its body is in pieces, so that nobody has to join them first.
#[derive(Clone, Copy, Debug)]
pub struct Written<'a> {
    /// The meaning of the body.
    pub kind: Kind,
    /// Whether the next frame of this kind continues the body.
    pub more: bool,
    /// The time that the message has waited.
    pub waited: Duration,
    /// The body, one piece after the other.
    pub pieces: &'a [Bytes],
}

impl<'a> Written<'a> {
    /// A whole message that did not wait.
    pub fn whole(kind: Kind, pieces: &'a [Bytes]) -> Written<'a> {
        Written {
            kind,
            more: false,
            waited: Duration::ZERO,
            pieces,
        }
    }
}

/// The frames of a message, in order. An error is the last item.
#[derive(Clone, Debug)]
pub struct Frames {
    rest: Bytes,
}

impl Frames {
    /// Those of this body.
    pub fn of(body: Bytes) -> Frames {
        Frames { rest: body }
    }

    fn first(&mut self) -> Result<Frame, FrameError> {
        let have = self.rest.len();
        if have < FRAME_HEAD {
            return Err(FrameError::HeadIsCut { have });
        }
        let kind = self.rest.get_u8();
        let flags = self.rest.get_u8();
        let says = self.rest.get_u32();
        if flags & !(MORE | WAITED) != 0 {
            return Err(FrameError::Flags { kind, flags });
        }
        if kind >= Kind::MUST_BE_KNOWN {
            return Err(FrameError::Kind { kind });
        }
        let mut waited = Duration::ZERO;
        if flags & WAITED != 0 {
            if self.rest.len() < size_of::<u32>() {
                return Err(FrameError::HeadIsCut { have });
            }
            waited = Duration::from_millis(self.rest.get_u32().into());
        }
        let have = self.rest.len();
        match usize::try_from(says) {
            Ok(length) if length <= have => Ok(Frame {
                kind: Kind(kind),
                more: flags & MORE != 0,
                waited,
                body: self.rest.split_to(length),
            }),
            _ => Err(FrameError::BodyIsCut { kind, says, have }),
        }
    }
}

impl Iterator for Frames {
    type Item = Result<Frame, FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let first = self.first();
        if first.is_err() {
            self.rest.clear();
        }
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(frames: &[(Kind, bool, u64, &[&'static [u8]])]) -> Bytes {
        let mut message = BytesMut::new();
        for (kind, more, waited, pieces) in frames {
            let pieces: Vec<Bytes> = pieces.iter().map(|piece| Bytes::from_static(piece)).collect();
            let frame = Written {
                kind: *kind,
                more: *more,
                waited: Duration::from_millis(*waited),
                pieces: &pieces,
            };
            write(&mut message, &frame);
        }
        message.freeze()
    }

    #[test]
    fn frames_have_these_bytes() {
        let message = written(&[
            (Kind::CALL, true, 0, &[b"ab", b"c"]),
            (Kind::CANCEL, false, 258, &[]),
        ]);
        assert_eq!(
            message[..],
            *b"\x14\x01\x00\x00\x00\x03abc\x16\x02\x00\x00\x00\x00\x00\x00\x01\x02"
        );
        let read: Vec<Frame> = Frames::of(message).map(Result::unwrap).collect();
        assert_eq!(
            (read[0].kind, read[0].more, &read[0].body[..]),
            (Kind::CALL, true, &b"abc"[..])
        );
        assert_eq!(
            (read[1].more, read[1].waited),
            (false, Duration::from_millis(258))
        );
    }

    #[test]
    fn kinds_keep_their_numbers() {
        let kinds = [
            Kind::CATALOGUE,
            Kind::CATALOGUE_REQUEST,
            Kind::INTEREST,
            Kind::INTEREST_ACKNOWLEDGEMENT,
            Kind::CALL,
            Kind::ANSWER,
            Kind::CANCEL,
            Kind::EVENT,
            Kind::WEB_REQUEST,
            Kind::WEB_ANSWER,
        ];
        assert_eq!(kinds.map(|kind| kind.0), [16, 17, 18, 19, 20, 21, 22, 23, 24, 25]);
        assert!(kinds.iter().all(|kind| kind.is_known() && !kind.is_of_links()));
    }

    #[test]
    fn a_body_is_a_slice_of_the_message() {
        let message = written(&[(Kind::EVENT, false, 0, &[b"payload"])]);
        let frame = Frames::of(message.clone()).next().unwrap().unwrap();
        assert_eq!(frame.body.as_ptr(), message[FRAME_HEAD..].as_ptr());
    }

    #[test]
    fn damage_is_an_error_and_ends_the_message() {
        let cases: [(&[u8], FrameError); 5] = [
            (b"\x14\x00\x00", FrameError::HeadIsCut { have: 3 }),
            (b"\x14\x02\x00\x00\x00\x00\x01", FrameError::HeadIsCut { have: 7 }),
            (
                b"\x14\x00\xff\xff\xff\xffabc",
                FrameError::BodyIsCut {
                    kind: 20,
                    says: u32::MAX,
                    have: 3,
                },
            ),
            (
                b"\x14\x04\x00\x00\x00\x00",
                FrameError::Flags { kind: 20, flags: 4 },
            ),
            (b"\x80\x00\x00\x00\x00\x00", FrameError::Kind { kind: 128 }),
        ];
        for (bytes, error) in cases {
            let read: Vec<_> = Frames::of(Bytes::from_static(bytes)).collect();
            assert_eq!(read, [Err(error)]);
        }
    }

    #[test]
    fn an_unknown_kind_below_the_limit_is_read() {
        let read: Vec<_> = Frames::of(written(&[(Kind(127), false, 0, &[b"x"])])).collect();
        assert!(matches!(&read[..], [Ok(frame)] if !frame.kind.is_known()));
    }
}
