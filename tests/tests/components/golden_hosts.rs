//! Components that are built today, in hosts of all minor versions: those of the past as they were recorded, and one to come.
//!
//! Enters: the component `broad` in Rust and in C++, each built with today's SDK, and the program of `fixtures/golden/golden_host.c`, which
//! plays a host of one version. Leaves: a transcript of the component's deeds, or the signal by which a read behind the end of a
//! struct ends the program. Guarantees: a component gets from each host all that this version offers, and says which extension is missing.

use mesh_tests::golden::{LATER_MINOR, fixture, header, host, later_header};
use mesh_tests::host::{Folder, library};
use mesh_tests::{c_library, cpp_library};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A step of the life that the host drives, and the component's deeds in it.
struct Step {
    /// The minor version since which a host has it.
    since: u32,
    name: &'static str,
    deeds: &'static [&'static str],
}

const fn step(since: u32, name: &'static str, deeds: &'static [&'static str]) -> Step {
    Step { since, name, deeds }
}

const LIFE: &[Step] = &[
    step(0, "START", &["subscribe other/news/* ", "complete 1 status 0"]),
    step(0, "CALL add", &["complete 2 status 0 [3]"]),
    step(0, "CALL refuse", &["complete 3 status 1"]),
    step(0, "CALL unknown", &["complete 4 status 1"]),
    step(
        0,
        "CALL announce",
        &[r#"emit announced {"by":"broad"}"#, "complete 5 status 0 [null]"],
    ),
    step(0, "CALL note", &["log 3 noted", "complete 6 status 0 [null]"]),
    step(0, "CALL ask", &["call other/twice ^1.0.0 [21]"]),
    step(0, "REPLY [42]", &["complete 7 status 0 [42]"]),
    step(0, "CALL keep", &[r#"set kept {"text":"tea"}"#]),
    step(0, r#"REPLY {"text":"tea","_meta":{}}"#, &["get kept"]),
    step(0, r#"REPLY {"text":"tea","_meta":{}}"#, &["remove kept"]),
    step(0, r#"REPLY {"removed":1}"#, &[r#"complete 8 status 0 ["tea"]"#]),
    step(0, "CALL wait", &["after 20"]),
    step(0, "REPLY ", &[r#"complete 9 status 0 ["waited"]"#]),
    step(
        0,
        "EVENT three times, and CALL heard",
        &["complete 10 status 0 [3]"],
    ),
    step(0, "CALL hang", &[]),
    step(0, "CANCEL", &[]),
    step(2, "HTTP", &["respond 12 status 200 PUT 5 bytes"]),
    step(1, "HEALTH", &["complete 13 status 0"]),
    step(1, "SNAPSHOT", &["complete 14 status 0 3"]),
    step(1, "QUIESCE", &[]),
    step(1, "RESTORE", &["complete 15 status 0"]),
    step(1, "RESTORE of no state", &["complete 16 status 1"]),
    step(1, "RESUME", &[]),
    step(1, "CALL heard", &["complete 17 status 0 [41]"]),
    step(0, "STOP", &["complete 18 status 0"]),
    step(0, "destroy", &[]),
    step(0, "end", &[]),
];

/// Of these only the status counts: the payload of an order means nothing, and that of an error is its language's own.
fn is_cut(deed: &str) -> bool {
    let is_order = ["1", "13", "15", "16", "18"]
        .iter()
        .any(|token| deed.starts_with(&format!("complete {token} ")));
    is_order || deed.contains(" status 1 ")
}

/// A host of one version, as a program.
struct Golden {
    minor: u32,
    program: PathBuf,
    /// How it says who it is.
    says: String,
    delegates: bool,
}

/// All hosts: those of the past, and those to come.
fn hosts(folder: &Folder) -> Vec<Golden> {
    let past = |minor: u32, delegates: bool| {
        let name = format!("host-1-{minor}-{delegates}");
        let without: &[&str] = if delegates { &[] } else { &["WITHOUT_DELEGATION"] };
        Golden {
            minor,
            program: host(folder, &name, &header(minor), without),
            says: format!("create, in a host of ABI 1.{minor} with 72 bytes of host and 80 of work"),
            delegates,
        }
    };
    let later = |fields: usize| {
        let header = later_header(folder, fields);
        let today = "create, in a host of ABI 1.9 with ";
        Golden {
            minor: LATER_MINOR,
            program: host(folder, &format!("host-later-{fields}"), &header, &[]),
            says: today.to_owned(),
            delegates: true,
        }
    };
    vec![
        past(0, false),
        past(1, false),
        past(1, true),
        past(2, true),
        later(2),
        later(5),
    ]
}

impl Golden {
    fn drive(&self, library: &Path) -> Output {
        Command::new(&self.program)
            .arg(library)
            .output()
            .expect("the program of a golden host runs")
    }

    /// Drives a component through a life, and compares what it did.
    fn expect_life_of(&self, library: &Path) {
        let output = self.drive(library);
        let transcript = String::from_utf8_lossy(&output.stdout).into_owned();
        let about = format!(
            "{} in {}:\n{transcript}\n{}",
            library.display(),
            self.program.display(),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(output.status.success(), "{} {about}", output.status);
        let mut lines = transcript.lines();
        assert!(
            lines.next().is_some_and(|line| line.starts_with(&self.says)),
            "{about}"
        );
        let is_of_rights = |line: &&str| line.starts_with("  act for ");
        // The layer for C++ says the end of its subscription, and the SDK for Rust leaves that to the host.
        let lives: Vec<String> = lines
            .filter(|line| !is_of_rights(line) && !line.starts_with("  unsubscribe"))
            .map(|line| match line.strip_prefix("  ") {
                Some(deed) if is_cut(deed) => {
                    let words: Vec<&str> = deed.split(' ').take(4).collect();
                    format!("  {}", words.join(" "))
                }
                _ => line.to_owned(),
            })
            .collect();
        let mut expected = Vec::new();
        for step in LIFE.iter().filter(|step| step.since <= self.minor) {
            expected.push(step.name.to_owned());
            expected.extend(step.deeds.iter().map(|deed| format!("  {deed}")));
        }
        assert_eq!(lives, expected, "{about}");
        // Each request for a caller is made with the caller's rights, and nothing else is.
        let rights: Vec<&str> = transcript.lines().filter(is_of_rights).collect();
        assert_eq!(!rights.is_empty(), self.delegates, "{about}");
        for pair in rights.chunks(2) {
            assert!(
                pair.len() == 2 && pair[0] != "  act for 0" && pair[1] == "  act for 0",
                "{about}"
            );
        }
    }
}

#[test]
fn a_component_in_rust_lives_in_hosts_of_all_versions() {
    let folder = Folder::new("golden-hosts-rust");
    for host in hosts(&folder) {
        host.expect_life_of(&library("fixture-broad"));
    }
}

/// A host may lack any extension. Then a request is an error that names it; that with no outcome is a line in the log.
#[test]
fn a_component_in_rust_says_in_an_old_host_which_extension_is_missing_and_serves_on() {
    let folder = Folder::new("golden-hosts-without");
    for minor in 0..=2 {
        let program = host(
            &folder,
            &format!("host-bare-1-{minor}"),
            &header(minor),
            &["WITHOUT_EXTENSIONS"],
        );
        let output = Command::new(program).arg(library("fixture-broad")).output();
        let output = output.expect("the program of a golden host runs");
        let transcript = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{minor}: {transcript}");
        for deeds in [
            // It declares a handler of events, and so it does not start.
            "START\n  complete 1 status 1 [{\"message\":\"this host does not offer events\",\"name\":\"Error\"}]\n",
            "CALL add\n  complete 2 status 0 [3]\n",
            "CALL announce\n  log 1 event announced was not emitted: this host does not offer events\n  complete 5 status 0 [null]\n",
            "CALL ask\n  complete 7 status 1 [{\"message\":\"this host does not offer calls\",\"name\":\"Error\"}]\n",
            "CALL keep\n  complete 8 status 1 [{\"message\":\"this host does not offer data\",\"name\":\"Error\"}]\n",
            "CALL wait\n  log 1 this host does not offer timers\n  complete 9 status 0 [\"waited\"]\n",
            "STOP\n  complete 18 status 0 [null]\ndestroy\nend\n",
        ] {
            assert!(
                transcript.contains(deeds),
                "{minor}: {deeds:?} is not in\n{transcript}"
            );
        }
    }
}

#[test]
fn a_component_in_cpp_lives_in_hosts_of_all_versions() {
    let folder = Folder::new("golden-hosts-cpp");
    let source = cpp_library::fixture("broad.cpp");
    let output = folder.path().join("libbroad.so");
    let Some(library) = cpp_library::component(&source, &[], output) else {
        return;
    };
    for host in hosts(&folder) {
        host.expect_life_of(&library);
    }
}

/// The layer for C++ of a later version, whose structs are longer than those of any host before it.
#[test]
fn a_later_layer_for_cpp_lives_in_hosts_of_all_versions() {
    let folder = Folder::new("golden-hosts-later");
    if !mesh_tests::tools::Tool::Cpp.is_there() {
        return;
    }
    let library = folder.path().join("libbroad-later.so");
    let header = later_header(&folder, 5);
    let compiled = cpp_library::compile_against(&header, &cpp_library::fixture("broad.cpp"), &library);
    compiled.unwrap_or_else(|error| panic!("{error}"));
    for host in hosts(&folder) {
        host.expect_life_of(&library);
    }
}

/// Without this the tests above would show nothing.
#[test]
fn a_component_that_reads_behind_the_end_of_an_old_item_is_seen() {
    let folder = Folder::new("golden-hosts-behind");
    let later = later_header(&folder, 2);
    let define = format!("HEADER={:?}", later.display().to_string());
    let library = folder.path().join("libreads-behind.so");
    c_library::compile(&fixture("golden_1_1.c"), &[&define, "READS_BEHIND"], &library).expect("it compiles");
    let old = Golden {
        minor: 2,
        program: host(&folder, "host-1-2", &header(2), &[]),
        says: String::new(),
        delegates: true,
    };
    let output = old.drive(&library);
    let signal = output.status.signal();
    // The page behind the items cannot be read.
    assert!(matches!(signal, Some(7 | 11)), "{output:?}");
}
