//! In which order tokens were issued, whatever the clock of the host does.
//!
//! Enters: the time of the clock. Leaves: the place of a new token among those of its user, and marks that all tokens
//! so far are older than. Guarantees: a mark is later than every token that was issued before it. That holds also
//! when the clock went back meanwhile, and when the host was started again. A token that is issued after a mark is
//! not older than it.
//!
//! Places are milliseconds since 1970 where the clock never went back.

use super::directory::TOKENS_ISSUED;
use mesh_store::Store;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How far ahead the store is told, so that it is told once in this time.
const AHEAD: u64 = 60_000;

/// The latest place that was given.
pub(super) struct Issued {
    store: Arc<dyn Store>,
    latest: AtomicU64,
    /// The last place that the store knows.
    bound: AtomicU64,
}

impl Issued {
    /// As a store knows it.
    pub fn open(store: Arc<dyn Store>) -> Issued {
        let kept = store.get(TOKENS_ISSUED).and_then(|document| {
            let value: Value = serde_json::from_str(&document.data).ok()?;
            value.get("before")?.as_u64()
        });
        let kept = kept.unwrap_or_default();
        Issued {
            store,
            latest: AtomicU64::new(kept),
            bound: AtomicU64::new(kept),
        }
    }

    /// The place of a token that is issued now to a user whose tokens are valid from a mark on. No mark may be made meanwhile.
    pub fn place(&self, now: u64, valid_from: u64) -> u64 {
        let place = now.max(valid_from);
        self.note(place);
        place
    }

    /// Notes a token of another host, whose clock may be ahead.
    pub fn note(&self, place: u64) {
        self.latest.fetch_max(place, Ordering::AcqRel);
        if self.bound.load(Ordering::Acquire) >= place {
            return;
        }
        let bound = place.saturating_add(AHEAD);
        self.bound.fetch_max(bound, Ordering::AcqRel);
        let document = json!({ "before": bound }).to_string();
        if let Err(error) = self.store.set(TOKENS_ISSUED, &document) {
            // Then only a clock that goes back and a new start together let an older token hold.
            tracing::debug!("the time of the latest token is not kept: {error}");
        }
    }

    /// A mark: all tokens so far are older.
    pub fn mark(&self, now: u64) -> u64 {
        let latest = self.latest.load(Ordering::Acquire);
        let mark = now.max(latest.saturating_add(1));
        self.note(mark);
        mark
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_store::MemoryStore;

    #[test]
    fn a_mark_is_later_than_all_tokens_although_the_clock_went_back() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let issued = Issued::open(store.clone());
        let early = issued.place(1_000_000, 0);
        let late = issued.place(90_000_000, 0);
        let mark = issued.mark(1_000_100);
        assert!(early < mark && late < mark);
        let after = issued.place(1_000_200, mark);
        assert!(after >= mark, "what is issued afterwards holds");
        let next = issued.mark(1_000_300);
        assert!(after < next);
        assert!(
            issued.place(2_000_000, 0) < next,
            "whoever has no mark is not concerned"
        );

        let again = Issued::open(store);
        assert!(after < again.mark(1_000_400), "after a restart too");
    }

    #[test]
    fn two_changes_in_one_millisecond_are_two() {
        let issued = Issued::open(Arc::new(MemoryStore::default()));
        let first = issued.place(1000, 0);
        let mark = issued.mark(1000);
        let second = issued.place(1000, mark);
        assert!(first < mark && mark <= second && second < issued.mark(1000));
    }

    #[test]
    fn a_clock_ahead_on_another_host_counts() {
        let issued = Issued::open(Arc::new(MemoryStore::default()));
        issued.note(5000);
        assert!(issued.mark(1000) > 5000);
    }
}
