//! The check of a component that hands its state over.
//!
//! Enters: a subject. Leaves: findings about SNAPSHOT, RESTORE and RESUME in the order in which swaps use them:
//! to a new instance, and back to the old one. Guarantees: a component that declares no state is not asked for any.

use super::held::{self, Held};
use super::orders::{self, Signs};
use super::report::{Finding, Reporter};
use super::subject::Loaded;
use super::{Subject, lives};
use bytes::Bytes;
use mesh_plugin::{Job, JobKind, LoadError};

/// Calls of each method before the first snapshot, so that there is something to remember.
const CALLS: usize = 3;

/// Snapshots and restores in a row, the first of which may take what a process takes once.
const WARM_UP: usize = 5;
const ROUNDS: usize = WARM_UP + held::ENOUGH_FOR_MEMORY;

const GIVES: &str = "SNAPSHOT must be completed once, with MESH_STATUS_OK and the state";
const TAKES: &str =
    "a state that it gave itself must be taken, RESTORE be completed once and with MESH_STATUS_OK";

/// Gives the state of one instance to another, and back.
pub(super) async fn state(subject: &Subject, reporter: &mut Reporter) -> Result<Vec<Finding>, LoadError> {
    let descriptor = orders::descriptor(subject, reporter).await?;
    let Some(declared) = descriptor.state() else {
        reporter.remark("not declared: without `state` in its descriptor it is never asked to hand it over");
        return Ok(Vec::new());
    };
    let signs = Signs::of(subject, reporter).await?;
    let mut handover = Handover {
        subject,
        reporter,
        signs,
        schema: declared.schema,
        findings: Vec::new(),
    };
    handover.try_out().await?;
    Ok(handover.findings)
}

struct Handover<'a> {
    subject: &'a Subject,
    reporter: &'a mut Reporter,
    signs: Signs,
    schema: u32,
    findings: Vec<Finding>,
}

