//! One mesh on many hosts, on a NATS server or on anything that keeps the promises of [`wire`].
//!
//! Enters: messages, lost and found connections, calls and subscriptions of the own node, the time. Leaves: messages to publish,
//! verdicts about nodes, calls for the own components, answers for callers, the description that clients read, and the moment of
//! the next turn. Nothing here opens a socket, reads a clock, waits or makes random numbers: the same input gives the same output.
//!
//! Guarantees, between two incarnations that both live:
//! - Frames arrive once and in the order of sending, however often messages are lost, doubled or late ([`link`]).
//! - A call that was voided is not delivered afterwards. A call that was never taken is told apart from one that may have been.
//! - A link holds no more than its limit. It refuses calls beyond it, drops and counts events, and tells the receiver how many.
//! - Each node judges the others for itself, and judges nobody while its own connection is not well ([`presence`]).
//! - A call gets one answer, at the latest at its deadline. It is executed at most once unless its method is idempotent ([`calls`]).
//! - The description that clients were shown does not flap when nodes go and come ([`catalogue`]).
//! - A peer can neither make this node panic nor let its memory grow without a limit.
//!
//! This crate knows `mesh-wire` and no other crate of the host. `mesh-nodes` starts it.

#![forbid(unsafe_code)]

pub mod batch;
pub mod calls;
pub mod catalogue;
pub mod choice;
pub mod component;
pub mod event;
pub mod frame;
mod hash;
pub mod identity;
pub mod interest;
pub mod link;
pub mod member;
pub mod moment;
pub mod peer;
#[cfg(test)]
mod played;
pub mod presence;
pub mod provider;
pub mod status;
pub mod subjects;
pub mod wire;
