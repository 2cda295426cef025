//! Everything that touches memory or code which the compiler cannot check. These are the dynamic linker, the
//! functions that libraries call, the functions of libraries, and the interposed thread functions of the C library.
//!
//! The safe rest of the host sees only what this module's items promise in their documentation.

pub mod allocator;
mod believed;
pub(super) mod host_table;
pub mod interpose;
pub(super) mod lane_thread;
pub(super) mod library;
pub(crate) mod memory;
mod named_requests;
pub(super) mod own_state;
pub mod process;
#[cfg(feature = "testing")]
pub mod testing;
