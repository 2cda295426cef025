//! Nodes of a cluster: real hosts that join each other over real NATS servers.
//!
//! Enters: addresses of servers, names of nodes, components. Leaves: configuration files, running hosts, and the executions that the
//! component `ledger` has written down. Guarantees: files of a cluster are in a folder of its own, which goes with it. The
//! executions of a killed node are known, too.

use crate::c_library::{compile, fixture};
use crate::host::{Folder, Host, Starting, library};
use crate::nats::NatsServer;
use crate::numbered::until;
use crate::session::{self, Receiver, Sender};
use crate::swapping::{answer_to, with_version};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The domain of all nodes.
pub const DOMAIN: &str = "shop";

/// How long something may take that has to happen.
const PATIENCE: Duration = Duration::from_secs(90);

/// Everything that the nodes of one cluster share.
#[derive(Debug)]
pub struct Cluster {
    folder: Folder,
    ledger: Vec<u8>,
}

/// A node before its start.
#[derive(Clone, Debug, Default)]
pub struct Node {
    name: String,
    servers: Vec<String>,
    cluster: Vec<String>,
    components: Vec<String>,
}

/// One line of a ledger.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Execution {
    /// The client.
    pub client: u64,
    /// The number of the call.
    pub number: u64,
    /// The version that has executed it.
    pub version: String,
}

impl Node {
    /// A node without components that connects to these servers.
    pub fn new(name: &str, servers: &[String]) -> Node {
        Node {
            name: name.to_owned(),
            servers: servers.to_vec(),
            ..Node::default()
        }
    }

    /// Adds a line to `[cluster]`.
    #[must_use]
    pub fn with(mut self, line: &str) -> Node {
        self.cluster.push(line.to_owned());
        self
    }

    /// Adds a component of this workspace, with more lines of its entry.
    #[must_use]
    pub fn having(mut self, component: &str, lines: &str) -> Node {
        let library = library(component);
        let library = library.display();
        self.components.push(format!(
            "name = \"{component}\"\nlibrary = \"{library}\"\n{lines}\n"
        ));
        self
    }

    /// Adds the component `ledger` of this version.
    #[must_use]
    pub fn having_ledger(mut self, cluster: &Cluster, version: &str) -> Node {
        let library = cluster.ledger(version);
        let (library, file) = (library.display(), cluster.file_of(&self.name));
        let (file, node) = (file.display(), &self.name);
        self.components.push(format!(
            "name = \"ledger\"\nlibrary = \"{library}\"\nversion = \"^1.0.0\"\nidempotent = [\"again\"]\n\
             config = {{ file = \"{file}\", node = \"{node}\" }}\n"
        ));
        self
    }

    fn text(&self) -> String {
        let Node {
            name,
            servers,
            cluster,
            components,
        } = self;
        let cluster = cluster.join("\n");
        let components: String = components
            .iter()
            .map(|entry| format!("[[components]]\n{entry}\n"))
            .collect();
        format!(
            "name = \"{name}\"\ndomain = \"{DOMAIN}\"\n\n[swap]\nprobation_ms = 0\n\n[cluster]\nname = \"shop\"\n\
             servers = {servers:?}\n{cluster}\n\n{components}"
        )
    }
}

impl Default for Cluster {
    fn default() -> Cluster {
        Cluster::new()
    }
}

impl Cluster {
    /// One without nodes.
    ///
    /// # Panics
    ///
    /// When the component `ledger` cannot be compiled.
    pub fn new() -> Cluster {
        let folder = Folder::new("cluster");
        let path = folder.path().join("ledger.so");
        compile(&fixture("ledger.c"), &[], &path).expect("it compiles");
        let ledger = fs::read(path).expect("it is there");
        Cluster { folder, ledger }
    }

    /// The library of a version of `ledger`.
    ///
    /// # Panics
    ///
    /// When it cannot be written, or the version has not as many letters as 1.100.0.
    pub fn ledger(&self, version: &str) -> PathBuf {
        let path = self.folder.path().join(format!("ledger-{version}.so"));
        if !path.exists() {
            // Another test thread of this cluster must not load half of it.
            let unfinished = path.with_extension("unfinished");
            fs::write(&unfinished, with_version(self.ledger.clone(), version)).expect("it can be written");
            fs::rename(unfinished, &path).expect("it can be renamed");
        }
        path
    }

