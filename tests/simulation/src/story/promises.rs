//! The promises that must hold in each story.
//!
//! Enters: a story, when a swap is over and when all is settled. Leaves: the promises that did not hold, in its ledger.

use super::{CALL_TIMEOUT, LIMITS, Story};
use crate::actor::{Actor, COUNTER, NESTED, OTHER};
use crate::ledger::End;
use mesh_core::mesh::swaps::{Report, Step};
use mesh_deploy::swap::Ending;
use mesh_plugin::ComponentState;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// Timers are as exact as this.
const TICK: Duration = Duration::from_millis(2);

impl Story {
    /// Whether calls waited no longer than they may, there and back.
    pub(super) fn looks_at_pauses(&self, report: &Report) {
        let limit = (LIMITS.handover + TICK).as_secs_f64() * 1e3;
        let at = |wanted: Step| {
            let step = report.steps.iter().find(|step| step.step == wanted)?;
            Some(step.after_milliseconds)
        };
        let between = |from: Step, to: Step| Some(at(to)? - at(from)?);
        let pauses = [
            between(Step::Quiet, Step::Switch),
            between(Step::Quiet, Step::Reopen),
            between(Step::QuietBack, Step::SwitchBack),
            between(Step::QuietBack, Step::ReopenNew),
            self.has_state.then_some(report.paused_milliseconds),
        ];
        for pause in pauses.into_iter().flatten() {
            if pause > limit {
                let steps: Vec<_> = report
                    .steps
                    .iter()
                    .map(|step| (step.step, step.after_milliseconds))
                    .collect();
                self.ledger
                    .fault(format!("calls waited for {pause} ms: {steps:?}"));
            }
        }
    }

    pub(super) async fn ends(&mut self) {
        self.looks_at_calls().await;
        self.looks_at_events();
        self.looks_at_state();
        self.looks_at_versions().await;
    }

    /// Each call was answered once and counts no more, and the version that serves answers.
    async fn looks_at_calls(&mut self) {
        self.ledger.book().look_at_routes();
        let hangs = self.serving().is_none_or(|serving| serving.pending() > 0);
        let call = self.call(0, (COUNTER, "count"));
        let began = Instant::now();
        while began.elapsed() < CALL_TIMEOUT && self.ledger.book().calls[call].ends.is_empty() {
            self.all_move();
            self.time_passes(Duration::from_millis(1)).await;
        }
        self.mesh.expire();
        let mut book = self.ledger.book();
        let ends = book.calls[call].ends.clone();
        let is_answered = matches!(ends[..], [End::By(_) | End::Failed(_)]);
        if !is_answered && !hangs && !book.may_lose {
            book.faults
                .push(format!("the version that serves in the end does not: {ends:?}"));
        }
        let unended: Vec<usize> = book
            .calls
            .iter()
            .enumerate()
            .filter(|(_, call)| call.ends.len() != 1)
            .map(|(number, _)| number)
            .collect();
        if !unended.is_empty() {
            book.faults
                .push(format!("the calls {unended:?} were not answered once"));
        }
        for (caller, share) in self.shares.iter().enumerate() {
            let held = share.held();
            if held.calls != 0 {
                book.faults.push(format!("caller {caller} still holds {held:?}"));
            }
        }
    }

    fn looks_at_events(&self) {
        let mut book = self.ledger.book();
        let of = |wanted: &dyn Fn(usize) -> bool| -> Vec<usize> {
            let heard = book.heard.iter().map(Vec::len).enumerate();
            heard
                .filter(|(_, count)| wanted(*count))
                .map(|(event, _)| event)
                .collect()
        };
        let (doubled, lost) = (of(&|count| count > 1), of(&|count| count == 0));
        if !doubled.is_empty() {
            book.faults
                .push(format!("the events {doubled:?} were heard twice"));
        }
        if !lost.is_empty() && !book.may_lose {
            book.faults.push(format!("the events {lost:?} were lost"));
        }
    }

