//! Everything on the port: websockets, HTTP, and the components that are part of the host.
//!
//! Enters: a bound listener, the limits of connections, and a mesh. Leaves: frames and responses on sockets; calls to
//! the gate of each session; the components `security`, `api`, `system` and `rest` in the mesh.
//!
//! Guarantees:
//! - A client that does not read, does not send or does not log in costs a bounded amount of memory for a bounded time.
//! - All that is queued for a connection leaves with one flush, in the order in which it was queued.
//! - A path is checked in each spelling that leads to the same place. Nothing outside of a served folder is read.
//! - On a stop clients are told in a way that makes them reconnect.
//!
//! ```text
//! transport (sockets, TLS, frames) ─▶ mesh-core: gate
//!         └─▶ web (routes, folders), system (REST, console, the host's own components) ─▶ mesh-core: mesh
//! ```

#![forbid(unsafe_code)]

mod operations;
mod paths;
mod query;
pub mod system;
mod trace;
pub mod transport;
mod unserved;

pub mod web;
