//! Stories of calls. The edge is this node; `shop-2` and others serve.

use super::*;
use crate::choice::{NoChoice, Tried};
use crate::component::{Affinity, Aim, Component, Facts, Method, Reach};
use crate::peer::{Incarnation, NodeName, Peer};
use crate::provider::Place;
use bytes::Bytes;
use mesh_wire::origin::Origin;
use mesh_wire::traceparent::Traceparent;
use mesh_wire::versions::ComponentVersion;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

const MOST_BYTES: usize = 1000;
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn version(text: &str) -> ComponentVersion {
    ComponentVersion::parse(text).unwrap()
}

fn calc(idempotent: bool) -> Arc<Component> {
    let raw = |json: &str| RawValue::from_string(json.to_owned()).unwrap();
    let facts = Facts {
        name: "calc".into(),
        version: version("1.2.3"),
        methods: vec![Method {
            name: "add".into(),
            parameters: raw("[]"),
            is_asynchronous: false,
            is_idempotent: idempotent,
        }],
        routes: Vec::new(),
        events: raw("{}"),
        data: raw("{}"),
        lanes: 1,
        reach: Reach::Cluster,
        affinity: Affinity::None,
        is_settled: true,
    };
    Arc::new(Component::new(facts).unwrap())
}

fn peer(name: &str) -> Peer {
    Peer {
        node: NodeName::parse(name).unwrap(),
        incarnation: Incarnation(name.len() as u128 * 1000 + name.bytes().map(u128::from).sum::<u128>()),
    }
}

/// Those that are left of a list, in its order.
struct InOrder {
    routes: Vec<Route>,
    why: NoChoice,
}

impl InOrder {
    fn nodes(names: &[&str], component: &Arc<Component>) -> InOrder {
        let route = |name: &&str| Route {
            place: match *name {
                "here" => Place::Here,
                name => Place::Node(peer(name)),
            },
            component: component.clone(),
        };
        InOrder {
            routes: names.iter().map(route).collect(),
            why: NoChoice::Unreachable,
        }
    }

    fn none(why: NoChoice) -> InOrder {
        InOrder {
            routes: Vec::new(),
            why,
        }
    }
}

impl Router for InOrder {
    fn choose(&mut self, _: &Request, tried: &[Tried], _: &InFlight) -> Result<Route, NoChoice> {
        let is_new = |route: &&Route| tried.iter().all(|tried| tried.place != route.place);
        self.routes.iter().find(is_new).cloned().ok_or(self.why)
    }

    fn versions(&self, _: &str) -> Vec<ComponentVersion> {
        vec![version("2.0.0"), version("1.2.3")]
    }
}

fn request() -> Request {
    Request {
        component: "calc".into(),
        target: Target::Method("add".into()),
        wanted: Wanted::range("^1"),
        session: Some(1),
        origin: Origin::of_session("S"),
        delegate: None,
        groups: 0,
        arguments: Bytes::from_static(b"[1,2]"),
        timeout: Duration::from_secs(10),
    }
}

/// Calls of callers `1`, `2`, …, and a clock that is moved.
struct Edge {
    calls: Calls<u32>,
    router: InOrder,
    now: Instant,
}

/// What an edge did, short enough to compare.
#[derive(Debug, PartialEq)]
enum Did {
    Sent(String, u64),
    Here(u64),
    Cancelled(String, u64),
    Replied(u32, Reply),
}

fn named(place: &Place) -> String {
    place.peer().map_or("here", |peer| peer.node.as_str()).to_owned()
}

impl Edge {
    fn new(router: InOrder) -> Edge {
        Edge {
            calls: Calls::new(MOST_BYTES),
            router,
            now: Instant::now(),
        }
    }

    fn to(names: &[&str]) -> Edge {
        Edge::new(InOrder::nodes(names, &calc(false)))
    }

