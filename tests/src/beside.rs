//! A real happner-cluster, and the published client that calls at the edge of it or of another cluster.
//!
//! Enters: the folder `beside` with packages from npm. Leaves: where its edge is, which processes it has, and the answers of calls.
//! Guarantees: all processes end with the values. Where the packages cannot be had, that is reported as for every tool.

use crate::kit;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A script of the folder that is being run.
#[derive(Debug)]
struct Script {
    child: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
}

/// A happner-cluster: the providers `n1` and `n3`, and the edge `n2`.
#[derive(Debug)]
pub struct HappnerCluster {
    edge: u16,
    processes: BTreeMap<String, u32>,
    _script: Script,
}

/// happner-client at the edge of a cluster, with the component `ledger`.
#[derive(Debug)]
pub struct EdgeClient(Script);

/// How one call ended.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Answer {
    /// The number of the call.
    pub number: u64,
    /// The node that has executed it.
    pub node: Option<String>,
    /// The error, where there is no such node.
    pub error: Option<String>,
    /// How long the caller has waited, in milliseconds.
    #[serde(rename = "ms")]
    pub waited: u64,
}

/// The folder of the scripts.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("beside")
}

/// Whether the packages are there; installs them when they are missing.
///
/// # Panics
///
/// When Node is required and cannot be used.
pub fn ready() -> bool {
    kit::ready_in(&folder())
}

impl Script {
    fn begin(arguments: &[&str]) -> Script {
        let mut command = Command::new("node");
        command.current_dir(folder()).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("node can be run");
        let output = child.stdout.take().expect("its output is a pipe");
        Script {
            input: child.stdin.take(),
            output: BufReader::new(output).lines(),
            child,
        }
    }

    /// The next document that it prints; its own words where it has failed.
    fn said(&mut self) -> Result<Value, String> {
        let line = self.output.next().and_then(Result::ok);
        let document: Option<Value> = line.as_deref().and_then(|line| serde_json::from_str(line).ok());
        match document {
            Some(document) if document["failed"].is_string() => Err(document["failed"].to_string()),
            Some(document) => Ok(document),
            None => Err(format!("it ended, or said {line:?}")),
        }
    }

    fn ask(&mut self, document: &Value) -> Result<Value, String> {
        let mut input = self.input.as_ref().expect("its input is open");
        writeln!(input, "{document}").map_err(|error| error.to_string())?;
        self.said()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // It ends its own processes when its input does.
        self.input.take();
        let _ = self.child.wait();
    }
}

impl HappnerCluster {
    /// Starts one.
    ///
    /// # Errors
    ///
    /// It does not start, and says why.
    ///
    /// # Panics
    ///
    /// When Node cannot be run.
    pub fn start() -> Result<HappnerCluster, String> {
        let mut script = Script::begin(&["cluster.js"]);
        let mut said = script.said()?;
        Ok(HappnerCluster {
            edge: serde_json::from_value(said["edge"].take()).map_err(|error| error.to_string())?,
            processes: serde_json::from_value(said["pids"].take()).map_err(|error| error.to_string())?,
            _script: script,
        })
    }

    /// The port of the edge.
    pub fn edge(&self) -> u16 {
        self.edge
    }

    /// Sends a signal, such as `-STOP`, to the process of a node.
    ///
    /// # Panics
    ///
    /// When there is no such node, or it is gone.
    pub fn signal(&self, node: &str, signal: &str) {
        let pid = self.processes[node].to_string();
        let sent = Command::new("kill").args([signal, &pid]).status();
        assert!(sent.expect("kill can be run").success(), "{node} is gone already");
    }
}

impl EdgeClient {
    /// Connects, and waits until a call succeeds.
    ///
    /// # Errors
    ///
    /// It cannot connect.
    ///
    /// # Panics
    ///
    /// When Node cannot be run.
    pub fn connect(port: u16) -> Result<EdgeClient, String> {
        let mut script = Script::begin(&["client.js", &port.to_string()]);
        script.said()?;
        Ok(EdgeClient(script))
    }

    /// Begins calls of a method of the ledger. Each of them takes so many milliseconds.
    ///
    /// # Errors
    ///
    /// The client has ended.
    pub fn begin(&mut self, method: &str, count: usize, takes: u64) -> Result<(), String> {
        let asked = json!({"method": method, "count": count, "takes": takes});
        self.0.ask(&asked).map(drop)
    }

    /// The ends of all calls since the last time, in the order of their beginnings.
    ///
    /// # Errors
    ///
    /// The client has ended.
    pub fn end(&mut self) -> Result<Vec<Answer>, String> {
        let answers = self.0.ask(&json!({"end": true}))?;
        serde_json::from_value(answers).map_err(|error| error.to_string())
    }

    /// Calls that take no time, all at once.
    ///
    /// # Errors
    ///
    /// The client has ended.
    pub fn calls(&mut self, count: usize) -> Result<Vec<Answer>, String> {
        self.begin("enter", count, 0)?;
        self.end()
    }
}
