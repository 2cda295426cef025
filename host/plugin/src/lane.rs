//! One lane: the queue between the host and one thread of a loaded component, and the calls that it still owes.
//!
//! Enters: [`Job`]s from any thread. Leaves: batches of jobs, taken by the lane's own thread. Guarantees: calls and
//! events in the queue are bounded in bytes, and calls in flight in number. A sleeping lane is woken once for all
//! that was queued meanwhile. A token is valid for one completion.

mod giving_up;
mod places;
mod refused;
mod requests;
mod room;
mod served;
mod state;
mod wake;

pub use refused::{Refusal, Refused};
pub use requests::RequestNumber;
pub use room::Limits;
pub use wake::Wake;

use super::Status;
use super::chain::Began;
use super::faults::Faults;
use super::intake::Intake;
use super::job::{Answer, Completion, Job, JobKind, Response};
use super::latency::Latency;
use super::owed::Owed;
use super::slots::{Slots, Ticket};
use mesh_session::{After, Share};
use requests::Requests;
use room::Events;
use state::State;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// When a call is refused, those whose callers have gone are looked for, and not again for this long.
const BETWEEN_SWEEPS: Duration = Duration::from_millis(100);

/// Milliseconds that a lane has been at one batch and that count like one more job in its queue.
const MILLISECONDS_LIKE_A_JOB: u64 = 10;

/// Milliseconds since the first call of this function, and never 0.
pub(super) fn clock() -> u64 {
    // The clock of the timers: a test that moves them moves this one.
    static BEGINNING: OnceLock<tokio::time::Instant> = OnceLock::new();
    BEGINNING
        .get_or_init(tokio::time::Instant::now)
        .elapsed()
        .as_millis() as u64
        + 1
}

/// The queue and the debts of one lane.
pub struct Lane {
    number: u32,
    state: Mutex<State>,
    ready: Condvar,
    /// Signalled in place of `ready` where the component drives the lane itself.
    descriptor: Option<OwnedFd>,
    /// Jobs queued or in the batch being worked on.
    load: AtomicUsize,
    /// Since when its thread works on what it was handed, in milliseconds of [`clock`]; 0 while it waits for work.
    at_work_since: AtomicU64,
    /// Its thread did not do in time what the host asked for, and has not come back since.
    hangs: AtomicBool,
    late: AtomicU64,
    dropped_events: AtomicU64,
    faults: Faults,
    refused_calls: AtomicU64,
    latency: Latency,
    limits: Limits,
    /// Whether it is remembered who called.
    keeps_origins: bool,
    /// The requests that the component makes for its calls.
    requests: Requests,
}

