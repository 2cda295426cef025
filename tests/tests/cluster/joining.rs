//! Nodes that join, and what holds a start back.
//!
//! Enters: nodes that come one after the other, names that are taken, components that are required. Leaves: hosts that serve, or the exit
//! code and the reason of those that do not. Guarantees: nothing here depends on how long a start takes.

use mesh_tests::cluster::{Cluster, Node, call, call_until, is_ok, servers, until_described, until_logged};
use mesh_tests::nats::{self, NatsServer};
use mesh_tests::session;
use mesh_tests::swapping::answer_to;
use serde_json::json;

fn one_server() -> (Vec<NatsServer>, [String; 1]) {
    let servers = servers(1);
    let urls = [servers[0].url()];
    (servers, urls)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_joins_is_called_through_each_other_one() {
    if !nats::is_there() {
        return;
    }
    let (_servers, urls) = one_server();
    let cluster = Cluster::new();
    let a = cluster.start(&Node::new("a", &urls));
    let b = cluster.start(&Node::new("b", &urls).having("emitter", ""));
    let sum = call(a.addr(), "calc/add", json!([1, 2])).await;
    assert!(!is_ok(&sum), "nobody has it: {sum}");
    let c = cluster.start(&Node::new("c", &urls).having("calc", ""));
    for node in [&a, &b, &c] {
        call_until(node.addr(), "calc/add", json!([1, 2]), is_ok).await;
        call_until(node.addr(), "emitter/emit", json!(["none", 0]), is_ok).await;
    }
    // Nobody has it any more, and everybody knows that it was there.
    assert!(c.stop().success());
    for node in [&a, &b] {
        call_until(node.addr(), "calc/add", json!([1, 2]), |answer| {
            answer["args"][0]["name"] == "ServiceUnavailable" && answer["args"][0]["code"] == 503
        })
        .await;
    }
    let c = cluster.start(&Node::new("c", &urls).having("calc", ""));
    for node in [&a, &b, &c] {
        call_until(node.addr(), "calc/add", json!([1, 2]), is_ok).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_name_is_taken_does_not_start_and_says_who_has_it() {
    if !nats::is_there() {
        return;
    }
    let (_servers, urls) = one_server();
    let cluster = Cluster::new();
    let node = Node::new("a", &urls).having("calc", "");
    let a = cluster.start(&node);
    let b = cluster.start(&Node::new("b", &urls));
    let refused = cluster.begin(&node).ended();
    assert_eq!(refused.code, 78, "{refused:?}");
    let who = format!("process {} ", a.pid());
    assert!(
        refused.err.contains("has the name \"a\"") && refused.err.contains(&who),
        "{refused:?}"
    );
    // The one that has it serves on.
    for node in [&a, &b] {
        call_until(node.addr(), "calc/add", json!([1, 2]), is_ok).await;
    }
    assert!(a.stop().success());
    let a = cluster.start(&node);
    for node in [&a, &b] {
        call_until(node.addr(), "calc/add", json!([1, 2]), is_ok).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_node_leaves_its_name_to_the_next() {
    if !nats::is_there() {
        return;
    }
    let (_servers, urls) = one_server();
    let cluster = Cluster::new();
    let node = Node::new("b", &urls).having("calc", "");
    let a = cluster.start(&Node::new("a", &urls));
    for _ in 0..3 {
        let b = cluster.start(&node);
        for node in [&a, &b] {
            call_until(node.addr(), "calc/add", json!([1, 2]), is_ok).await;
        }
        // Dropping a host is `kill -9`.
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_waits_for_the_components_and_nodes_that_it_needs() {
    if !nats::is_there() {
        return;
    }
    let (_servers, urls) = one_server();
    let cluster = Cluster::new();
    let needs = [
        (
            Node::new("waits", &urls).with("wait_for = [\"calc\"]"),
            "component calc",
        ),
        (
            Node::new("counts", &urls).with("min_nodes = 4"),
            "more of 4 nodes",
        ),
        (
            Node::new("requires", &urls).having("emitter", "requires = { calc = \"^1.0.0\" }"),
            "calc ^1.0.0, which emitter requires",
        ),
    ];
    let mut starting = Vec::new();
    for (node, missing) in needs {
        let started = cluster.begin(&node);
        until_logged(|| started.log(), missing).await;
        starting.push(started);
    }
    let b = cluster.start(&Node::new("b", &urls).having("calc", ""));
    for started in starting {
        let host = tokio::task::spawn_blocking(|| started.served())
            .await
            .expect("it serves");
        // It did not serve before.
        let answer = call(host.addr(), "calc/add", json!([1, 2])).await;
        assert_eq!(answer["args"], json!([null, 3]), "{answer}\n{}", host.log());
    }
    call_until(b.addr(), "calc/add", json!([1, 2]), is_ok).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_has_waited_long_enough_ends_and_names_the_missing() {
    if !nats::is_there() {
        return;
    }
    let (_servers, urls) = one_server();
    let cluster = Cluster::new();
    let impatient = |name: &str| Node::new(name, &urls).with("wait_ms = 300");
    let needs = [
        (
            impatient("a").with("wait_for = [\"calc\", \"stock\"]"),
            vec!["component calc", "component stock"],
        ),
        (impatient("b").with("min_nodes = 5"), vec!["more of 5 nodes"]),
        (
            impatient("c").having("emitter", "requires = { calc = \"^1.0.0\" }"),
            vec!["calc ^1.0.0, which emitter requires"],
        ),
    ];
    let starting: Vec<_> = needs
        .iter()
        .map(|(node, missing)| (cluster.begin(node), missing))
        .collect();
    for (started, missing) in starting {
        let ended = started.ended();
        assert_eq!(ended.code, 75, "{ended:?}");
        for name in missing {
            assert!(ended.err.contains(name), "{ended:?}");
        }
        assert!(ended.err.contains("within 300 ms"), "{ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_without_a_server_serves_alone_and_joins_when_there_is_one() {
    if !nats::is_there() {
        return;
    }
    let mut server = NatsServer::start();
    let urls = [server.url()];
    server.kill();
    let cluster = Cluster::new();
    let nodes = [
        Node::new("a", &urls).having("emitter", ""),
        Node::new("b", &urls).having("calc", ""),
    ];
    let starting: Vec<_> = nodes.iter().map(|node| cluster.begin(node)).collect();
    let hosts: Vec<_> = starting.into_iter().map(|started| started.served()).collect();
    let [a, b] = &hosts[..] else {
        panic!("there are two nodes")
    };
    let (mut sender, mut receiver) = session::open(b.addr()).await;
    sender.call("shop/calc/add", 1, json!([1, 2])).await;
    assert!(is_ok(&answer_to(&mut receiver, 1).await));
    assert!(!is_ok(&call(a.addr(), "calc/add", json!([1, 2])).await));
    server.start_again(None);
    for node in [a, b] {
        until_described(node.addr(), &["calc", "emitter"]).await;
        call_until(node.addr(), "calc/add", json!([1, 2]), is_ok).await;
        call_until(node.addr(), "emitter/emit", json!(["none", 0]), is_ok).await;
    }
    // The session that was there before sees both, too.
    sender
        .call("shop/emitter/emit", 2, json!(["tick", {"number": 2}]))
        .await;
    assert!(is_ok(&answer_to(&mut receiver, 2).await));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_was_stopped_starts_again_in_any_order() {
    if !nats::is_there() {
        return;
    }
    let (_servers, urls) = one_server();
    let cluster = Cluster::new();
    let all = [
        Node::new("a", &urls).with("wait_for = [\"calc\", \"emitter\"]"),
        Node::new("b", &urls).having("calc", "requires = { emitter = \"*\" }"),
        Node::new("c", &urls).having("emitter", ""),
    ];
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
        let starting = order.map(|index| cluster.begin(&all[index]));
        let hosts = starting.map(|started| started.served());
        for host in &hosts {
            call_until(host.addr(), "calc/add", json!([1, 2]), is_ok).await;
            call_until(host.addr(), "emitter/emit", json!(["none", 0]), is_ok).await;
        }
        for host in hosts {
            assert!(host.stop().success());
        }
    }
}
