//! The attention of a lane in the SDK, under all orders in which threads can take their steps, as loom finds them.
//!
//! Enters: `plugin-sdk/src/executor/attention.rs` itself, with loom's atomics and locks in place of those of the standard library.
//! Guarantees: nothing that was written before a wake stays unseen when all threads sleep.

#[allow(dead_code, reason = "a model ends as a whole")]
#[path = "../../../../plugin-sdk/src/executor/attention.rs"]
mod attention;

mod sync {
    pub(super) use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    pub(super) use loom::sync::{Mutex, MutexGuard};
}

use attention::{Attention, Woken};
use loom::sync::Arc;
use loom::thread;
use sync::{AtomicUsize, Ordering};

/// The marks of the lane's thread and of another one.
const LANE: usize = 1;
const ELSEWHERE: usize = 2;
/// The key of the task.
const KEY: u64 = 1;
/// Threads are interrupted in all orders, but no more often than this; without a bound a model takes minutes.
const INTERRUPTIONS: usize = 2;
/// Looks of the lane before it lets others have a turn.
const LOOKS: usize = 2;

/// A lane with one task, which waits until the value is what it should become.
struct Lane {
    attention: Attention,
    woken: Woken,
    /// Written and read without any order of its own.
    value: AtomicUsize,
    /// The value at the last poll.
    seen: AtomicUsize,
    /// Wakes that the host was asked for and has not brought.
    requested: AtomicUsize,
}

impl Lane {
    fn new() -> Arc<Lane> {
        Arc::new(Lane {
            attention: Attention::none(),
            woken: Woken::no(),
            value: AtomicUsize::new(0),
            seen: AtomicUsize::new(0),
            requested: AtomicUsize::new(0),
        })
    }

    fn wake(&self, mark: usize) {
        if self.woken.wake() && self.attention.wake(KEY, mark) {
            self.requested.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One turn of the lane's thread, as the executor takes it.
    fn turn(&self) {
        self.attention.enter(LANE);
        for _ in 0..LOOKS {
            let ready = self.attention.look();
            if ready.is_empty() {
                break;
            }
            for _ in ready {
                self.woken.begin_poll();
                let value = self.value.load(Ordering::Relaxed);
                self.seen.store(value, Ordering::Relaxed);
            }
        }
        if self.attention.leave() {
            self.requested.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The host brings the wakes that it was asked for, until nobody asks any more.
    fn comes_to_rest(&self) {
        while self.requested.load(Ordering::Relaxed) > 0 {
            self.requested.fetch_sub(1, Ordering::Relaxed);
            self.turn();
        }
    }
}

fn in_all_orders(story: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(INTERRUPTIONS);
    model.check(story);
}

#[test]
fn what_was_written_before_a_wake_is_seen_when_all_threads_sleep() {
    in_all_orders(|| {
        let lane = Lane::new();
        let wakes = lane.clone();
        let elsewhere = thread::spawn(move || {
            for value in 1..=2 {
                wakes.value.store(value, Ordering::Relaxed);
                wakes.wake(ELSEWHERE);
            }
        });
        lane.turn();
        elsewhere.join().unwrap();
        lane.comes_to_rest();
        assert_eq!(lane.seen.load(Ordering::Relaxed), 2);
    });
}

#[test]
fn two_threads_that_wake_one_task_are_both_seen() {
    in_all_orders(|| {
        let lane = Lane::new();
        let threads = [1, 2].map(|value| {
            let lane = lane.clone();
            thread::spawn(move || {
                lane.value.fetch_add(value, Ordering::Relaxed);
                lane.wake(ELSEWHERE);
            })
        });
        lane.turn();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        lane.comes_to_rest();
        assert_eq!(lane.seen.load(Ordering::Relaxed), 3);
    });
}
