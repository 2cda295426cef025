//! The check of a component that is told to pause and to go on.
//!
//! Enters: a subject. Leaves: findings about QUIESCE and RESUME. Guarantees: every component is told,
//! since every version that is replaced is.

use super::Subject;
use super::orders::{self, Signs};
use super::report::{Finding, Reporter};
use super::state::completed_hint;
use super::subject::{Loaded, Outcome};
use bytes::Bytes;
use mesh_plugin::{Job, JobKind, LoadError};
use std::time::Duration;

/// Calls of each method that are taken before it is to pause.
const CALLS: usize = 16;

/// How long it is listened to whether it pauses.
const QUIET: Duration = Duration::from_millis(300);

/// Tells it to pause with calls under way, and to go on.
pub(super) async fn quiesce(subject: &Subject, reporter: &mut Reporter) -> Result<Vec<Finding>, LoadError> {
    let signs = Signs::of(subject, reporter).await?;
    let mut findings = Vec::new();
    let mut loaded = Loaded::load(subject, 1).await?;
    loaded.completed_twice().await;

    let mut calls = Vec::new();
    for method in &signs.methods {
        let call = || loaded.submit(method, Bytes::from_static(b"[]"), subject.answer_time);
        calls.extend((0..CALLS).map(|_| call()));
    }
    reporter.step("QUIESCE behind calls");
    loaded.push(Job::new(JobKind::Quiesce, 0));
    let (all, mut answered) = (calls.len(), 0);
    for call in calls {
        answered += usize::from(matches!(loaded.outcome(call).await, Outcome::Answered(..)));
    }
    if answered < all {
        findings.push(Finding::failed(format!(
            "{} of {all} calls that it had taken before QUIESCE were not answered within {} ms: they are still to be completed",
            all - answered,
            subject.answer_time.as_millis()
        )));
    }
    reporter.step("listening after QUIESCE");
    let before = loaded.emitted();
    tokio::time::sleep(QUIET).await;
    let emitted = loaded.emitted() - before;
    if emitted > 0 {
        findings.push(Finding::warning(format!(
            "it emitted {emitted} events in {} ms after QUIESCE and its last answer: what it does by itself should pause, since its successor does it too",
            QUIET.as_millis()
        )));
    }
    findings.extend(completed_hint(&mut loaded).await);

    for (when, kinds) in [
        ("after QUIESCE and RESUME", &[JobKind::Resume][..]),
        ("after RESUME once more", &[JobKind::Resume][..]),
        (
            "after QUIESCE twice and RESUME",
            &[JobKind::Quiesce, JobKind::Quiesce, JobKind::Resume][..],
        ),
    ] {
        reporter.step(format!("a call {when}"));
        for kind in kinds {
            loaded.push(Job::new(*kind, 0));
        }
        let missing = signs.missing(&loaded, when).await;
        findings.extend(completed_hint(&mut loaded).await);
        if let Some(missing) = missing {
            findings.push(missing);
            loaded.leave();
            return Ok(findings);
        }
    }
    // The ordinary end of a version that was replaced.
    reporter.step("STOP, `destroy` and unloading after QUIESCE");
    loaded.push(Job::new(JobKind::Quiesce, 0));
    findings.extend(orders::stop(loaded, true, "after QUIESCE and STOP").await);
    Ok(findings)
}
