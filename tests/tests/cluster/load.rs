//! The load under which nodes and servers fail: calls and events with numbers, and what must be so afterwards.
//!
//! Enters: an edge and a provider that stays. Leaves: assertions about all that was sent. Guarantees: 200 calls a second of a method that
//! must not be executed twice, 50 of one that may, and 50 events in each direction.

use mesh_tests::cluster::{Cluster, Node, call_until, description, is_ok};
use mesh_tests::host::Host;
use mesh_tests::numbered::{Calling, Calls, Emitting, Listening, Numbered, until};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// A method that the edge itself has.
pub(super) const EDGE: &str = "emitter/emit";

const TICK: &str = "/SET@/_events/shop/emitter/tick";
const ENTERED: &str = "/SET@/_events/shop/ledger/entered";
/// The nodes with the component that writes its executions down.
pub(super) const PROVIDERS: [&str; 2] = ["b", "c"];
const ONCE: u64 = 1;
const AGAIN: u64 = 2;

/// The calls and events that are under way.
pub(super) struct Load {
    /// Calls that must not be executed twice.
    pub(super) once: Calling,
    again: Calling,
    out: Emitting,
    back: Emitting,
    at_edge: Listening,
    at_provider: Listening,
    entered: Listening,
}

/// Whether the long forms are wanted.
pub(super) fn is_long() -> bool {
    std::env::var_os("MESH_TESTS_LONG").is_some()
}

/// How calls end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Promise {
    /// Each succeeds.
    Always,
    /// Each that is not idempotent succeeds, or its node is lost.
    UnlessLost,
}

/// The end of a load.
pub(super) struct Done {
    /// Calls that must not be executed twice.
    pub(super) calls: usize,
    /// Those that were answered with `NodeLost`.
    pub(super) lost: Vec<Numbered>,
}

/// An edge, and two providers with the same version. The edge and the second provider can emit events.
pub(super) fn nodes_of(cluster: &Cluster, servers: &[String], lines: &[&str]) -> (Host, Host, Host) {
    nodes_at(cluster, servers, servers, lines)
}

/// The same, with another way to the server for the edge.
pub(super) fn nodes_behind(
    cluster: &Cluster,
    edge: &str,
    server: &str,
    lines: &[&str],
) -> (Host, Host, Host) {
    nodes_at(cluster, &[edge.to_owned()], &[server.to_owned()], lines)
}

fn nodes_at(cluster: &Cluster, edge: &[String], servers: &[String], lines: &[&str]) -> (Host, Host, Host) {
    let node = |name: &str, servers: &[String]| {
        let node = Node::new(name, servers);
        lines.iter().fold(node, |node, line| node.with(line))
    };
    let emitter = |node: Node| node.having("emitter", "");
    let ledger = |node: Node| node.having_ledger(cluster, "1.100.0");
    let a = cluster.begin(&emitter(node("a", edge)));
    let b = cluster.begin(&ledger(node("b", servers)));
    let c = cluster.begin(&ledger(emitter(node("c", servers))));
    (a.served(), b.served(), c.served())
}

impl Load {
    /// Begins when calls reach both providers. A call of the first kind takes this long.
    pub(super) async fn begin(edge: &Host, provider: &Host, takes: Duration) -> Load {
        let address = edge.addr();
        for node in PROVIDERS {
            call_until(address, "ledger/enter", json!([0, 0, 0]), |answer| {
                answer["args"][1]["node"] == node
            })
            .await;
        }
        call_until(provider.addr(), EDGE, json!(["none", 0]), is_ok).await;
        let at_edge = Listening::begin(address, TICK).await;
        let entered = Listening::begin(address, ENTERED).await;
        let at_provider = Listening::begin(provider.addr(), TICK).await;
        let calls = |method: &str, client, takes: u128, every| Calls {
            path: format!("shop/ledger/{method}"),
            client,
            third: takes as u64,
            every: Duration::from_millis(every),
        };
        let every = Duration::from_millis(20);
        let path = "shop/emitter/emit";
        Load {
            once: calls("enter", ONCE, takes.as_millis(), 5).begin(address).await,
            again: calls("again", AGAIN, 100, 20).begin(address).await,
            out: Emitting::begin(address, path, "a", every).await,
            back: Emitting::begin(provider.addr(), path, "c", every).await,
            at_edge,
            at_provider,
            entered,
        }
    }

