//! Which node serves a call.
//!
//! Enters: the providers of a component, what a call asks for, and a number by chance. Leaves: one provider, or why there is none.
//! Guarantees: the same input gives the same provider. Nothing is allocated but in the caller's list. Nodes take no turns.
//!
//! Each step looks at what the one before it has left:
//!
//! 1. Versions that are asked for and have the method, on nodes that take calls. A silent node only where no other is left, and one that
//!    is away only where not even a silent one is.
//! 2. No version below one that the session has had. Where only such are left, the highest of them.
//! 3. The own node, unless it is going or its queues are over half full while another's are under a quarter.
//! 4. The highest settled version. During a rollout, the new one for a share of the sessions.
//! 5. With affinity, the node that the session's hash chooses.
//! 6. The less busy of two by chance.

mod session;
#[cfg(test)]
mod tests;

pub use session::{SessionVersions, Sessions, session_hash};

use crate::component::{Affinity, Aim, Rank};
use crate::peer::Peer;
use crate::presence::Verdict;
use crate::presence::beat::State;
use crate::provider::{Place, Provider};
use mesh_wire::versions::{ComponentVersion, Line, RequestedRange};

/// Which versions a call may be served by.
#[derive(Clone, Copy, Debug)]
pub enum Asked<'a> {
    /// All.
    Any,
    /// One like the version that the session was shown.
    Line(Line),
    /// Those inside a range.
    Range(&'a RequestedRange),
}

impl Asked<'_> {
    /// Whether a version is asked for.
    pub fn admits(&self, version: &ComponentVersion) -> bool {
        match self {
            Asked::Any => true,
            Asked::Line(line) => Line::of(version.exact()) == *line,
            Asked::Range(range) => range.admits(version),
        }
    }
}

/// Whether the own node comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prefer {
    /// It does.
    #[default]
    Local,
    /// All nodes compete.
    Any,
}

/// A version on a node that has been tried for this call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The node.
    pub place: Place,
    /// The version.
    pub version: ComponentVersion,
}

/// The wish of a call.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// The versions.
    pub asked: Asked<'a>,
    /// The part of the component.
    pub aim: Aim<'a>,
    /// The hash of the session ([`session_hash`]).
    pub session: u64,
    /// The highest of these versions that the session has had.
    pub floor: Option<&'a ComponentVersion>,
    /// Whether the own node comes first.
    pub prefer: Prefer,
    /// The version that is being rolled out, if one is.
    pub rollout: Option<&'a ComponentVersion>,
    /// Those that have refused this call.
    pub tried: &'a [Tried],
    /// A number by chance.
    pub dice: u64,
}

/// Why nobody serves a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoChoice {
    /// No node has such a component.
    Unknown,
    /// No node has a version that is asked for.
    NoVersion,
    /// None of these versions has the method.
    NoMethod,
    /// Nobody is left who takes calls.
    Unreachable,
}

/// Chooses one of `providers` and returns its position. `in_flight` says how many calls this node has at another. `left` is a
/// list that is used while choosing, and keeps its memory.
///
/// # Errors
///
/// Why there is none.
pub fn choose(
    providers: &[Provider],
    wish: &Wish<'_>,
    in_flight: impl Fn(&Peer) -> u32,
    left: &mut Vec<usize>,
) -> Result<usize, NoChoice> {
    let mut choosing = Choosing { providers, left };
    choosing.those_that_take_calls(wish);
    if choosing.left.is_empty() {
        return Err(why_none(providers, wish));
    }
    choosing.none_below_what_the_session_has_had(wish.floor);
    if wish.prefer == Prefer::Local
        && let Some(here) = choosing.the_own_node()
    {
        return Ok(here);
    }
    choosing.one_version(wish);
    Ok(choosing.one_node(wish, in_flight))
}

/// How a provider that fits may be used.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// At once.
    Freely,
    /// Where nobody is free: this node, which is going itself.
    Leaving,
    /// Where nobody else is left: a node that is silent.
    AsTheLast,
    /// Where not even such are left: a node that is away. The call waits for it, since a server that starts again makes all nodes away.
    Waiting,
}

struct Choosing<'a, 'l> {
    providers: &'a [Provider],
    left: &'l mut Vec<usize>,
}

