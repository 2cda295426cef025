//! The control socket: how commands on the same machine ask a running host about itself.
//!
//! Enters: one line of JSON per request, over a Unix socket that only this user can reach. Leaves: one line
//! of JSON. Guarantees: never reachable from the network, nor by other users; a command believes no other user.

mod address;
mod run_folder;
mod socket;

pub use run_folder::private_run_folder;
pub use socket::{Control, ControlError, Failure, NO_CLUSTER, Reply, Request, request, status};
