//! The boundary to the host: the only place of the SDK with `unsafe` code.
//!
//! Enters: pointers and numbers of the C ABI. Leaves: safe types. Nothing borrowed from the host outlives the
//! function it was passed to, and no panic crosses.

mod current;
mod entry;
mod host;
#[cfg(feature = "tokio")]
mod lane_descriptor;
mod requests;
mod table;

pub(crate) use current::{current_host, set_current_host, thread_mark};
pub use entry::component;
pub(crate) use host::Host;
#[cfg(feature = "tokio")]
pub(crate) use lane_descriptor::LaneDescriptor;
pub(crate) use requests::{Asking, CallTarget, MadeFor, NotTaken, Taken};
pub(crate) use table::{HostServices, host_for_tests};
