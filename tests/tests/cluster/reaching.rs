//! Calls and events between nodes that are well.
//!
//! Enters: a node without components, and one that has them. Leaves: what clients of both get. Guarantees: a client cannot tell on
//! which node a component is, except where a row here says so.

use mesh_tests::cluster::{
    Cluster, Node, call, call_in_range, description, is_ok, servers, until_described, until_logged,
};
use mesh_tests::host::{Host, mesh};
use mesh_tests::nats::{self, NatsServer};
use mesh_tests::numbered::{Emitting, Listening};
use mesh_tests::session;
use serde_json::{Value, json};
use std::time::Duration;

const TICK: &str = "/SET@/_events/shop/emitter/tick";

/// A node without components, and one with `calc` and `emitter`.
struct Two {
    a: Host,
    b: Host,
    _cluster: Cluster,
    _servers: Vec<NatsServer>,
}

async fn two() -> Two {
    let servers = servers(1);
    let urls = [servers[0].url()];
    let cluster = Cluster::new();
    let b = Node::new("b", &urls).having("calc", "").having("emitter", "");
    let b = cluster.start(&b);
    let a = cluster.start(&Node::new("a", &urls));
    until_described(a.addr(), &["calc", "emitter"]).await;
    Two {
        a,
        b,
        _cluster: cluster,
        _servers: servers,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_calls_components_that_its_node_does_not_have() {
    if !nats::is_there() {
        return;
    }
    let two = two().await;
    for node in [&two.a, &two.b] {
        let at = node.addr();
        let answer = call(at, "calc/add", json!([1, 2])).await;
        assert_eq!(answer["args"], json!([null, 3]), "{answer}");
        // The fields of an error besides its text are not lost on the way.
        let failed = call(at, "calc/divide", json!([1, 0])).await;
        assert_eq!(failed["status"], "error", "{failed}");
        let error = &failed["args"][0];
        assert_eq!(
            (&error["name"], &error["message"], &error["code"]),
            (&json!("DivisionError"), &json!("division by zero"), &json!(4220)),
            "{failed}"
        );
        assert_eq!(error["details"], json!({"a": 1, "b": 0}), "{failed}");
        let results = call(at, "calc/multi", json!([])).await;
        assert_eq!(
            results["args"],
            json!([null, "first", {"second": 2}, [3, "three"]]),
            "{results}"
        );
        let large = call(at, "calc/bigPayload", json!([3_000_000])).await;
        assert_eq!(large["args"][1]["size"], 3_000_000);
        assert!(two.a.log().contains("cluster shop"), "{}", two.a.log());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_nobody_can_take_is_refused_as_on_one_node() {
    if !nats::is_there() {
        return;
    }
    let two = two().await;
    let mut answers = Vec::new();
    for node in [&two.a, &two.b] {
        let at = node.addr();
        let fits = call_in_range(at, "calc/add", Some("^1.0.0"), json!([1, 2])).await;
        assert!(is_ok(&fits), "{fits}");
        let mut of_node = Vec::new();
        for (path, range) in [
            ("calc/add", Some("^2.0.0")),
            ("calc/subtract", None),
            ("calculator/add", None),
        ] {
            of_node.push(call_in_range(at, path, range, json!([1, 2])).await);
        }
        answers.push(of_node);
    }
    let [of_a, of_b] = &answers[..] else {
        panic!("there are two nodes")
    };
    assert_eq!(of_a, of_b, "the errors are those of a component at hand");
    assert_eq!(of_a[0]["status"], "failed", "{of_a:?}");
    let said = of_a[0]["args"][0]["message"].as_str().unwrap_or_default();
    assert!(said.contains("^2.0.0") && said.contains("1.2.3"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_in_flight_get_their_own_answers() {
    if !nats::is_there() {
        return;
    }
    let two = two().await;
    for node in [&two.a, &two.b] {
        let (mut sender, mut receiver) = session::open(node.addr()).await;
        for number in 0..500 {
            sender
                .call("shop/calc/echo", number, json!([{"n": number}]))
                .await;
        }
        let mut found = vec![0; 500];
        while found.contains(&0) {
            let frame = receiver.next().await.expect("an answer");
            let path = frame["_meta"]["path"].as_str().unwrap_or_default();
            if path.starts_with("/_exchange/responses/") {
                let number: usize = path
                    .rsplit('/')
                    .next()
                    .and_then(|text| text.parse().ok())
                    .expect("its number");
                assert_eq!(frame["data"]["args"], json!([null, {"n": number}]), "{frame}");
                found[number] += 1;
            }
        }
        assert!(found.iter().all(|answers| *answers == 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_reach_the_listeners_of_all_nodes_once_and_in_order() {
    if !nats::is_there() {
        return;
    }
    let two = two().await;
    let mut wanting = Vec::new();
    let mut excluding = Vec::new();
    for node in [&two.a, &two.b] {
        for range in [None, Some("^2.0.0")] {
            wanting.push(Listening::in_range(node.addr(), TICK, range).await);
        }
        excluding.push(Listening::in_range(node.addr(), TICK, Some("^1.0.0")).await);
    }
    // One asks from far, one at hand.
    let far = Emitting::begin(two.a.addr(), "shop/emitter/emit", "far", Duration::from_millis(2)).await;
    let near = Emitting::begin(
        two.b.addr(),
        "shop/emitter/emit",
        "near",
        Duration::from_millis(2),
    )
    .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (far, near) = (far.end().await, near.end().await);
    for listening in &wanting {
        listening.expect_all("far", far).await;
        listening.expect_all("near", near).await;
    }
    for listening in &excluding {
        assert_eq!(
            listening.heard(),
            [Value::Null; 0],
            "the range excludes the version"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_a_call_come_before_its_answer() {
    if !nats::is_there() {
        return;
    }
    let two = two().await;
    for node in [&two.a, &two.b] {
        let (mut sender, mut receiver) = session::open(node.addr()).await;
        sender.subscribe(TICK).await;
        assert_eq!(receiver.next().await.expect("an answer")["_meta"]["status"], "ok");
        for number in 0..50 {
            sender
                .call("shop/emitter/emit", number, json!(["tick", number]))
                .await;
            let mut paths = Vec::new();
            while paths.len() < 2 {
                let frame = receiver.next().await.expect("an event and an answer");
                let path = frame["_meta"]["path"].as_str().unwrap_or_default();
                if path.starts_with("/_exchange/responses/") || path.starts_with("/_events/") {
                    paths.push(path.to_owned());
                }
            }
            assert_eq!(
                paths[0], "/_events/shop/emitter/tick",
                "the event comes first: {paths:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_node_describes_the_components_of_all() {
    if !nats::is_there() {
        return;
    }
    let two = two().await;
    let [of_a, of_b] = [description(two.a.addr()).await, description(two.b.addr()).await];
    assert_eq!(of_a["components"]["calc"], of_b["components"]["calc"]);
    assert_eq!(of_a["name"], "shop");
    for node in [&two.a, &two.b] {
        let described = mesh(&["describe", "--url", &node.url()]);
        assert_eq!(described.code, 0, "{described:?}");
        for component in ["calc", "emitter"] {
            assert!(described.out.contains(component), "{described:?}");
        }
        let called = mesh(&["call", "--url", &node.url(), "calc/add", "1", "2"]);
        assert_eq!((called.code, called.out.trim()), (0, "3"), "{called:?}");
    }
    until_logged(|| two.a.log(), "node b has joined").await;
}
