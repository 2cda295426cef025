//! The sleep of a connection under all orders in which threads can take their steps, as loom finds them.
//!
//! Enters: `host/session/src/attended.rs` and `obstacles.rs` beside it, with loom's atomics and locks in place of those of the standard library.
//! Guarantees: when all threads sleep, each request that may be read has been read, and each answer has been written.

#[allow(dead_code, reason = "a model takes the steps that it needs")]
#[path = "../../../../host/session/src/attended.rs"]
mod attended;
#[allow(dead_code, reason = "a model takes the steps that it needs")]
#[path = "../../../../host/session/src/obstacles.rs"]
mod obstacles;

mod sync {
    pub(super) use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    pub(super) use loom::sync::{Mutex, MutexGuard};
    use std::task::Waker;

    /// As the waker of futures-util: each wake takes the waker that was registered last.
    #[derive(Debug)]
    pub(super) struct AtomicWaker(Mutex<Option<Waker>>);

    impl AtomicWaker {
        pub(super) fn new() -> AtomicWaker {
            AtomicWaker(Mutex::new(None))
        }

        pub(super) fn register(&self, waker: &Waker) {
            *self.0.lock().unwrap() = Some(waker.clone());
        }

        pub(super) fn wake(&self) {
            let waker = self.0.lock().unwrap().take();
            waker.into_iter().for_each(Waker::wake);
        }
    }
}

use attended::Attended;
use loom::sync::Arc;
use loom::thread;
use obstacles::{Obstacles, Reading};
use std::task::{Wake, Waker};
use sync::{AtomicBool, Ordering};

/// Answers that may wait for the store before no more is read.
const MOST: usize = 1;
/// Threads are interrupted in all orders, but no more often than this; without a bound a model takes minutes.
const INTERRUPTIONS: usize = 3;

/// The task of the connection: whether the runtime is to poll it.
struct Task(AtomicBool);

impl Wake for Task {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// The part of a session that the connection and other threads share.
struct Shared {
    obstacles: Obstacles,
    /// Answers on their way to the connection.
    queue: Attended<usize>,
}

impl Shared {
    fn push(&self) {
        let mut queue = self.queue.lock();
        *queue += 1;
        self.queue.release(queue);
    }
}

/// Whether a connection asks once more for its obstacles when it has said that it sleeps.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asks {
    Again,
    Once,
}

struct Connection {
    shared: Arc<Shared>,
    task: std::sync::Arc<Task>,
    waker: Waker,
    reading: Reading,
    asks: Asks,
    /// Requests that have arrived and were not read.
    unread: usize,
    /// Answers that were written.
    written: usize,
}

impl Connection {
    /// One with a request that has arrived behind an obstacle.
    fn new(asks: Asks) -> Connection {
        let task = std::sync::Arc::new(Task(AtomicBool::new(false)));
        Connection {
            shared: Arc::new(Shared {
                obstacles: Obstacles::none(),
                queue: Attended::new(0),
            }),
            waker: Waker::from(task.clone()),
            task,
            reading: Reading::until(MOST),
            asks,
            unread: 1,
            written: 0,
        }
    }

    /// One poll, with the steps of `host/http/src/transport/connection.rs` in their order.
    fn poll(&mut self) {
        drop(self.shared.queue.attend());
        while !self.reading.halts(&self.shared.obstacles) && self.unread > 0 {
            self.unread -= 1;
        }
        self.written += std::mem::take(&mut *self.shared.queue.lock());
        if !self.shared.queue.leave(&self.waker, |queue| *queue == 0) {
            self.waker.wake_by_ref();
        }
        if self.asks == Asks::Again && self.reading.goes_on(&self.shared.obstacles) {
            self.waker.wake_by_ref();
        }
    }

    /// The runtime polls the task until nobody wakes it any more.
    fn comes_to_rest(&mut self) {
        while self.task.0.swap(false, Ordering::SeqCst) {
            self.poll();
        }
    }

    /// Polls beside another thread, and then until all sleep.
    fn meets(mut self, elsewhere: impl FnOnce(&Shared) + 'static) -> Connection {
        let shared = self.shared.clone();
        let elsewhere = thread::spawn(move || elsewhere(&shared));
        self.poll();
        elsewhere.join().unwrap();
        self.comes_to_rest();
        self
    }
}

fn in_all_orders(story: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(INTERRUPTIONS);
    model.check(story);
}

fn the_last_answer_of_the_store_arrives(asks: Asks) {
    in_all_orders(move || {
        let connection = Connection::new(asks);
        connection.shared.obstacles.begin_commit();
        let connection = connection.meets(|shared| {
            shared.obstacles.end_commit();
            shared.push();
        });
        assert_eq!((connection.unread, connection.written), (0, 1));
    });
}

#[test]
fn a_connection_that_waited_for_the_store_reads_on_when_the_last_answer_was_written() {
    the_last_answer_of_the_store_arrives(Asks::Again);
}

#[test]
#[should_panic(expected = "left: (1, 1)")]
fn without_a_second_look_the_model_finds_the_connection_that_sleeps_for_ever() {
    the_last_answer_of_the_store_arrives(Asks::Once);
}

#[test]
fn a_connection_reads_on_when_a_request_that_was_worked_on_elsewhere_has_an_answer() {
    in_all_orders(|| {
        let connection = Connection::new(Asks::Again);
        connection.shared.obstacles.hold_requests();
        let connection = connection.meets(|shared| {
            shared.obstacles.go_on();
            shared.push();
        });
        assert_eq!((connection.unread, connection.written), (0, 1));
    });
}

#[test]
fn a_connection_reads_on_when_a_request_that_was_worked_on_elsewhere_has_none() {
    in_all_orders(|| {
        let connection = Connection::new(Asks::Again);
        connection.shared.obstacles.hold_requests();
        let connection = connection.meets(|shared| {
            shared.obstacles.go_on();
            shared.queue.insist(shared.queue.lock());
        });
        assert_eq!(connection.unread, 0);
    });
}

#[test]
fn two_answers_of_the_store_are_both_written_and_the_request_behind_them_is_read() {
    in_all_orders(|| {
        let mut connection = Connection::new(Asks::Again);
        let threads = [(), ()].map(|()| {
            connection.shared.obstacles.begin_commit();
            let shared = connection.shared.clone();
            thread::spawn(move || {
                shared.obstacles.end_commit();
                shared.push();
            })
        });
        connection.poll();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        connection.comes_to_rest();
        assert_eq!((connection.unread, connection.written), (0, 2));
    });
}
