//! Sessions whose tokens were taken away.
//!
//! What enters: ids of sessions. What leaves: whether their tokens hold. Guarantees: a revocation survives what the store
//! survives; tokens themselves are not kept.

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
    revoked: RwLock<HashMap<String, Revocation>>,
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
            revoked: RwLock::new(revoked),
        }
    }

    /// Revokes.
    ///
    /// # Errors
    ///
    /// When the store cannot write; the session is not revoked then.
    pub fn revoke(&self, session_id: &str, reason: &str) -> Result<Commit, StoreError> {
        let revocation = Revocation {
            reason: reason.to_owned(),
            timestamp: now(),
        };
        let data = serde_json::to_string(&revocation).unwrap_or_else(|_| "{}".to_owned());
        let stored = self.store.set(&format!("{}{session_id}", folder()), &data)?;
        let mut revoked = self.revoked.write().unwrap_or_else(PoisonError::into_inner);
        revoked.insert(session_id.to_owned(), revocation);
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
        revoked.remove(session_id);
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

fn folder() -> String {
    format!("{ROOT}_REVOKED/")
}
