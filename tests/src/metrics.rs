//! Metrics of a running host, as a monitoring system reads them.
//!
//! Enters: the address of a host. Leaves: samples by name, and what `promtool` (Debian's package `prometheus`) says of them. Guarantees:
//! each sample belongs to a family that was announced.

use crate::tools::Tool;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};

/// The status and body of an answer to a GET.
///
/// # Panics
///
/// When the host does not answer.
pub fn get(address: SocketAddr, path: &str, more: &str) -> (u16, String) {
    let mut socket = TcpStream::connect(address).expect("the host listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: mesh\r\nConnection: close\r\n{more}\r\n");
    socket.write_all(request.as_bytes()).expect("it takes a request");
    let mut text = String::new();
    socket.read_to_string(&mut text).expect("it answers");
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    let (_, body) = text.split_once("\r\n\r\n").expect("an answer has a body");
    (status.expect("an answer has a status"), body.to_owned())
}

/// Samples by name and labels. Checks that each belongs to a family that was announced with its kind.
///
/// # Panics
///
/// When a line is not as it should be.
pub fn samples(text: &str) -> BTreeMap<String, f64> {
    let mut families: BTreeMap<&str, &str> = BTreeMap::new();
    let mut samples = BTreeMap::new();
    for line in text.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            let (name, kind) = family.split_once(' ').expect("a family has a kind");
            assert!(families.insert(name, kind).is_none(), "{name} is announced once");
        } else if !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').expect("a sample has a value");
            let bare = name.split('{').next().unwrap_or(name);
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| {
                    bare.strip_suffix(end)
                        .filter(|family| families.get(family) == Some(&"histogram"))
                })
                .unwrap_or(bare);
            assert!(families.contains_key(family), "{line}");
            let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
            assert!(
                samples.insert(name.to_owned(), value).is_none(),
                "{line} is there once"
            );
        }
    }
    samples
}

/// The complaints of `promtool` about metrics; none where it is not installed.
///
/// # Panics
///
/// When `promtool` cannot be run.
pub fn problems(metrics: &str) -> Option<String> {
    if !Tool::Promtool.is_there() {
        return None;
    }
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool runs");
    let mut input = promtool.stdin.take().expect("its input is a pipe");
    input.write_all(metrics.as_bytes()).expect("it reads");
    drop(input);
    let output = promtool.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (!output.status.success() || !said.is_empty()).then_some(said)
}
