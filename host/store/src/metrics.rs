//! The counters of a store.
//!
//! Enters: how a store says that it is. Leaves: its series. Guarantees: the same series for each engine; an engine
//! without a disk has nothing waiting.

use super::Store;
use mesh_metrics::{Collect, Page};

impl Collect for dyn Store + '_ {
    fn collect(&self, page: &mut Page) {
        let health = self.health();
        page.gauge("mesh_documents", "Stored documents.", self.count());
        page.gauge(
            "mesh_store_writes_waiting",
            "Writes that are not on disk yet.",
            health.waiting,
        );
        page.counter(
            "mesh_store_commits_total",
            "Commits since the store was opened.",
            health.commits,
        );
        page.gauge(
            "mesh_store_damaged_records",
            "Records left out as damaged when the store was opened.",
            health.damaged,
        );
        page.gauge(
            "mesh_store_writable",
            "Whether the store takes writes.",
            u8::from(health.failure.is_none()),
        );
    }
}
