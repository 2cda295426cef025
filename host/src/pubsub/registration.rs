//! One subscriber on one channel, with all the subscriptions it made there.

use super::{ChannelAction, Pattern};
use crate::protocol::Publication;
use crate::session::Session;
use crate::versions::{ComponentVersion, RequestedRange};
use std::fmt::Debug;
use std::sync::Arc;

/// Somebody inside the host who hears events, such as a component.
pub trait Listener: Send + Sync + Debug {
    /// Takes one event. Must not wait, and must not subscribe or publish on the same stack.
    fn hear(&self, publication: &Publication<'_>);
}

/// Who subscribed.
#[derive(Clone, Debug)]
pub enum Subscriber {
    /// A client.
    Session(Arc<Session>),
    /// Somebody inside the host, under a number that must not collide with those of sessions.
    Listener {
        /// Groups the listener's subscriptions, as a session's number does.
        number: u64,
        /// Who hears.
        listener: Arc<dyn Listener>,
    },
}

impl Subscriber {
    pub(super) fn number(&self) -> u64 {
        match self {
            Subscriber::Session(session) => session.number(),
            Subscriber::Listener { number, .. } => *number,
        }
    }
}

/// The version that an event carries, ready for comparing.
pub type EventVersion = ComponentVersion;

/// Which versions of an event a subscription asks for (`options.meta.componentVersion`).
#[derive(Clone, Debug, PartialEq)]
pub enum VersionFilter {
    /// Nothing was asked, or something that is no text: everything is delivered.
    Any,
    /// A range, or text that is none: then only events that carry exactly this text.
    Range(RequestedRange),
}

impl VersionFilter {
    /// Whether some published client would show an event of this version to this subscription: old clients compare
    /// strictly, newer ones coerce, and no client may miss what it would have shown.
    pub fn admits(&self, version: &EventVersion) -> bool {
        match self {
            VersionFilter::Any => true,
            VersionFilter::Range(asked) => {
                asked.admits(version)
                    || asked
                        .range()
                        .is_ok_and(|range| range.satisfied_by(version.exact()))
            }
        }
    }
}

/// One `on`.
#[derive(Debug)]
pub(super) struct Reference {
    /// What `off` names it by.
    pub(super) id: u64,
    pub(super) filter: VersionFilter,
    /// How many segments a `**` reaches.
    pub(super) depth: Depth,
}

/// How many segments a `**` reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depth {
    /// The number.
    pub segments: u32,
    /// Whether the client said so. Clients that did not, compare with a number of their own.
    pub named: bool,
}

/// A subscriber on a channel.
#[derive(Debug)]
pub(super) struct Registration {
    pub(super) subscriber: Subscriber,
    /// The channel exactly as it was sent: clients find their handlers by it.
    pub(super) channel: Arc<str>,
    pub(super) action: ChannelAction,
    pub(super) pattern: Pattern,
    pub(super) references: Vec<Reference>,
    /// First generation: listeners counted by `refCount`.
    pub(super) count: i64,
}

impl Registration {
    /// Whether an event of this version, `depth` segments below a `**`, goes to the subscriber; with the smallest depth
    /// among the subscriptions that want it (PROTOCOL.md 6.4). A subscription without a depth of its own, as clients
    /// make it after a reconnect, gets none: its client delivers to whatever listeners it has.
    pub(super) fn admits(&self, version: Option<&EventVersion>, depth: u32) -> Option<Option<u32>> {
        let wanted = self
            .references
            .iter()
            .filter(|reference| reference.depth.segments >= depth)
            .filter(|reference| version.is_none_or(|version| reference.filter.admits(version)))
            .map(|reference| reference.depth);
        if depth == 0 {
            return wanted.take(1).next().map(|_| None);
        }
        wanted
            .map(|depth| if depth.named { depth.segments } else { 0 })
            .min()
            .map(|smallest| Some(smallest).filter(|smallest| *smallest > 0))
    }
}
