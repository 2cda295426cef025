//! One loaded version as the rest of the host talks to it: its lanes, its identity, and what it may ask for.

use super::authority::{Authority, act_for, acting_for};
use super::chain::{Began, Hold};
use super::job::{Answer, Job, Response};
use super::lane::{Lane, Refusal, Refused, Wake, clock, split_token};
use mesh_session::After;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The identity of a component, as it gets it when it is created.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The mesh's name.
    pub mesh: String,
    /// The mesh's domain: the second segment of request and event paths.
    pub domain: String,
    /// The name under which the component is registered.
    pub component: String,
    /// The version of the library.
    pub version: String,
    /// Groups what this loaded version subscribed to. Never used twice while the host runs.
    pub number: u64,
}

/// Where the reply to a request of a component goes.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The component that asked.
    pub instance: Arc<Instance>,
    /// The lane on which it waits.
    pub lane: u32,
    /// The number that it chose for the request.
    pub token: u64,
    /// With whose rights it asked.
    pub authority: Authority,
}

/// The services of the host for a component. All functions are called from threads of the component and never wait.
pub trait Services: Send + Sync {
    /// Publishes an event of the component.
    fn emit(&self, instance: &Arc<Instance>, key: &str, data: &[u8], options: &[u8]);
    /// Calls a method of a component.
    fn call(
        &self,
        caller: Caller,
        component: &str,
        method: &str,
        range: &str,
        arguments: &[u8],
        timeout_milliseconds: u32,
    );
    /// Subscribes to events of a component.
    fn subscribe(&self, caller: Caller, component: &str, key: &str, range: &str);
    /// Ends a subscription by the number that the component chose.
    fn unsubscribe(&self, instance: &Arc<Instance>, subscription: u64);
    /// Stores one of the component's documents.
    fn data_set(&self, caller: Caller, path: &str, value: &[u8], options: &[u8]);
    /// Reads the component's documents.
    fn data_get(&self, caller: Caller, path: &str);
    /// Removes some of the component's documents.
    fn data_remove(&self, caller: Caller, path: &str);
    /// Replies after a while.
    fn after(&self, caller: Caller, milliseconds: u64);
}

/// A loaded version. Outlives the library's code: whatever still points here is answered, late and politely.
pub struct Instance {
    identity: Identity,
    lanes: Box<[Arc<Lane>]>,
    services: Arc<dyn Services>,
    /// Why the library says it cannot be created.
    failure: Mutex<Option<String>>,
    /// Completions of tokens that name no lane.
    misdirected: AtomicU64,
    /// Whether events reach it.
    hearing: AtomicBool,
    /// Its subscriptions.
    interests: Mutex<Vec<Interest>>,
    /// Whether it has asked how to say for whom it asks.
    knows_delegation: AtomicBool,
    /// Whether it has looked up how web requests are answered.
    knows_http: AtomicBool,
    /// Whether it has published something that may still be on its way.
    has_published: AtomicBool,
    /// The frames that wait for all that.
    published: Mutex<Option<After>>,
}

/// One subscription of a component, as it asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interest {
    /// The lane that hears.
    pub lane: u32,
    /// The number that the component chose.
    pub token: u64,
    /// Whose events.
    pub component: Box<str>,
    /// Which events.
    pub key: Box<str>,
    /// Of which versions.
    pub range: Box<str>,
}

impl Interest {
    fn is_same_as(&self, other: &Interest) -> bool {
        (&self.component, &self.key, &self.range) == (&other.component, &other.key, &other.range)
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Instance")
            .field("identity", &self.identity)
            .field("lanes", &self.lanes.len())
            .finish()
    }
}

impl Instance {
    pub(super) fn new(identity: Identity, lanes: Box<[Arc<Lane>]>, services: Arc<dyn Services>) -> Instance {
        Instance {
            identity,
            lanes,
            services,
            failure: Mutex::default(),
            misdirected: AtomicU64::new(0),
            hearing: AtomicBool::new(false),
            interests: Mutex::default(),
            knows_delegation: AtomicBool::new(false),
            knows_http: AtomicBool::new(false),
            has_published: AtomicBool::new(false),
            published: Mutex::default(),
        }
    }

    /// Whether events reach it: from the moment when it can be called until another version takes over.
    pub fn is_hearing(&self) -> bool {
        self.hearing.load(Ordering::Relaxed)
    }

    /// Begins or ends its hearing. To be called while nothing is published, so that each event has one hearer.
    pub fn set_hearing(&self, hearing: bool) {
        self.hearing.store(hearing, Ordering::Relaxed);
    }

    /// Its subscriptions, in the order in which it asked.
    pub fn interests(&self) -> Vec<Interest> {
        self.interests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Remembers that it listens.
    pub fn add_interest(&self, interest: Interest) {
        self.interests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(interest);
    }

    /// Remembers that it does not listen any more.
    pub fn remove_interest(&self, token: u64) {
        self.interests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|interest| interest.token != token);
    }

    /// Notes that it has just published something: its answers from now on leave behind it.
    pub fn published(&self, after: Option<After>) {
        if let Some(after) = after {
            self.follow(after, After::and_before);
        }
    }

    /// Notes that a component which it has called had published something before it answered.
    pub fn answered_after(&self, after: After) {
        self.follow(after, After::both);
    }

    fn follow(&self, after: After, join: fn(After, After) -> After) {
        let mut published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        *published = Some(match published.take() {
            Some(earlier) => join(after, earlier),
            None => after,
        });
        self.has_published.store(true, Ordering::Release);
    }

