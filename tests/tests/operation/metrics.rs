//! Paths for monitoring: `/metrics`, `/healthz`, `/readyz`.
//!
//! Enters: hosts with and without work. Leaves: their metrics, judged here and by `promtool` (Debian's package
//! `prometheus`) where that is installed. Guarantees: see the names of the tests.

use mesh_tests::host::{Host, repository};
use mesh_tests::metrics::{get, problems, samples};
use mesh_tests::session;
use mesh_tests::swapping::answer_to;
use serde_json::{Value, json};

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
