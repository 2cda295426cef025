//! A library that a test plays, as the test sees it: there is no file and no code.
//!
//! Enters: requests of a test in the place of a library's threads. Leaves: the work of lanes, and what the host is asked for.
//! Guarantees: nothing waits for a thread, so that one thread can play several libraries in any order.

use super::LoadError;
use super::authority::Authority;
use super::instance::Caller;
use super::instance::Instance;
use super::job::{Completion, Job};
use super::lane::Lane;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Plays libraries.
pub trait Player: Send + Sync + fmt::Debug {
    /// Is asked what a library says of itself.
    ///
    /// # Errors
    ///
    /// Why it cannot be loaded.
    fn describe(&self, library: &Path) -> Result<Description, LoadError>;

    /// An instance of this library was made.
    fn begin(&self, library: &Path, played: PlayedLibrary);
}

/// The description of a library.
#[derive(Clone, Debug)]
pub struct Description {
    /// The component's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The descriptor, as JSON.
    pub descriptor: String,
    /// How long it takes until its instance is there.
    pub creation: Duration,
}

/// The host as a library sees it.
#[derive(Clone, Debug)]
pub struct PlayedLibrary {
    instance: Arc<Instance>,
    lanes_left: Arc<AtomicUsize>,
}

impl PlayedLibrary {
    /// One whose lanes are those of this instance, and the count of lanes that it has left.
    pub(super) fn of(instance: Arc<Instance>) -> (PlayedLibrary, Arc<AtomicUsize>) {
        let lanes_left = Arc::new(AtomicUsize::new(0));
        let played = PlayedLibrary {
            instance,
            lanes_left: lanes_left.clone(),
        };
        (played, lanes_left)
    }

    fn lane(&self, number: usize) -> &Arc<Lane> {
        &self.instance.lanes()[number]
    }

    fn caller(&self, lane: usize, token: u64) -> Caller {
        Caller {
            instance: self.instance.clone(),
            lane: lane as u32,
            token,
            authority: Authority::default(),
            request: None,
        }
    }

    /// How many lanes it has.
    pub fn lanes(&self) -> usize {
        self.instance.lanes().len()
    }

    /// The work of one lane, as its thread gets it. `None` when there is nothing for which the thread would wake.
    pub fn take(&self, lane: usize) -> Option<Taken> {
        let queue = self.lane(lane);
        if !queue.wakes_for_work() {
            return None;
        }
        let mut jobs = Vec::new();
        match queue.wait(&mut jobs) {
            true => Some(Taken::Jobs(jobs)),
            false => {
                self.lanes_left.fetch_add(1, Ordering::Relaxed);
                Some(Taken::End)
            }
        }
    }

    /// The lane's thread comes back from so many jobs.
    pub fn worked_off(&self, lane: usize, count: usize) {
        self.lane(lane).worked_off(count);
    }

    /// The library leaves a lane, told to stop or not.
    pub fn leave(&self, lane: usize) {
        self.lane(lane).note_departure();
        self.lanes_left.fetch_add(1, Ordering::Relaxed);
    }

    /// Completes something.
    pub fn complete(&self, token: u64, status: i32, payload: &[u8]) {
        self.instance.complete(token, Completion { status, payload });
    }

    /// Publishes an event.
    pub fn emit(&self, key: &str, data: &[u8]) {
        let services = self.instance.services().clone();
        // A played library has no log to read.
        let _ = services.emit(self.instance.emitter(), key, data, b"");
    }

    /// Calls a method of a component. The reply comes to this lane with this token.
    pub fn call(&self, (lane, token): (usize, u64), (component, method): (&str, &str), arguments: &[u8]) {
        let services = self.instance.services().clone();
        // It hears of faults by the reply.
        let _ = services.call(self.caller(lane, token), component, method, "", arguments, 0);
    }

    /// Listens to events of a component.
    pub fn subscribe(&self, (lane, token): (usize, u64), component: &str, key: &str) {
        let services = self.instance.services().clone();
        let _ = services.subscribe(self.caller(lane, token), component, key, "");
    }

    /// Whether no thread has a reason to wake. A lane that was left has none.
    pub fn is_idle(&self) -> bool {
        let all_left = self.lanes_left.load(Ordering::Relaxed) >= self.lanes();
        all_left || !self.instance.lanes().iter().any(|lane| lane.has_jobs())
    }

    /// Answers that it owes.
    pub fn pending(&self) -> usize {
        self.instance.lanes().iter().map(|lane| lane.pending()).sum()
    }

    /// Events that are queued or worked on.
    pub fn events(&self) -> usize {
        self.instance.lanes().iter().map(|lane| lane.events()).sum()
    }

    /// The number of this instance in the mesh.
    pub fn number(&self) -> u64 {
        self.instance.identity().number
    }
}

/// The work that the thread of a lane gets.
#[derive(Debug)]
pub enum Taken {
    /// Work.
    Jobs(Vec<Job>),
    /// The lane is closed and empty: its thread ends.
    End,
}
