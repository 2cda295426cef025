//! Nodes that break the rules, and nodes whose task ends.
//!
//! Enters: frames that no honest node sends, more work than is taken, ends. Leaves: the answers of those who wait.

use super::stranger::Stranger;
use super::*;
use mesh_cluster::calls::{AnswerFrame, AskedText, CallFrame, Caller, Outcome as Ended};
use mesh_cluster::component::Aim;
use mesh_cluster::frame::Kind;
use mesh_cluster::wire::{Connection, Event, Wire, WireError};
use mesh_core::testing::Written;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};

const STRANGER: &str = "stranger";

impl Nodes {
    /// A node that breaks the rules has joined, and node `a` has told it of itself.
    fn invite(&mut self) {
        self.strangers.push(Stranger::join(&self.hub, STRANGER));
        let knows = |nodes: &mut Nodes| {
            let heard = nodes.strangers[0].heard.iter();
            let kinds: Vec<Kind> = heard.map(|message| message.kind).collect();
            kinds.contains(&Kind::CATALOGUE) && kinds.contains(&Kind::INTEREST)
        };
        let began = Instant::now();
        while !knows(self) {
            assert!(began.elapsed() < PATIENCE, "nobody spoke to the stranger");
            self.turn();
        }
    }

    fn say(&mut self, kind: Kind, body: impl Into<bytes::Bytes>) {
        assert!(self.strangers[0].say("a", kind, body), "the link takes it");
    }

    fn catalogue(&mut self, components: &Value) {
        let body = json!({"catalogue": 1, "revision": 1, "components": components});
        self.say(Kind::CATALOGUE, body.to_string());
        self.until_all("the catalogue", |nodes| {
            let others = nodes.nodes[0].joined.nodes.others();
            others
                .iter()
                .any(|other| !other.versions.is_empty())
                .then_some(())
        });
    }

    /// The answer of node `a` to a call of the stranger.
    fn answered(&mut self, number: u64) -> Ended {
        self.until_all("the answer", |nodes| {
            let heard = nodes.strangers[0].heard.iter();
            let answers = heard.filter(|message| message.kind == Kind::ANSWER);
            let mut answers = answers.map(|message| AnswerFrame::read(&message.body).expect("it is one"));
            answers
                .find(|answer| answer.number == number)
                .map(|answer| answer.outcome)
        })
    }

    fn until_all<T>(&mut self, what: &str, mut is_so: impl FnMut(&mut Nodes) -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = is_so(self) {
                return found;
            }
            assert!(began.elapsed() < PATIENCE, "{what}: never");
            self.turn();
        }
    }
}

fn call<'a>(number: u64, component: &'a str, method: &'a str, arguments: &'static str) -> CallFrame<'a> {
    CallFrame {
        number,
        budget: Duration::from_secs(5),
        component,
        version: "0.0.0",
        asked: AskedText::Any,
        aim: Aim::Method(method),
        is_repeated: false,
        caller: Caller::default(),
        arguments: bytes::Bytes::from_static(arguments.as_bytes()),
    }
}

fn event(path: &str, session: &str) -> Value {
    json!({"event": 1, "path": path, "data": {"forged": true}, "session": session, "id": "1", "consistency": 2})
}

#[test]
fn a_component_that_is_kept_to_its_node_is_not_reached_by_other_nodes() {
    let executed = Arc::<AtomicU32>::default();
    let count = executed.clone();
    let kept = TestComponent::new("system", "1.0.0").method("stop", move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        Outcome::Result(json!(1))
    });
    let mut nodes = Nodes::new();
    nodes.join("a", vec![kept, calc()]);
    nodes.invite();
    let aims = [("system", "stop"), ("calc", "absent"), ("absent", "add")];
    for (number, (component, method)) in (1..).zip(aims) {
        nodes.say(Kind::CALL, call(number, component, method, "[]").write().joined());
        let outcome = nodes.answered(number);
        assert!(matches!(outcome, Ended::Refused(_)), "{outcome:?}");
    }
    assert_eq!(executed.load(Ordering::Relaxed), 0);
}

#[test]
fn arguments_of_another_node_that_are_no_array_reach_no_component() {
    let executed = Arc::<AtomicU32>::default();
    let mut nodes = Nodes::new();
    nodes.join("a", vec![counter(&executed)]);
    nodes.invite();
    for (number, arguments) in (1..).zip(["", "[1", "{}", "[1] [2]", "\u{1}"]) {
        nodes.say(
            Kind::CALL,
            call(number, "calc", "count", arguments).write().joined(),
        );
        let outcome = nodes.answered(number);
        assert!(
            !matches!(outcome, Ended::Answered { status: 0, .. }),
            "{outcome:?}"
        );
    }
    assert_eq!(executed.load(Ordering::Relaxed), 0);
}

