//! Replacing component versions in a mesh that serves.
//!
//! What enters: the wish to replace, add or remove versions. What leaves: a mesh in which they are, or the same mesh and
//! one sentence that says why not. Guarantees (DESIGN: hot swap): no call and no event is lost, failed, doubled or
//! reordered by a swap; state goes along; what turns out to be bad is taken back by itself; all memory is given back,
//! or it is said that it was not.

mod history;
mod limits;
mod machine;
mod probation;
mod report;
mod standing;
mod steps;
mod swaps;
mod transaction;

pub use history::History;
pub use limits::Limits;
pub use machine::{Ending, Kind, Machine, Next, Outcome, Step};
pub use report::{PartReport, Progress, Report, StepReport};
pub use swaps::{Ongoing, Swaps, Wanted, version_of};
