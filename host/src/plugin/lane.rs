//! One lane: the queue between the host and one thread of a loaded component, and the calls that it still owes.
//!
//! What enters: [`Job`]s from any thread. What leaves: batches of jobs, taken by the lane's own thread. Guarantees:
//! calls and events in the queue are bounded in bytes, and calls in flight in number; a sleeping lane is woken once for all
//! that was queued meanwhile; a token is valid for one completion.

mod refused;

pub use refused::{Refusal, Refused};

use super::Status;
use super::faults::Faults;
use super::intake::{Intake, Nested, Waiting};
use super::job::{Abandoned, Answer, Job, JobKind, Response};
use super::latency::Latency;
use super::slots::{Slots, Ticket};
use crate::session::After;
use bytes::Bytes;
use std::collections::HashSet;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

struct Pending {
    answer: Box<dyn Answer>,
    deadline: Instant,
    /// For a call, how many milliseconds it may take; 0 for what the host itself asks.
    limit_milliseconds: u32,
    /// Who called. Boxed, and kept only where somebody will ask: most calls shall not pay for it.
    origin: Option<Box<Bytes>>,
}

impl Pending {
    /// For a call, how long ago it was taken.
    fn took(&self) -> Option<Duration> {
        let limit = Duration::from_millis(u64::from(self.limit_milliseconds));
        let taken = self.deadline.checked_sub(limit)?;
        (self.limit_milliseconds > 0).then(|| taken.elapsed())
    }
}

/// More calls than this never wait for completion at one lane.
const MOST_PENDING: usize = 100_000;

/// The queue and the debts of one lane.
pub struct Lane {
    number: u32,
    state: Mutex<State>,
    ready: Condvar,
    /// Signalled in place of `ready` where the component drives the lane itself.
    descriptor: Option<OwnedFd>,
    /// Jobs queued or in the batch being worked on.
    load: AtomicUsize,
    /// Its thread did not do in time what the host asked for, and has not come back since.
    hangs: AtomicBool,
    late: AtomicU64,
    dropped_events: AtomicU64,
    faults: Faults,
    latency: Latency,
    limit: usize,
    /// Whether it is remembered who called.
    keeps_origins: bool,
}

struct State {
    jobs: Vec<Job>,
    bytes: usize,
    sleeping: bool,
    wake_queued: bool,
    closed: bool,
    intake: Intake,
    pending: Slots<Pending>,
}

/// The duty to wake a lane, fulfilled when dropped. Lets one wake serve many jobs.
#[must_use]
pub struct Wake(Option<Arc<Lane>>);

impl Wake {
    /// No duty at all.
    pub(super) fn nobody() -> Wake {
        Wake(None)
    }
}

impl Drop for Wake {
    fn drop(&mut self) {
        if let Some(lane) = self.0.take() {
            lane.signal();
        }
    }
}

impl Lane {
    /// A lane that may have `limit` bytes queued.
    pub(super) fn new(number: u32, limit: usize, descriptor: Option<OwnedFd>) -> Lane {
        Lane {
            number,
            state: Mutex::new(State {
                jobs: Vec::new(),
                bytes: 0,
                sleeping: descriptor.is_some(),
                wake_queued: false,
                closed: false,
                intake: Intake::Open,
                pending: Slots::new(),
            }),
            ready: Condvar::new(),
            descriptor,
            load: AtomicUsize::new(0),
            hangs: AtomicBool::new(false),
            late: AtomicU64::new(0),
            dropped_events: AtomicU64::new(0),
            faults: Faults::default(),
            latency: Latency::default(),
            limit,
            keeps_origins: false,
        }
    }

    /// The same lane, which remembers who called until the call is answered.
    pub(super) fn keeping_origins(self, keeps_origins: bool) -> Lane {
        Lane {
            keeps_origins,
            ..self
        }
    }

    /// Whether it is remembered who called.
    pub(super) fn keeps_origins(&self) -> bool {
        self.keeps_origins
    }

    /// Who made a call that is not answered yet.
    pub(super) fn origin_of(&self, ticket: Ticket) -> Option<Bytes> {
        let state = self.lock();
        state.pending.get(ticket)?.origin.as_deref().cloned()
    }

