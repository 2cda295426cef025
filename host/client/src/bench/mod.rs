//! `mesh bench`: how fast a happn server answers, and what it pays for that.
//!
//! Enters: a [`Plan`] with one or more servers. Leaves: a [`Report`]. It speaks plain happn, so that any happn or
//! happner server can be measured by the same program. Several servers take turns, round by round. So other work of
//! the machine hits all of them alike, and their ratio means something.
//!
//! Guarantees:
//! - An operation counts when everything that belongs to it has arrived: a call when both the answer to its `set` and
//!   its response have. Anything else is an error and counts as nothing else.
//! - The load is a closed loop: each connection keeps a fixed number of operations in flight. A server that stalls is
//!   therefore asked less, and latencies under a fixed rate of arrival may be worse than those shown.
//! - The generator runs on one thread and looks for a few numbers in each frame instead of parsing it. Its own CPU
//!   time is part of the report, so that nobody takes its limit for the server's.

mod board;
mod data;
mod error;
mod generator;
mod link;
mod machine;
mod measure;
mod plan;
mod preparation;
mod process;
mod report;
mod round;
mod scan;
mod table;
mod template;

pub use error::BenchError;
pub use generator::{Progress, run};
pub use machine::Machine;
pub use plan::{Calls, Data, Events, Load, Operation, Plan, Source, Target, Workload};
pub use report::{Latencies, ProcessReport, Ratio, Report, TargetReport};
