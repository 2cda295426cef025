//! A mesh host: one process that speaks the happn protocol over websockets and, on it, the happner mesh, with
//! components that are native libraries.
//!
//! Enters: a command line, a `mesh.toml`, signals, and requests on the control socket. Leaves: a mesh that serves, or a
//! message on standard error and an exit code. Guarantees: each mistake in a configuration is named before the port is
//! opened; when a start fails, all that was started is stopped again.
//!
//! This crate is the top of twelve others. Each knows those below it, and never one above it:
//!
//! ```text
//! mesh-host      cli, server, control, validate: the commands, starting and stopping
//! mesh-http  mesh-deploy  mesh-client    sockets and HTTP │ swaps and mesh.toml │ the other end of a connection
//! mesh-core      gate, mesh: what a request means, and what it reaches
//! mesh-security  mesh-plugin             who may do what │ component libraries and their lanes
//! mesh-config    mesh.toml
//! mesh-store  mesh-session               documents │ sessions, their queues and subscriptions
//! mesh-files  mesh-scans  mesh-wire      private files │ long work that gives way │ the protocol as text
//! ```
//!
//! `docs/architecture.md` follows one call through these crates.

#![deny(unsafe_code)]
// Output for people goes through `terminal`, which also never panics.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod cli;
pub mod control;
pub mod server;
pub mod terminal;
pub mod validate;
