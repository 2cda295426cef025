//! Orders of the host to a loaded version: start, give and take state, pause, stop; and holding calls back while
//! versions change places.
//!
//! Enters: orders, each with a limit of time. Leaves: their outcome, in one sentence where it is bad.
//! Guarantees: an order is answered within its limit, whatever the component does.

use super::component::{Component, ComponentState};
use super::intake::{Nested, Waiting};
use super::job::{Abandoned, Answer, Job, JobKind};
use super::lane::Lane;
use super::runner::Unloaded;
use super::{Fate, LoadError, LoadErrorKind, Status};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How often it is looked whether calls have been answered.
const LOOK: Duration = Duration::from_millis(1);

/// A lane counts as one that stands still only after so many looks that found no answer.
const LOOKS_OF_A_STANDSTILL: usize = 50;

/// How long an order may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How long from now.
    pub left: Duration,
    /// The limit that this is the rest of, as it is told.
    pub limit: Duration,
}

impl From<Duration> for Patience {
    fn from(limit: Duration) -> Patience {
        Patience { left: limit, limit }
    }
}

impl Component {
    /// Tells it to get ready.
    ///
    /// # Errors
    ///
    /// [`LoadErrorKind::Start`] when it does not want to, or not within `patience`.
    pub async fn start(&self, patience: impl Into<Patience>) -> Result<(), LoadError> {
        let outcome = self.order(Job::new(JobKind::Start, 0), patience).await;
        outcome.map_err(|neglect| self.failed(LoadErrorKind::Start, "did not start", &neglect))?;
        self.set_state(ComponentState::Active);
        Ok(())
    }

    /// Asks it how it is, where it can say.
    ///
    /// # Errors
    ///
    /// [`LoadErrorKind::Health`] when it is not well, or does not say within `patience`.
    pub async fn check_health(&self, patience: impl Into<Patience>) -> Result<(), LoadError> {
        if self.descriptor().has_health() {
            let outcome = self.order(Job::new(JobKind::Health, 0), patience).await;
            outcome.map_err(|neglect| self.failed(LoadErrorKind::Health, "is not healthy", &neglect))?;
        }
        Ok(())
    }

    /// Asks for its state, which may have so many bytes.
    ///
    /// # Errors
    ///
    /// [`LoadErrorKind::State`] when it does not give it, or not within `patience`, or when it is longer.
    pub async fn snapshot(
        &self,
        patience: impl Into<Patience>,
        most_bytes: usize,
    ) -> Result<Bytes, LoadError> {
        let order = Order {
            most_bytes: Some(most_bytes),
            ..Order::of(Job::new(JobKind::Snapshot, 0))
        };
        let outcome = self.give(order, patience.into()).await;
        outcome.map_err(|neglect| self.failed(LoadErrorKind::State, "did not give its state", &neglect))
    }

    /// Hands it a state that was written with this schema.
    ///
    /// # Errors
    ///
    /// [`LoadErrorKind::State`] when it does not take it, or not within `patience`. With [`Fate::UnderWay`] it may still take it
    /// and lose what it counts until then, so that it must not serve.
    pub async fn restore(
        &self,
        state: Bytes,
        schema: u32,
        patience: impl Into<Patience>,
    ) -> Result<(), LoadError> {
        let job = Job {
            payload: state,
            method: schema,
            ..Job::new(JobKind::Restore, 0)
        };
        let outcome = self.order(job, patience).await;
        outcome
            .map_err(|neglect| self.failed(LoadErrorKind::State, "did not take over the state", &neglect))?;
        Ok(())
    }

    /// Tells it that another version has taken over, or that it serves again.
    pub fn hint(&self, kind: JobKind) {
        self.instance.push(0, Job::new(kind, 0));
    }

    /// Lets calls and events wait from now on.
    pub fn hold(&self, nested: Nested) {
        Lane::hold_all(self.instance.lanes().iter(), nested);
    }

