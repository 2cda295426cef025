//! The checks of a component's life, and of work that it does not expect.
//!
//! Enters: a subject. Leaves: findings. Guarantees: a library that stays in memory is always said to.

use super::report::{About, Finding, Message, Reporter};
use super::subject::Loaded;
use super::{Subject, entry};
use crate::server;
use bytes::Bytes;
use mesh_plugin::{Component, Job, JobKind, LoadError, LoadErrorKind, Rehearsal, Unloaded};
use mesh_wire::address::Address;
use std::time::{Duration, Instant};

/// An end that takes longer is noteworthy.
const SLOW_END: Duration = Duration::from_secs(1);

/// Opens the library and asks what it is.
pub(super) async fn inspect(subject: &Subject, reporter: &mut Reporter) -> Result<Vec<Finding>, LoadError> {
    reporter.step("opening the library");
    let stage = server::stage(Rehearsal::off())?;
    let descriptor = match Component::inspect(subject.library.clone(), stage).await {
        Ok(descriptor) => descriptor,
        Err(error) if error.kind() == LoadErrorKind::Description => {
            // Nothing else is checked, and the host names one fault alone.
            for fault in entry::schema(subject, reporter).await.unwrap_or_default() {
                reporter.found(fault);
            }
            return Err(error);
        }
        Err(error) => return Err(error),
    };
    reporter.send(&Message::About(About {
        name: descriptor.name().to_owned(),
        version: descriptor.version().text().to_owned(),
        sdk: descriptor.sdk().to_owned(),
        methods: descriptor.methods().len(),
    }));
    let none = descriptor.methods().is_empty() && descriptor.events().get() == "{}";
    Ok(none
        .then(|| {
            Finding::warning(
                "it declares neither methods nor events: a component without them does nothing for others",
            )
        })
        .into_iter()
        .collect())
}

/// Creates, starts, stops and destroys: one, and then two at the same time.
pub(super) async fn lifecycle(subject: &Subject, reporter: &mut Reporter) -> Result<Vec<Finding>, LoadError> {
    reporter.step("`create` and START");
    let mut findings = Vec::new();
    let mut first = Loaded::load(subject, 1).await?;
    reporter.step("STOP, `destroy` and unloading");
    let began = Instant::now();
    let unloaded = first.stop().await;
    let took = began.elapsed();
    if unloaded == Unloaded::Gone && took > SLOW_END {
        findings.push(Finding::warning(format!(
            "STOP, `destroy` and unloading took {} ms: a swap waits for them before it reports its end, so give back what \
             is quick and let the rest be",
            took.as_millis()
        )));
    }
    findings.extend(unloading(unloaded, "after a life without calls"));
    findings.extend(completed_once(&mut first).await);

    reporter.step("`create` and START once more");
    let mut older = Loaded::load(subject, 2).await?;
    reporter.step("`create` and START of a second instance");
    let newer = match Loaded::load(subject, 2).await {
        Ok(newer) => newer,
        Err(error) => {
            let sentence =
                format!("a second instance could not be made beside the first, as a swap does: {error}");
            reporter.step("STOP, `destroy` and unloading of the first instance");
            older.stop().await;
            return Ok(vec![Finding::failed(sentence)]);
        }
    };
    reporter.step("STOP, `destroy` and unloading while a second instance lives");
    findings.extend(unloading(older.stop().await, "while a second instance lives"));
    findings.extend(completed_once(&mut older).await);
    reporter.step("STOP, `destroy` and unloading of the second instance");
    findings.extend(unloading(newer.stop().await, "after the older of two instances"));
    findings.dedup();
    Ok(findings)
}

/// Events of subscriptions, replies to requests and hints about calls that never were; and events behind `STOP`.
pub(super) async fn unexpected_work(
    subject: &Subject,
    reporter: &mut Reporter,
) -> Result<Vec<Finding>, LoadError> {
    let mut findings = Vec::new();
    let mut loaded = Loaded::load(subject, 1).await?;
    let shows_life = loaded.is_alive().await;
    loaded.completed_twice().await;
    for (words, kind) in [
        ("events of unknown subscriptions", JobKind::Event),
        ("replies to unknown requests", JobKind::Reply),
        ("CANCEL of unknown calls", JobKind::Cancel),
        ("WAKE that nobody asked for", JobKind::Wake),
    ] {
        reporter.step(words);
        for job in unasked(kind) {
            loaded.push(job);
        }
        if shows_life && !loaded.is_alive().await {
            findings.push(Finding::failed(format!(
                "it answers no calls after {words}: work that it does not know must be ignored"
            )));
            loaded.leave();
            loaded = Loaded::load(subject, 1).await?;
        }
        if loaded.completed_twice().await {
            let sentence =
                format!("it completed {words}: there is nothing to complete, they should be ignored");
            // A host never sends such replies, except to calls that it has given up; then they do no harm.
            findings.push(match kind {
                JobKind::Reply => Finding::warning(sentence),
                _ => Finding::failed(sentence),
            });
        }
    }
    reporter.step("events behind STOP");
    let behind = unasked(JobKind::Event).chain(unasked(JobKind::Reply));
    let unloaded = loaded.stop_followed_by(behind.collect()).await;
    findings.extend(unloading(unloaded, "after events behind STOP"));
    Ok(findings)
}

/// An event that nobody listens to.
const NOWHERE: Address<'_> = Address::Event {
    domain: "check-plugin",
    component: "nobody",
    key: "nothing",
};

fn unasked(kind: JobKind) -> impl Iterator<Item = Job> {
    [1, 2, 77, u64::from(u32::MAX) + 1, u64::MAX]
        .into_iter()
        .flat_map(move |token| {
            ["", "null", "{}", "[1,{\"a\":\"b\"}]"].map(|payload| Job {
                target: NOWHERE.to_string().into(),
                payload: Bytes::from_static(payload.as_bytes()),
                meta: "{}".to_owned(),
                status: i32::from(kind == JobKind::Reply && payload.is_empty()),
                ..Job::new(kind, token)
            })
        })
}

/// The fault when a library did not go.
pub(super) fn unloading(unloaded: Unloaded, when: &str) -> Option<Finding> {
    match unloaded {
        Unloaded::Gone => None,
        Unloaded::Resident(reason) => Some(Finding::failed(format!(
            "{when} it stays in memory, since {reason}: threads must have ended and `work` and `destroy` returned, so that nothing holds the library"
        ))),
    }
}

async fn completed_once(loaded: &mut Loaded) -> Option<Finding> {
    loaded.completed_twice().await.then(|| {
        Finding::failed(
            "it completed START or STOP more than once: each token must be completed exactly once",
        )
    })
}