impl Lane {
    /// A lane that may hold so much.
    pub(super) fn new(number: u32, limits: Limits, descriptor: Option<OwnedFd>) -> Lane {
        Lane {
            number,
            state: Mutex::new(State {
                jobs: Vec::new(),
                bytes: 0,
                events: Events::none(),
                swept: None,
                sleeping: descriptor.is_some(),
                wake_queued: false,
                closed: false,
                intake: Intake::Open,
                pending: Slots::new(),
                queued_events: 0,
                events_at_work: 0,
                cancelled: 0,
                is_at_work: false,
            }),
            ready: Condvar::new(),
            descriptor,
            load: AtomicUsize::new(0),
            at_work_since: AtomicU64::new(0),
            hangs: AtomicBool::new(false),
            late: AtomicU64::new(0),
            dropped_events: AtomicU64::new(0),
            faults: Faults::default(),
            refused_calls: AtomicU64::new(0),
            latency: Latency::default(),
            limits,
            keeps_origins: false,
            requests: Requests::default(),
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

    /// The requests that the component makes for calls of this lane.
    pub(super) fn requests(&self) -> &Requests {
        &self.requests
    }

    /// The oldest chain of calls of which something is under way here.
    pub(super) fn oldest_chain(&self) -> Option<Began> {
        self.lock().oldest_chain()
    }

    /// Events that are queued or worked on.
    pub(super) fn events(&self) -> usize {
        self.lock().events()
    }

    /// Jobs queued, being worked on, or waiting for a version to take them.
    pub(super) fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    /// The expected wait of a call here, compared with other lanes. It counts jobs, and more for each moment that the
    /// thread has been at its present one, since that may never end.
    pub(super) fn wait_expected(&self, now: u64) -> u64 {
        let age = match self.at_work_since.load(Ordering::Relaxed) {
            0 => 0,
            since => now.saturating_sub(since),
        };
        self.load() as u64 + age / MILLISECONDS_LIKE_A_JOB
    }

    /// The thread was handed something to do that calls wait for.
    fn note_work(&self) {
        self.at_work_since.store(clock(), Ordering::Relaxed);
    }

    /// The thread waits for work, or has only what no call waits for.
    fn note_rest(&self) {
        self.at_work_since.store(0, Ordering::Relaxed);
    }

    /// Whether something waits for the lane's thread, or the thread works on something now. A thread that the component drives
    /// is only known to have taken what waited.
    pub(super) fn is_busy(&self) -> bool {
        let state = self.lock();
        (self.descriptor.is_none() && state.is_at_work) || !state.jobs.is_empty()
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

    /// Calls refused because too many were waiting.
    pub(super) fn refused_calls(&self) -> u64 {
        self.refused_calls.load(Ordering::Relaxed)
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
        let mut admitted = self.admit(&state, &job, &*answer);
        if let Err(Refusal::Full | Refusal::Share) = admitted {
            if state.may_sweep() && self.limits.is_crowded(state.load_beside(&job)) {
                drop(state);
                self.expire(Instant::now());
                state = self.lock();
                admitted = self.admit(&state, &job, &*answer);
            }
            let is_refused = matches!(admitted, Err(Refusal::Full | Refusal::Share));
            self.refused_calls
                .fetch_add(u64::from(is_refused), Ordering::Relaxed);
        }
        if let Err(why) = admitted {
            return refused(why, job, answer);
        }
        let bytes = job.bytes();
        if let Intake::Held(held) = &mut state.intake
            && job.kind.is_call()
            && !held.lets_in(&job)
        {
            held.keep(job, Some((Owed::new(answer, bytes), deadline)));
            self.load.fetch_add(1, Ordering::Relaxed);
            return Ok(Wake::nobody());
        }
        let owed = Owed::new(answer, bytes);
        match state.pending.insert(self.pending_of(&job, owed, deadline)) {
            Ok(ticket) => job.token = self.token(ticket),
            Err(pending) => {
                return match pending.owed.settle() {
                    Some(answer) => refused(Refusal::Full, job, answer),
                    None => Ok(Wake::nobody()),
                };
            }
        }
        Ok(self.enqueue(state, job))
    }

    /// Whether a job can be taken, into the queue or among those that wait for a version.
    fn admit(&self, state: &State, job: &Job, answer: &dyn Answer) -> Result<(), Refusal> {
        // A call of a version that was replaced goes to the one that took over, also when the old one has ended meanwhile.
        if job.kind.is_call() && matches!(state.intake, Intake::Sealed) {
            return Err(Refusal::Replaced);
        }
        if state.closed {
            return Err(Refusal::Closed);
        }
        // Requests of the host itself are not held back by those of clients.
        if !job.kind.is_call() {
            return Ok(());
        }
        let held = answer.share().map(Share::held);
        self.limits.admit(state.load_beside(job), job.bytes(), held)
    }

    /// Queues a job that owes nothing. It is dropped when the lane is closed.
    pub(super) fn push(self: &Arc<Self>, job: Job) -> Wake {
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.closed || (job.kind == JobKind::Wake && state.wake_queued) {
            return Wake::nobody();
        }
        // Replies are bounded by what the component asked for; events come from anybody.
        if job.kind == JobKind::Event {
            let (size, publisher) = (job.bytes(), job.publisher);
            let mut admit = |waiting| state.events.admit(&self.limits, waiting, size, publisher);
            let kept = match &mut state.intake {
                Intake::Open if admit(state.bytes) => return self.enqueue(guard, job),
                Intake::Open => false,
                Intake::Held(held) => {
                    let has_room = admit(held.bytes());
                    if has_room {
                        held.keep(job, None);
                        self.load.fetch_add(1, Ordering::Relaxed);
                    }
                    has_room
                }
                // The version that took over hears them.
                Intake::Sealed => true,
            };
            if !kept {
                self.dropped_events.fetch_add(1, Ordering::Relaxed);
            }
            return Wake::nobody();
        }
        state.wake_queued |= job.kind == JobKind::Wake;
        self.enqueue(guard, job)
    }

    /// Waits for work and swaps it into `jobs`, which must be empty. Returns false when the lane is closed and empty.
    pub(super) fn wait(&self, jobs: &mut Vec<Job>) -> bool {
        let mut state = self.lock();
        state.come_back();
        self.note_rest();
        self.clear_cancelled(&mut state);
        while state.jobs.is_empty() && !state.closed {
            state.sleeping = true;
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
            self.clear_cancelled(&mut state);
        }
        state.sleeping = false;
        self.hand_over(state, jobs)
    }

    /// [`Lane::wait`] up to where it may sleep. Returns whether it would return at once.
    #[cfg(feature = "testing")]
    pub(super) fn wakes_for_work(&self) -> bool {
        let mut state = self.lock();
        state.come_back();
        self.note_rest();
        self.clear_cancelled(&mut state);
        !state.jobs.is_empty() || state.closed
    }

    /// Whether anything is queued.
    #[cfg(feature = "testing")]
    pub(super) fn has_jobs(&self) -> bool {
        !self.lock().jobs.is_empty()
    }

    /// As [`Lane::wait`], without waiting: for lanes that the component drives. The next job signals the descriptor.
    pub(super) fn poll(&self, jobs: &mut Vec<Job>) -> bool {
        let mut state = self.lock();
        state.sleeping = true;
        self.clear_cancelled(&mut state);
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
    pub(super) fn complete(&self, ticket: Ticket, given: Completion<'_>, after: Option<After>) {
        if let Some(mut answer) = self.take_answer(ticket, given.status) {
            if let Some(after) = after {
                answer.follow(after);
            }
            answer.answer(given.status, given.payload);
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

    /// The receiver of this completion, which is counted.
    fn take_answer(&self, ticket: Ticket, status: i32) -> Option<Box<dyn Answer>> {
        let Some(pending) = self.lock().pending.remove(ticket) else {
            self.late.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        self.faults.count(status);
        if let Some(took) = pending.took() {
            self.latency.count(took);
        }
        pending.owed.settle()
    }

    /// Ends the lane: its thread works off what is queued and leaves. Calls that nobody completes are given up by
    /// [`Lane::abandon`].
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.signal();
    }

    fn enqueue(self: &Arc<Self>, mut state: MutexGuard<'_, State>, job: Job) -> Wake {
        let token = job.token;
        state.take_in(job);
        self.load.fetch_add(1, Ordering::Relaxed);
        let sleeping = std::mem::replace(&mut state.sleeping, false);
        Wake::of(sleeping.then(|| self.clone()), token)
    }

    fn hand_over(&self, mut state: MutexGuard<'_, State>, jobs: &mut Vec<Job>) -> bool {
        std::mem::swap(&mut state.jobs, jobs);
        Self::note_serving(&mut state, jobs);
        state.bytes = 0;
        state.events_at_work = std::mem::take(&mut state.queued_events);
        state.is_at_work = !jobs.is_empty();
        // Jobs that wait for a version do not wait for the work that the thread does now.
        match jobs.is_empty() || matches!(state.intake, Intake::Held(_)) {
            true => self.note_rest(),
            false => self.note_work(),
        }
        // Those that wait for a version are counted until they are taken.
        if matches!(state.intake, Intake::Open) {
            state.events.clear();
        }
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
            Some(descriptor) => super::eventfd::signal(descriptor),
            None => self.ready.notify_one(),
        }
    }

    pub(super) fn token(&self, ticket: Ticket) -> u64 {
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