    /// As [`Component::hold`], for all of these from the same moment on.
    pub fn hold_all(components: &[Arc<Component>], nested: Nested) {
        let lanes = components.iter().flat_map(|component| component.instance.lanes());
        Lane::hold_all(lanes, nested);
    }

    /// Whether none of these components, which hold calls back, has a call under way or an event to work on. From then on nested
    /// calls wait, too.
    pub fn have_settled(components: &[Arc<Component>]) -> bool {
        let lanes = components.iter().flat_map(|component| component.instance.lanes());
        Lane::close_for_nested_when_settled(lanes)
    }

    /// Takes in what waits, and what comes from now on.
    pub fn release(&self) {
        let lanes = self.instance.lanes();
        // A lane that did not give its state may never come back from it: what came before that was known goes elsewhere.
        if let Some(quietest) = self.instance.quietest() {
            let hanging = lanes
                .iter()
                .filter(|lane| lane.hangs() && !Arc::ptr_eq(lane, quietest));
            for lane in hanging {
                let calls = lane.take_waiting_calls();
                if !calls.is_empty() {
                    quietest.adopt(calls);
                }
            }
        }
        lanes.iter().for_each(|lane| lane.release());
    }

    /// Refuses calls from now on, so that they are routed again. Returns what waited.
    pub fn seal(&self) -> Vec<Waiting> {
        self.instance
            .lanes()
            .iter()
            .flat_map(|lane| lane.seal())
            .collect()
    }

    /// Takes over what waited for another version, before all that waits here. Returns the calls of methods that it does
    /// not have.
    pub fn adopt(&self, from: &Component, waiting: Vec<Waiting>) -> Vec<Waiting> {
        let counterparts = self.instance.counterparts(&from.instance);
        let lanes = self.instance.lanes();
        let mut by_lane: Vec<Vec<Waiting>> = lanes.iter().map(|_| Vec::new()).collect();
        let mut foreign = Vec::new();
        for (turn, mut waiting) in waiting.into_iter().enumerate() {
            let lane = if waiting.call.is_some() {
                let Some(position) = self.counterpart(from, &waiting.job) else {
                    foreign.push(waiting);
                    continue;
                };
                waiting.job.method = position;
                turn % lanes.len().max(1)
            } else {
                // An event that this version does not listen to is none of its business.
                let Some((lane, token)) = counterparts.get(&waiting.job.token) else {
                    continue;
                };
                waiting.job.token = *token;
                *lane as usize
            };
            if let Some(lane) = by_lane.get_mut(lane) {
                lane.push(waiting);
            }
        }
        for (lane, earlier) in lanes.iter().zip(by_lane) {
            lane.adopt(earlier);
        }
        foreign
    }

    /// Where this version has the method or the web route that a call for another version means.
    fn counterpart(&self, other: &Component, job: &Job) -> Option<u32> {
        if job.kind == JobKind::Http {
            let (name, _) = other.descriptor().routes().get(job.method as usize)?;
            return self
                .descriptor()
                .route(name)
                .filter(|_| self.answers_web_requests());
        }
        let name = std::str::from_utf8(&job.target).ok()?;
        self.descriptor().method(name).map(|(position, _)| position)
    }

    /// Waits until it has answered all calls that it has, for at most `patience`. Returns how many are left.
    pub async fn settle(&self, patience: Duration) -> usize {
        let until = Instant::now() + patience;
        loop {
            match self.pending() {
                0 => return 0,
                left if Instant::now() >= until => return left,
                _ => tokio::time::sleep(LOOK).await,
            }
        }
    }

