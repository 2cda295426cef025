//! Calls between nodes: those of the own callers at others, and those of others here.
//!
//! Enters: calls, what links say of their frames, frames of peers, verdicts, and the time. Leaves: frames, calls for the own
//! components, and answers. Guarantees: a caller gets one answer, at the latest at its deadline. A call is executed at most once,
//! unless its method is idempotent. An answer that says that nothing was executed is true.

mod deadlines;
mod error;
mod frame;
mod outgoing;
mod request;
mod routing;
mod serving;
mod text;
mod web;

pub use error::CallError;
pub use frame::{
    AnswerFrame, AskedText, Body, CallFrame, Caller, CancelFrame, FrameError, LONGEST_TEXT, Outcome, Refusal,
};
pub use outgoing::Calls;
pub use request::{Counts, InFlight, Output, Reply, Request, Route, Router, Target, Wanted};
pub use routing::Routing;
pub use serving::{Fault, MOST_SERVED, Served, Serving};
pub use web::{WebRequest, WebResponse};

#[cfg(test)]
mod tests;
