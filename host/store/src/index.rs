//! Documents in order of their paths: what every engine answers reads from.
//!
//! Enters: writes, one at a time. Leaves: documents, and for each write the [`Change`] it made. Guarantees:
//! undoing changes, the last one first, restores exactly what was there before them.

use super::cursor::{Cursor, Item, SLICE};
use super::removal::is_same;
use super::{Document, PathPattern, now};
use mesh_wire::protocol::DocumentMeta;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// An ordered map of documents.
#[derive(Debug, Default)]
pub(super) struct Index {
    documents: BTreeMap<Arc<str>, Document>,
}

/// One document's change.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) path: Arc<str>,
    /// The old document.
    pub(super) before: Option<Document>,
    /// The new document.
    pub(super) after: Option<Document>,
}

impl Index {
    /// An index of documents that come in ascending order of paths: much faster, and denser in memory, than writing
    /// them one by one.
    pub(super) fn from_ordered(documents: Vec<(Arc<str>, Document)>) -> Index {
        Index {
            documents: documents.into_iter().collect(),
        }
    }

    pub(super) fn get(&self, path: &str) -> Option<&Document> {
        self.documents.get(path)
    }

    /// All paths, in order.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.documents.keys().map(|path| &**path)
    }

    pub(super) fn count(&self) -> usize {
        self.documents.len()
    }

    /// Writes a document: `created` is kept, `modified` is now, and who wrote it before is forgotten. Returns it with the change.
    pub(super) fn set(
        &mut self,
        path: &str,
        data: Arc<str>,
        modified_by: Option<Arc<str>>,
    ) -> (Document, Change) {
        let modified = now();
        let here = (Bound::Included(path), Bound::Included(path));
        // Not `get_mut`: the change shares the key that is in the map already.
        if let Some((key, document)) = self.documents.range_mut::<str, _>(here).next() {
            let created = document.meta.created;
            let after = Document {
                data,
                meta: DocumentMeta { created, modified },
                modified_by,
            };
            let before = std::mem::replace(document, after.clone());
            let change = Change {
                path: key.clone(),
                before: Some(before),
                after: Some(after.clone()),
            };
            return (after, change);
        }
        let created = modified;
        let after = Document {
            data,
            meta: DocumentMeta { created, modified },
            modified_by,
        };
        let key: Arc<str> = path.into();
        self.documents.insert(key.clone(), after.clone());
        let change = Change {
            path: key,
            before: None,
            after: Some(after.clone()),
        };
        (after, change)
    }

    /// Removes the documents that match and that `admits` wants removed.
    pub(super) fn remove(
        &mut self,
        pattern: &PathPattern<'_>,
        admits: &mut dyn FnMut(&str, &Document) -> bool,
    ) -> Vec<Change> {
        let changes: Vec<Change> = self
            .matching(pattern)
            .filter(|(path, document)| admits(path, document))
            .map(|(path, document)| Change {
                path: path.clone(),
                before: Some(document.clone()),
                after: None,
            })
            .collect();
        for change in &changes {
            self.documents.remove(&change.path);
        }
        changes
    }

    /// Removes documents that were found by a slice. Those that were written since are removed where `admits` wants it.
    pub(super) fn remove_found(
        &mut self,
        found: &[Item],
        admits: &mut dyn FnMut(&str, &Document) -> bool,
    ) -> Vec<Change> {
        let mut changes = Vec::with_capacity(found.len());
        for (path, as_found) in found {
            let wanted = self
                .documents
                .get(path)
                .is_some_and(|now| is_same(as_found, now) || admits(path, now));
            if wanted && let Some(before) = self.documents.remove(path) {
                changes.push(Change {
                    path: path.clone(),
                    before: Some(before),
                    after: None,
                });
            }
        }
        changes
    }

    /// Undoes the last change that was made and not undone yet.
    pub(super) fn undo(&mut self, change: Change) {
        match change.before {
            Some(before) => {
                self.documents.insert(change.path, before);
            }
            None => {
                self.documents.remove(&change.path);
            }
        }
    }

    /// Appends the documents that match behind the cursor, as far as one slice goes. Returns how many were looked at.
    pub(super) fn slice(
        &self,
        pattern: &PathPattern<'_>,
        cursor: &mut Cursor,
        found: &mut Vec<Item>,
    ) -> usize {
        let literal = pattern.literal();
        let first = cursor.after().map_or(Bound::Included(literal), Bound::Excluded);
        let mut seen = 0;
        let mut last = None;
        // Not beyond the literal beginning: nothing there can match.
        let behind = self.documents.range::<str, _>((first, Bound::Unbounded));
        for (path, document) in behind.take_while(|(path, _)| path.starts_with(literal)) {
            seen += 1;
            if pattern.matches(path) {
                found.push((path.clone(), document.clone()));
            }
            if seen == SLICE || !pattern.has_wildcard() {
                last = Some(path);
                break;
            }
        }
        match last.filter(|_| pattern.has_wildcard()) {
            Some(path) => cursor.advance(path.clone()),
            None => cursor.end(),
        }
        seen
    }

    /// The documents that match a pattern, in order.
    fn matching<'a>(
        &'a self,
        pattern: &'a PathPattern<'_>,
    ) -> impl Iterator<Item = (&'a Arc<str>, &'a Document)> {
        let literal = pattern.literal();
        let last = if pattern.has_wildcard() {
            Bound::Unbounded
        } else {
            Bound::Included(literal)
        };
        self.documents
            .range::<str, _>((Bound::Included(literal), last))
            .take_while(move |(path, _)| path.starts_with(literal))
            .filter(|(path, _)| pattern.matches(path))
    }
}
