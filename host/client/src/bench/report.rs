//! Results of a benchmark, for people and for programs.
//!
//! Enters: the outcomes of all rounds. Leaves: a [`Report`], which is written as one JSON object or, by
//! [`Report::table`], as a table. Guarantees: throughput is the median of the rounds, latencies and CPU time are
//! those of all rounds together. A figure that could not be measured is absent, never zero.

use super::Machine;
use super::measure::{Outcome, Share, histogram};
use super::plan::{Load, Plan, Workload};
use super::process;
use super::round::Ready;
use super::table;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The result of a benchmark.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The command line.
    pub command: Vec<String>,
    /// Version of this program.
    pub version: &'static str,
    /// When it ended, in milliseconds since 1970.
    pub time: u64,
    /// Where it ran.
    pub machine: Machine,
    /// The announced protocol.
    pub protocol: &'static str,
    /// The operation that was measured.
    pub workload: Workload,
    /// How the load was made.
    pub load: Load,
    /// One for each server.
    pub targets: Vec<TargetReport>,
    /// The first server divided by each other one.
    pub ratios: Vec<Ratio>,
}

/// The results of one server.
#[derive(Clone, Debug, Serialize)]
pub struct TargetReport {
    /// Its address.
    pub url: String,
    /// Its own name.
    pub server_name: String,
    /// The version of the mesh, if there is one.
    pub server_version: Option<String>,
    /// Its process, if it is known.
    pub pid: Option<u32>,
    /// Successful operations.
    pub operations: u64,
    /// Failed operations.
    pub errors: u64,
    /// The message of the first of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_error: Option<String>,
    /// Successful operations per second: the median of the rounds.
    pub operations_per_second: f64,
    /// The same of each round.
    pub operations_per_second_by_round: Vec<f64>,
    /// How long operations took.
    pub latency_microseconds: Latencies,
    /// User and system time of all threads of the server and of all other processes that count, per operation.
    pub server_cpu_microseconds_per_operation: Option<f64>,
    /// The share of each of these processes, the server first.
    pub processes: Vec<ProcessReport>,
    /// The same of this program.
    pub generator_cpu_microseconds_per_operation: Option<f64>,
    /// Resident memory of the server at the end.
    pub resident_bytes: Option<u64>,
    /// The most that the server ever had resident.
    pub peak_resident_bytes: Option<u64>,
}

/// The costs of one process.
#[derive(Clone, Debug, Serialize)]
pub struct ProcessReport {
    /// Its number.
    pub pid: u32,
    /// The name of its program.
    pub name: Option<String>,
    /// User and system time of all its threads, per operation.
    pub cpu_microseconds_per_operation: Option<f64>,
    /// Its resident memory at the end.
    pub resident_bytes: Option<u64>,
}

/// Percentiles of latencies, in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Latencies {
    /// Half of the operations took at most this.
    pub p50: f64,
    /// 99 of 100.
    pub p99: f64,
    /// 999 of 1000.
    pub p99_9: f64,
    /// All.
    pub max: f64,
}

/// The first server divided by another one.
#[derive(Clone, Debug, Serialize)]
pub struct Ratio {
    /// The first server.
    pub of: String,
    /// The other one.
    pub to: String,
    /// Above 1 the first one does more.
    pub operations_per_second: Option<f64>,
    /// Below 1 the first one is quicker.
    pub p50: Option<f64>,
    /// Below 1 the first one is quicker.
    pub p99: Option<f64>,
    /// Below 1 the first one needs less.
    pub server_cpu: Option<f64>,
    /// Below 1 the first one needs less.
    pub resident: Option<f64>,
}

impl Report {
    /// `outcomes` belong to `servers`, in their order.
    pub(super) fn new(plan: &Plan, servers: &[Ready], outcomes: Vec<Vec<Outcome>>) -> Report {
        let targets: Vec<TargetReport> = servers
            .iter()
            .zip(outcomes)
            .map(|(server, outcomes)| summarise(server, &outcomes))
            .collect();
        let ratios = match targets.split_first() {
            Some((first, others)) => others.iter().map(|other| compare(first, other)).collect(),
            None => Vec::new(),
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Report {
            command: command_line(),
            version: env!("CARGO_PKG_VERSION"),
            time: u64::try_from(now.as_millis()).unwrap_or_default(),
            machine: Machine::this(),
            protocol: plan.protocol.as_str(),
            workload: plan.workload.clone(),
            load: plan.load.clone(),
            targets,
            ratios,
        }
    }

    /// The report for people.
    #[must_use]
    pub fn table(&self) -> String {
        table::of(self)
    }

    /// Whether every server has completed at least one operation, and none has failed one.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.targets
            .iter()
            .all(|target| target.operations > 0 && target.errors == 0)
    }
}

