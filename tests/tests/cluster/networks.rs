//! Networks that are slow, broken, or silent in one direction, between one node and its server.
//!
//! Enters: the edge `a` behind a proxy, two providers that are not, the usual load. Leaves: the same sums as without faults, where the
//! fault lasts less long than a node may be silent. Guarantees: after a longer one, nothing was executed twice, and all goes on.

use super::load::{EDGE, Load, PROVIDERS, Promise, nodes_behind};
use mesh_tests::cluster::{Cluster, call_until, is_ok, servers, until_logged};
use mesh_tests::nats;
use mesh_tests::numbered::until;
use mesh_tests::proxy::{Direction, Proxy};
use serde_json::json;
use std::time::Duration;

const PATIENT: [&str; 2] = ["away_ms = 60000", "lost_ms = 60000"];

async fn until_sent(load: &Load, count: u64) {
    let sent = load.once.sent();
    until(
        || load.once.sent() >= sent + count,
        || "no more calls are made".to_owned(),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_way_to_the_server_makes_calls_slow_and_loses_nothing() {
    if !nats::is_there() {
        return;
    }
    let servers = servers(1);
    let proxy = Proxy::to(servers[0].port());
    let cluster = Cluster::new();
    let (a, _b, c) = nodes_behind(&cluster, &proxy.url(), &servers[0].url(), &[]);
    let load = Load::begin(&a, &c, Duration::from_millis(10)).await;
    load.once.until_more(100).await;
    proxy.delay(Duration::from_millis(200));
    load.once.until_more(600).await;
    assert!(!a.log().contains("is lost"), "{}", a.log());
    assert!(!c.log().contains("is lost"), "{}", c.log());
    load.end(&cluster, &[&a, &c], Promise::Always).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_breaks_again_and_again_loses_nothing() {
    if !nats::is_there() {
        return;
    }
    let servers = servers(1);
    let proxy = Proxy::to(servers[0].port());
    let cluster = Cluster::new();
    let (a, _b, c) = nodes_behind(&cluster, &proxy.url(), &servers[0].url(), &PATIENT);
    let load = Load::begin(&a, &c, Duration::from_millis(10)).await;
    for _ in 0..5 {
        until_sent(&load, 50).await;
        proxy.interrupt();
    }
    proxy.cut();
    until_sent(&load, 200).await;
    call_until(a.addr(), EDGE, json!(["none", 0]), is_ok).await;
    proxy.mend();
    load.once.until_more(300).await;
    load.end(&cluster, &[&a, &c], Promise::Always).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_direction_that_stands_still_for_a_while_loses_nothing() {
    if !nats::is_there() {
        return;
    }
    for direction in [Direction::Out, Direction::In] {
        let servers = servers(1);
        let proxy = Proxy::to(servers[0].port());
        let cluster = Cluster::new();
        let (a, _b, c) = nodes_behind(&cluster, &proxy.url(), &servers[0].url(), &PATIENT);
        let load = Load::begin(&a, &c, Duration::from_millis(10)).await;
        load.once.until_more(50).await;
        proxy.stop(direction);
        until_sent(&load, 200).await;
        proxy.go_on(direction);
        load.once.until_more(300).await;
        load.end(&cluster, &[&a, &c], Promise::Always).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_cut_off_until_others_give_it_up_loses_nothing_of_its_own() {
    if !nats::is_there() {
        return;
    }
    let faults: [[fn(&Proxy); 2]; 2] = [
        [Proxy::cut, Proxy::mend],
        [
            |proxy| proxy.stop(Direction::Out),
            |proxy| proxy.go_on(Direction::Out),
        ],
    ];
    for [begin, end] in faults {
        let servers = servers(1);
        let proxy = Proxy::to(servers[0].port());
        let cluster = Cluster::new();
        let times = ["beat_ms = 200", "lost_ms = 1500"];
        let (a, _b, c) = nodes_behind(&cluster, &proxy.url(), &servers[0].url(), &times);
        let load = Load::begin(&a, &c, Duration::from_millis(10)).await;
        load.once.until_more(50).await;
        begin(&proxy);
        until_logged(|| c.log(), "node a is lost").await;
        // Its own clients are served by its own components, and it knows that the others may be well.
        call_until(a.addr(), EDGE, json!(["none", 0]), is_ok).await;
        end(&proxy);
        load.once.until_more(200).await;
        for node in PROVIDERS {
            call_until(a.addr(), "ledger/enter", json!([0, 0, 0]), |answer| {
                answer["args"][1]["node"] == node
            })
            .await;
        }
        load.end(&cluster, &[&a, &c], Promise::Always).await;
    }
}
