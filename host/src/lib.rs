//! A mesh host: one process that speaks the happn protocol over websockets and, on it, the happner mesh, with
//! components that are native libraries.
//!
//! Data flows one way; a module knows the one to its right and never the one to its left:
//!
//! ```text
//! socket ─▶ transport ─▶ protocol ─▶ gate ─▶ ┌ pubsub ┐ ─▶ session's queue ─▶ transport ─▶ socket
//!                                            │ store  │
//!                                            └ mesh ──┴─▶ plugin: lane ─▶ library
//! ```
//!
//! `docs/architecture.md` follows one call through these modules.

#![deny(unsafe_code)]
// What people see goes through `terminal`, which also never panics.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod cli;
pub mod control;
pub mod server;
pub mod terminal;
pub mod validate;
