//! Stories of calls. The edge is this node; `shop-2` and others serve.

mod edge;
mod frames;
mod serving;

use super::*;
use crate::choice::{NoChoice, Tried};
use crate::component::{Component, Facts, Method};
use crate::moment::Moment;
use crate::peer::Peer;
use crate::provider::Place;
use crate::status::CallCounts;
use crate::{played, played::version};
use bytes::Bytes;
use edge::{Did, Edge, InOrder, asking};
use mesh_wire::origin::Origin;
use mesh_wire::versions::ComponentVersion;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

fn calc(idempotent: bool) -> Arc<Component> {
    let facts = Facts {
        methods: vec![Method {
            is_idempotent: idempotent,
            ..played::method("add", "[]")
        }],
        ..played::facts("calc", "1.2.3")
    };
    Arc::new(Component::new(facts).unwrap())
}

fn peer(name: &str) -> Peer {
    played::peer(
        name,
        name.len() as u64 * 1000 + name.bytes().map(u64::from).sum::<u64>(),
    )
}

const MOST_BYTES: usize = 1000;

fn ok() -> Outcome {
    Outcome::Answered {
        status: 0,
        payload: Bytes::from_static(b"[3]"),
    }
}

fn answered() -> Did {
    let reply = Reply::Answered {
        status: 0,
        payload: Bytes::from_static(b"[3]"),
    };
    Did::Replied(1, reply)
}