    /// Waits for the answers of calls that these have. It waits for `later` where a component answers later than it is handed a
    /// call, and goes on while threads that have not come to their calls answer one at least in each `standstill`. Returns whether
    /// they came to all of them.
    pub async fn catch_up(components: &[&Component], later: Duration, standstill: Duration) -> bool {
        let began = Instant::now();
        let (mut least, mut answered, mut looks) = (usize::MAX, began, 0);
        loop {
            let pending: usize = components.iter().map(|component| component.pending()).sum();
            let now = Instant::now();
            if pending < least {
                (least, answered, looks) = (pending, now, 0);
            }
            let is_busy = || {
                let mut lanes = components.iter().flat_map(|component| component.instance.lanes());
                lanes.any(|lane| lane.is_busy())
            };
            if pending == 0 || (now >= began + later && !is_busy()) {
                return true;
            }
            // Time that passed while the whole process stood still, as in a machine that was paused, is no lane's fault.
            if looks >= LOOKS_OF_A_STANDSTILL && now >= answered + standstill {
                return false;
            }
            looks += 1;
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Gives up the calls that it has not answered.
    pub fn abandon_calls(&self, why: Abandoned) -> usize {
        self.instance.lanes().iter().map(|lane| lane.abandon(why)).sum()
    }

    /// Waits until no call is left, for at most `drain`; stops the component and unloads its library.
    pub async fn stop(&self, drain: Duration) -> Unloaded {
        self.stop_followed_by(drain, Vec::new()).await
    }

    /// As [`Component::stop`], with work that was on its way already and arrives behind the order to stop, as it may
    /// happen to every component.
    pub async fn stop_followed_by(&self, drain: Duration, behind: Vec<Job>) -> Unloaded {
        self.set_state(ComponentState::Draining);
        self.settle(drain).await;
        let patience = drain.max(Duration::from_secs(1));
        let order = Order {
            behind,
            ..Order::of(Job::new(JobKind::Stop, 0))
        };
        if let Err(neglect) = self.give(order, patience.into()).await {
            tracing::warn!(
                component = self.name(),
                "the component did not stop properly: {}",
                neglect.reason
            );
        }
        self.discard(drain.max(Duration::from_secs(2))).await
    }

    /// Orders the component to stop. The error is the reason that it gives.
    pub(super) async fn order_to_stop(&self, patience: Duration) -> Result<(), String> {
        self.set_state(ComponentState::Draining);
        let stopped = self.order(Job::new(JobKind::Stop, 0), patience).await;
        stopped.map(drop).map_err(|neglect| neglect.reason)
    }

    /// Ends the lanes of a component that has stopped or never started, and unloads its library.
    pub async fn discard(&self, patience: Duration) -> Unloaded {
        for lane in self.instance.lanes() {
            lane.close();
        }
        let unloaded = self.runner.end(patience).await;
        // Threads of a library that stays in memory ask for nothing any more.
        self.instance.end();
        self.abandon_calls(Abandoned::Stopped);
        self.set_state(ComponentState::Stopped);
        unloaded
    }

    fn failed(&self, kind: LoadErrorKind, what: &str, neglect: &Neglect) -> LoadError {
        let (name, library, reason) = (self.name(), self.library().display(), &neglect.reason);
        let error = LoadError::new(kind, format!("component {name} of {library} {what}: {reason}"));
        error.with_fate(neglect.fate)
    }

    /// Gives an order to lane 0 and waits for its completion.
    async fn order(&self, job: Job, patience: impl Into<Patience>) -> Result<Bytes, Neglect> {
        self.give(Order::of(job), patience.into()).await
    }

    async fn give(&self, order: Order, patience: Patience) -> Result<Bytes, Neglect> {
        let (sender, outcome) = oneshot::channel();
        let kind = order.job.kind;
        let reply = Reply {
            sender,
            most_bytes: order.most_bytes,
        };
        let Some(lane) = self.instance.lanes().first() else {
            return Err(Neglect::over("it has no lane"));
        };
        match lane.submit(
            order.job,
            Box::new(reply),
            (Instant::now() + patience.left).into_std(),
        ) {
            Ok(wake) => {
                order.behind.into_iter().for_each(|job| drop(lane.push(job)));
                drop(wake);
            }
            Err(_) => return Err(Neglect::over("its lane takes no more work")),
        }
        match tokio::time::timeout(patience.left, outcome).await {
            Ok(Ok(Ok(payload))) => Ok(payload),
            Ok(Ok(Err(Failure::Reason(reason)))) => Err(Neglect::over(reason)),
            Ok(Err(_)) => Err(Neglect::over("it was given up")),
            // The lane gives up what is late as well, and may look at the clock first. It leaves the order in its queue.
            Ok(Ok(Err(Failure::Late))) | Err(_) => {
                // The order to stop stays: the lane ends behind it, however late.
                let fate = match kind == JobKind::Stop || !lane.withdraw(kind) {
                    true => Fate::UnderWay,
                    false => Fate::Over,
                };
                if fate == Fate::UnderWay {
                    lane.note_that_it_hangs();
                    // Nobody waits for its outcome. It must not count as a call that the next hand-over has to wait for.
                    self.expire(Instant::now().into_std());
                }
                let limit = patience.limit.as_millis();
                let reason = format!("it did not answer within {limit} ms");
                Err(Neglect { reason, fate })
            }
        }
    }
}

/// An order, and the work and bytes that go with it.
struct Order {
    job: Job,
    /// Work that arrives behind it.
    behind: Vec<Job>,
    /// How many bytes may come back. Where none are wanted, those that come are not looked at.
    most_bytes: Option<usize>,
}

impl Order {
    fn of(job: Job) -> Order {
        Order {
            job,
            behind: Vec::new(),
            most_bytes: None,
        }
    }
}

/// An order that was not carried out.
struct Neglect {
    reason: String,
    /// Whether it may still be carried out.
    fate: Fate,
}

impl Neglect {
    fn over(reason: impl Into<String>) -> Neglect {
        Neglect {
            reason: reason.into(),
            fate: Fate::Over,
        }
    }
}

/// Why an order was not carried out.
enum Failure {
    /// For this reason.
    Reason(String),
    /// Its time was over.
    Late,
}

/// Waits for the outcome of an order.
struct Reply {
    sender: oneshot::Sender<Result<Bytes, Failure>>,
    /// As in [`Order`].
    most_bytes: Option<usize>,
}

impl Answer for Reply {
    fn answer(self: Box<Self>, status: i32, payload: &[u8]) {
        let bytes = payload.len();
        let outcome = match self.most_bytes {
            _ if status != Status::OK => Err(Failure::Reason(reason_of(payload))),
            None => Ok(Bytes::new()),
            Some(most) if bytes > most => Err(Failure::Reason(format!(
                "its state has {bytes} bytes, and may have {most}: raise `max_state_bytes` in [swap], or keep in documents or files \
                 what is so large"
            ))),
            Some(_) => Ok(Bytes::copy_from_slice(payload)),
        };
        let _ = self.sender.send(outcome);
    }

    fn is_unwanted(&self) -> bool {
        self.sender.is_closed()
    }

    fn abandon(self: Box<Self>, why: Abandoned) {
        let failure = match why {
            Abandoned::TimedOut => Failure::Late,
            Abandoned::Stopped | Abandoned::Replaced => {
                Failure::Reason("it ended without an answer".to_owned())
            }
        };
        let _ = self.sender.send(Err(failure));
    }
}

/// A reason that is longer is not looked at.
const LONGEST_REASON: usize = 64 * 1024;

/// The message of an error payload, or the payload itself.
fn reason_of(payload: &[u8]) -> String {
    if payload.len() > LONGEST_REASON {
        return format!(
            "it gave a reason of {} bytes, and a reason may have {LONGEST_REASON}",
            payload.len()
        );
    }
    let value: serde_json::Value = serde_json::from_slice(payload).unwrap_or_default();
    let error = value.get(0).unwrap_or(&value);
    match error.get("message").and_then(serde_json::Value::as_str) {
        Some(message) => message.to_owned(),
        None if payload.is_empty() => "it gave no reason".to_owned(),
        None => String::from_utf8_lossy(payload).into_owned(),
    }
}
