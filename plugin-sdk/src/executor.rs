//! The tasks of one lane: futures that are not finished, and which of them can go on.
//!
//! Enters: futures, and wakes from any thread. Leaves: nothing; a future says by itself what came of it. Guarantees:
//! a future is polled only on the lane's own thread, never by two at once, and not after the lane was cleared. A wake
//! from elsewhere asks the host for the lane's attention once, however many wakes follow.

mod attention;

use crate::ffi::{Host, thread_mark};
use attention::{Attention, Woken};
use mesh_plugin_abi::Token;
use std::collections::HashMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use crate::slab::Slab;

/// The atomics and locks of [`attention`].
mod sync {
    pub(super) use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    pub(super) use std::sync::{Mutex, MutexGuard};
}

/// A future of a component, on its way through a lane.
pub type BoxFuture<T = ()> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Tasks may wake themselves so often before the lane looks for other work.
const ROUNDS: usize = 16;

/// The executor of one lane.
pub(crate) struct Executor {
    host: Host,
    lane: u32,
    tasks: Mutex<Slab<Task>>,
    /// Which task answers a call, for those that did not answer at once.
    calls: Mutex<HashMap<Token, u64>>,
    attention: Attention,
    /// The instance is being destroyed: the host is not to be asked for anything any more.
    closed: AtomicBool,
    /// The call that is being dropped because nobody waits for it.
    cancelled: AtomicU64,
}

struct Task {
    /// Not here while it is polled.
    future: Option<BoxFuture>,
    waker: Arc<TaskWaker>,
    /// The call that it answers, or 0.
    call: Token,
}

struct TaskWaker {
    executor: Arc<Executor>,
    key: AtomicU64,
    woken: Woken,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.woken.wake() {
            self.executor.wake(self.key.load(Ordering::Relaxed));
        }
    }
}

impl Executor {
    pub(crate) fn new(host: Host, lane: u32) -> Arc<Executor> {
        Arc::new(Executor {
            host,
            lane,
            tasks: Mutex::default(),
            calls: Mutex::default(),
            attention: Attention::none(),
            closed: AtomicBool::new(false),
            cancelled: AtomicU64::new(0),
        })
    }

    /// Polls a future at once, and keeps it when it is not finished. On the lane's thread only. `call` is the call that
    /// it answers, or 0.
    pub(crate) fn start(self: &Arc<Self>, call: Token, future: BoxFuture) {
        let (key, waker) = self.insert(call, None);
        self.poll(key, &waker, future);
        let unfinished = call != 0 && lock(&self.tasks).get_mut(key).is_some();
        if unfinished {
            lock(&self.calls).insert(call, key);
        }
    }

    /// Keeps a future for the lane to poll. From any thread.
    pub(crate) fn spawn(self: &Arc<Self>, future: BoxFuture) {
        let (_, waker) = self.insert(0, Some(future));
        waker.wake_by_ref();
    }

    /// Says that the calling thread works on the lane, until [`Executor::leave`].
    pub(crate) fn enter(&self) {
        self.attention.enter(thread_mark());
    }

    /// Polls what was woken, then lets go of the lane.
    pub(crate) fn leave(self: &Arc<Self>) {
        for _ in 0..ROUNDS {
            let ready = self.attention.look();
            if ready.is_empty() {
                break;
            }
            for key in ready {
                self.poll_woken(key);
            }
        }
        if self.attention.leave() {
            self.request_wake();
        }
    }

    /// Drops the task that answers this call.
    pub(crate) fn cancel(&self, call: Token) {
        let Some(key) = lock(&self.calls).remove(&call) else {
            return;
        };
        let task = lock(&self.tasks).remove(key);
        self.cancelled.store(call, Ordering::Release);
        discard(task);
        self.cancelled.store(0, Ordering::Release);
    }

    /// Whether this call is being dropped because nobody waits for its answer.
    pub(crate) fn is_cancelled(&self, call: Token) -> bool {
        self.cancelled.load(Ordering::Acquire) == call
    }

    /// Drops all tasks for good. Those that answer calls answer with an error.
    pub(crate) fn clear(&self) {
        self.closed.store(true, Ordering::Release);
        // A task may start others while it is dropped.
        for _ in 0..ROUNDS {
            let tasks = lock(&self.tasks).drain();
            if tasks.is_empty() {
                break;
            }
            tasks.into_iter().for_each(|task| discard(Some(task)));
        }
        lock(&self.calls).clear();
        self.attention.clear();
    }

    fn insert(self: &Arc<Self>, call: Token, future: Option<BoxFuture>) -> (u64, Arc<TaskWaker>) {
        let waker = Arc::new(TaskWaker {
            executor: self.clone(),
            key: AtomicU64::new(0),
            woken: Woken::no(),
        });
        let key = lock(&self.tasks).insert(Task {
            future,
            waker: waker.clone(),
            call,
        });
        waker.key.store(key, Ordering::Relaxed);
        (key, waker)
    }

    fn poll_woken(&self, key: u64) {
        let (future, waker) = match lock(&self.tasks).get_mut(key) {
            Some(task) => (task.future.take(), task.waker.clone()),
            None => return,
        };
        waker.woken.begin_poll();
        if let Some(future) = future {
            self.poll(key, &waker, future);
        }
    }

    fn poll(&self, key: u64, waker: &Arc<TaskWaker>, mut future: BoxFuture) {
        let waker = Waker::from(waker.clone());
        let mut context = Context::from_waker(&waker);
        // The hook has told the host of a panic; the task ends with it.
        let poll = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut context)));
        if matches!(poll, Ok(Poll::Pending)) {
            let mut tasks = lock(&self.tasks);
            match tasks.get_mut(key) {
                Some(task) => task.future = Some(future),
                None => {
                    drop(tasks);
                    discard(future);
                }
            }
            return;
        }
        discard(future);
        let call = lock(&self.tasks).remove(key).map_or(0, |task| task.call);
        if call != 0 {
            lock(&self.calls).remove(&call);
        }
    }

    fn wake(&self, key: u64) {
        if self.attention.wake(key, thread_mark()) {
            self.request_wake();
        }
    }

    fn request_wake(&self) {
        if !self.closed.load(Ordering::Acquire) {
            self.host.wake(self.lane);
        }
    }
}

/// Drops what may contain code of the component; a panic ends here. For one value at a time: a second panic while the others of a
/// list are dropped would end the process.
pub(crate) fn discard<T>(value: T) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        // A payload may panic again when it is dropped.
        std::mem::forget(panic);
    }
}

/// Locks, whatever happened to others who had the lock: what it protects is whole after every statement.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
