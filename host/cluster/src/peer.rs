//! Nodes, and what this node thinks of each of them.
//!
//! Enters: names as text, incarnations as numbers. Leaves: names that are one token of a subject, and the pairs by which all
//! tables are keyed. Guarantees: a copy of a name costs as much as one of an `Arc`.

use mesh_wire::protocol::json::shorten;
use std::fmt;
use std::sync::Arc;
use thiserror::Error;

/// The longest name of a node, in bytes.
pub const LONGEST_NAME: usize = 64;

/// The name of a node: letters, digits, `-` and `_`, so that it is one token of a subject.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeName(Arc<str>);

impl NodeName {
    /// Reads a name.
    ///
    /// # Errors
    ///
    /// When it is empty, too long, or contains anything else.
    pub fn parse(text: &str) -> Result<NodeName, NodeNameError> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        match text.bytes().all(is_allowed) && (1..=LONGEST_NAME).contains(&text.len()) {
            true => Ok(NodeName(text.into())),
            false => Err(NodeNameError {
                shown: shorten(text).into_owned(),
            }),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl fmt::Debug for NodeName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A text that is not the name of a node.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{shown:?} is not the name of a node: write 1 to {LONGEST_NAME} letters, digits, `-` and `_`, for example \"shop-1\""
)]
pub struct NodeNameError {
    shown: String,
}

/// One start of a node: random bits, new each time. An incarnation never comes back.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Incarnation(pub u128);

impl fmt::Debug for Incarnation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

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
        write!(formatter, "{}/{:x}", self.node, self.incarnation.0)
    }
}

/// The opinion that this node has of a peer. It is private: nothing but routing follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It is heard.
    Alive,
    /// It has been silent for some beats.
    Suspect,
    /// Nobody is at its inbox, for the moment.
    Away,
    /// It is gone; calls in flight are given up.
    Lost,
    /// It said goodbye.
    Left,
}

/// The progress of a node, in its own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeState {
    /// It starts, and takes no calls yet.
    Joining,
    /// It takes calls.
    Ready,
    /// It finishes the calls that it has.
    Draining,
}

/// How a peer stands at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The opinion of this node.
    pub verdict: Verdict,
    /// The peer's own words.
    pub state: NodeState,
}

impl Standing {
    /// A peer that takes calls.
    pub const READY: Standing = Standing {
        verdict: Verdict::Alive,
        state: NodeState::Ready,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_token() {
        for good in ["a", "shop-1", "Shop_2", &"x".repeat(LONGEST_NAME)] {
            assert_eq!(NodeName::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "a.b",
            "a b",
            "*",
            ">",
            "é",
            "a/b",
            &"x".repeat(LONGEST_NAME + 1),
        ] {
            assert!(NodeName::parse(bad).is_err(), "{bad}");
        }
        let message = NodeName::parse("a.b").unwrap_err().to_string();
        assert!(
            message.starts_with("\"a.b\" is not the name of a node: write "),
            "{message}"
        );
    }
}
