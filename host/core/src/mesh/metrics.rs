//! The state of a mesh for Prometheus: `/metrics`.
//!
//! Enters: counters that the parts of the mesh keep anyway. Leaves: text in the exposition format 0.0.4. Guarantees:
//! each version of a component has lines of its own; counters never go back while their version is loaded.

use super::Mesh;
use mesh_plugin::ffi::interpose;
use mesh_plugin::{Component, ComponentState, LATENCY_STEPS};
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The text, family by family.
#[derive(Default)]
struct Exposition(String);

impl Exposition {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let _ = match labels.is_empty() {
            true => writeln!(self.0, "{name} {value}"),
            false => writeln!(self.0, "{name}{{{labels}}} {value}"),
        };
    }

    /// A family with one sample.
    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
        self.family(name, kind, help);
        self.sample(name, "", value);
    }
}

/// A name, a kind, a help text, and where the value is.
type Family = (&'static str, &'static str, &'static str, fn(&Component) -> u64);

/// The counters of each version of a component.
const FAMILIES: [Family; 10] = [
    (
        "mesh_component_calls_total",
        "counter",
        "Calls taken.",
        |component| component.calls(),
    ),
    (
        "mesh_component_errors_total",
        "counter",
        "Calls that ended with an error.",
        |component| component.errors(),
    ),
    (
        "mesh_component_panics_total",
        "counter",
        "Calls that ended with a panic.",
        |component| component.panics(),
    ),
    (
        "mesh_component_timeouts_total",
        "counter",
        "Calls given up at their deadline.",
        |component| component.timeouts(),
    ),
    (
        "mesh_component_refused_calls_total",
        "counter",
        "Calls refused because too many were waiting.",
        |component| component.refused_calls(),
    ),
    (
        "mesh_component_late_completions_total",
        "counter",
        "Answers that came late or twice.",
        |component| component.late_completions(),
    ),
    (
        "mesh_component_dropped_events_total",
        "counter",
        "Events dropped because a lane's queue was full.",
        |component| component.dropped_events(),
    ),
    (
        "mesh_component_calls_pending",
        "gauge",
        "Calls not yet answered.",
        |component| component.pending() as u64,
    ),
    (
        "mesh_component_calls_waiting",
        "gauge",
        "Calls and events that wait until a version takes them.",
        |component| component.waiting() as u64,
    ),
    (
        "mesh_component_lanes",
        "gauge",
        "Threads that run its code.",
        |component| component.lanes() as u64,
    ),
];

/// A value of a label.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

fn labels_of(component: &Component) -> String {
    format!(
        "component=\"{}\",version=\"{}\"",
        label(component.name()),
        label(component.descriptor().version().text())
    )
}

impl Mesh {
    /// The state at this moment, as text for Prometheus.
    pub fn metrics(&self) -> String {
        let mut out = Exposition::default();
        out.family("mesh_info", "gauge", "The host and the mesh.");
        let labels = format!(
            "version=\"{}\",name=\"{}\"",
            env!("CARGO_PKG_VERSION"),
            label(self.name())
        );
        out.sample("mesh_info", &labels, 1);
        out.single(
            "mesh_uptime_seconds",
            "gauge",
            "Seconds since the mesh was made.",
            self.started.elapsed().as_secs_f64(),
        );
        let name = "mesh_http_answers_total";
        out.family(name, "counter", "Answers over HTTP, by the kind of their status.");
        for (kind, count) in self.http_answers.iter().enumerate().skip(1) {
            let labels = format!("status=\"{kind}xx\"");
            out.sample(name, &labels, count.load(Ordering::Relaxed));
        }
        if let Some(security) = self.security() {
            let name = "mesh_logins_refused_total";
            out.family(name, "counter", "Logins refused, by reason.");
            for (reason, count) in security.refused_logins() {
                out.sample(name, &format!("reason=\"{}\"", label(reason)), count);
            }
        }
        self.write_components(&mut out);
        self.write_sessions(&mut out);
        self.write_store(&mut out);
        out.0
    }

    fn write_components(&self, out: &mut Exposition) {
        let registry = self.registry();
        let retired = self.retired();
        let all: Vec<&Arc<Component>> = registry
            .in_order()
            .chain(&retired)
            .filter(|component| !component.is_native())
            .collect();
        for (name, kind, help, read) in FAMILIES {
            out.family(name, kind, help);
            for component in &all {
                out.sample(name, &labels_of(component), read(component));
            }
        }
        out.family(
            "mesh_component_state",
            "gauge",
            "1 for the state that a version is in.",
        );
        for component in &all {
            let labels = format!(
                "{},state=\"{}\"",
                labels_of(component),
                component.state().as_str()
            );
            out.sample("mesh_component_state", &labels, 1);
        }
        let resident = all
            .iter()
            .filter(|component| component.state() == ComponentState::Resident);
        out.single(
            "mesh_resident_libraries",
            "gauge",
            "Libraries that are in memory although they were unloaded.",
            resident.count(),
        );
        let name = "mesh_component_call_duration_seconds";
        out.family(name, "histogram", "Time from taking a call to its answer.");
        for component in &all {
            let (labels, latencies) = (labels_of(component), component.latencies());
            let mut sum = 0;
            for (end, count) in LATENCY_STEPS.iter().zip(&latencies.counts) {
                sum += count;
                let seconds = *end as f64 / 1e6;
                out.sample(
                    &format!("{name}_bucket"),
                    &format!("{labels},le=\"{seconds}\""),
                    sum,
                );
            }
            let all = latencies.counts.iter().sum::<u64>();
            out.sample(&format!("{name}_bucket"), &format!("{labels},le=\"+Inf\""), all);
            out.sample(
                &format!("{name}_sum"),
                &labels,
                latencies.microseconds as f64 / 1e6,
            );
            out.sample(&format!("{name}_count"), &labels, all);
        }
        out.single(
            "mesh_thread_keys",
            "gauge",
            "Thread keys that libraries hold.",
            interpose::keys_in_use(),
        );
    }

    fn write_sessions(&self, out: &mut Exposition) {
        let sessions = self.sessions().all();
        out.single(
            "mesh_sessions",
            "gauge",
            "Open websocket sessions.",
            sessions.len(),
        );
        let queued: usize = sessions
            .iter()
            .map(|session| session.outbound().queued_bytes())
            .sum();
        out.single(
            "mesh_session_queue_bytes",
            "gauge",
            "Bytes queued for all sessions.",
            queued,
        );
        out.single(
            "mesh_slow_consumers_total",
            "counter",
            "Sessions closed because they read too slowly.",
            self.sessions().slow_consumers(),
        );
        let admission = self.sessions().admission();
        out.single(
            "mesh_connections_before_login",
            "gauge",
            "Connections that nobody has logged in with, HTTP among them.",
            admission.count(),
        );
        out.single(
            "mesh_connections_refused_total",
            "counter",
            "Connections refused because too many were open without a login.",
            admission.refused(),
        );
        out.single(
            "mesh_login_timeouts_total",
            "counter",
            "Sessions closed because nobody logged in.",
            admission.timed_out(),
        );
        out.single(
            "mesh_subscriptions",
            "gauge",
            "Subscribed channels, counted for each session.",
            self.subscriptions().count(),
        );
    }

    fn write_store(&self, out: &mut Exposition) {
        let health = self.store().health();
        out.single(
            "mesh_documents",
            "gauge",
            "Stored documents.",
            self.store().count(),
        );
        out.single(
            "mesh_store_writes_waiting",
            "gauge",
            "Writes that are not on disk yet.",
            health.waiting,
        );
        out.single(
            "mesh_store_commits_total",
            "counter",
            "Commits since the store was opened.",
            health.commits,
        );
        out.single(
            "mesh_store_damaged_records",
            "gauge",
            "Records left out as damaged when the store was opened.",
            health.damaged,
        );
        out.single(
            "mesh_store_writable",
            "gauge",
            "Whether the store takes writes.",
            u8::from(health.failure.is_none()),
        );
    }
}
