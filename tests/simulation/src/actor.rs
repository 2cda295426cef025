//! One loaded version, played: its lanes, its state, and what it owes.
//!
//! Enters: one move of one lane at a time. Leaves: completions, requests, and faults in the ledger. Guarantees: a lane does one job
//! after the other, as a thread does; a job that keeps its lane busy keeps only that lane busy.

use crate::ledger::Ledger;
use crate::temper::{Duty, Temper};
use mesh_choices::Choices;
use mesh_core::mesh::swaps::Step;
use mesh_plugin::played::{PlayedLibrary, Taken};
use mesh_plugin::{Job, JobKind, Status};
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// The component that is swapped.
pub(crate) const COUNTER: &str = "counter";
/// The component beside it.
pub(crate) const OTHER: &str = "other";
/// The operation of a nested call has the number of the call that led to it, and this more.
pub(crate) const NESTED: u64 = 1 << 32;
/// The subscription of a counter.
const SUBSCRIPTION: u64 = 7;

#[derive(Debug, Default)]
struct LaneOfActor {
    batch: VecDeque<Job>,
    /// How many jobs the thread was handed and has not come back from.
    at_work: usize,
    /// Its present job, and until when.
    busy: Option<(Instant, Job)>,
    has_left: bool,
}

/// A call that waits for the reply of another component.
#[derive(Debug)]
struct Asking {
    call: u64,
    operation: Option<u64>,
}

#[derive(Debug)]
pub(crate) struct Actor {
    /// Its place among all actors.
    pub(crate) number: usize,
    pub(crate) component: String,
    pub(crate) library: PlayedLibrary,
    pub(crate) temper: Temper,
    /// Operations that were carried out, in order.
    pub(crate) operations: Vec<u64>,
    /// Events in its state, in order.
    pub(crate) events: Vec<usize>,
    /// The last event that this actor itself heard.
    last_heard: Option<usize>,
    lanes: Vec<LaneOfActor>,
    /// Calls that are answered later: token and operation.
    later: Vec<(u64, u64)>,
    asking: HashMap<u64, Asking>,
    next_request: u64,
    /// It took a state over after the step that gave it: what was counted until then may be lost.
    pub(crate) obeyed_late: bool,
}

/// The story beside it, as far as an actor needs to know it.
pub(crate) struct Surroundings<'a> {
    pub(crate) ledger: &'a Ledger,
    pub(crate) choices: &'a mut Choices,
    /// The steps of the swaps that go on.
    pub(crate) steps: &'a [Step],
}

impl Actor {
    pub(crate) fn new(number: usize, component: &str, library: PlayedLibrary, temper: Temper) -> Actor {
        let lanes = (0..library.lanes()).map(|_| LaneOfActor::default());
        Actor {
            number,
            component: component.to_owned(),
            lanes: lanes.collect(),
            library,
            temper,
            operations: Vec::new(),
            events: Vec::new(),
            last_heard: None,
            later: Vec::new(),
            asking: HashMap::new(),
            next_request: 100,
            obeyed_late: false,
        }
    }

    pub(crate) fn lanes(&self) -> usize {
        self.lanes.len()
    }

    pub(crate) fn has_left(&self) -> bool {
        self.lanes.iter().all(|lane| lane.has_left)
    }

    /// From now on it keeps no lane busy for long, and leaves none.
    pub(crate) fn calms_down(&mut self) {
        (self.temper.hangs, self.temper.leaves) = (0, 0);
    }

    /// Whether no thread has anything to do now.
    pub(crate) fn is_idle(&self) -> bool {
        self.library.is_idle() && self.lanes.iter().all(|lane| lane.at_work == 0 || lane.has_left)
    }

