//! Common parts of the checks of state, health and pausing. They see how an order of the host ends, and whether the
//! component still serves after it.
//!
//! Enters: the [`Outcome`] of an order. Leaves: the bytes that it gave, or a [`Finding`]. Guarantees: each
//! sentence says what was seen and what the contract asks for.

use super::calls;
use super::judge::reason;
use super::report::{Finding, Reporter};
use super::subject::{Loaded, Outcome};
use super::{Subject, lives};
use crate::server;
use bytes::Bytes;
use mesh_plugin::{Component, Descriptor, LoadError, Rehearsal, Status};

/// The library's own description, without making an instance of it.
pub(super) async fn descriptor(subject: &Subject, reporter: &mut Reporter) -> Result<Descriptor, LoadError> {
    reporter.step("opening the library");
    Component::inspect(subject.library.clone(), server::stage(Rehearsal::off())?).await
}

/// The bytes of an order that must succeed. `order` is the sentence's subject, `right` what the contract says.
pub(super) fn succeeded(
    outcome: Outcome,
    order: &str,
    right: &str,
    subject: &Subject,
) -> Result<Bytes, Finding> {
    let seen = match outcome {
        Outcome::Answered(Status::OK, payload) => return Ok(Bytes::from(payload)),
        Outcome::Answered(Status::PANIC, payload) => format!("panicked ({})", reason(&payload)),
        Outcome::Answered(_, payload) => format!("was completed with an error ({})", reason(&payload)),
        Outcome::Silent => format!("was not completed within {} ms", subject.answer_time.as_millis()),
        Outcome::Lost => "could not be handed over or was dropped".to_owned(),
    };
    Err(Finding::failed(format!("{order} {seen}: {right}")))
}

/// The fault when an order was completed more than once.
pub(super) async fn completed_once(loaded: &mut Loaded, order: &str) -> Option<Finding> {
    loaded.completed_twice().await.then(|| {
        Finding::failed(format!(
            "{order} was completed more than once: each token must be completed exactly once"
        ))
    })
}

/// By what a component shows that it serves.
pub(super) struct Signs {
    /// Methods that answer calls without arguments.
    pub(super) methods: Vec<String>,
    answers_unknown: bool,
}

impl Signs {
    /// Tries out what it answers.
    pub(super) async fn of(subject: &Subject, reporter: &mut Reporter) -> Result<Signs, LoadError> {
        let methods = calls::answering(subject, reporter).await?;
        let loaded = Loaded::load(subject, 1).await?;
        let answers_unknown = loaded.is_alive().await;
        loaded.stop().await;
        Ok(Signs {
            methods,
            answers_unknown,
        })
    }

    /// The fault when it does not answer now. A component that never answers anything is not blamed here.
    pub(super) async fn missing(&self, loaded: &Loaded, when: &str) -> Option<Finding> {
        let serves = match self.methods.first() {
            Some(method) => {
                let outcome = loaded.call(method, Bytes::from_static(b"[]")).await;
                matches!(outcome, Outcome::Answered(..))
            }
            None => !self.answers_unknown || loaded.is_alive().await,
        };
        (!serves).then(|| {
            Finding::failed(format!(
                "it answers no calls {when}: it has to serve from then on as it did before"
            ))
        })
    }
}

/// Stops a component in good order; one that does not answer any more is left alone.
pub(super) async fn stop(loaded: Loaded, answers: bool, when: &str) -> Option<Finding> {
    if answers {
        return lives::unloading(loaded.stop().await, when);
    }
    loaded.leave();
    None
}
