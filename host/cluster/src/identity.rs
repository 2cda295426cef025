//! Names of nodes and clusters, and incarnations.
//!
//! Enters: text of a configuration or of a subject; numbers of the caller. Leaves: checked names; incarnations that have an order.
//! Guarantees: a name is one token of a NATS subject, so it cannot address anything else. Clones share their text.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;
use thiserror::Error;

/// The longest name of a node.
pub const LONGEST_NODE_NAME: usize = 64;
/// The longest name of a cluster.
pub const LONGEST_CLUSTER_NAME: usize = 32;
/// So much of a wrong name is repeated in its error.
const REPEATED: usize = 80;

/// A name that cannot be one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the name of a {of} {fault}: {name:?}; use 1 to {longest} letters, digits, - and _")]
pub struct NameError {
    /// The sort of thing that was to be named.
    pub of: &'static str,
    /// The beginning of the text.
    pub name: String,
    /// The fault.
    pub fault: NameFault,
    /// The most characters that are allowed.
    pub longest: usize,
}

/// The fault of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NameFault {
    /// There is no character.
    #[error("is empty")]
    Empty,
    /// There are too many.
    #[error("has {0} bytes")]
    Long(usize),
    /// One is not allowed.
    #[error("has the character {0:?}")]
    Character(char),
}

fn checked(of: &'static str, name: &str, longest: usize) -> Result<Arc<str>, NameError> {
    let is_allowed = |character: &char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
    let fault = match name.chars().find(|character| !is_allowed(character)) {
        _ if name.is_empty() => NameFault::Empty,
        _ if name.len() > longest => NameFault::Long(name.len()),
        Some(character) => NameFault::Character(character),
        None => return Ok(Arc::from(name)),
    };
    let name = name.chars().take(REPEATED).collect();
    Err(NameError {
        of,
        name,
        fault,
        longest,
    })
}

/// The name of a node, unique in its cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName(Arc<str>);

impl NodeName {
    /// This text as a name.
    pub fn new(name: &str) -> Result<NodeName, NameError> {
        checked("node", name, LONGEST_NODE_NAME).map(NodeName)
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The name of a cluster, the same on all of its nodes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterName(Arc<str>);

impl ClusterName {
    /// This text as a name.
    pub fn new(name: &str) -> Result<ClusterName, NameError> {
        checked("cluster", name, LONGEST_CLUSTER_NAME).map(ClusterName)
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClusterName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// One start of a node. Of two with the same name, the larger one is the later one.
///
/// The order begins with the wall clock at the start. A clock that was set back makes a new incarnation look like an old one. It is told
/// then which one is known, and starts again [`after`](Incarnation::after) that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation {
    started: u64,
    random: NonZeroU64,
}

impl Incarnation {
    /// A start at this wall clock, in milliseconds, with a random number that no other start has.
    pub const fn new(started: u64, random: NonZeroU64) -> Incarnation {
        Incarnation { started, random }
    }

    /// A start that is later than another one, whatever the wall clock says.
    #[must_use]
    pub fn after(self, random: NonZeroU64) -> Incarnation {
        Incarnation::new(self.started.saturating_add(1), random)
    }

    /// The half that heads of messages carry.
    pub fn mark(self) -> Mark {
        Mark(self.random.get())
    }

    /// Its bytes, in the order of numbers on the network.
    pub fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.started) << 64 | u128::from(self.random.get())).to_be_bytes()
    }

    /// The incarnation of these bytes; none whose random half is 0.
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Incarnation> {
        let whole = u128::from_be_bytes(bytes);
        let random = NonZeroU64::new(whole as u64)?;
        Some(Incarnation::new((whole >> 64) as u64, random))
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:x}-{:016x}", self.started, self.random)
    }
}

/// The random half of an incarnation. Messages carry it, since two that meet differ in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark(u64);

impl Mark {
    /// The mark of nobody: of messages to an incarnation that the sender does not know.
    pub const NOBODY: Mark = Mark(0);

    /// The mark with this number.
    pub const fn of(number: u64) -> Mark {
        Mark(number)
    }

    /// Its number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_token_of_a_subject() {
        for name in ["a", "shop-1", "Shop_2", &"n".repeat(64)] {
            assert_eq!(NodeName::new(name).unwrap().as_str(), name);
        }
        for (name, fault) in [
            ("", NameFault::Empty),
            (&*"n".repeat(65), NameFault::Long(65)),
            ("a.b", NameFault::Character('.')),
            ("*", NameFault::Character('*')),
            ("a>", NameFault::Character('>')),
            ("a b", NameFault::Character(' ')),
            ("käse", NameFault::Character('ä')),
        ] {
            assert_eq!(NodeName::new(name).unwrap_err().fault, fault, "{name:?}");
        }
        assert_eq!(
            ClusterName::new(&"c".repeat(33)).unwrap_err().fault,
            NameFault::Long(33)
        );
        assert_eq!(
            ClusterName::new("a.b").unwrap_err().to_string(),
            "the name of a cluster has the character '.': \"a.b\"; use 1 to 32 letters, digits, - and _"
        );
    }

    #[test]
    fn a_long_wrong_name_is_cut_in_its_error() {
        assert_eq!(
            NodeName::new(&"x".repeat(10_000)).unwrap_err().name.len(),
            REPEATED
        );
    }

    #[test]
    fn a_later_start_is_larger_and_survives_its_bytes() {
        let random = |number| NonZeroU64::new(number).unwrap();
        let first = Incarnation::new(7, random(u64::MAX));
        let second = first.after(random(1));
        assert!(second > first);
        for incarnation in [first, second] {
            assert_eq!(Incarnation::from_bytes(incarnation.to_bytes()), Some(incarnation));
        }
        assert_eq!(Incarnation::from_bytes([0; 16]), None);
    }
}
