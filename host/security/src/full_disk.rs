//! A store for tests that runs out of room.
//!
//! Enters: writes. Leaves: the same as from a store in memory, or errors. Guarantees: commits are answered when the
//! test says so, in their order; one that fails takes its change back, and all that came after it.

use mesh_store::{Commit, Committed, Cursor, Document, Item, MemoryStore, PathPattern, Step, Store};
use mesh_store::{StoreError, StoreErrorKind, Stored};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// The fate of writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disk {
    /// They are taken, and committed later or not at all.
    Takes,
    /// They are refused.
    Refuses,
}

type Content = BTreeMap<String, Arc<str>>;

struct State {
    disk: Disk,
    /// The committed writes.
    kept: Content,
    waiting: Vec<Committed>,
}

/// The store. Copies share what is in it.
#[derive(Clone)]
pub struct FullDisk {
    memory: Arc<MemoryStore>,
    state: Arc<Mutex<State>>,
}

/// The error of a write that does not survive.
fn full() -> StoreError {
    StoreError::new(StoreErrorKind::ReadOnly, "the disk is full")
}

const PENDING: Commit = Commit::Pending(1);

impl FullDisk {
    /// An empty store with a disk that takes writes.
    pub fn new() -> FullDisk {
        FullDisk {
            memory: Arc::default(),
            state: Arc::new(Mutex::new(State {
                disk: Disk::Takes,
                kept: Content::new(),
                waiting: Vec::new(),
            })),
        }
    }

    /// From now on.
    pub fn becomes(&self, disk: Disk) {
        self.state.lock().unwrap().disk = disk;
    }

    fn content(&self) -> Content {
        let mut content = Content::new();
        self.memory.scan(&PathPattern::new("*"), &mut |path, document| {
            content.insert(path.to_owned(), document.data.clone());
            true
        });
        content
    }

    /// Answers all commits that are waited for.
    pub fn answer_commits(&self, kept: bool) {
        let waiting = std::mem::take(&mut self.state.lock().unwrap().waiting);
        if kept {
            self.state.lock().unwrap().kept = self.content();
        } else {
            let before = self.state.lock().unwrap().kept.clone();
            self.memory
                .remove(&PathPattern::new("*"), &mut |_, _| true)
                .unwrap();
            for (path, data) in before {
                self.memory.set(&path, &data).unwrap();
            }
        }
        for then in waiting {
            then(if kept { Ok(()) } else { Err(full()) });
        }
    }

    fn takes(&self) -> Result<(), StoreError> {
        match self.state.lock().unwrap().disk {
            Disk::Takes => Ok(()),
            Disk::Refuses => Err(full()),
        }
    }
}

impl Store for FullDisk {
    fn get(&self, path: &str) -> Option<Document> {
        self.memory.get(path)
    }

    fn update_by(
        &self,
        path: &str,
        by: Option<&Arc<str>>,
        change: &mut dyn FnMut(Option<&Document>) -> Option<Arc<str>>,
    ) -> Result<Option<Stored>, StoreError> {
        self.takes()?;
        let stored = self.memory.update_by(path, by, change)?;
        Ok(stored.map(|stored| Stored {
            commit: PENDING,
            ..stored
        }))
    }

    fn set_by(&self, path: &str, data: &str, by: Option<&Arc<str>>) -> Result<Stored, StoreError> {
        self.takes()?;
        let stored = self.memory.set_by(path, data, by)?;
        Ok(Stored {
            commit: PENDING,
            ..stored
        })
    }

    fn remove(
        &self,
        pattern: &PathPattern<'_>,
        admits: &mut dyn FnMut(&str, &Document) -> bool,
    ) -> Result<(u64, Commit), StoreError> {
        self.takes()?;
        Ok((self.memory.remove(pattern, admits)?.0, PENDING))
    }

    fn remove_found(
        &self,
        found: &[Item],
        step: Step,
        admits: &mut dyn FnMut(&str, &Document) -> bool,
    ) -> Result<(u64, Commit), StoreError> {
        self.takes()?;
        Ok((self.memory.remove_found(found, step, admits)?.0, PENDING))
    }

    fn slice(&self, pattern: &PathPattern<'_>, cursor: &mut Cursor, found: &mut Vec<Item>) -> usize {
        self.memory.slice(pattern, cursor, found)
    }

    fn count(&self) -> usize {
        self.memory.count()
    }

    fn when_committed(&self, _: Commit, then: Committed) {
        self.state.lock().unwrap().waiting.push(then);
    }
}
