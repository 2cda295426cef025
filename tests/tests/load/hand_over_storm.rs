//! Storms of hand-overs: a component with state and two lanes is replaced in both directions while others call it.
//!
//! Enters: clients that call `fixtures/c/tally.c`, themselves, through the component `fixtures/c/relay.c`, and through both. So calls of
//! components are nested in calls of the component that is replaced. Each new version takes its time to start, some do not start, and
//! some panic and are rolled back. Leaves: a count that is exact, each call answered once, and events without a gap. `MESH_TESTS_LONG=1`
//! makes the storm last minutes. `MESH_TESTS_SEED=N` repeats one that went wrong.

use super::storms::{choices, is_long};
use mesh_tests::c_library::{compile, fixture};
use mesh_tests::control;
use mesh_tests::host::{Folder, Host};
use mesh_tests::session::{self, Receiver, Sender};
use mesh_tests::swapping::answer_to;
use mesh_tests::turns;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The ways to the method that counts. The clients take turns.
const WAYS: [&str; 3] = [
    "TestNode/tally/add",
    "TestNode/relay/add",
    "TestNode/tally/add_through",
];
const CLIENTS: usize = 12;
const LISTENERS: usize = 3;
/// Each client calls so often.
const BETWEEN_CALLS: Duration = Duration::from_millis(15);
const BETWEEN_SWAPS: Duration = Duration::from_millis(100);
const SHORT: usize = 24;
const LONG: usize = 600;
/// A machine with much else to do takes long for each step. The storm is not about limits.
const LIMITS: &str = "handover_timeout_ms = 10000\nprobation_ms = 600000\ndrain_timeout_ms = 10000";

/// The next version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Next {
    /// It takes over.
    Good,
    /// It takes over, panics, and is rolled back.
    Panics,
    /// It gets the state, and does not start.
    DoesNotStart,
}

/// Libraries of `tally`, made as they are needed.
struct Libraries {
    folder: Folder,
    made: HashMap<(u32, Next), PathBuf>,
}

impl Libraries {
    /// Version 1.1.0 or 1.2.0, whose states have forms of their own.
    fn tally(&mut self, minor: u32, next: Next) -> PathBuf {
        let folder = self.folder.path();
        let made = self.made.entry((minor, next)).or_insert_with(|| {
            let path = folder.join(format!("tally-{minor}-{next:?}.so"));
            let version = format!("VERSION=\"1.{minor}.0\"");
            let schema = format!("SCHEMA={minor}");
            let takes = format!("START_MILLISECONDS={}", 30 * minor);
            let mut defines = vec![version.as_str(), &schema, &takes];
            match next {
                Next::Good => {}
                Next::Panics => defines.push("PANICS"),
                Next::DoesNotStart => defines.push("START_FAILS"),
            }
            compile(&fixture("tally.c"), &defines, &path).expect("it compiles");
            path
        });
        made.clone()
    }

    fn start(&mut self) -> Host {
        let relay = self.folder.path().join("relay.so");
        compile(&fixture("relay.c"), &[], &relay).expect("it compiles");
        let tally = self.tally(1, Next::Good);
        let entry = |name: &str, library: PathBuf| {
            let library = library.display();
            format!("[[components]]\nname = \"{name}\"\nlibrary = \"{library}\"\nlanes = 2\n\n")
        };
        let text = format!(
            "name = \"TestNode\"\n\n{}{}[swap]\n{LIMITS}\n",
            entry("relay", relay),
            entry("tally", tally)
        );
        Host::start(&self.folder.write("mesh.toml", &text), &[])
    }
}

/// Calls until told to stop, without waiting for answers. Returns how many calls there were.
async fn call_steadily(mut sender: Sender, way: &'static str, stop: Arc<AtomicBool>) -> u64 {
    let mut number = 0;
    let mut tick = tokio::time::interval(BETWEEN_CALLS);
    while !stop.load(Ordering::Relaxed) {
        tick.tick().await;
        sender.call(way, number, json!([number])).await;
        number += 1;
    }
    // Its answer says how many there were; those of the others may come behind it.
    sender.call("TestNode/relay/ticks", number, json!([])).await;
    number
}

/// The answers by the number of their call, until there is one for each.
async fn collect(mut receiver: Receiver) -> HashMap<u64, Vec<Value>> {
    let mut answers: HashMap<u64, Vec<Value>> = HashMap::new();
    let mut calls = None;
    while calls.is_none_or(|calls| (answers.len() as u64) < calls) {
        let frame = receiver.next().await.expect("the host serves");
        let path = frame["_meta"]["path"].as_str().unwrap_or_default();
        let Some(address) = path.strip_prefix("/_exchange/responses/") else {
            continue;
        };
        let number = address.rsplit('/').next().and_then(|text| text.parse().ok());
        let number = number.unwrap_or_else(|| panic!("an answer to nothing: {frame}"));
        let answer = frame["data"].clone();
        // Only the last call is answered with a number alone.
        if answer["args"][1].is_u64() {
            calls = Some(number);
        } else {
            answers.entry(number).or_default().push(answer);
        }
    }
    answers
}

