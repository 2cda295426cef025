//! The cluster at one moment, for operators.
//!
//! Enters: what a node sees of itself, its server and the others. Leaves: the same as JSON, and read back from it. Guarantees: all words in
//! it are plain text, so that a command understands a host that knows more of them.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The cluster, as one of its nodes sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterStatus {
    /// The name of the cluster.
    pub name: String,
    /// The name of this node.
    pub node: String,
    /// This start of it.
    pub incarnation: String,
    /// `joining`, `ready`, `draining`, `left`, or `excluded` where others do not take it for one of them.
    pub state: String,
    /// The NATS server.
    pub server: ServerStatus,
    /// Why this node judges no other one; none while it does.
    pub alone: Option<String>,
    /// The other nodes, by name.
    pub nodes: Vec<NodeStatus>,
}

/// The server that a node meets others on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerStatus {
    /// Where it listens, as it says; none before there was one. Without a connection it is the last one.
    pub address: Option<String>,
    /// Its name among servers.
    pub name: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// Whether the connection is there.
    pub connected: bool,
    /// The last failure since the connection was made.
    pub why: Option<String>,
    /// How often the connection was made again.
    pub reconnects: u64,
}

/// Another node, as this one sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Its name.
    pub name: String,
    /// Its start.
    pub incarnation: String,
    /// `alive`, `suspect`, `away`, `lost` or `forgotten`: the opinion of this node alone.
    pub verdict: String,
    /// `joining`, `ready`, `draining` or `stale`: its own word.
    pub state: String,
    /// When the verdict was made, in milliseconds since 1970 by the clock of this node.
    pub since: u64,
    /// The versions of its components that other nodes may call.
    pub versions: BTreeMap<String, Vec<String>>,
    /// Calls of this node that it has and has not answered.
    pub in_flight: u64,
    /// Bytes for it that wait or that it has not acknowledged.
    pub waiting_bytes: u64,
    /// How calls of this node ended there, since its name is known.
    pub calls: CallCounts,
    /// Events that passed between both.
    pub events: EventCounts,
    /// Batches that were sent to it again.
    pub resent: u64,
}

/// How attempts to have calls executed by a node have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallCounts {
    /// Its component has answered, be it with an error.
    pub answered: u64,
    /// It did not execute them: it refused, or never had them.
    pub refused: u64,
    /// It was lost while it had them.
    pub lost: u64,
    /// Their time was over.
    pub timed_out: u64,
}

/// Events between two nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventCounts {
    /// Sent to the other one.
    pub sent: u64,
    /// Received from it.
    pub received: u64,
    /// Dropped here, since the other one took too little.
    pub lost: u64,
}

/// A version of a component, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Offer {
    /// The component.
    pub component: String,
    /// The version.
    pub version: String,
    /// The nodes that have it, this one first.
    pub nodes: Vec<OfferedBy>,
    /// `cluster`, or `node` for one that serves its own node alone.
    pub reach: String,
    /// `session` where all calls of a session go to the same node, else `none`.
    pub affinity: String,
    /// The methods that may be executed twice for one call.
    pub idempotent: Vec<String>,
    /// Whether it is out of its probation.
    pub settled: bool,
    /// Whether clients of this node see it and may call it.
    pub exposed: bool,
}

/// A node that has a version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OfferedBy {
    /// The node.
    pub name: String,
    /// The opinion of this node about it.
    pub verdict: String,
}
