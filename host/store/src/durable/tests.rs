//! Stories about stores on disk.
//!
//! Enters: seeds, and disks that fail on purpose. Leaves: nothing. Guarantees: every story can be received again with the
//! seed that its failure prints.

use super::*;
use crate::{Commit, Committed};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

mod batches;
mod damage;
mod disk;
mod failures;
mod opening;
mod property;

/// A folder that is gone after the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("mesh-store-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }

    fn file(&self) -> PathBuf {
        self.0.join("store.redb")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Numbers that depend on a seed alone (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// Waits until a commit is done or has failed.
fn outcome(store: &DurableStore, commit: Commit) -> Result<(), StoreError> {
    let (tell, received) = mpsc::channel();
    let then: Committed = Box::new(move |result| drop(tell.send(result)));
    store.when_committed(commit, then);
    received.recv().unwrap()
}

fn set(store: &DurableStore, path: &str, data: &str) {
    let commit = store.set(path, data).unwrap().commit;
    outcome(store, commit).unwrap();
}

/// Paths and data of all documents.
fn content(store: &DurableStore) -> Vec<(String, String)> {
    let mut all = Vec::new();
    store.scan(&PathPattern::new("*"), &mut |path, document| {
        all.push((path.to_owned(), document.data.to_string()));
        true
    });
    all
}
