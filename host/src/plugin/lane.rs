//! One lane: the queue between the host and one thread of a loaded component, and the calls that it still owes.
//!
//! What enters: [`Job`]s from any thread. What leaves: batches of jobs, taken by the lane's own thread. Guarantees:
//! calls and events in the queue are bounded in bytes, and calls in flight in number; a sleeping lane is woken once for all that was queued meanwhile; a token is valid for
//! one completion.

use super::slots::{Slots, Ticket};
use bytes::Bytes;
use std::collections::HashSet;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What a job asks of the component. The numbers are those of the ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum JobKind {
    /// Get ready.
    Start = mesh_plugin_abi::WorkKind::START,
    /// A method call.
    Call = mesh_plugin_abi::WorkKind::CALL,
    /// An event that the component subscribed to.
    Event = mesh_plugin_abi::WorkKind::EVENT,
    /// The outcome of a request of the component's.
    Reply = mesh_plugin_abi::WorkKind::REPLY,
    /// Nobody waits for a call any more.
    Cancel = mesh_plugin_abi::WorkKind::CANCEL,
    /// The component asked to be woken.
    Wake = mesh_plugin_abi::WorkKind::WAKE,
    /// Finish.
    Stop = mesh_plugin_abi::WorkKind::STOP,
}

/// One piece of work for a lane.
#[derive(Debug)]
pub struct Job {
    /// What it asks.
    pub kind: JobKind,
    /// What it is about: a call, a subscription or a request of the component's.
    pub token: u64,
    /// For a reply: how it ended.
    pub status: i32,
    /// For a call: milliseconds until nobody waits any more.
    pub deadline_milliseconds: u32,
    /// For a call: position of the method in the descriptor.
    pub method: u32,
    /// A method's name, or an event's path.
    pub target: Bytes,
    /// JSON.
    pub payload: Bytes,
    /// JSON of the caller, or of an event's `_meta`.
    pub origin: Bytes,
}

impl Job {
    /// A job without content.
    pub fn new(kind: JobKind, token: u64) -> Job {
        Job {
            kind,
            token,
            status: 0,
            deadline_milliseconds: 0,
            method: u32::MAX,
            target: Bytes::new(),
            payload: Bytes::new(),
            origin: Bytes::new(),
        }
    }

    fn bytes(&self) -> usize {
        size_of::<Job>() + self.payload.len() + self.target.len() + self.origin.len()
    }
}

/// Who waits for a completion.
pub trait Answer: Send {
    /// Takes the outcome: a [`mesh_plugin_abi::Status`] and the bytes that the component gave, unchecked. Must not
    /// wait, and must not call back into the lane.
    fn answer(self: Box<Self>, status: i32, payload: &[u8]);

    /// Nobody will complete it: the deadline passed (`timed_out`), or the component was stopped.
    fn abandon(self: Box<Self>, timed_out: bool);
}

struct Pending {
    answer: Box<dyn Answer>,
    deadline: Instant,
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
    late: AtomicU64,
    dropped_events: AtomicU64,
    limit: usize,
}

