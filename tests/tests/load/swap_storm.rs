//! Swap storms: versions are replaced one after the other while 50 clients call and listen.
//!
//! `MESH_TESTS_LONG=1` makes the storm last a minute. `MESH_TESTS_SEED=N` repeats one that went wrong.

use super::storms::{choices, is_long};
use mesh_tests::c_library;
use mesh_tests::host::{Folder, Host, executable};
use mesh_tests::session::{self, Receiver, Sender};
use mesh_tests::turns;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const CLIENTS: usize = 50;
const LISTENERS: usize = 5;
/// Each client calls so often.
const BETWEEN_CALLS: Duration = Duration::from_millis(20);
const BETWEEN_SWAPS: Duration = Duration::from_millis(600);

/// Libraries of the fixture `storm`, made as they are needed.
struct Libraries {
    folder: Folder,
    good: Vec<u8>,
}

impl Libraries {
    fn new() -> Libraries {
        let folder = Folder::new("storm");
        let path = folder.path().join("good.so");
        c_library::compile(&c_library::fixture("storm.c"), &[], &path).expect("it compiles");
        let good = std::fs::read(path).expect("it is there");
        Libraries { folder, good }
    }

    /// A good one of version 1.(100 + number).0.
    fn good(&self, number: usize) -> PathBuf {
        let text = format!("1.{}.0\0", 100 + number);
        let mut bytes = self.good.clone();
        let old = b"1.100.0\0";
        let at = bytes
            .windows(old.len())
            .position(|window| window == old)
            .expect("its version is in it");
        bytes[at..at + old.len()].copy_from_slice(text.as_bytes());
        let path = self.folder.path().join(format!("good-{number}.so"));
        std::fs::write(&path, bytes).expect("it can be written");
        path
    }

    /// One with a fault.
    fn bad(&self, fault: &str) -> PathBuf {
        let path = self.folder.path().join(format!("{fault}.so"));
        if !path.exists() {
            c_library::compile(&c_library::fixture("storm.c"), &[fault], &path).expect("it compiles");
        }
        path
    }

    fn config(&self, first: &Path) -> PathBuf {
        let text = format!(
            "name = \"TestNode\"\n\n[[components]]\nname = \"storm\"\nlibrary = \"{}\"\nversion = \"^1.0.0\"\n",
            first.display()
        );
        self.folder.write("mesh.toml", &text)
    }
}

