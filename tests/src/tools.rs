//! Tools that some tests need and that a machine may lack.
//!
//! Enters: the variable `MESH_TESTS_REQUIRE`, a list such as `node,python`. Leaves: whether a tool is there.
//! Guarantees: a listed tool that is missing fails the test. Each other one is printed in one line of the form
//! `skipped: TEST: TOOL is missing: REASON`, which the test harness does not capture. A name that no tool has is an
//! error.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// The variable that lists the tools that must be there.
pub const REQUIRE: &str = "MESH_TESTS_REQUIRE";

/// Something from outside that tests need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tool {
    /// Node with npm, and the registry for the packages of a lock file.
    Node,
    /// Python with `venv`, and the registry for pinned packages.
    Python,
    /// A compiler for C++17: `c++`, or the one that the variable `CXX` names.
    Cpp,
    /// Chromium, or the program that the variable `CHROMIUM` names.
    Chromium,
    /// `promtool`, which judges metrics.
    Promtool,
    /// `prlimit`, which starts a process with limits.
    Prlimit,
    /// `script`, which gives a command a terminal.
    Script,
    /// `nats-server`, or the program that the variable `MESH_NATS_SERVER` names.
    NatsServer,
    /// The right to start processes as other users, with `setpriv`.
    Users,
    /// The right to mount a file system.
    Disks,
}

/// A list with a name that no tool has.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{REQUIRE} names {name:?}, which is no tool; the tools are {}", known())]
pub struct UnknownTool {
    /// The name.
    pub name: String,
}

impl Tool {
    /// All of them.
    pub const ALL: [Tool; 10] = [
        Tool::Node,
        Tool::Python,
        Tool::Cpp,
        Tool::Chromium,
        Tool::Promtool,
        Tool::Prlimit,
        Tool::Script,
        Tool::NatsServer,
        Tool::Users,
        Tool::Disks,
    ];

    /// Its name in the list.
    pub fn name(self) -> &'static str {
        match self {
            Tool::Node => "node",
            Tool::Python => "python",
            Tool::Cpp => "c++",
            Tool::Chromium => "chromium",
            Tool::Promtool => "promtool",
            Tool::Prlimit => "prlimit",
            Tool::Script => "script",
            Tool::NatsServer => "nats-server",
            Tool::Users => "users",
            Tool::Disks => "disks",
        }
    }

    /// Whether a test can use it. Where it cannot, that is printed.
    ///
    /// # Panics
    ///
    /// When the tool is missing and required.
    pub fn is_there(self) -> bool {
        static LOOKED_FOR: Mutex<BTreeMap<Tool, Option<String>>> = Mutex::new(BTreeMap::new());
        let reason = {
            let mut looked_for = LOOKED_FOR.lock().unwrap_or_else(PoisonError::into_inner);
            looked_for.entry(self).or_insert_with(|| self.look_for()).clone()
        };
        if let Some(reason) = &reason {
            self.is_missing(reason);
        }
        reason.is_none()
    }

    /// Tells that a test, or a part of it, is skipped, since this tool cannot be used.
    ///
    /// # Panics
    ///
    /// When the tool is required.
    pub fn is_missing(self, reason: &str) {
        static PRINTED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
        let list = std::env::var(REQUIRE).unwrap_or_default();
        let required = required(&list).unwrap_or_else(|error| panic!("{error}"));
        let name = self.name();
        assert!(
            !required.contains(&self),
            "{name} is missing, and {REQUIRE} lists it: {reason}"
        );
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("a test");
        // One line, so that lines can be counted.
        let reason = reason.lines().next().unwrap_or_default();
        let line = format!("skipped: {test}: {name} is missing: {reason}\n");
        let mut printed = PRINTED.lock().unwrap_or_else(PoisonError::into_inner);
        if printed.insert(line.clone()) {
            // The macros that print are captured by the harness where a test passes.
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
    }

    /// Why it cannot be used; nothing when it can.
    fn look_for(self) -> Option<String> {
        match self {
            Tool::Node => ["node", "npm"]
                .into_iter()
                .find_map(|program| try_out(program, &["--version"])),
            Tool::Python => try_out("python3", &["-c", "import ensurepip, venv"]),
            Tool::Cpp => try_out(crate::cpp_library::compiler(), &["--version"]),
            Tool::Chromium => {
                let program = chromium();
                (!program.exists()).then(|| format!("there is no {}", program.display()))
            }
            Tool::Promtool => try_out("promtool", &["--version"]),
            Tool::Prlimit => try_out("prlimit", &["--version"]),
            Tool::Script => try_out("script", &["--version"]),
            Tool::NatsServer => crate::nats::look_for(),
            Tool::Users => try_out(
                "setpriv",
                &["--reuid=4242", "--regid=4242", "--clear-groups", "true"],
            ),
            // A name space of its own: what is mounted there is gone with the process.
            Tool::Disks => try_out("unshare", &["--mount", "mount", "-t", "tmpfs", "none", "/tmp"]),
        }
    }
}

/// The tools of a list.
///
/// # Errors
///
/// One of its names is none of a tool.
pub fn required(list: &str) -> Result<BTreeSet<Tool>, UnknownTool> {
    let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
    names
        .map(|name| {
            let found = Tool::ALL.into_iter().find(|tool| tool.name() == name);
            found.ok_or_else(|| UnknownTool {
                name: name.to_owned(),
            })
        })
        .collect()
}

/// Why a program cannot be run with these arguments; nothing when it can.
pub fn try_out(program: impl AsRef<OsStr>, arguments: &[&str]) -> Option<String> {
    let program = program.as_ref();
    let shown = format!("{} {}", program.to_string_lossy(), arguments.join(" "));
    let ended = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match ended {
        Ok(status) if status.success() => None,
        Ok(status) => Some(format!("`{shown}` failed, {status}")),
        Err(error) => Some(format!("`{shown}` cannot be run, {error}")),
    }
}

fn chromium() -> PathBuf {
    std::env::var_os("CHROMIUM").map_or_else(|| PathBuf::from("/usr/bin/chromium"), PathBuf::from)
}

fn known() -> String {
    Tool::ALL.map(Tool::name).join(", ")
}

#[cfg(test)]
mod tests {
    use super::{Tool, UnknownTool, required, try_out};
    use std::collections::BTreeSet;

    #[test]
    fn a_list_names_tools() {
        let two = BTreeSet::from([Tool::Node, Tool::Promtool]);
        assert_eq!(required("promtool, node,"), Ok(two));
        assert_eq!(required(""), Ok(BTreeSet::new()));
        let all: Vec<&str> = Tool::ALL.iter().map(|tool| tool.name()).collect();
        assert_eq!(required(&all.join(",")), Ok(BTreeSet::from(Tool::ALL)));
    }

    #[test]
    fn an_unknown_name_is_an_error_that_lists_the_known_ones() {
        let name = "nodejs".to_owned();
        let error = required("python,nodejs").expect_err("there is no such tool");
        assert_eq!(error, UnknownTool { name });
        let said = error.to_string();
        assert!(said.contains("\"nodejs\""), "{said}");
        assert!(
            said.contains(
                "node, python, c++, chromium, promtool, prlimit, script, nats-server, users, disks"
            ),
            "{said}"
        );
    }

    #[test]
    fn the_reason_names_the_command() {
        assert_eq!(try_out("true", &[]), None);
        let failed = try_out("false", &["now"]).expect("it fails");
        assert!(failed.contains("`false now` failed"), "{failed}");
        let missing = try_out("no-such-program", &[]).expect("it is missing");
        assert!(missing.contains("cannot be run"), "{missing}");
    }
}
