//! The things that follow from a session: its node where calls have affinity, and the versions that it has had.
//!
//! Enters: ids, and the versions that calls of a session went to. Leaves: hashes that are equal on all machines, and the
//! version below which the session is not served. Guarantees: a session keeps a bounded list, whatever it calls, and
//! sessions that end without a word cost nothing for long.

use super::Asked;
use crate::component::Component;
use crate::hash::{bytes_hash, mix};
use crate::provider::Place;
use mesh_wire::versions::{ComponentVersion, Line};
use std::collections::HashMap;
use std::sync::Arc;

/// How many lines of versions are remembered for a session.
const MOST_LINES: usize = 64;

/// How many sessions are remembered at least.
const MOST_RECENT: usize = 16_384;

/// The hash of a session's id.
pub fn session_hash(id: &str) -> u64 {
    mix(bytes_hash(id.as_bytes()))
}

/// The weight of a node for a session: it is served by the heaviest. Nodes that come and go move no other session.
pub(super) fn weight(session: u64, place: &Place) -> u64 {
    let node = place.peer().map_or("", |peer| peer.node.as_str());
    mix(session ^ bytes_hash(node.as_bytes()))
}

/// The versions that served a session, so that it is never served by a lower one while another is there.
#[derive(Clone, Debug, Default)]
pub struct SessionVersions {
    /// The highest of each component and line, the latest last.
    highest: Vec<Arc<Component>>,
}

impl SessionVersions {
    /// Notes that a call of the session goes to this version.
    pub fn note(&mut self, component: &Arc<Component>) {
        let line = |component: &Component| Line::of(component.version().exact());
        let is_same =
            |known: &Arc<Component>| known.name() == component.name() && line(known) == line(component);
        match self.highest.iter().position(is_same) {
            Some(known) if self.highest[known].rank() >= component.rank() => {}
            Some(known) => self.highest[known] = component.clone(),
            None => {
                if self.highest.len() == MOST_LINES {
                    self.highest.remove(0);
                }
                self.highest.push(component.clone());
            }
        }
    }

    /// The highest version of those asked for that the session has had.
    pub fn floor(&self, component: &str, asked: Asked<'_>) -> Option<&ComponentVersion> {
        let had = self.highest.iter();
        let had = had.filter(|had| **had.name() == *component && asked.admits(had.version()));
        had.max_by_key(|had| had.rank()).map(|had| had.version())
    }
}

/// The versions that each session has had. The sessions of late are remembered, which are all where there are not too many.
#[derive(Debug, Default)]
pub struct Sessions {
    /// Those that have called since the former were put aside.
    recent: HashMap<u64, SessionVersions>,
    former: HashMap<u64, SessionVersions>,
}

impl Sessions {
    /// Notes that a call of a session goes to this version.
    pub fn note(&mut self, session: u64, component: &Arc<Component>) {
        if !self.recent.contains_key(&session) {
            if self.recent.len() == MOST_RECENT {
                self.former = std::mem::take(&mut self.recent);
            }
            let known = self.former.remove(&session).unwrap_or_default();
            self.recent.insert(session, known);
        }
        self.recent.entry(session).or_default().note(component);
    }

    /// The highest version of those asked for that a session has had.
    pub fn floor(&self, session: u64, component: &str, asked: Asked<'_>) -> Option<&ComponentVersion> {
        let known = self.recent.get(&session).or_else(|| self.former.get(&session));
        known?.floor(component, asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::played::facts;

    #[test]
    fn a_session_that_calls_now_and_then_is_remembered_among_very_many_others() {
        let mut sessions = Sessions::default();
        let calc = |version| Arc::new(Component::new(facts("calc", version)).expect("it is checked"));
        let (had, other) = (calc("1.1.0"), calc("1.0.0"));
        sessions.note(0, &had);
        for session in 1..100_000 {
            sessions.note(session, &other);
            if session % 10_000 == 0 {
                sessions.note(0, &other);
            }
        }
        let floor = sessions.floor(0, "calc", Asked::Any);
        assert_eq!(floor.map(ComponentVersion::text), Some("1.1.0"));
        assert!(sessions.recent.len() + sessions.former.len() <= 2 * MOST_RECENT);
        assert!(sessions.floor(1, "calc", Asked::Any).is_none());
    }
}
