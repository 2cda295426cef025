//! Requests while they are under way: answered, cancelled by the component, given up with their calls.

use super::*;
use crate::Interest;
use crate::authority::{MadeFor, Rights};
use crate::instance::{Asked, Instance};
use crate::job::{Abandoned, Answer, Completion};
use crate::no_services::{NoServices, Nobody, identity};
use crate::place::Place;
use crate::{Caller, Limits};
use mesh_wire::origin::Origin;
use std::time::{Duration, Instant};

const LIMITS: Limits = Limits {
    bytes: 1 << 30,
    calls_of_each: 1 << 20,
    lanes: 1,
};

fn instance(number: u64, delegates: bool) -> Arc<Instance> {
    let lanes = (0..2).map(|number| Arc::new(Lane::new(number, LIMITS, None).keeping_origins(delegates)));
    Arc::new(Instance::new(
        identity(number),
        lanes.collect(),
        Arc::new(NoServices),
    ))
}

/// Another component that waits for the answer, as the mesh lets it wait.
struct Waits(Caller);

impl Answer for Waits {
    fn answer(self: Box<Self>, status: i32, payload: &[u8]) {
        self.0.reply(status, payload.to_vec());
    }

    fn abandon(self: Box<Self>, why: Abandoned) {
        self.0.reply(Status::ERROR, format!("{why:?}"));
    }

    fn placed(&mut self, place: Place) {
        self.0.note_place(place);
    }

