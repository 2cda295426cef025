//! The check of a component that says how it is.
//!
//! Enters: a subject. Leaves: findings about HEALTH. Guarantees: a component that does not declare health is not
//! asked. One that says that it is ill is believed, since nothing that it depends on is there.

use super::judge::{judge, reason};
use super::orders::{self, Signs};
use super::report::{Finding, Reporter};
use super::subject::{Loaded, Outcome};
use super::{Subject, faults::Fault};
use bytes::Bytes;
use mesh_plugin::{JobKind, LoadError, Status};

/// Calls that are under way while it is asked.
const CALLS: usize = 16;

/// Asks it after its start, again, and while it has calls.
pub(super) async fn health(subject: &Subject, reporter: &mut Reporter) -> Result<Vec<Finding>, LoadError> {
    if !orders::descriptor(subject, reporter).await?.has_health() {
        reporter.remark("not declared: without `\"health\": true` in its descriptor it is never asked");
        return Ok(Vec::new());
    }
    let signs = Signs::of(subject, reporter).await?;
    let mut findings = Vec::new();
    let mut loaded = Loaded::load(subject, 1).await?;
    loaded.completed_twice().await;
    for (order, with_calls) in [
        ("HEALTH after START", false),
        ("HEALTH once more", false),
        ("HEALTH while it has calls", true),
    ] {
        let mut calls = Vec::new();
        for method in signs.methods.iter().filter(|_| with_calls) {
            let call = || loaded.submit(method, Bytes::from_static(b"[]"), subject.answer_time);
            calls.extend((0..CALLS).map(|_| call()));
        }
        reporter.step(order);
        let outcome = loaded.order(JobKind::Health).await;
        let found = complaint(outcome, order, subject);
        findings.extend(found.filter(|found| !findings.contains(found)));
        for call in calls {
            loaded.outcome(call).await;
        }
        findings.extend(orders::completed_once(&mut loaded, order).await);
        reporter.step(format!("a call after {order}"));
        if let Some(missing) = signs.missing(&loaded, &format!("after {order}")).await {
            findings.push(missing);
            loaded.leave();
            return Ok(findings);
        }
    }
    reporter.step("STOP, `destroy` and unloading after HEALTH");
    findings.extend(orders::stop(loaded, true, "after HEALTH").await);
    Ok(findings)
}

fn complaint(outcome: Outcome, order: &str, subject: &Subject) -> Option<Finding> {
    match outcome {
        Outcome::Answered(Status::ERROR, payload) => {
            let sentence = match judge(Status::ERROR, &payload) {
                Some(Fault::WrongError) => {
                    "it says with bytes that are no error that it is not well: the error is a JSON array whose first element is an object with the texts `message` and `name`, and people read its message".to_owned()
                }
                _ => format!(
                    "it says that it is not well ({}): right where it needs what is not there while a library is checked; a swap to it is refused",
                    reason(&payload)
                ),
            };
            Some(Finding::warning(sentence))
        }
        other => {
            let right = "HEALTH must be completed once, with MESH_STATUS_OK when it can serve, else with MESH_STATUS_ERROR and why";
            orders::succeeded(other, order, right, subject).err()
        }
    }
}
