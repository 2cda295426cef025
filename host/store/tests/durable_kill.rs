//! A writer that is killed in the middle of its work loses nothing that it has acknowledged.
//!
//! Enters: this program itself, started again as a writer that prints each acknowledged write. Leaves: nothing.
//! Guarantees: the files are those that a real SIGKILL leaves behind. `MESH_TESTS_LONG=1` kills 200 times and not 20.

use mesh_choices::Choices;
use mesh_store::{Commit, Durability, DurableStore, Options, PathPattern, Store, now};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

const FILE: &str = "MESH_DURABLE_KILL_FILE";
const DURABILITY: &str = "MESH_DURABLE_KILL_DURABILITY";
const ROUND: &str = "MESH_DURABLE_KILL_ROUND";
/// Not a multiple of ten: every path is written and removed in turn.
const PATHS: u64 = 499;
const IN_FLIGHT: u64 = 64;
const INTERVAL: Duration = Duration::from_millis(100);

fn options(durability: &str) -> Options {
    Options {
        durability: match durability {
            "interval" => Durability::Interval,
            _ => Durability::Commit,
        },
        interval: INTERVAL,
        ..Options::default()
    }
}

fn path(number: u64) -> String {
    format!("/{}", number * 31 % PATHS)
}

fn is_removal(number: u64) -> bool {
    number % 10 == 9
}

/// The value that write `number` of a round puts at its path: long enough for several pages, and the same letter
/// throughout.
fn data(round: u64, number: u64) -> String {
    let letter = char::from(b'a' + (number % 26) as u8);
    let text: String = std::iter::repeat_n(letter, (number * 7919 % 6000) as usize).collect();
    format!(r#"{{"round":{round},"number":{number},"text":"{text}"}}"#)
}

/// Round and number of a document, when it is whole.
fn origin(document: &str) -> Option<(u64, u64)> {
    let parsed: serde_json::Value = serde_json::from_str(document).ok()?;
    let (round, number) = (parsed["round"].as_u64()?, parsed["number"].as_u64()?);
    (document == data(round, number)).then_some((round, number))
}

/// Writes as fast as it can until it is killed. Not a test: the parent starts it.
#[test]
fn writer() {
    let Ok(file) = std::env::var(FILE) else {
        return;
    };
    let durability = std::env::var(DURABILITY).unwrap();
    let round: u64 = std::env::var(ROUND).unwrap().parse().unwrap();
    let store = DurableStore::open(Path::new(&file), &options(&durability)).unwrap();
    let in_flight = Arc::new((Mutex::new(0), Condvar::new()));
    for number in 0.. {
        let path = path(number);
        let commit = if is_removal(number) {
            store
                .remove(&PathPattern::new(&path), &mut |_, _| true)
                .unwrap()
                .1
        } else {
            store.set(&path, &data(round, number)).unwrap().commit
        };
        let (count, fewer) = &*in_flight;
        let mut count = count.lock().unwrap();
        while *count >= IN_FLIGHT {
            count = fewer.wait(count).unwrap();
        }
        *count += 1;
        drop(count);
        let shared = in_flight.clone();
        let acknowledge = move |result: Result<(), _>| {
            if result.is_ok() {
                let line = format!("{number} {}\n", now());
                // Below the test harness, which would keep what is printed to itself.
                let mut out = std::io::stdout().lock();
                let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
            }
            *shared.0.lock().unwrap() -= 1;
            shared.1.notify_one();
        };
        store.when_committed(commit, Box::new(acknowledge));
        if durability == "interval" {
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

/// Removes the folder at the end.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn kill_again_and_again(durability: &str, rounds: u64) {
    let name = format!("mesh-durable-kill-{durability}-{}", std::process::id());
    let folder = Folder(std::env::temp_dir().join(name));
    std::fs::create_dir_all(&folder.0).unwrap();
    let file = folder.0.join("store.redb");
    let (mut choices, mut acknowledged_in_all) = (Choices::new(now()), 0);
    // The certain content of each path: round and number of the last write, and whether it left a document.
    let mut certain: HashMap<String, (u64, u64)> = HashMap::new();
    for round in 1..=rounds {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writer", "--nocapture"])
            .env(FILE, &file)
            .env(DURABILITY, durability)
            .env(ROUND, round.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let out = child.stdout.take().unwrap();
        let reader = std::thread::spawn(move || {
            let mut acknowledged: Vec<(u64, u64)> = Vec::new();
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let mut words = line.split(' ').map(str::parse);
                if let (Some(Ok(number)), Some(Ok(time)), None) = (words.next(), words.next(), words.next()) {
                    acknowledged.push((number, time));
                }
            }
            acknowledged
        });
        // With an interval, long enough for most writes to be older than that.
        let least = if durability == "interval" { 500 } else { 20 };
        std::thread::sleep(Duration::from_millis(least + choices.below(350) as u64));
        let killed_at = now();
        child.kill().unwrap();
        child.wait().unwrap();
        let mut acknowledged = reader.join().unwrap();
        acknowledged_in_all += acknowledged.len();
        let what = format!("{durability}, round {round}, {} acknowledged", acknowledged.len());
        // A commit that was done before anybody asked is acknowledged by the writer, others by the store's thread.
        acknowledged.sort_unstable();
        // Writes that may have been made and not acknowledged any more.
        let newest = acknowledged.last().map_or(0, |(number, _)| *number) + 2 * IN_FLIGHT;
        for (number, time) in acknowledged {
            // Acknowledged at once, and at most the interval, and the time that one commit takes, is missing.
            let may_be_missing =
                durability == "interval" && time + INTERVAL.as_millis() as u64 + 250 > killed_at;
            if !may_be_missing {
                certain.insert(path(number), (round, number));
            }
        }
        let store = DurableStore::open(&file, &options("commit")).unwrap();
        assert!(store.damaged().is_empty(), "{what}: {:?}", store.damaged());
        let mut found = HashMap::new();
        store.scan(&PathPattern::new("*"), &mut |path, document| {
            let origin = origin(&document.data);
            found.insert(
                path.to_owned(),
                origin.unwrap_or_else(|| panic!("{what}: {path} is not whole: {}", document.data)),
            );
            true
        });
        for (path, last) in &certain {
            match found.get(path) {
                // It, or a later write that was on disk and not acknowledged yet.
                Some(origin) => assert!(origin >= last, "{what}: {path} is {origin:?} and not {last:?}"),
                None => {
                    let first = if last.0 == round { last.1 } else { 0 };
                    let removed =
                        (first..=newest).any(|number| is_removal(number) && self::path(number) == *path);
                    assert!(removed, "{what}: {path} of {last:?} is missing");
                }
            }
        }
        // The next round begins with the present content.
        let commit = store.set("/end-of-round", &data(round, 0)).unwrap().commit;
        assert!(matches!(commit, Commit::Pending(_)));
        store.close().unwrap();
        certain.retain(|path, _| found.contains_key(path));
        certain.extend(found);
    }
    println!("{durability}: {acknowledged_in_all} writes acknowledged in {rounds} rounds");
    assert!(acknowledged_in_all > 0);
}

fn rounds() -> u64 {
    if std::env::var_os("MESH_TESTS_LONG").is_some() {
        200
    } else {
        20
    }
}

#[test]
fn acknowledged_writes_survive_a_kill() {
    kill_again_and_again("commit", rounds());
}

#[test]
fn an_interval_loses_no_more_than_the_interval() {
    kill_again_and_again("interval", rounds() / 2);
}
