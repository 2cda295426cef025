//! The conversation of several hosts that are one mesh, on a NATS server or on anything that keeps the promises of [`wire`].
//!
//! Enters: messages, lost and found connections, the time, frames for other nodes. Leaves: messages to publish, frames in order,
//! verdicts about nodes, the moment of the next turn. Nothing here opens a socket, reads a clock, waits or makes random numbers.
//!
//! Guarantees, between two incarnations that both live:
//! - Frames arrive once and in the order of sending, however often messages are lost, doubled or late ([`link`]).
//! - A call that was voided is not delivered afterwards. A call that was never taken is told apart from one that may have been.
//! - A link holds no more than its limit. It refuses calls beyond it, drops and counts events, and tells the receiver how many.
//! - Each node judges the others for itself, and judges nobody while its own connection is not well ([`presence`]).
//! - No message that strangers damaged panics, or makes an allocation larger than the message.

#![forbid(unsafe_code)]

pub mod batch;
pub mod frame;
pub mod identity;
pub mod link;
pub mod member;
pub mod moment;
pub mod presence;
pub mod subjects;
pub mod wire;
