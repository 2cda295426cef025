//! Where a call goes, by all that is known: catalogues, verdicts, loads, and the versions that its session has had.
//!
//! Enters: a call, and who has refused it. Leaves: the node and the version, which the session has had from now on. Guarantees: those
//! of [`choose`](crate::choice::choose).

use super::request::{InFlight, Request, Route, Router};
use crate::catalogue::Catalogues;
use crate::choice::{NoChoice, Prefer, Sessions, Tried, Wish};
use crate::presence::Verdict;
use mesh_wire::versions::ComponentVersion;

/// A router for one moment. `D` gives a number by chance.
pub struct Routing<'a, D> {
    /// Who has which versions.
    pub catalogues: &'a Catalogues,
    /// The versions that sessions have had.
    pub sessions: &'a mut Sessions,
    /// Whether the own node comes first.
    pub prefer: Prefer,
    /// The version that is being rolled out, if one is.
    pub rollout: Option<&'a ComponentVersion>,
    /// Gives a number by chance.
    pub dice: D,
    /// A list that keeps its memory.
    pub left: &'a mut Vec<usize>,
}

impl<D: FnMut() -> u64> Router for Routing<'_, D> {
    fn choose(
        &mut self,
        request: &Request,
        tried: &[Tried],
        in_flight: &InFlight,
    ) -> Result<Route, NoChoice> {
        let (component, asked) = (&*request.component, request.wanted.asked());
        let session = request.session;
        let floor = session.and_then(|session| self.sessions.floor(session, component, asked));
        let dice = (self.dice)();
        let wish = Wish {
            asked,
            aim: request.target.aim(),
            session: session.unwrap_or(dice),
            floor,
            prefer: self.prefer,
            rollout: self.rollout,
            tried,
            dice,
        };
        let in_flight = |peer: &_| in_flight.at(peer);
        let provider = self.catalogues.choose(component, &wish, in_flight, self.left)?;
        if let Some(session) = session {
            self.sessions.note(session, &provider.component);
        }
        Ok(Route {
            place: provider.place.clone(),
            component: provider.component.clone(),
            is_away: provider.place.peer().is_some() && provider.standing.verdict == Verdict::Away,
        })
    }

    fn versions(&self, component: &str) -> Vec<ComponentVersion> {
        self.catalogues.versions(component)
    }
}
