//! The plan of a benchmark.

use crate::{Credentials, Protocol, Trust};
use serde::Serialize;
use std::time::Duration;

/// One benchmark.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The servers, measured in turns. Ratios are those of the first to each other one.
    pub targets: Vec<Target>,
    /// Other processes that work for an operation, such as further hosts and NATS servers. They count in each turn.
    pub processes: Vec<u32>,
    /// How the load is made.
    pub load: Load,
    /// The operation.
    pub workload: Workload,
    /// The protocol to announce.
    pub protocol: Protocol,
    /// For servers with TLS.
    pub trust: Trust,
    /// For secure servers.
    pub credentials: Option<Credentials>,
    /// How long to wait for each answer while nothing is measured yet.
    pub timeout: Duration,
}

/// A server to measure.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its address.
    pub url: String,
    /// Its process, when it is not simply the one that listens on the port of a local address.
    pub pid: Option<u32>,
}

/// How the load is made.
#[derive(Clone, Debug, Serialize)]
pub struct Load {
    /// Connections that send requests.
    pub connections: usize,
    /// Operations that each of them keeps in flight.
    pub in_flight: usize,
    /// Bytes of payload to add to each operation.
    pub payload: usize,
    /// How long a round measures.
    #[serde(rename = "duration_seconds", serialize_with = "seconds")]
    pub duration: Duration,
    /// How long each round runs before it measures.
    #[serde(rename = "warm_up_seconds", serialize_with = "seconds")]
    pub warm_up: Duration,
    /// How often each server has its turn.
    pub rounds: usize,
}

fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

/// A report needs no payload in full.
fn beginning<S: serde::Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    match text.char_indices().nth(100) {
        Some((end, _)) => serializer.collect_str(&format_args!("{}…", &text[..end])),
        None => serializer.serialize_str(text),
    }
}

/// The kinds of operations.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "mode", rename_all = "lowercase")]
pub enum Workload {
    /// Calls of a component's method.
    Calls(Calls),
    /// Deliveries of published events to subscribers.
    Events(Events),
    /// Requests to the data store.
    Data(Data),
}

impl Workload {
    /// The name of one operation.
    #[must_use]
    pub fn unit(&self) -> &'static str {
        match self {
            Workload::Calls(_) => "call",
            Workload::Events(_) => "delivery",
            Workload::Data(_) => "operation",
        }
    }

    /// The name of several operations.
    #[must_use]
    pub fn units(&self) -> &'static str {
        match self {
            Workload::Calls(_) => "calls",
            Workload::Events(_) => "deliveries",
            Workload::Data(_) => "operations",
        }
    }
}

/// See [`Workload::Calls`].
#[derive(Clone, Debug, Serialize)]
pub struct Calls {
    /// Name of the component.
    pub component: String,
    /// Name of the method.
    pub method: String,
    /// Arguments, a JSON array.
    #[serde(serialize_with = "beginning")]
    pub arguments: String,
    /// Version range to ask for.
    pub version: Option<String>,
}

/// See [`Workload::Events`].
#[derive(Clone, Debug, Serialize)]
pub struct Events {
    /// Connections that subscribe; each event is delivered to all of them.
    pub subscribers: usize,
    /// Subscriptions of other connections to other paths.
    pub others: usize,
    /// Whether they subscribe with a wildcard.
    pub wildcard: bool,
    /// The publisher.
    pub source: Source,
}

/// The publisher of events.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A client, with a `set` that is not stored.
    Set,
    /// A component that is called with the event's name and data.
    Component {
        /// Name of the component.
        component: String,
        /// Name of the method.
        method: String,
    },
}

/// See [`Workload::Data`].
#[derive(Clone, Debug, Serialize)]
pub struct Data {
    /// The operations, done in turns.
    pub operations: Vec<Operation>,
    /// How many documents there are.
    pub documents: usize,
}

/// A request to the data store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Overwrite a document.
    Set,
    /// Read a document.
    Get,
    /// Read the documents of a folder, by a wildcard; 100 documents are in one.
    Scan,
}