    /// The condition that an answer has to wait for.
    pub fn unwritten(&self) -> Option<After> {
        if !self.has_published.load(Ordering::Acquire) {
            return None;
        }
        let mut published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        published.take_if(|after| after.is_over());
        self.has_published.store(published.is_some(), Ordering::Release);
        published.clone()
    }

    /// Of the subscriptions of another version: which of its own mean the same.
    pub(super) fn counterparts(&self, other: &Instance) -> HashMap<u64, (u32, u64)> {
        let mut own = self.interests();
        let mut found = HashMap::new();
        for theirs in other.interests() {
            if let Some(position) = own.iter().position(|interest| interest.is_same_as(&theirs)) {
                let interest = own.remove(position);
                found.insert(theirs.token, (interest.lane, interest.token));
            }
        }
        found
    }

    /// Its identity.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Whether it may ask with the rights of its callers.
    pub(super) fn delegates(&self) -> bool {
        self.lanes.first().is_some_and(|lane| lane.keeps_origins())
    }

    /// Whether delegation is to be offered to it, now that it looks for that.
    pub(super) fn finds_delegation(&self) -> bool {
        self.knows_delegation.store(true, Ordering::Relaxed);
        self.delegates()
    }

    /// Whether it was meant to ask with the rights of its callers, and does not know how.
    pub(super) fn misses_delegation(&self) -> bool {
        self.delegates() && !self.knows_delegation.load(Ordering::Relaxed)
    }

    /// Notes that it knows how web requests are answered.
    pub(super) fn finds_http(&self) {
        self.knows_http.store(true, Ordering::Relaxed);
    }

    /// Whether it knows how web requests are answered.
    pub(super) fn knows_http(&self) -> bool {
        self.knows_http.load(Ordering::Relaxed)
    }

    /// From now on this thread asks for the caller of `call`; for the component itself with 0.
    pub(super) fn act_for(&self, call: u64) {
        act_for(self.identity.number, call);
    }

    /// With whose rights this thread asks.
    pub(super) fn authority(&self) -> Authority {
        if !self.delegates() {
            return Authority::Component;
        }
        let Some(call) = acting_for(self.identity.number) else {
            return Authority::Component;
        };
        let (lane, ticket) = split_token(call);
        let origin = self.lanes.get(lane).and_then(|lane| lane.origin_of(ticket));
        origin.map_or(Authority::Gone, Authority::Caller)
    }

    pub(super) fn services(&self) -> &Arc<dyn Services> {
        &self.services
    }

    pub(super) fn lanes(&self) -> &[Arc<Lane>] {
        &self.lanes
    }

    pub(super) fn lane(&self, number: u32) -> Option<&Arc<Lane>> {
        self.lanes.get(number as usize)
    }

    /// When the chain of calls began that a call of this instance belongs to. Which of its calls makes it is not known,
    /// so it counts as made by the oldest. One of an instance that works on none begins a chain.
    pub fn chain(&self) -> Began {
        let oldest = match Hold::is_any() {
            true => self.lanes.iter().filter_map(|lane| lane.oldest_chain()).min(),
            false => None,
        };
        oldest.unwrap_or_else(Began::now)
    }

    /// The lane where a call has to wait least, as far as can be told; one that hangs only where all do.
    pub(super) fn quietest(&self) -> Option<&Arc<Lane>> {
        if let [only] = &*self.lanes {
            return Some(only);
        }
        let now = clock();
        self.lanes
            .iter()
            .min_by_key(|lane| (lane.hangs(), lane.wait_expected(now)))
    }

    /// Queues a call on the least busy lane. The lane is woken when the returned [`Wake`] is dropped.
    pub(super) fn submit(
        &self,
        job: Job,
        answer: Box<dyn Answer>,
        deadline: Instant,
    ) -> Result<Wake, Box<Refused>> {
        match self.quietest() {
            Some(lane) => lane.submit(job, answer, deadline),
            None => Err(Box::new(Refused {
                why: Refusal::Closed,
                job,
                answer,
            })),
        }
    }

    /// Queues a job that owes nothing for one lane.
    pub fn push(&self, lane: u32, job: Job) {
        if let Some(lane) = self.lane(lane) {
            drop(lane.push(job));
        }
    }

    pub(super) fn complete(&self, token: u64, status: i32, payload: &[u8]) {
        let (lane, ticket) = split_token(token);
        match self.lanes.get(lane) {
            Some(lane) => lane.complete(ticket, (status, payload), self.unwritten()),
            None => {
                self.misdirected.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn respond(&self, token: u64, response: Response<'_>) {
        let (lane, ticket) = split_token(token);
        match self.lanes.get(lane) {
            Some(lane) => lane.respond(ticket, response),
            None => {
                self.misdirected.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Completions that came late or twice, or for nothing that ever was.
    pub(super) fn late_completions(&self) -> u64 {
        let of_lanes: u64 = self.lanes.iter().map(|lane| lane.late_completions()).sum();
        of_lanes + self.misdirected.load(Ordering::Relaxed)
    }

    pub(super) fn set_failure(&self, message: &str) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(message.to_owned());
    }

    pub(super) fn take_failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Caller {
    /// Queues the reply.
    pub fn reply(&self, status: i32, payload: impl Into<bytes::Bytes>) {
        let job = Job {
            status,
            payload: payload.into(),
            ..Job::new(super::JobKind::Reply, self.token)
        };
        self.instance.push(self.lane, job);
    }
}
