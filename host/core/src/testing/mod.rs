//! A whole mesh in one process and without sockets, for tests.
//!
//! Enters: a seed, clients, components and what they do. Leaves: the frames that clients get, in the order in which
//! they were written. Guarantees: [`World::settle`] takes one step at a time, and the seed alone says which of the
//! possible ones is next. The same seed gives the same schedule, as long as nothing is worked off on other threads.
//! Logins with a password are, and so are scans of many documents.
//!
//! Time stands still until a test lets it pass. That holds for deadlines of calls, acknowledgements and logins. The times in
//! documents, tokens and nonces, and the turns of scans, still go by the clock of the system.

mod component;
mod connection;
mod departures;
mod link;
mod remote;
mod requests;
#[cfg(test)]
mod stories;
mod users;
mod world;
mod worlds;

pub use component::{Call, Outcome, TestComponent};
pub use departures::{Departure, Kind};
pub use link::{End, Faults, Link};
pub use remote::{CarriedCall, RemoteComponent};
pub use requests::{is_event, paths, setting};
pub use world::{Client, World, Written};
pub use worlds::Worlds;
