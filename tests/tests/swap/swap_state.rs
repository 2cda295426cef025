//! Hand-overs of state that go wrong: the old version goes on with its state, and every call is answered.

use mesh_tests::c_library::{compile, fixture};
use mesh_tests::control;
use mesh_tests::host::{Folder, Host, library};
use mesh_tests::session::{self, Receiver, Sender};
use mesh_tests::swapping::{answer_to, swap};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The fault of a version of `fixtures/c/bad.c`. Either has no fault but this, and counts its calls.
#[derive(Clone, Copy)]
enum Bad {
    RestoreFails = 11,
    SnapshotHangs = 16,
    LargeState = 18,
    ClaimedState = 19,
}

fn target(folder: &Folder, bad: Bad, version: &str) -> PathBuf {
    let path = folder.path().join(format!("bad-{}-{version}.so", bad as u32));
    let defines = [format!("BAD={}", bad as u32), format!("VERSION=\"{version}\"")];
    let defines: Vec<&str> = defines.iter().map(String::as_str).collect();
    compile(&fixture("bad.c"), &defines, &path).expect("it compiles");
    path
}

fn start(folder: &Folder, bad: Bad, lanes: u32, limits: &str) -> Host {
    let library = target(folder, bad, "1.0.0");
    let text = format!(
        "name = \"TestNode\"\n\n[[components]]\nname = \"target\"\nlibrary = \"{}\"\nlanes = {lanes}\n\n[swap]\n{limits}\n",
        library.display()
    );
    Host::start(&folder.write("mesh.toml", &text), &[])
}

/// Calls a method such as `target/ping` and waits for the answer.
async fn ask((sender, receiver): &mut (Sender, Receiver), path: &str, number: u64) -> Value {
    sender.call(&format!("TestNode/{path}"), number, json!([])).await;
    answer_to(receiver, number).await
}

/// So many calls say something.
const ENOUGH: usize = 11;

/// Calls `ping` again and again, one call after the other, until told to stop, and often enough; returns what was answered.
fn call(host: &Host) -> (Arc<AtomicBool>, tokio::task::JoinHandle<Vec<Value>>) {
    let stop = Arc::new(AtomicBool::new(false));
    let (address, told) = (host.addr(), stop.clone());
    let calls = tokio::spawn(async move {
        let mut session = session::open(address).await;
        let mut answers = Vec::new();
        while !told.load(Ordering::Relaxed) || answers.len() < ENOUGH {
            let answer = ask(&mut session, "target/ping", answers.len() as u64).await;
            answers.push(answer);
        }
        answers
    });
    (stop, calls)
}

/// Asks for 1.1.0 in the place of 1.0.0 and returns why that was refused.
async fn refused(host: &Host, library: PathBuf) -> String {
    let replies = control::swap(host, "target", &library, true);
    let reply = tokio::task::spawn_blocking(|| replies.last())
        .await
        .expect("it ends");
    assert_eq!(reply["report"]["ending"], "refused", "{reply}");
    assert_eq!(reply["report"]["failure"], "state", "{reply}");
    reply["report"]["reason"].as_str().expect("a reason").to_owned()
}

/// Fails unless 1.0.0 answered all calls and counted each of them once.
fn assert_counted(answers: &[Value]) {
    assert!(answers.len() >= ENOUGH, "{} calls", answers.len());
    for (answer, count) in answers.iter().zip(1u64..) {
        assert_eq!(
            answer["args"],
            json!([null, {"version": "1.0.0", "count": count}]),
            "{answer}"
        );
    }
}

/// The line of the component in `mesh status`, of which there is one.
fn of_target(host: &Host) -> Value {
    let status = control::status(host);
    let components = status["components"].as_array().expect("components");
    let mut lines = components.iter().filter(|line| line["name"] == "target");
    let line = lines.next().expect("the component is there").clone();
    assert!(lines.next().is_none(), "{status}");
    line
}

