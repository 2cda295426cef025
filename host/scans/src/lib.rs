//! Long work that gives way: looking through many documents, on threads of its own.
//!
//! Enters: futures that give way between pieces of work, each with an owner. Leaves: nothing; a piece of work delivers its
//! outcome itself.
//!
//! Guarantees:
//! - At most half of the cores work on scans, behind everything else that wants to run.
//! - Owners take turns, and so do the pieces of each (`turns`). The bytes that they collect are bounded together.
//! - A piece that panics ends alone. There are no threads until there is work.
//!
//! This crate knows no other crate of the host, and not what a document is.

#![forbid(unsafe_code)]

mod budget;
mod turns;

pub use budget::Budget;
pub use turns::{Memory, Owner};

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use turns::{Entry, Turns};

/// How much the threads step back behind others. Not the most there is: they take locks, though for microseconds, and
/// somebody may wait for one.
const NICE: i32 = 10;

/// The threads, and what waits for them. They end when it is dropped.
#[derive(Debug)]
pub struct Scans {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Rung when there may be something to do, and when it closes.
    bell: Condvar,
    most_threads: usize,
}

struct State {
    turns: Turns<Work>,
    threads: usize,
    /// Threads that wait for the bell.
    idle: usize,
    is_closed: bool,
}

struct Work {
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
    share: Share,
}

/// The messages of a piece of work.
#[derive(Clone, Debug, Default)]
pub struct Share(Arc<AtomicUsize>);

impl Share {
    /// Ends the turn. `held` is the number of bytes that were collected so far.
    pub async fn give_way(&self, held: usize) {
        self.0.store(held, Ordering::Relaxed);
        let mut gave_way = false;
        std::future::poll_fn(|_| match std::mem::replace(&mut gave_way, true) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }
}

/// No thread could be started, and there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the host has no thread for this at present: try again")]
pub struct NoThread;

impl Scans {
    /// No threads yet. When everything that is being collected holds `most_held` bytes, one piece collects at a time.
    pub fn new(most_held: usize) -> Scans {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Scans::with_threads(most_held, (cores / 2).max(1))
    }

    fn with_threads(most_held: usize, most_threads: usize) -> Scans {
        Scans {
            shared: Arc::new(Shared {
                state: Mutex::new(State {
                    turns: Turns::new(most_held),
                    threads: 0,
                    idle: 0,
                    is_closed: false,
                }),
                bell: Condvar::new(),
                most_threads,
            }),
        }
    }

    /// Does a piece of work, in turns. It may end a turn only with [`Share::give_way`]: nothing wakes it.
    ///
    /// # Errors
    ///
    /// When there is no thread; the work is dropped.
    pub fn spawn<F>(
        &self,
        owner: Owner,
        memory: Memory,
        work: impl FnOnce(Share) -> F,
    ) -> Result<(), NoThread>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let share = Share::default();
        let future = Box::pin(work(share.clone()));
        let mut state = self.shared.lock();
        if state.idle == 0 && state.threads < self.shared.most_threads {
            let shared = self.shared.clone();
            let thread = thread::Builder::new().name("mesh-scans".to_owned());
            match thread.spawn(move || shared.work()) {
                Ok(_) => state.threads += 1,
                Err(error) => {
                    tracing::warn!("no thread to look through documents on: {error}");
                    if state.threads == 0 {
                        drop(state);
                        return Err(NoThread);
                    }
                }
            }
        }
        state.turns.add(owner, memory, Work { future, share });
        drop(state);
        self.shared.bell.notify_one();
        Ok(())
    }
}

impl Drop for Scans {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.is_closed = true;
        let abandoned = state.turns.clear();
        drop(state);
        self.shared.bell.notify_all();
        drop(abandoned);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The loop of each thread.
    fn work(&self) {
        // Where the system does not allow it, scans run at the usual priority.
        let _ = rustix::process::nice(NICE);
        while let Some(mut entry) = self.next() {
            let future = &mut entry.work.future;
            let turn = || future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            let has_ended = !matches!(catch_unwind(AssertUnwindSafe(turn)), Ok(Poll::Pending));
            if has_ended {
                self.lock().turns.end(&entry);
                // It may be the last one to hold whatever it holds.
                drop(entry);
            } else {
                self.give_back(entry);
            }
            self.ring();
        }
    }

    fn give_back(&self, entry: Entry<Work>) {
        let held = entry.work.share.0.load(Ordering::Relaxed);
        let mut state = self.lock();
        if state.is_closed {
            state.turns.end(&entry);
            drop(state);
            return drop(entry);
        }
        state.turns.give_back(entry, held);
    }

    /// Others may go on now, who could not before.
    fn ring(&self) {
        let state = self.lock();
        if state.idle > 0 && !state.turns.is_empty() {
            self.bell.notify_one();
        }
    }

    fn next(&self) -> Option<Entry<Work>> {
        let mut state = self.lock();
        loop {
            if state.is_closed {
                return None;
            }
            if let Some(entry) = state.turns.next() {
                return Some(entry);
            }
            state.idle += 1;
            state = self.bell.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Shared")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn owner(name: &str) -> Owner {
        Owner::User(name.into())
    }

    #[test]
    fn endless_work_of_others_lets_a_piece_end() {
        let scans = Scans::with_threads(1000, 1);
        let turns = Arc::new(AtomicUsize::new(0));
        for _ in 0..50 {
            let turns = turns.clone();
            let endless = move |share: Share| async move {
                loop {
                    turns.fetch_add(1, Ordering::Relaxed);
                    share.give_way(0).await;
                }
            };
            scans.spawn(owner("greedy"), Memory::Constant, endless).unwrap();
        }
        let (signal, done) = mpsc::channel();
        let honest = move |share: Share| async move {
            for _ in 0..10 {
                share.give_way(0).await;
            }
            signal.send(()).unwrap();
        };
        let before = turns.load(Ordering::Relaxed);
        scans.spawn(owner("honest"), Memory::Constant, honest).unwrap();
        done.recv_timeout(std::time::Duration::from_secs(30)).unwrap();
        assert!(turns.load(Ordering::Relaxed) >= before);
    }

    #[test]
    fn a_panic_ends_one_piece_only() {
        let scans = Scans::with_threads(1000, 1);
        scans
            .spawn(owner("a"), Memory::Constant, |_| async { panic!("on purpose") })
            .unwrap();
        let (signal, done) = mpsc::channel();
        scans
            .spawn(owner("a"), Memory::Constant, |_| async move {
                signal.send(()).unwrap();
            })
            .unwrap();
        done.recv_timeout(std::time::Duration::from_secs(30)).unwrap();
    }

    #[test]
    fn waiting_work_is_dropped_with_the_threads() {
        let scans = Scans::with_threads(1000, 1);
        let held = Arc::new(());
        for _ in 0..3 {
            let held = held.clone();
            let endless = |share: Share| async move {
                let _held = held;
                loop {
                    share.give_way(0).await;
                }
            };
            scans.spawn(owner("a"), Memory::Constant, endless).unwrap();
        }
        drop(scans);
        while Arc::strong_count(&held) > 1 {
            thread::yield_now();
        }
    }
}
