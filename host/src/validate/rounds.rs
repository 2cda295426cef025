//! The check of what a swap leaves behind: loading, calling and unloading over and over.
//!
//! Enters: a subject. Leaves: findings about all that grew. Guarantees: memory that a process takes once, in the
//! first rounds, is no growth.

use super::held::{self, Held};
use super::report::{Finding, Reporter};
use super::subject::Loaded;
use super::{Subject, calls, lives};
use bytes::Bytes;
use mesh_plugin::LoadError;
use mesh_plugin::ffi::interpose;
use std::time::Duration;

/// Loads and unloads as often as was asked for.
pub(super) async fn rounds(subject: &Subject, reporter: &mut Reporter) -> Result<Vec<Finding>, LoadError> {
    let answering = calls::answering(subject, reporter).await?;
    let mut findings = Vec::new();
    if !interpose::is_active() {
        findings.push(Finding::warning(
            "thread keys were not counted: this build of the host does not export its thread functions",
        ));
    }
    let warm_up = (subject.rounds / 5).min(10);
    let mut before = Held::now();
    let mut memory = Vec::new();
    for round in 0..subject.rounds {
        reporter.step(format!("round {} of {}", round + 1, subject.rounds));
        let loaded = Loaded::load(subject, 1).await?;
        for method in &answering {
            loaded.call(method, Bytes::from_static(b"[]")).await;
        }
        if let Some(finding) = lives::unloading(loaded.stop().await, &format!("in round {}", round + 1)) {
            findings.push(finding);
            return Ok(findings);
        }
        drop(loaded);
        if round < warm_up {
            before = Held::now();
        } else {
            memory.push(Held::now().memory_kilobytes);
        }
    }
    reporter.step("looking at what is left");
    findings.extend(left_behind(
        &before,
        &settled(&before).await,
        subject.rounds - warm_up,
    ));
    findings.extend(held::growth(
        &memory,
        "a round: a swap must give back all that an instance took, so free it in `destroy` and keep nothing in statics",
    ));
    Ok(findings)
}

/// Waits a little for threads that are on their way out.
async fn settled(before: &Held) -> Held {
    let mut after = Held::now();
    for _ in 0..100 {
        if after.counts() == before.counts() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        after = Held::now();
    }
    after
}

fn left_behind(before: &Held, after: &Held, rounds: u32) -> Vec<Finding> {
    let pairs = before.counts().into_iter().zip(after.counts());
    pairs
        .filter(|((_, before), (_, after))| after > before)
        .map(|((what, before), (_, after))| {
            Finding::failed(format!(
                "{what} grew from {before} to {after} in {rounds} rounds: each instance must give back its own until `destroy` returns"
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_grew_is_left_behind() {
        let before = Held {
            memory_kilobytes: 5000,
            threads: 3,
            keys: 2,
            descriptors: 9,
            libraries: 20,
        };
        let after = Held {
            threads: 2,
            descriptors: 59,
            ..before
        };
        let findings = left_behind(&before, &after, 50);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(
            findings[0]
                .sentence
                .starts_with("file descriptors grew from 9 to 59 in 50 rounds"),
            "{findings:?}"
        );
    }
}
