//! A lane as its component and its callers see it.

use super::*;
use crate::intake::Nested;
use crate::job::Abandoned;
use bytes::Bytes;
use mesh_wire::origin::Origin;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

fn limits(bytes: usize) -> Limits {
    Limits {
        bytes,
        calls_of_each: 10_000,
        lanes: 1,
    }
}

fn ok(payload: &[u8]) -> Completion<'_> {
    let status = Status::OK;
    Completion { status, payload }
}

struct Reply(Sender<String>);

impl Answer for Reply {
    fn answer(self: Box<Self>, status: i32, payload: &[u8]) {
        self.0
            .send(format!("{status} {}", String::from_utf8_lossy(payload)))
            .unwrap();
    }

    fn abandon(self: Box<Self>, why: Abandoned) {
        self.0.send(format!("abandoned: {why:?}")).unwrap();
    }
}

#[test]
fn a_call_is_completed_once() {
    let (sender, replies) = channel();
    let lane = Arc::new(Lane::new(3, limits(1000), None));
    let soon = Instant::now() + Duration::from_secs(10);
    drop(
        lane.submit(Job::new(JobKind::Call, 0), Box::new(Reply(sender)), soon)
            .ok()
            .unwrap(),
    );
    let mut jobs = Vec::new();
    assert!(lane.wait(&mut jobs));
    let (number, ticket) = split_token(jobs[0].token);
    assert_eq!(number, 3);
    lane.complete(ticket, ok(b"[1]"), None);
    lane.complete(ticket, ok(b"[2]"), None);
    assert_eq!(replies.try_iter().collect::<Vec<_>>(), ["0 [1]"]);
    assert_eq!((lane.late_completions(), lane.pending()), (1, 0));
}

#[test]
fn a_lane_is_busy_from_the_call_in_its_queue_until_its_thread_asks_for_more() {
    let (sender, _told) = channel();
    let lane = Arc::new(Lane::new(0, limits(1000), None));
    let soon = Instant::now() + Duration::from_secs(10);
    assert!(!lane.is_busy());
    let submit = || lane.submit(Job::new(JobKind::Call, 0), Box::new(Reply(sender.clone())), soon);
    drop(submit().ok().unwrap());
    assert!(lane.is_busy(), "the call waits for the thread");
    let mut jobs = Vec::new();
    assert!(lane.wait(&mut jobs));
    assert!(lane.is_busy(), "the thread works on it");
    jobs.clear();
    lane.close();
    assert!(!lane.wait(&mut jobs));
    assert!(
        !lane.is_busy(),
        "the thread has nothing to do, and the call is answered later"
    );
    assert_eq!(lane.pending(), 1);
}

#[test]
fn who_called_is_remembered_until_the_answer_where_somebody_will_ask() {
    for keeps in [true, false] {
        let (sender, _told) = channel();
        let lane = Arc::new(Lane::new(0, limits(1000), None).keeping_origins(keeps));
        let soon = Instant::now() + Duration::from_secs(10);
        let submit = |kind| {
            let job = Job {
                origin: Some(Origin::of_session("S")),
                ..Job::new(kind, 0)
            };
            let submitted = lane.submit(job, Box::new(Reply(sender.clone())), soon);
            drop(submitted.ok().unwrap());
        };
        submit(JobKind::Start);
        submit(JobKind::Call);
        // One that waits while versions change places is remembered as well.
        Lane::hold_all([&lane].into_iter(), Nested::Waits);
        submit(JobKind::Call);
        lane.release();
        let mut jobs = Vec::new();
        assert!(lane.wait(&mut jobs));
        let tickets: Vec<Ticket> = jobs.iter().map(|job| split_token(job.token).1).collect();
        let known: Vec<bool> = tickets
            .iter()
            .map(|ticket| lane.caller_of(*ticket).is_some())
            .collect();
        assert_eq!(known, [false, keeps, keeps]);
        lane.complete(tickets[1], ok(b"[]"), None);
        assert!(lane.caller_of(tickets[1]).is_none());
    }
}

