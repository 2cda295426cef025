//! Websockets and HTTP: connections, routes, REST, the console and the system components.

#![forbid(unsafe_code)]

mod paths;
mod query;
pub mod system;
pub mod transport;
pub mod web;
