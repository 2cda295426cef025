//! The machine that a benchmark ran on. Figures without it mean nothing.

use serde::Serialize;
use std::fs;
use std::thread::available_parallelism;

/// The facts about a machine that matter for figures.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Processors that this process may use.
    pub processors: usize,
    /// Their model name.
    pub model: Option<String>,
    /// Version of the kernel.
    pub kernel: Option<String>,
    /// Memory in bytes.
    pub memory_bytes: Option<u64>,
}

impl Machine {
    /// This machine.
    #[must_use]
    pub fn this() -> Machine {
        let read = |path: &str| fs::read_to_string(path).ok();
        let value = |text: &str, key: &str| {
            let line = text.lines().find(|line| line.starts_with(key))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let kilobytes = |text: String| {
            text.strip_suffix(" kB")
                .and_then(|number| number.parse::<u64>().ok())
        };
        Machine {
            processors: available_parallelism().map_or(1, usize::from),
            model: read("/proc/cpuinfo").and_then(|text| value(&text, "model name")),
            kernel: read("/proc/sys/kernel/osrelease").map(|text| text.trim().to_owned()),
            memory_bytes: read("/proc/meminfo")
                .and_then(|text| value(&text, "MemTotal"))
                .and_then(kilobytes)
                .map(|kilobytes| kilobytes * 1024),
        }
    }
}
