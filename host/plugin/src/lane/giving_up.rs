//! Calls that are given up.
//!
//! Enters: the time, or that the lane has ended. Leaves: notices to the callers and to the component. Guarantees: a call that is
//! given up holds no place any more, in the queue or among those that are pending.

use super::state::Stage;
use super::{Lane, Owed, split_token};
use crate::Status;
use crate::intake::Orphans;
use crate::job::{Abandoned, Job, JobKind};
use crate::slots::Ticket;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

impl Lane {
    /// Gives up calls whose deadline is before `now`, or for which nobody waits any more, and tells the component. Where places
    /// are needed, calls whose callers have gone are among them. Returns how many took too long.
    pub(crate) fn expire(self: &Arc<Self>, now: Instant) -> usize {
        let mut state = self.lock();
        let orphans = match self.limits.is_crowded(state.whole_load()) {
            true => Orphans::GiveWay,
            false => Orphans::GoOn,
        };
        state.swept = Some(now);
        let waiting = state.intake.expire(now, orphans);
        self.load.fetch_sub(waiting.len(), Ordering::Relaxed);
        let mut late = 0;
        let expired = state.pending.remove_where(|pending| {
            let is_late = pending.deadline <= now;
            late += usize::from(is_late);
            is_late || pending.owed.is_unwanted() || orphans.give_way(&pending.owed)
        });
        if expired.is_empty() && waiting.is_empty() {
            return 0;
        }
        // Calls that still wait in the queue need not be done any more; the component gets notice of the others.
        let is_queued = |stage| stage == Stage::Queued;
        state.cancelled += expired
            .iter()
            .filter(|(_, pending)| is_queued(pending.stage))
            .count();
        self.clear_cancelled(&mut state);
        drop(state);
        let known = expired.iter().filter(|(_, pending)| !is_queued(pending.stage));
        known.for_each(|(ticket, _)| self.give_notice(self.token(*ticket)));
        let count = late + waiting.iter().filter(|(_, deadline)| *deadline <= now).count();
        let waiting = waiting.into_iter().map(|(owed, _)| owed);
        let expired = expired.into_iter().map(|(_, pending)| pending.owed);
        let answers = expired.chain(waiting).filter_map(Owed::settle);
        answers.for_each(|answer| answer.abandon(Abandoned::TimedOut));
        count
    }

    /// Tells the component that nobody waits for a call any more, and cancels what it has asked for because of it.
    fn give_notice(self: &Arc<Self>, token: u64) {
        drop(self.push(Job::new(JobKind::Cancel, token)));
        self.requests.give_up_for(token);
    }

    /// Gives up a call whose caller does not want the answer any more. Requests that the component has made because of it are left to
    /// the caller of this function. Returns false when there is no such call any more.
    pub(crate) fn cancel(self: &Arc<Self>, ticket: Ticket) -> bool {
        let mut state = self.lock();
        let Some(pending) = state.pending.remove(ticket) else {
            return false;
        };
        if pending.stage == Stage::Queued {
            state.cancelled += 1;
            // Half of the queue at a time, so that each of many costs little.
            if 2 * state.cancelled > state.jobs.len() {
                self.clear_cancelled(&mut state);
            }
            drop(state);
        } else {
            drop(state);
            drop(self.push(Job::new(JobKind::Cancel, self.token(ticket))));
        }
        // The receiver does not wait any more.
        drop(pending);
        true
    }

    /// Takes an order of the host out of the queue, so that it is not carried out when nobody waits for it any more. Returns
    /// false when the component has it already.
    pub(crate) fn withdraw(&self, kind: JobKind) -> bool {
        let mut state = self.lock();
        let Some(position) = state.jobs.iter().position(|job| job.kind == kind) else {
            return false;
        };
        let job = state.jobs.remove(position);
        state.bytes -= job.bytes();
        self.load.fetch_sub(1, Ordering::Relaxed);
        let (_, ticket) = split_token(job.token);
        let pending = state.pending.remove(ticket);
        drop(state);
        // The receiver does not wait any more.
        drop(pending);
        true
    }

    /// The library has left the lane, which nobody can enter again. Where it was not told to, what the lane owes is given up and
    /// nothing more is taken.
    pub(crate) fn note_departure(&self) {
        if self.lock().closed {
            return;
        }
        tracing::error!(
            lane = self.number,
            "the component left its lane without being told to stop: the lane takes no more calls"
        );
        self.note_that_it_hangs();
        self.close();
        let given_up = self.abandon(Abandoned::Stopped);
        (0..given_up.max(1)).for_each(|_| self.faults.count(Status::PANIC));
    }

    /// Gives up all calls that were never completed. Returns for how many of them somebody waited.
    pub(crate) fn abandon(&self, why: Abandoned) -> usize {
        let mut state = self.lock();
        let left = state.pending.remove_where(|_| true);
        let waiting = state.intake.give_up();
        self.load.fetch_sub(waiting.len(), Ordering::Relaxed);
        drop(state);
        left.iter()
            .for_each(|(ticket, _)| self.requests.give_up_for(self.token(*ticket)));
        let waiting = waiting.into_iter().filter_map(|waiting| Some(waiting.call?.0));
        let left = left.into_iter().map(|(_, pending)| pending.owed);
        let answers: Vec<_> = left.chain(waiting).filter_map(Owed::settle).collect();
        let count = answers.iter().filter(|answer| !answer.is_unwanted()).count();
        answers.into_iter().for_each(|answer| answer.abandon(why));
        count
    }
}
