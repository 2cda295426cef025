//! One swap, carried out: the machine's steps done to real components.
//!
//! Enters: parts, each an old version, a library for a new one, or both. Leaves: a [`Report`]. Guarantees: all
//! parts switch in the same moment or none does; whatever fails, the old versions serve on, and a [`SwapError`] says why.

use super::machine::{Kind, Machine, Next, Outcome};
use super::probation::Watch;
use super::standing::Standing;
use super::steps::{Which, give_up, milliseconds, version};
use super::{Limits, SwapError};
use bytes::Bytes;
use mesh_core::mesh::swaps::{PartReport, Progress, Report, Step, StepReport};
use mesh_core::mesh::{Mesh, Takeover};
use mesh_plugin::{Component, ComponentState, Fate, LoadRequest};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc};
use tokio::time::Instant;

/// How often a version in probation is looked at.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// One component's part in a swap.
pub struct Part {
    /// The component's name.
    pub name: String,
    /// The version that serves now.
    pub old: Option<Arc<Component>>,
    /// The versions that take over.
    pub load: Option<LoadRequest>,
    /// The state of the old version is not handed over.
    pub drops_state: bool,
    pub(super) start_timeout: Duration,
    pub(super) new: Option<Arc<Component>>,
    pub(super) state: Option<(Bytes, u32)>,
}

impl Part {
    /// A part that has not begun.
    pub fn new(name: &str, old: Option<Arc<Component>>, load: Option<LoadRequest>) -> Part {
        Part {
            name: name.to_owned(),
            old,
            start_timeout: load.as_ref().map_or(Duration::ZERO, |load| load.start_timeout),
            load,
            drops_state: false,
            new: None,
            state: None,
        }
    }

    /// The old and the new version, where the state of one goes to the other.
    pub(super) fn stateful(&self) -> Option<(&Arc<Component>, &Arc<Component>)> {
        let (old, new) = (self.old.as_ref()?, self.new.as_ref()?);
        let (written, read) = (old.descriptor().state()?, new.descriptor().state()?);
        (!self.drops_state && read.reads(written)).then_some((old, new))
    }

    /// The watch over the new version, where it replaces another one.
    pub(super) fn watch(&self, max_error_percent: u64) -> Option<Watch> {
        let (old, new) = (self.old.as_deref()?, self.new.clone()?);
        Some(Watch::new(new, old, max_error_percent))
    }

    pub(super) fn takeover(&self) -> Takeover {
        Takeover {
            old: self.old.clone(),
            new: self.new.clone(),
        }
    }
}

/// A swap on its way.
pub struct Transaction {
    pub(super) mesh: Arc<Mesh>,
    pub(super) limits: Limits,
    pub(super) parts: Vec<Part>,
    pub(super) machine: Machine,
    pub(super) report: Report,
    /// The failure that the report's reason describes.
    pub(super) failure: Option<SwapError>,
    progress: Option<mpsc::UnboundedSender<Progress>>,
    pub(super) began: Instant,
    pub(super) paused: Option<Instant>,
    pub(super) switched: Option<Instant>,
    pub(super) state_is_back: bool,
    /// The watches over the new versions, which begin before their first call.
    pub(super) watches: Vec<Watch>,
}

impl Transaction {
    /// A swap that has not begun.
    pub fn new(
        mesh: Arc<Mesh>,
        number: u64,
        parts: Vec<Part>,
        limits: Limits,
        progress: Option<mpsc::UnboundedSender<Progress>>,
    ) -> Transaction {
        let components = parts.iter().map(|part| PartReport {
            component: part.name.clone(),
            from: part.old.as_ref().map(|old| version(old)),
            library: part.load.as_ref().map(|load| load.library.display().to_string()),
            ..PartReport::default()
        });
        let report = Report::begin(number, components.collect());
        let kind = Kind {
            hands_over: false,
            hands_back: false,
            replaces: false,
        };
        Transaction {
            mesh,
            limits,
            parts,
            machine: Machine::new(kind),
            report,
            failure: None,
            progress,
            began: Instant::now(),
            paused: None,
            switched: None,
            state_is_back: false,
            watches: Vec::new(),
        }
    }

    /// Its state so far.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Why the new versions do not serve, when they do not.
    pub fn into_failure(self) -> Option<SwapError> {
        self.failure
    }

    /// Goes on until the new versions serve, or will not. Nobody else may change components meanwhile.
    pub async fn switch(&mut self) {
        while let Next::Step(step) = self.machine.next() {
            if matches!(step, Step::Probation | Step::Drain) {
                return;
            }
            self.take(step).await;
        }
    }

    /// Goes on to the end, from where [`Transaction::switch`] left off. Takes `turn` before it changes components.
    pub async fn finish(&mut self, standing: &Standing, turn: &Mutex<()>) {
        let mut guard = None;
        while let Next::Step(step) = self.machine.next() {
            if step == Step::Probation {
                let outcome = self.probation(standing).await;
                if outcome == Outcome::Failed {
                    guard = Some(turn.lock().await);
                }
                self.machine.advance(outcome);
                continue;
            }
            self.take(step).await;
            if matches!(step, Step::SwitchBack | Step::ReopenNew) {
                // The remaining steps concern nobody but the version that goes.
                guard = None;
            }
        }
        drop(guard);
        standing.end();
    }

