//! The state of a mesh for Prometheus: `/metrics`.
//!
//! Enters: counters that the parts of the mesh keep anyway, each described by the crate that counts. Leaves: one page
//! of all of them. Guarantees: the order of the families stays; counters never go back while what they count is there.

mod cluster;

use super::Mesh;
use mesh_metrics::{Collect, Kind, Labels, Page};
use mesh_plugin::Versions;
use std::sync::atomic::Ordering;

impl Mesh {
    /// The state at this moment, as text for Prometheus.
    pub fn metrics(&self) -> String {
        let mut page = Page::default();
        self.collect(&mut page);
        if let Some(security) = self.security() {
            security.collect(&mut page);
        }
        let registry = self.registry();
        let retired = self.retired();
        let loaded = registry.libraries().chain(&retired);
        Versions::of(loaded.map(|component| &**component)).collect(&mut page);
        self.sessions().collect(&mut page);
        self.subscriptions().collect(&mut page);
        self.store().collect(&mut page);
        if let Some(elsewhere) = self.elsewhere() {
            cluster::collect(&elsewhere.status(), &mut page);
        }
        page.into_text()
    }
}

/// The counters of the mesh itself.
impl Collect for Mesh {
    fn collect(&self, page: &mut Page) {
        let labels = Labels::default()
            .with("version", env!("CARGO_PKG_VERSION"))
            .with("name", self.name());
        page.family("mesh_info", Kind::Gauge, "The host and the mesh.")
            .sample(&labels, 1);
        page.gauge(
            "mesh_uptime_seconds",
            "Seconds since the mesh was made.",
            self.started.elapsed().as_secs_f64(),
        );
        let help = "Answers over HTTP, by the kind of their status.";
        let mut answers = page.family("mesh_http_answers_total", Kind::Counter, help);
        for (kind, count) in self.http_answers.iter().enumerate().skip(1) {
            let labels = Labels::default().with("status", format_args!("{kind}xx"));
            answers.sample(&labels, count.load(Ordering::Relaxed));
        }
    }
}
