//! The component under test: loaded, called, given up, stopped.
//!
//! Enters: methods and payloads. Leaves: an [`Outcome`] for each call, whatever the component does.
//! Guarantees: no call waits longer than the subject's answer time; what completes more often than it was called is
//! counted.

use super::Subject;
use crate::server;
use bytes::Bytes;
use mesh_http::web::{Failure, Reply, ended};
use mesh_plugin::inside::Alone;
use mesh_plugin::{
    Abandoned, Answer, Awaited, Component, Job, JobKind, Limits, LoadError, LoadRequest, Rehearsal, Unloaded,
};
use mesh_wire::origin::Origin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Room for the largest payloads, many times.
const QUEUE_LIMIT: usize = 256 << 20;

/// How long a component may take to stop.
const STOP_TIME: Duration = Duration::from_secs(2);

/// The method that no component has.
pub(super) const UNKNOWN_METHOD: &str = "noSuchMethod";

/// How a call ended.
pub(super) enum Outcome {
    /// With this status and payload.
    Answered(i32, Vec<u8>),
    /// It did not end in time.
    Silent,
    /// The host did not take it, or dropped it.
    Lost,
}

/// A loaded component.
pub(super) struct Loaded {
    component: Component,
    services: Arc<Alone>,
    answer_time: Duration,
    /// Calls that were given up: each may be completed late once.
    given_up: AtomicU64,
    /// Completions too many that were reported already.
    reported: u64,
}

struct Replied(oneshot::Sender<Outcome>);

impl Answer for Replied {
    fn answer(self: Box<Self>, status: i32, payload: &[u8]) {
        let _ = self.0.send(Outcome::Answered(status, payload.to_vec()));
    }

    fn abandon(self: Box<Self>, why: Abandoned) {
        let outcome = match why {
            Abandoned::TimedOut => Outcome::Silent,
            Abandoned::Stopped | Abandoned::Replaced => Outcome::Lost,
        };
        let _ = self.0.send(outcome);
    }
}

impl Loaded {
    /// Loads the subject's component and starts it. Whether it is well is another check's business: what it needs of
    /// other components is not there.
    pub(super) async fn load(subject: &Subject, lanes: u32) -> Result<Loaded, LoadError> {
        let loaded = Loaded::create(subject, lanes).await?;
        if let Err(error) = loaded.start(subject).await {
            loaded.discard().await;
            return Err(error);
        }
        Ok(loaded)
    }

    /// Loads the subject's component, which has not started yet.
    pub(super) async fn create(subject: &Subject, lanes: u32) -> Result<Loaded, LoadError> {
        let services = Alone::new();
        let component = Component::create(LoadRequest {
            library: subject.library.clone(),
            name: "checked".to_owned(),
            mesh: "check-plugin".to_owned(),
            domain: "check-plugin".to_owned(),
            config: subject.config.clone(),
            lanes,
            stack_bytes: subject.stack_bytes,
            limits: Limits {
                bytes: QUEUE_LIMIT,
                calls_of_each: usize::MAX,
                lanes: 1,
            },
            stage: server::stage(Rehearsal::off())?,
            start_timeout: subject.step_time / 2,
            services: services.clone(),
            delegates: false,
            approve: Box::new(|_| Ok(())),
        })
        .await?;
        Ok(Loaded {
            component,
            services,
            answer_time: subject.answer_time,
            given_up: AtomicU64::new(0),
            reported: 0,
        })
    }

    /// Starts what was created.
    pub(super) async fn start(&self, subject: &Subject) -> Result<(), LoadError> {
        self.component.start(subject.step_time / 2).await
    }

    /// Unloads what never started.
    pub(super) async fn discard(&self) -> Unloaded {
        self.component.discard(STOP_TIME).await
    }

    /// How many events it has published so far.
    pub(super) fn emitted(&self) -> u64 {
        self.services.emitted()
    }

    /// The names of the methods, with their numbers of parameters.
    pub(super) fn methods(&self) -> Vec<(String, usize)> {
        let methods = self.component.descriptor().methods().iter();
        methods
            .map(|method| {
                let parameters: Vec<serde_json::Value> =
                    serde_json::from_str(method.parameters().get()).unwrap_or_default();
                (method.name().to_owned(), parameters.len())
            })
            .collect()
    }

    /// Calls a method and waits for the end of the call.
    pub(super) async fn call(&self, method: &str, payload: Bytes) -> Outcome {
        let outcome = self.submit(method, payload, self.answer_time);
        self.outcome(outcome).await
    }

    /// Whether it answers requests for the web routes that it declares.
    pub(super) fn answers_web_requests(&self) -> bool {
        self.component.answers_web_requests()
    }

