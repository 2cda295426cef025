//! The checks that call methods.
//!
//! Enters: a subject. Leaves: findings about its answers. Guarantees: every declared method is called. A method that
//! keeps its lane busy costs its own instance, and the others are called on a new one.

use super::arguments::{self, Shape};
use super::faults::{Fault, Faults};
use super::judge::judge;
use super::report::{Finding, Reporter};
use super::subject::{Loaded, Outcome, UNKNOWN_METHOD};
use super::{Subject, lives};
use bytes::Bytes;
use mesh_plugin::{LoadError, Status};
use std::time::Duration;

/// A method that has not answered so often is not called again.
const SILENCES: u32 = 2;

/// Calls of each method that are made at the same time.
const AT_ONCE: usize = 64;

/// Calls of each method that are given up.
const GIVEN_UP: u64 = 20;

/// A method that the component lacks.
pub(super) async fn unknown_method(
    subject: &Subject,
    reporter: &mut Reporter,
) -> Result<Vec<Finding>, LoadError> {
    let mut loaded = Loaded::load(subject, 1).await?;
    let mut faults = Faults::default();
    let how = "(which it lacks)";
    reporter.step(format!("a call of `{UNKNOWN_METHOD}`, which it lacks"));
    match loaded.call(UNKNOWN_METHOD, Bytes::from_static(b"[]")).await {
        Outcome::Answered(Status::OK, _) => faults.note(Fault::SuccessOnUnknown, UNKNOWN_METHOD, how),
        Outcome::Answered(status, payload) => {
            if let Some(fault) = judge(status, &payload) {
                faults.note(fault, UNKNOWN_METHOD, how);
            }
        }
        Outcome::Silent => faults.note(Fault::SilentOnUnknown, UNKNOWN_METHOD, how),
        Outcome::Lost => faults.note(Fault::Lost, UNKNOWN_METHOD, how),
    }
    if loaded.completed_twice().await {
        faults.note(Fault::CompletedTwice, UNKNOWN_METHOD, how);
    }
    finish(loaded, faults, subject, reporter).await
}

/// Every method, without arguments.
pub(super) async fn no_arguments(
    subject: &Subject,
    reporter: &mut Reporter,
) -> Result<Vec<Finding>, LoadError> {
    every_method(subject, reporter, |_| vec![arguments::none()]).await
}

/// Every method, with everything that is odd.
pub(super) async fn odd_arguments(
    subject: &Subject,
    reporter: &mut Reporter,
) -> Result<Vec<Finding>, LoadError> {
    every_method(subject, reporter, arguments::odd).await
}

async fn every_method(
    subject: &Subject,
    reporter: &mut Reporter,
    shapes: impl Fn(usize) -> Vec<Shape>,
) -> Result<Vec<Finding>, LoadError> {
    let mut loaded = Loaded::load(subject, 1).await?;
    let mut faults = Faults::default();
    // Whether an unknown method is answered is another check's business; here it only shows that the lane works.
    let shows_life = loaded.is_alive().await;
    loaded.completed_twice().await;
    for (method, parameters) in loaded.methods() {
        let mut silences = 0;
        for Shape { words, payload } in shapes(parameters) {
            let how = format!("with {words}");
            reporter.step(format!("method `{method}` {how}"));
            match loaded.call(&method, payload).await {
                Outcome::Answered(status, payload) => {
                    if let Some(fault) = judge(status, &payload) {
                        faults.note(fault, &method, &how);
                    }
                }
                Outcome::Lost => faults.note(Fault::Lost, &method, &how),
                Outcome::Silent if shows_life && !loaded.is_alive().await => {
                    faults.note(Fault::Blocks, &method, &how);
                    loaded.leave();
                    loaded = Loaded::load(subject, 1).await?;
                    silences = SILENCES;
                }
                Outcome::Silent => {
                    faults.note(Fault::Silent, &method, &how);
                    silences += 1;
                }
            }
            if loaded.completed_twice().await {
                faults.note(Fault::CompletedTwice, &method, &how);
            }
            if silences >= SILENCES {
                break;
            }
        }
    }
    finish(loaded, faults, subject, reporter).await
}

