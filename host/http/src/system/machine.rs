//! Facts from Linux about this machine and this process, in the words of Node's `os` module.
//!
//! Enters: files of `/proc`. Leaves: JSON. Guarantees: a file that is missing or says something unexpected
//! costs its own fields only.

use serde_json::{Map, Value, json};
use std::fs;

/// Clock ticks per second in `/proc`: the same on every Linux, whatever the kernel counts with.
const TICKS: u64 = 100;

/// The machine: names, memory in bytes, processors with their times in milliseconds.
pub(super) fn describe() -> Map<String, Value> {
    let mut machine = Map::new();
    let mut add = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            machine.insert(name.to_owned(), value);
        }
    };
    add("host", line("/proc/sys/kernel/hostname"));
    add("type", line("/proc/sys/kernel/ostype"));
    add("platform", Some(std::env::consts::OS.into()));
    add("arch", Some(architecture(std::env::consts::ARCH).into()));
    add("release", line("/proc/sys/kernel/osrelease"));
    let memory = read("/proc/meminfo");
    add("totalmem", bytes(&memory, "MemTotal:").map(Value::from));
    add("freemem", bytes(&memory, "MemAvailable:").map(Value::from));
    add(
        "cpus",
        Some(processors(&read("/proc/stat"), &read("/proc/cpuinfo")).into()),
    );
    machine
}

/// This process: resident and virtual memory in bytes, and the percentage of one processor that it took since it
/// started.
pub(super) fn usage() -> Value {
    let status = read("/proc/self/status");
    let mut usage = Map::new();
    if let (Some(resident), Some(virtual_size)) = (bytes(&status, "VmRSS:"), bytes(&status, "VmSize:")) {
        usage.insert("memory".to_owned(), resident.into());
        usage.insert(
            "memoryInfo".to_owned(),
            json!({ "rss": resident, "vsize": virtual_size }),
        );
    }
    if let Some(percent) = processor_share(&read("/proc/self/stat"), &read("/proc/uptime")) {
        usage.insert("cpu".to_owned(), percent.into());
    }
    Value::Object(usage)
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn line(path: &str) -> Option<Value> {
    fs::read_to_string(path)
        .ok()
        .map(|text| text.trim_end().to_owned().into())
}

/// Node's name of an architecture.
fn architecture(name: &'static str) -> &'static str {
    match name {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        "x86" => "ia32",
        other => other,
    }
}

/// The size behind a label, which is in kilobytes.
fn bytes(text: &str, label: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(label))?;
    let kilobytes: u64 = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

fn processors(stat: &str, info: &str) -> Vec<Value> {
    let of_info = |label: &str| -> Vec<&str> {
        info.lines()
            .filter_map(|line| line.split_once(':'))
            .filter(|(name, _)| name.trim() == label)
            .map(|(_, value)| value.trim())
            .collect()
    };
    let (models, speeds) = (of_info("model name"), of_info("cpu MHz"));
    stat.lines()
        .filter(|line| {
            line.strip_prefix("cpu")
                .is_some_and(|rest| rest.starts_with(|character: char| character.is_ascii_digit()))
        })
        .enumerate()
        .map(|(position, line)| {
            let ticks: Vec<u64> = line
                .split_whitespace()
                .skip(1)
                .map_while(|number| number.parse().ok())
                .collect();
            let milliseconds = |field: usize| ticks.get(field).map_or(0, |ticks| ticks * (1000 / TICKS));
            let speed = speeds.get(position).and_then(|speed| speed.parse::<f64>().ok());
            json!({
                "model": models.get(position).unwrap_or(&"unknown"),
                "speed": speed.map_or(0, |speed| speed.round() as u64),
                "times": {
                    "user": milliseconds(0),
                    "nice": milliseconds(1),
                    "sys": milliseconds(2),
                    "idle": milliseconds(3),
                    "irq": milliseconds(5),
                },
            })
        })
        .collect()
}

/// Percent of one processor since the process started, with one decimal, as `ps` shows it.
fn processor_share(stat: &str, uptime: &str) -> Option<f64> {
    // The program's name is in parentheses and may contain anything; the fields behind it begin with the third.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let (user, system, started) = (field(14)?, field(15)?, field(22)?);
    let up: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    let age = up * TICKS as f64 - started as f64;
    let percent = if age > 0.0 {
        (user + system) as f64 / age * 100.0
    } else {
        0.0
    };
    Some((percent * 10.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_behind_labels_are_parsed() {
        let text = "MemTotal:       24684096 kB\nMemFree:  12 kB\nOdd: 3\n";
        assert_eq!(bytes(text, "MemTotal:"), Some(24_684_096 * 1024));
        assert_eq!(bytes(text, "Odd:"), None);
        assert_eq!(bytes(text, "Missing:"), None);
    }

    #[test]
    fn processors_are_listed_with_and_without_details() {
        let stat = "cpu  9 9 9 9 9\ncpu0 82511 1 17742 547759 7 3 0\ncpu1 1\nintr 5\n";
        let info = "processor : 0\nmodel name\t: A: fast one\ncpu MHz\t\t: 2999.6\n";
        let found = processors(stat, info);
        assert_eq!(
            found[0],
            json!({"model": "A: fast one", "speed": 3000,
                "times": {"user": 825110, "nice": 10, "sys": 177420, "idle": 5477590, "irq": 30}})
        );
        assert_eq!(found[1]["model"], "unknown");
        assert_eq!(found[1]["times"]["idle"], 0);
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn the_share_of_a_processor_is_computed() {
        let stat = "4 (a) b) R 1 1 1 0 -1 0 0 0 0 0 150 50 0 0 20 0 1 0 1000 99 9";
        assert_eq!(processor_share(stat, "30.00 1.0"), Some(10.0));
        assert_eq!(processor_share(stat, "10.00 1.0"), Some(0.0));
        assert_eq!(processor_share("", ""), None);
    }

    #[test]
    fn this_machine_has_plausible_figures() {
        assert!(describe()["totalmem"].as_u64() > describe()["freemem"].as_u64());
        assert!(usage()["memory"].as_u64() > Some(0));
    }
}