    /// Writes the configuration of a node. A node that starts again has the same.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub fn file(&self, node: &Node) -> PathBuf {
        self.folder.write(&format!("{}.toml", node.name), &node.text())
    }

    /// Starts a node, and waits until it serves.
    ///
    /// # Panics
    ///
    /// When it does not.
    pub fn start(&self, node: &Node) -> Host {
        self.begin(node).served()
    }

    /// Starts a node, and does not wait.
    ///
    /// # Panics
    ///
    /// When its program cannot be started.
    pub fn begin(&self, node: &Node) -> Starting {
        Starting::begin(&self.file(node), &[], |_| {})
    }

    fn file_of(&self, node: &str) -> PathBuf {
        self.folder.path().join(format!("{node}.ledger"))
    }

    /// The lines of the component `ledger` of a node so far; the last one may be half of one.
    pub fn ledger_of(&self, node: &str) -> String {
        fs::read_to_string(self.file_of(node)).unwrap_or_default()
    }

    /// Everything that the component `ledger` of a node has executed, in order.
    ///
    /// # Panics
    ///
    /// When a line of its file is damaged.
    pub fn executed_by(&self, node: &str) -> Vec<Execution> {
        self.ledger_of(node)
            .lines()
            .map(|line| {
                let (arguments, version) = line.rsplit_once(' ').expect("a line has two parts");
                let arguments: Value = serde_json::from_str(arguments).expect("arguments are JSON");
                let number = |index: usize| arguments[index].as_u64().expect("they are numbers");
                Execution {
                    client: number(0),
                    number: number(1),
                    version: version.to_owned(),
                }
            })
            .collect()
    }

    /// How often each call of a client was executed by these nodes together.
    pub fn executions(&self, nodes: &[&str], client: u64) -> BTreeMap<u64, usize> {
        let mut counts = BTreeMap::new();
        let executed = nodes.iter().flat_map(|node| self.executed_by(node));
        for execution in executed.filter(|execution| execution.client == client) {
            *counts.entry(execution.number).or_default() += 1;
        }
        counts
    }
}

/// Servers of one NATS cluster: each knows the others.
///
/// # Panics
///
/// When one does not listen.
pub fn servers(count: usize) -> Vec<NatsServer> {
    let mut routes = Vec::new();
    let mut servers = Vec::new();
    for _ in 0..count {
        let server = NatsServer::with(&routed(None, &routes));
        routes.push(server.cluster_port());
        servers.push(server);
    }
    servers
}

/// The configuration of a server that has routes to others. Without a port it takes any.
pub fn routed(port: Option<u16>, routes: &[u16]) -> String {
    let port = port.map_or_else(|| "-1".to_owned(), |port| port.to_string());
    let routes: Vec<String> = routes
        .iter()
        .map(|port| format!("nats-route://127.0.0.1:{port}"))
        .collect();
    format!("cluster {{\n  name: nodes\n  listen: \"127.0.0.1:{port}\"\n  routes: {routes:?}\n}}\n")
}

/// One call in a session of its own: the document that answers it.
///
/// # Panics
///
/// When there is no answer.
pub async fn call(address: SocketAddr, path: &str, arguments: Value) -> Value {
    call_in_range(address, path, None, arguments).await
}

/// The same, asking for a version inside a range.
///
/// # Panics
///
/// When there is no answer.
pub async fn call_in_range(address: SocketAddr, path: &str, range: Option<&str>, arguments: Value) -> Value {
    let (mut sender, mut receiver) = session::open(address).await;
    let path = format!("{DOMAIN}/{path}");
    sender.call_in_range(&path, range, 1, arguments).await;
    answer_to(&mut receiver, 1).await
}

/// Calls in one session until an answer is as wanted. Returns how many calls there were.
///
/// # Panics
///
/// When no answer ever is.
pub async fn call_until(
    address: SocketAddr,
    path: &str,
    arguments: Value,
    is_so: impl Fn(&Value) -> bool,
) -> u64 {
    let (mut sender, mut receiver) = session::open(address).await;
    let path = format!("{DOMAIN}/{path}");
    let until = Instant::now() + PATIENCE;
    let mut number = 0;
    loop {
        number += 1;
        sender.call(&path, number, arguments.clone()).await;
        let answer = answer_to(&mut receiver, number).await;
        if is_so(&answer) {
            return number;
        }
        assert!(Instant::now() < until, "the last of {number} answers: {answer}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Whether a component has answered without an error.
pub fn is_ok(answer: &Value) -> bool {
    answer["status"] == "ok"
}

/// The description that clients of a node see.
///
/// # Panics
///
/// When it has none.
pub async fn description(address: SocketAddr) -> Value {
    let (mut sender, mut receiver) = session::open(address).await;
    described(&mut sender, &mut receiver).await
}

async fn described(sender: &mut Sender, receiver: &mut Receiver) -> Value {
    sender.get("/mesh/schema/description").await;
    let answer = receiver.next().await.expect("the host answers");
    answer["data"].clone()
}

/// Waits until clients of a node see these components in its description.
///
/// # Panics
///
/// When they never do.
pub async fn until_described(address: SocketAddr, components: &[&str]) {
    let (mut sender, mut receiver) = session::open(address).await;
    let until = Instant::now() + PATIENCE;
    loop {
        let description = described(&mut sender, &mut receiver).await;
        let has = |name: &&str| description["components"][*name].is_object();
        if components.iter().all(has) {
            return;
        }
        assert!(
            Instant::now() < until,
            "{components:?} are not all in {description}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until the log of a host has a text.
///
/// # Panics
///
/// When it never has.
pub async fn until_logged(log: impl Fn() -> String, text: &str) {
    until(
        || log().contains(text),
        || format!("{text:?} is not in\n{}", log()),
    )
    .await;
}
