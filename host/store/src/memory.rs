//! Documents in memory.

use super::index::{Change, Index};
use super::{Commit, Committed, Cursor, Document, Item, PathPattern, Step, Store, StoreError, Stored};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// An ordered map behind a lock that readers share.
#[derive(Debug, Default)]
pub struct MemoryStore {
    index: RwLock<Index>,
}

impl MemoryStore {
    fn read(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn get(&self, path: &str) -> Option<Document> {
        self.read().get(path).cloned()
    }

    fn update_by(
        &self,
        path: &str,
        by: Option<&Arc<str>>,
        change: &mut dyn FnMut(Option<&Document>) -> Option<Arc<str>>,
    ) -> Result<Option<Stored>, StoreError> {
        let mut index = self.write();
        let Some(data) = change(index.get(path)) else {
            return Ok(None);
        };
        Ok(Some(stored(index.set(path, data, by.cloned()))))
    }

    fn set_by(&self, path: &str, data: &str, by: Option<&Arc<str>>) -> Result<Stored, StoreError> {
        let data: Arc<str> = data.into();
        // The replaced document is freed after the lock.
        let written = self.write().set(path, data, by.cloned());
        Ok(stored(written))
    }

    fn remove(
        &self,
        pattern: &PathPattern<'_>,
        admits: &mut dyn FnMut(&str, &Document) -> bool,
    ) -> Result<(u64, Commit), StoreError> {
        let removed = self.write().remove(pattern, admits);
        Ok((removed.len() as u64, Commit::Done))
    }

    fn remove_found(
        &self,
        found: &[Item],
        _: Step,
        admits: &mut dyn FnMut(&str, &Document) -> bool,
    ) -> Result<(u64, Commit), StoreError> {
        let removed = self.write().remove_found(found, admits);
        Ok((removed.len() as u64, Commit::Done))
    }

    fn slice(&self, pattern: &PathPattern<'_>, cursor: &mut Cursor, found: &mut Vec<Item>) -> usize {
        self.read().slice(pattern, cursor, found)
    }

    fn count(&self) -> usize {
        self.read().count()
    }

    fn when_committed(&self, _: Commit, then: Committed) {
        then(Ok(()));
    }
}

fn stored((document, change): (Document, Change)) -> Stored {
    Stored {
        document,
        is_new: change.before.is_none(),
        commit: Commit::Done,
    }
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
        let made = store.update_by("/a", None, &mut |before| before.is_none().then(|| "{}".into()));
        assert_eq!(&*made.unwrap().unwrap().document.data, "{}");
        let declined = store.update_by("/a", None, &mut |before| before.is_none().then(|| "{}".into()));
        assert!(declined.unwrap().is_none());
    }

    #[test]
    fn the_last_writer_is_known_if_it_was_named() {
        let store = MemoryStore::default();
        let (ada, bob) = ("ada".into(), "bob".into());
        let by = || store.get("/a").unwrap().modified_by;
        assert!(store.set_by("/a", "{}", Some(&ada)).unwrap().is_new);
        assert_eq!(by().as_deref(), Some("ada"));
        let merged = store.update_by("/a", Some(&bob), &mut |_| Some("{}".into()));
        assert!(!merged.unwrap().unwrap().is_new);
        assert_eq!(by().as_deref(), Some("bob"));
        store.set("/a", "{}").unwrap();
        assert_eq!(by(), None);
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
