//! A library without code, for tests: it calls the host's functions as a loaded one does.
//!
//! Enters: calls, and the order in which they are answered. Leaves: what the host makes of that. Guarantees: everything goes
//! through the table of functions that a library gets; nothing runs on other threads.

use super::host_table::Bound;
use crate::emitter::Identity;
use crate::instance::Instance;
use crate::instance::Services;
use crate::intake::{Nested, Waiting};
use crate::job::{Abandoned, Answer, Job};
use crate::lane::{Lane, Limits, Refused, Wake};
use mesh_plugin_abi::{self as abi, Items, field};
use std::sync::Arc;
use std::time::Instant;

/// A loaded version whose library does what a test says.
pub struct Library {
    bound: Box<Bound>,
}

/// A work item that the host handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// A [`abi::WorkKind`].
    pub kind: u32,
    /// The token of its subject.
    pub token: u64,
}

impl Library {
    /// With so many lanes, each of which it drives itself.
    pub fn new(identity: Identity, lanes: u32, limits: Limits, services: Arc<dyn Services>) -> Library {
        let lanes = (0..lanes).map(|number| Arc::new(Lane::new(number, limits, None)));
        let instance = Instance::new(identity, lanes.collect(), services);
        Library {
            bound: Bound::new(Arc::new(instance)),
        }
    }

    fn table(&self) -> &abi::Host {
        // SAFETY: the table is a part of what `bound` points to, and is not changed.
        unsafe { &*self.bound.table() }
    }

    fn lanes(&self) -> &[Arc<Lane>] {
        self.bound.instance().lanes()
    }

    fn lane(&self, number: usize) -> &Arc<Lane> {
        &self.lanes()[number % self.lanes().len()]
    }

    /// Queues a job on one lane.
    ///
    /// # Errors
    ///
    /// When it is not taken; it comes back.
    pub fn submit(
        &self,
        lane: usize,
        job: Job,
        answer: Box<dyn Answer>,
        deadline: Instant,
    ) -> Result<Wake, Box<Refused>> {
        self.lane(lane).submit(job, answer, deadline)
    }

    /// The work that the library takes from one lane. Nothing where the lane has ended, or does not exist.
    pub fn take(&self, lane: u32) -> Vec<Work> {
        let mut items: *const abi::Work = std::ptr::null();
        let table = self.table();
        // SAFETY: the context is that of the table, and `items` can be written to.
        let count = unsafe { (table.take)(table.context, lane, &mut items) };
        let Ok(count) = usize::try_from(count) else {
            return Vec::new();
        };
        // SAFETY: the host says that there are so many, which stay until it is asked for more from this lane.
        let items: Items<'_, abi::Work> = unsafe { Items::new(items, count) };
        let works = items.map_while(Result::ok).map(|item| Work {
            kind: item.get(field!(abi::Work, kind)),
            token: item.get(field!(abi::Work, token)),
        });
        works.collect()
    }

    /// The library completes something.
    pub fn complete(&self, token: u64, status: i32, payload: &[u8]) {
        let table = self.table();
        // SAFETY: the context is that of the table, and the payload outlives the call.
        unsafe { (table.complete)(table.context, token, status, abi::Slice::new(payload)) }
    }

    /// The library completes something with bytes of a length that nothing can have.
    pub fn complete_with_impossible_length(&self, token: u64, length: usize) {
        let payload = abi::Slice {
            data: b"[]".as_ptr(),
            length: length | !(usize::MAX >> 1),
        };
        let table = self.table();
        // SAFETY: the context is that of the table; the host does not look at bytes of a length that nothing can have.
        unsafe { (table.complete)(table.context, token, 0, payload) }
    }

    /// The library answers a web request.
    pub fn respond(&self, token: u64, status: u32, headers: &[u8], body: &[u8]) {
        let table = self.table();
        let name = abi::Slice::new(abi::HTTP_EXTENSION.as_bytes());
        // SAFETY: the context is that of the table, and the name outlives the call.
        let found = unsafe { (table.get_extension)(table.context, name) };
        // SAFETY: by the contract this name stands for this table, which is static.
        let http = unsafe { &*found.cast::<abi::HttpExtension>() };
        let (headers, body) = (abi::Slice::new(headers), abi::Slice::new(body));
        // SAFETY: the context is that of the table, and both slices outlive the call.
        unsafe { (http.respond)(table.context, token, status, headers, body) }
    }

    /// Lets calls wait.
    pub fn hold(&self, nested: Nested) {
        Lane::hold_all(self.lanes().iter(), nested);
    }

    /// Takes in what waits.
    pub fn release(&self) {
        self.lanes().iter().for_each(Lane::release);
    }

    /// Leaves all that comes to another version. Returns what waited.
    pub fn seal(&self) -> Vec<Waiting> {
        self.lanes().iter().flat_map(|lane| lane.seal()).collect()
    }

    /// Lets wait what waited elsewhere.
    pub fn adopt(&self, waiting: Vec<Waiting>) {
        self.lane(0).adopt(waiting);
    }

    /// Gives up calls whose deadline has passed. Returns how many took too long.
    pub fn expire(&self, now: Instant) -> usize {
        self.lanes().iter().map(|lane| lane.expire(now)).sum()
    }

    /// Takes no more calls.
    pub fn close(&self) {
        self.lanes().iter().for_each(|lane| lane.close());
    }

    /// Gives up all that is not completed. Returns how many calls that were.
    pub fn abandon(&self) -> usize {
        let lanes = self.lanes().iter();
        lanes.map(|lane| lane.abandon(Abandoned::Stopped)).sum()
    }

    /// Completions that came late or twice, or for nothing that ever was.
    pub fn late_completions(&self) -> u64 {
        self.bound.instance().late_completions()
    }

    /// Calls that the library has and has not completed.
    pub fn pending(&self) -> usize {
        self.lanes().iter().map(|lane| lane.pending()).sum()
    }

    /// Calls and events that wait for a version to take them.
    pub fn waiting(&self) -> usize {
        self.lanes().iter().map(|lane| lane.waiting()).sum()
    }

    /// Jobs that are queued, worked on or waiting.
    pub fn load(&self) -> usize {
        self.lanes().iter().map(|lane| lane.load()).sum()
    }
}