/// Calls that nobody waits for any more, taken already or not.
pub(super) async fn cancel(subject: &Subject, reporter: &mut Reporter) -> Result<Vec<Finding>, LoadError> {
    let mut loaded = Loaded::load(subject, 1).await?;
    let mut faults = Faults::default();
    let shows_life = loaded.is_alive().await;
    loaded.completed_twice().await;
    for (method, _) in loaded.methods() {
        reporter.step(format!("calls of `{method}` that are given up"));
        for call in 0..GIVEN_UP {
            drop(loaded.submit(&method, Bytes::from_static(b"[]"), Duration::ZERO));
            if call % 2 == 1 {
                tokio::time::sleep(Duration::from_micros(100 * call)).await;
            }
            loaded.give_up();
        }
        if shows_life && !loaded.is_alive().await {
            // That it keeps its lane busy is said where it is called in earnest.
            loaded.leave();
            loaded = Loaded::load(subject, 1).await?;
        }
        if loaded.completed_twice().await {
            faults.note(Fault::CompletedTwice, &method, "given up while it runs");
        }
    }
    finish(loaded, faults, subject, reporter).await
}

/// Many calls at the same time, on several lanes. Another check names the methods that do not answer.
pub(super) async fn at_once(subject: &Subject, reporter: &mut Reporter) -> Result<Vec<Finding>, LoadError> {
    let answering = answering(subject, reporter).await?;
    let mut loaded = Loaded::load(subject, 4).await?;
    let mut faults = Faults::default();
    for method in answering {
        let how = format!("called {AT_ONCE} times at once");
        reporter.step(format!("{AT_ONCE} calls of `{method}` at once"));
        let outcomes: Vec<_> = (0..AT_ONCE)
            .map(|_| loaded.submit(&method, Bytes::from_static(b"[]"), subject.answer_time))
            .collect();
        for outcome in outcomes {
            match loaded.outcome(outcome).await {
                Outcome::Answered(status, payload) => {
                    if let Some(fault) = judge(status, &payload) {
                        faults.note(fault, &method, &how);
                    }
                }
                Outcome::Silent => faults.note(Fault::Silent, &method, &how),
                Outcome::Lost => faults.note(Fault::Lost, &method, &how),
            }
        }
        if loaded.completed_twice().await {
            faults.note(Fault::CompletedTwice, &method, &how);
        }
    }
    finish(loaded, faults, subject, reporter).await
}

/// The methods that answer a call without arguments.
pub(super) async fn answering(subject: &Subject, reporter: &mut Reporter) -> Result<Vec<String>, LoadError> {
    let mut loaded = Loaded::load(subject, 1).await?;
    let shows_life = loaded.is_alive().await;
    let mut answering = Vec::new();
    for (method, _) in loaded.methods() {
        reporter.step(format!("method `{method}` with no arguments"));
        match loaded.call(&method, Bytes::from_static(b"[]")).await {
            Outcome::Answered(..) => answering.push(method),
            Outcome::Silent if shows_life && !loaded.is_alive().await => {
                loaded.leave();
                loaded = Loaded::load(subject, 1).await?;
            }
            Outcome::Silent | Outcome::Lost => {}
        }
    }
    reporter.step("STOP, `destroy` and unloading");
    loaded.stop().await;
    Ok(answering)
}

async fn finish(
    loaded: Loaded,
    faults: Faults,
    subject: &Subject,
    reporter: &mut Reporter,
) -> Result<Vec<Finding>, LoadError> {
    reporter.step("STOP, `destroy` and unloading after the calls");
    let mut findings = faults.findings(subject.answer_time);
    findings.extend(lives::unloading(loaded.stop().await, "after these calls"));
    Ok(findings)
}
