//! The console as a browser asks for it: its files, its figures, and who may have them.

use mesh_tests::host::{Host, library, repository};
use mesh_tests::http::{Answer, ask, get};
use mesh_tests::secure::Client;
use mesh_tests::{control, session};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;

/// The headers of an answer, a line each.
fn head(answer: &Answer) -> String {
    let lines = answer
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}"));
    lines.collect::<Vec<_>>().join("\n")
}

fn figures(address: SocketAddr, path: &str) -> Value {
    let answer = get(address, path);
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).expect("it is JSON")
}

fn conformance() -> PathBuf {
    repository().join("tests/conformance/mesh.toml")
}

#[test]
fn without_the_key_there_is_no_console() {
    let host = Host::start(&conformance(), &["happn.port=0"]);
    for path in ["/console", "/console/", "/console/console.js", "/console/status"] {
        let answer = get(host.addr(), path);
        let said = json!(format!("Cannot GET {path}"));
        assert_eq!((answer.status, &answer.json()["message"]), (404, &said));
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
        let answer = get(host.addr(), path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let head = head(&answer);
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
        let answer = ask(host.addr(), "POST", path, &["Origin: https://other.example"], b"");
        assert_eq!(answer.status, 405, "{}", answer.text());
        assert!(answer.header("access-control-allow-origin").is_none());
    }
    let script = get(host.addr(), "/console/console.js");
    let known = format!(
        "If-None-Match: {}",
        script.header("etag").expect("a file has a tag")
    );
    let again = ask(host.addr(), "GET", "/console/console.js", &[&known], b"");
    assert_eq!((again.status, again.body.len()), (304, 0));
    let status = get(host.addr(), "/console/status");
    assert_eq!(status.header("cache-control"), Some("no-store"));
    for path in ["/console/nothing.js", "/console/../console", "/Console"] {
        assert_eq!(get(host.addr(), path).status, 404, "{path}");
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
async fn a_secure_mesh_shows_the_page_to_all_and_the_figures_to_permitted_users() {
    let overrides = [
        "happn.port=0",
        "happn.secure=true",
        "security.admin_password=swordfish",
        "console.enabled=true",
    ];
    let host = Host::start(&conformance(), &overrides);
    let address = host.addr();
    for path in ["/console", "/console/console.js", "/console/console.css"] {
        assert_eq!(get(address, path).status, 200, "{path}");
    }
    assert_eq!(get(address, "/console/status").status, 401);
    assert_eq!(get(address, "/console/nothing").status, 401);

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
        let logged_in = get(address, &login);
        assert_eq!(logged_in.status, 200, "{}", logged_in.text());
        let logged_in = logged_in.json();
        let token = logged_in["data"].as_str().expect("a login gives a token");
        let bearer = format!("Authorization: Bearer {token}");
        let answer = ask(address, "GET", "/console/status", &[&bearer], b"");
        assert_eq!(answer.status, expected, "{user}: {}", answer.text());
        assert!(!answer.text().contains(token));
        if answer.status == 200 {
            assert_eq!(answer.json()["user"], json!(user));
        }
    }
    assert!(host.stop().success());
}
