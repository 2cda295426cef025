//! A node that has a version of a component, as a choice sees it.
//!
//! Enters: catalogues, verdicts and beats. Leaves: rows that a choice compares. Guarantees: nothing here is asked of anybody.

use crate::component::Component;
use crate::peer::{Peer, Standing};
use std::sync::Arc;

/// Where a version is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// On this node.
    Here,
    /// On another one.
    Node(Peer),
}

impl Place {
    /// The other node.
    pub fn peer(&self) -> Option<&Peer> {
        match self {
            Place::Here => None,
            Place::Node(peer) => Some(peer),
        }
    }
}

/// How much a version has to do, as its node said last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Calls that wait in its queues.
    pub waiting: u32,
    /// Calls that its queues hold; 0 where nobody said.
    pub room: u32,
}

impl Load {
    /// Whether the queues are over half full.
    pub fn is_over_half(self) -> bool {
        u64::from(self.waiting) * 2 > u64::from(self.room) && self.room > 0
    }

    /// Whether the queues are less than a quarter full.
    pub fn is_under_a_quarter(self) -> bool {
        u64::from(self.waiting) * 4 < u64::from(self.room)
    }
}

/// One version on one node.
#[derive(Clone, Debug)]
pub struct Provider {
    /// The node.
    pub place: Place,
    /// The version.
    pub component: Arc<Component>,
    /// How the node stands.
    pub standing: Standing,
    /// How much there is to do.
    pub load: Load,
}
