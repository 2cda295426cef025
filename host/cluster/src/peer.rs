//! Another node in one of its starts, and how it stands.
//!
//! Enters: names, incarnations, verdicts and states. Leaves: the pairs by which all tables are keyed. Guarantees: a copy costs as much
//! as one of an `Arc`.

use crate::identity::{Incarnation, NodeName};
use crate::presence::Verdict;
use crate::presence::beat::State;
use std::fmt;

/// A node in one of its starts.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Peer {
    /// Its name.
    pub node: NodeName,
    /// Its start.
    pub incarnation: Incarnation,
}

impl fmt::Debug for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.node, self.incarnation)
    }
}

/// How a peer stands at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The opinion of this node.
    pub verdict: Verdict,
    /// The peer's own words.
    pub state: State,
}

impl Standing {
    /// A peer that takes calls.
    pub const READY: Standing = Standing {
        verdict: Verdict::Alive,
        state: State::Ready,
    };
}
