//! The counters of the host, as text for Prometheus.
//!
//! Enters: from each crate that counts something, its series ([`Collect`]). Leaves: one [`Page`] in the exposition format 0.0.4,
//! family by family in the order in which they came.
//!
//! Guarantees:
//! - A family's name, kind and help are written once, before its samples.
//! - A label's value can hold any text.
//! - Nothing is registered and nothing is kept: values are read while the page is written, so counting costs what the crate's
//!   own atomics cost.
//!
//! This crate knows no other crate of the host, and not what is counted.

#![forbid(unsafe_code)]

mod labels;

pub use labels::Labels;

use std::fmt::{Display, Write};

/// Something that counts, and describes what it counts.
pub trait Collect {
    /// Writes each of its families with the values of this moment.
    fn collect(&self, page: &mut Page);
}

/// How the values of a family are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only rises, until the host ends. Its name ends with `_total`.
    Counter,
    /// It rises and falls.
    Gauge,
    /// Counts by steps, added up.
    Histogram,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// The text that a monitoring system reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page(String);

/// One family of a page, which takes its samples.
#[derive(Debug)]
pub struct Family<'a> {
    page: &'a mut Page,
    name: &'static str,
}

/// One count by steps.
#[derive(Clone, Copy, Debug)]
pub struct Histogram<'a> {
    /// The upper ends of the steps, in the order of their size.
    pub ends: &'a [f64],
    /// How many are in each step, not added up; behind the last one those that are beyond it.
    pub counts: &'a [u64],
    /// The sum of all that was counted.
    pub sum: f64,
}

impl Page {
    /// Begins a family. `help` says in one sentence what is counted.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let kind = kind.as_str();
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Family { page: self, name }
    }

    /// A family of one counter without labels.
    pub fn counter(&mut self, name: &'static str, help: &str, value: impl Display) {
        self.family(name, Kind::Counter, help)
            .sample(&Labels::default(), value);
    }

    /// A family of one gauge without labels.
    pub fn gauge(&mut self, name: &'static str, help: &str, value: impl Display) {
        self.family(name, Kind::Gauge, help)
            .sample(&Labels::default(), value);
    }

    /// The text.
    pub fn into_text(self) -> String {
        self.0
    }

    fn line(&mut self, name: &str, ending: &str, labels: &Labels, value: impl Display) {
        let _ = writeln!(self.0, "{name}{ending}{labels} {value}");
    }
}

impl Family<'_> {
    /// Adds a value.
    pub fn sample(&mut self, labels: &Labels, value: impl Display) {
        self.page.line(self.name, "", labels, value);
    }

    /// Adds a histogram.
    pub fn histogram(&mut self, labels: &Labels, histogram: &Histogram<'_>) {
        let mut below = 0;
        for (end, count) in histogram.ends.iter().zip(histogram.counts) {
            below += count;
            self.page
                .line(self.name, "_bucket", &labels.clone().with("le", end), below);
        }
        let all: u64 = histogram.counts.iter().sum();
        let infinite = labels.clone().with("le", "+Inf");
        self.page.line(self.name, "_bucket", &infinite, all);
        self.page.line(self.name, "_sum", labels, histogram.sum);
        self.page.line(self.name, "_count", labels, all);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Queue(Vec<(&'static str, u64)>);

    impl Collect for Queue {
        fn collect(&self, page: &mut Page) {
            page.gauge("queue_bytes", "Bytes that wait.", 0.5);
            let mut taken = page.family("queue_taken_total", Kind::Counter, "What was taken.");
            for (kind, count) in &self.0 {
                taken.sample(&Labels::default().with("kind", kind), count);
            }
        }
    }

    #[test]
    fn a_page_has_each_family_in_its_order_with_its_samples() {
        let mut page = Page::default();
        Queue(vec![("a", 1), ("\"b\"\\\n", 2)]).collect(&mut page);
        let expected = "\
# HELP queue_bytes Bytes that wait.
# TYPE queue_bytes gauge
queue_bytes 0.5
# HELP queue_taken_total What was taken.
# TYPE queue_taken_total counter
queue_taken_total{kind=\"a\"} 1
queue_taken_total{kind=\"\\\"b\\\"\\\\\\n\"} 2
";
        assert_eq!(page.into_text(), expected);
    }

    #[test]
    fn a_histogram_adds_up_its_steps() {
        let mut page = Page::default();
        let histogram = Histogram {
            ends: &[0.001, 1.0],
            counts: &[2, 1, 4],
            sum: 12.25,
        };
        let labels = Labels::default().with("lane", 7);
        page.family("seconds", Kind::Histogram, "How long.")
            .histogram(&labels, &histogram);
        let expected = "\
# HELP seconds How long.
# TYPE seconds histogram
seconds_bucket{lane=\"7\",le=\"0.001\"} 2
seconds_bucket{lane=\"7\",le=\"1\"} 3
seconds_bucket{lane=\"7\",le=\"+Inf\"} 7
seconds_sum{lane=\"7\"} 12.25
seconds_count{lane=\"7\"} 7
";
        assert_eq!(page.into_text(), expected);
    }
}