#[test]
fn a_node_that_breaks_the_rules_is_barred_and_told_why() {
    let wrong: [(Kind, Vec<u8>); 7] = [
        (Kind::CALL, b"no call".to_vec()),
        (Kind::CALL, call(0, "calc", "add", "[]").write().joined().to_vec()),
        (Kind::CANCEL, vec![7]),
        (Kind::ANSWER, vec![1, 2, 3]),
        (Kind::CATALOGUE, b"{\"catalogue\":1}".to_vec()),
        (Kind::INTEREST, b"{}".to_vec()),
        (Kind::EVENT, event("/somewhere", "a\"b").to_string().into()),
    ];
    for (kind, body) in wrong {
        let mut nodes = Nodes::new();
        let a = nodes.join("a", vec![calc()]);
        nodes.invite();
        for _ in 0..1000 {
            nodes.say(kind, body.clone());
        }
        let error = nodes.until_all("the end of the link", |nodes| nodes.strangers[0].broken.take());
        assert!(
            error.to_string().starts_with("the other node closed the link"),
            "{error}"
        );
        let others = nodes.nodes[a].joined.nodes.others();
        assert!(others.is_empty(), "{others:?}");
    }
}

#[test]
fn an_event_of_another_node_is_neither_an_answer_nor_a_description() {
    let mut nodes = Nodes::new();
    let a = nodes.join("a", vec![calc()]);
    nodes.invite();
    let client = nodes.client(a);
    nodes.listen(a, client, "/SET@/*", &json!({}));
    nodes.listen(a, client, "/SET@/mesh/schema/description", &json!({}));
    let session = nodes.nodes[a].world.session(client).id().to_owned();
    for path in [
        format!("/_exchange/responses/{session}/World/calc/add/1"),
        "/mesh/schema/description".to_owned(),
        "/_SYSTEM/users".to_owned(),
        "/a".repeat(10_000),
    ] {
        nodes.say(Kind::EVENT, event(&path, "S").to_string());
    }
    nodes.until_all("the end of the link", |nodes| nodes.strangers[0].broken.take());
    let frames = nodes.nodes[a].world.take(client);
    assert!(
        frames.iter().all(|frame| frame["data"]["forged"].is_null()),
        "{frames:?}"
    );
}

#[test]
fn a_client_reads_valid_json_whatever_another_node_says() {
    let sessions = ["a\"b", "a\\", "a\nb", "\u{0}"];
    let mut nodes = Nodes::new();
    let a = nodes.join("a", vec![calc()]);
    let client = nodes.client(a);
    nodes.listen(a, client, "/SET@/shown/*", &json!({}));
    for session in sessions {
        nodes.strangers.clear();
        nodes.strangers.push(Stranger::join(&nodes.hub, STRANGER));
        let body = event("/shown/one", session).to_string();
        nodes.until_all("the link", |nodes| {
            nodes.strangers[0]
                .say("a", Kind::EVENT, body.clone())
                .then_some(())
        });
        for _ in 0..100 {
            nodes.turn();
        }
    }
    let frames = nodes.nodes[a].world.take(client);
    assert!(frames.iter().all(Value::is_object), "{frames:?}");
}

#[test]
fn an_event_without_a_number_reaches_other_nodes() {
    let mut nodes = Nodes::new();
    let a = nodes.join("a", Vec::new());
    let b = nodes.join("b", vec![calc()]);
    nodes.see(a, "b");
    let (from, to) = (nodes.client(a), nodes.client(b));
    nodes.listen(b, to, "/SET@/shown/*", &json!({}));
    let request =
        json!({"action": "set", "path": "/shown/one", "data": {"a": 1}, "options": {"noStore": true}});
    nodes.nodes[a].world.send_text(from, &request.to_string());
    let frames = nodes.until("the event", |nodes| {
        let is_event = |written: &Written| written.client == to && written.frame["data"]["a"] == 1;
        nodes[b].world.take_if(is_event).pop()
    });
    assert_eq!(frames.frame["_meta"]["path"], "/shown/one");
}

#[test]
fn a_node_that_wants_everything_gets_events() {
    let mut nodes = Nodes::new();
    let a = nodes.join("a", vec![calc()]);
    nodes.invite();
    let wish = json!({"interest": 1, "difference": {"revision": 1, "reset": true, "everything": true}});
    nodes.say(Kind::INTEREST, wish.to_string());
    let client = nodes.client(a);
    nodes.until_all("the event", |nodes| {
        let set =
            json!({"action": "set", "path": "/shown/one", "data": {"a": 1}, "options": {"noStore": true}});
        nodes.nodes[a].world.send(client, &set);
        nodes.strangers[0]
            .heard
            .iter()
            .find(|message| message.kind == Kind::EVENT)
            .map(drop)
    });
}

