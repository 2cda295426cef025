//! The order of a swap's steps, and which way leads out of each: no library, no clock, no mesh.
//!
//! Enters: how the last step went. Leaves: the next step. Guarantees, each tested for every way in which a swap can
//! go. An old version whose calls were held back is let in again, or its calls go to the new one. A version is
//! unloaded only when it does not serve. Every new version ends as the one that serves, or unloaded. Every way ends.

use super::{Ending, Step};

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Done,
    /// It did not work.
    Failed,
    /// It did not work in time, and a version may still do what it was asked for.
    UnderWay,
}

/// The steps of a swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A step.
    Step(Step),
    /// Nothing more.
    End(Ending),
}

/// The kind of swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// State goes from an old version to a new one.
    pub hands_over: bool,
    /// The old version reads what the new one writes.
    pub hands_back: bool,
    /// There is an old version to go back to.
    pub replaces: bool,
}

/// A swap on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    kind: Kind,
    next: Next,
}

impl Machine {
    /// A swap that has not begun.
    pub fn new(kind: Kind) -> Machine {
        Machine {
            kind,
            next: Next::Step(Step::Create),
        }
    }

    /// The next step.
    pub fn next(&self) -> Next {
        self.next
    }

    /// The facts about the versions.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Says what is known of the versions' states only after they were created.
    pub fn set_kind(&mut self, kind: Kind) {
        self.kind = kind;
    }

    /// Takes the outcome of the step that was to be done.
    pub fn advance(&mut self, outcome: Outcome) {
        if let Next::Step(step) = self.next {
            self.next = after(step, outcome, self.kind);
        }
    }
}

fn after(step: Step, outcome: Outcome, kind: Kind) -> Next {
    use Outcome::{Done, Failed, UnderWay};
    let step = match (step, outcome) {
        // A version that could not be created has cleared itself away; others that were created with it have not.
        (Step::Create, Failed | UnderWay) => Step::Discard,
        (Step::Create, Done) if kind.hands_over => Step::Quiet,
        (Step::Create, Done) => Step::Start,
        (Step::Quiet, Done) => Step::Snapshot,
        (Step::Snapshot, Done) => Step::Restore,
        (Step::Restore, Done) => Step::Start,
        (Step::Start, Done) => Step::Health,
        (Step::Health, Done) => Step::Switch,
        (Step::Quiet | Step::Snapshot | Step::Restore, Failed | UnderWay) => Step::Reopen,
        (Step::Start | Step::Health, Failed | UnderWay) if kind.hands_over => Step::Reopen,
        (Step::Start | Step::Health, Failed | UnderWay) => Step::Discard,
        (Step::Reopen, _) => Step::Discard,
        (Step::Discard, _) => return Next::End(Ending::Refused),

        (Step::Switch, _) if kind.replaces => Step::Probation,
        (Step::Switch, _) => Step::Drain,
        (Step::Probation, Done) => Step::Drain,
        // Callers of a version that did not finish in time are answered all the same.
        (Step::Drain, _) => Step::Unload,
        (Step::Unload, _) => return Next::End(Ending::Replaced),

        (Step::Probation, Failed | UnderWay) if kind.hands_back => Step::QuietBack,
        (Step::Probation, Failed | UnderWay) => Step::SwitchBack,
        (Step::QuietBack, Done) => Step::SnapshotBack,
        (Step::SnapshotBack, Done) => Step::RestoreBack,
        // A version that is rolled back may well be unable to give its state.
        (Step::QuietBack | Step::SnapshotBack, Failed | UnderWay) => Step::SwitchBack,
        // An old version that refused the state has the one that it had at the switch. One that may still take it over would
        // lose what it counts until then, and must not serve.
        (Step::RestoreBack, Done | Failed) => Step::SwitchBack,
        (Step::RestoreBack, UnderWay) => Step::ReopenNew,
        (Step::SwitchBack, _) => Step::UnloadNew,
        (Step::UnloadNew, _) => return Next::End(Ending::RolledBack),
        (Step::ReopenNew, _) => Step::UnloadOld,
        (Step::UnloadOld, _) => return Next::End(Ending::NotRolledBack),
    };
    Next::Step(step)
}

#[cfg(test)]
mod tests;
