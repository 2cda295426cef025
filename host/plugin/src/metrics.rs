//! The counters of each version of a component, and of the libraries together.
//!
//! Enters: the versions that are loaded. Leaves: their series. Guarantees: each version has lines of its own, and no
//! counter goes back while its version is loaded; components of the host itself are left out.

use super::ffi::interpose;
use super::{Component, ComponentState, LATENCY_STEPS};
use mesh_metrics::{Collect, Histogram, Kind, Labels, Page};

/// Versions whose series are wanted.
pub struct Versions<'a>(Vec<&'a Component>);

impl<'a> Versions<'a> {
    /// All of these.
    pub fn of(components: impl Iterator<Item = &'a Component>) -> Versions<'a> {
        Versions(components.collect())
    }
}

/// A number that each version has.
struct Number {
    name: &'static str,
    kind: Kind,
    help: &'static str,
    read: fn(&Component) -> u64,
}

const NUMBERS: [Number; 11] = [
    Number {
        name: "mesh_component_calls_total",
        kind: Kind::Counter,
        help: "Calls taken.",
        read: Component::calls,
    },
    Number {
        name: "mesh_component_errors_total",
        kind: Kind::Counter,
        help: "Calls that ended with an error.",
        read: Component::errors,
    },
    Number {
        name: "mesh_component_panics_total",
        kind: Kind::Counter,
        help: "Calls that ended with a panic.",
        read: Component::panics,
    },
    Number {
        name: "mesh_component_timeouts_total",
        kind: Kind::Counter,
        help: "Calls given up at their deadline.",
        read: Component::timeouts,
    },
    Number {
        name: "mesh_component_refused_calls_total",
        kind: Kind::Counter,
        help: "Calls refused because too many were waiting.",
        read: Component::refused_calls,
    },
    Number {
        name: "mesh_component_late_completions_total",
        kind: Kind::Counter,
        help: "Answers that came late or twice.",
        read: Component::late_completions,
    },
    Number {
        name: "mesh_component_dropped_events_total",
        kind: Kind::Counter,
        help: "Events dropped because a lane's queue was full.",
        read: Component::dropped_events,
    },
    Number {
        name: "mesh_component_calls_pending",
        kind: Kind::Gauge,
        help: "Calls not yet answered.",
        read: |component| component.pending() as u64,
    },
    Number {
        name: "mesh_component_calls_waiting",
        kind: Kind::Gauge,
        help: "Calls and events that wait until a version takes them.",
        read: |component| component.waiting() as u64,
    },
    Number {
        name: "mesh_component_requests_pending",
        kind: Kind::Gauge,
        help: "Requests of its own that are neither answered nor cancelled. One built for an older host is not counted.",
        read: |component| component.requests() as u64,
    },
    Number {
        name: "mesh_component_lanes",
        kind: Kind::Gauge,
        help: "Threads that run its code.",
        read: |component| component.lanes() as u64,
    },
];

fn labels_of(component: &Component) -> Labels {
    Labels::default()
        .with("component", component.name())
        .with("version", component.descriptor().version().text())
}

impl Collect for Versions<'_> {
    fn collect(&self, page: &mut Page) {
        for number in &NUMBERS {
            let mut family = page.family(number.name, number.kind, number.help);
            for component in &self.0 {
                family.sample(&labels_of(component), (number.read)(component));
            }
        }
        let help = "1 for the state that a version is in.";
        let mut states = page.family("mesh_component_state", Kind::Gauge, help);
        for component in &self.0 {
            let labels = labels_of(component).with("state", component.state().as_str());
            states.sample(&labels, 1);
        }
        let is_resident = |component: &&&Component| component.state() == ComponentState::Resident;
        page.gauge(
            "mesh_resident_libraries",
            "Libraries that are in memory although they were unloaded.",
            self.0.iter().filter(is_resident).count(),
        );
        let ends = LATENCY_STEPS.map(|microseconds| microseconds as f64 / 1e6);
        let mut durations = page.family(
            "mesh_component_call_duration_seconds",
            Kind::Histogram,
            "Time from taking a call to its answer.",
        );
        for component in &self.0 {
            let latencies = component.latencies();
            let histogram = Histogram {
                ends: &ends,
                counts: &latencies.counts,
                sum: latencies.microseconds as f64 / 1e6,
            };
            durations.histogram(&labels_of(component), &histogram);
        }
        page.gauge(
            "mesh_thread_keys",
            "Thread keys that libraries hold.",
            interpose::keys_in_use(),
        );
    }
}
