//! Nodes and servers that fail under load.
//!
//! Enters: an edge `a` whose clients call and listen, providers `b` and `c`, and what happens to one of them. Leaves: the sums of calls,
//! answers, executions and events. Guarantees: a method that is not idempotent is never executed twice. Each call is answered.
//! `MESH_TESTS_LONG=1` repeats what can be repeated.

use super::load::{EDGE, Load, Promise, Watching, is_long, nodes_of};
use mesh_tests::cluster::{Cluster, Node, call_until, is_ok, routed, servers, until_described, until_logged};
use mesh_tests::nats;
use mesh_tests::numbered::until;
use serde_json::json;
use std::time::{Duration, Instant};

fn rounds(short: usize, long: usize) -> usize {
    if is_long() { long } else { short }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_killed_is_answered_for_and_others_take_its_calls() {
    if !nats::is_there() {
        return;
    }
    let servers = servers(1);
    let cluster = Cluster::new();
    let (a, b, c) = nodes_of(&cluster, &[servers[0].url()], &[]);
    let load = Load::begin(&a, &c, Duration::from_millis(1000)).await;
    until(
        || load.once.in_flight() >= 200,
        || "there are never 200 calls in flight".to_owned(),
    )
    .await;
    // Dropping a host is `kill -9`.
    drop(b);
    let killed = Instant::now();
    let new = load.once.sent();
    until(
        || load.once.sent() >= new + 300,
        || "no more calls are made".to_owned(),
    )
    .await;
    let done = load.end(&cluster, &[&a, &c], Promise::UnlessLost).await;
    assert!(!done.lost.is_empty(), "calls were in flight at the killed node");
    let late: Vec<_> = done.lost.iter().filter(|lost| lost.number >= new).collect();
    assert!(late.is_empty(), "calls after the kill go elsewhere: {late:?}");
    let last = done.lost.iter().map(|lost| lost.at - killed).max();
    println!(
        "{} calls, {} lost with the node, answered until {:?} after the kill",
        done.calls,
        done.lost.len(),
        last.unwrap_or_default()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_asked_to_stop_finishes_its_calls_and_gets_no_new_ones() {
    if !nats::is_there() {
        return;
    }
    let servers = servers(1);
    let cluster = Cluster::new();
    let (a, b, c) = nodes_of(&cluster, &[servers[0].url()], &[]);
    let load = Load::begin(&a, &c, Duration::from_millis(400)).await;
    load.once.until_more(100).await;
    let stopped = tokio::task::spawn_blocking(|| b.stop()).await.expect("it stops");
    assert!(stopped.success(), "{stopped}");
    load.once.until_more(100).await;
    load.end(&cluster, &[&a, &c], Promise::Always).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_hangs_is_avoided_and_goes_on_when_it_can() {
    if !nats::is_there() {
        return;
    }
    let servers = servers(1);
    let cluster = Cluster::new();
    let times = ["beat_ms = 200", "lost_ms = 2000"];
    let (a, b, c) = nodes_of(&cluster, &[servers[0].url()], &times);
    let load = Load::begin(&a, &c, Duration::from_millis(100)).await;
    load.once.until_more(100).await;
    b.signal("-STOP");
    until_logged(|| a.log(), "node b is suspect").await;
    let new = load.once.sent();
    until_logged(|| a.log(), "node b is lost").await;
    load.once.until_more(200).await;
    b.signal("-CONT");
    // It is called again, and what it had taken before is not executed twice.
    call_until(a.addr(), "ledger/enter", json!([0, 0, 0]), |answer| {
        answer["args"][1]["node"] == "b"
    })
    .await;
    load.once.until_more(100).await;
    let done = load.end(&cluster, &[&a, &c], Promise::UnlessLost).await;
    let late: Vec<_> = done.lost.iter().filter(|lost| lost.number > new).collect();
    assert!(
        late.is_empty(),
        "calls after the suspicion go elsewhere: {late:?}"
    );
    println!(
        "{} calls, {} lost at the stopped node",
        done.calls,
        done.lost.len()
    );
    assert!(b.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_gets_little_of_its_machine_fails_nothing() {
    if !nats::is_there() {
        return;
    }
    let servers = servers(1);
    let cluster = Cluster::new();
    let (a, b, c) = nodes_of(&cluster, &[servers[0].url()], &[]);
    let load = Load::begin(&a, &c, Duration::from_millis(20)).await;
    load.once.until_more(50).await;
    for _ in 0..rounds(20, 300) {
        b.signal("-STOP");
        tokio::time::sleep(Duration::from_millis(80)).await;
        b.signal("-CONT");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    load.once.until_more(100).await;
    load.end(&cluster, &[&a, &c], Promise::Always).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_two_that_is_killed_loses_nothing() {
    if !nats::is_there() {
        return;
    }
    let mut servers = servers(2);
    let urls: Vec<String> = servers.iter().map(|server| server.url()).collect();
    let routes: Vec<u16> = servers.iter().map(|server| server.cluster_port()).collect();
    let cluster = Cluster::new();
    // A busy machine connects late; who is waited for long enough comes back.
    let times = ["away_ms = 60000", "lost_ms = 60000"];
    let (a, _b, c) = nodes_of(&cluster, &urls, &times);
    let load = Load::begin(&a, &c, Duration::from_millis(50)).await;
    for round in 0..rounds(2, 10) {
        let index = round % 2;
        load.once.until_more(100).await;
        servers[index].kill();
        load.once.until_more(200).await;
        let again = routed(Some(routes[index]), &routes);
        servers[index].start_again(Some(&again));
    }
    load.once.until_more(100).await;
    load.end(&cluster, &[&a, &c], Promise::Always).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_only_server_is_killed_and_nothing_is_lost_when_it_is_back() {
    if !nats::is_there() {
        return;
    }
    let mut servers = servers(1);
    let cluster = Cluster::new();
    let times = ["away_ms = 60000", "lost_ms = 60000"];
    let (a, _b, c) = nodes_of(&cluster, &[servers[0].url()], &times);
    let load = Load::begin(&a, &c, Duration::from_millis(50)).await;
    for _ in 0..rounds(2, 10) {
        load.once.until_more(100).await;
        servers[0].kill();
        let sent = load.once.sent();
        until(
            || load.once.sent() >= sent + 100,
            || "no more calls are made".to_owned(),
        )
        .await;
        // The node itself serves on.
        call_until(a.addr(), EDGE, json!(["none", 0]), is_ok).await;
        servers[0].start_again(None);
    }
    load.once.until_more(100).await;
    load.end(&cluster, &[&a, &c], Promise::Always).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_for_a_while_loses_nothing() {
    if !nats::is_there() {
        return;
    }
    let servers = servers(1);
    let cluster = Cluster::new();
    let times = ["away_ms = 60000", "lost_ms = 60000"];
    let (a, _b, c) = nodes_of(&cluster, &[servers[0].url()], &times);
    let load = Load::begin(&a, &c, Duration::from_millis(50)).await;
    load.once.until_more(100).await;
    servers[0].pause();
    let sent = load.once.sent();
    until(
        || load.once.sent() >= sent + 300,
        || "no more calls are made".to_owned(),
    )
    .await;
    servers[0].go_on();
    load.once.until_more(300).await;
    load.end(&cluster, &[&a, &c], Promise::Always).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_come_and_go_leave_one_description() {
    if !nats::is_there() {
        return;
    }
    let servers = servers(1);
    let urls = [servers[0].url()];
    let cluster = Cluster::new();
    let a = cluster.start(&Node::new("a", &urls));
    let node = Node::new("b", &urls).having_ledger(&cluster, "1.100.0");
    let mut b = cluster.start(&node);
    call_until(a.addr(), "ledger/enter", json!([0, 0, 0]), is_ok).await;
    until_described(a.addr(), &["ledger"]).await;
    let watching = Watching::begin(&a).await;
    for _ in 0..rounds(5, 100) {
        drop(b);
        b = cluster.start(&node);
        let executed = cluster.executed_by("b").len();
        call_until(a.addr(), "ledger/enter", json!([0, 0, 0]), is_ok).await;
        assert!(cluster.executed_by("b").len() > executed);
    }
    watching.expect_nothing_new(&a).await;
    // It would have been told: a component that is really new is.
    let _c = cluster.start(&Node::new("c", &urls).having("calc", ""));
    until_described(a.addr(), &["ledger", "calc"]).await;
    watching.expect_one_publication().await;
}