/// Hears of each addition, in order and without a gap. Returns how many there were.
async fn listen(mut receiver: Receiver) -> u64 {
    let mut last = 0;
    loop {
        let frame = receiver.next().await;
        let frame = frame.expect("the host does not close the session of a listener");
        if frame["data"]["end"] == true {
            return last;
        }
        let sequence = frame["data"]["sequence"].as_u64();
        assert_eq!(
            sequence,
            Some(last + 1),
            "the event behind number {last}: {frame}"
        );
        last += 1;
    }
}

/// Asks for a swap, and returns the report when the new version serves for good, or does not serve.
async fn swap(host: &Arc<Host>, library: PathBuf, next: Next) -> Value {
    let host = host.clone();
    // A good version goes into its probation; the next swap ends it.
    let replies = move || control::swap(&host, "tally", &library, next != Next::Good).last();
    tokio::task::spawn_blocking(replies).await.expect("it ends")["report"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_doubled_or_reordered_in_a_storm_of_hand_overs() {
    let _turn = turns::of_heavy_tests();
    let mut choices = choices();
    let mut libraries = Libraries {
        folder: Folder::new("hand-over-storm"),
        made: HashMap::new(),
    };
    let host = Arc::new(libraries.start());
    let stop = Arc::new(AtomicBool::new(false));
    let mut listeners = Vec::new();
    for _ in 0..LISTENERS {
        let (mut sender, mut receiver) = session::open(host.addr()).await;
        sender.subscribe("/SET@/_events/TestNode/tally/added").await;
        receiver.next().await.expect("it is subscribed");
        listeners.push(tokio::spawn(listen(receiver)));
    }
    let mut clients = Vec::new();
    for way in WAYS.into_iter().cycle().take(CLIENTS) {
        let (sender, receiver) = session::open(host.addr()).await;
        let calls = tokio::spawn(call_steadily(sender, way, stop.clone()));
        clients.push((calls, tokio::spawn(collect(receiver))));
    }

    let mut minor = 1;
    let mut ended: HashMap<Next, usize> = HashMap::new();
    let swaps = if is_long() { LONG } else { SHORT };
    while ended.values().sum::<usize>() < swaps {
        tokio::time::sleep(BETWEEN_SWAPS).await;
        let next = match choices.below(8) {
            0 => Next::Panics,
            1 => Next::DoesNotStart,
            _ => Next::Good,
        };
        let other = 3 - minor;
        let report = swap(&host, libraries.tally(other, next), next).await;
        let expected = match next {
            Next::Good => Value::Null,
            Next::Panics => json!("rolled-back"),
            Next::DoesNotStart => json!("refused"),
        };
        assert_eq!(report["ending"], expected, "{next:?}: {report}\n{}", host.log());
        let notes = report["notes"].to_string();
        assert!(!notes.contains("is lost"), "{next:?}: {report}");
        if next == Next::Good {
            minor = other;
        }
        *ended.entry(next).or_default() += 1;
    }
    stop.store(true, Ordering::Relaxed);

    let (mut calls, mut panicked) = (0, 0);
    let mut sequences = Vec::new();
    for (sent, answers) in clients {
        let (sent, answers) = (sent.await.expect("it sends"), answers.await.expect("it receives"));
        calls += sent;
        for number in 0..sent {
            let [answer] = &answers[&number][..] else {
                panic!("call {number} has other than one answer: {:?}", answers[&number]);
            };
            match answer["args"][1]["sequence"].as_u64() {
                Some(sequence) => sequences.push(sequence),
                None => {
                    let reason = answer["args"][0]["message"].as_str();
                    assert_eq!(reason, Some("the tally fell down"), "{answer}");
                    panicked += 1;
                }
            }
        }
    }
    let rolled_back = ended.get(&Next::Panics).copied().unwrap_or_default();
    assert_eq!(
        panicked, rolled_back,
        "no call fails but the one by which a version is rolled back"
    );
    sequences.sort_unstable();
    let counted = sequences.len() as u64;
    assert!(
        sequences.iter().copied().eq(1..=counted),
        "each call is counted once, and each count is answered"
    );

    let (mut sender, mut receiver) = session::open(host.addr()).await;
    sender.call("TestNode/relay/ticks", 0, json!([])).await;
    let ticks = answer_to(&mut receiver, 0).await["args"][1].clone();
    sender.call("TestNode/tally/finish", 1, json!([])).await;
    answer_to(&mut receiver, 1).await;
    for listener in listeners {
        let heard = listener.await;
        let heard = heard.unwrap_or_else(|error| panic!("{error}\n{}", host.log()));
        assert_eq!(heard, counted, "each event was heard");
    }
    sender.call("TestNode/tally/total", 2, json!([])).await;
    let total = answer_to(&mut receiver, 2).await["args"][1].clone();
    assert_eq!(total, json!({"count": counted, "ticks": ticks, "gaps": 0}));
    println!("{calls} calls, {panicked} of them panicked; swaps: {ended:?}");
    let host = Arc::into_inner(host).expect("nobody else has it");
    assert!(host.stop().success());
}
