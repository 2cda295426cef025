//! The console as a browser asks for it: its files, its figures, and who may have them.

use mesh_tests::host::{Host, library, repository};
use mesh_tests::secure::Client;
use mesh_tests::{control, session};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;

/// Status, head in small letters, and body of an answer.
fn ask(address: SocketAddr, method: &str, path: &str, more: &str) -> (u16, String, String) {
    let mut socket = TcpStream::connect(address).expect("the host listens");
    let request = format!("{method} {path} HTTP/1.1\r\nHost: mesh\r\nConnection: close\r\n{more}\r\n");
    socket.write_all(request.as_bytes()).expect("it takes a request");
    let mut text = String::new();
    socket.read_to_string(&mut text).expect("it answers");
    let (head, body) = text.split_once("\r\n\r\n").expect("an answer has a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (
        status.expect("an answer has a status"),
        head.to_lowercase(),
        body.to_owned(),
    )
}

fn get(address: SocketAddr, path: &str) -> (u16, String, String) {
    ask(address, "GET", path, "")
}

fn figures(address: SocketAddr, path: &str) -> Value {
    let (status, _, body) = get(address, path);
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).expect("it is JSON")
}

fn conformance() -> PathBuf {
    repository().join("tests/conformance/mesh.toml")
}

#[test]
fn without_the_key_there_is_no_console() {
    let host = Host::start(&conformance(), &["happn.port=0"]);
    for path in ["/console", "/console/", "/console/console.js", "/console/status"] {
        let (status, _, body) = get(host.addr(), path);
        assert_eq!((status, &*body), (404, &*format!("Cannot GET {path}\n")));
    }
    assert!(host.stop().success());
}