    /// Stops, and looks whether all is as promised. The hosts are asked for their logs where it is not.
    pub(super) async fn end(self, cluster: &Cluster, hosts: &[&Host], promise: Promise) -> Done {
        let logs = || hosts.iter().map(|host| host.log()).collect::<Vec<_>>().join("\n");
        let (out, back) = (self.out.end().await, self.back.end().await);
        let (once, again) = (self.once.end().await, self.again.end().await);
        for listening in [&self.at_edge, &self.at_provider] {
            listening.expect_all("a", out).await;
            listening.expect_all("c", back).await;
        }
        expect_at_most_once(cluster, &once);
        let bad: Vec<&Numbered> = once.iter().filter(|answer| !answer.is_ok()).collect();
        for answer in &bad {
            let is_lost = answer.error()["name"] == "NodeLost" && answer.error()["code"] == 502;
            assert!(
                is_lost && promise == Promise::UnlessLost,
                "{} of {}: {answer:?}\n{}",
                bad.len(),
                once.len(),
                logs()
            );
        }
        let executed = cluster.executions(&PROVIDERS, AGAIN);
        let (mut repeated, most) = (0, 2);
        for answer in &again {
            assert!(
                answer.is_ok(),
                "an idempotent call goes to the next node: {answer:?}"
            );
            let count = executed.get(&answer.number).copied().unwrap_or_default();
            assert!((1..=most).contains(&count), "executed {count} times: {answer:?}");
            repeated += count - 1;
        }
        if promise == Promise::Always {
            assert_eq!(repeated, 0, "nothing was lost, and nothing repeated");
            expect_entered(&self.entered, &once).await;
        }
        Done {
            calls: once.len(),
            lost: bad.into_iter().cloned().collect(),
        }
    }
}

/// Each call was answered, and none was executed twice. One that has succeeded was executed.
pub(super) fn expect_at_most_once(cluster: &Cluster, answers: &[Numbered]) {
    expect_at_most_once_of(cluster, ONCE, answers);
}

/// The same for another client.
pub(super) fn expect_at_most_once_of(cluster: &Cluster, client: u64, answers: &[Numbered]) {
    let executed = cluster.executions(&PROVIDERS, client);
    let twice: Vec<_> = executed.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "calls that were executed twice: {twice:?}");
    for answer in answers.iter().filter(|answer| answer.is_ok()) {
        assert!(
            executed.contains_key(&answer.number),
            "nobody has executed {answer:?}"
        );
    }
}

/// Each execution was heard once.
async fn expect_entered(entered: &Listening, calls: &[Numbered]) {
    // The events of a call come before its answer.
    let mut heard = BTreeMap::<u64, usize>::new();
    for data in entered.heard() {
        if data["arguments"][0] == ONCE {
            let number = data["arguments"][1].as_u64().expect("a number");
            *heard.entry(number).or_default() += 1;
        }
    }
    let wanted: BTreeMap<u64, usize> = calls.iter().map(|answer| (answer.number, 1)).collect();
    let wrong = wanted.iter().find(|(number, _)| heard.get(number) != Some(&1));
    assert!(
        heard == wanted,
        "{} of {} were heard; for example {wrong:?}",
        heard.len(),
        wanted.len()
    );
}

/// A client that watches the description of its node.
pub(super) struct Watching {
    published: Listening,
    before: Value,
}

impl Watching {
    /// Begins to watch.
    pub(super) async fn begin(node: &Host) -> Watching {
        let published = Listening::begin(node.addr(), "/ALL@/mesh/schema/description").await;
        let before = description(node.addr()).await;
        Watching { published, before }
    }

    /// The description is what it was, and was not published.
    pub(super) async fn expect_nothing_new(&self, node: &Host) {
        assert_eq!(description(node.addr()).await, self.before);
        let published = self.published.heard();
        assert!(
            published.is_empty(),
            "{} publications: {published:?}",
            published.len()
        );
    }

    /// One publication comes, and no other.
    pub(super) async fn expect_one_publication(&self) {
        let count = || self.published.heard().len();
        until(|| count() > 0, || "nothing was published".to_owned()).await;
        assert_eq!(count(), 1);
    }
}