    /// One move of the thread of a lane. Returns whether there was one.
    pub(crate) fn step(&mut self, lane: usize, around: &mut Surroundings<'_>) -> bool {
        if self.lanes[lane].has_left {
            return false;
        }
        if let Some((until, _)) = &self.lanes[lane].busy {
            if Instant::now() < *until {
                return false;
            }
            if let Some((_, job)) = self.lanes[lane].busy.take() {
                self.finish(lane, job, around);
            }
            return true;
        }
        if let Some(job) = self.lanes[lane].batch.pop_front() {
            self.begin(lane, job, around);
            return true;
        }
        let at_work = std::mem::take(&mut self.lanes[lane].at_work);
        if at_work > 0 {
            self.library.worked_off(lane, at_work);
            return true;
        }
        match self.library.take(lane) {
            None => false,
            Some(Taken::End) => {
                self.lanes[lane].has_left = true;
                true
            }
            Some(Taken::Jobs(jobs)) => {
                for job in &jobs {
                    self.is_timely(job, around);
                }
                self.lanes[lane].at_work = jobs.len();
                self.lanes[lane].batch = jobs.into();
                true
            }
        }
    }

    /// Answers one of the calls that are answered later.
    pub(crate) fn answer_later(&mut self, around: &mut Surroundings<'_>) {
        if !self.later.is_empty() {
            let (token, operation) = self.later.swap_remove(around.choices.below(self.later.len()));
            self.operations.push(operation);
            self.answer(token);
        }
    }

    fn answer(&self, token: u64) {
        let payload = format!("[{}]", self.number);
        self.library.complete(token, Status::OK, payload.as_bytes());
    }

    /// Whether an order is handed over in the step that gives it.
    fn is_timely(&self, job: &Job, around: &Surroundings<'_>) {
        if !is_in_step(job.kind, around.steps) {
            let (number, steps) = (self.number, around.steps);
            around
                .ledger
                .fault(format!("version {number} is handed {:?} in {steps:?}", job.kind));
        }
    }

    fn begin(&mut self, lane: usize, job: Job, around: &mut Surroundings<'_>) {
        let temper = self.temper;
        let is_work = matches!(job.kind, JobKind::Call | JobKind::Event);
        if is_work && around.choices.percent(temper.leaves) {
            // Its jobs at hand, and all that it was to do later, are lost.
            around.ledger.book().may_lose = true;
            self.lanes[lane] = LaneOfActor {
                has_left: true,
                ..LaneOfActor::default()
            };
            self.library.leave(lane);
            return;
        }
        let takes = match job.kind {
            JobKind::Start => slowly(temper.start),
            JobKind::Snapshot => slowly(temper.snapshot),
            JobKind::Restore => slowly(temper.restore),
            JobKind::Health => slowly(temper.health),
            JobKind::Stop => slowly(temper.stop),
            _ if is_work && around.choices.percent(temper.hangs) => {
                Duration::from_millis(around.choices.below(600) as u64)
            }
            _ => Duration::ZERO,
        };
        if takes.is_zero() {
            self.finish(lane, job, around);
        } else {
            self.lanes[lane].busy = Some((Instant::now() + takes, job));
        }
    }

    fn finish(&mut self, lane: usize, job: Job, around: &mut Surroundings<'_>) {
        match job.kind {
            JobKind::Start => {
                if self.component == COUNTER {
                    let lane = around.choices.below(self.lanes.len());
                    self.library.subscribe((lane, SUBSCRIPTION), OTHER, "tick");
                }
                self.obey(&job, self.temper.start, b"");
            }
            JobKind::Health => self.obey(&job, self.temper.health, b""),
            JobKind::Stop => self.obey(&job, self.temper.stop, b""),
            JobKind::Snapshot => {
                self.is_at_rest(around);
                let state = serde_json::json!([self.operations, self.events]).to_string();
                self.obey(&job, self.temper.snapshot, state.as_bytes());
            }
            JobKind::Restore => {
                self.obeyed_late |= !is_in_step(job.kind, around.steps);
                if self.temper.restore != Duty::Fails {
                    match serde_json::from_slice(&job.payload) {
                        Ok((operations, events)) => (self.operations, self.events) = (operations, events),
                        Err(error) => around.ledger.fault(format!("the state cannot be read: {error}")),
                    }
                }
                self.obey(&job, self.temper.restore, b"");
            }
            JobKind::Event => self.hear(&job, around),
            JobKind::Call => self.call(lane, &job, around),
            JobKind::Reply => {
                if let Some(Asking { call, operation }) = self.asking.remove(&job.token) {
                    if job.status == Status::OK {
                        self.operations.extend(operation);
                        self.answer(call);
                    } else {
                        self.library.complete(call, job.status, &job.payload);
                    }
                }
            }
            JobKind::Cancel => {
                self.later.retain(|(token, _)| *token != job.token);
                self.asking.retain(|_, asking| asking.call != job.token);
            }
            JobKind::Wake | JobKind::Quiesce | JobKind::Resume | JobKind::Http => {}
        }
    }