#[test]
fn a_browser_is_told_to_run_nothing_but_the_files_of_the_console() {
    let host = Host::start(&conformance(), &["happn.port=0", "console.enabled=true"]);
    for (path, kind) in [
        ("/console", "text/html; charset=utf-8"),
        ("/console/", "text/html; charset=utf-8"),
        ("/console/console.js", "text/javascript; charset=utf-8"),
        ("/console/console.css", "text/css; charset=utf-8"),
        ("/console/icon.svg", "image/svg+xml"),
        ("/console/status", "application/json"),
    ] {
        let (status, head, body) = get(host.addr(), path);
        assert_eq!(status, 200, "{path}: {body}");
        for expected in [
            &*format!("content-type: {kind}"),
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cross-origin-resource-policy: same-origin",
            "script-src 'self'; ",
            "connect-src 'self' ws://mesh wss://mesh; ",
            "frame-ancestors 'none'",
        ] {
            assert!(head.contains(expected), "{path} has no {expected}: {head}");
        }
        assert!(!head.contains("unsafe-"), "{head}");
        assert!(!head.contains("access-control-allow-origin"), "{head}");
        let (status, _, body) = ask(host.addr(), "POST", path, "Content-Length: 0\r\n");
        assert_eq!(status, 405, "{body}");
    }
    let (_, head, _) = get(host.addr(), "/console/console.js");
    let tag = head
        .lines()
        .find_map(|line| line.strip_prefix("etag: "))
        .expect("a file has a tag");
    let known = format!("If-None-Match: {tag}\r\n");
    let (status, _, body) = ask(host.addr(), "GET", "/console/console.js", &known);
    assert_eq!((status, &*body), (304, ""));
    let (_, head, _) = get(host.addr(), "/console/status");
    assert!(head.contains("cache-control: no-store"), "{head}");
    for path in ["/console/nothing.js", "/console/../console", "/Console"] {
        assert_eq!(get(host.addr(), path).0, 404, "{path}");
    }
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_figures_tell_of_components_sessions_and_swaps() {
    let folder = mesh_tests::host::Folder::new("console");
    let config = mesh_tests::swapping::config(&folder, "counter", &library("counter"), "probation_ms = 0");
    let host = Host::start(&config, &["happn.port=0", "console.enabled=true"]);
    let (mut sender, mut receiver) = session::open(host.addr()).await;
    sender.call("TestNode/counter/increment", 1, json!([])).await;
    mesh_tests::swapping::answer_to(&mut receiver, 1).await;

    let before = figures(host.addr(), "/console/status");
    let counter = component(&before, "counter");
    assert_eq!(
        (&counter["version"], &counter["state"], &counter["calls"]),
        (&json!("1.0.0"), &json!("active"), &json!(1))
    );
    let counted: u64 = counter["latencies"]
        .as_array()
        .expect("counts")
        .iter()
        .filter_map(Value::as_u64)
        .sum();
    assert_eq!(counted, 1);
    assert_eq!(before["session_count"], json!(1));
    let known = before["sessions"][0].as_object().expect("a session");
    assert!(known.keys().all(|key| !key.contains("token")), "{known:?}");
    assert_eq!(before["described"], Value::Null);

    let asked = format!(
        "/console/status?describe={}",
        counter["instance"].as_str().expect("a text")
    );
    let described = &figures(host.addr(), &asked)["described"];
    let methods = described["methods"].as_array().expect("methods");
    assert!(methods.iter().any(|method| method["name"] == "increment"));

    let next = library("fixture-counter-next");
    control::swap(&host, "counter", &next, true).last();
    let after = figures(host.addr(), "/console/status");
    let swap = &after["swaps"][0];
    assert_eq!(swap["ending"], json!("replaced"), "{swap}");
    let steps: Vec<&str> = swap["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .filter_map(|step| step["step"].as_str())
        .collect();
    for expected in ["create", "switch", "unload"] {
        assert!(steps.contains(&expected), "{steps:?}");
    }
    assert!(swap["ended_after_milliseconds"].as_f64() > swap["switched_after_milliseconds"].as_f64());
    assert_eq!(component(&after, "counter")["version"], json!("1.1.0"));
    assert!(host.stop().success());
}

fn component<'a>(figures: &'a Value, name: &str) -> &'a Value {
    let all = figures["components"].as_array().expect("components");
    all.iter()
        .find(|component| component["name"] == name)
        .unwrap_or_else(|| panic!("{name}: {figures}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secure_mesh_shows_the_page_to_all_and_the_figures_to_whom_it_lets() {
    let overrides = [
        "happn.port=0",
        "happn.secure=true",
        "security.admin_password=swordfish",
        "console.enabled=true",
    ];
    let host = Host::start(&conformance(), &overrides);
    let address = host.addr();
    for path in ["/console", "/console/console.js", "/console/console.css"] {
        assert_eq!(get(address, path).0, 200, "{path}");
    }
    assert_eq!(get(address, "/console/status").0, 401);
    assert_eq!(get(address, "/console/nothing").0, 401);

    let mut admin = Client::enter(address, "happn_4", "_ADMIN", "swordfish").await;
    for (user, group, web) in [
        (
            "looks",
            "lookers",
            json!({"/console/status": {"authorized": true, "actions": ["get"]}}),
        ),
        ("looks-not", "others", json!({})),
    ] {
        let group_of = json!([{"name": group, "permissions": {"web": web}}]);
        let made = admin.security("upsertGroup", group_of).await;
        let about = json!([{"username": user, "password": "secret"}]);
        let user = admin.security("upsertUser", about).await;
        admin.security("linkGroup", json!([made, user])).await;
    }
    for (user, password, expected) in [
        ("_ADMIN", "swordfish", 200),
        ("looks", "secret", 200),
        ("looks-not", "secret", 403),
    ] {
        let login = format!("/auth/login?username={user}&password={password}");
        let (status, _, body) = get(address, &login);
        assert_eq!(status, 200, "{body}");
        let body: Value = serde_json::from_str(&body).expect("it is JSON");
        let token = body["data"].as_str().expect("a login gives a token");
        let bearer = format!("Authorization: Bearer {token}\r\n");
        let (status, _, body) = ask(address, "GET", "/console/status", &bearer);
        assert_eq!(status, expected, "{user}: {body}");
        assert!(!body.contains(token));
        if status == 200 {
            let figures: Value = serde_json::from_str(&body).expect("it is JSON");
            assert_eq!(figures["user"], json!(user));
        }
    }
    assert!(host.stop().success());
}