#[test]
fn what_is_too_long_for_the_link_is_told_and_never_silence() {
    let long = TestComponent::new("calc", "1.2.0")
        .method("long", |_| Outcome::Result(json!("x".repeat(2 << 20))))
        .method("short", |_| Outcome::Result(json!(1)));
    let mut nodes = Nodes::new();
    let a = nodes.join("a", Vec::new());
    nodes.join("b", vec![long]);
    nodes.see(a, "b");
    let client = nodes.client(a);
    let answer = nodes.call(a, client, "calc/long", &json!({"args": []}));
    let error = &answer["args"][0];
    assert_eq!(
        (&error["name"], &error["executed"]),
        (&json!("TooLarge"), &json!(true)),
        "{answer}"
    );
    let long = json!({"args": ["x".repeat(2 << 20)]});
    let answer = nodes.call(a, client, "calc/short", &long);
    let error = &answer["args"][0];
    assert_eq!(
        (&error["name"], &error["executed"]),
        (&json!("TooLarge"), &json!(false)),
        "{error}"
    );
    // Hardly fits without what goes in front of it.
    for less in 0..40 {
        let length = (1 << 20) - 128 - 10 * less;
        let answer = nodes.call(a, client, "calc/short", &json!({"args": ["x".repeat(length)]}));
        let error = &answer["args"][0];
        assert!(
            error["name"] == "TooLarge" || answer["status"] == "ok",
            "{less} {error}"
        );
    }
}

/// A connection that breaks the task that uses it.
struct Breaking<W> {
    inner: W,
    breaks: Arc<AtomicBool>,
}

impl<W: Wire> Wire for Breaking<W> {
    fn publish(&mut self, subject: &str, payload: bytes::Bytes) -> Result<(), WireError> {
        self.inner.publish(subject, payload)
    }
    fn publish_with_reply(
        &mut self,
        subject: &str,
        reply: &str,
        payload: bytes::Bytes,
    ) -> Result<(), WireError> {
        self.inner.publish_with_reply(subject, reply, payload)
    }
    fn subscribe(&mut self, subject: &str) -> Result<(), WireError> {
        self.inner.subscribe(subject)
    }
    fn state(&self) -> Connection {
        self.inner.state()
    }
    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        assert!(
            !self.breaks.load(Ordering::Relaxed),
            "the task breaks, as the test wants it"
        );
        self.inner.poll_event(context)
    }
    fn close(&mut self) {
        self.inner.close();
    }
}

#[test]
fn a_task_that_breaks_leaves_nobody_without_an_answer() {
    let breaks = Arc::<AtomicBool>::default();
    let mut nodes = Nodes::new();
    let wire = Breaking {
        inner: nodes.hub.connect(),
        breaks: breaks.clone(),
    };
    let a = nodes.join_over("a", Vec::new(), wire);
    nodes.join("b", vec![counter(&Arc::default())]);
    nodes.see(a, "b");
    let client = nodes.client(a);
    let never = nodes.nodes[a]
        .world
        .begin_call(client, "calc/never", &json!({"args": []}));
    nodes.until("the call", |nodes| {
        (nodes[1].world.waiting_calls() == 1).then_some(())
    });
    let queued = nodes.nodes[a]
        .world
        .begin_call(client, "calc/count", &json!({"args": []}));
    nodes.nodes[a].world.settle();
    breaks.store(true, Ordering::Relaxed);
    for address in [never, queued] {
        let answer = nodes.until("the answer", |nodes| {
            nodes[a].world.answers(client, &address).into_iter().next()
        });
        assert_eq!(answer["status"], "error", "{answer}");
        assert_ne!(answer["args"][0]["name"], "TimeoutError", "{answer}");
    }
    let answer = nodes.call(a, client, "calc/count", &json!({"args": []}));
    assert_eq!(answer["args"][0]["name"], "ServiceUnavailable", "{answer}");
    nodes.listen(a, client, "/SET@/shown/*", &json!({}));
}

#[test]
fn a_node_that_leaves_leaves_nobody_without_an_answer() {
    let mut nodes = Nodes::new();
    nodes.join("b", vec![counter(&Arc::default())]);
    let a = nodes.join("a", Vec::new());
    nodes.see(a, "b");
    let client = nodes.client(a);
    let never = nodes.nodes[a]
        .world
        .begin_call(client, "calc/never", &json!({"args": []}));
    nodes.until("the call", |nodes| {
        (nodes[0].world.waiting_calls() == 1).then_some(())
    });
    let Node { mut world, joined } = nodes.nodes.pop().expect("it has joined");
    world.block_on(joined.leave(Duration::ZERO));
    let later = world.begin_call(client, "calc/count", &json!({"args": []}));
    world.settle();
    for address in [never, later] {
        assert_eq!(world.answers(client, &address).len(), 1, "{address}");
    }
}

