//! One subscriber on one channel, with all the subscriptions it made there.

use super::pattern::parts_of;
use super::precedence::Place;
use super::watching::Told;
use super::{ChannelAction, Pattern};
use crate::{Principal, Session};
use mesh_wire::protocol::Publication;
use mesh_wire::versions::ComponentVersion;
pub use mesh_wire::versions::VersionFilter;
use std::fmt::Debug;
use std::sync::Arc;

/// Somebody inside the host who hears events, such as a component.
pub trait Listener: Send + Sync + Debug {
    /// Takes one event; says whether it wanted it. Must not wait, and must not subscribe or publish on the same stack.
    fn hear(&self, publication: &Publication<'_>) -> bool;
}

/// The subscriber.
#[derive(Clone, Debug)]
pub enum Subscriber {
    /// A client.
    Session(Arc<Session>),
    /// Somebody inside the host, under a number that must not collide with those of sessions.
    Listener {
        /// Groups the listener's subscriptions, as a session's number does.
        number: u64,
        /// The recipient.
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

/// One `on`.
#[derive(Debug)]
pub(super) struct Reference {
    /// The id by which `off` names it.
    pub(super) id: u64,
    pub(super) filter: VersionFilter,
    /// How many segments a `**` reaches.
    pub(super) depth: Depth,
    /// Whether it wants what was sent instead of what is stored.
    pub(super) as_sent: bool,
    /// For whom, where that is not the session's own user.
    pub(super) principal: Option<Arc<Principal>>,
    /// The one who is told of subscriptions was told of this one.
    pub(super) told: Option<Box<Told>>,
}

impl Reference {
    /// Whether it is for this user; `None` is the session's own.
    pub(super) fn is_for(&self, principal: Option<&Arc<Principal>>) -> bool {
        match (&self.principal, principal) {
            (None, None) => true,
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            _ => false,
        }
    }

    /// Whether it wants the same, for the same user.
    pub(super) fn is_like(&self, other: &Reference) -> bool {
        self.filter == other.filter && self.depth == other.depth && self.is_for(other.principal.as_ref())
    }

    /// Bytes that it takes, about.
    pub(super) fn bytes(&self) -> usize {
        let range = match &self.filter {
            VersionFilter::Any => 0,
            VersionFilter::Range(asked) => asked.range().map_or(0, |range| range.as_str().len()),
        };
        size_of::<Reference>() + range * BYTES_OF_A_RANGE
    }
}

/// Bytes that each letter of a range may take when it is taken apart.
const BYTES_OF_A_RANGE: usize = 48;
/// Bytes that a channel takes whatever its text is: the registration, and its places in the tables.
const BYTES_OF_A_CHANNEL: usize = 512;
/// Copies of a channel's text.
const COPIES: usize = 3;
/// Bytes that a segment takes where patterns are found segment by segment.
const BYTES_OF_A_SEGMENT: usize = 160;

/// How an event goes to a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Wanted {
    /// The depth to name, for a `**`.
    pub(super) depth: Option<u32>,
    /// The value that was sent instead of the stored one.
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
    /// Bytes that it takes, about.
    pub(super) fn bytes(&self) -> usize {
        let segments = match &self.pattern {
            Pattern::Segments(pattern) | Pattern::Deep(pattern) => parts_of(pattern).count(),
            _ => 0,
        };
        let references = self.references.iter().map(Reference::bytes);
        BYTES_OF_A_CHANNEL
            + COPIES * self.channel.len()
            + segments * BYTES_OF_A_SEGMENT
            + references.sum::<usize>()
    }

    /// Whether an event of this version, `depth` segments below a `**`, goes to the subscriber. It comes with the
    /// smallest depth among the subscriptions that want it (docs/protocol.md 6.4) and that `may_hear` it. A subscription
    /// without a depth of its own, as clients make it after a reconnect, gets none: its client delivers to whatever
    /// listeners it has. The subscriber gets one frame, and so what was sent goes out only where all that want the event
    /// asked for it.
    pub(super) fn admits(
        &self,
        version: Option<&EventVersion>,
        depth: u32,
        mut may_hear: impl FnMut(Option<&Principal>) -> bool,
    ) -> Option<Wanted> {
        let mut smallest: Option<u32> = None;
        let mut as_sent = true;
        for reference in &self.references {
            if reference.depth.segments < depth
                || !version.is_none_or(|version| reference.filter.admits(version))
                || !may_hear(reference.principal.as_deref())
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