/// The one reply, as clients get it.
fn failure(did: &[Did]) -> Value {
    match did.last() {
        Some(Did::Replied(1, Reply::Failed(error))) => serde_json::from_str(&error.document()).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn unavailable() -> Value {
    json!({"status": "error", "args": [
        {"message": "calc ^1: no node can take the call", "name": "ServiceUnavailable", "code": 503, "retry": true}]})
}

fn busy() -> Value {
    json!({"status": "error", "args": [
        {"message": "component calc has too many calls waiting", "name": "Busy", "code": 503, "retry": true}]})
}

fn node_lost(node: &str) -> Value {
    json!({"status": "error", "args": [{
        "message": format!("node {node} was lost before it answered calc.add, which it may have executed"),
        "name": "NodeLost", "code": 502, "component": "calc", "method": "add", "node": node, "executed": "unknown"}]})
}

#[test]
fn a_call_is_sent_and_its_answer_given_once() {
    let mut edge = Edge::to(&["shop-2"]);
    let number = edge.sent_to("shop-2");
    edge.takes("shop-2", number);
    assert_eq!(edge.calls.in_flight().at(&peer("shop-2")), 1);
    assert_eq!(edge.answers("shop-2", number, ok()), [answered()]);
    assert_eq!(
        (edge.calls.waiting(), edge.calls.in_flight().at(&peer("shop-2"))),
        (0, 0)
    );
    assert_eq!(edge.answers("shop-2", number, ok()), []);
    assert_eq!(edge.calls.counts().late, 1);
    assert_eq!(edge.waits(20_000), []);
}

#[test]
fn each_attempt_at_a_node_is_counted_by_its_end_once() {
    let mut edge = Edge::to(&["shop-2", "shop-3"]);
    let number = edge.sent_to("shop-2");
    edge.answers("shop-2", number, Outcome::Refused(Refusal::Full));
    let ended = |edge: &mut Edge| {
        let mut all = Vec::new();
        edge.calls
            .take_ended(|node, counts| all.push((node.to_string(), counts)));
        all
    };
    let refused = CallCounts {
        refused: 1,
        ..CallCounts::default()
    };
    assert_eq!(ended(&mut edge), [("shop-2".to_owned(), refused)]);
    assert_eq!(edge.calls.in_flight().at(&peer("shop-3")), 1);
    assert_eq!(ended(&mut edge), []);
    edge.waits(20_000);
    let timed_out = CallCounts {
        timed_out: 1,
        ..CallCounts::default()
    };
    assert_eq!(ended(&mut edge), [("shop-3".to_owned(), timed_out)]);
    assert_eq!(ended(&mut edge), []);
}

#[test]
fn a_name_that_nobody_knows_is_a_bad_endpoint() {
    let mut edge = Edge::new(InOrder::none(NoChoice::Unknown));
    let expected =
        json!({"args": [{"message": "Call to unconfigured component: [calc.add]", "name": "bad endpoint"}]});
    assert_eq!(failure(&edge.calls()), expected);
}

#[test]
fn a_missing_version_is_named_beside_those_that_there_are() {
    let mut edge = Edge::new(InOrder::none(NoChoice::NoVersion));
    let message = "Call to unconfigured method [calc.add]: request version [^1] does not match component version [2.0.0, 1.2.3]";
    let expected = json!({"status": "failed", "args": [{"message": message, "name": "Error"}]});
    assert_eq!(failure(&edge.calls()), expected);
    edge.router.why = NoChoice::NoMethod;
    let message = "Call to unconfigured method [calc.add()]";
    let expected = json!({"status": "failed", "args": [{"message": message, "name": "Error"}]});
    assert_eq!(failure(&edge.calls()), expected);
}

#[test]
fn a_name_with_a_range_is_repeated_as_its_caller_wrote_it() {
    let named = Request {
        named: "calc@7".into(),
        wanted: Wanted::range("7"),
        ..asking()
    };
    for (why, message) in [
        (NoChoice::Unknown, "Call to unconfigured component: [calc@7.add]"),
        (NoChoice::NoMethod, "Call to unconfigured method [calc@7.add()]"),
        (
            NoChoice::NoVersion,
            "Call to unconfigured method [calc@7.add]: request version [calc@7] does not match component version [2.0.0, 1.2.3]",
        ),
    ] {
        let mut edge = Edge::new(InOrder::none(why));
        edge.calls.begin(edge.now, named.clone(), 1, &mut edge.router);
        assert_eq!(failure(&edge.did())["args"][0]["message"], message);
    }
}

#[test]
fn a_known_component_that_nobody_serves_is_unavailable() {
    let mut edge = Edge::new(InOrder::none(NoChoice::Unreachable));
    assert_eq!(failure(&edge.calls()), unavailable());
    let any = Request {
        wanted: Wanted::Any,
        ..asking()
    };
    edge.calls.begin(edge.now, any, 1, &mut edge.router);
    assert_eq!(
        failure(&edge.did())["args"][0]["message"],
        "calc: no node can take the call"
    );
}

#[test]
fn a_refused_call_goes_to_at_most_three_candidates() {
    let mut edge = Edge::to(&["shop-2", "shop-3", "shop-4", "shop-5"]);
    let first = edge.sent_to("shop-2");
    let [Did::Sent(node, second)] = &*edge.answers("shop-2", first, Outcome::Refused(Refusal::Draining))
    else {
        panic!("it is sent again");
    };
    assert_eq!(node, "shop-3");
    assert!(*second > first);
    edge.calls
        .never_taken(edge.now, &peer("shop-3"), *second, &mut edge.router);
    let [Did::Sent(node, third)] = &*edge.did() else {
        panic!("it is sent again");
    };
    assert_eq!(node, "shop-4");
    let refused = edge.answers("shop-4", *third, Outcome::Refused(Refusal::VersionGone));
    assert_eq!(failure(&refused), unavailable());
    assert_eq!(edge.calls.counts().rerouted, 2);
}

#[test]
fn the_last_refusal_is_told() {
    for (refusal, expected) in [
        (Refusal::Full, busy()),
        (Refusal::Draining, unavailable()),
        (Refusal::VersionGone, unavailable()),
        (Refusal::Expired, unavailable()),
        (Refusal::Other(99), unavailable()),
    ] {
        let mut edge = Edge::to(&["shop-2"]);
        let number = edge.sent_to("shop-2");
        let refused = edge.answers("shop-2", number, Outcome::Refused(refusal));
        assert_eq!(failure(&refused), expected);
    }
}

#[test]
fn a_full_link_makes_the_call_go_elsewhere_and_then_busy() {
    let mut edge = Edge::to(&["shop-2", "shop-3"]);
    let first = edge.sent_to("shop-2");
    edge.calls
        .link_full(edge.now, &peer("shop-2"), first, &mut edge.router);
    let [Did::Sent(_, second)] = &*edge.did() else {
        panic!("it is sent again");
    };
    edge.calls
        .link_full(edge.now, &peer("shop-3"), *second, &mut edge.router);
    assert_eq!(failure(&edge.did()), busy());
}

#[test]
fn a_node_that_is_lost_after_it_took_a_call_may_have_executed_it() {
    let mut edge = Edge::to(&["shop-2", "shop-3"]);
    let number = edge.sent_to("shop-2");
    edge.takes("shop-2", number);
    let lost = edge.loses("shop-2");
    assert_eq!(lost[0], Did::Cancelled("shop-2".into(), number));
    assert_eq!(failure(&lost), node_lost("shop-2"));
    assert_eq!(edge.answers("shop-2", number, ok()), []);
    assert_eq!((edge.calls.counts().late, edge.calls.counts().lost), (1, 1));
}

#[test]
fn of_a_call_that_was_not_taken_the_link_has_the_word() {
    for is_unknown in [false, true] {
        let mut edge = Edge::to(&["shop-2", "shop-3"]);
        let number = edge.sent_to("shop-2");
        assert_eq!(edge.loses("shop-2"), []);
        let two = peer("shop-2");
        match is_unknown {
            true => edge.calls.unknown(edge.now, &two, number, &mut edge.router),
            false => edge.calls.never_taken(edge.now, &two, number, &mut edge.router),
        }
        let did = edge.did();
        match is_unknown {
            true => assert_eq!(failure(&did), node_lost("shop-2")),
            false => assert!(matches!(&*did, [Did::Sent(node, _)] if node == "shop-3")),
        }
    }
}

#[test]
fn a_call_that_comes_back_is_withdrawn_where_another_node_can_take_it() {
    let mut edge = Edge::to(&["shop-2"]);
    let number = edge.sent_to("shop-2");
    let two = peer("shop-2");
    edge.calls.returned(&two, number, &mut edge.router);
    assert_eq!(edge.did(), []);
    edge.router = InOrder::nodes(&["shop-2", "shop-3"], &calc(false));
    // It may as well wait where it is.
    edge.router.routes[1].is_away = true;
    edge.calls.returned(&two, number, &mut edge.router);
    assert_eq!(edge.did(), []);
    edge.router.routes[1].is_away = false;
    edge.calls.returned(&two, number, &mut edge.router);
    assert_eq!(edge.did(), [Did::Withdrawn("shop-2".into(), number)]);
    edge.router = InOrder::none(NoChoice::Unreachable);
    edge.calls.returned(&two, number, &mut edge.router);
    assert_eq!(edge.did(), []);
    // It was taken meanwhile: the link withdraws nothing, and the answer counts.
    edge.takes("shop-2", number);
    assert_eq!(edge.answers("shop-2", number, ok()), [answered()]);
    edge.calls.returned(&two, number, &mut edge.router);
    assert_eq!(edge.did(), []);
}

#[test]
fn an_idempotent_call_is_repeated_once() {
    let mut edge = Edge::new(InOrder::nodes(&["shop-2", "shop-3", "shop-4"], &calc(true)));
    let first = edge.sent_to("shop-2");
    edge.takes("shop-2", first);
    let lost = edge.loses("shop-2");
    let [Did::Cancelled(_, _), Did::Sent(node, second)] = &*lost else {
        panic!("{lost:?}");
    };
    assert_eq!(node, "shop-3");
    edge.takes("shop-3", *second);
    assert_eq!(failure(&edge.loses("shop-3")), node_lost("shop-3"));
    assert_eq!(edge.calls.counts().repeated, 1);
}

#[test]
fn a_repeated_call_that_nobody_takes_may_still_have_been_executed() {
    let mut edge = Edge::new(InOrder::nodes(&["shop-2", "shop-3"], &calc(true)));
    let first = edge.sent_to("shop-2");
    edge.takes("shop-2", first);
    let lost = edge.loses("shop-2");
    let Some(Did::Sent(_, second)) = lost.last() else {
        panic!("{lost:?}");
    };
    let refused = edge.answers("shop-3", *second, Outcome::Refused(Refusal::Full));
    assert_eq!(failure(&refused), node_lost("shop-2"));
}

#[test]
fn a_version_that_does_not_allow_it_does_not_repeat_a_call() {
    let mut edge = Edge::new(InOrder::nodes(&["shop-2"], &calc(true)));
    let first = edge.sent_to("shop-2");
    edge.takes("shop-2", first);
    edge.router = InOrder::nodes(&["shop-3"], &calc(false));
    assert_eq!(failure(&edge.loses("shop-2")), node_lost("shop-2"));
}

#[test]
fn at_its_deadline_a_call_is_cancelled_and_answered() {
    let mut edge = Edge::to(&["shop-2"]);
    let number = edge.sent_to("shop-2");
    assert_eq!(
        edge.calls.next_deadline(),
        Some(edge.now + Duration::from_secs(10))
    );
    assert_eq!(edge.waits(9_999), []);
    let did = edge.waits(1);
    assert_eq!(did[0], Did::Cancelled("shop-2".into(), number));
    let expected = json!({"status": "error", "args": [
        {"message": "calc.add did not answer within 10000 ms", "name": "TimeoutError"}]});
    assert_eq!(failure(&did), expected);
    assert_eq!(edge.calls.next_deadline(), None);
    assert_eq!(edge.answers("shop-2", number, ok()), []);
    assert_eq!((edge.calls.counts().late, edge.calls.counts().timed_out), (1, 1));
}

#[test]
fn a_call_whose_time_is_over_goes_to_no_other_candidate() {
    let mut edge = Edge::to(&["shop-2", "shop-3"]);
    let number = edge.sent_to("shop-2");
    edge.now += Duration::from_secs(10);
    let refused = edge.answers("shop-2", number, Outcome::Refused(Refusal::Full));
    assert_eq!(failure(&refused)["args"][0]["name"], "TimeoutError");
    assert_eq!(refused.len(), 1);
}

#[test]
fn a_frame_carries_the_time_that_is_left() {
    let mut edge = Edge::to(&["shop-2", "shop-3"]);
    let number = edge.sent_to("shop-2");
    edge.now += Duration::from_millis(2_500);
    let answer = AnswerFrame {
        number,
        outcome: Outcome::Refused(Refusal::Full),
    };
    let two = Place::Node(peer("shop-2"));
    edge.calls.answered(edge.now, &two, answer, &mut edge.router);
    let Some(Output::Send { body, .. }) = edge.calls.poll() else {
        panic!("it is sent again");
    };
    let body = body.joined();
    assert_eq!(
        CallFrame::read(&body).unwrap().budget,
        Duration::from_millis(7_500)
    );
}

#[test]
fn what_is_too_long_is_not_sent_and_says_whether_it_was_executed() {
    let mut edge = Edge::to(&["shop-2"]);
    let long = Request {
        arguments: Bytes::from(vec![b' '; MOST_BYTES + 1]),
        ..asking()
    };
    edge.calls.begin(edge.now, long.clone(), 1, &mut edge.router);
    let expected = json!({"status": "error", "args": [{
        "message": "the arguments have 1001 bytes, and a call of another node may have 1000",
        "name": "TooLarge", "code": 413, "executed": false}]});
    let did = edge.did();
    assert_eq!(did.len(), 1);
    assert_eq!(failure(&did), expected);
    let number = edge.sent_to("shop-2");
    let expected = json!({"status": "error", "args": [{
        "message": "the answer has 5000 bytes, and one of another node may have 1000",
        "name": "TooLarge", "code": 413, "executed": true}]});
    let did = edge.answers("shop-2", number, Outcome::TooLarge { bytes: 5000 });
    assert_eq!(failure(&did), expected);
    // The own node has no such limit.
    let mut edge = Edge::to(&["here"]);
    edge.calls.begin(edge.now, long, 1, &mut edge.router);
    assert!(matches!(&*edge.did(), [Did::Here(_)]));
}

#[test]
fn a_call_may_come_back_to_the_own_node() {
    let mut edge = Edge::to(&["shop-2", "here"]);
    let first = edge.sent_to("shop-2");
    let refused = edge.answers("shop-2", first, Outcome::Refused(Refusal::Full));
    let [Did::Here(second)] = &*refused else {
        panic!("{refused:?}");
    };
    assert_eq!(edge.answers("here", *second, ok()), [answered()]);
}

#[test]
fn a_peer_can_only_answer_what_it_was_asked() {
    let mut edge = Edge::to(&["shop-2"]);
    let number = edge.sent_to("shop-2");
    for (name, wrong) in [
        ("shop-3", number),
        ("here", number),
        ("shop-2", number + 1),
        ("shop-2", u64::MAX),
        ("shop-2", 0),
    ] {
        assert_eq!(edge.answers(name, wrong, ok()), []);
    }
    edge.takes("shop-3", number);
    edge.calls
        .never_taken(edge.now, &peer("shop-3"), number, &mut edge.router);
    edge.calls
        .unknown(edge.now, &peer("shop-3"), number, &mut edge.router);
    assert_eq!(edge.loses("shop-3"), []);
    assert_eq!(edge.loses("shop-2"), []);
    assert_eq!(edge.answers("shop-2", number, ok()), [answered()]);
    assert_eq!(edge.calls.counts().late, 5);
}

#[test]
fn answered_calls_leave_no_memory_behind() {
    let mut edge = Edge::to(&["shop-2"]);
    for _ in 0..10 {
        let numbers: Vec<u64> = (0..2_000).map(|_| edge.sent_to("shop-2")).collect();
        for number in numbers {
            assert_eq!(edge.answers("shop-2", number, ok()), [answered()]);
        }
    }
    assert_eq!(edge.calls.waiting(), 0);
    assert_eq!(edge.calls.next_deadline(), None);
    let number = edge.sent_to("shop-2");
    assert_eq!(edge.answers("shop-2", number, ok()), [answered()]);
}

#[test]
fn a_flood_of_calls_is_lost_with_its_node() {
    let mut edge = Edge::to(&["shop-2"]);
    let mut numbers: Vec<u64> = (0..2_001).map(|_| edge.sent_to("shop-2")).collect();
    let last = numbers.pop().unwrap();
    for number in numbers {
        edge.takes("shop-2", number);
    }
    edge.answers("shop-2", last, ok());
    assert_eq!(edge.loses("shop-2").len(), 4_000);
    assert_eq!(edge.calls.waiting(), 0);
    let number = edge.sent_to("shop-2");
    assert_eq!(edge.answers("shop-2", number, ok()), [answered()]);
}

#[test]
fn deadlines_of_answered_calls_are_thrown_away() {
    let mut deadlines = deadlines::Deadlines::default();
    let now = Moment::default();
    for key in 0..100_000 {
        deadlines.add(now + Duration::from_secs(60), key, 10, |other| other + 10 > key);
    }
    assert!(deadlines.len() < 200, "{}", deadlines.len());
}
