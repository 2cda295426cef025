//! The counters of sessions, of connections that nobody has logged in with, and of subscriptions.
//!
//! Enters: the counts that sessions and their admission keep. Leaves: their series. Guarantees: those of the index are
//! apart, since a mesh has it beside its sessions.

use super::pubsub::Index;
use super::{Admission, Sessions};
use mesh_metrics::{Collect, Page};

impl Collect for Sessions {
    fn collect(&self, page: &mut Page) {
        let sessions = self.all();
        page.gauge("mesh_sessions", "Open websocket sessions.", sessions.len());
        let queued = sessions.iter().map(|session| session.outbound().queued_bytes());
        page.gauge(
            "mesh_session_queue_bytes",
            "Bytes queued for all sessions.",
            queued.sum::<usize>(),
        );
        page.counter(
            "mesh_slow_consumers_total",
            "Sessions closed because they read too slowly.",
            self.slow_consumers(),
        );
        self.admission().collect(page);
    }
}

impl Collect for Admission {
    fn collect(&self, page: &mut Page) {
        page.gauge(
            "mesh_connections_before_login",
            "Connections that nobody has logged in with, HTTP among them.",
            self.count(),
        );
        page.counter(
            "mesh_connections_refused_total",
            "Connections refused because too many were open without a login.",
            self.refused(),
        );
        page.counter(
            "mesh_login_timeouts_total",
            "Sessions closed because nobody logged in.",
            self.timed_out(),
        );
    }
}

impl Collect for Index {
    fn collect(&self, page: &mut Page) {
        page.gauge(
            "mesh_subscriptions",
            "Subscribed channels, counted for each session.",
            self.count(),
        );
    }
}