#[test]
fn calls_are_answered_at_their_deadlines_and_at_the_end() {
    let (sender, replies) = channel();
    let lane = Arc::new(Lane::new(0, limits(1000), None));
    let now = Instant::now();
    drop(
        lane.submit(Job::new(JobKind::Call, 0), Box::new(Reply(sender.clone())), now)
            .ok()
            .unwrap(),
    );
    drop(
        lane.submit(
            Job::new(JobKind::Call, 0),
            Box::new(Reply(sender.clone())),
            now + Duration::from_secs(9),
        )
        .ok()
        .unwrap(),
    );
    assert_eq!(lane.expire(now), 1);
    lane.close();
    let mut jobs = Vec::new();
    assert!(lane.wait(&mut jobs), "what is queued is still worked off");
    assert_eq!(jobs.len(), 1, "but not what nobody waits for any more");
    jobs.clear();
    assert!(!lane.wait(&mut jobs));
    assert_eq!(lane.abandon(Abandoned::Stopped), 1);
    assert_eq!(
        replies.try_iter().collect::<Vec<_>>(),
        ["abandoned: TimedOut", "abandoned: Stopped"]
    );
    assert!(
        lane.submit(Job::new(JobKind::Call, 0), Box::new(Reply(sender)), now)
            .is_err()
    );
}

#[test]
fn the_queue_is_bounded_in_bytes() {
    let (sender, _told) = channel();
    let lane = Arc::new(Lane::new(0, limits(size_of::<Job>() + 300), None));
    let soon = Instant::now() + Duration::from_secs(10);
    let job = || Job {
        payload: Bytes::from(vec![b' '; 200]),
        ..Job::new(JobKind::Call, 0)
    };
    assert!(lane.submit(job(), Box::new(Reply(sender.clone())), soon).is_ok());
    let refused = lane.submit(job(), Box::new(Reply(sender)), soon).err();
    assert_eq!(refused.map(|refused| refused.why), Some(Refusal::Full));
}

/// Somebody who calls, and may go.
#[derive(Clone, Default)]
struct Caller {
    share: Arc<Share>,
    has_gone: Arc<AtomicBool>,
}

impl Answer for Caller {
    fn answer(self: Box<Self>, _: i32, _: &[u8]) {}

    fn abandon(self: Box<Self>, _: Abandoned) {}

    fn is_orphaned(&self) -> bool {
        self.has_gone.load(Ordering::Relaxed)
    }

    fn share(&self) -> Option<&Share> {
        Some(&self.share)
    }
}

/// Lets a caller call until it is refused. Returns how often it was not, and why it was.
fn call_on(lane: &Arc<Lane>, caller: &Caller, size: usize) -> (usize, Refusal) {
    let soon = Instant::now() + Duration::from_secs(1000);
    let payload = Bytes::from(vec![b' '; size]);
    for taken in 0.. {
        let job = Job {
            payload: payload.clone(),
            ..Job::new(JobKind::Call, 0)
        };
        match lane.submit(job, Box::new(caller.clone()), soon) {
            Ok(wake) => drop(wake),
            Err(refused) => return (taken, refused.why),
        }
    }
    unreachable!("no lane takes everything")
}

#[test]
fn a_caller_takes_its_share_and_gets_it_back_with_each_answer() {
    let lane = Arc::new(Lane::new(0, limits(1 << 30), None));
    let (greedy, other) = (Caller::default(), Caller::default());
    assert_eq!(call_on(&lane, &greedy, 10), (10_000, Refusal::Share));
    assert_eq!(lane.refused_calls(), 1);
    let mut jobs = Vec::new();
    lane.wait(&mut jobs);
    // While the component has them they count as well.
    assert_eq!(call_on(&lane, &greedy, 10).0, 0);
    assert_eq!(call_on(&lane, &other, 10).0, 10_000);
    for job in &jobs[..5] {
        lane.complete(split_token(job.token).1, ok(b"[]"), None);
    }
    assert_eq!(call_on(&lane, &greedy, 10).0, 5);
    assert_eq!(lane.abandon(Abandoned::Stopped), 20_000);
    assert_eq!((greedy.share.held().calls, greedy.share.held().bytes), (0, 0));
}

#[test]
fn calls_that_wait_for_a_version_count_in_the_share_of_their_caller() {
    let lane = Arc::new(Lane::new(0, limits(1 << 30), None));
    let caller = Caller::default();
    Lane::hold_all([&lane].into_iter(), Nested::Waits);
    assert_eq!(call_on(&lane, &caller, 10), (10_000, Refusal::Share));
    assert_eq!(call_on(&lane, &Caller::default(), 10).0, 10_000);
    lane.release();
    assert_eq!((lane.pending(), caller.share.held().calls), (20_000, 10_000));
    lane.abandon(Abandoned::Stopped);
    Lane::hold_all([&lane].into_iter(), Nested::Waits);
    assert_eq!(call_on(&lane, &caller, 10).0, 10_000);
    drop(lane.seal());
    assert_eq!(caller.share.held().calls, 0, "what is dropped counts no more");
}

