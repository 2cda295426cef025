//! Wishes and news of a member.
//!
//! Enters: nothing. Leaves: the words for them. Guarantees: none.

use crate::identity::{Incarnation, NodeName};
use crate::link::{Delivered, LinkError, Notice};
use crate::presence::beat::BeatError;
use crate::presence::{Alone, End, Judgement};
use bytes::Bytes;
use std::sync::Arc;

/// A message to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Its subject.
    pub subject: Arc<str>,
    /// The subject on which it comes back when nobody listens.
    pub reply: Option<String>,
    /// Its bytes.
    pub payload: Bytes,
}

/// Something that a member wants or tells, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Listen to this subject from now on.
    Subscribe(String),
    /// Publish this. A message that cannot be published counts as one that was lost on its way.
    Publish(Publication),
    /// A message of another node.
    Delivered {
        /// The node.
        from: NodeName,
        /// Its incarnation.
        incarnation: Incarnation,
        /// The message.
        message: Delivered,
    },
    /// Another node dropped events for this one here.
    Gap {
        /// The node.
        from: NodeName,
        /// Its incarnation.
        incarnation: Incarnation,
        /// How many.
        events: u64,
    },
    /// News about a call of this node. Those of an incarnation that is gone come before its verdict.
    Notice {
        /// The node that the call went to.
        to: NodeName,
        /// Its incarnation.
        incarnation: Incarnation,
        /// The news.
        notice: Notice,
    },
    /// A verdict has changed, or a node is new.
    Verdict(Judgement),
    /// A node tells other facts of itself than before, beside its load.
    Facts(NodeName),
    /// Nobody is judged from now on.
    Alone(Alone),
    /// Everybody is judged again.
    Together,
    /// A node broke the rules, and is barred.
    Broken(NodeName, LinkError),
    /// Beats of a node cannot be read.
    Unreadable(NodeName, BeatError),
    /// There is no room for a node.
    NoRoom(NodeName),
    /// The membership has ended. Nothing follows.
    Ended(End),
}
