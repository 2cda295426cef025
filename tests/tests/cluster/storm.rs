//! Versions that are replaced on two nodes in turn, while clients of a third call.
//!
//! Enters: clients of `a` that call without waiting, and such that wait for each answer; a component on `b` and `c` that is swapped again
//! and again. Leaves: each call answered and executed once. Guarantees: the version that one session sees only rises.
//! `MESH_TESTS_LONG=1` makes the storm ten times as long.

use super::load::{PROVIDERS, expect_at_most_once_of, is_long, nodes_of};
use mesh_tests::cluster::{Cluster, call_until, servers};
use mesh_tests::control;
use mesh_tests::host::Host;
use mesh_tests::nats;
use mesh_tests::numbered::{Calls, Numbered};
use serde_json::json;
use std::time::Duration;

/// Clients that do not wait for answers.
const CLIENTS: u64 = 6;
/// Clients that do.
const PATIENT: u64 = 12;

fn version_of(answer: &Numbered) -> &str {
    answer.result()["version"].as_str().unwrap_or_default()
}

/// No call is answered by an older version than one whose answer was there when the call was made.
///
/// Calls that are under way at the same time may be answered by two nodes, and then no order of theirs is promised.
fn expect_rising(answers: &[Numbered], client: u64, a: &Host) {
    let mut calls: Vec<&Numbered> = answers.iter().collect();
    calls.sort_by_key(|call| call.sent);
    let mut arriving = answers.iter().peekable();
    let mut seen: Option<&Numbered> = None;
    for call in calls {
        assert!(call.is_ok(), "client {client}: {call:?}\n{}", a.log());
        while let Some(answer) = arriving.next_if(|answer| answer.at < call.sent) {
            if seen.is_none_or(|seen| version_of(seen) < version_of(answer)) {
                seen = Some(answer);
            }
        }
        assert!(
            seen.is_none_or(|seen| version_of(seen) <= version_of(call)),
            "client {client}: {call:?} was made when there was {seen:?}\n{}",
            a.log()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_notices_a_storm_of_swaps_on_other_nodes() {
    if !nats::is_there() {
        return;
    }
    let servers = servers(1);
    let cluster = Cluster::new();
    let (a, b, c) = nodes_of(&cluster, &[servers[0].url()], &[]);
    for node in PROVIDERS {
        call_until(a.addr(), "ledger/enter", json!([0, 0, 0]), |answer| {
            answer["args"][1]["node"] == node
        })
        .await;
    }
    let calls = |client| Calls {
        path: "shop/ledger/enter".to_owned(),
        client,
        third: 0,
        every: Duration::from_millis(5),
    };
    let mut calling = Vec::new();
    for client in 1..=CLIENTS {
        calling.push((client, calls(client).begin(a.addr()).await));
    }
    for client in CLIENTS + 1..=CLIENTS + PATIENT {
        calling.push((client, calls(client).begin_one_by_one(a.addr()).await));
    }
    let versions = if is_long() { 60 } else { 6 };
    for number in 1..=versions {
        let library = cluster.ledger(&format!("1.{}.0", 100 + number));
        let nodes = if number % 2 == 0 { [&b, &c] } else { [&c, &b] };
        for node in nodes {
            calling[0].1.until_more(5).await;
            tokio::task::block_in_place(|| control::swap(node, "ledger", &library, true).report());
        }
    }
    calling[0].1.until_more(20).await;
    let last = format!("1.{}.0", 100 + versions);
    for (client, calling) in calling {
        let answers = calling.end().await;
        expect_rising(&answers, client, &a);
        assert_eq!(answers.last().map(version_of), Some(&*last));
        expect_at_most_once_of(&cluster, client, &answers);
    }
    assert!(b.stop().success() && c.stop().success());
}
