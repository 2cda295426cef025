//! Hand-overs of state beside other work: events that wait, callers that never pause, calls that come meanwhile.
//!
//! Enters: meshes whose components have several lanes, or callers of their own. Leaves: swaps that succeed, with exact counts.
//! Guarantees: nothing here depends on how long anything takes.

use mesh_tests::c_library::{compile, fixture};
use mesh_tests::control;
use mesh_tests::host::{Folder, Host};
use mesh_tests::session::{self, Receiver, Sender};
use mesh_tests::swapping::{answer_to, swap};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A machine with much else to do takes long for each step.
const SWAP: &str = "[swap]\nhandover_timeout_ms = 60000\nprobation_ms = 0\ndrain_timeout_ms = 60000\n";

/// A version of a fixture. Those that write files do that in the folder.
fn version(folder: &Folder, source: &str, version: &str) -> PathBuf {
    let path = folder.path().join(format!("{source}-{version}.so"));
    let defines = [
        format!("VERSION=\"{version}\""),
        format!("FOLDER=\"{}\"", folder.path().display()),
    ];
    let defines: Vec<&str> = defines.iter().map(String::as_str).collect();
    compile(&fixture(source), &defines, &path).expect("it compiles");
    path
}

fn start(folder: &Folder, more: &str, components: &[(&str, &Path, u32)]) -> Host {
    let mut text = format!("name = \"TestNode\"\n\n{more}\n{SWAP}\n");
    for (name, library, lanes) in components {
        text += &format!(
            "[[components]]\nname = \"{name}\"\nlibrary = \"{}\"\nlanes = {lanes}\n\n",
            library.display()
        );
    }
    Host::start(&folder.write("mesh.toml", &text), &[])
}

/// Calls a method such as `steps/ping` and waits for the only result.
async fn ask((sender, receiver): &mut (Sender, Receiver), path: &str, arguments: Value) -> Value {
    sender.call(&format!("TestNode/{path}"), 1, arguments).await;
    let answer = answer_to(receiver, 1).await;
    assert_eq!(answer["status"], "ok", "{path}: {answer}");
    answer["args"][1].clone()
}

/// The next answer, whichever call it is for: lanes answer in any order.
async fn next_answer(receiver: &mut Receiver) -> Value {
    loop {
        let frame = receiver.next().await.expect("the host answers");
        let path = frame["_meta"]["path"].as_str().unwrap_or_default();
        if path.starts_with("/_exchange/responses/") {
            return frame["data"].clone();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_wait_on_another_lane_are_heard_before_the_state_is_given() {
    let folder = Folder::new("events-before-state");
    let host = start(
        &folder,
        "",
        &[("hears", &version(&folder, "hears.c", "1.0.0"), 2)],
    );
    let file = folder.path().join("mesh.toml");
    let mut session = session::open(host.addr()).await;
    for (round, next) in [(1, "1.1.0"), (2, "1.2.0"), (3, "1.3.0")] {
        ask(&mut session, "hears/burst", json!([100])).await;
        let swapped = swap(&file, "hears", &version(&folder, "hears.c", next), &["--wait"]).await;
        assert_eq!(swapped.code, 0, "{swapped:?}");
        let answer = ask(&mut session, "hears/heard", json!([])).await;
        assert_eq!(answer, json!({"version": next, "heard": 100 * round}));
    }
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_that_another_one_calls_without_a_pause_is_swapped_with_its_state() {
    let folder = Folder::new("busy-caller");
    let asks = folder.path().join("asks.so");
    compile(&fixture("asks.c"), &[], &asks).expect("it compiles");
    let steps = version(&folder, "steps.c", "1.0.0");
    let host = start(&folder, "", &[("steps", &steps, 1), ("asks", &asks, 1)]);
    let file = folder.path().join("mesh.toml");
    let mut session = session::open(host.addr()).await;
    let mut counted = 0;
    for next in ["1.1.0", "1.2.0", "1.3.0"] {
        let swapped = swap(&file, "steps", &version(&folder, "steps.c", next), &["--wait"]).await;
        assert_eq!(swapped.code, 0, "{swapped:?}");
        let answer = ask(&mut session, "steps/ping", json!([])).await;
        assert_eq!(answer["version"], next, "{answer}");
        let count = answer["count"].as_u64().unwrap_or_default();
        assert!(count > counted, "the count goes on: {counted}, then {answer}");
        counted = count;
    }
    // Each call of the other component was answered, and counted once: at most those under way are missing.
    let answered = ask(&mut session, "asks/answered", json!([])).await;
    assert_eq!(answered["failed"], 0, "{answered}");
    let answered = answered["answered"].as_u64().unwrap_or_default();
    let answer = ask(&mut session, "steps/ping", json!([])).await;
    let own = 4;
    assert!(
        answer["count"].as_u64() >= Some(answered + own),
        "{answer} for {answered} calls and {own}"
    );
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_wait_for_a_hand_over_are_spread_over_all_lanes() {
    let folder = Folder::new("spread");
    // Room for a quarter of the calls on each lane.
    let steps = version(&folder, "steps.c", "1.0.0");
    let host = start(&folder, "[calls]\nqueue_bytes = 65536\n", &[("steps", &steps, 4)]);
    let mut sessions = Vec::new();
    for _ in 0..4 {
        sessions.push(session::open(host.addr()).await);
    }
    let hold = folder.write("steps-1.0.0-snapshot.hold", "");
    let replies = control::swap(&host, "steps", &version(&folder, "steps.c", "1.1.0"), true);
    let reached = folder.path().join("steps-1.0.0-snapshot.reached");
    while !reached.exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let text = "x".repeat(4096);
    for (sender, receiver) in &mut sessions {
        for number in 0..10 {
            sender.call("TestNode/steps/ping", number, json!([text])).await;
        }
        // A session's requests are worked off in their order: behind ten acknowledgements and this answer all calls are taken.
        sender.get("/nothing").await;
        for _ in 0..11 {
            receiver.next().await.expect("the host answers");
        }
    }
    std::fs::remove_file(&hold).expect("it was there");
    for (_, receiver) in &mut sessions {
        for _ in 0..10 {
            let answer = next_answer(receiver).await;
            assert_eq!(answer["status"], "ok", "{answer}");
            assert_eq!(answer["args"][1]["version"], "1.1.0", "{answer}");
        }
    }
    let reply = tokio::task::spawn_blocking(|| replies.last())
        .await
        .expect("it ends");
    assert_eq!(reply["report"]["ending"], "replaced", "{reply}");
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_go_to_the_lane_that_works_while_another_one_is_stuck() {
    let folder = Folder::new("stuck-lane");
    let blocks = folder.path().join("blocks.so");
    compile(&fixture("blocks.c"), &[], &blocks).expect("it compiles");
    let host = start(&folder, "[calls]\ntimeout_ms = 3000\n", &[("blocks", &blocks, 2)]);
    let (mut stuck, _kept) = session::open(host.addr()).await;
    stuck.call("TestNode/blocks/blockForever", 1, json!([])).await;
    // Until a call has timed out on that lane, some may go there.
    for is_known in [false, true, true] {
        let mut failed = 0;
        let (mut sender, mut receiver) = session::open(host.addr()).await;
        for number in 0..40 {
            sender.call("TestNode/blocks/block", number, json!([5])).await;
        }
        for _ in 0..40 {
            let answer = next_answer(&mut receiver).await;
            failed += usize::from(answer["status"] != "ok");
        }
        assert!(failed == 0 || !is_known, "{failed} of 40 calls failed");
    }
    drop(host);
}
