//! Content of a lane: its queue, and the calls that it owes.
//!
//! Enters: jobs and debts, under the lane's lock. Leaves: how much there is. Guarantees: bytes and events are counted with
//! the jobs that they belong to.

use super::room::{Events, Load};
use super::{BETWEEN_SWEEPS, Intake, Job, JobKind, Owed, Slots};
use crate::chain::Began;
use mesh_wire::origin::Origin;
use std::time::{Duration, Instant};

/// How far a call or an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// An order of the host: nothing is asked for it.
    Order,
    /// A call that waits in the queue.
    Queued,
    /// A call that the component has.
    AtWork,
}

pub(super) struct Pending {
    pub(super) owed: Owed,
    pub(super) deadline: Instant,
    /// When the chain of calls began that this one belongs to.
    pub(super) began: Began,
    /// For a call, how many milliseconds it may take; 0 for what the host itself asks.
    pub(super) limit_milliseconds: u32,
    pub(super) stage: Stage,
    /// Who called. Kept only where somebody will ask: most calls shall not pay for it.
    pub(super) origin: Option<Origin>,
}

impl Pending {
    /// For a call, how long ago it was taken.
    pub(super) fn took(&self) -> Option<Duration> {
        let limit = Duration::from_millis(u64::from(self.limit_milliseconds));
        let taken = self.deadline.checked_sub(limit)?;
        (self.limit_milliseconds > 0).then(|| taken.elapsed())
    }
}

pub(super) struct State {
    pub(super) jobs: Vec<Job>,
    pub(super) bytes: usize,
    pub(super) events: Events,
    pub(super) swept: Option<Instant>,
    pub(super) sleeping: bool,
    pub(super) wake_queued: bool,
    pub(super) closed: bool,
    pub(super) intake: Intake,
    pub(super) pending: Slots<Pending>,
    /// Events in `jobs`.
    pub(super) queued_events: usize,
    /// Events in the batch that was handed over last and may still be worked on.
    pub(super) events_at_work: usize,
    /// Calls in `jobs` that were cancelled, at most: they are taken out in one go.
    pub(super) cancelled: usize,
    /// The thread was handed jobs and has not come back.
    pub(super) is_at_work: bool,
}

impl State {
    /// Puts a job into the queue.
    pub(super) fn take_in(&mut self, job: Job) {
        self.bytes += job.bytes();
        self.queued_events += usize::from(job.kind == JobKind::Event);
        self.jobs.push(job);
    }

    /// The thread has done all that it was handed.
    pub(super) fn come_back(&mut self) {
        self.events_at_work = 0;
        self.is_at_work = false;
    }

    /// Whether no call is owed an answer, and no event is left to be worked on.
    pub(super) fn is_settled(&self) -> bool {
        self.pending.len() == 0 && self.events() == 0
    }

    /// The oldest chain of calls of which something is under way here. Events count as old where none is taken any more.
    pub(super) fn oldest_chain(&self) -> Option<Began> {
        match self.intake {
            Intake::Held(_) if self.events() > 0 => Some(Began::BEFORE_ALL),
            _ => self.pending.iter().map(|pending| pending.began).min(),
        }
    }

    /// Events that are queued or worked on.
    pub(super) fn events(&self) -> usize {
        self.queued_events + self.events_at_work
    }

    pub(super) fn load(&self) -> Load {
        Load {
            calls: self.pending.len(),
            bytes: self.bytes,
        }
    }

    /// The jobs in the queue and among those that wait for a version.
    pub(super) fn whole_load(&self) -> Load {
        let waiting = match &self.intake {
            Intake::Held(held) => held.bytes(),
            Intake::Open | Intake::Sealed => 0,
        };
        Load {
            calls: self.pending.len() + self.intake.waiting(),
            bytes: self.bytes.max(waiting),
        }
    }

    /// The data beside a job, where there would be any.
    pub(super) fn load_beside(&self, job: &Job) -> Load {
        match &self.intake {
            Intake::Held(held) if !held.lets_in(job) => Load {
                calls: self.pending.len() + held.len(),
                bytes: held.bytes(),
            },
            Intake::Held(_) | Intake::Open | Intake::Sealed => self.load(),
        }
    }

    /// Whether it is time to look for calls whose callers have gone.
    pub(super) fn may_sweep(&self) -> bool {
        self.swept.is_none_or(|swept| swept.elapsed() >= BETWEEN_SWEEPS)
    }
}
