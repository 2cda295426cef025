//! Calls of the own callers, wherever they are executed.
//!
//! Enters: calls, what links say of the frames that carry them, answers, verdicts, and the time. Leaves: frames, calls for the own
//! components, and one reply for each call. Guarantees: no reply is given twice or after its deadline was seen to pass. A call
//! is tried again only while nobody can have executed it; once more where its method is idempotent. Nothing is allocated for
//! a call but what is sent.
//!
//! A link says of each frame that it was taken; or, when the peer is lost, that it never was, or that nobody knows. The last two
//! are said for the frames that were not taken, and those never will be: the link takes their bodies back.

use super::deadlines::Deadlines;
use super::error::CallError;
use super::frame::{AnswerFrame, CancelFrame, Outcome, Refusal};
use super::request::{Counts, Ending, InFlight, Output, Reply, Request, Router};
use crate::choice::{NoChoice, Tried};
use crate::component::Component;
use crate::identity::NodeName;
use crate::moment::Moment;
use crate::peer::Peer;
use crate::provider::Place;
use crate::status::CallCounts;
use mesh_wire::versions::ComponentVersion;
use std::collections::VecDeque;
use std::sync::Arc;

/// How many candidates may refuse a call.
const MOST_CANDIDATES: u8 = 3;
/// The memory of so many calls is kept when no call waits.
const FEW: usize = 1024;
/// Bits of a number that say in which slot its call is.
const SLOT_BITS: u32 = 24;

/// The calls that wait for an answer. `C` is what knows a caller.
pub struct Calls<C> {
    most_bytes: usize,
    slots: Vec<Option<Pending<C>>>,
    free: Vec<usize>,
    sequence: u64,
    in_flight: InFlight,
    deadlines: Deadlines,
    outputs: VecDeque<Output<C>>,
    counts: Counts,
}

struct Pending<C> {
    caller: C,
    request: Request,
    /// Its key among the deadlines.
    key: u64,
    deadline: Moment,
    /// Those that have refused it.
    tried: Vec<Tried>,
    candidates: u8,
    /// The node that may have executed it.
    lost: Option<NodeName>,
    refusal: Option<CallError>,
    at: Option<At>,
}

impl<C> Pending<C> {
    /// Whether it has been tried as often as it may be.
    fn is_at_its_end(&self) -> bool {
        self.candidates >= MOST_CANDIDATES + u8::from(self.lost.is_some())
    }

    /// Whether this version may execute it. If it may have been executed once, not every version allows that again.
    fn may_go_to(&self, component: &Component) -> bool {
        self.lost.is_none() || component.is_idempotent(self.request.target.aim())
    }
}

struct At {
    number: u64,
    place: Place,
    component: Arc<Component>,
    is_taken: bool,
}

impl At {
    fn tried(&self) -> Tried {
        Tried {
            place: self.place.clone(),
            version: self.component.version().clone(),
        }
    }
}

impl<C> Calls<C> {
    /// No calls. Arguments and answers of other nodes may have so many bytes.
    pub fn new(most_bytes: usize) -> Calls<C> {
        Calls {
            most_bytes,
            slots: Vec::new(),
            free: Vec::new(),
            sequence: 0,
            in_flight: InFlight::default(),
            deadlines: Deadlines::default(),
            outputs: VecDeque::new(),
            counts: Counts::default(),
        }
    }

