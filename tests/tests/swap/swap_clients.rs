//! Published clients call and listen while what they call is swapped: happner-client 2.0.0 and 12.7.6, and the MeshClient of
//! happner-2 13.1.1.
//!
//! Enters: `conformance/swap_clients.js`, which calls 450 times a second. Leaves: all that the clients were
//! answered and have heard, looked at call by call. Without Node the test passes and says so, unless it is required.
//!
//! `MESH_TESTS_LONG=1` makes it 100 swaps in place of 20.

use mesh_tests::host::{Folder, Host, library};
use mesh_tests::swapping::storm;
use mesh_tests::{control, kit};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const BETWEEN_SWAPS: Duration = Duration::from_millis(150);

/// Version 1.(100 + number).0 of the fixture `storm`.
fn version(folder: &Folder, number: usize) -> PathBuf {
    storm(folder, &format!("1.{}.0", 100 + number), "")
}

fn config(folder: &Folder) -> PathBuf {
    let entry = |name: &str, library: &Path| {
        format!(
            "[[components]]\nname = \"{name}\"\nlibrary = \"{}\"\n\n",
            library.display()
        )
    };
    let text = format!(
        "name = \"TestNode\"\n\n{}{}",
        entry("storm", &version(folder, 0)),
        entry("counter", &library("counter"))
    );
    folder.write("mesh.toml", &text)
}

/// The script with its clients. Ended with the value.
struct Clients(Child);

