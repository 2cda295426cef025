//! Errors of a link.
//!
//! Enters: the facts. Leaves: one sentence for each. Guarantees: no content of a message is repeated.

use crate::frame::FrameError;
use thiserror::Error;

/// A message that a link does not take.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The link holds as much as it may.
    #[error("the link holds {held} bytes that the other node has not taken; there is no room for more")]
    Full {
        /// The bytes that it holds.
        held: usize,
    },
    /// The message is larger than one may be.
    #[error("the message has {bytes} bytes; between these nodes it may have {most}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// The link has ended.
    #[error("the link is closed, since the other node has gone or broke the rules")]
    Closed,
}

/// The reason why a link was closed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LinkError {
    /// A frame cannot be read.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A kind stands where it must not.
    #[error("a frame of kind {kind} came where this kind has no meaning")]
    Misplaced {
        /// The kind.
        kind: u8,
    },
    /// A body has another form.
    #[error("the body of a frame of kind {kind} does not have the length of its kind")]
    Body {
        /// The kind.
        kind: u8,
    },
    /// Parts of a message are longer together than a message may be.
    #[error("the parts of a message of kind {kind} have more than {most} bytes")]
    TooLong {
        /// The kind.
        kind: u8,
        /// The limit.
        most: usize,
    },
    /// Another message came between the parts of one.
    #[error("a frame of kind {by} came between the parts of a message of kind {kind}")]
    Interrupted {
        /// The kind of the message in parts.
        kind: u8,
        /// The kind of the other one.
        by: u8,
    },
    /// Something was acknowledged that was not sent.
    #[error("batch {number} was acknowledged, and the last one that was sent is {last}")]
    NeverSent {
        /// The number.
        number: u64,
        /// The last one.
        last: u64,
    },
    /// The other node closed it.
    #[error("the other node closed the link: {reason}")]
    Closed {
        /// Its reason, cut.
        reason: String,
    },
}
