//! Walks over the documents that match a pattern, in slices.
//!
//! Enters: a store, a pattern, and how much may be done now. Leaves: documents, in ascending order of paths.
//! Guarantees: the store is locked for one slice at a time, and never while a document is looked at. A document that
//! is there from the beginning of a walk to its end is shown exactly once. One that is written or removed meanwhile
//! is shown at most once.

use super::{Document, PathPattern, Store};
use mesh_scans::Budget;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Documents looked at under one lock. Some ten microseconds at most.
pub(super) const SLICE: usize = 128;

/// A document and where it is.
pub type Item = (Arc<str>, Document);

/// How far a walk has come.
#[derive(Clone, Debug, Default)]
pub struct Cursor {
    /// The last path that was looked at.
    after: Option<Arc<str>>,
    has_ended: bool,
}

impl Cursor {
    /// The path behind which the walk goes on; nothing at its beginning.
    pub(super) fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// Notes the last path that was looked at.
    pub(super) fn advance(&mut self, path: Arc<str>) {
        self.after = Some(path);
    }

    /// Notes that nothing is left.
    pub(super) fn end(&mut self) {
        self.has_ended = true;
    }

    /// Whether nothing is left.
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }
}

/// The position of a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walked {
    /// The budget is spent, and there may be more.
    Paused,
    /// Everything was shown, or as much as was wanted.
    Ended,
}

/// A walk that can pause after each document.
#[derive(Debug)]
pub struct Walk {
    cursor: Cursor,
    /// Found and not yet shown.
    found: std::vec::IntoIter<Item>,
    /// So many bytes of a document cost as much as the document itself.
    bytes_as_one: usize,
}

impl Walk {
    /// A walk at its beginning. `bytes_as_one` says how many bytes of a document take the time that a small one takes.
    pub fn new(bytes_as_one: usize) -> Walk {
        Walk {
            cursor: Cursor::default(),
            found: Vec::new().into_iter(),
            bytes_as_one,
        }
    }

    /// Shows documents until the budget is spent, all were shown, or `visit` breaks off the walk.
    pub fn advance(
        &mut self,
        store: &dyn Store,
        pattern: &PathPattern<'_>,
        budget: &mut Budget,
        visit: &mut dyn FnMut(Arc<str>, Document) -> ControlFlow<()>,
    ) -> Walked {
        loop {
            while let Some((_, document)) = self.found.as_slice().first() {
                if !budget.spend(1 + document.data.len() / self.bytes_as_one) {
                    return Walked::Paused;
                }
                let Some((path, document)) = self.found.next() else {
                    break;
                };
                if visit(path, document).is_break() {
                    self.found = Vec::new().into_iter();
                    self.cursor.end();
                    return Walked::Ended;
                }
            }
            if self.cursor.has_ended() {
                return Walked::Ended;
            }
            let mut found = Vec::new();
            let seen = store.slice(pattern, &mut self.cursor, &mut found);
            let passed_over = seen.saturating_sub(found.len());
            self.found = found.into_iter();
            if passed_over > 0 && !budget.spend(passed_over) {
                return Walked::Paused;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryStore;
    use std::collections::{BTreeMap, BTreeSet};

    /// A generator of numbers that are the same each time.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, limit: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % limit
        }
    }

    fn remove(store: &MemoryStore, path: &str) {
        store.remove(&PathPattern::new(path), &mut |_, _| true).unwrap();
    }

    #[test]
    fn documents_that_stay_are_visited_once_and_in_order_during_changes() {
        for seed in 1..=60 {
            let mut numbers = Numbers(seed);
            let store = MemoryStore::default();
            let mut stays = BTreeSet::new();
            let mut paths = BTreeMap::new();
            for _ in 0..numbers.below(900) {
                let path = format!(
                    "/{}/{}",
                    ["a", "b", "c"][numbers.below(3) as usize],
                    numbers.below(2000)
                );
                store.set(&path, "{}").unwrap();
                paths.insert(path, ());
            }
            let pattern = ["*", "/b/*", "/*/1*", "/b*7", "/none/*"][numbers.below(5) as usize];
            let pattern = PathPattern::new(pattern);
            stays.extend(paths.keys().filter(|path| pattern.matches(path)).cloned());
            let mut ever = stays.clone();
            let mut walk = Walk::new(4096);
            let mut shown: Vec<String> = Vec::new();
            loop {
                let mut budget = Budget::of(1 + numbers.below(200) as usize);
                let walked = walk.advance(&store, &pattern, &mut budget, &mut |path, _| {
                    shown.push(path.to_string());
                    ControlFlow::Continue(())
                });
                if walked == Walked::Ended {
                    break;
                }
                for _ in 0..numbers.below(20) {
                    let path = format!("/b/{}", numbers.below(2000));
                    if numbers.below(2) == 0 {
                        store.set(&path, "{}").unwrap();
                        if pattern.matches(&path) {
                            ever.insert(path);
                        }
                    } else {
                        remove(&store, &path);
                        stays.remove(&path);
                    }
                }
            }
            assert!(shown.is_sorted(), "seed {seed}");
            let once: BTreeSet<String> = shown.iter().cloned().collect();
            assert_eq!(once.len(), shown.len(), "seed {seed}: shown twice");
            assert!(stays.is_subset(&once), "seed {seed}: left out");
            assert!(once.is_subset(&ever), "seed {seed}: never there");
        }
    }

    #[test]
    fn documents_that_do_not_match_cost_as_well() {
        let store = MemoryStore::default();
        for number in 0..1000 {
            store.set(&format!("/a/{number:04}"), "{}").unwrap();
        }
        let (mut walk, mut turns, mut shown) = (Walk::new(4096), 1, 0);
        let pattern = PathPattern::new("/a/*0999");
        let mut visit = |_, _| {
            shown += 1;
            ControlFlow::Continue(())
        };
        while walk.advance(&store, &pattern, &mut Budget::of(100), &mut visit) == Walked::Paused {
            turns += 1;
        }
        assert_eq!(shown, 1);
        assert!(turns >= 1000 / SLICE, "{turns}");
    }

    #[test]
    fn a_large_document_waits_for_a_turn_of_its_own() {
        let store = MemoryStore::default();
        store
            .set("/a", &format!(r#"{{"text":"{}"}}"#, "x".repeat(100_000)))
            .unwrap();
        let mut walk = Walk::new(64);
        let pattern = PathPattern::new("/*");
        let mut visit = |_, _| ControlFlow::Continue(());
        assert_eq!(
            walk.advance(&store, &pattern, &mut Budget::of(1000), &mut visit),
            Walked::Paused
        );
        assert_eq!(
            walk.advance(&store, &pattern, &mut Budget::turn(), &mut visit),
            Walked::Ended
        );
    }
}