fn only_old_is_active(host: &Host) {
    let line = of_target(host);
    assert_eq!(
        (&line["version"], &line["state"]),
        (&json!("1.0.0"), &json!("active")),
        "{line}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_cannot_take_the_state_is_refused_and_the_old_one_keeps_it() {
    let folder = Folder::new("restore");
    let host = start(&folder, Bad::RestoreFails, 1, "");
    let (stop, calls) = call(&host);
    for _ in 0..5 {
        let reason = refused(&host, target(&folder, Bad::RestoreFails, "1.1.0")).await;
        assert!(reason.contains("the target remembers nothing"), "{reason}");
        only_old_is_active(&host);
    }
    stop.store(true, Ordering::Relaxed);
    assert_counted(&calls.await.expect("it calls"));
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_hangs_in_its_snapshot_goes_on_where_it_has_another_lane() {
    let folder = Folder::new("snapshot");
    let host = start(&folder, Bad::SnapshotHangs, 2, "handover_timeout_ms = 200");
    let callers: Vec<_> = (0..4).map(|_| call(&host)).collect();
    let next = target(&folder, Bad::RestoreFails, "1.2.0");
    let reason = refused(&host, target(&folder, Bad::SnapshotHangs, "1.1.0")).await;
    assert!(
        reason.contains("did not give its state: it did not answer within 200 ms"),
        "{reason}"
    );
    // It hangs on, so the next one fares no better, however soon it comes.
    let reason = refused(&host, next).await;
    assert!(reason.contains("within 200 ms"), "{reason}");
    only_old_is_active(&host);
    // Nobody waits for the states any more. The lane that hangs must not look idle then.
    while of_target(&host)["timeouts"].as_u64() == Some(0) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut answers = Vec::new();
    for (stop, calls) in callers {
        stop.store(true, Ordering::Relaxed);
        answers.extend(calls.await.expect("it calls"));
    }
    answers.sort_by_key(|answer| answer["args"][1]["count"].as_u64());
    assert_counted(&answers);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_only_lane_hangs_calls_are_answered_at_their_deadline() {
    let folder = Folder::new("hangs");
    let limits = format!(
        "handover_timeout_ms = 200\n\n[calls]\ntimeout_ms = 500\n\n[[components]]\nname = \"counter\"\nlibrary = \"{}\"",
        library("counter").display()
    );
    let host = start(&folder, Bad::SnapshotHangs, 1, &limits);
    let reason = refused(&host, target(&folder, Bad::SnapshotHangs, "1.1.0")).await;
    assert!(reason.contains("did not answer within 200 ms"), "{reason}");
    let mut session = session::open(host.addr()).await;
    for number in 0..3 {
        let answer = ask(&mut session, "target/ping", number).await;
        assert_eq!(answer["args"][0]["name"], "TimeoutError", "{answer}");
    }
    let answer = ask(&mut session, "counter/increment", 3).await;
    assert_eq!(
        answer["args"],
        json!([null, {"count": 1, "version": "1.0.0"}]),
        "the others are well"
    );
    // Without its entry it goes, and with one again the next version comes.
    let without = "name = \"TestNode\"\n\n[swap]\nwatch = false\n";
    let next = target(&folder, Bad::RestoreFails, "1.2.0");
    let with = format!(
        "{without}\n[[components]]\nname = \"target\"\nlibrary = \"{}\"\n",
        next.display()
    );
    for text in [without, &with] {
        folder.write("mesh.toml", text);
        control::send(
            &host,
            &json!({"command": "apply", "insist": false, "wait": false}),
        )
        .report();
    }
    let answer = ask(&mut session, "target/ping", 4).await;
    assert_eq!(answer["args"], json!([null, {"version": "1.2.0", "count": 1}]));
    assert!(
        host.stop().success(),
        "a host with a version that hangs stops like any other"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_cannot_give_its_state_is_replaced_without_it() {
    let folder = Folder::new("dropped");
    let host = start(&folder, Bad::SnapshotHangs, 1, "handover_timeout_ms = 200");
    let next = target(&folder, Bad::RestoreFails, "1.1.0");
    let file = folder.path().join("mesh.toml");
    let finished = swap(&file, "target", &next, &["--drop-state"]).await;
    assert_eq!(finished.code, 0, "{finished:?}");
    let mut session = session::open(host.addr()).await;
    let answer = ask(&mut session, "target/ping", 1).await;
    assert_eq!(answer["args"], json!([null, {"version": "1.1.0", "count": 1}]));
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_of_too_many_bytes_is_refused_in_a_sentence_and_the_old_version_goes_on() {
    // 256 MiB are the default.
    for (bad, says, limits, most) in [
        (Bad::ClaimedState, 1 << 30, "", 256 << 20),
        (Bad::LargeState, 300 << 20, "", 256 << 20),
        (Bad::LargeState, 300 << 20, "max_state_bytes = 65536", 65536),
    ] {
        let folder = Folder::new("too-large");
        // Writing so many bytes takes a while.
        let limits = format!("handover_timeout_ms = 60000\n{limits}");
        let host = start(&folder, bad, 1, &limits);
        let (stop, calls) = call(&host);
        for _ in 0..2 {
            let reason = refused(&host, target(&folder, bad, "1.1.0")).await;
            let expected = format!(
                "did not give its state: its state has {says} bytes, and may have {most}: raise `max_state_bytes` in [swap]"
            );
            assert!(reason.contains(&expected), "{reason}");
            only_old_is_active(&host);
        }
        stop.store(true, Ordering::Relaxed);
        assert_counted(&calls.await.expect("it calls"));
        assert!(host.stop().success());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_of_as_many_bytes_as_the_file_allows_is_handed_over() {
    let folder = Folder::new("large-enough");
    let host = start(
        &folder,
        Bad::LargeState,
        1,
        "probation_ms = 0\nmax_state_bytes = 314572799\nhandover_timeout_ms = 60000",
    );
    let next = target(&folder, Bad::LargeState, "1.1.0");
    let reason = refused(&host, next.clone()).await;
    assert!(
        reason.contains("has 314572800 bytes, and may have 314572799"),
        "{reason}"
    );
    let file = folder.path().join("mesh.toml");
    let text = std::fs::read_to_string(&file).expect("it is there");
    let raised = text.replace("314572799", "314572800");
    std::fs::write(&file, raised).expect("it can be written");
    let applied = tokio::task::spawn_blocking({
        let file = file.clone();
        move || mesh_tests::host::mesh(&["apply", "--config", &file.display().to_string()])
    });
    let applied = applied.await.expect("it ends");
    assert_eq!(applied.code, 0, "{applied:?}");
    let finished = swap(&file, "target", &next, &["--wait"]).await;
    assert_eq!(finished.code, 0, "{finished:?}");
    let mut session = session::open(host.addr()).await;
    let answer = ask(&mut session, "target/ping", 1).await;
    assert_eq!(answer["args"][1]["version"], "1.1.0", "{answer}");
    assert!(host.stop().success());
}

/// A version of `fixtures/c/steps.c`, whose steps last as long as there is a file that says so.
fn steps(folder: &Folder, version: &str) -> PathBuf {
    let path = folder.path().join(format!("steps-{version}.so"));
    let defines = [
        format!("VERSION=\"{version}\""),
        format!("FOLDER=\"{}\"", folder.path().display()),
    ];
    let defines: Vec<&str> = defines.iter().map(String::as_str).collect();
    compile(&fixture("steps.c"), &defines, &path).expect("it compiles");
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_version_that_may_still_take_a_state_back_never_serves_again() {
    let folder = Folder::new("too-late");
    let text = format!(
        "name = \"TestNode\"\n\n[[components]]\nname = \"steps\"\nlibrary = \"{}\"\nlanes = 2\n\n[swap]\n\
         handover_timeout_ms = 300\ndrain_timeout_ms = 60000\n",
        steps(&folder, "1.0.0").display()
    );
    let host = Host::start(&folder.write("mesh.toml", &text), &[]);
    let mut session = session::open(host.addr()).await;
    for number in 0..3 {
        ask(&mut session, "steps/ping", number).await;
    }
    let hold = folder.write("steps-1.0.0-restore.hold", "");
    let mut replies = control::swap(&host, "steps", &steps(&folder, "1.1.0"), true);
    replies.until_step("probation");
    ask(&mut session, "steps/panic", 3).await;
    let reported = tokio::task::spawn_blocking(|| {
        replies.until_step("unload-old");
        replies
    });
    let replies = reported.await.expect("it goes on");
    // The new version has the count, and the old one is at taking an earlier one over.
    for number in 4..8 {
        let answer = ask(&mut session, "steps/ping", number).await;
        let expected = json!([null, {"version": "1.1.0", "count": number}]);
        assert_eq!(answer["args"], expected, "{answer}");
    }
    std::fs::remove_file(&hold).expect("it was there");
    let reply = tokio::task::spawn_blocking(|| replies.last())
        .await
        .expect("it ends");
    let report = &reply["report"];
    assert_eq!(report["ending"], "not-rolled-back", "{reply}");
    assert_eq!(report["failure"], "not-rolled-back", "{reply}");
    let reason = report["reason"].as_str().expect("a reason");
    for part in [
        "panicked in 1 call",
        "it serves on",
        "did not answer within 300 ms",
    ] {
        assert!(reason.contains(part), "{reason}");
    }
    assert_eq!(report["notes"], json!([]), "{reply}");
    let answer = ask(&mut session, "steps/ping", 8).await;
    assert_eq!(
        answer["args"],
        json!([null, {"version": "1.1.0", "count": 8}]),
        "{answer}"
    );
    let status = control::status(&host);
    let lines = status["components"].as_array().expect("components");
    let versions: Vec<&Value> = lines
        .iter()
        .filter(|line| line["name"] == "steps")
        .map(|line| &line["version"])
        .collect();
    assert_eq!(versions, ["1.1.0"], "{status}");
    assert!(host.stop().success());
}
