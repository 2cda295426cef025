//! Sessions whose tokens were taken away.
//!
//! What enters: ids of sessions. What leaves: whether their tokens hold. Guarantees: a revocation counts at once, and
//! survives what the store survives; where the store cannot write, it counts until the host stops, and one that is taken back
//! counts again; tokens themselves are not kept.

use super::directory::ROOT;
use crate::store::{Commit, PathPattern, Store, StoreError, now};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Why and when.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Revocation {
    /// What the one who revoked it said.
    pub reason: String,
    /// Milliseconds since 1970.
    pub timestamp: u64,
}

/// All revocations.
pub struct Revocations {
    store: Arc<dyn Store>,
    revoked: Arc<RwLock<HashMap<String, Revocation>>>,
}

impl Revocations {
    /// Reads what a store holds.
    pub fn open(store: Arc<dyn Store>) -> Revocations {
        let mut revoked = HashMap::new();
        let folder = folder();
        store.scan(&PathPattern::new(&format!("{folder}*")), &mut |path, document| {
            let id = path.strip_prefix(&folder).unwrap_or_default();
            let revocation = serde_json::from_str(&document.data).unwrap_or_default();
            revoked.insert(id.to_owned(), revocation);
            true
        });
        Revocations {
            store,
            revoked: Arc::new(RwLock::new(revoked)),
        }
    }

    /// Revokes.
    ///
    /// # Errors
    ///
    /// When the store cannot write; the session is revoked all the same, until the host stops.
    pub fn revoke(&self, session_id: &str, reason: &str) -> Result<Commit, StoreError> {
        let revocation = Revocation {
            reason: reason.to_owned(),
            timestamp: now(),
        };
        let data = serde_json::to_string(&revocation).unwrap_or_else(|_| "{}".to_owned());
        insert(&self.revoked, session_id, revocation);
        let stored = self.store.set(&format!("{}{session_id}", folder()), &data)?;
        Ok(stored.commit)
    }

    /// Takes a revocation back.
    ///
    /// # Errors
    ///
    /// When the store cannot write; the session stays revoked then.
    pub fn restore(&self, session_id: &str) -> Result<Commit, StoreError> {
        let path = format!("{}{session_id}", folder());
        let (_, commit) = self
            .store
            .remove(&PathPattern::new(&path), &mut |found, _| found == path)?;
        let mut revoked = self.revoked.write().unwrap_or_else(PoisonError::into_inner);
        let removed = revoked.remove(session_id);
        drop(revoked);
        if let Some(revocation) = removed {
            let (revoked, id) = (self.revoked.clone(), session_id.to_owned());
            let take_back = move |outcome: Result<(), StoreError>| {
                if outcome.is_err() {
                    insert(&revoked, &id, revocation);
                }
            };
            self.store.when_committed(commit, Box::new(take_back));
        }
        Ok(commit)
    }

    /// Whether it is revoked.
    pub fn is_revoked(&self, session_id: &str) -> bool {
        let revoked = self.revoked.read().unwrap_or_else(PoisonError::into_inner);
        revoked.contains_key(session_id)
    }

    /// All of them.
    pub fn all(&self) -> Vec<(String, Revocation)> {
        let revoked = self.revoked.read().unwrap_or_else(PoisonError::into_inner);
        let all = revoked
            .iter()
            .map(|(id, revocation)| (id.clone(), revocation.clone()));
        all.collect()
    }
}

fn insert(revoked: &RwLock<HashMap<String, Revocation>>, session_id: &str, revocation: Revocation) {
    let mut revoked = revoked.write().unwrap_or_else(PoisonError::into_inner);
    revoked.insert(session_id.to_owned(), revocation);
}

fn folder() -> String {
    format!("{ROOT}_REVOKED/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Committed, Document, MemoryStore, StoreErrorKind, Stored};

    /// Takes what it is given and fails to commit it, or takes nothing.
    struct FullDisk {
        memory: MemoryStore,
        takes: bool,
    }

    fn full() -> StoreError {
        StoreError::new(StoreErrorKind::ReadOnly, "the disk is full")
    }

    impl Store for FullDisk {
        fn get(&self, path: &str) -> Option<Document> {
            self.memory.get(path)
        }

        fn update(
            &self,
            path: &str,
            change: &mut dyn FnMut(Option<&Document>) -> Option<Arc<str>>,
        ) -> Result<Option<Stored>, StoreError> {
            self.memory.update(path, change)
        }

        fn set(&self, path: &str, data: &str) -> Result<Stored, StoreError> {
            match self.takes {
                true => self.memory.set(path, data),
                false => Err(full()),
            }
        }

        fn remove(
            &self,
            pattern: &PathPattern<'_>,
            admits: &mut dyn FnMut(&str, &Document) -> bool,
        ) -> Result<(u64, Commit), StoreError> {
            self.memory.remove(pattern, admits)
        }

        fn scan(&self, pattern: &PathPattern<'_>, visit: &mut dyn FnMut(&str, &Document) -> bool) {
            self.memory.scan(pattern, visit);
        }

        fn count(&self) -> usize {
            self.memory.count()
        }

        fn when_committed(&self, _: Commit, then: Committed) {
            then(Err(full()));
        }
    }

    #[test]
    fn a_full_disk_keeps_nobody_in_and_lets_nobody_back() {
        for takes in [false, true] {
            let memory = MemoryStore::default();
            let revocations = Revocations::open(Arc::new(FullDisk { memory, takes }));
            assert_eq!(revocations.revoke("s", "stolen").is_ok(), takes);
            assert!(revocations.is_revoked("s"));
            revocations.restore("s").unwrap();
            assert!(
                revocations.is_revoked("s"),
                "what could not be committed is taken back"
            );
        }
    }
}
