//! A lane while versions change places.
//!
//! What enters: that calls and events have to wait, or go to another version. What leaves: what waited. Guarantees: those of
//! `intake.rs`.

use super::{Lane, Owed};
use crate::intake::{Nested, Waiting};
use crate::job::Abandoned;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Lane {
    /// From now on calls and events wait.
    pub(crate) fn hold(&self, nested: Nested) {
        self.lock().intake.hold(nested);
    }

    /// When none of these lanes owes an answer, lets nested calls wait from now on, too. Whoever calls this must be the
    /// only one who holds several lanes.
    pub(crate) fn close_for_nested_when_idle<'a>(lanes: impl Iterator<Item = &'a Arc<Lane>>) -> bool {
        let mut states: Vec<_> = lanes.map(|lane| lane.lock()).collect();
        let are_idle = states.iter().all(|state| state.pending.len() == 0);
        if are_idle {
            states
                .iter_mut()
                .for_each(|state| state.intake.hold(Nested::Waits));
        }
        are_idle
    }

    /// From now on calls are refused as [`Refusal::Replaced`] and events dropped. Returns what waited.
    pub(crate) fn seal(&self) -> Vec<Waiting> {
        self.lock().intake.seal()
    }

    /// Takes out the calls that wait; events stay.
    pub(crate) fn take_waiting_calls(&self) -> Vec<Waiting> {
        self.lock().intake.take_calls()
    }

    /// Lets calls and events wait that came before those that wait already. They must not wait anywhere else.
    pub(crate) fn adopt(&self, earlier: Vec<Waiting>) {
        self.lock().intake.adopt(earlier);
    }

    /// Takes in what waits, in order, and what comes from now on.
    pub(crate) fn release(self: &Arc<Self>) {
        let mut surplus = Vec::new();
        let mut state = self.lock();
        for Waiting { mut job, call } in state.intake.open() {
            if let Some((owed, deadline)) = call {
                match state.pending.insert(self.pending_of(&job, owed, deadline)) {
                    Ok(ticket) => job.token = self.token(ticket),
                    Err(pending) => {
                        surplus.push(pending.owed);
                        continue;
                    }
                }
            }
            state.bytes += job.bytes();
            state.jobs.push(job);
            self.load.fetch_add(1, Ordering::Relaxed);
        }
        if !state.jobs.is_empty() && std::mem::replace(&mut state.sleeping, false) {
            drop(state);
            self.signal();
        }
        let surplus = surplus.into_iter().filter_map(Owed::settle);
        surplus.for_each(|answer| answer.abandon(Abandoned::Stopped));
    }
}
