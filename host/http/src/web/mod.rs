//! Content over HTTP beside the mesh itself: web routes of components, and folders of files (docs/mesh-protocol.md
//! 9).
//!
//! Enters: the path of a URL, and a request that the transport has read. Leaves: the server of the path, and the
//! response. Guarantees: of several places that a path is below of, the longest serves it. A component answers on the
//! way of every call, with its limit of time, and a request in flight survives a swap of versions. Nothing outside of
//! a folder is read.

mod check;
mod folder;
mod place;
mod reply;
mod route;

pub use check::{check, check_routes};
pub use folder::{FileBody, file};
pub use place::{Place, Served, find};
pub use reply::{Answered, Failure, Reply, ended};
pub use route::{Request, ask};
