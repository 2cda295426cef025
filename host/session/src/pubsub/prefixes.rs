//! Finds the text patterns of the first generation whose literal beginning begins a path.
//!
//! One look-up per distinct *length* of a literal beginning, however many patterns there are.

use super::shrinking::{shrink, shrink_list};
use std::collections::{BTreeMap, HashMap};

/// Patterns by their literal beginning.
#[derive(Debug, Default)]
pub(super) struct Prefixes {
    /// Length of a literal beginning to the patterns with one of that length.
    by_length: BTreeMap<usize, HashMap<Box<[u8]>, Vec<usize>>>,
}

impl Prefixes {
    /// Adds a pattern.
    pub(super) fn insert(&mut self, prefix: &str, registration: usize) {
        self.by_length
            .entry(prefix.len())
            .or_default()
            .entry(prefix.as_bytes().into())
            .or_default()
            .push(registration);
    }

    /// Takes a pattern out.
    pub(super) fn remove(&mut self, prefix: &str, registration: usize) {
        let Some(of_length) = self.by_length.get_mut(&prefix.len()) else {
            return;
        };
        if let Some(registrations) = of_length.get_mut(prefix.as_bytes()) {
            registrations.retain(|other| *other != registration);
            shrink_list(registrations);
            if registrations.is_empty() {
                of_length.remove(prefix.as_bytes());
                shrink(of_length);
            }
        }
        if of_length.is_empty() {
            self.by_length.remove(&prefix.len());
        }
    }

    /// Calls `found` for each pattern whose literal beginning begins `path`.
    pub(super) fn find(&self, path: &str, mut found: impl FnMut(usize)) {
        for (length, of_length) in self.by_length.range(..=path.len()) {
            for registration in of_length.get(&path.as_bytes()[..*length]).into_iter().flatten() {
                found(*registration);
            }
        }
    }
}