#[test]
fn calls_of_closed_sessions_make_room() {
    let lane = Arc::new(Lane::new(0, limits(1 << 30), None));
    let gone = Caller::default();
    assert_eq!(call_on(&lane, &gone, 0).0, 10_000);
    gone.has_gone.store(true, Ordering::Relaxed);
    lane.expire(Instant::now());
    assert_eq!(lane.pending(), 10_000, "nobody needs their places");
    // One after the other comes, takes what it can, and goes.
    for _ in 0..40 {
        let caller = Caller::default();
        call_on(&lane, &caller, 0);
        caller.has_gone.store(true, Ordering::Relaxed);
        lane.lock().swept = None;
    }
    let (taken, _) = call_on(&lane, &Caller::default(), 0);
    assert!(taken > 1000, "{taken}");
    lane.expire(Instant::now());
    assert!(lane.pending() <= 25_000, "{}", lane.pending());
}

#[test]
fn bytes_of_one_caller_and_events_leave_room_in_the_queue() {
    let lane = Arc::new(Lane::new(0, limits(1 << 20), None));
    let event = |publisher| {
        lane.push(Job {
            payload: Bytes::from(vec![b' '; 1000]),
            publisher,
            ..Job::new(JobKind::Event, 1)
        })
    };
    (0..2000).for_each(|_| drop(event(1)));
    assert!(lane.dropped_events() > 1000);
    let dropped = lane.dropped_events();
    drop(event(2));
    assert_eq!(
        lane.dropped_events(),
        dropped,
        "events of another publisher are heard"
    );
    let greedy = Caller::default();
    assert_eq!(call_on(&lane, &greedy, 1000).1, Refusal::Share);
    assert!(call_on(&lane, &Caller::default(), 1000).0 > 10);
    // A batch taken, and there is room again for everybody.
    let mut jobs = Vec::new();
    lane.wait(&mut jobs);
    drop(event(1));
    assert_eq!(lane.dropped_events(), dropped);
}

fn event() -> Job {
    Job::new(JobKind::Event, 1)
}

#[test]
fn a_lane_is_settled_when_no_event_is_queued_or_worked_on() {
    let lane = Arc::new(Lane::new(0, limits(1000), None));
    drop(lane.push(event()));
    Lane::hold_all([&lane].into_iter(), Nested::LetIn);
    let settles = || Lane::close_for_nested_when_settled(std::iter::once(&lane));
    assert!(!settles(), "it is queued");
    let mut jobs = Vec::new();
    assert!(lane.wait(&mut jobs));
    assert!(!settles(), "it is worked on");
    lane.worked_off(jobs.len());
    jobs.clear();
    drop(lane.push(event()));
    drop(lane.push(Job::new(JobKind::Wake, 0)));
    assert!(lane.wait(&mut jobs), "the thread is back");
    assert!(settles(), "an event that came later waits for the next version");
}

#[test]
fn calls_that_wait_for_a_version_count_as_load_until_they_are_taken_elsewhere() {
    let lane = Arc::new(Lane::new(0, limits(100_000), None));
    Lane::hold_all([&lane].into_iter(), Nested::Waits);
    let (sender, _told) = channel();
    let submit = || {
        let later = Instant::now() + Duration::from_secs(10);
        drop(
            lane.submit(Job::new(JobKind::Call, 0), Box::new(Reply(sender.clone())), later)
                .ok()
                .unwrap(),
        );
    };
    submit();
    submit();
    drop(lane.push(event()));
    assert_eq!(lane.load(), 3);
    let calls = lane.take_waiting_calls();
    assert_eq!((calls.len(), lane.load()), (2, 1));
    lane.adopt(calls);
    assert_eq!(lane.load(), 3);
    lane.release();
    assert_eq!(lane.load(), 3, "it is in the queue now");
    let mut jobs = Vec::new();
    assert!(lane.wait(&mut jobs));
    lane.worked_off(jobs.len());
    assert_eq!(lane.load(), 0);
    Lane::hold_all([&lane].into_iter(), Nested::Waits);
    submit();
    assert_eq!((lane.seal().len(), lane.load()), (1, 0));
}

