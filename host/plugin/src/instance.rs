//! One loaded version as the rest of the host talks to it: its lanes, its identity, and what it may ask for.
//!
//! Enters: jobs, and completions from threads of the library. Leaves: jobs on the lanes, requests of the component through
//! [`Services`]. Guarantees: a job goes to one lane; what comes too late is counted and harms nobody.

use super::authority::{Authority, act_for, acting_for};
use super::chain::{Began, Hold};
use super::emitter::{Emitter, Identity};
use super::job::{Answer, Completion, Job, Response};
use super::lane::{Lane, Refusal, Refused, Wake, clock, split_token};
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Where the reply to a request of a component goes.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The component that asked.
    pub instance: Arc<Instance>,
    /// The lane on which it waits.
    pub lane: u32,
    /// The number that it chose for the request.
    pub token: u64,
    /// For which call it asked, and with whose rights.
    pub authority: Authority,
}

/// The services of the host for a component. All functions are called from threads of the component and never wait.
pub trait Services: Send + Sync {
    /// Publishes an event of a component.
    fn emit(&self, emitter: &Emitter, key: &str, data: &[u8], options: &[u8]);
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
    emitter: Emitter,
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
            .field("identity", self.identity())
            .field("lanes", &self.lanes.len())
            .finish()
    }
}

impl Instance {
    pub(super) fn new(identity: Identity, lanes: Box<[Arc<Lane>]>, services: Arc<dyn Services>) -> Instance {
        Instance {
            emitter: Emitter::new(identity),
            lanes,
            services,
            failure: Mutex::default(),
            misdirected: AtomicU64::new(0),
            hearing: AtomicBool::new(false),
            interests: Mutex::default(),
            knows_delegation: AtomicBool::new(false),
            knows_http: AtomicBool::new(false),
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
        self.emitter.identity()
    }

    /// Who it is, where events are emitted.
    pub fn emitter(&self) -> &Emitter {
        &self.emitter
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
        act_for(self.identity().number, call);
    }

    /// For which call this thread asks, and with whose rights.
    pub(super) fn authority(&self) -> Authority {
        if !self.delegates() {
            return Authority::default();
        }
        let Some(call) = acting_for(self.identity().number) else {
            return Authority::default();
        };
        let (lane, ticket) = split_token(call);
        let caller = self.lanes.get(lane).and_then(|lane| lane.caller_of(ticket));
        Authority::for_call(call, caller)
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
        // Before the look for holds: one that begins in between is younger.
        let now = Began::now();
        let oldest = match Hold::is_any() {
            true => self.lanes.iter().filter_map(|lane| lane.oldest_chain()).min(),
            false => None,
        };
        oldest.unwrap_or(now)
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

    pub(super) fn complete(&self, token: u64, given: Completion<'_>) {
        let (lane, ticket) = split_token(token);
        match self.lanes.get(lane) {
            Some(lane) => lane.complete(ticket, given, self.emitter.unwritten()),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoServices;
    use crate::authority::{Rights, ServedCall};
    use crate::job::{Abandoned, JobKind};
    use crate::lane::Limits;
    use mesh_wire::origin::Origin;
    use std::time::Duration;

    struct Nobody;

    impl Answer for Nobody {
        fn answer(self: Box<Self>, _: i32, _: &[u8]) {}
        fn abandon(self: Box<Self>, _: Abandoned) {}
    }

    fn instance(number: u64, delegates: bool) -> Instance {
        let identity = Identity {
            mesh: "M".to_owned(),
            domain: "M".to_owned(),
            component: "asks".to_owned(),
            version: "1.0.0".to_owned(),
            number,
        };
        let limits = Limits {
            bytes: 10_000,
            calls_of_each: 10,
            lanes: 1,
        };
        let lane = Lane::new(0, limits, None).keeping_origins(delegates);
        Instance::new(identity, Box::new([Arc::new(lane)]), Arc::new(NoServices))
    }

    /// Hands a call to the instance, and says that this thread works on it.
    fn work_on_a_call(instance: &Instance, deadline: Instant) -> u64 {
        let job = Job {
            origin: Some(Origin::of_session("S")),
            ..Job::new(JobKind::Call, 0)
        };
        drop(instance.submit(job, Box::new(Nobody), deadline).ok().unwrap());
        let mut jobs = Vec::new();
        assert!(instance.lanes()[0].wait(&mut jobs));
        instance.act_for(jobs[0].token);
        jobs[0].token
    }

    #[test]
    fn a_request_names_the_call_that_it_is_made_for() {
        let instance = instance(41, true);
        let deadline = Instant::now() + Duration::from_secs(9);
        let token = work_on_a_call(&instance, deadline);
        let authority = instance.authority();
        assert_eq!(authority.rights, Rights::Caller(Origin::of_session("S")));
        let deadline = Some(deadline);
        assert_eq!(authority.call, Some(ServedCall { token, deadline }));
        let given = Completion {
            status: crate::Status::OK,
            payload: b"[]",
        };
        instance.complete(token, given);
        let authority = instance.authority();
        assert_eq!(authority.rights, Rights::Gone);
        let deadline = None;
        assert_eq!(authority.call, Some(ServedCall { token, deadline }));
        instance.act_for(0);
        assert_eq!(instance.authority().rights, Rights::Component);
        assert_eq!(instance.authority().call, None);
    }

    #[test]
    fn a_component_that_asks_for_itself_names_no_call() {
        let instance = instance(42, false);
        work_on_a_call(&instance, Instant::now() + Duration::from_secs(9));
        assert_eq!(instance.authority().rights, Rights::Component);
        assert_eq!(instance.authority().call, None);
    }
}
