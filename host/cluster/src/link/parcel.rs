//! A message on its way into batches.
//!
//! Enters: the pieces of a message. Leaves: the message, or parts of it that fit. Guarantees: parts share the bytes of the message; they
//! know that they are parts, so that a message can still be voided when some of them are gone.

use super::{Class, Outgoing};
use crate::frame::{Kind, LONGEST_FRAME_HEAD, Written};
use crate::moment::Moment;
use bytes::Bytes;
use std::time::Duration;

/// Counted for each parcel beside its bytes, so that empty ones count.
pub(super) const OVERHEAD: usize = 128;

/// A message that waited for less is not dated.
const HARDLY_WAITED: Duration = Duration::from_millis(10);

/// A message, or a part of one.
#[derive(Clone, Debug)]
pub(super) struct Parcel {
    pub(super) kind: Kind,
    pub(super) class: Class,
    /// More parts follow.
    pub(super) more: bool,
    /// Parts came before.
    pub(super) begun: bool,
    since: Moment,
    pieces: [Bytes; 2],
}

impl Parcel {
    pub(super) fn new(outgoing: Outgoing, since: Moment) -> Parcel {
        Parcel {
            kind: outgoing.kind,
            class: outgoing.class,
            more: false,
            begun: false,
            since,
            pieces: outgoing.pieces,
        }
    }

    /// A message of the link itself.
    pub(super) fn of_link(kind: Kind, body: Bytes) -> Parcel {
        Parcel {
            kind,
            class: Class::Kept,
            more: false,
            begun: false,
            since: Moment::default(),
            pieces: [body, Bytes::new()],
        }
    }

    fn length(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }

    /// The bytes that it counts as.
    pub(super) fn held(&self) -> usize {
        self.length() + OVERHEAD
    }

    /// The most bytes that it needs in a message.
    pub(super) fn needs(&self) -> usize {
        self.length() + LONGEST_FRAME_HEAD
    }

    /// Takes a part from the beginning that needs so many bytes in a message. There are more bytes than that.
    pub(super) fn cut(&mut self, room: usize) -> Parcel {
        let length = room - LONGEST_FRAME_HEAD;
        let [first, second] = &mut self.pieces;
        let of_first = first.split_to(length.min(first.len()));
        let of_second = second.split_to(length - of_first.len());
        let part = Parcel {
            more: true,
            pieces: [of_first, of_second],
            ..self.clone()
        };
        self.begun = true;
        part
    }

    /// The parcel that takes the place of this one, where the receiver may have parts of the message.
    pub(super) fn voided(&self) -> Option<Parcel> {
        (self.more || self.begun).then(|| Parcel::of_link(Kind::VOID, Bytes::new()))
    }

    /// It as a frame.
    pub(super) fn written(&self, now: Moment) -> Written<'_> {
        let waited = match self.class {
            Class::Call(_) => now.since(self.since),
            Class::Event | Class::Kept => Duration::ZERO,
        };
        Written {
            kind: self.kind,
            more: self.more,
            waited: if waited < HARDLY_WAITED {
                Duration::ZERO
            } else {
                waited
            },
            pieces: &self.pieces,
        }
    }
}
