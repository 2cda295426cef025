//! The documents that clients and components may reach: all but those that the host keeps for itself.
//!
//! Enters: any request to a store. Leaves: its outcome, as if what is below [`RESERVED`] were not there. Guarantees:
//! code that has only this store neither sees nor changes users, their hashes, or what tokens are signed with.

use super::{Commit, Committed, Cursor, Document, Health, Item, PathPattern, Step, Store, StoreError};
use super::{StoreErrorKind, Stored};
use std::sync::Arc;

/// The paths that the host keeps for itself (docs/protocol.md 9.2).
pub const RESERVED: &str = "/_SYSTEM/_SECURITY/";

/// A store without what the host keeps for itself.
pub struct PublicStore(Arc<dyn Store>);

impl PublicStore {
    /// A view of this store.
    pub fn new(store: Arc<dyn Store>) -> PublicStore {
        PublicStore(store)
    }

    /// Whether a pattern can match something that is kept.
    fn may_reach(pattern: &PathPattern<'_>) -> bool {
        let literal = pattern.literal();
        RESERVED.starts_with(literal) || literal.starts_with(RESERVED)
    }

    fn check(path: &str) -> Result<(), StoreError> {
        if path.starts_with(RESERVED) {
            let message = format!("what is below {RESERVED} is kept by the host itself");
            return Err(StoreError::new(StoreErrorKind::Reserved, message));
        }
        Ok(())
    }
}

impl Store for PublicStore {
    fn get(&self, path: &str) -> Option<Document> {
        self.0.get(path).filter(|_| !path.starts_with(RESERVED))
    }

    fn update_by(
        &self,
        path: &str,
        by: Option<&Arc<str>>,
        change: &mut dyn FnMut(Option<&Document>) -> Option<Arc<str>>,
    ) -> Result<Option<Stored>, StoreError> {
        PublicStore::check(path)?;
        self.0.update_by(path, by, change)
    }

    fn set_by(&self, path: &str, data: &str, by: Option<&Arc<str>>) -> Result<Stored, StoreError> {
        PublicStore::check(path)?;
        self.0.set_by(path, data, by)
    }

    fn remove(
        &self,
        pattern: &PathPattern<'_>,
        admits: &mut dyn FnMut(&str, &Document) -> bool,
    ) -> Result<(u64, Commit), StoreError> {
        if !PublicStore::may_reach(pattern) {
            return self.0.remove(pattern, admits);
        }
        self.0.remove(pattern, &mut |path, document| {
            !path.starts_with(RESERVED) && admits(path, document)
        })
    }

    fn remove_found(
        &self,
        found: &[Item],
        step: Step,
        admits: &mut dyn FnMut(&str, &Document) -> bool,
    ) -> Result<(u64, Commit), StoreError> {
        found.iter().try_for_each(|(path, _)| PublicStore::check(path))?;
        self.0.remove_found(found, step, admits)
    }

    fn slice(&self, pattern: &PathPattern<'_>, cursor: &mut Cursor, found: &mut Vec<Item>) -> usize {
        let before = found.len();
        let seen = self.0.slice(pattern, cursor, found);
        if PublicStore::may_reach(pattern) && found.len() > before {
            found.retain(|(path, _)| !path.starts_with(RESERVED));
        }
        seen
    }

    fn count(&self) -> usize {
        self.0.count()
    }

    fn when_committed(&self, commit: Commit, then: Committed) {
        self.0.when_committed(commit, then);
    }

    fn health(&self) -> Health {
        self.0.health()
    }

    fn close(&self) -> Result<(), StoreError> {
        self.0.close()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryStore;

    #[test]
    fn reserved_paths_are_not_there() {
        let all: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let user = format!("{RESERVED}_USER/bob");
        all.set(&user, r#"{"password":"hash"}"#).unwrap();
        let public = PublicStore::new(all.clone());
        public.set("/a", "{}").unwrap();
        assert!(public.get(&user).is_none());
        let refused = public.set(&user, "{}").unwrap_err();
        assert_eq!(refused.kind(), StoreErrorKind::Reserved);
        assert!(public.update_by(&user, None, &mut |_| Some("{}".into())).is_err());
        for pattern in [
            "*",
            "/*",
            "/_S*",
            "/_SYSTEM/_SECURITY/*",
            "/_SYSTEM/_SECURITY/_U*",
            "*bob",
            user.as_str(),
        ] {
            let mut seen = Vec::new();
            public.scan(&PathPattern::new(pattern), &mut |path, _| {
                seen.push(path.to_owned());
                true
            });
            assert!(!seen.contains(&user), "{pattern}");
            public
                .remove(&PathPattern::new(pattern), &mut |_, _| true)
                .unwrap();
            assert!(all.get(&user).is_some(), "{pattern}");
        }
        assert!(public.get("/a").is_none(), "what is not kept was removed");
    }
}
