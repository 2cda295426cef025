//! Reports of swaps, and their history.
//!
//! Enters: steps and endings, as the machinery of swaps takes them. Leaves: reports, for commands, the console and
//! the state of the mesh. Guarantees: nothing here decides anything; a report means the same to each who reads it.

mod failure;
mod history;
mod report;

pub use failure::FailureKind;
pub use history::History;
pub use report::{Ending, PartReport, Progress, Report, Step, StepReport};
