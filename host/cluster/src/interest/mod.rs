//! Which nodes want an event.
//!
//! Enters: the subscriptions of the own node, frames of peers, and the time. Leaves: frames for links, subscriptions that can be
//! answered, and the nodes that want a path and a version. Guarantees: a node that would deliver an event is among them, and
//! perhaps one that would not: its own index decides. Memory is bounded, whatever peers send.
//!
//! Subscriptions are told by *topic*, the literal segments at the beginning of their pattern: at most three below `/_events`, and
//! two elsewhere. A topic has a set of patterns and one of ranges. Where there are too many of either, all is wanted.

mod body;
mod own;
mod table;
mod topic;

pub use body::{Frame, InterestError, LONGEST_BODY};
pub use own::{Interest, Output, Subscribed, WAIT};
pub use table::{NodeIndex, Wanting};
pub use topic::may_cross;

/// The most patterns of a topic that are told one by one.
pub const MOST_PATTERNS: usize = 32;
/// The most ranges of a topic that are told one by one.
pub const MOST_RANGES: usize = 16;
/// The most topics of a node that are told one by one.
pub const MOST_TOPICS: usize = 4096;
/// The longest pattern that is told, in bytes.
pub const LONGEST_PATTERN: usize = 1024;
/// The longest range that is told, in bytes.
pub const LONGEST_RANGE: usize = 256;
/// The longest topic, in bytes.
pub const LONGEST_TOPIC: usize = 512;

#[cfg(test)]
mod tests;
