//! One loaded version as the rest of the host talks to it: its lanes, its identity, and what it may ask for.
//!
//! Enters: jobs, and completions from threads of the library. Leaves: jobs on the lanes, requests of the component through
//! [`Services`]. Guarantees: a job goes to one lane; what comes too late is counted and harms nobody.

mod services;

pub use services::{Caller, Services};

use super::authority::{Authority, MadeFor, Rights, act_for, acting_for};
use super::chain::{Began, Hold};
use super::emitter::{Emitter, Identity};
use super::job::{Answer, Completion, Job, Response};
use super::lane::{Lane, Refusal, Refused, RequestNumber, Wake, clock, split_token};
use super::place::Place;
use super::uses::Uses;
use super::wrong::Wrong;
use mesh_wire::traceparent::Traceparent;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

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
    /// The extensions of the host that it uses.
    uses: Uses,
    /// Nothing that it asks for is done any more.
    has_ended: AtomicBool,
}

/// A request of a component as it describes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// The lane where the outcome arrives.
    pub(super) lane: u32,
    /// The number that the component chose.
    pub(super) token: u64,
    /// For what it is made.
    pub(super) made_for: MadeFor,
    /// The trace that a called component learns of, where the component says so.
    pub(super) trace: Option<Traceparent>,
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
    /// With whose rights it listens.
    pub rights: Rights,
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
            uses: Uses::default(),
            has_ended: AtomicBool::new(false),
        }
    }

    /// The same for a component that uses these extensions.
    pub(super) fn using(self, uses: Uses) -> Instance {
        Instance { uses, ..self }
    }

    /// The extensions of the host that it uses.
    pub(super) fn uses(&self) -> &Uses {
        &self.uses
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

    /// Remembers that it does not listen any more. Returns whether it did.
    pub fn remove_interest(&self, token: u64) -> bool {
        let mut interests = self.interests.lock().unwrap_or_else(PoisonError::into_inner);
        let before = interests.len();
        interests.retain(|interest| interest.token != token);
        interests.len() < before
    }

    /// With whose rights it listens under this token.
    pub(super) fn rights_of_interest(&self, token: u64) -> Option<Rights> {
        let interests = self.interests.lock().unwrap_or_else(PoisonError::into_inner);
        let found = interests.iter().find(|interest| interest.token == token);
        found.map(|interest| interest.rights.clone())
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

    /// Whether it was meant to ask with the rights of its callers, and does not know how.
    pub(super) fn misses_delegation(&self) -> bool {
        self.delegates() && !self.uses.delegation()
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

    /// With whose authority a request is made that says for what it is made.
    pub(super) fn authority_for(&self, made_for: MadeFor) -> Result<Authority, Wrong> {
        match made_for {
            MadeFor::Component => Ok(Authority::default()),
            MadeFor::Call(token) => {
                let (lane, ticket) = split_token(token);
                let lane = self.lanes.get(lane).ok_or(Wrong::Call)?;
                let served = lane.served(ticket).ok_or(Wrong::Call)?;
                Ok(Authority::for_served(token, served, self.delegates()))
            }
            MadeFor::Event(token) => {
                let rights = self.rights_of_interest(token).ok_or(Wrong::Call)?;
                Ok(Authority {
                    rights,
                    ..Authority::default()
                })
            }
        }
    }

    /// Takes a request that is answered or cancelled later. The services of the host are to be asked for it with what this
    /// returns, or [`Instance::withdraw`] is.
    pub(super) fn begin(self: &Arc<Self>, asked: &Asked) -> Result<Caller, Wrong> {
        if asked.token == 0 {
            return Err(Wrong::Token);
        }
        let reply_to = self.lane(asked.lane).ok_or(Wrong::Lane)?;
        let (keeper, call) = match asked.made_for {
            MadeFor::Call(token) => (self.lanes.get(split_token(token).0).ok_or(Wrong::Call)?, token),
            MadeFor::Component | MadeFor::Event(_) => (reply_to, 0),
        };
        // First, so that a call which is given up from now on takes the request with it.
        let ticket = keeper.requests().begin(reply_to, asked.token, call)?;
        let number = RequestNumber::new(keeper.token(ticket));
        match self.authority_for(asked.made_for) {
            Ok(authority) => Ok(Caller {
                instance: self.clone(),
                lane: asked.lane,
                token: asked.token,
                authority: Authority {
                    trace: asked.trace.or(authority.trace),
                    ..authority
                },
                request: Some(number),
            }),
            Err(wrong) => {
                self.withdraw(number);
                Err(wrong)
            }
        }
    }

    /// The component that listens under a token which no other subscription of it has.
    pub(super) fn listener(self: &Arc<Self>, asked: &Asked) -> Result<Caller, Wrong> {
        if asked.token == 0 || self.rights_of_interest(asked.token).is_some() {
            return Err(Wrong::Token);
        }
        self.lane(asked.lane).ok_or(Wrong::Lane)?;
        Ok(Caller {
            instance: self.clone(),
            lane: asked.lane,
            token: asked.token,
            authority: self.authority_for(asked.made_for)?,
            request: None,
        })
    }

    /// Forgets a request that was not begun after all.
    pub(super) fn withdraw(&self, number: RequestNumber) {
        let (lane, ticket) = split_token(number.get());
        if let Some(lane) = self.lanes.get(lane) {
            lane.requests().finish(ticket);
        }
    }

    /// Cancels a request. No reply comes then.
    pub(super) fn cancel(&self, number: u64) -> Result<(), Wrong> {
        let (lane, ticket) = split_token(number);
        let lane = self.lanes.get(lane).ok_or(Wrong::Unknown)?;
        match lane.requests().cancel(ticket) {
            true => Ok(()),
            false => Err(Wrong::Unknown),
        }
    }

    /// How many requests it has made for calls that it names, or for itself, that are not over.
    pub fn requests(&self) -> usize {
        self.lanes.iter().map(|lane| lane.requests().len()).sum()
    }

    /// From now on nothing that it asks for is done. To be called when no code of it should run any more.
    pub(super) fn end(&self) {
        self.has_ended.store(true, Ordering::Release);
        self.lanes.iter().for_each(|lane| lane.requests().end());
    }

    /// Whether nothing that it asks for is done any more.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }

    /// The place of a call with this token; none for the token of a call that waits for a version.
    pub fn place_of(&self, token: u64) -> Option<Place> {
        let lane = self.lanes.get(split_token(token).0).filter(|_| token != 0)?;
        let holder = lane.clone();
        Some(Place { holder, token })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::{Rights, ServedCall};
    use crate::job::JobKind;
    use crate::lane::Limits;
    use crate::no_services::{NoServices, Nobody, identity};
    use mesh_wire::origin::Origin;
    use std::time::Duration;

    fn instance(number: u64, delegates: bool) -> Instance {
        let limits = Limits {
            bytes: 10_000,
            calls_of_each: 10,
            lanes: 1,
        };
        let lane = Lane::new(0, limits, None).keeping_origins(delegates);
        Instance::new(identity(number), Box::new([Arc::new(lane)]), Arc::new(NoServices))
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
