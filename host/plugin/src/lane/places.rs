//! A lane while versions change places.
//!
//! Enters: that calls and events have to wait, or go to another version. Leaves: the calls and events that waited.
//! Guarantees: those of `intake.rs`.

use super::{Lane, Owed};
use crate::chain::Hold;
use crate::intake::{Nested, Waiting};
use crate::job::Abandoned;
use crate::place::Place;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Lane {
    /// From now on calls and events wait on all of these lanes. That begins in one moment: a call that one of them still took may lead
    /// to calls on another one, which lets these in. The caller of this function must be the only one who holds several lanes.
    pub(crate) fn hold_all<'a>(lanes: impl Iterator<Item = &'a Arc<Lane>>, nested: Nested) {
        let mut states: Vec<_> = lanes.map(|lane| (lane, lane.lock())).collect();
        let moment = Hold::begin();
        for (lane, state) in &mut states {
            state.intake.hold(nested, &moment);
            lane.note_rest();
        }
    }

    /// When none of these lanes owes an answer or has events to work on, lets nested calls wait from now on, too. The
    /// caller of this function must be the only one who holds several lanes.
    pub(crate) fn close_for_nested_when_settled<'a>(lanes: impl Iterator<Item = &'a Arc<Lane>>) -> bool {
        let mut states: Vec<_> = lanes.map(|lane| lane.lock()).collect();
        let are_settled = states.iter().all(|state| state.is_settled());
        if are_settled {
            states
                .iter_mut()
                .for_each(|state| state.intake.close_for_nested());
        }
        are_settled
    }

    /// From now on calls are refused as [`Refusal::Replaced`] and events dropped. Returns what waited.
    pub(crate) fn seal(&self) -> Vec<Waiting> {
        self.count_out(self.lock().intake.seal())
    }

    /// Takes out the calls that wait; events stay.
    pub(crate) fn take_waiting_calls(&self) -> Vec<Waiting> {
        self.count_out(self.lock().intake.take_calls())
    }

    /// Lets calls and events wait that came before those that wait already. They must not wait anywhere else.
    pub(crate) fn adopt(&self, earlier: Vec<Waiting>) {
        self.load.fetch_add(earlier.len(), Ordering::Relaxed);
        self.lock().intake.adopt(earlier);
    }

    /// Calls that waited here wait elsewhere.
    fn count_out(&self, waited: Vec<Waiting>) -> Vec<Waiting> {
        self.load.fetch_sub(waited.len(), Ordering::Relaxed);
        waited
    }

    /// Takes in what waits, in order, and what comes from now on.
    pub(crate) fn release(self: &Arc<Self>) {
        let mut surplus = Vec::new();
        let mut state = self.lock();
        for Waiting { mut job, call } in state.intake.open() {
            if let Some((owed, deadline)) = call {
                if owed.is_unwanted() {
                    // It was cancelled while it waited.
                    surplus.push(owed);
                    self.load.fetch_sub(1, Ordering::Relaxed);
                    continue;
                }
                match state.pending.insert(self.pending_of(&job, owed, deadline)) {
                    Ok(ticket) => {
                        job.token = self.token(ticket);
                        let answer = state
                            .pending
                            .get_mut(ticket)
                            .and_then(|pending| pending.owed.answer_mut());
                        if let Some(answer) = answer {
                            answer.placed(Place {
                                holder: self.clone(),
                                token: job.token,
                            });
                        }
                    }
                    Err(pending) => {
                        surplus.push(pending.owed);
                        self.load.fetch_sub(1, Ordering::Relaxed);
                        continue;
                    }
                }
            }
            state.take_in(job);
        }
        if !state.jobs.is_empty() && std::mem::replace(&mut state.sleeping, false) {
            drop(state);
            self.signal();
        }
        let surplus = surplus.into_iter().filter_map(Owed::settle);
        surplus.for_each(|answer| answer.abandon(Abandoned::Stopped));
    }
}