/// Asks for a swap and returns the report.
fn swap(config: &Path, library: &Path) -> (bool, Value) {
    let output = Command::new(executable())
        .args(["swap", "storm"])
        .arg(library)
        .arg("--config")
        .arg(config)
        .arg("--json")
        .output()
        .expect("mesh can be run");
    let out = String::from_utf8_lossy(&output.stdout);
    let report = serde_json::from_str(&out)
        .unwrap_or_else(|_| panic!("{out}{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.success(), report)
}

/// Everything that one client got, in the order of its arrival.
#[derive(Default)]
struct Answers {
    versions: Vec<String>,
    by_number: HashMap<u64, usize>,
    latencies: Vec<Duration>,
}

async fn call_steadily(mut sender: Sender, own: u64, stop: Arc<AtomicBool>) -> (u64, Vec<Instant>) {
    let mut number = 0;
    let mut sent = Vec::new();
    let mut tick = tokio::time::interval(BETWEEN_CALLS);
    while !stop.load(Ordering::Relaxed) {
        tick.tick().await;
        sent.push(Instant::now());
        sender
            .call("TestNode/storm/ping", number, json!([own, number]))
            .await;
        number += 1;
    }
    // Asks for the end of the answers: a component that is not there is answered at once, and behind all others.
    sender.call("TestNode/storm/hold", number, json!([300])).await;
    (number, sent)
}

async fn collect(mut receiver: Receiver) -> Vec<(u64, Instant, Value)> {
    let mut answers = Vec::new();
    while let Some(frame) = receiver.next().await {
        let path = frame["_meta"]["path"].as_str().unwrap_or_default().to_owned();
        if !path.starts_with("/_exchange/responses/") {
            continue;
        }
        let number = path.rsplit('/').next().and_then(|text| text.parse().ok());
        let number = number.unwrap_or_else(|| panic!("an answer to nothing: {frame}"));
        let data = frame["data"].clone();
        let is_last = data["args"][1].is_string();
        answers.push((number, Instant::now(), data));
        if is_last {
            break;
        }
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_notices_a_storm_of_swaps() {
    let _turn = turns::of_heavy_tests();
    let mut choices = choices();
    let libraries = Libraries::new();
    let config = libraries.config(&libraries.good(0));
    let host = Host::start(&config, &[]);
    let stop = Arc::new(AtomicBool::new(false));

    let mut listeners = Vec::new();
    for _ in 0..LISTENERS {
        let (mut sender, mut receiver) = session::open(host.addr()).await;
        sender.subscribe("/SET@/_events/TestNode/storm/pinged").await;
        receiver.next().await.expect("it is subscribed");
        listeners.push(tokio::spawn(async move {
            let mut heard: HashMap<u64, Vec<u64>> = HashMap::new();
            let mut last = HashMap::new();
            loop {
                let frame = receiver.next().await;
                let frame = frame.expect("the host does not close the session of a listener");
                let arguments = &frame["data"]["arguments"];
                let (Some(client), Some(number)) = (arguments[0].as_u64(), arguments[1].as_u64()) else {
                    // The end, said by the test itself.
                    break;
                };
                let version = frame["data"]["version"].as_str().unwrap_or_default().to_owned();
                let before = last.insert(client, version.clone());
                assert!(
                    before.as_ref().is_none_or(|before| *before <= version),
                    "after {before:?}: {frame}"
                );
                heard.entry(client).or_default().push(number);
            }
            drop(sender);
            heard
        }));
    }
    let mut clients = Vec::new();
    for own in 0..CLIENTS {
        let (sender, receiver) = session::open(host.addr()).await;
        let calls = tokio::spawn(call_steadily(sender, own as u64, stop.clone()));
        clients.push((calls, tokio::spawn(collect(receiver))));
    }

    let swaps = if is_long() { 100 } else { 10 };
    let (mut good, mut refused) = (0, 0);
    while good < swaps {
        tokio::time::sleep(BETWEEN_SWAPS).await;
        let fault = match choices.below(4) {
            0 => Some(["CREATE_FAILS", "START_FAILS", "HEALTH_FAILS"][choices.below(3)]),
            _ => None,
        };
        let library = match fault {
            Some(fault) => libraries.bad(fault),
            None => libraries.good(good + 1),
        };
        let file = config.clone();
        let (went_well, report) = tokio::task::spawn_blocking(move || swap(&file, &library))
            .await
            .expect("it ends");
        assert_eq!(went_well, fault.is_none(), "{report}\n{}", host.log());
        match fault {
            Some(_) => refused += 1,
            None => good += 1,
        }
    }
    tokio::time::sleep(BETWEEN_SWAPS).await;
    stop.store(true, Ordering::Relaxed);

    let mut sent_by = HashMap::new();
    let mut latencies = Vec::new();
    for (own, (calls, answers)) in clients.into_iter().enumerate() {
        let (count, sent) = calls.await.expect("it sends");
        let answers = answers.await.expect("it receives");
        let mut found = Answers::default();
        for (number, arrived, data) in answers {
            if number == count {
                continue;
            }
            assert_eq!(data["status"], "ok", "client {own}, call {number}: {data}");
            let answer = &data["args"][1];
            assert_eq!(answer["arguments"], json!([own, number]), "{data}");
            *found.by_number.entry(number).or_default() += 1;
            found
                .versions
                .push(answer["version"].as_str().unwrap_or_default().to_owned());
            found.latencies.push(arrived - sent[number as usize]);
        }
        assert_eq!(
            found.by_number.len() as u64,
            count,
            "client {own}: every call is answered"
        );
        assert!(
            found.by_number.values().all(|answers| *answers == 1),
            "client {own}: no call is answered twice"
        );
        let older = found.versions.windows(2).find(|pair| pair[0] > pair[1]);
        assert!(
            older.is_none(),
            "client {own}: no answer comes from an older version than the one before: {older:?}\n{}",
            host.log()
        );
        sent_by.insert(own as u64, count);
        latencies.append(&mut found.latencies);
    }

    let (mut sender, mut receiver) = session::open(host.addr()).await;
    sender.call("TestNode/storm/ping", 0, json!(["end"])).await;
    receiver.next().await.expect("an answer");
    for listener in listeners {
        let heard = listener.await;
        let heard = heard.unwrap_or_else(|error| panic!("{error}\n{}", host.log()));
        for (client, count) in &sent_by {
            let expected: Vec<u64> = (0..*count).collect();
            assert_eq!(
                heard.get(client),
                Some(&expected),
                "each event of client {client}'s calls is heard once and in order"
            );
        }
    }
    latencies.sort_unstable();
    let at = |part: f64| latencies[((latencies.len() - 1) as f64 * part) as usize];
    println!(
        "{} calls, {good} swaps, {refused} refused; p50 {:?} p99 {:?} p99.9 {:?} max {:?}",
        latencies.len(),
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0)
    );
    assert!(host.stop().success());
}
