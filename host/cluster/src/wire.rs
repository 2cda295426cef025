//! The six functions of a messaging server that the cluster needs.
//!
//! Enters: messages to publish, subjects to listen to. Leaves: events: messages, returns, lost and found connections. Guarantees that an
//! implementation gives:
//! - No function blocks. Messages of one connection arrive at each subscriber in the order of publishing, or not at all.
//! - A connection hears its own messages, too, where it listens to their subject. Presence needs that to know that it is heard.
//! - A message with a reply subject comes back as [`Event::Returned`] when nobody listens to its subject.
//! - Nothing is kept for later while the state is not [`Connection::Up`]: such a message is refused. One that is sent late all the same
//!   does no harm, since links date what they send.
//!
//! `poll_event` gives all events in one queue, in the order of arrival. A library with one channel for each subscription gives messages of
//! the inbox and of beats in any order, which is allowed; those of one subscription stay in order.

use bytes::Bytes;
use std::task::{Context, Poll};
use thiserror::Error;

/// The state of the connection to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// Messages are sent at once.
    Up,
    /// It is being made, for the first time or again. Subscriptions last.
    Down,
    /// It was closed for good.
    Closed,
}

/// A message that somebody published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its subject.
    pub subject: Bytes,
    /// The subject for an answer.
    pub reply: Option<Bytes>,
    /// Its content.
    pub payload: Bytes,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A message arrived.
    Message(Message),
    /// Nobody listens to the subject of a message whose reply subject was this one.
    Returned(Bytes),
    /// The state of the connection is another one.
    Connection(Connection),
}

/// A message that was not handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WireError {
    /// There is no connection now.
    #[error("there is no connection to a server of the cluster; it is made again by itself")]
    Down,
    /// The messages that wait for the socket fill their queue.
    #[error("the queue of messages to the server is full; it is emptied as the server reads")]
    Full,
    /// The message is larger than the server takes.
    #[error("the message has {bytes} bytes; the server takes {most}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The server's limit.
        most: usize,
    },
    /// A subject is none.
    #[error("a subject must be tokens with dots between them, without spaces")]
    Subject,
}

/// A connection to a server, as the cluster uses it.
pub trait Wire {
    /// Sends a message.
    fn publish(&mut self, subject: &str, payload: Bytes) -> Result<(), WireError>;

    /// Sends a message that comes back to the reply subject when nobody listens.
    fn publish_with_reply(&mut self, subject: &str, reply: &str, payload: Bytes) -> Result<(), WireError>;

    /// Listens to a subject, from now on and after each reconnect.
    fn subscribe(&mut self, subject: &str) -> Result<(), WireError>;

    /// The state of the connection.
    fn state(&self) -> Connection;

    /// The next event, or a wake-up when there is one.
    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Event>;

    /// Sends what waits, then closes the connection for good.
    fn close(&mut self);
}
