//! Treatment of calls and events that come in while versions change places.
//!
//! Enters: calls and events that the version behind a lane must not see now. Leaves: the same, in their order, to
//! that version or to the one that took over. Guarantees: the waiting calls are bounded in bytes, and nothing is lost
//! or taken twice.

use super::Status;
use super::chain::Hold;
use super::job::Job;
use super::owed::Owed;
use std::time::Instant;

/// Whether calls and events are taken.
#[derive(Default)]
pub(super) enum Intake {
    /// They are.
    #[default]
    Open,
    /// They wait.
    Held(Held),
    /// Another version takes them.
    Sealed,
}

/// A call or an event that waits.
pub struct Waiting {
    /// Its kind.
    pub(super) job: Job,
    /// For a call: who waits for it, and until when.
    pub(super) call: Option<(Owed, Instant)>,
}

impl Waiting {
    /// Answers a call with an error that `error` makes of the method's name. An event is dropped.
    pub fn refuse(self, error: impl FnOnce(&str) -> String) {
        if let Some(answer) = self.call.and_then(|(owed, _)| owed.settle()) {
            let method = std::str::from_utf8(&self.job.target).unwrap_or_default();
            answer.answer(Status::ERROR, error(method).as_bytes());
        }
    }
}

/// The treatment of calls that components make, while calls wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nested {
    /// Those are let in that descend from a call that was under way before: it may wait for one of them.
    LetIn,
    /// They wait as all others.
    #[default]
    Waits,
}

/// The fate of calls whose callers have gone, when calls are given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Orphans {
    /// They go on, since nobody needs their places.
    GoOn,
    /// They are given up.
    GiveWay,
}

impl Orphans {
    /// Whether this call is given up because its caller has gone.
    pub(super) fn give_way(self, owed: &Owed) -> bool {
        self == Orphans::GiveWay && owed.is_orphaned()
    }
}

/// Calls and events that wait, in order.
pub(super) struct Held {
    hold: Hold,
    waiting: Vec<Waiting>,
    bytes: usize,
    nested: Nested,
}

impl Held {
    /// Whether this call need not wait.
    pub(super) fn lets_in(&self, job: &Job) -> bool {
        let is_waited_for = job.chain.is_some_and(|began| self.hold.is_younger_than(began));
        self.nested == Nested::LetIn && is_waited_for
    }

    /// How many bytes wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many calls and events wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Keeps a job.
    pub(super) fn keep(&mut self, job: Job, call: Option<(Owed, Instant)>) {
        self.bytes += job.bytes();
        self.waiting.push(Waiting { job, call });
    }
}

impl Intake {
    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        match self {
            Intake::Held(held) => held.waiting.len(),
            Intake::Open | Intake::Sealed => 0,
        }
    }

    /// Lets incoming calls wait from this moment on. Calls that wait already go on waiting.
    pub(super) fn hold(&mut self, nested: Nested, moment: &Hold) {
        self.held(|| moment.of_same_moment()).nested = nested;
    }

    /// Lets nested calls wait as all others.
    pub(super) fn close_for_nested(&mut self) {
        self.held(Hold::begin).nested = Nested::Waits;
    }

    fn held(&mut self, hold: impl FnOnce() -> Hold) -> &mut Held {
        if !matches!(self, Intake::Held(_)) {
            *self = Intake::Held(Held {
                hold: hold(),
                waiting: Vec::new(),
                bytes: 0,
                nested: Nested::default(),
            });
        }
        match self {
            Intake::Held(held) => held,
            Intake::Open | Intake::Sealed => unreachable!("it was just set"),
        }
    }

    /// Leaves all that comes to another version. Returns what waited.
    pub(super) fn seal(&mut self) -> Vec<Waiting> {
        match std::mem::replace(self, Intake::Sealed) {
            Intake::Held(held) => held.waiting,
            Intake::Open | Intake::Sealed => Vec::new(),
        }
    }

    /// Takes all that comes. Returns what waited.
    pub(super) fn open(&mut self) -> Vec<Waiting> {
        match std::mem::take(self) {
            Intake::Held(held) => held.waiting,
            Intake::Open | Intake::Sealed => Vec::new(),
        }
    }

    /// Takes out all that waits. Nobody takes over by that: what comes is routed again only where somebody has.
    pub(super) fn give_up(&mut self) -> Vec<Waiting> {
        match self {
            Intake::Sealed => Vec::new(),
            Intake::Open | Intake::Held(_) => self.open(),
        }
    }

    /// Takes out the calls that wait.
    pub(super) fn take_calls(&mut self) -> Vec<Waiting> {
        let Intake::Held(held) = self else {
            return Vec::new();
        };
        let calls: Vec<Waiting> = held
            .waiting
            .extract_if(.., |waiting| waiting.call.is_some())
            .collect();
        held.bytes -= calls.iter().map(|waiting| waiting.job.bytes()).sum::<usize>();
        calls
    }

    /// Puts what came earlier before what waits. It is not refused, since it was taken once.
    pub(super) fn adopt(&mut self, earlier: Vec<Waiting>) {
        let held = self.held(Hold::begin);
        held.bytes += earlier.iter().map(|waiting| waiting.job.bytes()).sum::<usize>();
        held.waiting.splice(0..0, earlier);
    }

    /// Takes out the calls whose time is over, or for which nobody waits any more, and returns who did, and until when.
    pub(super) fn expire(&mut self, now: Instant, orphans: Orphans) -> Vec<(Owed, Instant)> {
        let Intake::Held(held) = self else {
            return Vec::new();
        };
        let expires = |(owed, deadline): &(Owed, Instant)| {
            *deadline <= now || owed.is_unwanted() || orphans.give_way(owed)
        };
        let expired: Vec<Waiting> = held
            .waiting
            .extract_if(.., |waiting| waiting.call.as_ref().is_some_and(expires))
            .collect();
        held.bytes -= expired.iter().map(|waiting| waiting.job.bytes()).sum::<usize>();
        expired.into_iter().filter_map(|waiting| waiting.call).collect()
    }
}
