//! Subscriptions: channels, their patterns, and the index that finds the recipients of a publication.
//!
//! Enters: subscriptions, and one [`Event`] at a time. Leaves: frames in the queues of the sessions that subscribed,
//! and calls of [`Listener`]s inside the host. Guarantees: one frame per (session, channel), written once per
//! distinct (dialect, channel). The cost of a publication follows its recipients, not the subscriptions registered.
//! An event is withheld for its version only where no client would have shown it (docs/protocol.md 7.4).

mod channel;
mod delivery;
mod index;
mod pattern;
mod precedence;
mod prefixes;
mod registration;
mod segments;
mod shrinking;
mod tables;
#[cfg(test)]
mod tests;
mod watching;

pub use channel::{Channel, ChannelAction};
pub use index::{EVERYTHING, Event, Index, Limits, Published, Subscription, Targets, TooManySubscriptions};
pub use pattern::{DEFAULT_DEPTH, Pattern};
pub use registration::{Depth, EventVersion, Listener, Subscriber, VersionFilter};
pub use watching::{Watched, Watcher};
