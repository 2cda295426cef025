//! Documents in memory, in order of their paths.

use super::{Document, PathPattern, Store, StoreError, now};
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

    fn set(&self, path: &str, data: &str) -> Result<DocumentMeta, StoreError> {
        let data: Arc<str> = data.into();
        let mut documents = self.documents.write().unwrap_or_else(PoisonError::into_inner);
        let modified = now();
        match documents.get_mut(path) {
            Some(document) => {
                document.data = data;
                document.meta.modified = modified;
                Ok(document.meta)
            }
            None => {
                let meta = DocumentMeta {
                    created: modified,
                    modified,
                };
                documents.insert(path.into(), Document { data, meta });
                Ok(meta)
            }
        }
    }

    fn remove(&self, pattern: &PathPattern<'_>) -> Result<u64, StoreError> {
        let mut documents = self.documents.write().unwrap_or_else(PoisonError::into_inner);
        if !pattern.has_wildcard() {
            return Ok(u64::from(documents.remove(pattern.text()).is_some()));
        }
        let matching: Vec<Arc<str>> = below(&documents, pattern.literal())
            .filter(|(path, _)| pattern.matches(path))
            .map(|(path, _)| path.clone())
            .collect();
        for path in &matching {
            documents.remove(path);
        }
        Ok(matching.len() as u64)
    }

    fn scan(&self, pattern: &PathPattern<'_>, visit: &mut dyn FnMut(&str, &Document) -> bool) {
        let documents = self.documents.read().unwrap_or_else(PoisonError::into_inner);
        for (path, document) in below(&documents, pattern.literal()) {
            if pattern.matches(path) && !visit(path, document) {
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
}

fn below<'a>(
    documents: &'a BTreeMap<Arc<str>, Document>,
    literal: &'a str,
) -> impl Iterator<Item = (&'a Arc<str>, &'a Document)> {
    documents
        .range::<str, _>((Bound::Included(literal), Bound::Unbounded))
        .take_while(move |(path, _)| path.starts_with(literal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn created_survives_overwriting_and_not_removal() {
        let store = MemoryStore::default();
        let first = store.set("/a", r#"{"n":1}"#).unwrap();
        let second = store.set("/a", r#"{"n":2}"#).unwrap();
        assert_eq!(second.created, first.created);
        assert_eq!(&*store.get("/a").unwrap().data, r#"{"n":2}"#);
        assert_eq!(store.remove(&PathPattern::new("/a")).unwrap(), 1);
        assert_eq!(store.remove(&PathPattern::new("/a")).unwrap(), 0);
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
        assert_eq!(store.remove(&PathPattern::new("/a*")).unwrap(), 4);
        assert_eq!(store.count(), 1);
    }
}
