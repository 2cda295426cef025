//! One mesh on many hosts: what nodes know of each other's components, and where a call and an event go.
//!
//! Enters: what links deliver, verdicts about nodes, calls and subscriptions of the own node, and the time. Leaves: frames for
//! links, calls for the own components, answers for callers, and the description that clients read.
//!
//! Guarantees:
//! - No socket, no clock, no thread and no chance of its own: the same input gives the same output.
//! - A call gets one answer, at the latest at its deadline. It is executed at most once unless its method is idempotent.
//! - The description that clients were shown does not flap when nodes go and come.
//! - A peer can neither make this node panic nor let its memory grow without a limit.
//!
//! This crate knows `mesh-wire` and no other crate of the host.

#![forbid(unsafe_code)]

pub mod calls;
pub mod catalogue;
pub mod choice;
pub mod component;
mod hash;
pub mod interest;
pub mod peer;
pub mod provider;