    /// Begins a call.
    pub fn begin(&mut self, now: Moment, request: Request, caller: C, router: &mut impl Router) {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None if self.slots.len() >> SLOT_BITS > 0 => {
                let component = request.component;
                let reply = Reply::Failed(CallError::Busy { component });
                return self.outputs.push_back(Output::Reply { caller, reply });
            }
            None => {
                self.slots.push(None);
                self.slots.len() - 1
            }
        };
        let key = self.number(slot);
        let deadline = now + request.timeout;
        self.slots[slot] = Some(Pending {
            caller,
            request,
            key,
            deadline,
            tried: Vec::new(),
            candidates: 0,
            lost: None,
            refusal: None,
            at: None,
        });
        let slots = &self.slots;
        let waiting = slots.len() - self.free.len();
        self.deadlines
            .add(deadline, key, waiting, |key| is_waiting(slots, key));
        self.attempt(now, slot, router);
    }

    /// A peer has an attempt.
    pub fn taken(&mut self, peer: &Peer, number: u64) {
        if let Some((_, at)) = self.find(number)
            && at.place.peer() == Some(peer)
        {
            at.is_taken = true;
        }
    }

    /// A peer has never had an attempt, and never will.
    pub fn never_taken(&mut self, now: Moment, peer: &Peer, number: u64, router: &mut impl Router) {
        if let Some(slot) = self.slot_at(number, peer) {
            self.refused(now, slot, None, router);
        }
    }

    /// The link to a peer has no room for an attempt.
    pub fn link_full(&mut self, now: Moment, peer: &Peer, number: u64, router: &mut impl Router) {
        if let Some(slot) = self.slot_at(number, peer) {
            self.refused(now, slot, Some(Refusal::Full), router);
        }
    }

    /// A peer cannot be reached with an attempt, which waits in the link. It is withdrawn where another node can take the call. The link
    /// says then that it was never taken, unless it has been meanwhile.
    pub fn returned(&mut self, peer: &Peer, number: u64, router: &mut impl Router) {
        let Some(slot) = self.slot_at(number, peer) else {
            return;
        };
        let pending = self.slots[slot]
            .as_ref()
            .filter(|pending| !pending.is_at_its_end());
        let Some((pending, at)) = pending.and_then(|pending| Some((pending, pending.at.as_ref()?))) else {
            return;
        };
        let mut tried = pending.tried.clone();
        tried.push(at.tried());
        let route = router.choose(&pending.request, &tried, &self.in_flight);
        if route.is_ok_and(|route| !route.is_away && pending.may_go_to(&route.component)) {
            let peer = peer.clone();
            self.outputs.push_back(Output::Withdraw { peer, number });
        }
    }

    /// A peer was lost, and nobody knows whether it has an attempt.
    pub fn unknown(&mut self, now: Moment, peer: &Peer, number: u64, router: &mut impl Router) {
        if let Some(slot) = self.slot_at(number, peer) {
            self.given_up(now, slot, router);
        }
    }

    /// A peer is lost, or has left. Of attempts that it has not taken, its link says more.
    pub fn lost(&mut self, now: Moment, peer: &Peer, router: &mut impl Router) {
        for slot in 0..self.slots.len() {
            // The last one that is given up may take the memory of all slots with it.
            let pending = self.slots.get(slot).and_then(Option::as_ref);
            let at = pending.and_then(|pending| pending.at.as_ref());
            if at.is_some_and(|at| at.is_taken && at.place.peer() == Some(peer)) {
                self.given_up(now, slot, router);
            }
        }
    }

    /// An attempt has ended.
    pub fn answered(&mut self, now: Moment, place: &Place, answer: AnswerFrame, router: &mut impl Router) {
        let slot = match self.find(answer.number) {
            Some((slot, at)) if at.place == *place => slot,
            _ => {
                self.counts.late += 1;
                return;
            }
        };
        match answer.outcome {
            Outcome::Answered { status, payload } => {
                self.end_attempt(slot, Ending::Answered);
                self.reply(slot, Reply::Answered { status, payload });
            }
            Outcome::TooLarge { bytes } => {
                let most = self.most_bytes as u64;
                self.end_attempt(slot, Ending::Answered);
                self.reply(slot, Reply::Failed(CallError::AnswerTooLarge { bytes, most }));
            }
            Outcome::Refused(why) => self.refused(now, slot, Some(why), router),
        }
    }

    /// Answers the calls whose time is over.
    pub fn tick(&mut self, now: Moment) {
        while let Some(key) = self.deadlines.take(now) {
            if is_waiting(&self.slots, key) {
                self.timed_out(slot_of(key));
            }
        }
    }

    /// When [`Calls::tick`] has something to do.
    pub fn next_deadline(&mut self) -> Option<Moment> {
        let slots = &self.slots;
        self.deadlines.next_deadline(|key| is_waiting(slots, key))
    }

    /// The next thing to be done.
    pub fn poll(&mut self) -> Option<Output<C>> {
        self.outputs.pop_front()
    }

    /// How many calls wait.
    pub fn waiting(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// How many calls there are at each node.
    pub fn in_flight(&self) -> &InFlight {
        &self.in_flight
    }

    /// Takes how attempts at other nodes have ended since the last time.
    pub fn take_ended(&mut self, each: impl FnMut(&NodeName, CallCounts)) {
        self.in_flight.take_ended(each);
    }

    /// The numbers of things that have happened since the start.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// A number that was never given. Later ones are higher.
    fn number(&mut self, slot: usize) -> u64 {
        self.sequence += 1;
        (self.sequence << SLOT_BITS) | slot as u64
    }

    fn find(&mut self, number: u64) -> Option<(usize, &mut At)> {
        let slot = slot_of(number);
        let at = self.slots.get_mut(slot)?.as_mut()?.at.as_mut()?;
        (at.number == number).then_some((slot, at))
    }

    fn slot_at(&mut self, number: u64, peer: &Peer) -> Option<usize> {
        let (slot, at) = self.find(number)?;
        (at.place.peer() == Some(peer)).then_some(slot)
    }

    /// Hands a call to the next candidate, or answers it when there is none.
    fn attempt(&mut self, now: Moment, slot: usize, router: &mut impl Router) {
        let number = self.number(slot);
        let Some(pending) = self.slots[slot].as_mut() else {
            return;
        };
        if pending.deadline <= now {
            return self.timed_out(slot);
        }
        let request = &pending.request;
        let is_repeated = pending.lost.is_some();
        if pending.is_at_its_end() {
            return self.failed(slot, NoChoice::Unreachable, router);
        }
        let route = match router.choose(request, &pending.tried, &self.in_flight) {
            Ok(route) => route,
            Err(why) => return self.failed(slot, why, router),
        };
        if !pending.may_go_to(&route.component) {
            return self.failed(slot, NoChoice::Unreachable, router);
        }
        let left = pending.deadline.since(now);
        let output = match &route.place {
            Place::Here => Output::Here {
                number,
                component: route.component.clone(),
                request: request.clone(),
                left,
            },
            Place::Node(_) if request.arguments.len() > self.most_bytes => {
                pending.refusal = Some(CallError::ArgumentsTooLarge {
                    bytes: request.arguments.len() as u64,
                    most: self.most_bytes as u64,
                });
                return self.failed(slot, NoChoice::Unreachable, router);
            }
            Place::Node(peer) => Output::Send {
                peer: peer.clone(),
                number,
                body: request.frame(number, &route.component, left).write(),
            },
        };
        self.in_flight.begin(&route.place);
        self.counts.rerouted += u64::from(pending.candidates > 0 && !is_repeated);
        self.counts.repeated += u64::from(is_repeated);
        pending.candidates += 1;
        pending.at = Some(At {
            number,
            place: route.place,
            component: route.component,
            is_taken: false,
        });
        self.outputs.push_back(output);
    }

    /// An attempt was not executed. Without a reason its node never had it.
    fn refused(&mut self, now: Moment, slot: usize, why: Option<Refusal>, router: &mut impl Router) {
        let Some(at) = self.end_attempt(slot, Ending::Refused) else {
            return;
        };
        let most = self.most_bytes as u64;
        let Some(pending) = self.slots[slot].as_mut() else {
            return;
        };
        let component = pending.request.component.clone();
        pending.refusal = Some(match why {
            Some(Refusal::Full) => CallError::Busy { component },
            Some(Refusal::TooLarge) => CallError::ArgumentsTooLarge {
                bytes: pending.request.arguments.len() as u64,
                most,
            },
            _ => CallError::Unavailable {
                component,
                asked: pending.request.wanted.text(),
            },
        });
        pending.tried.push(at.tried());
        self.attempt(now, slot, router);
    }

    /// An attempt may have been executed, and nobody will say so.
    fn given_up(&mut self, now: Moment, slot: usize, router: &mut impl Router) {
        let Some(at) = self.end_attempt(slot, Ending::Lost) else {
            return;
        };
        let number = at.number;
        self.outputs.push_back(Output::Cancel {
            place: at.place.clone(),
            number,
            body: CancelFrame { number }.write(),
        });
        let Some(pending) = self.slots[slot].as_mut() else {
            return;
        };
        let was_repeated = pending.lost.is_some();
        if let Some(peer) = at.place.peer() {
            pending.lost = Some(peer.node.clone());
        }
        pending.tried.push(at.tried());
        match at.component.is_idempotent(pending.request.target.aim()) && !was_repeated {
            true => self.attempt(now, slot, router),
            false => self.failed(slot, NoChoice::Unreachable, router),
        }
    }

    fn timed_out(&mut self, slot: usize) {
        if let Some(at) = self.end_attempt(slot, Ending::TimedOut) {
            let number = at.number;
            self.outputs.push_back(Output::Cancel {
                place: at.place,
                number,
                body: CancelFrame { number }.write(),
            });
        }
        let Some(pending) = self.slots[slot].as_ref() else {
            return;
        };
        let request = &pending.request;
        let error = CallError::TimedOut {
            component: request.component.clone(),
            method: request.target.name().clone(),
            milliseconds: u64::try_from(request.timeout.as_millis()).unwrap_or(u64::MAX),
        };
        self.counts.timed_out += 1;
        self.reply(slot, Reply::Failed(error));
    }

    /// Answers a call that nobody is left for. A loss is said before all else, since it may have been executed then.
    fn failed(&mut self, slot: usize, why: NoChoice, router: &impl Router) {
        let Some(pending) = self.slots[slot].as_mut() else {
            return;
        };
        let request = &pending.request;
        let (component, method) = (request.component.clone(), request.target.name().clone());
        let error = match (pending.lost.take(), pending.refusal.take(), why) {
            (Some(node), ..) => {
                self.counts.lost += 1;
                CallError::NodeLost {
                    component,
                    method,
                    node,
                }
            }
            (None, Some(refusal), _) => refusal,
            (None, None, NoChoice::Unknown) => CallError::UnknownComponent {
                component: request.named.clone(),
                method,
            },
            (None, None, NoChoice::NoMethod) => CallError::UnknownMethod {
                component: request.named.clone(),
                method,
            },
            (None, None, NoChoice::NoVersion) => {
                let present = router.versions(&component);
                let present: Vec<&str> = present.iter().map(ComponentVersion::text).collect();
                let is_ranged = request.named != component;
                CallError::NoVersion {
                    component: request.named.clone(),
                    method,
                    asked: match is_ranged {
                        true => request.named.clone(),
                        false => request.wanted.text(),
                    },
                    present: present.join(", ").into(),
                }
            }
            (None, None, NoChoice::Unreachable) => CallError::Unavailable {
                component,
                asked: request.wanted.text(),
            },
        };
        self.reply(slot, Reply::Failed(error));
    }

    fn end_attempt(&mut self, slot: usize, ending: Ending) -> Option<At> {
        let at = self.slots[slot].as_mut()?.at.take()?;
        self.in_flight.end(&at.place, ending);
        Some(at)
    }

    fn reply(&mut self, slot: usize, reply: Reply) {
        if let Some(pending) = self.slots[slot].take() {
            self.free.push(slot);
            // After a flood its memory is given back.
            if self.slots.len() > FEW && self.free.len() == self.slots.len() {
                self.slots = Vec::new();
                self.free = Vec::new();
            }
            let caller = pending.caller;
            self.outputs.push_back(Output::Reply { caller, reply });
        }
    }
}

fn slot_of(number: u64) -> usize {
    (number & ((1 << SLOT_BITS) - 1)) as usize
}

fn is_waiting<C>(slots: &[Option<Pending<C>>], key: u64) -> bool {
    let pending = slots.get(slot_of(key)).and_then(Option::as_ref);
    pending.is_some_and(|pending| pending.key == key)
}
