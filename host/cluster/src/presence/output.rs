//! Wishes and news of presence.
//!
//! Enters: nothing. Leaves: the words for them. Guarantees: none.

use super::beat::BeatError;
use super::{Alone, End, Judgement};
use crate::identity::{Incarnation, NodeName};
use bytes::Bytes;

/// Something that presence wants or tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Ask for the own name.
    Hello,
    /// The own name is free: listen to the own inbox.
    Joined,
    /// Publish a beat.
    Beat(Bytes),
    /// Send a beat to this node alone, which has just started.
    Greet(NodeName, Bytes),
    /// Find out whether this node is there.
    Probe(NodeName),
    /// Tell an incarnation of this node that a later one is known.
    Outdated {
        /// The node.
        node: NodeName,
        /// The incarnation that is told.
        old: Incarnation,
        /// The one that is known.
        known: Incarnation,
    },
    /// A verdict has changed, or a node is new.
    Verdict(Judgement),
    /// A node tells other facts of itself than before, beside its load.
    Facts(NodeName),
    /// Nobody is judged from now on.
    Alone(Alone),
    /// Everybody is judged again.
    Together,
    /// Beats of this node cannot be read.
    Unreadable(NodeName, BeatError),
    /// This node was forgotten, and has made room for another one.
    Evicted(NodeName),
    /// There is no room for this node.
    NoRoom(NodeName),
    /// The membership has ended. Nothing follows.
    Ended(End),
}