    fn did(&mut self) -> Vec<Did> {
        std::iter::from_fn(|| self.calls.poll())
            .map(|output| match output {
                Output::Send { peer, number, body } => {
                    assert_eq!(CallFrame::read(&body.joined()).unwrap().number, number);
                    Did::Sent(peer.node.to_string(), number)
                }
                Output::Here { number, .. } => Did::Here(number),
                Output::Cancel { place, number, body } => {
                    assert_eq!(CancelFrame::read(&body.joined()).unwrap().number, number);
                    Did::Cancelled(named(&place), number)
                }
                Output::Reply { caller, reply } => Did::Replied(caller, reply),
            })
            .collect()
    }

    fn calls(&mut self) -> Vec<Did> {
        self.calls.begin(self.now, request(), 1, &mut self.router);
        self.did()
    }

    /// The number of the attempt that was sent to a node.
    fn sent_to(&mut self, name: &str) -> u64 {
        match &*self.calls() {
            [Did::Sent(node, number)] if node == name => *number,
            other => panic!("{other:?}"),
        }
    }

    fn answers(&mut self, name: &str, number: u64, outcome: Outcome) -> Vec<Did> {
        let place = match name {
            "here" => Place::Here,
            name => Place::Node(peer(name)),
        };
        let answer = AnswerFrame { number, outcome };
        self.calls.answered(self.now, &place, answer, &mut self.router);
        self.did()
    }

    fn loses(&mut self, name: &str) -> Vec<Did> {
        self.calls.lost(self.now, &peer(name), &mut self.router);
        self.did()
    }

    fn takes(&mut self, name: &str, number: u64) {
        self.calls.taken(&peer(name), number);
        assert_eq!(self.did(), []);
    }

