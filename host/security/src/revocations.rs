//! Sessions whose tokens were taken away.
//!
//! Enters: ids of sessions, and what is known of their tokens. Leaves: whether their tokens hold. Guarantees: a
//! revocation counts at once, and survives what the store survives. Where the store cannot write, it counts until the
//! host stops, and one that is withdrawn counts again. It is forgotten when its token would not hold without it
//! either, and not before. Tokens themselves are not kept.

use super::directory::ROOT;
use mesh_store::{Commit, PathPattern, Store, StoreError, now};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

/// Above this number the log tells, and again at each tenfold.
const MANY: usize = 10_000;

/// Why and when.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Revocation {
    /// The reason of the one who revoked it.
    pub reason: String,
    /// Milliseconds since 1970.
    pub timestamp: u64,
    /// The token's content. `None` where only a session was named: that is remembered for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<RevokedToken>,
}

/// The part of a revoked token that tells when the token is worthless by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokedToken {
    /// Whose it was.
    pub username: String,
    /// The user's own id.
    pub userid: String,
    /// When it was made: milliseconds since 1970.
    pub issued: u64,
    /// When it ends; `None` is never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
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
    pub fn revoke(
        &self,
        session_id: &str,
        reason: &str,
        token: Option<RevokedToken>,
    ) -> Result<Commit, StoreError> {
        let revocation = Revocation {
            reason: reason.to_owned(),
            timestamp: now(),
            token,
        };
        let data = serde_json::to_string(&revocation).unwrap_or_else(|_| "{}".to_owned());
        let count = insert(&self.revoked, session_id, revocation);
        if count.is_some_and(is_many) {
            tracing::warn!(
                "{} tokens are revoked and may still be valid otherwise: profiles with `ttl_seconds` let revocations be forgotten",
                count.unwrap_or_default()
            );
        }
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
                    let _ = insert(&revoked, &id, revocation);
                }
            };
            self.store.when_committed(commit, Box::new(take_back));
        }
        Ok(commit)
    }

    /// Forgets revocations of tokens that are `over`: that do not hold without it either. They count until that survives, as
    /// what ended the token does then.
    ///
    /// # Errors
    ///
    /// When the store cannot write; nothing is forgotten then.
    pub fn forget(&self, over: impl Fn(&str, &RevokedToken) -> bool) -> Result<(), StoreError> {
        let folder = folder();
        let mut forgotten = HashSet::new();
        for (id, revocation) in &*self.revoked.read().unwrap_or_else(PoisonError::into_inner) {
            if revocation.token.as_ref().is_some_and(|token| over(id, token)) {
                forgotten.insert(format!("{folder}{id}"));
            }
        }
        if forgotten.is_empty() {
            return Ok(());
        }
        let all = format!("{folder}*");
        let (_, commit) = self
            .store
            .remove(&PathPattern::new(&all), &mut |path, _| forgotten.contains(path))?;
        let revoked = self.revoked.clone();
        let then = move |outcome: Result<(), StoreError>| {
            if outcome.is_ok() {
                let mut revoked = revoked.write().unwrap_or_else(PoisonError::into_inner);
                revoked.retain(|id, _| !forgotten.contains(&format!("{folder}{id}")));
                revoked.shrink_to_fit();
            }
        };
        self.store.when_committed(commit, Box::new(then));
        Ok(())
    }

    /// Whether it is revoked.
    pub fn is_revoked(&self, session_id: &str) -> bool {
        let revoked = self.revoked.read().unwrap_or_else(PoisonError::into_inner);
        revoked.contains_key(session_id)
    }

    /// Whose token was revoked, where that is known.
    pub fn user_of(&self, session_id: &str) -> Option<String> {
        let revoked = self.revoked.read().unwrap_or_else(PoisonError::into_inner);
        Some(revoked.get(session_id)?.token.as_ref()?.username.clone())
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

/// The number of revocations, when this one is new.
fn insert(
    revoked: &RwLock<HashMap<String, Revocation>>,
    session_id: &str,
    revocation: Revocation,
) -> Option<usize> {
    let mut revoked = revoked.write().unwrap_or_else(PoisonError::into_inner);
    let before = revoked.insert(session_id.to_owned(), revocation);
    before.is_none().then_some(revoked.len())
}

/// Whether it is [`MANY`], or ten times as many, or a hundred times.
fn is_many(count: usize) -> bool {
    let mut many = MANY;
    while many < count {
        many = many.saturating_mul(10);
    }
    many == count
}

fn folder() -> String {
    format!("{ROOT}_REVOKED/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::full_disk::{Disk, FullDisk};

    #[test]
    fn a_full_disk_keeps_nobody_in_and_lets_nobody_back() {
        for disk in [Disk::Takes, Disk::Refuses] {
            let store = FullDisk::new();
            store.becomes(disk);
            let revocations = Revocations::open(Arc::new(store.clone()));
            assert_eq!(
                revocations.revoke("s", "stolen", None).is_ok(),
                disk == Disk::Takes
            );
            assert!(revocations.is_revoked("s"));
            store.becomes(Disk::Takes);
            revocations.restore("s").unwrap();
            store.answer_commits(false);
            assert!(
                revocations.is_revoked("s"),
                "what could not be committed is rolled back"
            );
        }
    }

    fn token(issued: u64, expires: Option<u64>) -> Option<RevokedToken> {
        let (username, userid) = ("bob".to_owned(), "u".to_owned());
        Some(RevokedToken {
            username,
            userid,
            issued,
            expires,
        })
    }

    #[test]
    fn revocations_of_expired_tokens_are_forgotten_in_memory_and_store() {
        let store = FullDisk::new();
        let revocations = Revocations::open(Arc::new(store.clone()));
        revocations.revoke("short", "", token(1, Some(10))).unwrap();
        revocations.revoke("long", "", token(1, Some(20))).unwrap();
        revocations.revoke("endless", "", token(1, None)).unwrap();
        revocations.revoke("unknown", "", None).unwrap();
        store.answer_commits(true);
        let over = |_: &str, token: &RevokedToken| token.expires.is_some_and(|expires| expires <= 10);
        revocations.forget(over).unwrap();
        assert!(revocations.is_revoked("short"), "not while it may come back");
        store.answer_commits(false);
        assert!(revocations.is_revoked("short"));
        store.becomes(Disk::Refuses);
        assert!(revocations.forget(over).is_err());
        assert!(revocations.is_revoked("short"));
        store.becomes(Disk::Takes);
        revocations.forget(over).unwrap();
        store.answer_commits(true);
        for revocations in [&revocations, &Revocations::open(Arc::new(store.clone()))] {
            let mut left: Vec<String> = revocations.all().into_iter().map(|(id, _)| id).collect();
            left.sort();
            assert_eq!(left, ["endless", "long", "unknown"]);
        }
    }

    #[test]
    fn revocations_of_earlier_hosts_still_count() {
        let store = FullDisk::new();
        let path = format!("{}old", folder());
        Store::set(&store, &path, r#"{"reason":"x","timestamp":1}"#).unwrap();
        let revocations = Revocations::open(Arc::new(store));
        revocations.forget(|_, _| true).unwrap();
        assert!(revocations.is_revoked("old"));
    }

    #[test]
    fn many_revocations_are_logged_at_each_tenfold() {
        let told: Vec<usize> = (1..200_000).filter(|count| is_many(*count)).collect();
        assert_eq!(told, [10_000, 100_000]);
    }
}
