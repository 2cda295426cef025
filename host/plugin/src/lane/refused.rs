//! A call that a lane does not take.
//!
//! Enters: the call. Leaves: it again, and why. Guarantees: nothing is lost by being refused.

use crate::job::{Answer, Job};

/// Why a call was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The queue is full.
    Full,
    /// The caller has too many calls waiting.
    Share,
    /// The component is stopping.
    Closed,
    /// Another version has taken over: the call is to be routed again.
    Replaced,
}

/// A call that was not taken: it and its answer come back.
pub struct Refused {
    /// Why.
    pub why: Refusal,
    /// The call.
    pub job: Job,
    /// The receiver of its answer.
    pub answer: Box<dyn Answer>,
}
