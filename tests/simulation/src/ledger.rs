//! Calls and events of a story, their ends, and faults.
//!
//! Enters: calls, their ends, and events as they are published and heard. Leaves: promises that did not hold, in words.

use mesh_plugin::{Abandoned, Answer, Status};
use mesh_session::Share;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A version that has answered nothing for so long lets answers of its successor go before its own.
const STANDSTILL: Duration = Duration::from_millis(200);
/// So long the calls of a replaced version are waited for in these stories.
pub(crate) const DRAIN: Duration = Duration::from_millis(300);

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By this actor.
    By(usize),
    Failed(String),
    GivenUp(Abandoned),
    Refused(String),
}

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) caller: usize,
    /// The method of `counter`; none for a call of the other component.
    pub(crate) method: Option<&'static str>,
    /// The place in the history of serving versions when it was made.
    pub(crate) made_at: usize,
    pub(crate) ends: Vec<End>,
}

/// The answers of the version that serves, and of the one before.
#[derive(Debug, Default)]
struct Order {
    /// By caller: the latest place in the history of serving versions that has answered.
    answered: Vec<usize>,
    /// By place in that history: the progress of a version that was replaced.
    replaced: Vec<Replaced>,
}

/// The progress of a version since it was replaced.
#[derive(Clone, Copy, Debug)]
struct Replaced {
    /// It served until then, at least.
    since: Instant,
    answered: Instant,
    /// Its successor's answers may go before its own.
    is_passed: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) calls: Vec<Call>,
    /// The actors in the order in which they served.
    pub(crate) serving: Vec<usize>,
    order: Order,
    /// Events by number: which actors heard them.
    pub(crate) heard: Vec<Vec<usize>>,
    /// Something happened by which events and calls may be lost, as documented.
    pub(crate) may_lose: bool,
    pub(crate) faults: Vec<String>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger(Arc<Mutex<Book>>);

impl Ledger {
    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn fault(&self, what: String) {
        self.book().faults.push(what);
    }
}

impl Book {
    /// A version serves, and another one may have served until this moment.
    pub(crate) fn serves(&mut self, actor: usize, since: Instant) {
        if self.serving.last() != Some(&actor) {
            if !self.serving.is_empty() {
                self.order.replaced.push(Replaced {
                    since,
                    // Its last answer may be older, and none is younger.
                    answered: since,
                    is_passed: false,
                });
            }
            self.serving.push(actor);
        }
    }

    pub(crate) fn ended(&mut self, call: usize, end: End) {
        if let End::By(actor) = end
            && let Some("count") = self.calls[call].method
        {
            self.answers_in_order(call, actor);
        }
        self.calls[call].ends.push(end);
        if self.calls[call].ends.len() > 1 {
            let ends = &self.calls[call].ends;
            self.faults.push(format!("call {call} ended as {ends:?}"));
        }
    }

    fn answers_in_order(&mut self, call: usize, actor: usize) {
        let caller = self.calls[call].caller;
        let now = Instant::now();
        // The driver has not seen a version that answers between two of its looks.
        // A version that serves again may still have calls from before.
        let made_at = self.calls[call].made_at;
        let later = self.serving[made_at..]
            .iter()
            .position(|serving| *serving == actor);
        let place = later.map_or(self.serving.len(), |later| made_at + later);
        let mut is_passed = false;
        if let Some(replaced) = self.order.replaced.get_mut(place) {
            let stands_still = now - replaced.answered >= STANDSTILL;
            replaced.is_passed |= stands_still || now - replaced.since >= DRAIN;
            replaced.answered = now;
            is_passed = replaced.is_passed;
        }
        if self.order.answered.len() <= caller {
            self.order.answered.resize(caller + 1, 0);
        }
        let latest = &mut self.order.answered[caller];
        if place < *latest && !is_passed {
            let latest = *latest;
            self.faults.push(format!(
                "caller {caller} gets the answer of call {call} from version {place} after one from version {latest}"
            ));
        }
        let latest = &mut self.order.answered[caller];
        *latest = place.max(*latest);
    }

    /// Whether the versions that answered the calls of each caller follow each other as they served.
    pub(crate) fn look_at_routes(&mut self) {
        let callers = self.calls.iter().map(|call| call.caller).max();
        for caller in 0..=callers.unwrap_or_default() {
            let mut place = 0;
            let own = self
                .calls
                .iter()
                .enumerate()
                .filter(|(_, call)| call.caller == caller);
            let answered = own.filter_map(|(number, call)| match (call.method, call.ends.first()) {
                (Some(_), Some(End::By(actor))) => Some((number, *actor)),
                _ => None,
            });
            for (number, actor) in answered {
                match self.serving[place..].iter().position(|serving| *serving == actor) {
                    Some(further) => place += further,
                    None => {
                        let serving = &self.serving;
                        self.faults.push(format!(
                            "call {number} of caller {caller} went back to version {actor}: they served as {serving:?}"
                        ));
                        return;
                    }
                }
            }
        }
    }
}

/// Waits for the answer of a call.
pub(crate) struct Receiver {
    pub(crate) call: usize,
    pub(crate) ledger: Ledger,
    pub(crate) share: Arc<Share>,
}

impl Answer for Receiver {
    fn answer(self: Box<Self>, status: i32, payload: &[u8]) {
        let text = String::from_utf8_lossy(payload);
        let by = text.trim_matches(['[', ']']).parse();
        let end = match by {
            Ok(actor) if status == Status::OK => End::By(actor),
            _ => End::Failed(text.into_owned()),
        };
        self.ledger.book().ended(self.call, end);
    }

    fn share(&self) -> Option<&Share> {
        Some(&self.share)
    }

    fn abandon(self: Box<Self>, why: Abandoned) {
        self.ledger.book().ended(self.call, End::GivenUp(why));
    }
}
