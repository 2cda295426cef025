//! Paths for monitoring: `/metrics`, `/healthz`, `/readyz`.
//!
//! Enters: hosts with and without work. Leaves: their metrics, judged here and by `promtool` (Debian's package
//! `prometheus`) where that is installed. Guarantees: see the names of the tests.

use mesh_tests::host::{Host, repository};
use mesh_tests::session;
use mesh_tests::swapping::answer_to;
use mesh_tests::tools::Tool;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};

/// The status and body of an answer to a GET.
fn get(address: SocketAddr, path: &str, more: &str) -> (u16, String) {
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
fn samples(text: &str) -> BTreeMap<String, f64> {
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

#[test]
fn answers_over_http_are_counted_by_their_kind() {
    let host = Host::start(
        &repository().join("tests/conformance/mesh.toml"),
        &["happn.port=0"],
    );
    for (path, times) in [("/ping", 3), ("/nothing", 2), ("/healthz", 1)] {
        for _ in 0..times {
            get(host.addr(), path, "");
        }
    }
    let (_, text) = get(host.addr(), "/metrics", "");
    let counted = samples(&text);
    let of = |kind: &str| counted[&format!("mesh_http_answers_total{{status=\"{kind}\"}}")];
    assert_eq!((of("2xx"), of("4xx"), of("5xx")), (4.0, 2.0, 0.0));
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_counted_and_timed_for_each_version() {
    let host = Host::start(
        &repository().join("tests/conformance/mesh.toml"),
        &["happn.port=0"],
    );
    let (mut sender, mut receiver) = session::open(host.addr()).await;
    for number in 0..20 {
        sender.call("TestNode/calc/add", number, json!([1, 2])).await;
        answer_to(&mut receiver, number).await;
    }
    sender
        .call("TestNode/componentName/erroringMethodName", 20, json!([]))
        .await;
    answer_to(&mut receiver, 20).await;
    let (status, text) = get(host.addr(), "/metrics", "");
    assert_eq!(status, 200);
    let found = samples(&text);
    let of_calc = "component=\"calc\",version=\"1.2.3\"";
    let value = |name: &str| {
        found
            .get(name)
            .copied()
            .unwrap_or_else(|| panic!("{name}: {text}"))
    };
    assert_eq!(value(&format!("mesh_component_calls_total{{{of_calc}}}")), 20.0);
    let duration = "mesh_component_call_duration_seconds";
    assert_eq!(value(&format!("{duration}_count{{{of_calc}}}")), 20.0);
    assert_eq!(
        value(&format!("{duration}_bucket{{{of_calc},le=\"+Inf\"}}")),
        20.0
    );
    assert!(value(&format!("{duration}_sum{{{of_calc}}}")) > 0.0);
    let buckets: Vec<f64> = text
        .lines()
        .filter(|line| line.starts_with(&format!("{duration}_bucket{{{of_calc}")))
        .filter_map(|line| line.rsplit_once(' ')?.1.parse().ok())
        .collect();
    assert!(buckets.is_sorted(), "{buckets:?}");
    let errors = found
        .iter()
        .find(|(name, _)| name.starts_with("mesh_component_errors_total") && name.contains("componentName"));
    assert_eq!(errors.map(|(_, count)| *count), Some(1.0));
    assert_eq!(value("mesh_sessions"), 1.0);
    assert_eq!(value("mesh_store_writable"), 1.0);

    for (path, expected) in [("/healthz", "ok"), ("/readyz", "ready")] {
        let (status, body) = get(host.addr(), path, "");
        let body: Value = serde_json::from_str(&body).expect("it is JSON");
        assert_eq!((status, &body["status"]), (200, &json!(expected)), "{path}");
    }
    assert!(host.stop().success());
}

/// The complaints of `promtool` about metrics; none where it is not installed.
fn problems(metrics: &str) -> Option<String> {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_accepts_the_metrics() {
    let host = Host::start(
        &repository().join("tests/conformance/mesh.toml"),
        &[
            "name=A \"quoted\" \\\\ name",
            "domain=TestNode",
            "calls.timeout_ms=300",
        ],
    );
    let address = host.addr();
    let ask = move || tokio::task::spawn_blocking(move || get(address, "/metrics", "").1);
    assert_eq!(
        problems(&ask().await.expect("it is answered")),
        None,
        "before any work"
    );

    let mut working = Vec::new();
    for _ in 0..4 {
        let (mut sender, mut receiver) = session::open(address).await;
        working.push(tokio::spawn(async move {
            for number in 0..200 {
                let (method, arguments) = match number % 4 {
                    0 => ("calc/add", json!([1, 2])),
                    1 => ("emitter/emit", json!(["a/b", {}])),
                    2 => ("store/setData", json!([format!("a/{number}"), number])),
                    _ => ("calc/divide", json!([1, 0])),
                };
                sender
                    .call(&format!("TestNode/{method}"), number, arguments)
                    .await;
                answer_to(&mut receiver, number).await;
            }
            // Nobody waits for these: some are answered and some time out while metrics are read.
            for number in 200..220 {
                let method = if number % 2 == 0 { "never" } else { "slow" };
                sender
                    .call(&format!("TestNode/calc/{method}"), number, json!([100]))
                    .await;
            }
            (sender, receiver)
        }));
    }
    while working.iter().any(|task| !task.is_finished()) {
        assert_eq!(
            problems(&ask().await.expect("it is answered")),
            None,
            "while it works"
        );
    }
    let mut open = Vec::new();
    for task in working {
        open.push(task.await.expect("all are answered"));
    }
    let text = ask().await.expect("it is answered");
    assert_eq!(problems(&text), None, "with calls that are not answered yet");
    assert!(
        samples(&text)
            .keys()
            .any(|name| name.contains("component=\"store\"")),
        "{text}"
    );
    drop(open);
    assert!(host.stop().success());
}

#[test]
fn a_secure_mesh_shows_its_metrics_to_permitted_users_only() {
    let overrides = [
        "happn.port=0",
        "happn.secure=true",
        "security.admin_password=swordfish",
    ];
    let host = Host::start(&repository().join("tests/conformance/mesh.toml"), &overrides);
    let address = host.addr();
    assert_eq!(get(address, "/metrics", "").0, 401);
    assert_eq!(get(address, "/healthz", "").0, 200);
    assert_eq!(get(address, "/readyz", "").0, 200);
    let (status, body) = get(address, "/auth/login?username=_ADMIN&password=swordfish", "");
    assert_eq!(status, 200, "{body}");
    let body: Value = serde_json::from_str(&body).expect("it is JSON");
    let token = body["data"].as_str().expect("a login gives a token");
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let (status, text) = get(address, "/metrics", &bearer);
    assert_eq!(status, 200, "{text}");
    assert!(samples(&text).contains_key("mesh_sessions"));
    assert!(host.stop().success());
}
