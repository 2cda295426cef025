//! The cluster for Prometheus.
//!
//! Enters: the status of a cluster. Leaves: its families. Guarantees: a node that is gone for good has no series, so there are never more
//! of them than the table of nodes has rows.

use mesh_cluster::presence::Verdict;
use mesh_cluster::status::{ClusterStatus, NodeStatus};
use mesh_metrics::{Family, Kind, Labels, Page};

/// The verdicts about nodes that have a place.
const VERDICTS: [Verdict; 4] = [Verdict::Alive, Verdict::Suspect, Verdict::Away, Verdict::Lost];

/// Writes all of them.
pub(super) fn collect(status: &ClusterStatus, page: &mut Page) {
    let nodes = &status.nodes;
    let help = "Other nodes of the cluster, by the opinion of this one.";
    let mut peers = page.family("mesh_cluster_peers", Kind::Gauge, help);
    for verdict in VERDICTS.map(|verdict| verdict.to_string()) {
        let of_it = nodes.iter().filter(|node| node.verdict == verdict);
        peers.sample(&Labels::default().with("verdict", &verdict), of_it.count());
    }
    let help = "Calls that this node had executed by another one, by their end.";
    let mut calls = page.family("mesh_cluster_calls_total", Kind::Counter, help);
    for node in nodes {
        let counts = node.calls;
        for (outcome, count) in [
            ("answered", counts.answered),
            ("refused", counts.refused),
            ("lost", counts.lost),
            ("timeout", counts.timed_out),
        ] {
            calls.sample(&of(node).with("outcome", outcome), count);
        }
    }
    let help = "Calls of this node that another one has not answered.";
    let family = page.family("mesh_cluster_calls_in_flight", Kind::Gauge, help);
    each(family, nodes, |node| node.in_flight);
    let help = "Events that passed between this node and another one.";
    let mut events = page.family("mesh_cluster_events_total", Kind::Counter, help);
    for node in nodes {
        events.sample(&of(node).with("direction", "sent"), node.events.sent);
        events.sample(&of(node).with("direction", "received"), node.events.received);
    }
    let help = "Events for another node that were dropped, since it took too little.";
    let family = page.family("mesh_cluster_events_lost_total", Kind::Counter, help);
    each(family, nodes, |node| node.events.lost);
    let help = "Bytes for another node that wait or that it has not acknowledged.";
    let family = page.family("mesh_cluster_link_bytes", Kind::Gauge, help);
    each(family, nodes, |node| node.waiting_bytes);
    let help = "Batches that were sent to another node again.";
    let family = page.family("mesh_cluster_link_resent_total", Kind::Counter, help);
    each(family, nodes, |node| node.resent);
    page.gauge(
        "mesh_cluster_nats_connected",
        "1 while there is a connection to a NATS server, else 0.",
        u8::from(status.server.connected),
    );
    page.counter(
        "mesh_cluster_nats_reconnects_total",
        "Times that the connection to a NATS server was made again.",
        status.server.reconnects,
    );
}

fn each(mut family: Family<'_>, nodes: &[NodeStatus], value: impl Fn(&NodeStatus) -> u64) {
    for node in nodes {
        family.sample(&of(node), value(node));
    }
}

fn of(node: &NodeStatus) -> Labels {
    Labels::default().with("peer", &node.name)
}
