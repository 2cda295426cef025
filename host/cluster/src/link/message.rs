//! Messages, news and numbers, as a link takes and gives them.
//!
//! Enters: nothing. Leaves: the words for them. Guarantees: none.

use crate::frame::Kind;
use crate::identity::Mark;
use bytes::Bytes;
use std::time::Duration;

/// A call as its sender knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// The promise that a message needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A call or a web request. It is refused when the link is full, and voided when the peer is lost.
    Call(Ticket),
    /// An event. It is dropped and counted when the link is full.
    Event,
    /// An answer, a cancel, a difference of interest. It may use twice the limit of the link, and is refused beyond that.
    Kept,
}

/// A message for the peer.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The meaning of its body.
    pub kind: Kind,
    /// The promise that it needs.
    pub class: Class,
    /// Its body, in two pieces, so that a head of its own needs no copy of the payload.
    pub pieces: [Bytes; 2],
}

/// A message of the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The meaning of its body.
    pub kind: Kind,
    /// Its body. A slice of the received message, unless it came in parts.
    pub body: Bytes,
    /// The time since the sender was given it, as far as it exceeds that of the fastest message.
    pub age: Duration,
}

/// Whether a call that was not acknowledged was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was not, and will not be.
    NeverTaken,
    /// Nobody knows.
    Unknown,
}

/// News about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The peer has it.
    Taken(Ticket),
    /// Each attempt to send it came back. It is sent again when the peer is heard, unless it is withdrawn.
    Returned(Ticket),
    /// It was taken out of the link.
    Voided {
        /// The call.
        ticket: Ticket,
        /// Whether the peer has it.
        fate: Fate,
    },
}

/// Something that a link gives to its node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A message of the peer, in order.
    Delivered(Delivered),
    /// The peer dropped so many events at this place.
    Gap(u64),
    /// News about a call of this node.
    Notice(Notice),
}

/// A message to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmission {
    /// Its bytes.
    pub payload: Bytes,
    /// The batch and the attempts before, for the subject on which it comes back. `None`: it needs not come back.
    pub returns_as: Option<(u64, u32)>,
}

/// Both ends of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The own incarnation.
    pub own: Mark,
    /// The other one.
    pub peer: Mark,
}

/// The numbers of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bytes that wait or are not acknowledged.
    pub held: usize,
    /// Bytes of a message of which parts are missing.
    pub assembled: usize,
    /// Batches that were sent again.
    pub resent: u64,
    /// Events that were dropped.
    pub dropped: u64,
    /// Times that batches of the peer were missing.
    pub gaps: u64,
    /// Batches of the peer that came twice.
    pub doubled: u64,
    /// Batches of the peer that came after their lease.
    pub late: u64,
}