#[test]
fn calls_that_wait_for_other_nodes_hold_a_bounded_number_of_bytes() {
    let mut nodes = Nodes::new();
    let a = nodes.join("a", Vec::new());
    nodes.join("b", vec![counter(&Arc::default())]);
    nodes.see(a, "b");
    let client = nodes.client(a);
    let arguments = json!({"args": ["x".repeat(100 << 10)]});
    let mut busy = 0;
    for _ in 0..80 {
        let address = nodes.nodes[a].world.begin_call(client, "calc/never", &arguments);
        for _ in 0..5 {
            nodes.turn();
        }
        let answers = nodes.nodes[a].world.answers(client, &address);
        busy += answers
            .iter()
            .filter(|answer| answer["args"][0]["name"] == "Busy")
            .count();
    }
    let waiting = nodes.nodes[1].world.waiting_calls();
    assert!(
        waiting <= CALLS_BYTES / (100 << 10) && busy >= 80 - waiting,
        "{waiting} {busy}"
    );
}

#[test]
fn no_other_node_serves_in_the_place_of_a_part_of_this_host() {
    let own = TestComponent::new("security", "1.0.0").method("whoami", |_| Outcome::Result(json!("own")));
    let mut nodes = Nodes::new();
    nodes.prefer = Prefer::Any;
    let a = nodes.join("a", vec![own]);
    nodes.invite();
    let method = |name: &str| json!({"name": name, "parameters": []});
    let component = |name: &str| json!({"name": name, "version": "9.0.0", "methods": [method("whoami"), method("more")], "events": {}, "data": {}});
    nodes.catalogue(&json!([component("security"), component("shop")]));
    let client = nodes.client(a);
    for _ in 0..20 {
        let answer = nodes.call(a, client, "security/whoami", &json!({"args": []}));
        assert_eq!(answer, json!({"status": "ok", "args": [null, "own"]}));
    }
    let answer = nodes.call(a, client, "security/more", &json!({"args": []}));
    assert_eq!(answer["status"], "failed", "{answer}");
    let described = nodes.until("the description", |nodes| {
        let document = nodes[a].world.mesh().store().get("/mesh/schema/description")?;
        let description: Value = serde_json::from_str(&document.data).ok()?;
        description["components"]
            .get("shop")
            .is_some()
            .then_some(description)
    });
    let names: Vec<&String> = described["components"]
        .as_object()
        .expect("it is one")
        .keys()
        .collect();
    assert!(
        !names.iter().any(|name| name.starts_with("security@")),
        "{names:?}"
    );
}

#[test]
fn a_description_is_read_however_deep_the_components_of_other_nodes_are() {
    let mut nodes = Nodes::new();
    let a = nodes.join("a", vec![calc()]);
    nodes.invite();
    let client = nodes.client(a);
    for (revision, depth) in [(1, 60), (2, 120)] {
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let method = format!(r#"{{"name":"buy","parameters":[{{"name":"x","deep":{deep}}}]}}"#);
        let component =
            format!(r#"{{"name":"shop","version":"1.0.0","methods":[{method}],"events":{{}},"data":{{}}}}"#);
        nodes.say(
            Kind::CATALOGUE,
            format!(r#"{{"catalogue":1,"revision":{revision},"components":[{component}]}}"#),
        );
        nodes.until_all("the description, or the end of the link", |nodes| {
            let document = nodes.nodes[a]
                .world
                .mesh()
                .store()
                .get("/mesh/schema/description")?;
            match revision {
                1 => document.data.contains("shop").then_some(()),
                _ => nodes.strangers[0].broken.as_ref().map(drop),
            }
        });
        let get = json!({"action": "get", "path": "/mesh/schema/description", "options": {"fields": {"components": 1}}});
        let answer = nodes.nodes[a].world.request(client, &get);
        assert_eq!(answer["_meta"]["status"], "ok", "{answer}");
    }
}

#[test]
fn all_of_many_subscriptions_are_answered_although_a_node_says_nothing() {
    let mut nodes = Nodes::new();
    let a = nodes.join("a", vec![calc()]);
    nodes.join("b", Vec::new());
    nodes.invite();
    for _ in 0..2 {
        let client = nodes.client(a);
        let world = &mut nodes.nodes[a].world;
        let on =
            |topic: usize| json!({"action": "on", "path": format!("/SET@/shown/{topic}/*"), "options": {}});
        let mut asked: Vec<u64> = (0..500).map(|topic| world.send(client, &on(topic))).collect();
        nodes.until_all("the answers", |nodes| {
            for frame in nodes.nodes[a].world.take(client) {
                asked.retain(|event| frame["_meta"]["eventId"] != *event);
            }
            asked.is_empty().then_some(())
        });
    }
}