    fn is_unwanted(&self) -> bool {
        self.0.is_over()
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// The work that a lane's thread gets now.
fn work(lane: &Arc<Lane>) -> Vec<Job> {
    let mut jobs = Vec::new();
    // Something is always there, so that nobody waits.
    drop(lane.push(Job::new(JobKind::Wake, 0)));
    assert!(lane.wait(&mut jobs));
    lane.worked_off(jobs.len());
    jobs.retain(|job| job.kind != JobKind::Wake);
    jobs
}

/// Hands a call to a lane, and lets the component take it.
fn served(lane: &Arc<Lane>, deadline: Instant) -> u64 {
    let job = Job {
        origin: Some(Origin::of_session("S")),
        ..Job::new(JobKind::Call, 0)
    };
    drop(lane.submit(job, Box::new(Nobody), deadline).ok().unwrap());
    let jobs = work(lane);
    assert_eq!(jobs[0].kind, JobKind::Call);
    jobs[0].token
}

fn asked(made_for: MadeFor) -> Asked {
    Asked {
        lane: 1,
        token: 7,
        made_for,
        trace: None,
    }
}

/// Calls another instance for a call of this one, as the mesh does it.
fn call(from: &Arc<Instance>, made_for: MadeFor, to: &Arc<Instance>) -> Caller {
    let caller = from.begin(&asked(made_for)).unwrap();
    let job = Job::new(JobKind::Call, 0);
    let wake = to.lanes()[0]
        .submit(job, Box::new(Waits(caller.clone())), soon())
        .ok()
        .unwrap();
    if let Some(place) = to.place_of(wake.token()) {
        caller.note(Doing::Call(place));
    }
    caller
}

fn kinds(jobs: &[Job]) -> Vec<(JobKind, u64)> {
    jobs.iter().map(|job| (job.kind, job.token)).collect()
}

#[test]
fn a_request_is_answered_once_and_cannot_be_cancelled_after_that() {
    let asks = instance(1, false);
    let caller = asks.begin(&asked(MadeFor::Component)).unwrap();
    let number = caller.request.unwrap().get();
    assert_eq!(asks.requests(), 1);
    caller.reply(Status::OK, "1");
    caller.reply(Status::OK, "2");
    assert_eq!(asks.requests(), 0);
    assert_eq!(asks.cancel(number), Err(Wrong::Unknown));
    let jobs = work(&asks.lanes()[1]);
    assert_eq!(kinds(&jobs), [(JobKind::Reply, 7)]);
    assert_eq!(&jobs[0].payload[..], b"1");
}

#[test]
fn a_request_that_was_cancelled_gets_no_reply_and_is_cancelled_once() {
    let asks = instance(1, false);
    let caller = asks.begin(&asked(MadeFor::Component)).unwrap();
    let number = caller.request.unwrap().get();
    assert_eq!(asks.cancel(number), Ok(()));
    assert_eq!(asks.cancel(number), Err(Wrong::Unknown));
    assert!(caller.is_over());
    caller.reply(Status::OK, "late");
    assert!(work(&asks.lanes()[1]).is_empty());
    assert_eq!(asks.requests(), 0);
}

#[test]
fn what_is_no_call_in_progress_is_refused_and_leaves_nothing() {
    let (asks, other) = (instance(1, true), instance(2, true));
    let ended = served(&asks.lanes()[0], soon());
    let given = Completion {
        status: Status::OK,
        payload: b"[]",
    };
    asks.complete(ended, given);
    let of_other = served(&other.lanes()[0], soon());
    // One that the component was not handed yet.
    let queued = asks.lanes()[0]
        .submit(Job::new(JobKind::Call, 0), Box::new(Nobody), soon())
        .ok()
        .unwrap();
    // An order of the host is no call.
    let order = asks.lanes()[1]
        .submit(Job::new(JobKind::Start, 0), Box::new(Nobody), soon())
        .ok()
        .unwrap();
    assert_eq!(work(&asks.lanes()[1])[0].kind, JobKind::Start);
    for token in [ended, of_other, queued.token(), order.token(), 1, u64::MAX] {
        let wrong = asks.begin(&asked(MadeFor::Call(token))).err();
        assert_eq!(wrong, Some(Wrong::Call), "{token:x}");
        assert_eq!(asks.begin(&asked(MadeFor::Event(token))).err(), Some(Wrong::Call));
    }
    let other_lane = Asked {
        lane: 2,
        ..asked(MadeFor::Component)
    };
    assert_eq!(asks.begin(&other_lane).err(), Some(Wrong::Lane));
    let no_token = Asked {
        token: 0,
        ..asked(MadeFor::Component)
    };
    assert_eq!(asks.begin(&no_token).err(), Some(Wrong::Token));
    assert_eq!(asks.requests(), 0);
}

#[test]
fn a_request_has_the_rights_the_deadline_and_the_chain_of_its_call_on_any_thread() {
    for delegates in [true, false] {
        let asks = instance(1, delegates);
        let deadline = soon();
        let token = served(&asks.lanes()[0], deadline);
        let caller = std::thread::scope(|scope| {
            let begun = scope.spawn(|| asks.begin(&asked(MadeFor::Call(token))).unwrap());
            begun.join().unwrap()
        });
        let rights = match delegates {
            true => Rights::Caller(Origin::of_session("S")),
            false => Rights::Component,
        };
        assert_eq!(caller.authority.rights, rights);
        assert_eq!(caller.authority.call.unwrap().deadline, Some(deadline));
        assert!(caller.authority.chain.is_some());
        let hour = Duration::from_secs(3600);
        let bounded = caller.authority.bounded(hour, deadline - Duration::from_secs(9));
        assert_eq!(bounded, Duration::from_secs(9));
        let second = Duration::from_secs(1);
        assert_eq!(caller.authority.bounded(second, Instant::now()), second);
        assert_eq!(caller.authority.bounded(hour, deadline + second), Duration::ZERO);
    }
}

#[test]
fn a_request_for_an_event_has_the_rights_of_its_subscription() {
    let asks = instance(1, true);
    let rights = Rights::Caller(Origin::of_session("S"));
    asks.add_interest(Interest {
        lane: 0,
        token: 5,
        component: "other".into(),
        key: "*".into(),
        range: "".into(),
        rights: rights.clone(),
    });
    let caller = asks.begin(&asked(MadeFor::Event(5))).unwrap();
    assert_eq!(caller.authority.rights, rights);
    assert!(asks.remove_interest(5));
    assert_eq!(asks.begin(&asked(MadeFor::Event(5))).err(), Some(Wrong::Call));
}

#[test]
fn a_cancelled_call_that_waits_in_the_queue_is_never_seen() {
    let (asks, serves) = (instance(1, false), instance(2, false));
    let caller = call(&asks, MadeFor::Component, &serves);
    let lane = &serves.lanes()[0];
    assert_eq!((lane.pending(), lane.load()), (1, 1));
    assert_eq!(asks.cancel(caller.request.unwrap().get()), Ok(()));
    assert_eq!((lane.pending(), lane.load()), (0, 0));
    assert!(work(lane).is_empty());
}

#[test]
fn a_cancelled_call_that_is_worked_on_is_told_to_the_component_and_so_are_those_below_it() {
    let (first, second, third) = (instance(1, false), instance(2, false), instance(3, false));
    let caller = call(&first, MadeFor::Component, &second);
    let in_second = work(&second.lanes()[0])[0].token;
    call(&second, MadeFor::Call(in_second), &third);
    // One that is made for another call of the same component goes on.
    let unrelated = served(&second.lanes()[0], soon());
    let goes_on = second.begin(&asked(MadeFor::Call(unrelated))).unwrap();
    let in_third = work(&third.lanes()[0])[0].token;

    assert_eq!(first.cancel(caller.request.unwrap().get()), Ok(()));
    assert_eq!(kinds(&work(&second.lanes()[0])), [(JobKind::Cancel, in_second)]);
    assert_eq!(kinds(&work(&third.lanes()[0])), [(JobKind::Cancel, in_third)]);
    // The component in the middle did not cancel: its request has one reply, which says so.
    let replies = work(&second.lanes()[1]);
    assert_eq!(kinds(&replies), [(JobKind::Reply, 7)]);
    assert_eq!(replies[0].status, Status::ERROR);
    assert!(String::from_utf8_lossy(&replies[0].payload).contains("Cancelled"));
    assert!(work(&first.lanes()[1]).is_empty());
    assert!(!goes_on.is_over());
    assert_eq!((first.requests(), second.requests(), third.requests()), (0, 1, 0));
}

#[test]
fn requests_end_with_a_call_that_takes_too_long_and_go_on_behind_one_that_was_completed() {
    let (asks, serves) = (instance(1, false), instance(2, false));
    let now = Instant::now();
    let (late, done) = (served(&asks.lanes()[0], now), served(&asks.lanes()[0], soon()));
    let of_late = call(&asks, MadeFor::Call(late), &serves);
    let of_done = call(&asks, MadeFor::Call(done), &serves);
    let given = Completion {
        status: Status::OK,
        payload: b"[]",
    };
    asks.complete(done, given);
    assert_eq!(asks.lanes()[0].expire(now), 1);
    assert!(of_late.is_over() && !of_done.is_over());
    assert_eq!(kinds(&work(&asks.lanes()[1])), [(JobKind::Reply, 7)]);
    assert_eq!(serves.lanes()[0].pending(), 1);
    of_done.reply(Status::OK, "[]");
    assert_eq!(kinds(&work(&asks.lanes()[1])), [(JobKind::Reply, 7)]);
}

#[test]
fn a_call_that_waits_for_a_version_is_cancelled_too() {
    let (asks, serves) = (instance(1, false), instance(2, false));
    let lane = &serves.lanes()[0];
    Lane::hold_all([lane].into_iter(), crate::Nested::Waits);
    let before = call(&asks, MadeFor::Component, &serves);
    let after = call(&asks, MadeFor::Component, &serves);
    let wanted = call(&asks, MadeFor::Component, &serves);
    assert_eq!(asks.cancel(before.request.unwrap().get()), Ok(()));
    lane.release();
    assert_eq!(asks.cancel(after.request.unwrap().get()), Ok(()));
    let jobs = work(lane);
    assert_eq!(jobs.len(), 1);
    assert_eq!((lane.pending(), lane.load()), (1, 0));
    assert!(!wanted.is_over());
}

#[test]
fn only_what_descends_from_a_call_that_was_taken_before_the_hold_is_let_in() {
    let (asks, serves) = (instance(1, false), instance(2, false));
    let (lane, held) = (&asks.lanes()[0], &serves.lanes()[0]);
    let before = served(lane, soon());
    Lane::hold_all([held].into_iter(), crate::Nested::LetIn);
    let after = served(lane, soon());
    let submit = |made_for| {
        let caller = asks.begin(&asked(made_for)).unwrap();
        let job = Job {
            chain: Some(caller.authority.chain.unwrap_or_else(|| asks.chain())),
            ..Job::new(JobKind::Call, 0)
        };
        drop(held.submit(job, Box::new(Waits(caller)), soon()).ok().unwrap());
        (held.pending(), held.waiting())
    };
    // The instance still works on the older call, but this request is not made for that.
    assert_eq!(submit(MadeFor::Call(after)), (0, 1));
    assert_eq!(submit(MadeFor::Call(before)), (1, 1));
    // One that does not say may be what the older call waits for.
    assert_eq!(submit(MadeFor::Component), (2, 1));
    let given = Completion {
        status: Status::OK,
        payload: b"[]",
    };
    asks.complete(before, given);
    assert_eq!(submit(MadeFor::Component), (2, 2));
}

#[test]
fn an_instance_that_has_ended_has_no_requests_and_takes_none() {
    let (asks, serves) = (instance(1, false), instance(2, false));
    call(&asks, MadeFor::Component, &serves);
    asks.end();
    assert!(asks.has_ended());
    assert_eq!((asks.requests(), serves.lanes()[0].pending()), (0, 0));
    assert_eq!(asks.begin(&asked(MadeFor::Component)).err(), Some(Wrong::Ended));
}

#[test]
fn a_hundred_thousand_cancelled_requests_keep_no_memory() {
    let (asks, serves) = (instance(1, false), instance(2, false));
    let token = served(&asks.lanes()[0], soon());
    let lane = &serves.lanes()[0];
    // One after the other, then all at once; those for a call, and those for none.
    for made_for in [MadeFor::Call(token), MadeFor::Component] {
        for _ in 0..100_000 {
            let caller = call(&asks, made_for, &serves);
            assert_eq!(asks.cancel(caller.request.unwrap().get()), Ok(()));
        }
        let callers: Vec<Caller> = (0..100_000).map(|_| call(&asks, made_for, &serves)).collect();
        assert_eq!((asks.requests(), lane.pending()), (100_000, 100_000));
        for caller in callers {
            assert_eq!(asks.cancel(caller.request.unwrap().get()), Ok(()));
        }
    }
    assert_eq!((asks.requests(), lane.pending(), lane.load()), (0, 0, 0));
    assert_eq!(
        asks.lanes().iter().map(|lane| lane.requests().room()).max(),
        Some(0)
    );
    assert!(work(lane).is_empty());
}

#[tokio::test]
async fn a_task_of_the_host_ends_with_the_request_whoever_comes_first() {
    let asks = instance(1, false);
    for cancels_first in [true, false] {
        let caller = asks.begin(&asked(MadeFor::Component)).unwrap();
        let number = caller.request.unwrap().get();
        let task = tokio::spawn(std::future::pending::<()>());
        if cancels_first {
            assert_eq!(asks.cancel(number), Ok(()));
            caller.note(Doing::Task(task.abort_handle()));
        } else {
            caller.note(Doing::Task(task.abort_handle()));
            assert_eq!(asks.cancel(number), Ok(()));
        }
        assert!(task.await.unwrap_err().is_cancelled());
    }
}
