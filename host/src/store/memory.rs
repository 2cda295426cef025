//! Documents in memory, in order of their paths.

use super::{Commit, Committed, Document, PathPattern, Store, StoreError, Stored, now};
use crate::protocol::DocumentMeta;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

/// An ordered map behind a lock that readers share.
#[derive(Debug, Default)]
pub struct MemoryStore {
    documents: RwLock<BTreeMap<Arc<str>, Document>>,
}

impl Store for MemoryStore {
    fn get(&self, path: &str) -> Option<Document> {
        self.documents
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(path)
            .cloned()
    }

    fn update(
        &self,
        path: &str,
        change: &mut dyn FnMut(Option<&Document>) -> Option<Arc<str>>,
    ) -> Result<Option<Stored>, StoreError> {
        let mut documents = self.documents.write().unwrap_or_else(PoisonError::into_inner);
        let Some(data) = change(documents.get(path)) else {
            return Ok(None);
        };
        Ok(Some(written(&mut documents, path, data)))
    }

    fn set(&self, path: &str, data: &str) -> Result<Stored, StoreError> {
        let data: Arc<str> = data.into();
        let mut documents = self.documents.write().unwrap_or_else(PoisonError::into_inner);
        Ok(written(&mut documents, path, data))
    }

    fn remove(
        &self,
        pattern: &PathPattern<'_>,
        admits: &mut dyn FnMut(&str, &Document) -> bool,
    ) -> Result<(u64, Commit), StoreError> {
        let mut documents = self.documents.write().unwrap_or_else(PoisonError::into_inner);
        let matching: Vec<Arc<str>> = below(&documents, pattern)
            .filter(|(path, document)| admits(path, document))
            .map(|(path, _)| path.clone())
            .collect();
        for path in &matching {
            documents.remove(path);
        }
        Ok((matching.len() as u64, Commit::Done))
    }

    fn scan(&self, pattern: &PathPattern<'_>, visit: &mut dyn FnMut(&str, &Document) -> bool) {
        let documents = self.documents.read().unwrap_or_else(PoisonError::into_inner);
        for (path, document) in below(&documents, pattern) {
            if !visit(path, document) {
                return;
            }
        }
    }

    fn count(&self) -> usize {
        self.documents
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    fn when_committed(&self, _: Commit, then: Committed) {
        then(Ok(()));
    }
}

fn written(documents: &mut BTreeMap<Arc<str>, Document>, path: &str, data: Arc<str>) -> Stored {
    let modified = now();
    let document = match documents.get_mut(path) {
        Some(document) => {
            document.data = data;
            document.meta.modified = modified;
            document.clone()
        }
        None => {
            let created = modified;
            let meta = DocumentMeta { created, modified };
            let document = Document { data, meta };
            documents.insert(path.into(), document.clone());
            document
        }
    };
    let commit = Commit::Done;
    Stored { document, commit }
}

/// The documents that match a pattern, in order.
fn below<'a>(
    documents: &'a BTreeMap<Arc<str>, Document>,
    pattern: &'a PathPattern<'_>,
) -> impl Iterator<Item = (&'a Arc<str>, &'a Document)> {
    let literal = pattern.literal();
    let last = if pattern.has_wildcard() {
        Bound::Unbounded
    } else {
        Bound::Included(literal)
    };
    documents
        .range::<str, _>((Bound::Included(literal), last))
        .take_while(move |(path, _)| path.starts_with(literal))
        .filter(|(path, _)| pattern.matches(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remove(store: &MemoryStore, pattern: &str) -> u64 {
        store
            .remove(&PathPattern::new(pattern), &mut |_, _| true)
            .unwrap()
            .0
    }

    #[test]
    fn an_update_sees_what_is_there_and_may_decline() {
        let store = MemoryStore::default();
        let made = store.update("/a", &mut |before| before.is_none().then(|| "{}".into()));
        assert_eq!(&*made.unwrap().unwrap().document.data, "{}");
        let declined = store.update("/a", &mut |before| before.is_none().then(|| "{}".into()));
        assert!(declined.unwrap().is_none());
    }

    #[test]
    fn created_survives_overwriting_and_not_removal() {
        let store = MemoryStore::default();
        let first = store.set("/a", r#"{"n":1}"#).unwrap().document.meta;
        let second = store.set("/a", r#"{"n":2}"#).unwrap().document.meta;
        assert_eq!(second.created, first.created);
        assert_eq!(&*store.get("/a").unwrap().data, r#"{"n":2}"#);
        assert_eq!(remove(&store, "/a"), 1);
        assert_eq!(remove(&store, "/a"), 0);
        assert!(store.get("/a").is_none());
    }

    #[test]
    fn scans_are_ordered_and_bounded_by_the_literal_beginning() {
        let store = MemoryStore::default();
        for path in ["/b/1", "/a/2", "/a/1", "/a/1/x", "/ab"] {
            store.set(path, "{}").unwrap();
        }
        let mut seen = Vec::new();
        store.scan(&PathPattern::new("/a/*"), &mut |path, _| {
            seen.push(path.to_owned());
            true
        });
        assert_eq!(seen, ["/a/1", "/a/1/x", "/a/2"]);
        assert_eq!(remove(&store, "/a*"), 4);
        assert_eq!(store.count(), 1);
    }
}
