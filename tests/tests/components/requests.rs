//! Requests of components that name the call they are made for, in a real host.
//!
//! Enters: `tests/fixtures/c/requests.c` under several names. Leaves: what the host says to its requests, and what is left of
//! them. Guarantees: see the names of the tests.

use mesh_tests::c_library::{compile, fixture};
use mesh_tests::host::{Folder, Host, mesh};
use mesh_tests::http;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// A mesh in which `a`, `b` and `c` are the fixture.
fn host(folder: &Folder, more: &str) -> Host {
    let library = folder.path().join("requests.so");
    compile(&fixture("requests.c"), &[], &library).expect("it compiles");
    let entry = |name: &str| {
        let library = library.display();
        format!("[[components]]\nname = \"{name}\"\nlibrary = \"{library}\"\n\n")
    };
    let all = ["a", "b", "c"].map(entry).concat();
    let config = folder.write("mesh.toml", &format!("name = \"TestNode\"\n\n{all}{more}"));
    Host::start(&config, &[])
}

/// The first result of a call.
fn call(host: &Host, method: &str, arguments: &[&str]) -> Value {
    let url = host.url();
    let finished = mesh(&[&["call", "--url", &url, "--json", method], arguments].concat());
    let results: Value = serde_json::from_str(&finished.out).unwrap_or_else(|_| panic!("{finished:?}"));
    results[0].clone()
}

/// A number of a component's.
fn number(host: &Host, name: &str, component: &str) -> u64 {
    let page = http::get(host.addr(), "/metrics").text();
    let start = format!("{name}{{component=\"{component}\",version=\"1.0.0\"}} ");
    let line = page.lines().find_map(|line| line.strip_prefix(&start));
    line.unwrap_or_else(|| panic!("{start} in {page}"))
        .parse()
        .expect("a number")
}

/// Waits until a number of a component's is this.
fn wait_until(host: &Host, name: &str, component: &str, expected: u64) {
    let until = Instant::now() + PATIENCE;
    while number(host, name, component) != expected {
        assert!(Instant::now() < until, "{name} of {component} is not {expected}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

const PENDING_CALLS: &str = "mesh_component_calls_pending";
const PENDING_REQUESTS: &str = "mesh_component_requests_pending";

#[test]
fn a_component_learns_at_once_what_is_wrong_with_a_request() {
    let folder = Folder::new("requests-wrong");
    let host = host(&folder, "");
    let no_call = [1, 1];
    let of_call = [2, 3, 4, 5, 6, 8, 9, 9];
    let of_events = [4, 6, 7, 5, 10];
    let of_data = [4, 6, 7, 4, 4];
    let of_timer = [3, 10];
    let good = [0];
    let expected = [&no_call[..], &of_call, &of_events, &of_data, &of_timer, &good].concat();
    assert_eq!(call(&host, "a/statuses", &[]), json!(expected));
    // Nothing is asked for a call that was answered, and nothing of all that is left.
    call(&host, "a/keep", &[]);
    assert_eq!(call(&host, "a/late", &[]), json!([1, 1, 1, 1, 1]));
    assert_eq!(number(&host, PENDING_REQUESTS, "a"), 0);
    assert!(host.stop().success());
}

#[test]
fn a_cancelled_request_leaves_nothing_in_the_host() {
    let folder = Folder::new("requests-cancelled");
    let host = host(&folder, "");
    // Taken, cancelled, and then there is nothing to cancel.
    for _ in 0..20 {
        assert_eq!(call(&host, "a/hurry", &["b", "never"]), json!([0, 0, 10]));
    }
    assert_eq!(number(&host, PENDING_REQUESTS, "a"), 0);
    assert_eq!(number(&host, PENDING_CALLS, "b"), 0);
    // The component that was called still answers.
    assert!(call(&host, "b/deadline", &[]).is_array());
    assert!(host.stop().success());
}

#[test]
fn cancelling_reaches_all_that_was_called_because_of_a_request() {
    let folder = Folder::new("requests-chain");
    let host = host(&folder, "");
    // For itself: so nobody but the component ends it.
    assert_eq!(call(&host, "a/begin", &["b", "chain", "c"]), json!([0]));
    wait_until(&host, PENDING_CALLS, "c", 1);
    assert_eq!(
        (
            number(&host, PENDING_REQUESTS, "a"),
            number(&host, PENDING_REQUESTS, "b")
        ),
        (1, 1)
    );
    assert_eq!(call(&host, "a/end", &[]), json!([0]));
    for component in ["a", "b", "c"] {
        assert_eq!(number(&host, PENDING_REQUESTS, component), 0);
    }
    assert_eq!(
        (
            number(&host, PENDING_CALLS, "b"),
            number(&host, PENDING_CALLS, "c")
        ),
        (0, 0)
    );
    // One call of each was cancelled. The one in the middle has a reply which says so; the first one has none.
    assert_eq!(call(&host, "a/cancelled", &[]), json!([0, 0]));
    assert_eq!(call(&host, "b/cancelled", &[]), json!([1, 1]));
    assert_eq!(call(&host, "c/cancelled", &[]), json!([1, 0]));
    assert!(host.stop().success());
}

#[test]
fn a_request_takes_no_longer_than_its_call() {
    let folder = Folder::new("requests-deadline");
    let host = host(&folder, "[calls]\ntimeout_ms = 40000\n");
    let limited = call(&host, "a/limited", &["b"]);
    let left = limited[0].as_u64().expect("milliseconds");
    assert!((1..=40_000).contains(&left), "{limited}");
    assert!(host.stop().success());
}

#[test]
fn the_trace_of_a_web_request_goes_along_with_the_calls_that_are_made_for_it() {
    let folder = Folder::new("requests-trace");
    let host = host(&folder, "");
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let ask = |headers: &[&str]| {
        let body = json!({"parameters": {"value": ["b", "caller"]}}).to_string();
        let headers = [headers, &["Content-Type: application/json"]].concat();
        let answer = http::ask(
            host.addr(),
            "POST",
            "/rest/method/a/forward",
            &headers,
            body.as_bytes(),
        );
        answer.json()["data"]["traceparent"].clone()
    };
    assert_eq!(ask(&[&format!("traceparent: {trace}")]), trace);
    assert_eq!(ask(&["traceparent: 00-1-2-3"]), Value::Null);
    assert_eq!(ask(&[]), Value::Null);
    assert!(host.stop().success());
}
