//! A lane as its component and its callers see it.

use super::*;
use crate::plugin::intake::Nested;
use crate::plugin::job::Abandoned;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

fn limits(bytes: usize) -> Limits {
    Limits {
        bytes,
        calls_of_each: 10_000,
    }
}

struct Told(Sender<String>);

impl Answer for Told {
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
    let (sender, told) = channel();
    let lane = Arc::new(Lane::new(3, limits(1000), None));
    let soon = Instant::now() + Duration::from_secs(10);
    drop(
        lane.submit(Job::new(JobKind::Call, 0), Box::new(Told(sender)), soon)
            .ok()
            .unwrap(),
    );
    let mut jobs = Vec::new();
    assert!(lane.wait(&mut jobs));
    let (number, ticket) = split_token(jobs[0].token);
    assert_eq!(number, 3);
    lane.complete(ticket, 0, b"[1]");
    lane.complete(ticket, 0, b"[2]");
    assert_eq!(told.try_iter().collect::<Vec<_>>(), ["0 [1]"]);
    assert_eq!((lane.late_completions(), lane.pending()), (1, 0));
}

#[test]
fn who_called_is_remembered_until_the_answer_where_somebody_will_ask() {
    for keeps in [true, false] {
        let (sender, _told) = channel();
        let lane = Arc::new(Lane::new(0, limits(1000), None).keeping_origins(keeps));
        let soon = Instant::now() + Duration::from_secs(10);
        let submit = |kind| {
            let job = Job {
                origin: Bytes::from_static(b"{}"),
                ..Job::new(kind, 0)
            };
            let submitted = lane.submit(job, Box::new(Told(sender.clone())), soon);
            drop(submitted.ok().unwrap());
        };
        submit(JobKind::Start);
        submit(JobKind::Call);
        // One that waits while versions change places is remembered as well.
        lane.hold(Nested::Waits);
        submit(JobKind::Call);
        lane.release();
        let mut jobs = Vec::new();
        assert!(lane.wait(&mut jobs));
        let tickets: Vec<Ticket> = jobs.iter().map(|job| split_token(job.token).1).collect();
        let known: Vec<bool> = tickets
            .iter()
            .map(|ticket| lane.origin_of(*ticket).is_some())
            .collect();
        assert_eq!(known, [false, keeps, keeps]);
        lane.complete(tickets[1], 0, b"[]");
        assert_eq!(lane.origin_of(tickets[1]), None);
    }
}

#[test]
fn deadlines_and_the_end() {
    let (sender, told) = channel();
    let lane = Arc::new(Lane::new(0, limits(1000), None));
    let now = Instant::now();
    drop(
        lane.submit(Job::new(JobKind::Call, 0), Box::new(Told(sender.clone())), now)
            .ok()
            .unwrap(),
    );
    drop(
        lane.submit(
            Job::new(JobKind::Call, 0),
            Box::new(Told(sender.clone())),
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
        told.try_iter().collect::<Vec<_>>(),
        ["abandoned: TimedOut", "abandoned: Stopped"]
    );
    assert!(
        lane.submit(Job::new(JobKind::Call, 0), Box::new(Told(sender)), now)
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
    assert!(lane.submit(job(), Box::new(Told(sender.clone())), soon).is_ok());
    let refused = lane.submit(job(), Box::new(Told(sender)), soon).err();
    assert_eq!(refused.map(|refused| refused.why), Some(Refusal::Full));
}