    /// Asks for a web route and waits for the end of the request.
    pub(super) async fn request(&self, route: &str, head: String, body: Bytes) -> Result<Reply, Failure> {
        let (waiting, outcome) = Awaited::new();
        let job = Job {
            method: self.component.descriptor().route(route).unwrap_or(u32::MAX),
            target: head.into(),
            payload: body,
            origin: Some(Origin::of_session("check-plugin")),
            deadline_milliseconds: self.answer_time.as_millis() as u32,
            ..Job::new(JobKind::Http, 0)
        };
        let deadline = Instant::now() + self.answer_time;
        match self.component.call(job, Box::new(waiting), deadline) {
            Ok(wake) => drop(wake),
            Err(refused) => refused.answer.abandon(Abandoned::Stopped),
        }
        let ended = ended(outcome.wait(self.answer_time).await, route, self.answer_time);
        if matches!(ended, Err(Failure::TimedOut(_))) {
            // The deadline may lie a moment behind that of the timer.
            tokio::time::sleep(Duration::from_millis(2)).await;
            self.give_up();
        }
        ended
    }

    /// Gives it an order of the host's own, and waits for its completion. Only for components with one lane, since
    /// orders go to the first.
    pub(super) async fn order(&self, kind: JobKind) -> Outcome {
        self.give(Job::new(kind, 0)).await
    }

    /// Gives it a state that was written with this schema, and waits as [`Loaded::order`].
    pub(super) async fn restore(&self, state: Bytes, schema: u32) -> Outcome {
        let job = Job {
            payload: state,
            method: schema,
            ..Job::new(JobKind::Restore, 0)
        };
        self.give(job).await
    }

    async fn give(&self, job: Job) -> Outcome {
        let (sender, outcome) = oneshot::channel();
        self.hand_over(job, sender, self.answer_time);
        self.outcome(outcome).await
    }

    fn hand_over(&self, job: Job, sender: oneshot::Sender<Outcome>, time: Duration) {
        match self
            .component
            .call(job, Box::new(Replied(sender)), Instant::now() + time)
        {
            Ok(wake) => drop(wake),
            Err(refused) => refused.answer.abandon(Abandoned::Stopped),
        }
    }

    /// Waits for the end of a call, and gives it up in time.
    pub(super) async fn outcome(&self, outcome: oneshot::Receiver<Outcome>) -> Outcome {
        match tokio::time::timeout(self.answer_time, outcome).await {
            Ok(outcome) => outcome.unwrap_or(Outcome::Lost),
            Err(_) => {
                // The deadline may lie a moment behind that of the timer.
                tokio::time::sleep(Duration::from_millis(2)).await;
                self.give_up();
                Outcome::Silent
            }
        }
    }

    /// Calls a method that must be over after that time.
    pub(super) fn submit(&self, method: &str, payload: Bytes, time: Duration) -> oneshot::Receiver<Outcome> {
        let (sender, outcome) = oneshot::channel();
        let known = self.component.descriptor().method(method);
        let job = Job {
            method: known.map_or(u32::MAX, |(position, _)| position),
            target: Bytes::copy_from_slice(method.as_bytes()),
            payload,
            origin: Some(Origin::of_session("check-plugin")),
            deadline_milliseconds: time.as_millis() as u32,
            ..Job::new(JobKind::Call, 0)
        };
        self.hand_over(job, sender, time);
        outcome
    }

    /// Gives up the calls whose time is over.
    pub(super) fn give_up(&self) {
        let before = self.component.timeouts();
        self.component.expire(Instant::now());
        self.given_up
            .fetch_add(self.component.timeouts() - before, Ordering::Relaxed);
    }

    /// Whether it does any work: whether it answers a call of a method that it lacks.
    pub(super) async fn is_alive(&self) -> bool {
        let outcome = self.call(UNKNOWN_METHOD, Bytes::from_static(b"[]")).await;
        matches!(outcome, Outcome::Answered(..))
    }

    /// Whether there were more completions than calls since this was asked last. Waits for those on their way.
    pub(super) async fn completed_twice(&mut self) -> bool {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let surplus = self
            .component
            .late_completions()
            .saturating_sub(self.given_up.load(Ordering::Relaxed));
        let more = surplus > self.reported;
        self.reported = self.reported.max(surplus);
        more
    }

    /// Queues work that owes nothing.
    pub(super) fn push(&self, job: Job) {
        self.component.instance().push(0, job);
    }

    /// Stops it and unloads its library.
    pub(super) async fn stop(&self) -> Unloaded {
        self.component.stop(STOP_TIME).await
    }

    /// As [`Loaded::stop`], with work that arrives behind the order to stop.
    pub(super) async fn stop_followed_by(&self, behind: Vec<Job>) -> Unloaded {
        self.component.stop_followed_by(STOP_TIME, behind).await
    }

    /// Leaves it alone for the rest of the process' life: a lane of its own does not return.
    pub(super) fn leave(self) {
        std::mem::forget(self);
    }
}
