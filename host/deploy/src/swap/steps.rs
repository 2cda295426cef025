//! Implementation of each step of a swap.
//!
//! Enters: the parts of a [`Transaction`]. Leaves: the same parts, a step further, or a
//! [`SwapError`]. Guarantees: every wait has a limit.

use super::SwapError;
use super::machine::Kind;
use super::transaction::{Part, Transaction};
use mesh_core::mesh::Takeover;
use mesh_plugin::{
    Abandoned, Component, ComponentState, Fate, JobKind, LoadError, Nested, Patience, Unloaded,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Calls of the new version wait this long for those that the old one has, so that answers of a connection do not go back from
/// the new version to the old.
const OVERLAP: Duration = Duration::from_millis(3);
/// Where threads of the old version have not come to their calls, as on a machine with too much to do, calls of the new version
/// wait until none was answered for so long.
const STANDSTILL: Duration = Duration::from_millis(200);
/// How often it is looked whether calls have been answered.
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);
/// How long a version may take to stop, once its calls are done.
const LEAST_STOP: Duration = Duration::from_secs(1);
const MOST_STOP: Duration = Duration::from_secs(10);

/// The versions on one side of a swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// Those that served before.
    Old,
    /// Those that are to take over.
    New,
}

impl Transaction {
    pub(super) async fn create(&mut self) -> Result<(), SwapError> {
        let began = Instant::now();
        for (part, report) in self.parts.iter_mut().zip(&mut self.report.components) {
            let Some(load) = part.load.take() else { continue };
            let new = Component::create(load).await?;
            report.to = Some(version(&new));
            part.new = Some(Arc::new(new));
        }
        self.report.start_milliseconds += milliseconds(began.elapsed());
        let hands_back = self.stateful().all(|(old, new)| {
            let (read, written) = (old.descriptor().state(), new.descriptor().state());
            read.zip(written)
                .is_some_and(|(read, written)| read.reads(written))
        });
        let hands_over = self.stateful().next().is_some();
        self.machine.set_kind(Kind {
            hands_over,
            hands_back: hands_over && hands_back,
            replaces: self
                .parts
                .iter()
                .any(|part| part.old.is_some() && part.new.is_some()),
        });
        Ok(())
    }