    fn obey(&self, job: &Job, duty: Duty, payload: &[u8]) {
        match duty {
            Duty::Fails => self.library.complete(job.token, Status::ERROR, b"no"),
            Duty::Well | Duty::Slowly(_) => self.library.complete(job.token, Status::OK, payload),
        }
    }

    /// A version that gives its state has nothing else to do, on no lane.
    fn is_at_rest(&self, around: &Surroundings<'_>) {
        if !is_in_step(JobKind::Snapshot, around.steps) {
            return;
        }
        let (pending, events) = (self.library.pending(), self.library.events());
        // An order that timed out before it ended is owed by a version that does not serve.
        if pending > 1 || events > 0 {
            let number = self.number;
            around.ledger.fault(format!(
                "version {number} gives its state with {} calls pending and {events} events",
                pending - 1
            ));
        }
    }

    fn hear(&mut self, job: &Job, around: &Surroundings<'_>) {
        // Events that are no objects come wrapped.
        let value: Value = serde_json::from_slice(&job.payload).unwrap_or_default();
        let Some(event) = value["value"].as_u64().map(|event| event as usize) else {
            around.ledger.fault(format!("an event came as {:?}", job.payload));
            return;
        };
        if self.last_heard.is_some_and(|last| last >= event) {
            let last = self.last_heard;
            around.ledger.fault(format!(
                "version {} hears event {event} after {last:?}",
                self.number
            ));
        }
        self.last_heard = Some(event);
        self.events.push(event);
        around.ledger.book().heard[event].push(self.number);
    }

    fn call(&mut self, lane: usize, job: &Job, around: &mut Surroundings<'_>) {
        let text = std::str::from_utf8(&job.payload).unwrap_or_default();
        let Ok(operation) = text.trim_matches(['[', ']']).parse::<u64>() else {
            around.ledger.fault(format!("a call came as {text}"));
            return;
        };
        if around.choices.percent(self.temper.panics) {
            return self.library.complete(job.token, Status::PANIC, b"[\"panicked\"]");
        }
        if around.choices.percent(self.temper.errors) {
            return self.library.complete(job.token, Status::ERROR, b"[\"failed\"]");
        }
        match &*job.target {
            b"count" => {
                self.operations.push(operation);
                self.answer(job.token);
            }
            b"later" => self.later.push((job.token, operation)),
            // The other component answers at once, or counts one here before it does.
            b"ask" => self.ask((lane, job.token), Some(operation), (OTHER, "echo"), operation),
            b"ask_back" => self.ask((lane, job.token), Some(operation), (OTHER, "back"), operation),
            b"echo" => self.answer(job.token),
            _ => self.ask((lane, job.token), None, (COUNTER, "count"), operation | NESTED),
        }
    }

    fn ask(
        &mut self,
        (lane, call): (usize, u64),
        operation: Option<u64>,
        target: (&str, &str),
        argument: u64,
    ) {
        self.next_request += 1;
        let asking = Asking { call, operation };
        self.asking.insert(self.next_request, asking);
        let argument = format!("[{argument}]");
        self.library
            .call((lane, self.next_request), target, argument.as_bytes());
    }
}

fn slowly(duty: Duty) -> Duration {
    match duty {
        Duty::Slowly(time) => time,
        Duty::Well | Duty::Fails => Duration::ZERO,
    }
}

/// Whether these are steps of swaps in which such an order is given. All other jobs come at any time.
fn is_in_step(kind: JobKind, steps: &[Step]) -> bool {
    let giving: &[Step] = match kind {
        // The first versions start without a swap.
        JobKind::Start | JobKind::Health if steps.is_empty() => return true,
        JobKind::Start => &[Step::Start],
        JobKind::Health => &[Step::Health, Step::Probation],
        JobKind::Snapshot => &[Step::Snapshot, Step::SnapshotBack],
        JobKind::Restore => &[Step::Restore, Step::RestoreBack],
        _ => return true,
    };
    steps.iter().any(|step| giving.contains(step))
}