impl<'a> Choosing<'a, '_> {
    fn those_that_take_calls(&mut self, wish: &Wish<'_>) {
        for wanted in [Use::Freely, Use::Leaving, Use::AsTheLast, Use::Waiting] {
            self.left.clear();
            for (position, provider) in self.providers.iter().enumerate() {
                if usable(provider) == Some(wanted) && fits(provider, wish) && !is_tried(provider, wish.tried)
                {
                    self.left.push(position);
                }
            }
            if !self.left.is_empty() {
                return;
            }
        }
    }

    fn none_below_what_the_session_has_had(&mut self, floor: Option<&ComponentVersion>) {
        let Some(floor) = floor.map(Rank::of) else { return };
        if self.prefer(|provider| provider.component.rank() >= floor) {
            return;
        }
        // It has to go back, and goes no further than it must.
        let ranks = self.left.iter();
        let ranks = ranks.map(|position| self.providers[*position].component.rank());
        let highest = ranks.max();
        self.prefer(|provider| Some(provider.component.rank()) == highest);
    }

    /// The highest version here, unless it has too much to do. Where another node is to help out, only such are left.
    fn the_own_node(&mut self) -> Option<usize> {
        let is_here = |position: &usize| self.providers[*position].place == Place::Here;
        let ranked = |position: &usize| self.providers[*position].component.rank();
        let here = self.left.iter().copied().filter(is_here).max_by_key(ranked)?;
        let has_room =
            |provider: &Provider| provider.place != Place::Here && provider.load.is_under_a_quarter();
        if self.providers[here].load.is_over_half() && self.prefer(has_room) {
            return None;
        }
        Some(here)
    }

    /// Leaves one version.
    fn one_version(&mut self, wish: &Wish<'_>) {
        if let Some(new) = wish.rollout {
            let is_new = |provider: &Provider| provider.component.version() == new;
            let serving = self
                .left
                .iter()
                .filter(|position| is_new(&self.providers[**position]));
            let share = serving.count() as u64 * (1 << 32) / self.left.len() as u64;
            let is_moved = wish.session >> 32 < share;
            self.prefer(|provider| is_new(provider) == is_moved);
        }
        let order =
            |provider: &'a Provider| (provider.component.facts().is_settled, provider.component.rank());
        let best = self
            .left
            .iter()
            .map(|position| order(&self.providers[*position]))
            .max();
        self.prefer(|provider| Some(order(provider)) == best);
    }

    fn one_node(&mut self, wish: &Wish<'_>, in_flight: impl Fn(&Peer) -> u32) -> usize {
        let first = &self.providers[self.left[0]];
        if first.component.facts().affinity == Affinity::Session {
            let weight = |position: &usize| session::weight(wish.session, &self.providers[*position].place);
            return self
                .left
                .iter()
                .copied()
                .max_by_key(weight)
                .unwrap_or(self.left[0]);
        }
        let (one, other) = two_of(self.left.len(), wish.dice);
        let (one, other) = (self.left[one], self.left[other]);
        let busy = |position: usize| {
            let provider = &self.providers[position];
            let own = provider.place.peer().map_or(0, &in_flight);
            let lanes = u64::from(provider.component.facts().lanes);
            // Calls for each lane, as a fraction.
            (u64::from(own) * lanes + u64::from(provider.load.waiting), lanes)
        };
        let (ours, lanes) = busy(one);
        let (theirs, other_lanes) = busy(other);
        match u128::from(theirs) * u128::from(lanes) < u128::from(ours) * u128::from(other_lanes) {
            true => other,
            false => one,
        }
    }

    /// Leaves those that are preferred, where there is one. Says whether there is.
    fn prefer(&mut self, is_preferred: impl Fn(&'a Provider) -> bool) -> bool {
        let providers = self.providers;
        let exists = self
            .left
            .iter()
            .any(|position| is_preferred(&providers[*position]));
        if exists {
            self.left.retain(|position| is_preferred(&providers[*position]));
        }
        exists
    }
}

fn usable(provider: &Provider) -> Option<Use> {
    let standing = provider.standing;
    match (&provider.place, standing.verdict, standing.state) {
        (_, Verdict::Alive, State::Ready) => Some(Use::Freely),
        (Place::Here, ..) => Some(Use::Leaving),
        (Place::Node(_), Verdict::Suspect, State::Ready) => Some(Use::AsTheLast),
        (Place::Node(_), Verdict::Away, State::Ready) => Some(Use::Waiting),
        _ => None,
    }
}

fn fits(provider: &Provider, wish: &Wish<'_>) -> bool {
    wish.asked.admits(provider.component.version()) && provider.component.has(wish.aim)
}

fn is_tried(provider: &Provider, tried: &[Tried]) -> bool {
    tried
        .iter()
        .any(|tried| tried.place == provider.place && tried.version == *provider.component.version())
}

fn why_none(providers: &[Provider], wish: &Wish<'_>) -> NoChoice {
    let is_asked_for = |provider: &Provider| wish.asked.admits(provider.component.version());
    if providers.is_empty() {
        NoChoice::Unknown
    } else if !providers.iter().any(is_asked_for) {
        NoChoice::NoVersion
    } else if !providers.iter().any(|provider| fits(provider, wish)) {
        NoChoice::NoMethod
    } else {
        NoChoice::Unreachable
    }
}

/// Two different positions of so many, or the only one twice.
fn two_of(count: usize, dice: u64) -> (usize, usize) {
    // The high bits of a product are spread evenly over what it is multiplied with.
    let below = |bits: u64, limit: usize| (((bits & 0xffff_ffff) * limit as u64) >> 32) as usize;
    let one = below(dice >> 32, count);
    let other = below(dice, count - usize::from(count > 1));
    (
        one,
        if count > 1 && other >= one {
            other + 1
        } else {
            other
        },
    )
}