#[test]
fn an_order_that_has_not_begun_can_be_taken_out_of_the_queue() {
    let lane = Arc::new(Lane::new(0, limits(1000), None));
    let (sender, replies) = channel();
    let later = Instant::now() + Duration::from_secs(10);
    let order = |kind| {
        drop(
            lane.submit(Job::new(kind, 0), Box::new(Reply(sender.clone())), later)
                .ok()
                .unwrap(),
        )
    };
    order(JobKind::Health);
    order(JobKind::Restore);
    assert!(lane.withdraw(JobKind::Restore));
    assert!(!lane.withdraw(JobKind::Restore));
    assert_eq!((lane.load(), lane.pending()), (1, 1));
    let mut jobs = Vec::new();
    assert!(lane.wait(&mut jobs));
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0].kind, JobKind::Health);
    assert!(!lane.withdraw(JobKind::Health), "the component has it");
    assert_eq!(replies.try_iter().count(), 0);
}

#[test]
fn a_call_of_a_replaced_version_is_routed_again_also_when_that_has_ended() {
    let lane = Arc::new(Lane::new(0, limits(1000), None));
    let (sender, _told) = channel();
    lane.seal();
    lane.close();
    let refused = lane.submit(
        Job::new(JobKind::Call, 0),
        Box::new(Reply(sender)),
        Instant::now(),
    );
    assert_eq!(refused.err().unwrap().why, Refusal::Replaced);
}

#[test]
fn a_call_of_a_version_that_ended_without_a_successor_is_not_routed_again() {
    let lane = Arc::new(Lane::new(0, limits(1000), None));
    let (sender, _told) = channel();
    Lane::hold_all([&lane].into_iter(), Nested::Waits);
    lane.close();
    lane.abandon(Abandoned::Stopped);
    let refused = lane.submit(
        Job::new(JobKind::Call, 0),
        Box::new(Reply(sender)),
        Instant::now(),
    );
    assert_eq!(refused.err().unwrap().why, Refusal::Closed);
}

#[test]
fn a_lane_that_its_library_left_gives_up_what_it_owes_and_takes_nothing_more() {
    let lane = Arc::new(Lane::new(0, limits(1000), None));
    let (sender, replies) = channel();
    let submit = || {
        let later = Instant::now() + Duration::from_secs(10);
        lane.submit(Job::new(JobKind::Call, 0), Box::new(Reply(sender.clone())), later)
    };
    drop(submit().ok().unwrap());
    lane.note_departure();
    assert_eq!(replies.try_iter().collect::<Vec<_>>(), ["abandoned: Stopped"]);
    assert_eq!(submit().err().unwrap().why, Refusal::Closed);
    assert!(lane.hangs() && lane.faults().errors() > 0);
    let told_to_stop = Lane::new(0, limits(1000), None);
    told_to_stop.close();
    told_to_stop.note_departure();
    assert_eq!(told_to_stop.faults().errors(), 0);
}

#[test]
fn a_lane_that_has_been_at_one_job_for_long_is_expected_to_keep_calls_waiting() {
    let lane = Arc::new(Lane::new(0, limits(1000), None));
    drop(lane.push(event()));
    let mut jobs = Vec::new();
    assert!(lane.wait(&mut jobs));
    let now = clock();
    assert_eq!(lane.wait_expected(now), 1);
    assert!(lane.wait_expected(now + 1000) >= 100);
}

#[test]
fn only_calls_of_chains_that_were_under_way_are_let_in_while_a_version_is_held() {
    let (held, other) = (
        Arc::new(Lane::new(0, limits(100_000), None)),
        Arc::new(Lane::new(0, limits(100_000), None)),
    );
    let (sender, _told) = channel();
    let submit = |lane: &Arc<Lane>, chain| {
        let job = Job {
            chain,
            ..Job::new(JobKind::Call, 0)
        };
        let later = Instant::now() + Duration::from_secs(10);
        drop(
            lane.submit(job, Box::new(Reply(sender.clone())), later)
                .ok()
                .unwrap(),
        );
    };
    submit(&other, None);
    let before = other.oldest_chain();
    assert!(before.is_some());
    Lane::hold_all([&held].into_iter(), Nested::LetIn);
    submit(&held, before);
    assert_eq!((held.pending(), held.waiting()), (1, 0), "somebody waits for it");
    submit(&held, Some(Began::now()));
    submit(&held, None);
    assert_eq!((held.pending(), held.waiting()), (1, 2), "these began later");
    submit(&other, before);
    submit(&other, None);
    assert_eq!(
        other.oldest_chain(),
        before,
        "what an old call leads to is as old"
    );
}
