//! The check of the process that a component runs in: what it changes there, and leaves there.
//!
//! Enters: a subject. Leaves: findings. Guarantees: changes that the host itself puts back or
//! refuses are findings, too.

use super::report::{Finding, Reporter};
use super::subject::{Loaded, Outcome};
use super::{Subject, lives};
use bytes::Bytes;
use mesh_plugin::LoadError;
use mesh_plugin::inside::Watch;

/// The state of the process while an instance lives, and when it is gone.
pub(super) async fn process(subject: &Subject, reporter: &mut Reporter) -> Result<Vec<Finding>, LoadError> {
    let mut findings = Vec::new();
    let before = Watch::now();
    reporter.step("`create`");
    let loaded = Loaded::create(subject, 1).await?;
    let created = Watch::now();
    reporter.step("START");
    if let Err(error) = loaded.start(subject).await {
        loaded.discard().await;
        return Err(error);
    }
    for (method, _) in loaded.methods() {
        reporter.step(format!("method `{method}` with no arguments"));
        let outcome = loaded.call(&method, Bytes::from_static(b"[]")).await;
        if matches!(outcome, Outcome::Silent) && !loaded.is_alive().await {
            // That is the business of other checks. Nothing is unloaded, so nothing more can be seen.
            findings.extend(while_it_serves(&created));
            loaded.leave();
            return Ok(findings);
        }
    }
    findings.extend(while_it_serves(&created));
    reporter.step("STOP, `destroy` and unloading");
    findings.extend(lives::unloading(
        loaded.stop().await,
        "after its methods were called",
    ));
    drop(loaded);
    findings.extend(
        before
            .changes()
            .into_iter()
            .map(|change| Finding::failed(format!("it {change} and leaves it so: that belongs to the host"))),
    );
    if Watch::has_children() {
        findings.push(Finding::failed(
            "a process that it started is left behind: end it and wait for it before `destroy` returns",
        ));
    }
    Ok(findings)
}

fn while_it_serves(created: &Watch) -> impl Iterator<Item = Finding> {
    let sentence = |change: String, then: &str| {
        Finding::failed(format!(
            "it {change} while it serves: that belongs to the host, which {then}"
        ))
    };
    let changes = created.changes().into_iter();
    let changes = changes.map(move |change| sentence(change, "puts it back when the version is unloaded"));
    let refusals = created.refusals().into_iter();
    changes.chain(refusals.map(move |change| sentence(change, "does not let it")))
}
