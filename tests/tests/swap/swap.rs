//! Versions that take over from others: with state, refused, rolled back, side by side, and stuck.

use mesh_tests::c_library::{compile, fixture};
use mesh_tests::host::{Folder, Host, library, mesh};
use mesh_tests::session::{self, Receiver, Sender};
use mesh_tests::swapping::{answer_to, config, status, storm, swap};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn is_long() -> bool {
    std::env::var_os("MESH_TESTS_LONG").is_some()
}

/// Calls a method again and again, one call after the other; returns what was answered.
async fn call_on(
    (mut sender, mut receiver): (Sender, Receiver),
    path: &'static str,
    stop: Arc<AtomicBool>,
) -> Vec<Value> {
    let mut answers = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let number = answers.len() as u64;
        sender.call(path, number, json!([])).await;
        answers.push(answer_to(&mut receiver, number).await);
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_count_is_handed_over_and_no_call_is_lost() {
    let folder = Folder::new("count");
    let config = config(
        &folder,
        "counter",
        &library("counter"),
        "handover_timeout_ms = 20000",
    );
    let host = Host::start(&config, &[]);
    let stop = Arc::new(AtomicBool::new(false));
    let mut clients = Vec::new();
    for _ in 0..8 {
        let session = session::open(host.addr()).await;
        clients.push(tokio::spawn(call_on(
            session,
            "TestNode/counter/increment",
            stop.clone(),
        )));
    }
    let swaps = if is_long() { 100 } else { 10 };
    for _ in 0..swaps {
        tokio::time::sleep(Duration::from_millis(30)).await;
        let finished = swap(&config, "counter", &library("counter"), &["--json"]).await;
        assert_eq!(finished.code, 0, "{finished:?}\n{}", host.log());
        let report: Value = serde_json::from_str(&finished.out).expect("a report");
        assert!(
            report["components"][0]["state_bytes"].as_u64() > Some(0),
            "{report}"
        );
    }
    // The next version writes its state in another form.
    let finished = swap(&config, "counter", &library("fixture-counter-next"), &[]).await;
    assert_eq!(finished.code, 0, "{finished:?}\n{}", host.log());
    assert!(finished.out.contains("counter 1.0.0 -> 1.1.0"), "{finished:?}");
    tokio::time::sleep(Duration::from_millis(50)).await;
    stop.store(true, Ordering::Relaxed);
    let mut calls = 0;
    for client in clients {
        let answers = client.await.expect("it calls");
        let mut last = 0;
        for answer in &answers {
            assert_eq!(answer["status"], "ok", "{answer}");
            let count = answer["args"][1]["count"].as_u64().expect("a count");
            assert!(count > last, "the count never goes back: {answer}");
            last = count;
        }
        calls += answers.len();
    }
    let (mut sender, mut receiver) = session::open(host.addr()).await;
    sender.call("TestNode/counter/get", 0, json!([])).await;
    let answer = answer_to(&mut receiver, 0).await;
    assert_eq!(
        answer["args"][1],
        json!({"count": calls, "increments": calls, "version": "1.1.0"})
    );
    // Back to the version that cannot read what the new one writes: not without force.
    let finished = swap(&config, "counter", &library("counter"), &[]).await;
    assert_eq!(finished.code, 1, "{finished:?}");
    let (file, old) = (
        config.display().to_string(),
        library("counter").display().to_string(),
    );
    let finished = mesh(&["plan", "counter", &old, "--config", &file]);
    assert!(
        finished
            .out
            .contains("the state of counter 1.1.0 (schema 2) would be lost"),
        "{finished:?}"
    );
    assert!(host.stop().success());
}

/// Compiles a version of `bad.c`.
fn target(folder: &Folder, bad: u32, version: &str) -> PathBuf {
    let path = folder.path().join(format!("bad-{bad}-{version}.so"));
    let defines = [format!("BAD={bad}"), format!("VERSION=\"{version}\"")];
    let defines: Vec<&str> = defines.iter().map(String::as_str).collect();
    compile(&fixture("bad.c"), &defines, &path).expect("it compiles");
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_old_version_answers_every_call_while_bad_ones_come_and_go() {
    let folder = Folder::new("bad");
    let good = target(&folder, 0, "1.0.0");
    let limits = "probation_ms = 400\nhandover_timeout_ms = 400\ndrain_timeout_ms = 500";
    let file = config(&folder, "target", &good, limits);
    let text = std::fs::read_to_string(&file).expect("it is there");
    let file = folder.write(
        "mesh.toml",
        &text.replace("[swap]", "start_timeout_ms = 400\n\n[swap]"),
    );
    let host = Host::start(&file, &[]);
    let stop = Arc::new(AtomicBool::new(false));
    let session = session::open(host.addr()).await;
    let calls = tokio::spawn(call_on(session, "TestNode/target/ping", stop.clone()));

    let whole = std::fs::read(&good).expect("it is there");
    let truncated = folder.path().join("truncated.so");
    std::fs::write(&truncated, &whole[..whole.len() / 2]).expect("it can be written");
    let not_there = folder.path().join("not-there.so");
    let faults: Vec<(PathBuf, &str)> = vec![
        (not_there, "not found"),
        (truncated, "cannot be loaded"),
        (target(&folder, 2, "1.1.0"), "undefined symbol"),
        (target(&folder, 3, "1.1.0"), "does not export"),
        (target(&folder, 4, "1.1.0"), "plugin ABI 2"),
        (target(&folder, 5, "1.1.0"), "descriptor"),
        (
            target(&folder, 6, "1.1.0"),
            "version of component target is wrong",
        ),
        (target(&folder, 7, "1.1.0"), "could not be created"),
        (target(&folder, 8, "1.1.0"), "did not return within 400 ms"),
        (target(&folder, 9, "1.1.0"), "did not start"),
        (target(&folder, 10, "1.1.0"), "did not answer within 400 ms"),
        (target(&folder, 12, "1.1.0"), "is not healthy"),
        (target(&folder, 15, "1.1.0"), "has no method ping"),
    ];
    for (library, reason) in &faults {
        let finished = swap(&file, "target", library, &[]).await;
        assert_eq!(finished.code, 1, "{}: {finished:?}", library.display());
        assert!(finished.err.contains(reason), "{reason}: {}", finished.err);
    }
    let told = status(&file);
    assert_eq!(told["components"][4]["version"], "1.0.0", "{told}");
    assert_eq!(told["components"][4]["state"], "active", "{told}");
    stop.store(true, Ordering::Relaxed);
    let answers = calls.await.expect("it calls");
    assert!(answers.len() > 100, "{} calls", answers.len());
    for answer in answers {
        assert_eq!(answer["args"], json!([null, {"version": "1.0.0"}]), "{answer}");
    }
    assert!(
        host.stop().success(),
        "a host with bad libraries stops like any other"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_fails_in_its_probation_is_rolled_back() {
    let folder = Folder::new("probation");
    let good = target(&folder, 0, "1.0.0");
    let file = config(
        &folder,
        "target",
        &good,
        "probation_ms = 20000\ndrain_timeout_ms = 500",
    );
    let host = Host::start(&file, &[]);
    let stop = Arc::new(AtomicBool::new(false));
    let session = session::open(host.addr()).await;
    let calls = tokio::spawn(call_on(session, "TestNode/target/ping", stop.clone()));
    tokio::time::sleep(Duration::from_millis(50)).await;
    for (bad, reason) in [(13, "of the calls of target 1.1.0 failed"), (14, "panicked")] {
        let finished = swap(&file, "target", &target(&folder, bad, "1.1.0"), &["--wait"]).await;
        assert_eq!(finished.code, 1, "{finished:?}");
        assert!(finished.err.contains("rolled back"), "{finished:?}");
        assert!(finished.err.contains(reason), "{finished:?}");
    }
    let told = status(&file);
    let components = told["components"].as_array().expect("components");
    let of_target: Vec<&Value> = components
        .iter()
        .filter(|component| component["name"] == "target")
        .collect();
    assert_eq!(of_target.len(), 1, "{told}");
    assert_eq!(of_target[0]["version"], "1.0.0");
    assert_eq!(told["swaps"][1]["ending"], "rolled-back", "{told}");
    assert_eq!(told["swaps"][1]["failure"], "probation", "{told}");
    stop.store(true, Ordering::Relaxed);
    let answers = calls.await.expect("it calls");
    let last = answers.last().expect("answers");
    assert_eq!(last["args"], json!([null, {"version": "1.0.0"}]), "{last}");
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_versions_serve_side_by_side() {
    let folder = Folder::new("beside");
    let file = config(&folder, "storm", &storm(&folder, "1.100.0", ""), "");
    let host = Host::start(&file, &[]);
    let (mut shown, mut shown_receiver) = session::open(host.addr()).await;
    shown.get("/mesh/schema/description").await;
    shown_receiver.next().await.expect("the description");

    let second = storm(&folder, "2.100.0", "");
    let finished = swap(&file, "storm", &second, &["--beside"]).await;
    assert_eq!(finished.code, 0, "{finished:?}");

    let (mut late, mut late_receiver) = session::open(host.addr()).await;
    late.get("/mesh/schema/description").await;
    let description = late_receiver.next().await.expect("the description");
    let components = &description["data"]["components"];
    assert_eq!(components["storm"]["version"], "2.100.0", "{components}");
    assert_eq!(components["storm@1"]["version"], "1.100.0", "{components}");

    let ping = "TestNode/storm/ping";
    let mut number = 0;
    for (path, range, expected) in [
        (ping, None, "2.100.0"),
        (ping, Some("^1.0.0"), "1.100.0"),
        (ping, Some("^2.0.0"), "2.100.0"),
        (ping, Some(">=1.0.0"), "2.100.0"),
        ("TestNode/storm@1/ping", None, "1.100.0"),
    ] {
        number += 1;
        late.call_in_range(path, range, number, json!([])).await;
        let answer = answer_to(&mut late_receiver, number).await;
        assert_eq!(
            answer["args"][1]["version"], expected,
            "{path} {range:?}: {answer}"
        );
    }
    late.call_in_range(ping, Some("^3.0.0"), 99, json!([])).await;
    let answer = answer_to(&mut late_receiver, 99).await;
    let message = answer["args"][0]["message"].as_str().unwrap_or_default();
    assert!(
        message.contains("[^3.0.0]") && message.contains("[2.100.0, 1.100.0]"),
        "{answer}"
    );

    // A client that was promised 1.x is not silently answered by 2.x.
    shown.call(ping, 1, json!([])).await;
    let answer = answer_to(&mut shown_receiver, 1).await;
    assert_eq!(answer["args"][1]["version"], "1.100.0", "{answer}");

    // Nobody may take 1.x away from it without saying so.
    let third = storm(&folder, "3.100.0", "");
    let finished = swap(&file, "storm", &third, &["--replaces", "1.100.0"]).await;
    assert_eq!(finished.code, 1, "{finished:?}");
    assert!(
        finished.err.contains("1 client calls storm without a range"),
        "{finished:?}"
    );
    let finished = swap(&file, "storm", &third, &[]).await;
    assert!(
        finished.err.contains("several versions (2.100.0, 1.100.0)"),
        "{finished:?}"
    );
    let finished = swap(&file, "storm", &second, &["--beside"]).await;
    assert!(finished.err.contains("loaded already"), "{finished:?}");
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_a_stuck_version_are_answered_when_its_time_is_over() {
    let folder = Folder::new("stuck");
    let stuck = storm(&folder, "1.100.0", "BLOCKS");
    let file = config(
        &folder,
        "storm",
        &stuck,
        "drain_timeout_ms = 300\nprobation_ms = 100",
    );
    let host = Host::start(&file, &[]);
    let (mut sender, mut receiver) = session::open(host.addr()).await;
    sender.call("TestNode/storm/ping", 1, json!([])).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let finished = swap(&file, "storm", &storm(&folder, "1.101.0", ""), &["--wait"]).await;
    assert_eq!(finished.code, 0, "{finished:?}");
    let answer = answer_to(&mut receiver, 1).await;
    assert_eq!(answer["args"][0]["name"], "ComponentReplaced", "{answer}");
    sender.call("TestNode/storm/ping", 2, json!([])).await;
    let answer = answer_to(&mut receiver, 2).await;
    assert_eq!(answer["args"][1]["version"], "1.101.0");
    let told = status(&file);
    let resident = told["components"].as_array().and_then(|components| {
        components
            .iter()
            .find(|component| component["state"] == "resident")
    });
    let note = resident.and_then(|component| component["note"].as_str());
    assert_eq!(note, Some("one of its lanes is still busy"), "{told}");
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_stays_in_memory_can_neither_emit_call_nor_write() {
    let folder = Folder::new("left");
    let build = |name: &str, defines: &[&str]| {
        let file = folder.path().join(name);
        compile(&fixture("lingering_thread.c"), defines, &file).expect("it compiles");
        file
    };
    let asks = build("asks.so", &["LINGER_MILLISECONDS=60000", "ASKS"]);
    let file = config(
        &folder,
        "lingering",
        &asks,
        "drain_timeout_ms = 300\nprobation_ms = 0",
    );
    let host = Host::start(&file, &[]);
    let (mut sender, mut receiver) = session::open(host.addr()).await;
    sender.subscribe("/SET@/_events/TestNode/lingering/*").await;
    receiver.next().await.expect("the host answers");
    let finished = swap(
        &file,
        "lingering",
        &build("next.so", &["LINGER_MILLISECONDS=0"]),
        &["--wait"],
    )
    .await;
    assert_eq!(finished.code, 0, "{finished:?}");
    let said = "asked when it was gone: 12 12 12";
    let mut turns = 0;
    while !host.log().contains(said) && turns < 600 {
        turns += 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(host.log().contains(said), "{}", host.log());
    // Nobody has heard an event of it, and there is no document.
    sender.get("/_data/lingering/left").await;
    let answer = receiver.next().await.expect("the host answers");
    assert_eq!(answer["_meta"]["type"], "response", "{answer}");
    assert_eq!(answer["data"], Value::Null, "{answer}");
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_that_calls_itself_is_not_left_waiting_for_itself() {
    let folder = Folder::new("nested");
    let nested = library("fixture-nested");
    let limit = "handover_timeout_ms = 20000\nprobation_ms = 0";
    let file = config(&folder, "nested", &nested, limit);
    let host = Host::start(&file, &[]);
    let (mut sender, mut receiver) = session::open(host.addr()).await;
    for round in 0..5 {
        // The call is under way when others begin to wait, and asks its own component before it can end.
        sender.call("TestNode/nested/outer", round, json!([150])).await;
        tokio::time::sleep(Duration::from_millis(30)).await;
        let finished = swap(&file, "nested", &nested, &["--wait"]).await;
        assert_eq!(finished.code, 0, "{finished:?}\n{}", host.log());
        let answer = answer_to(&mut receiver, round).await;
        assert_eq!(answer["args"], json!([null, {"inner": 7}]), "{answer}");
    }
    assert!(host.stop().success());
}