/// The arguments of this program, without a password.
fn command_line() -> Vec<String> {
    let mut hides_next = false;
    let hide = |argument: String| {
        let hidden = std::mem::take(&mut hides_next);
        hides_next = argument == "--password";
        match argument.split_once('=') {
            _ if hidden => "***".to_owned(),
            Some(("--password", _)) => "--password=***".to_owned(),
            _ => argument,
        }
    };
    std::env::args_os()
        .map(|argument| argument.to_string_lossy().into_owned())
        .map(hide)
        .collect()
}

fn summarise(server: &Ready, outcomes: &[Outcome]) -> TargetReport {
    let operations = outcomes.iter().map(|outcome| outcome.record.operations).sum();
    let mut latencies = histogram();
    for outcome in outcomes {
        // All have the same bounds.
        let _ = latencies.add(&outcome.record.latencies);
    }
    let per_round: Vec<f64> = outcomes
        .iter()
        .map(|outcome| outcome.record.operations as f64 / outcome.elapsed.as_secs_f64().max(f64::EPSILON))
        .collect();
    let per_operation = |total: Option<Duration>| {
        let total = total.filter(|_| operations > 0)?;
        Some(total.as_secs_f64() * 1e6 / operations as f64)
    };
    let processes = processes(outcomes, per_operation);
    let memory = server.pid.and_then(|pid| last_share(outcomes, pid)?.memory);
    let generator = outcomes.iter().map(|outcome| outcome.generator_cpu).sum();
    TargetReport {
        url: server.url.clone(),
        server_name: server.server_name.clone(),
        server_version: server.server_version.clone(),
        pid: server.pid,
        operations,
        errors: outcomes.iter().map(|outcome| outcome.record.errors).sum(),
        first_error: outcomes
            .iter()
            .find_map(|outcome| outcome.record.first_error.clone()),
        operations_per_second: median(&per_round),
        operations_per_second_by_round: per_round,
        latency_microseconds: Latencies::of(&latencies),
        // Without the server's own time a sum would look like all of it.
        server_cpu_microseconds_per_operation: server.pid.and_then(|_| {
            processes
                .iter()
                .map(|process| process.cpu_microseconds_per_operation)
                .sum()
        }),
        processes,
        generator_cpu_microseconds_per_operation: per_operation(generator),
        resident_bytes: memory.map(|memory| memory.resident),
        peak_resident_bytes: memory.map(|memory| memory.peak),
    }
}

/// The shares of all rounds together.
fn processes(
    outcomes: &[Outcome],
    per_operation: impl Fn(Option<Duration>) -> Option<f64>,
) -> Vec<ProcessReport> {
    let Some(last) = outcomes.last() else {
        return Vec::new();
    };
    let report = |(position, share): (usize, &Share)| {
        // All rounds count the same processes in the same order.
        let of_round = |outcome: &Outcome| outcome.shares.get(position).and_then(|share| share.cpu);
        ProcessReport {
            pid: share.pid,
            name: process::name(share.pid),
            cpu_microseconds_per_operation: per_operation(outcomes.iter().map(of_round).sum()),
            resident_bytes: share.memory.map(|memory| memory.resident),
        }
    };
    last.shares.iter().enumerate().map(report).collect()
}

fn last_share(outcomes: &[Outcome], pid: u32) -> Option<&Share> {
    outcomes.last()?.shares.iter().find(|share| share.pid == pid)
}

impl Latencies {
    fn of(nanoseconds: &Histogram<u64>) -> Latencies {
        let at = |quantile| nanoseconds.value_at_quantile(quantile) as f64 / 1e3;
        Latencies {
            p50: at(0.5),
            p99: at(0.99),
            p99_9: at(0.999),
            max: nanoseconds.max() as f64 / 1e3,
        }
    }
}

fn compare(first: &TargetReport, other: &TargetReport) -> Ratio {
    let divide = |one: Option<f64>, two: Option<f64>| Some(one? / two.filter(|two| *two > 0.0)?);
    let bytes = |target: &TargetReport| target.resident_bytes.map(|bytes| bytes as f64);
    Ratio {
        of: first.url.clone(),
        to: other.url.clone(),
        operations_per_second: divide(
            Some(first.operations_per_second),
            Some(other.operations_per_second),
        ),
        p50: divide(
            Some(first.latency_microseconds.p50),
            Some(other.latency_microseconds.p50),
        ),
        p99: divide(
            Some(first.latency_microseconds.p99),
            Some(other.latency_microseconds.p99),
        ),
        server_cpu: divide(
            first.server_cpu_microseconds_per_operation,
            other.server_cpu_microseconds_per_operation,
        ),
        resident: divide(bytes(first), bytes(other)),
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => 0.0,
        length if length % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[]), 0.0);
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
