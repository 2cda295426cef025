//! A hundred damages of a good library, from a seed.
//!
//! Enters: a library, and what can happen to a file on its way to a host. Leaves: one sentence about each damage.
//! Guarantees: the host answers every call of a client meanwhile. A damage that nothing notices is in bytes that nobody reads.

use mesh_choices::Choices;
use mesh_tests::c_library::{compile, fixture};
use mesh_tests::host::{Folder, Host};
use mesh_tests::session;
use mesh_tests::swapping::{answer_to, swap};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const SEED: u64 = 20;
const DAMAGES: usize = 100;
const PAGE: usize = 4096;

/// A damage.
#[derive(Clone, Copy, Debug)]
enum Damage {
    ZeroedPage,
    FlippedBytes,
    MovedSections,
    Truncated,
    OtherMachine,
    OtherCLibrary,
    TextFile,
    Pipe,
    Folder,
    EmptyFile,
}

impl Damage {
    /// Whether it may hit bytes that nothing reads.
    fn may_go_unnoticed(self) -> bool {
        use Damage::{EmptyFile, Folder, OtherMachine, Pipe, TextFile};
        !matches!(self, OtherMachine | TextFile | Pipe | Folder | EmptyFile)
    }
}

/// Those of files that are not read at all are the same each time.
const KINDS: [Damage; 20] = [
    Damage::ZeroedPage,
    Damage::ZeroedPage,
    Damage::ZeroedPage,
    Damage::FlippedBytes,
    Damage::FlippedBytes,
    Damage::FlippedBytes,
    Damage::FlippedBytes,
    Damage::FlippedBytes,
    Damage::MovedSections,
    Damage::MovedSections,
    Damage::MovedSections,
    Damage::Truncated,
    Damage::Truncated,
    Damage::Truncated,
    Damage::OtherMachine,
    Damage::OtherCLibrary,
    Damage::TextFile,
    Damage::Pipe,
    Damage::Folder,
    Damage::EmptyFile,
];

fn number(file: &[u8], at: usize, length: usize) -> usize {
    let bytes = file[at..at + length].iter().rev();
    bytes.fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// Where the entries of the table of sections lie.
fn sections(file: &[u8]) -> Vec<usize> {
    let (table, size, count) = (number(file, 40, 8), number(file, 58, 2), number(file, 60, 2));
    (1..count).map(|position| table + position * size).collect()
}

/// Where a section lies that holds anything in the file.
fn section(file: &[u8], entry: usize) -> Option<(usize, usize)> {
    let (kind, start, length) = (
        number(file, entry + 4, 4),
        number(file, entry + 24, 8),
        number(file, entry + 32, 8),
    );
    (kind != 8 && length > 0).then_some((start, length))
}

/// A damaged copy at `path`.
fn damage(good: &[u8], kind: Damage, choices: &mut Choices, path: &Path) {
    let mut bytes = good.to_vec();
    match kind {
        Damage::ZeroedPage => {
            let start = choices.below(good.len() / PAGE) * PAGE;
            bytes[start..(start + PAGE).min(good.len())].fill(0);
        }
        Damage::FlippedBytes => {
            // In the headers and the tables that the dynamic linker reads.
            for _ in 0..=choices.below(64) {
                bytes[choices.below(PAGE / 2)] ^= 1 << choices.below(8);
            }
        }
        Damage::MovedSections => {
            let found = sections(good)
                .into_iter()
                .filter_map(|entry| section(good, entry));
            let found: Vec<(usize, usize)> = found.collect();
            let (from, length) = *choices.pick(&found);
            let by = choices.below(PAGE);
            for index in 0..length {
                bytes[from + index] = good[(from + index + by) % good.len()];
            }
        }
        Damage::Truncated => bytes.truncate(1 + choices.below(good.len() - 1)),
        Damage::OtherMachine => bytes[18] = *choices.pick(&[2, 40, 0xf5]),
        Damage::OtherCLibrary => {
            let name = b"libc.so.6";
            let at = good.windows(name.len()).position(|window| window == name);
            bytes[at.expect("it needs the C library") + 3] = b'q';
        }
        Damage::TextFile => bytes = b"#!/bin/sh\nexit 0\n".to_vec(),
        Damage::EmptyFile => bytes.clear(),
        Damage::Folder => return fs::create_dir(path).expect("a folder can be made"),
        Damage::Pipe => {
            let made = Command::new("mkfifo").arg(path).status();
            assert!(made.expect("there is mkfifo").success());
            return;
        }
    }
    fs::write(path, bytes).expect("a file can be written");
}

/// Calls one after the other until it is told to stop; how many were answered.
async fn calls(address: std::net::SocketAddr, stop: Arc<AtomicBool>) -> u64 {
    let (mut sender, mut receiver) = session::open(address).await;
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        sender.call("TestNode/steady/echo", number, json!([number])).await;
        let answer = answer_to(&mut receiver, number).await;
        let last = answer["args"].as_array().and_then(|args| args.last());
        assert_eq!(last, Some(&json!(number)), "{answer}");
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    number
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_damages_of_a_library_are_refused_in_a_sentence_each_and_the_host_answers_all_calls() {
    let folder = Folder::new("damages");
    let library: PathBuf = folder.path().join("good.so");
    compile(&fixture("loading.c"), &[], &library).expect("the fixture compiles");
    let good = fs::read(&library).expect("it is there");
    let component = |name: &str| {
        format!(
            "[[components]]\nname = \"{name}\"\nlibrary = \"{}\"\nstart_timeout_ms = 2000\n",
            library.display()
        )
    };
    // With a life, since damaged code may load and not run.
    let text = format!(
        "name = \"TestNode\"\n[swap]\nprobation_ms = 0\nrehearse = \"life\"\n{}{}",
        component("steady"),
        component("damaged")
    );
    let config = folder.write("mesh.toml", &text);
    let host = Host::start(&config, &[]);
    let stop = Arc::new(AtomicBool::new(false));
    let calling = tokio::spawn(calls(host.addr(), stop.clone()));
    let mut choices = Choices::new(SEED);
    let mut unnoticed = 0;
    for position in 0..DAMAGES {
        let kind = KINDS[position % KINDS.len()];
        let path = folder.path().join(format!("damage-{position}.so"));
        damage(&good, kind, &mut choices, &path);
        let outcome = swap(&config, "damaged", &path, &["--force"]).await;
        if outcome.code == 0 {
            assert!(kind.may_go_unnoticed(), "{position} {kind:?} was not noticed");
            unnoticed += 1;
            continue;
        }
        assert_eq!(outcome.code, 1, "{position} {kind:?}: {outcome:?}");
        assert!(
            outcome.err.contains(&*path.to_string_lossy()),
            "{position} {kind:?}: {outcome:?}"
        );
    }
    stop.store(true, Ordering::Relaxed);
    let answered = calling.await.expect("every call was answered");
    assert!(answered > 0);
    assert!(unnoticed < DAMAGES / 4, "{unnoticed} damages were not noticed");
    assert!(host.stop().success());
}
