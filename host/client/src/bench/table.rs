//! A report as a table for a terminal.

use super::plan::{Source, Workload};
use super::report::{ProcessReport, Ratio, Report, TargetReport};
use std::fmt::Write;

/// The text of a report, ending in a line break.
pub(super) fn of(report: &Report) -> String {
    let mut out = headline(report);
    let unit = report.workload.unit();
    let mut rows = vec![vec![
        "target".to_owned(),
        format!("{}/s", report.workload.units()),
        "p50 µs".to_owned(),
        "p99 µs".to_owned(),
        "p99.9 µs".to_owned(),
        "max µs".to_owned(),
        "errors".to_owned(),
        format!("CPU µs/{unit}"),
        "load gen. µs".to_owned(),
        "RSS MB".to_owned(),
        "peak MB".to_owned(),
    ]];
    rows.extend(report.targets.iter().map(target));
    rows.extend(report.ratios.iter().map(ratio));
    align(&mut out, &rows);
    for target in report.targets.iter().filter(|target| target.processes.len() > 1) {
        let _ = writeln!(out, "{}: {}", target.url, shares(target, unit));
    }
    for target in report.targets.iter().filter(|target| target.errors > 0) {
        let _ = writeln!(
            out,
            "{}: first error: {}",
            target.url,
            target.first_error.as_deref().unwrap_or("unknown")
        );
    }
    if report.targets.iter().any(|target| target.pid.is_none()) {
        out.push_str("No CPU time and memory where the server's process is not known: see --pid.\n");
    }
    out
}

fn headline(report: &Report) -> String {
    let what = match &report.workload {
        Workload::Calls(calls) => format!("calls of {}/{}", calls.component, calls.method),
        Workload::Events(events) => {
            let by = match &events.source {
                Source::Set => "set".to_owned(),
                Source::Component { component, method } => format!("{component}/{method}"),
            };
            let how = if events.wildcard {
                "a wildcard"
            } else {
                "the exact path"
            };
            let others = match events.others {
                0 => String::new(),
                others => format!(", {others} other subscriptions"),
            };
            format!(
                "events by {by} to {} subscribers of {how}{others}",
                events.subscribers
            )
        }
        Workload::Data(data) => {
            let names: Vec<String> = data
                .operations
                .iter()
                .map(|one| format!("{one:?}").to_lowercase())
                .collect();
            format!("{} on {} documents", names.join(" + "), data.documents)
        }
    };
    let load = &report.load;
    let payload = if load.payload > 0 {
        format!(", {} bytes of payload", load.payload)
    } else {
        String::new()
    };
    format!(
        "{what}: {} connections x {} in flight{payload}, {} x {} s, {}\n",
        load.connections,
        load.in_flight,
        load.rounds,
        load.duration.as_secs_f64(),
        report.protocol,
    )
}

fn target(target: &TargetReport) -> Vec<String> {
    let latency = &target.latency_microseconds;
    let microseconds = |value: f64| {
        if target.operations == 0 {
            "-".to_owned()
        } else {
            format!("{value:.0}")
        }
    };
    let cpu = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
    let megabytes = |value: Option<u64>| {
        value.map_or_else(|| "-".to_owned(), |bytes| format!("{:.1}", bytes as f64 / 1e6))
    };
    let name = match &target.server_version {
        Some(version) => format!("{} ({} {version})", target.url, target.server_name),
        None => format!("{} ({})", target.url, target.server_name),
    };
    vec![
        name,
        format!("{:.0}", target.operations_per_second),
        microseconds(latency.p50),
        microseconds(latency.p99),
        microseconds(latency.p99_9),
        microseconds(latency.max),
        target.errors.to_string(),
        cpu(target.server_cpu_microseconds_per_operation),
        cpu(target.generator_cpu_microseconds_per_operation),
        megabytes(target.resident_bytes),
        megabytes(target.peak_resident_bytes),
    ]
}

/// The costs of each process that has worked for a server's operations.
fn shares(target: &TargetReport, unit: &str) -> String {
    let share = |process: &ProcessReport| {
        let name = process.name.as_deref().unwrap_or("process");
        let cpu = process.cpu_microseconds_per_operation;
        let cpu = cpu.map_or_else(|| "-".to_owned(), |cpu| format!("{cpu:.1}"));
        let resident = process.resident_bytes;
        let resident = resident.map_or_else(String::new, |bytes| format!(", {:.1} MB", bytes as f64 / 1e6));
        format!("{cpu} µs/{unit} in {name} {}{resident}", process.pid)
    };
    let shares: Vec<String> = target.processes.iter().map(share).collect();
    shares.join("; ")
}

fn ratio(ratio: &Ratio) -> Vec<String> {
    let times = |value: Option<f64>| match value {
        None => String::new(),
        Some(value) if value >= 10.0 => format!("x{value:.1}"),
        Some(value) => format!("x{value:.3}"),
    };
    let empty = String::new;
    vec![
        format!("{} / {}", short(&ratio.of), short(&ratio.to)),
        times(ratio.operations_per_second),
        times(ratio.p50),
        times(ratio.p99),
        empty(),
        empty(),
        empty(),
        times(ratio.server_cpu),
        empty(),
        times(ratio.resident),
        empty(),
    ]
}

fn short(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest)
}

/// The first column to the left, all others to the right.
fn align(out: &mut String, rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let _ = match column {
                0 => write!(line, "{cell:<width$}"),
                _ => write!(line, "  {cell:>width$}"),
            };
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
}
