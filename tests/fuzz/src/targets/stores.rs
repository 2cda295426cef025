//! A file of documents that is not what was written.
//!
//! Enters: which file (one byte), and what happens to its bytes: flips, cuts, doubled ends, pages in the wrong place. Checked:
//! - The file is refused as damaged, or opens with what was committed up to some moment; each document that differs from that is named.
//! - No document is there that was never committed.
//! - A store that has opened takes writes, and has them when it is opened again.

use crate::scratch::Scratch;
use crate::{Input, Target};
use mesh_store::{Commit, Durability, DurableStore, FileErrorKind, Options, PathPattern, Store, StoreError};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{OnceLock, mpsc};

/// A file of documents that is not what was written.
pub const STORES: Target = Target {
    name: "stores",
    run,
    inputs: 60,
    longest: 256,
};

/// Bytes of a page of the file.
const PAGE: usize = 4096;
/// Pages in which the file says what is where.
const FIRST: usize = 4;
/// Most kinds of damage at once.
const MOST_DAMAGE: usize = 6;

type Documents = BTreeMap<String, String>;

/// A file, and all that was committed to it.
struct Sample {
    bytes: Vec<u8>,
    /// The documents that were there after each commit, in order.
    moments: Vec<Documents>,
}

/// The files: one that was closed, and one of a host that was killed.
fn samples() -> &'static [Sample; 2] {
    static SAMPLES: OnceLock<[Sample; 2]> = OnceLock::new();
    SAMPLES.get_or_init(|| [true, false].map(sample))
}

fn options() -> Options {
    Options {
        durability: Durability::Commit,
        ..Options::default()
    }
}

fn sample(is_closed: bool) -> Sample {
    let scratch = Scratch::new("sample");
    let file = scratch.file("store.redb");
    let store = open(&file).unwrap_or_else(|kind| panic!("{kind:?}"));
    let mut moments = vec![Documents::new()];
    let mut wait = |store: &DurableStore, commit| {
        committed(store, commit).unwrap_or_else(|error| panic!("{error}"));
        moments.push(content(store));
    };
    for round in 0..3 {
        for number in 0..12 {
            let text = "y".repeat([10, 200, 3000][(number + round) % 3]);
            let data = format!(r#"{{"round":{round},"number":{number},"text":"{text}"}}"#);
            let path = format!("/documents/{number}");
            let stored = store.set(&path, &data).unwrap_or_else(|error| panic!("{error}"));
            wait(&store, stored.commit);
        }
        let removed = store.remove(&PathPattern::new(&format!("/documents/1{round}")), &mut |_, _| {
            true
        });
        let (_, commit) = removed.unwrap_or_else(|error| panic!("{error}"));
        wait(&store, commit);
    }
    let read = || fs::read(&file).unwrap_or_else(|error| panic!("{error}"));
    let bytes = match is_closed {
        true => {
            store.close().unwrap_or_else(|error| panic!("{error}"));
            drop(store);
            read()
        }
        false => read(),
    };
    Sample { bytes, moments }
}

fn open(file: &Path) -> Result<DurableStore, FileErrorKind> {
    DurableStore::open(file, &options()).map_err(|error| error.kind())
}

fn committed(store: &DurableStore, commit: Commit) -> Result<(), StoreError> {
    let (tell, told) = mpsc::channel();
    store.when_committed(commit, Box::new(move |outcome| drop(tell.send(outcome))));
    told.recv()
        .unwrap_or_else(|_| panic!("the store did not say whether it has committed"))
}

fn content(store: &DurableStore) -> Documents {
    let mut all = Documents::new();
    store.scan(&PathPattern::new("*"), &mut |path, document| {
        all.insert(path.to_owned(), document.data.to_string());
        true
    });
    all
}

fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let sample = input.pick(samples());
    let mut harmed = sample.bytes.clone();
    for _ in 0..MOST_DAMAGE {
        if input.is_empty() || harmed.is_empty() {
            break;
        }
        harm(&mut harmed, &mut input);
    }
    let scratch = Scratch::new("store");
    let file = scratch.file("store.redb");
    fs::write(&file, &harmed).unwrap_or_else(|error| panic!("{error}"));
    let store = match open(&file) {
        Ok(store) => store,
        Err(kind) => {
            let is_said = matches!(
                kind,
                FileErrorKind::Damaged | FileErrorKind::Foreign | FileErrorKind::Newer
            );
            return assert!(is_said, "{kind:?}");
        }
    };
    let found = content(&store);
    let damaged: Vec<&str> = store.damaged().iter().map(|record| &*record.path).collect();
    is_committed(sample, &found, &damaged);
    takes_writes(store, &file, found);
}

/// Something happens to the bytes of a file.
fn harm(bytes: &mut Vec<u8>, input: &mut Input<'_>) {
    let kind = input.byte();
    let pages = bytes.len().div_ceil(PAGE);
    let limit = if kind & 0x80 != 0 {
        FIRST.min(pages) * PAGE
    } else {
        bytes.len()
    };
    let place = input.number() as usize % limit.min(bytes.len());
    let page = place / PAGE * PAGE;
    let end = (page + PAGE).min(bytes.len());
    match kind % 8 {
        0 | 1 => bytes[place] ^= 1 << input.below(8),
        2 => bytes.truncate(place),
        3 => bytes[page..end].fill(input.byte()),
        4 => {
            // A write that went to the wrong place.
            let other = input.number() as usize % pages * PAGE;
            let length = (end - page).min(bytes.len() - other);
            bytes.copy_within(page..page + length, other);
        }
        5 => bytes.extend_from_within(page..),
        6 => {
            // A page that was written in part.
            let middle = page + usize::from(input.short()) % (end - page);
            bytes[middle..end].fill(0);
        }
        _ => {
            let end = (place + 8).min(bytes.len());
            let number = u64::from(input.number()).to_le_bytes();
            bytes[place..end].copy_from_slice(&number[..end - place]);
        }
    }
}

/// Every document that is there was there at some moment, except those that are named.
fn is_committed(sample: &Sample, found: &Documents, damaged: &[&str]) {
    for (path, data) in found {
        let is_known = sample.moments.iter().any(|moment| moment.get(path) == Some(data));
        assert!(is_known, "{path} holds what was never written: {data}");
    }
    // A path that is damaged is named as it is now, so that it may look like another one, or like none.
    let is_moment = sample.moments.iter().any(|moment| {
        let missing = moment.keys().filter(|path| !found.contains_key(*path)).count();
        let is_same = |(path, data): (&String, &String)| {
            moment.get(path) == Some(data) || damaged.contains(&path.as_str())
        };
        missing <= damaged.len() && found.iter().all(is_same)
    });
    let paths: Vec<_> = found.keys().collect();
    assert!(
        is_moment,
        "{paths:?} were never there together; named are {damaged:?}"
    );
}

fn takes_writes(store: DurableStore, file: &Path, mut expected: Documents) {
    let stored = store
        .set("/later", "{}")
        .unwrap_or_else(|error| panic!("{error}"));
    committed(&store, stored.commit).unwrap_or_else(|error| panic!("{error}"));
    expected.insert("/later".to_owned(), "{}".to_owned());
    store.close().unwrap_or_else(|error| panic!("{error}"));
    drop(store);
    let again = open(file).unwrap_or_else(|kind| panic!("{kind:?}"));
    assert_eq!(content(&again), expected);
}
