//! Calls that the component works on, as its requests name them.
//!
//! Enters: tickets of calls. Leaves: for whom, until when and since when each is answered. Guarantees: a call is found from the
//! moment when the component gets it until it is completed or given up, and never else.

use super::state::{Pending, Stage, State};
use super::{Job, Lane, Owed, split_token};
use crate::authority::{Served, WaitingCaller};
use crate::chain::Began;
use crate::slots::Ticket;
use mesh_wire::origin::Origin;
use std::sync::atomic::Ordering;
use std::time::Instant;

impl Lane {
    /// The call with this ticket, while the component works on it.
    pub(crate) fn served(&self, ticket: Ticket) -> Option<Served> {
        let state = self.lock();
        let pending = state
            .pending
            .get(ticket)
            .filter(|pending| pending.stage == Stage::AtWork)?;
        Some(Served {
            origin: pending.origin.clone().filter(|_| self.keeps_origins),
            deadline: pending.deadline,
            began: pending.began,
            trace: pending.origin.as_ref().and_then(Origin::traceparent),
        })
    }

    /// Who made a call that is not answered yet, where that is remembered.
    pub(crate) fn caller_of(&self, ticket: Ticket) -> Option<WaitingCaller> {
        let state = self.lock();
        let pending = state.pending.get(ticket).filter(|_| self.keeps_origins)?;
        Some(WaitingCaller {
            origin: pending.origin.clone()?,
            deadline: pending.deadline,
        })
    }

    pub(super) fn pending_of(&self, job: &Job, owed: Owed, deadline: Instant) -> Pending {
        let is_call = job.kind.is_call();
        let is_kept = |origin: &&Origin| is_call && (self.keeps_origins || origin.traceparent().is_some());
        Pending {
            owed,
            deadline,
            began: job.chain.unwrap_or_else(Began::now),
            limit_milliseconds: if is_call { job.deadline_milliseconds } else { 0 },
            stage: if is_call { Stage::Queued } else { Stage::Order },
            origin: job.origin.as_ref().filter(is_kept).cloned(),
        }
    }

    /// Notes that the component gets these jobs, and tells it how long the callers still wait.
    pub(super) fn note_serving(state: &mut State, jobs: &mut [Job]) {
        let mut now = None;
        for job in jobs.iter_mut().filter(|job| job.kind.is_call()) {
            let Some(pending) = state.pending.get_mut(split_token(job.token).1) else {
                continue;
            };
            pending.stage = Stage::AtWork;
            // The clock of the timers: a test that moves them moves this one.
            let now = *now.get_or_insert_with(|| tokio::time::Instant::now().into_std());
            let left = pending.deadline.saturating_duration_since(now);
            let left = u32::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX);
            job.deadline_milliseconds = job.deadline_milliseconds.min(left.max(1));
        }
    }

    /// Takes calls out of the queue that were cancelled meanwhile.
    pub(super) fn clear_cancelled(&self, state: &mut State) {
        if state.cancelled == 0 {
            return;
        }
        state.cancelled = 0;
        let (before, pending) = (state.jobs.len(), &state.pending);
        let is_wanted = |job: &Job| !job.kind.is_call() || pending.get(split_token(job.token).1).is_some();
        state.jobs.retain(is_wanted);
        self.load.fetch_sub(before - state.jobs.len(), Ordering::Relaxed);
        state.bytes = state.jobs.iter().map(Job::bytes).sum();
    }
}