    async fn take(&mut self, step: Step) {
        self.tell(step);
        let outcome = match self.perform(step).await {
            Ok(()) => Outcome::Done,
            Err(error) => {
                let outcome = match error.fate() {
                    Fate::Over => Outcome::Failed,
                    Fate::UnderWay => Outcome::UnderWay,
                };
                // Later ones follow from the first.
                if self.failure.is_none() {
                    self.fail(error);
                }
                outcome
            }
        };
        self.machine.advance(outcome);
        if let Next::End(ending) = self.machine.next() {
            self.report.ending = Some(ending);
            self.report.ended_after_milliseconds = Some(milliseconds(self.began.elapsed()));
        }
    }

    pub(super) fn fail(&mut self, error: SwapError) {
        self.report.reason = Some(error.to_string());
        self.report.failure = Some(error.kind());
        self.failure = Some(error);
    }

    async fn perform(&mut self, step: Step) -> Result<(), SwapError> {
        match step {
            Step::Create => self.create().await,
            Step::Quiet => {
                self.paused = Some(Instant::now());
                let olds = self.stateful().map(|(old, _)| old.clone()).collect();
                self.quiet(olds).await
            }
            Step::Snapshot => self.snapshot().await,
            Step::Restore => self.restore().await,
            Step::Start => self.start().await,
            Step::Health => self.health().await,
            Step::Switch => {
                self.take_over().await;
                Ok(())
            }
            Step::Probation => Ok(()),
            Step::Drain => self.drain().await,
            Step::Unload => self.unload(Which::Old).await,
            Step::Reopen => {
                self.reopen();
                Ok(())
            }
            Step::Discard => self.unload(Which::New).await,
            Step::QuietBack => {
                self.paused = Some(Instant::now());
                let news = self.stateful().map(|(_, new)| new.clone()).collect();
                self.quiet(news).await
            }
            Step::SnapshotBack => self.snapshot_back().await,
            Step::RestoreBack => self.restore_back().await,
            Step::SwitchBack => {
                self.take_back().await;
                Ok(())
            }
            Step::UnloadNew => {
                self.drain_new().await;
                self.unload(Which::New).await
            }
            Step::ReopenNew => {
                self.reopen_new();
                Ok(())
            }
            Step::UnloadOld => {
                self.drain().await?;
                self.unload(Which::Old).await
            }
        }
    }

    pub(super) fn stateful(&self) -> impl Iterator<Item = (&Arc<Component>, &Arc<Component>)> {
        self.parts.iter().filter_map(Part::stateful)
    }

    /// Watches the new versions. Calls that the old ones do not finish in time are answered meanwhile.
    async fn probation(&mut self, standing: &Standing) -> Outcome {
        self.tell(Step::Probation);
        let mut watches = std::mem::take(&mut self.watches);
        let switched = self.switched.unwrap_or(self.began);
        loop {
            if switched.elapsed() >= self.limits.drain {
                self.give_up_calls();
            }
            self.park();
            for watch in &mut watches {
                if let Err(error) = watch.look().await
                    && standing.take_back()
                {
                    self.fail(error);
                    return Outcome::Failed;
                }
            }
            let left = self.limits.probation.saturating_sub(switched.elapsed());
            if left.is_zero() {
                return Outcome::Done;
            }
            tokio::select! {
                () = standing.superseded() => return Outcome::Done,
                () = tokio::time::sleep(left.min(BETWEEN_LOOKS)) => {}
            }
        }
    }

    /// Answers the calls that old versions still have.
    fn give_up_calls(&mut self) {
        for old in self.parts.iter().filter_map(|part| part.old.as_ref()) {
            give_up(old, &mut self.report.notes, self.limits.drain);
        }
    }

    /// Notes which old versions have no calls any more.
    fn park(&self) {
        for old in self.parts.iter().filter_map(|part| part.old.as_ref()) {
            if old.pending() == 0 {
                old.set_state(ComponentState::Parked);
            }
        }
    }

    fn tell(&mut self, step: Step) {
        self.report.steps.push(StepReport {
            step,
            text: in_words(step).to_owned(),
            after_milliseconds: milliseconds(self.began.elapsed()),
        });
        self.mesh.swap_history().remember(self.report.clone());
        let text = format!("{}: {}", self.report.title(), in_words(step));
        tracing::debug!("{text}");
        if let Some(progress) = &self.progress {
            let _ = progress.send(Progress { step, text });
        }
    }
}

fn in_words(step: Step) -> &'static str {
    match step {
        Step::Create => "loading",
        Step::Quiet => "letting calls wait",
        Step::Snapshot => "asking for the state",
        Step::Restore => "handing the state over",
        Step::Start => "starting",
        Step::Health => "asking whether it is well",
        Step::Switch => "switching",
        Step::Probation => "in probation",
        Step::Drain => "letting the old version finish",
        Step::Unload => "unloading the old version",
        Step::Reopen => "letting the old version go on",
        Step::Discard => "unloading what was loaded",
        Step::QuietBack | Step::SnapshotBack | Step::RestoreBack => "taking the state back",
        Step::SwitchBack => "taking the old version back",
        Step::UnloadNew => "unloading the new version",
        Step::ReopenNew => "letting the new version go on, since the old one cannot come back",
        Step::UnloadOld => "unloading the old version",
    }
}