    /// The version that serves has all that was acknowledged, once.
    fn looks_at_state(&self) {
        let actors = self.cast.actors();
        let mut book = self.ledger.book();
        let Some(serving) = book.serving.last().and_then(|actor| actors.get(*actor)) else {
            return;
        };
        if serving.obeyed_late {
            let number = serving.number;
            book.faults
                .push(format!("version {number} serves, and took over a state late"));
        }
        let lost_state = |report: &Report| report.notes.iter().any(|note| note.contains("is lost"));
        let is_whole = self.has_state
            && !self
                .reports
                .iter()
                .any(|report| lost_state(report) || went_without_state(report));
        let events = serving.events.windows(2).all(|pair| pair[0] < pair[1]);
        if self.has_state && !events {
            let events = &serving.events;
            book.faults
                .push(format!("the state has its events as {events:?}"));
        }
        let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
        for operation in &serving.operations {
            *counts.entry(*operation).or_default() += 1;
        }
        let doubled: Vec<u64> = counts
            .iter()
            .filter(|(_, count)| **count > 1)
            .map(|(one, _)| *one)
            .collect();
        if !doubled.is_empty() {
            book.faults
                .push(format!("the operations {doubled:?} are in the state twice"));
        }
        if !is_whole {
            return;
        }
        let acknowledged: BTreeSet<u64> = book
            .calls
            .iter()
            .enumerate()
            .filter(|(_, call)| call.method.is_some() && matches!(call.ends.first(), Some(End::By(_))))
            .map(|(number, _)| number as u64)
            .collect();
        let missing: Vec<u64> = acknowledged
            .into_iter()
            .filter(|operation| !counts.contains_key(operation))
            .map(|operation| operation & !NESTED)
            .collect();
        if !missing.is_empty() {
            book.faults
                .push(format!("the operations {missing:?} are not in the state"));
        }
    }

    /// Each version serves, or its lanes have been left.
    async fn looks_at_versions(&mut self) {
        let serving = self.serving();
        if let Some(serving) = &serving
            && serving.state() != ComponentState::Active
        {
            self.ledger
                .fault(format!("the version that serves is {:?}", serving.state()));
        }
        for retired in self.mesh.retired() {
            if retired.resident_reason().is_none() {
                let version = retired.descriptor().version().text();
                self.ledger.fault(format!(
                    "version {version} was neither unloaded nor kept for a reason"
                ));
            }
        }
        let number = serving.map(|serving| serving.instance().identity().number);
        for actor in self.cast.actors().iter() {
            if !(actor.has_left() || Some(actor.library.number()) == number || actor.component == OTHER) {
                self.ledger
                    .fault(format!("the lanes of version {} go on", actor.number));
            }
        }
        let mesh = self.mesh.clone();
        let stops = tokio::spawn(async move { mesh.stop_components(Duration::from_millis(100)).await });
        while !stops.is_finished() {
            self.all_move();
            self.time_passes(Duration::from_millis(4)).await;
        }
        let left = self.cast.actors().iter().all(Actor::has_left);
        if !left {
            self.ledger.fault("a version does not stop".to_owned());
        }
    }
}

/// A swap as it is told beside faults.
pub(super) fn in_words(report: &Report) -> String {
    let steps = report.steps.iter();
    let steps: Vec<String> = steps
        .map(|step| format!("{:?} at {}", step.step, step.after_milliseconds))
        .collect();
    let (title, ending, reason) = (report.title(), report.ending, &report.reason);
    let (steps, notes) = (steps.join(", "), &report.notes);
    format!("swap {title}: {ending:?} because of {reason:?}, {steps}; {notes:?}")
}

/// The state could not be handed over, because the new version does not read it.
fn went_without_state(report: &Report) -> bool {
    let switched = report.steps.iter().any(|step| step.step == Step::Switch);
    let handed_over = report.steps.iter().any(|step| step.step == Step::Snapshot);
    report.ending != Some(Ending::Refused) && switched && !handed_over
}
