//! One subscriber on one channel, with all the subscriptions it made there.

use super::precedence::Place;
use super::{ChannelAction, Pattern};
use crate::protocol::Publication;
use crate::session::Session;
use crate::versions::{ComponentVersion, RequestedRange};
use std::fmt::Debug;
use std::sync::Arc;

/// Somebody inside the host who hears events, such as a component.
pub trait Listener: Send + Sync + Debug {
    /// Takes one event; says whether it wanted it. Must not wait, and must not subscribe or publish on the same stack.
    fn hear(&self, publication: &Publication<'_>) -> bool;
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
    /// Whether it wants what was sent instead of what is stored.
    pub(super) as_sent: bool,
}

/// How an event goes to a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Wanted {
    /// The depth to name, for a `**`.
    pub(super) depth: Option<u32>,
    /// What was sent instead of what is stored.
    pub(super) as_sent: bool,
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
    /// Where it stands among those of its session that match the same path, and when it came.
    pub(super) place: Place,
    pub(super) sequence: u64,
    pub(super) pattern: Pattern,
    /// The pattern may match what its text does not: in letters of another size, open at its end, without its slash.
    pub(super) is_loose: bool,
    pub(super) references: Vec<Reference>,
    /// First generation: listeners counted by `refCount`.
    pub(super) count: i64,
}

impl Registration {
    /// Whether an event of this version, `depth` segments below a `**`, goes to the subscriber; with the smallest depth
    /// among the subscriptions that want it (PROTOCOL.md 6.4). A subscription without a depth of its own, as clients
    /// make it after a reconnect, gets none: its client delivers to whatever listeners it has. The subscriber gets one
    /// frame, and so what was sent goes out only where all that want the event asked for it.
    pub(super) fn admits(&self, version: Option<&EventVersion>, depth: u32) -> Option<Wanted> {
        let mut smallest: Option<u32> = None;
        let mut as_sent = true;
        for reference in &self.references {
            if reference.depth.segments < depth
                || !version.is_none_or(|version| reference.filter.admits(version))
            {
                continue;
            }
            let named = if reference.depth.named {
                reference.depth.segments
            } else {
                0
            };
            smallest = Some(smallest.map_or(named, |smallest| smallest.min(named)));
            as_sent &= reference.as_sent;
        }
        let depth = smallest?;
        Some(Wanted {
            depth: Some(depth).filter(|depth| *depth > 0 && matches!(self.pattern, Pattern::Deep(_))),
            as_sent,
        })
    }
}
