//! Removal of the documents that match a pattern, in steps.
//!
//! Enters: a store, a pattern, and a judge of documents. Leaves: how many were removed, and the commit of the last.
//! Guarantees: the store is locked for one step at a time, and documents are judged before that. Each document goes
//! at most once. Up to [`STEP`] documents go at one moment, more of them in the order of their paths. After a crash
//! the disk has a beginning of that order.

use super::cursor::{Item, Walk, Walked};
use super::{Commit, Document, PathPattern, Store, StoreError};
use mesh_scans::Budget;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Documents that are removed under one lock.
pub const STEP: usize = 1024;
/// A larger document is not judged again under the lock: written while the removal went on, it stays.
const LARGEST_JUDGED_AGAIN: usize = 64 * 1024;

/// Which step of a removal it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The engine may be too busy for it.
    First,
    /// It belongs to a removal that was begun.
    Later,
}

/// A removal that can pause.
#[derive(Debug)]
pub struct Removal {
    walk: Walk,
    /// Judged, and to be removed.
    step: Vec<Item>,
    has_ended: bool,
    removed: u64,
    commit: Option<Commit>,
}

impl Removal {
    /// A removal at its beginning. `bytes_as_one` is that of [`Walk::new`].
    pub fn new(bytes_as_one: usize) -> Removal {
        Removal {
            walk: Walk::new(bytes_as_one),
            step: Vec::new(),
            has_ended: false,
            removed: 0,
            commit: None,
        }
    }

    /// Removes documents that `admits` wants removed, until the budget is spent or none is left.
    ///
    /// # Errors
    ///
    /// When the engine cannot write. Documents that earlier steps have removed stay removed.
    pub fn advance(
        &mut self,
        store: &dyn Store,
        pattern: &PathPattern<'_>,
        budget: &mut Budget,
        admits: &mut dyn FnMut(&str, &Document) -> bool,
    ) -> Result<Walked, StoreError> {
        if self.has_ended {
            return Ok(Walked::Ended);
        }
        let step = &mut self.step;
        let walked = self.walk.advance(store, pattern, budget, &mut |path, document| {
            if admits(&path, &document) {
                step.push((path, document));
            }
            ControlFlow::Continue(())
        });
        self.has_ended = walked == Walked::Ended;
        if self.has_ended || self.step.len() >= STEP {
            self.take_step(store, admits)?;
        }
        Ok(walked)
    }

    /// How many documents are gone, and from when on that survives.
    pub fn outcome(&self) -> (u64, Commit) {
        (self.removed, self.commit.unwrap_or(Commit::Done))
    }

    fn take_step(
        &mut self,
        store: &dyn Store,
        admits: &mut dyn FnMut(&str, &Document) -> bool,
    ) -> Result<(), StoreError> {
        let found = std::mem::take(&mut self.step);
        // Without any, the engine says how certain that is.
        let chunks = found.chunks(STEP).chain(found.is_empty().then_some(&found[..]));
        for chunk in chunks {
            let step = match self.commit {
                None => Step::First,
                Some(_) if chunk.is_empty() => break,
                Some(_) => Step::Later,
            };
            let (removed, commit) = store.remove_found(chunk, step, &mut |path, document| {
                document.data.len() <= LARGEST_JUDGED_AGAIN && admits(path, document)
            })?;
            self.removed += removed;
            self.commit = Some(commit);
        }
        Ok(())
    }
}

/// Whether a document is the very one that was found.
pub(super) fn is_same(found: &Document, now: &Document) -> bool {
    Arc::ptr_eq(&found.data, &now.data)
}