    /// Lets calls wait until none is under way. A nested call from one that is under way is let in, or it
    /// would wait for itself.
    pub(super) async fn quiet(&mut self, components: Vec<Arc<Component>>) -> Result<(), SwapError> {
        let until = Instant::now() + self.limits.handover;
        Component::hold_all(&components, Nested::LetIn);
        while !Component::have_settled(&components) {
            if Instant::now() >= until {
                let unfinished = components
                    .iter()
                    .find_map(|component| Some((component, unfinished(component)?)));
                // Where all have just finished, the next look settles it.
                if let Some((busy, what)) = unfinished {
                    return Err(SwapError::Unfinished {
                        version: title(busy),
                        unfinished: what,
                        limit: self.limits.handover,
                    });
                }
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        Ok(())
    }

    /// The time that an order may take while calls may be waiting, where only its component is in a hurry. It ends with
    /// the limit of the whole pause.
    fn patience(&self, own: Duration) -> Patience {
        let Some(paused) = self.paused else {
            return own.into();
        };
        let left = self.limits.handover.saturating_sub(paused.elapsed());
        match own < left {
            true => own.into(),
            false => Patience {
                left,
                limit: self.limits.handover,
            },
        }
    }

    /// The failure of a step. Where calls waited too long because of it, it says that, too.
    fn because(&self, source: LoadError) -> SwapError {
        let limit = self.limits.handover;
        match self.paused {
            Some(paused) if paused.elapsed() >= limit => SwapError::HandoverTooLong { source, limit },
            _ => source.into(),
        }
    }

    pub(super) async fn snapshot(&mut self) -> Result<(), SwapError> {
        let patience = self.patience(self.limits.handover);
        for (part, report) in self.parts.iter_mut().zip(&mut self.report.components) {
            let Some((old, _)) = part.stateful() else { continue };
            let state = old.snapshot(patience, self.limits.state_bytes).await?;
            let schema = old.descriptor().state().map_or(0, |state| state.schema);
            report.state_bytes = Some(state.len());
            part.state = Some((state, schema));
        }
        Ok(())
    }

    pub(super) async fn restore(&mut self) -> Result<(), SwapError> {
        let patience = self.patience(self.limits.handover);
        for part in &mut self.parts {
            let Some((state, schema)) = part.state.take() else {
                continue;
            };
            let Some((_, new)) = part.stateful() else { continue };
            new.restore(state, schema, patience).await?;
        }
        Ok(())
    }

    pub(super) async fn start(&mut self) -> Result<(), SwapError> {
        let began = Instant::now();
        for part in &self.parts {
            let Some(new) = &part.new else { continue };
            let started = new.start(self.patience(part.start_timeout)).await;
            started.map_err(|error| self.because(error))?;
        }
        self.report.start_milliseconds += milliseconds(began.elapsed());
        Ok(())
    }

    pub(super) async fn health(&mut self) -> Result<(), SwapError> {
        for part in &self.parts {
            let Some(new) = &part.new else { continue };
            let healthy = new.check_health(self.patience(part.start_timeout)).await;
            healthy.map_err(|error| self.because(error))?;
        }
        Ok(())
    }

    pub(super) async fn take_over(&mut self) {
        let takeovers: Vec<Takeover> = self.parts.iter().map(Part::takeover).collect();
        // Before the first call: one that waited may be the one that panics.
        let limit = self.limits.max_error_percent;
        self.watches = self.parts.iter().filter_map(|part| part.watch(limit)).collect();
        self.mesh.take_over(&takeovers);
        self.let_in(&takeovers).await;
        let now = Instant::now();
        self.switched = Some(now);
        self.report.switched_after_milliseconds = Some(milliseconds(now - self.began));
        if let Some(paused) = self.paused.take() {
            self.report.paused_milliseconds = milliseconds(now - paused);
        }
        if self.machine.kind().replaces {
            self.report.probation_seconds = Some(self.limits.probation.as_secs_f64());
        }
    }

    /// Tells the old versions that they were replaced, lets waiting calls into the new ones, and tells the clients.
    pub(super) async fn let_in(&mut self, takeovers: &[Takeover]) {
        for old in takeovers.iter().filter_map(|change| change.old.as_ref()) {
            old.set_state(ComponentState::Draining);
            old.hint(JobKind::Quiesce);
        }
        let olds: Vec<&Component> = takeovers
            .iter()
            .filter_map(|change| change.old.as_deref())
            .collect();
        let caught_up = Component::catch_up(&olds, OVERLAP, STANDSTILL);
        // Calls that are left then are given up, so that nothing is gained by waiting longer.
        let caught_up = tokio::time::timeout(self.limits.drain, caught_up).await;
        if caught_up == Ok(false) {
            let titles: Vec<String> = olds.iter().map(|old| title(old)).collect();
            self.report.notes.push(format!(
                "{} answered no call for {} ms, so that later calls did not wait for its calls any longer",
                titles.join(", "),
                STANDSTILL.as_millis()
            ));
        }
        for new in takeovers.iter().filter_map(|change| change.new.as_ref()) {
            new.set_state(ComponentState::Active);
            new.release();
        }
        if let Err(error) = self.mesh.publish_changes(takeovers) {
            tracing::error!("the schema could not be written: {error}");
        }
    }

    pub(super) async fn drain(&mut self) -> Result<(), SwapError> {
        let until = self.switched.unwrap_or(self.began) + self.limits.drain;
        for old in self.parts.iter().filter_map(|part| part.old.as_ref()) {
            old.set_state(ComponentState::Draining);
            old.settle(until.saturating_duration_since(Instant::now())).await;
            give_up(old, &mut self.report.notes, self.limits.drain);
        }
        Ok(())
    }

    pub(super) async fn drain_new(&mut self) {
        let until = Instant::now() + self.limits.drain;
        for new in self.parts.iter().filter_map(|part| part.new.as_ref()) {
            new.settle(until.saturating_duration_since(Instant::now())).await;
            give_up(new, &mut self.report.notes, self.limits.drain);
        }
    }

    /// Stops and unloads the old versions, or the new ones.
    pub(super) async fn unload(&mut self, which: Which) -> Result<(), SwapError> {
        let patience = self.limits.drain.clamp(LEAST_STOP, MOST_STOP);
        for part in &mut self.parts {
            let component = match which {
                Which::Old => part.old.take(),
                Which::New => part.new.take(),
            };
            let Some(component) = component else { continue };
            let unloaded = match component.state() {
                ComponentState::Starting => component.discard(LEAST_STOP).await,
                _ => component.stop(patience).await,
            };
            if let Unloaded::Resident(reason) = unloaded {
                let note = format!("{} is still in memory: {reason}", title(&component));
                tracing::warn!(component = component.name(), "{note}");
                self.report.notes.push(note);
                self.mesh.keep_resident(&component, &reason);
            } else {
                self.mesh.forget(&component);
            }
        }
        Ok(())
    }

    pub(super) fn reopen(&mut self) {
        for (old, _) in self.stateful() {
            old.hint(JobKind::Resume);
            old.release();
        }
        if let Some(paused) = self.paused.take() {
            self.report.paused_milliseconds = milliseconds(paused.elapsed());
        }
    }

    pub(super) async fn snapshot_back(&mut self) -> Result<(), SwapError> {
        let patience = self.patience(self.limits.handover);
        for part in &mut self.parts {
            let Some((_, new)) = part.stateful() else { continue };
            let schema = new.descriptor().state().map_or(0, |state| state.schema);
            let state = new.snapshot(patience, self.limits.state_bytes).await?;
            part.state = Some((state, schema));
        }
        Ok(())
    }

    pub(super) async fn restore_back(&mut self) -> Result<(), SwapError> {
        let patience = self.patience(self.limits.handover);
        for part in &mut self.parts {
            let Some((state, schema)) = part.state.take() else {
                continue;
            };
            let Some((old, _)) = part.stateful() else { continue };
            let restored = old.restore(state, schema, patience).await;
            if let Err(source) = restored {
                return Err(self.not_restored(source));
            }
        }
        self.state_is_back = true;
        Ok(())
    }

    /// The failure of an old version that was to take the state back. Where it may still do that, the report says that it cannot
    /// come back.
    fn not_restored(&mut self, source: LoadError) -> SwapError {
        if source.fate() == Fate::UnderWay
            && let Some(failure) = self.failure.take()
        {
            self.fail(SwapError::NotRolledBack {
                failure: Box::new(failure),
                source: source.clone(),
            });
        }
        source.into()
    }

    /// Lets the new versions go on, which never ceased to serve.
    pub(super) fn reopen_new(&mut self) {
        for (_, new) in self.stateful() {
            new.hint(JobKind::Resume);
            new.release();
        }
        self.paused = None;
    }

    pub(super) async fn take_back(&mut self) {
        let takeovers: Vec<Takeover> = self
            .parts
            .iter()
            .map(|part| Takeover {
                old: part.new.clone(),
                new: part.old.clone(),
            })
            .collect();
        let lost: Vec<String> = match self.state_is_back {
            true => Vec::new(),
            false => self.stateful().map(|(old, _)| title(old)).collect(),
        };
        for old in takeovers.iter().filter_map(|change| change.new.as_ref()) {
            old.hint(JobKind::Resume);
        }
        self.mesh.take_over(&takeovers);
        self.let_in(&takeovers).await;
        self.paused = None;
        for old in lost {
            self.report.notes.push(format!(
                "{old} serves with the state that it had at the switch: what changed since is lost"
            ));
        }
    }
}

/// The work that a component has to finish before it can be asked for its state.
fn unfinished(component: &Component) -> Option<&'static str> {
    match (component.pending(), component.unfinished_events()) {
        (0, 0) => None,
        (0, 1) => Some("an event"),
        (0, _) => Some("events"),
        (1, _) => Some("a call"),
        _ => Some("calls"),
    }
}

/// Answers calls that a version did not finish in the time that it was given.
pub(super) fn give_up(component: &Component, notes: &mut Vec<String>, limit: Duration) {
    let given_up = component.abandon_calls(Abandoned::Replaced);
    if given_up > 0 {
        let note = format!(
            "{given_up} calls of {} were not finished within {} ms, their callers were told",
            title(component),
            limit.as_millis()
        );
        tracing::warn!(component = component.name(), "{note}");
        notes.push(note);
    }
}

/// The version's text.
pub(super) fn version(component: &Component) -> String {
    component.descriptor().version().text().to_owned()
}

fn title(component: &Component) -> String {
    format!("{} {}", component.name(), version(component))
}

pub(super) fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