impl Handover<'_> {
    async fn try_out(&mut self) -> Result<(), LoadError> {
        let mut old = Loaded::load(self.subject, 1).await?;
        for method in &self.signs.methods {
            for _ in 0..CALLS {
                self.reporter.step(format!("method `{method}` with no arguments"));
                old.call(method, Bytes::from_static(b"[]")).await;
            }
        }
        old.completed_twice().await;
        let Some(first) = self.snapshot(&mut old, "SNAPSHOT after calls").await else {
            old.leave();
            return Ok(());
        };
        if !self.resume(&mut old, "after SNAPSHOT and RESUME").await {
            old.leave();
            return Ok(());
        }
        let Some(second) = self.hand_over(first).await? else {
            self.findings
                .extend(orders::stop(old, true, "after SNAPSHOT and RESUME").await);
            return Ok(());
        };
        let serves = self.take_back(&mut old, &second).await && self.rounds(&mut old).await;
        self.reporter
            .step("STOP, `destroy` and unloading after snapshots and restores");
        self.findings
            .extend(orders::stop(old, serves, "after snapshots and restores").await);
        Ok(())
    }

    /// Gives the state to a new instance. Returns what that gives for its own state then.
    async fn hand_over(&mut self, first: Bytes) -> Result<Option<Bytes>, LoadError> {
        self.reporter.step("`create` of an instance for RESTORE");
        let mut new = Loaded::create(self.subject, 1).await?;
        if !self
            .restore(&mut new, &first, "RESTORE in a new instance, before START,")
            .await
        {
            new.leave();
            return Ok(None);
        }
        self.reporter.step("START after RESTORE");
        if let Err(error) = new.start(self.subject).await {
            let sentence = format!("after RESTORE it does not start: {error}");
            self.findings.push(Finding::failed(sentence));
            new.leave();
            return Ok(None);
        }
        let Some(second) = self
            .snapshot(&mut new, "SNAPSHOT of an instance with that state")
            .await
        else {
            new.leave();
            return Ok(None);
        };
        if !self.resume(&mut new, "after RESTORE, START and RESUME").await {
            new.leave();
            return Ok(None);
        }
        if second != first {
            self.compare(&first, &second).await?;
        }
        // A swap ends the old version so: it has given its state and never hears RESUME.
        let given = self.snapshot(&mut new, "SNAPSHOT once more").await.is_some();
        self.reporter
            .step("STOP, `destroy` and unloading straight after SNAPSHOT");
        self.findings
            .extend(orders::stop(new, given, "after SNAPSHOT and STOP").await);
        Ok(Some(second))
    }

    /// Whether a state that is written differently is one all the same.
    async fn compare(&mut self, first: &Bytes, second: &Bytes) -> Result<(), LoadError> {
        self.reporter.step("`create` of a third instance for RESTORE");
        let mut third = Loaded::create(self.subject, 1).await?;
        let words = "RESTORE of a state that was restored before";
        if !self.restore(&mut third, second, words).await {
            third.leave();
            return Ok(());
        }
        self.findings.push(Finding::warning(format!(
            "a state of {} bytes is {} different ones after RESTORE and SNAPSHOT: right where it holds a time or has no order, else something is lost or added on the way",
            first.len(),
            second.len()
        )));
        self.reporter
            .step("`destroy` and unloading after RESTORE without START");
        self.findings.extend(lives::unloading(
            third.discard().await,
            "after RESTORE without START",
        ));
        Ok(())
    }

    /// Tells the old version that its successor is rolled back. Returns whether it serves.
    async fn take_back(&mut self, old: &mut Loaded, state: &Bytes) -> bool {
        if self
            .snapshot(old, "SNAPSHOT before another version takes over")
            .await
            .is_none()
        {
            return false;
        }
        self.reporter.step("QUIESCE after SNAPSHOT");
        old.push(Job::new(JobKind::Quiesce, 0));
        self.restore(old, state, "RESTORE in an instance that has served")
            .await
            && self
                .resume(old, "after QUIESCE, RESTORE and RESUME, when it is rolled back")
                .await
    }

    /// Whether memory or the state grows when nothing else happens. Returns whether it serves.
    async fn rounds(&mut self, loaded: &mut Loaded) -> bool {
        let (mut memory, mut lengths) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let Some(state) = self.snapshot(loaded, "SNAPSHOT time and again").await else {
                return false;
            };
            lengths.push(state.len());
            if !self.restore(loaded, &state, "RESTORE time and again").await {
                return false;
            }
            loaded.push(Job::new(JobKind::Resume, 0));
            if round >= WARM_UP {
                memory.push(Held::now().memory_kilobytes);
            }
        }
        self.findings.extend(held::growth(
            &memory,
            "for each SNAPSHOT and RESTORE: what RESTORE replaces must be freed, and what SNAPSHOT gave as well",
        ));
        if lengths.windows(2).all(|pair| pair[0] < pair[1]) {
            let (first, last) = (lengths.first().unwrap_or(&0), lengths.last().unwrap_or(&0));
            self.findings.push(Finding::failed(format!(
                "the state grew from {first} to {last} bytes in {ROUNDS} rounds of SNAPSHOT and RESTORE without a call: RESTORE replaces the state, and adds nothing to it"
            )));
        }
        self.resume(loaded, "after many snapshots and restores").await
    }

    async fn snapshot(&mut self, loaded: &mut Loaded, order: &str) -> Option<Bytes> {
        self.reporter.step(order);
        let outcome = loaded.order(JobKind::Snapshot).await;
        let given = orders::succeeded(outcome, order, GIVES, self.subject);
        self.findings
            .extend(orders::completed_once(loaded, "SNAPSHOT").await);
        given.map_err(|finding| self.findings.push(finding)).ok()
    }

    async fn restore(&mut self, loaded: &mut Loaded, state: &Bytes, order: &str) -> bool {
        self.reporter.step(order);
        let outcome = loaded.restore(state.clone(), self.schema).await;
        let taken = orders::succeeded(outcome, order, TAKES, self.subject);
        self.findings
            .extend(orders::completed_once(loaded, "RESTORE").await);
        taken.map_err(|finding| self.findings.push(finding)).is_ok()
    }

    async fn resume(&mut self, loaded: &mut Loaded, when: &str) -> bool {
        self.reporter.step(format!("a call {when}"));
        loaded.push(Job::new(JobKind::Resume, 0));
        let missing = self.signs.missing(loaded, when).await;
        let serves = missing.is_none();
        self.findings.extend(missing);
        self.findings.extend(completed_hint(loaded).await);
        serves
    }
}

/// The fault when a hint is completed.
pub(super) async fn completed_hint(loaded: &mut Loaded) -> Option<Finding> {
    loaded.completed_twice().await.then(|| {
        Finding::failed("it completed QUIESCE or RESUME: they are hints, and there is nothing to complete")
    })
}
