//! Replacing component versions in a mesh that serves.
//!
//! Enters: the wish to replace, add or remove versions. Leaves: a mesh in which they are, or the same mesh and one
//! sentence that says why not. Guarantees (docs/hot-swap.md, "Promises"): no call and no event is lost, failed,
//! doubled or reordered by a swap. State goes along; what turns out to be bad is rolled back by itself. All memory is
//! given back, or it is said that it was not.

mod limits;
mod machine;
mod probation;
mod standing;
mod steps;
mod swaps;
mod transaction;

pub use limits::Limits;
pub use machine::{Kind, Machine, Next, Outcome};
pub use mesh_core::mesh::swaps::{Ending, PartReport, Progress, Report, Step};
pub use swaps::{Ongoing, Swaps, Wanted, version_of};
