//! The control socket: how commands on the same machine ask a running host about itself.
//!
//! What enters: one line of JSON per request, over a Unix socket that only this user can reach. What leaves: one line
//! of JSON. Never reachable from the network.

mod socket;

pub use socket::{
    Control, ControlError, ControlErrorKind, Reply, Request, find, private_run_folder, request, run_folder,
    status,
};
