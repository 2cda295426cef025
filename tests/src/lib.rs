//! Tools that the black-box tests of the mesh host share.
//!
//! Enters: the address of a running host, or the configuration to start one. Leaves: reports and assertions.
//! Guarantees: nothing here links against the host; it is driven over the network as clients drive it.

pub mod beside;
pub mod c_library;
pub mod certificates;
pub mod cluster;
pub mod conformance;
pub mod control;
pub mod cpp_library;
pub mod golden;
pub mod host;
pub mod http;
pub mod kit;
pub mod metrics;
pub mod nats;
pub mod numbered;
pub mod proxy;
pub mod python;
pub mod secure;
pub mod security;
pub mod session;
pub mod swapping;
pub mod terminal;
pub mod tools;
pub mod trace;
pub mod turns;
pub mod websocket;