    fn waits(&mut self, milliseconds: u64) -> Vec<Did> {
        self.now += Duration::from_millis(milliseconds);
        self.calls.tick(self.now);
        self.did()
    }
}

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
fn a_known_component_that_nobody_serves_is_unavailable() {
    let mut edge = Edge::new(InOrder::none(NoChoice::Unreachable));
    assert_eq!(failure(&edge.calls()), unavailable());
    let any = Request {
        wanted: Wanted::Any,
        ..request()
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
    assert_eq!(edge.calls.next(), Some(edge.now + Duration::from_secs(10)));
    assert_eq!(edge.waits(9_999), []);
    let did = edge.waits(1);
    assert_eq!(did[0], Did::Cancelled("shop-2".into(), number));
    let expected = json!({"status": "error", "args": [
        {"message": "calc.add did not answer within 10000 ms", "name": "TimeoutError"}]});
    assert_eq!(failure(&did), expected);
    assert_eq!(edge.calls.next(), None);
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
        ..request()
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
    assert_eq!(edge.calls.next(), None);
    let number = edge.sent_to("shop-2");
    assert_eq!(edge.answers("shop-2", number, ok()), [answered()]);
}

#[test]
fn deadlines_of_answered_calls_are_thrown_away() {
    let mut deadlines = deadlines::Deadlines::default();
    let now = Instant::now();
    for key in 0..100_000 {
        deadlines.add(now + Duration::from_secs(60), key, 10, |other| other + 10 > key);
    }
    assert!(deadlines.len() < 200, "{}", deadlines.len());
}

fn whole<'a>() -> CallFrame<'a> {
    CallFrame {
        number: 7,
        budget: Duration::from_millis(1_234),
        component: "calc",
        version: "1.2.3",
        asked: AskedText::Range("^1"),
        aim: Aim::Method("add"),
        caller: Caller {
            session: Some("S"),
            user: Some("bob"),
            profile: Some("kiosks"),
            trace: Traceparent::parse(TRACE),
            delegate: Some("_ADMIN"),
            groups: 99,
        },
        arguments: Bytes::from_static(b"[1]"),
    }
}

#[test]
fn frames_are_read_as_they_were_written() {
    let bare = CallFrame {
        asked: AskedText::Any,
        caller: Caller::default(),
        ..whole()
    };
    let route = CallFrame {
        asked: AskedText::Line,
        aim: Aim::Route("page"),
        arguments: Bytes::new(),
        ..whole()
    };
    for frame in [whole(), bare, route] {
        let body = frame.write().joined();
        assert_eq!(CallFrame::read(&body).unwrap(), frame);
    }
    for outcome in [
        ok(),
        Outcome::Answered {
            status: -3,
            payload: Bytes::new(),
        },
        Outcome::Refused(Refusal::Full),
        Outcome::Refused(Refusal::Draining),
        Outcome::Refused(Refusal::VersionGone),
        Outcome::Refused(Refusal::Expired),
        Outcome::Refused(Refusal::TooLarge),
        Outcome::Refused(Refusal::Other(200)),
        Outcome::TooLarge { bytes: u64::MAX },
    ] {
        let answer = AnswerFrame {
            number: u64::MAX,
            outcome,
        };
        assert_eq!(AnswerFrame::read(&answer.write().joined()).unwrap(), answer);
    }
    let cancel = CancelFrame { number: 5 };
    assert_eq!(CancelFrame::read(&cancel.write().joined()).unwrap(), cancel);
}

#[test]
fn arguments_are_a_slice_of_what_was_received() {
    let body = whole().write().joined();
    let read = CallFrame::read(&body).unwrap();
    let end = body.as_ptr() as usize + body.len();
    assert_eq!(read.arguments.as_ptr() as usize + read.arguments.len(), end);
}

#[test]
fn the_origin_is_that_of_a_local_call() {
    let trace = Traceparent::parse(TRACE).unwrap();
    let full = Origin::of_user("S", "bob")
        .with_permissions_of(&"kiosks".into())
        .traced(trace);
    for origin in [
        Origin::nobody(),
        Origin::of_session("S"),
        Origin::of_user("S", "bob"),
        full,
    ] {
        let frame = CallFrame {
            caller: Caller::of(&origin, None, 3),
            ..whole()
        };
        let body = frame.write().joined();
        assert_eq!(CallFrame::read(&body).unwrap().caller.origin(), origin);
    }
}

#[test]
fn damaged_frames_are_refused_with_a_reason() {
    let body = whole().write().joined();
    let front = body.len() - 3;
    for end in 0..front {
        assert_eq!(
            CallFrame::read(&body.slice(..end)),
            Err(FrameError::Short),
            "{end}"
        );
    }
    let with = |position: usize, byte: u8| {
        let mut damaged = body.to_vec();
        damaged[position] = byte;
        CallFrame::read(&Bytes::from(damaged)).map(|_| ()).unwrap_err()
    };
    assert_eq!(with(0, 2), FrameError::Form(2));
    assert_eq!(with(1, 0xff), FrameError::Senseless("range"));
    assert!(matches!(with(24, 0xff), FrameError::TooLong("component", _)));
    assert_eq!(with(26, 0xff), FrameError::NoText("component"));
    assert_eq!(with(front - 12, b'x'), FrameError::Senseless("trace"));
    let mut choices = mesh_choices::Choices::new(9);
    for _ in 0..20_000 {
        let mut damaged = body.to_vec();
        let position = choices.below(damaged.len());
        damaged[position] = choices.number() as u8;
        damaged.truncate(choices.below(damaged.len() * 2).max(1));
        let damaged = Bytes::from(damaged);
        let _ = (
            CallFrame::read(&damaged),
            AnswerFrame::read(&damaged),
            CancelFrame::read(&damaged),
        );
    }
    let cancel = CancelFrame { number: 5 }.write().joined();
    let more = Bytes::from([&*cancel, b"x"].concat());
    assert_eq!(CancelFrame::read(&more), Err(FrameError::Surplus(1)));
    assert_eq!(
        AnswerFrame::read(&Bytes::from_static(&[1, 9, 0, 0, 0, 0, 0, 0, 0, 0])),
        Err(FrameError::Senseless("kind of an answer"))
    );
}

/// A node that serves, and the edge that asks.
fn served(serving: &mut Serving<u64>, frame: &CallFrame<'_>, age: u64, limit: u64) -> Result<Served, Fault> {
    let (age, limit) = (Duration::from_millis(age), Duration::from_millis(limit));
    serving.receive(&peer("edge"), frame, age, limit, || frame.number)
}

fn refusal(served: &Served) -> Option<Refusal> {
    let Served::Refuse(body) = served else { return None };
    match AnswerFrame::read(&body.joined()).unwrap().outcome {
        Outcome::Refused(refusal) => Some(refusal),
        _ => None,
    }
}

#[test]
fn a_served_call_is_answered_once() {
    let mut serving = Serving::new(MOST_BYTES);
    let left = Duration::from_millis(1_134);
    assert_eq!(
        served(&mut serving, &whole(), 100, 60_000),
        Ok(Served::Execute(left))
    );
    let body = serving.finished(&peer("edge"), 7, ok()).unwrap();
    let answer = AnswerFrame::read(&body.joined()).unwrap();
    assert_eq!((answer.number, answer.outcome), (7, ok()));
    assert_eq!(serving.finished(&peer("edge"), 7, ok()), None);
    assert_eq!((serving.running(), serving.unwanted()), (0, 1));
}

#[test]
fn the_smaller_of_both_limits_counts_and_nothing_old_is_executed() {
    let mut serving = Serving::new(MOST_BYTES);
    let at = |number| CallFrame { number, ..whole() };
    let own = Ok(Served::Execute(Duration::from_millis(50)));
    assert_eq!(served(&mut serving, &at(1), 100, 50), own);
    for (number, age) in [(2, 1_234), (3, 90_000)] {
        let refused = served(&mut serving, &at(number), age, 50).unwrap();
        assert_eq!(refusal(&refused), Some(Refusal::Expired));
    }
    assert_eq!(serving.running(), 1);
}

#[test]
fn a_number_that_does_not_rise_closes_the_link() {
    let mut serving = Serving::new(MOST_BYTES);
    served(&mut serving, &whole(), 0, 50).unwrap();
    serving.finished(&peer("edge"), 7, ok());
    for number in [7, 6, 0] {
        let again = CallFrame { number, ..whole() };
        let fault = Fault::Repeated { number, highest: 7 };
        assert_eq!(served(&mut serving, &again, 0, 50), Err(fault));
    }
}

#[test]
fn a_cancelled_call_gives_its_job_back_and_no_answer() {
    let mut serving = Serving::new(MOST_BYTES);
    served(&mut serving, &whole(), 0, 50).unwrap();
    assert_eq!(serving.cancel(&peer("edge"), 7), Some(7));
    assert_eq!(serving.cancel(&peer("edge"), 7), None);
    assert_eq!(serving.cancel(&peer("other"), 7), None);
    assert_eq!(serving.finished(&peer("edge"), 7, ok()), None);
}

#[test]
fn a_peer_has_a_bounded_number_of_calls_here() {
    let mut serving = Serving::new(MOST_BYTES);
    for number in 1..=MOST_SERVED as u64 + 1 {
        let frame = CallFrame { number, ..whole() };
        let taken = served(&mut serving, &frame, 0, 50).unwrap();
        let expected = (number > MOST_SERVED as u64).then_some(Refusal::Full);
        assert_eq!(refusal(&taken), expected);
    }
    serving.gone(&peer("edge"));
    assert_eq!(serving.running(), 0);
    assert_eq!(serving.finished(&peer("edge"), 1, ok()), None);
}

#[test]
fn what_is_too_long_is_said_by_the_serving_node_too() {
    let mut serving = Serving::new(MOST_BYTES);
    let arguments = Bytes::from(vec![b' '; MOST_BYTES + 1]);
    let long = CallFrame {
        arguments: arguments.clone(),
        ..whole()
    };
    let refused = served(&mut serving, &long, 0, 50).unwrap();
    assert_eq!(refusal(&refused), Some(Refusal::TooLarge));
    served(&mut serving, &CallFrame { number: 8, ..whole() }, 0, 50).unwrap();
    let outcome = Outcome::Answered {
        status: 0,
        payload: arguments,
    };
    let body = serving.finished(&peer("edge"), 8, outcome).unwrap();
    let answer = AnswerFrame::read(&body.joined()).unwrap();
    assert_eq!(
        answer.outcome,
        Outcome::TooLarge {
            bytes: MOST_BYTES as u64 + 1
        }
    );
}