    fn pending_of(&self, job: &Job, answer: Box<dyn Answer>, deadline: Instant) -> Pending {
        let is_kept = self.keeps_origins && job.kind.is_call();
        Pending {
            answer,
            deadline,
            limit_milliseconds: if job.kind.is_call() {
                job.deadline_milliseconds
            } else {
                0
            },
            origin: is_kept.then(|| Box::new(job.origin.clone())),
        }
    }

    /// Jobs queued or being worked on.
    pub(super) fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    /// Whether calls had better go to another lane.
    pub(super) fn hangs(&self) -> bool {
        self.hangs.load(Ordering::Relaxed)
    }

    /// Notes that something was not done in time.
    pub(super) fn note_that_it_hangs(&self) {
        self.hangs.store(true, Ordering::Relaxed);
    }

    /// Completions that came late or twice.
    pub(super) fn late_completions(&self) -> u64 {
        self.late.load(Ordering::Relaxed)
    }

    /// Events dropped because the queue was full.
    pub(super) fn dropped_events(&self) -> u64 {
        self.dropped_events.load(Ordering::Relaxed)
    }

    /// Calls that failed.
    pub(super) fn faults(&self) -> &Faults {
        &self.faults
    }

    /// How long calls took.
    pub(super) fn latency(&self) -> &Latency {
        &self.latency
    }

    /// Calls that the component has and has not completed.
    pub(super) fn pending(&self) -> usize {
        self.lock().pending.len()
    }

    /// Calls and events that wait for a version to take them.
    pub(super) fn waiting(&self) -> usize {
        self.lock().intake.waiting()
    }

    /// The descriptor that the component waits on, or -1.
    pub(super) fn descriptor(&self) -> RawFd {
        self.descriptor.as_ref().map_or(-1, AsRawFd::as_raw_fd)
    }

    /// Queues a job that owes an answer. The lane is woken when the returned [`Wake`] is dropped.
    pub(super) fn submit(
        self: &Arc<Self>,
        mut job: Job,
        answer: Box<dyn Answer>,
        deadline: Instant,
    ) -> Result<Wake, Box<Refused>> {
        let mut state = self.lock();
        let refused = |why, job, answer| Err(Box::new(Refused { why, job, answer }));
        if state.closed {
            return refused(Refusal::Closed, job, answer);
        }
        // What the host itself asks is not held back by what clients ask.
        if job.kind.is_call() {
            match &mut state.intake {
                Intake::Open => {}
                Intake::Sealed => return refused(Refusal::Replaced, job, answer),
                Intake::Held(held) if held.lets_in(&job) => {}
                Intake::Held(held) if !held.has_room(&job, self.limit) => {
                    return refused(Refusal::Full, job, answer);
                }
                Intake::Held(held) => {
                    held.keep(job, Some((answer, deadline)));
                    return Ok(Wake(None));
                }
            }
            let full = state.bytes > 0 && state.bytes + job.bytes() > self.limit;
            if full || state.pending.len() >= MOST_PENDING {
                return refused(Refusal::Full, job, answer);
            }
        }
        match state.pending.insert(self.pending_of(&job, answer, deadline)) {
            Ok(ticket) => job.token = self.token(ticket),
            Err(pending) => return refused(Refusal::Full, job, pending.answer),
        }
        Ok(self.enqueue(state, job))
    }

    /// Queues a job that owes nothing. It is dropped when the lane is closed.
    pub(super) fn push(self: &Arc<Self>, job: Job) -> Wake {
        let mut state = self.lock();
        if state.closed || (job.kind == JobKind::Wake && state.wake_queued) {
            return Wake(None);
        }
        // Replies are bounded by what the component asked for; events come from anybody.
        if job.kind == JobKind::Event {
            let full = state.bytes > 0 && state.bytes + job.bytes() > self.limit;
            let kept = match &mut state.intake {
                Intake::Open if full => false,
                Intake::Open => return self.enqueue(state, job),
                Intake::Held(held) => {
                    let has_room = held.has_room(&job, self.limit);
                    if has_room {
                        held.keep(job, None);
                    }
                    has_room
                }
                // Whoever took over hears them.
                Intake::Sealed => true,
            };
            if !kept {
                self.dropped_events.fetch_add(1, Ordering::Relaxed);
            }
            return Wake(None);
        }
        state.wake_queued |= job.kind == JobKind::Wake;
        self.enqueue(state, job)
    }