struct State {
    jobs: Vec<Job>,
    bytes: usize,
    sleeping: bool,
    wake_queued: bool,
    closed: bool,
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

/// Why a call was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The queue is full.
    Full,
    /// The lane is closed.
    Closed,
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
                pending: Slots::new(),
            }),
            ready: Condvar::new(),
            descriptor,
            load: AtomicUsize::new(0),
            late: AtomicU64::new(0),
            dropped_events: AtomicU64::new(0),
            limit,
        }
    }

    /// Jobs queued or being worked on.
    pub(super) fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    /// Completions that came late or twice.
    pub(super) fn late_completions(&self) -> u64 {
        self.late.load(Ordering::Relaxed)
    }

    /// Events dropped because the queue was full.
    pub(super) fn dropped_events(&self) -> u64 {
        self.dropped_events.load(Ordering::Relaxed)
    }

    /// Calls not yet completed.
    pub(super) fn pending(&self) -> usize {
        self.lock().pending.len()
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
    ) -> Result<Wake, (Refusal, Box<dyn Answer>)> {
        let mut state = self.lock();
        if state.closed {
            return Err((Refusal::Closed, answer));
        }
        let full = state.bytes > 0 && state.bytes + job.bytes() > self.limit;
        if full || state.pending.len() >= MOST_PENDING {
            return Err((Refusal::Full, answer));
        }
        match state.pending.insert(Pending { answer, deadline }) {
            Ok(ticket) => job.token = self.token(ticket),
            Err(pending) => return Err((Refusal::Full, pending.answer)),
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
        if job.kind == JobKind::Event && state.bytes > 0 && state.bytes + job.bytes() > self.limit {
            self.dropped_events.fetch_add(1, Ordering::Relaxed);
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

    /// Completes the call with this token. A token that is not valid any more is counted and ignored.
    pub(super) fn complete(&self, ticket: Ticket, status: i32, payload: &[u8]) {
        let pending = self.lock().pending.remove(ticket);
        match pending {
            Some(pending) => pending.answer.answer(status, payload),
            None => {
                self.late.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Gives up calls whose deadline is before `now`, and tells the component. Returns how many.
    pub(super) fn expire(self: &Arc<Self>, now: Instant) -> usize {
        let mut state = self.lock();
        let expired = state.pending.remove_where(|pending| pending.deadline <= now);
        if expired.is_empty() {
            return 0;
        }
        // What still waits in the queue need not be done any more; of the rest the component is told.
        let mut tokens: HashSet<u64> = expired.iter().map(|(ticket, _)| self.token(*ticket)).collect();
        let queued = state.jobs.len();
        state
            .jobs
            .retain(|job| job.kind != JobKind::Call || !tokens.remove(&job.token));
        self.worked_off(queued - state.jobs.len());
        state.bytes = state.jobs.iter().map(Job::bytes).sum();
        drop(state);
        for token in tokens {
            drop(self.push(Job::new(JobKind::Cancel, token)));
        }
        let count = expired.len();
        for (_, pending) in expired {
            pending.answer.abandon(true);
        }
        count
    }

    /// Ends the lane: its thread works off what is queued and leaves. Calls that nobody completes are given up by
    /// [`Lane::abandon`].
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.signal();
    }

    /// Gives up all calls that were never completed.
    pub(super) fn abandon(&self) -> usize {
        let left = self.lock().pending.remove_where(|_| true);
        let count = left.len();
        left.into_iter()
            .for_each(|(_, pending)| pending.answer.abandon(false));
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

    /// The lane's thread has worked off `count` jobs.
    pub(super) fn worked_off(&self, count: usize) {
        self.load.fetch_sub(count, Ordering::Relaxed);
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
mod tests {
    use super::*;
    use std::sync::mpsc::{Sender, channel};
    use std::time::Duration;

    struct Told(Sender<String>);

    impl Answer for Told {
        fn answer(self: Box<Self>, status: i32, payload: &[u8]) {
            self.0
                .send(format!("{status} {}", String::from_utf8_lossy(payload)))
                .unwrap();
        }

        fn abandon(self: Box<Self>, timed_out: bool) {
            self.0.send(format!("abandoned, timed out: {timed_out}")).unwrap();
        }
    }

    #[test]
    fn a_call_is_completed_once() {
        let (sender, told) = channel();
        let lane = Arc::new(Lane::new(3, 1000, None));
        let soon = Instant::now() + Duration::from_secs(10);
        drop(
            lane.submit(Job::new(JobKind::Call, 0), Box::new(Told(sender)), soon)
                .ok()
                .unwrap(),
        );
        let mut jobs = Vec::new();
        assert!(lane.wait(&mut jobs));
        let (number, ticket) = split_token(jobs[0].token);
        assert_eq!(number, 3);
        lane.complete(ticket, 0, b"[1]");
        lane.complete(ticket, 0, b"[2]");
        assert_eq!(told.try_iter().collect::<Vec<_>>(), ["0 [1]"]);
        assert_eq!((lane.late_completions(), lane.pending()), (1, 0));
    }

    #[test]
    fn deadlines_and_the_end() {
        let (sender, told) = channel();
        let lane = Arc::new(Lane::new(0, 1000, None));
        let now = Instant::now();
        drop(
            lane.submit(Job::new(JobKind::Call, 0), Box::new(Told(sender.clone())), now)
                .ok()
                .unwrap(),
        );
        drop(
            lane.submit(
                Job::new(JobKind::Call, 0),
                Box::new(Told(sender.clone())),
                now + Duration::from_secs(9),
            )
            .ok()
            .unwrap(),
        );
        assert_eq!(lane.expire(now), 1);
        lane.close();
        let mut jobs = Vec::new();
        assert!(lane.wait(&mut jobs), "what is queued is still worked off");
        assert_eq!(jobs.len(), 1, "but not what nobody waits for any more");
        jobs.clear();
        assert!(!lane.wait(&mut jobs));
        assert_eq!(lane.abandon(), 1);
        assert_eq!(
            told.try_iter().collect::<Vec<_>>(),
            ["abandoned, timed out: true", "abandoned, timed out: false"]
        );
        assert!(
            lane.submit(Job::new(JobKind::Call, 0), Box::new(Told(sender)), now)
                .is_err()
        );
    }

    #[test]
    fn the_queue_is_bounded_in_bytes() {
        let (sender, _told) = channel();
        let lane = Arc::new(Lane::new(0, size_of::<Job>() + 300, None));
        let soon = Instant::now() + Duration::from_secs(10);
        let job = || Job {
            payload: Bytes::from(vec![b' '; 200]),
            ..Job::new(JobKind::Call, 0)
        };
        assert!(lane.submit(job(), Box::new(Told(sender.clone())), soon).is_ok());
        assert!(matches!(
            lane.submit(job(), Box::new(Told(sender)), soon),
            Err((Refusal::Full, _))
        ));
    }
}