impl Clients {
    fn start(host: &Host) -> (Clients, BufReader<std::process::ChildStdout>) {
        let mut child = Command::new("node")
            .current_dir(kit::folder())
            .args(["swap_clients.js", &host.addr().port().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node runs");
        let out = BufReader::new(child.stdout.take().expect("its output is a pipe"));
        (Clients(child), out)
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The first line that begins so; clients write lines of their own.
fn line_with(out: &mut impl BufRead, beginning: &str) -> String {
    let mut seen = String::new();
    for line in out.lines() {
        let line = line.expect("its output is text");
        if line.starts_with(beginning) {
            return line;
        }
        seen.push_str(&line);
        seen.push('\n');
    }
    panic!("the clients ended early\n{seen}");
}

#[test]
fn real_clients_notice_nothing_but_new_methods() {
    if !kit::ready() {
        return;
    }
    let folder = Folder::new("clients");
    let host = Host::start(&config(&folder), &[]);
    let (mut clients, mut out) = Clients::start(&host);
    line_with(&mut out, "READY");
    let swaps = if std::env::var_os("MESH_TESTS_LONG").is_some() {
        100
    } else {
        20
    };
    let mut order = Order::Kept;
    for number in 1..=swaps {
        std::thread::sleep(BETWEEN_SWAPS);
        let report = control::swap(&host, "storm", &version(&folder, number), false).report();
        for note in report["notes"].as_array().expect("notes") {
            let note = note.as_str().expect("a text");
            assert!(note.contains("answered no call for 200 ms"), "{report}");
            println!("{note}");
            order = Order::NotPromised;
        }
        if number % 5 == 0 {
            // First the same version again; from the middle on one that can also count down.
            let next = match number * 2 < swaps {
                true => library("counter"),
                false => library("fixture-counter-next"),
            };
            let report = control::swap(&host, "counter", &next, false).report();
            assert!(
                report["components"][0]["state_bytes"].as_u64() > Some(0),
                "{report}"
            );
        }
    }
    std::thread::sleep(BETWEEN_SWAPS);
    writeln!(clients.0.stdin.as_mut().expect("its input is a pipe"), "end").expect("it reads");
    let report: Value = serde_json::from_str(&line_with(&mut out, "{")).expect("a report");
    assert!(host.stop().success());

    let callers = report["callers"].as_array().expect("callers");
    assert_eq!(callers.len(), 3);
    let total: u64 = callers.iter().map(|caller| number(&caller["sent"])).sum();
    assert!(total > 100, "{total} calls");
    println!("{total} calls of each method by 3 clients through {swaps} swaps");
    let last = format!("1.{}.0", 100 + swaps);
    for caller in callers {
        let name = caller["client"].as_str().expect("a name");
        assert_eq!(
            caller["failures"],
            json!([]),
            "{name}: every call is answered well, once"
        );
        assert_eq!(caller["pending"], 0, "{name}: every call is answered");
        assert_eq!(caller["ended"], 0, "{name}: the connection stays");
        check_numbers(caller, "pings");
        check_numbers(caller, "holds");
        check_pings(caller, name, &last, order);
        check_counts(caller, name);
        check_heard(caller, name, callers, total, order);
    }
    assert_eq!(report["added"]["before"], "undefined", "{}", report["added"]);
    assert_eq!(
        report["added"]["answer"],
        json!({"count": total - 1, "version": "1.1.0"}),
        "the new method was called without connecting again: {}",
        report["added"]
    );
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// Each call was answered once.
fn check_numbers(caller: &Value, method: &str) {
    let answers = caller[method].as_array().expect("answers");
    let mut numbers: Vec<u64> = answers.iter().map(|answer| number(&answer["number"])).collect();
    numbers.sort_unstable();
    assert!(
        numbers.iter().copied().eq(0..number(&caller["sent"])),
        "{} of {}: {numbers:?}",
        method,
        caller["client"]
    );
}

/// The order of what the old and the new version of `storm` did.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    /// All that the old version did came first.
    Kept,
    /// The machine let a thread of the old version stand still for so long that a swap did not wait for it, and said so.
    NotPromised,
}

/// Each ping was answered with its own arguments, and never by an older version than the one before.
fn check_pings(caller: &Value, name: &str, last: &str, order: Order) {
    let answers = caller["pings"].as_array().expect("answers");
    let mut version = "";
    for answer in answers {
        assert_eq!(
            answer["answer"]["arguments"],
            json!([name, answer["number"]]),
            "{answer}"
        );
        let next = answer["answer"]["version"].as_str().expect("a version");
        if order == Order::Kept {
            assert!(next >= version, "{name}: {next} after {version}");
        }
        version = version.max(next);
    }
    assert_eq!(version, last, "{name}: the last version answered");
}

/// The count rises with each answer, and its version, too.
fn check_counts(caller: &Value, name: &str) {
    let answers = caller["counts"].as_array().expect("answers");
    assert_eq!(answers.len() as u64, number(&caller["sent"]), "{name}");
    let mut before = (0, "");
    for answer in answers {
        let answer = &answer["answer"];
        let now = (
            number(&answer["count"]),
            answer["version"].as_str().expect("a version"),
        );
        assert!(
            now.0 > before.0 && now.1 >= before.1,
            "{name}: {now:?} after {before:?}"
        );
        before = now;
    }
    assert_eq!(before.1, "1.1.0", "{name}");
}

/// Every event was heard once and in order.
fn check_heard(caller: &Value, name: &str, callers: &[Value], total: u64, order: Order) {
    let counted: Vec<u64> = caller["counted"]
        .as_array()
        .expect("events")
        .iter()
        .map(number)
        .collect();
    assert!(
        counted.iter().copied().eq(1..=total),
        "{name} heard of {} of {total} counts, or not in order",
        counted.len()
    );
    let pinged = caller["pinged"].as_array().expect("events");
    for other in callers {
        let mut of_other: Vec<&Value> = pinged
            .iter()
            .filter(|event| event["arguments"][0] == other["client"])
            .collect();
        if order == Order::NotPromised {
            of_other.sort_by_key(|event| number(&event["arguments"][1]));
        }
        let numbers = of_other.iter().map(|event| number(&event["arguments"][1]));
        let wrong = numbers
            .enumerate()
            .position(|(place, number)| place as u64 != number);
        assert_eq!(
            wrong.map(|place| &of_other[place.saturating_sub(2)..of_other.len().min(place + 4)]),
            None,
            "{name} heard pings of {} in another order",
            other["client"]
        );
        assert_eq!(
            of_other.len() as u64,
            number(&other["sent"]),
            "{name} heard all pings of {}",
            other["client"]
        );
    }
}