    /// Waits for work and swaps it into `jobs`, which must be empty. Returns false when the lane is closed and empty.
    pub(super) fn wait(&self, jobs: &mut Vec<Job>) -> bool {
        let mut state = self.lock();
        while state.jobs.is_empty() && !state.closed {
            state.sleeping = true;
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.sleeping = false;
        self.hand_over(state, jobs)
    }

    /// As [`Lane::wait`], without waiting: for lanes that the component drives. The next job signals the descriptor.
    pub(super) fn poll(&self, jobs: &mut Vec<Job>) -> bool {
        let mut state = self.lock();
        state.sleeping = true;
        let closed = state.closed;
        let more = self.hand_over(state, jobs);
        if closed && more {
            // The signal of the closing may have been read together with that of these jobs.
            self.signal();
        }
        more
    }

    /// Completes the call with this token, behind what the component has published. A token that is not valid any more is
    /// counted and ignored.
    pub(super) fn complete(&self, ticket: Ticket, (status, payload): (i32, &[u8]), after: Option<After>) {
        if let Some(mut answer) = self.take_answer(ticket, status) {
            if let Some(after) = after {
                answer.follow(after);
            }
            answer.answer(status, payload);
        }
    }

    /// Completes the web request with this token, as [`Lane::complete`].
    pub(super) fn respond(&self, ticket: Ticket, response: Response<'_>) {
        let status = if response.status < 500 {
            Status::OK
        } else {
            Status::ERROR
        };
        if let Some(answer) = self.take_answer(ticket, status) {
            answer.respond(response);
        }
    }

    /// Who waits for this completion, which is counted.
    fn take_answer(&self, ticket: Ticket, status: i32) -> Option<Box<dyn Answer>> {
        let Some(pending) = self.lock().pending.remove(ticket) else {
            self.late.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        self.faults.count(status);
        if let Some(took) = pending.took() {
            self.latency.count(took);
        }
        Some(pending.answer)
    }

    /// Gives up calls whose deadline is before `now`, or for which nobody waits any more, and tells the component. Returns how
    /// many took too long.
    pub(super) fn expire(self: &Arc<Self>, now: Instant) -> usize {
        let mut state = self.lock();
        let waiting = state.intake.expire(now);
        let mut late = 0;
        let expired = state.pending.remove_where(|pending| {
            let is_late = pending.deadline <= now;
            late += usize::from(is_late);
            is_late || pending.answer.is_unwanted()
        });
        if expired.is_empty() && waiting.is_empty() {
            return 0;
        }
        // What still waits in the queue need not be done any more; of the rest the component is told.
        let mut tokens: HashSet<u64> = expired.iter().map(|(ticket, _)| self.token(*ticket)).collect();
        let queued = state.jobs.len();
        state
            .jobs
            .retain(|job| !job.kind.is_call() || !tokens.remove(&job.token));
        self.load.fetch_sub(queued - state.jobs.len(), Ordering::Relaxed);
        state.bytes = state.jobs.iter().map(Job::bytes).sum();
        drop(state);
        for token in tokens {
            drop(self.push(Job::new(JobKind::Cancel, token)));
        }
        let count = late + waiting.len();
        for (_, pending) in expired {
            pending.answer.abandon(Abandoned::TimedOut);
        }
        waiting
            .into_iter()
            .for_each(|answer| answer.abandon(Abandoned::TimedOut));
        count
    }

    /// From now on calls and events wait.
    pub(super) fn hold(&self, nested: Nested) {
        self.lock().intake.hold(nested);
    }

    /// When none of these lanes owes an answer, lets nested calls wait from now on, too. Whoever calls this must be the
    /// only one who holds several lanes.
    pub(super) fn close_for_nested_when_idle<'a>(lanes: impl Iterator<Item = &'a Arc<Lane>>) -> bool {
        let mut states: Vec<_> = lanes.map(|lane| lane.lock()).collect();
        let are_idle = states.iter().all(|state| state.pending.len() == 0);
        if are_idle {
            states
                .iter_mut()
                .for_each(|state| state.intake.hold(Nested::Waits));
        }
        are_idle
    }

    /// From now on calls are refused as [`Refusal::Replaced`] and events dropped. Returns what waited.
    pub(super) fn seal(&self) -> Vec<Waiting> {
        self.lock().intake.seal()
    }

    /// Takes out the calls that wait; events stay.
    pub(super) fn take_waiting_calls(&self) -> Vec<Waiting> {
        self.lock().intake.take_calls()
    }

    /// Lets calls and events wait that came before those that wait already. They must not wait anywhere else.
    pub(super) fn adopt(&self, earlier: Vec<Waiting>) {
        self.lock().intake.adopt(earlier);
    }

    /// Takes in what waits, in order, and what comes from now on.
    pub(super) fn release(self: &Arc<Self>) {
        let mut surplus = Vec::new();
        let mut state = self.lock();
        for Waiting { mut job, call } in state.intake.open() {
            if let Some((answer, deadline)) = call {
                match state.pending.insert(self.pending_of(&job, answer, deadline)) {
                    Ok(ticket) => job.token = self.token(ticket),
                    Err(pending) => {
                        surplus.push(pending.answer);
                        continue;
                    }
                }
            }
            state.bytes += job.bytes();
            state.jobs.push(job);
            self.load.fetch_add(1, Ordering::Relaxed);
        }
        if !state.jobs.is_empty() && std::mem::replace(&mut state.sleeping, false) {
            drop(state);
            self.signal();
        }
        surplus
            .into_iter()
            .for_each(|answer| answer.abandon(Abandoned::Stopped));
    }

    /// Ends the lane: its thread works off what is queued and leaves. Calls that nobody completes are given up by
    /// [`Lane::abandon`].
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.signal();
    }

