//! The opinion of a node about another one, and the reason.
//!
//! Enters: nothing. Leaves: the words for it. Guarantees: none.

use crate::identity::{Incarnation, NodeName};
use std::fmt;

/// The opinion of a node about an incarnation of another one. Others may think otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It was heard lately.
    Alive,
    /// It has missed some beats. It gets new calls only if nobody else can take them.
    Suspect,
    /// Nobody listens to its inbox. It gets new calls only where nobody else is left, and these wait for it. Those that it has may still be
    /// answered.
    Away,
    /// Nothing is expected from it any more. It is alive again if it is heard again.
    Lost,
    /// It has been lost for long, and its components leave the description.
    Forgotten,
    /// It said goodbye. This incarnation does not come back.
    Left,
    /// It broke the rules of the protocol. Nothing of this incarnation is taken any more.
    Barred,
}

impl Verdict {
    /// Whether the incarnation can never be heard again.
    pub fn is_final(self) -> bool {
        matches!(self, Verdict::Left | Verdict::Barred)
    }

    /// Whether calls in flight to it are answered now.
    pub fn is_gone(self) -> bool {
        matches!(
            self,
            Verdict::Lost | Verdict::Forgotten | Verdict::Left | Verdict::Barred
        )
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Verdict::Alive => "alive",
            Verdict::Suspect => "suspect",
            Verdict::Away => "away",
            Verdict::Lost => "lost",
            Verdict::Forgotten => "forgotten",
            Verdict::Left => "left",
            Verdict::Barred => "barred",
        })
    }
}

/// A verdict that has changed, or that of a node that is new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The node.
    pub node: NodeName,
    /// The incarnation that it is about.
    pub incarnation: Incarnation,
    /// The verdict.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
}

/// The reason for a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Something of it was heard.
    Heard,
    /// Nothing of it was heard.
    Silent,
    /// Messages to it came back, since nobody listens.
    Returned,
    /// A later incarnation of its name was heard.
    Replaced(Incarnation),
    /// It said so.
    Goodbye,
    /// It broke the rules of the protocol.
    BrokeRules,
    /// It has been lost for long.
    LongAgo,
}

/// The reason why a node judges nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Alone {
    /// It has just joined.
    Starting,
    /// The connection to the server is lost.
    Disconnected,
    /// The server does not pass on even its own beats.
    Unheard,
    /// It has not run for longer than two beats.
    Paused,
}

impl fmt::Display for Alone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Alone::Starting => "it has just joined",
            Alone::Disconnected => "the connection to the server is lost",
            Alone::Unheard => "the server does not pass on even the beats of this node",
            Alone::Paused => "this process did not run for a while",
        })
    }
}

/// The end of a membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Another living process has the name. It says of itself where it is.
    NameTaken {
        /// Its incarnation.
        by: Incarnation,
        /// Its own words: host, process, since when.
        about: String,
    },
    /// A later incarnation has the name. A process that has just started because its clock was set back may start again `after` it.
    Fenced {
        /// The later one.
        by: Incarnation,
    },
    /// It has left.
    Left,
}