    /// Gives up all calls that were never completed.
    pub(super) fn abandon(&self, why: Abandoned) -> usize {
        let mut state = self.lock();
        let left = state.pending.remove_where(|_| true);
        let waiting = state.intake.seal();
        drop(state);
        let waiting = waiting.into_iter().filter_map(|waiting| Some(waiting.call?.0));
        let answers: Vec<_> = left
            .into_iter()
            .map(|(_, pending)| pending.answer)
            .chain(waiting)
            .collect();
        let count = answers.len();
        answers.into_iter().for_each(|answer| answer.abandon(why));
        count
    }

    fn enqueue(self: &Arc<Self>, mut state: MutexGuard<'_, State>, job: Job) -> Wake {
        state.bytes += job.bytes();
        state.jobs.push(job);
        self.load.fetch_add(1, Ordering::Relaxed);
        let sleeping = std::mem::replace(&mut state.sleeping, false);
        Wake(sleeping.then(|| self.clone()))
    }

    fn hand_over(&self, mut state: MutexGuard<'_, State>, jobs: &mut Vec<Job>) -> bool {
        std::mem::swap(&mut state.jobs, jobs);
        state.bytes = 0;
        state.wake_queued = false;
        !jobs.is_empty() || !state.closed
    }

    /// The lane's thread has worked off `count` jobs. Nobody else says so: it does not hang.
    pub(super) fn worked_off(&self, count: usize) {
        self.load.fetch_sub(count, Ordering::Relaxed);
        if self.hangs() {
            self.hangs.store(false, Ordering::Relaxed);
        }
    }

    fn signal(&self) {
        match &self.descriptor {
            Some(descriptor) => super::ffi::eventfd::signal(descriptor),
            None => self.ready.notify_one(),
        }
    }

    fn token(&self, ticket: Ticket) -> u64 {
        u64::from(self.number & 0xff) << 56
            | u64::from(ticket.position & 0xff_ffff) << 32
            | u64::from(ticket.generation)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a token apart: the lane's number, and the ticket there.
pub(super) fn split_token(token: u64) -> (usize, Ticket) {
    let ticket = Ticket {
        position: (token >> 32) as u32 & 0xff_ffff,
        generation: token as u32,
    };
    ((token >> 56) as usize, ticket)
}

#[cfg(test)]
mod tests;
