//! `mesh check-plugin`: good libraries pass it, and each way of being bad is one failed check that says so.

use mesh_tests::c_library;
use mesh_tests::host::{Finished, Folder, library, mesh};
use serde_json::Value;
use std::path::Path;

/// Checks a library with little patience. Few rounds: the memory of so many says nothing.
pub(super) fn check(library: &Path) -> (Finished, Value) {
    check_with(
        library,
        &["--rounds", "5", "--answer-time", "400", "--step-time", "10000"],
    )
}

fn check_with(library: &Path, arguments: &[&str]) -> (Finished, Value) {
    let path = library.display().to_string();
    let finished = mesh(&[&["check-plugin", &path, "--json"], arguments].concat());
    let report = serde_json::from_str(&finished.out)
        .unwrap_or_else(|error| panic!("{error}: {}\n{}", finished.out, finished.err));
    (finished, report)
}

pub(super) fn compiled(folder: &Folder, source: &str, flag: &str) -> std::path::PathBuf {
    let output = folder.path().join(format!("lib{flag}.so"));
    let defines: Vec<&str> = Some(flag).filter(|flag| *flag != "good").into_iter().collect();
    c_library::compile(&c_library::fixture(source), &defines, &output).expect("the fixture compiles");
    output
}

/// The findings of one check as `verdict: sentence`.
pub(super) fn findings(report: &Value, check: &str) -> Vec<String> {
    let checks = report["checks"].as_array().unwrap();
    let found = checks
        .iter()
        .find(|entry| entry["check"] == check)
        .unwrap_or_else(|| panic!("{check} was not made: {report:#}"));
    let findings = found["findings"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    findings
        .map(|finding| format!("{}: {}", text(&finding["verdict"]), text(&finding["sentence"])))
        .collect()
}

#[test]
fn a_component_that_keeps_the_contract_passes_every_check() {
    let folder = Folder::new("check-good");
    let file = compiled(&folder, "hostile.c", "good");
    let (finished, report) = check_with(&file, &["--rounds", "40"]);
    assert_eq!(finished.code, 0, "{report:#}");
    assert_eq!(report["verdict"], "ok", "{report:#}");
    assert_eq!(report["component"]["name"], "hostile");
    assert_eq!(report["checks"].as_array().unwrap().len(), 20);
    assert_eq!(report["skipped"], serde_json::json!([]));
}

#[test]
fn a_component_in_rust_passes_and_a_method_that_waits_is_a_warning() {
    let path = library("calc");
    let finished = mesh(&[
        "check-plugin",
        path.to_str().unwrap(),
        "--rounds",
        "5",
        "--answer-time",
        "400",
    ]);
    assert_eq!(finished.code, 0, "{}\n{}", finished.out, finished.err);
    assert!(finished.out.starts_with("calc 1.2.3, "), "{}", finished.out);
    assert!(
        finished.out.contains(
            "method `never` with no arguments did not answer within 400 ms: right where it waits by design"
        ),
        "{}",
        finished.out
    );
    assert!(finished.out.contains(", 0 failed"), "{}", finished.out);
}

#[test]
fn each_way_of_being_hostile_fails_the_check_that_meets_it() {
    let folder = Folder::new("check-hostile");
    for (flag, check_name, says) in [
        (
            "CRASHES",
            "no-arguments",
            "failed: the plugin ended the process with SIGSEGV during method `crash` with no arguments: ",
        ),
        (
            "ABORTS_ON_DEPTH",
            "odd-arguments",
            "failed: the plugin ended the process with SIGABRT during method `echo` with arguments nested ten thousand deep: ",
        ),
        (
            "EXITS",
            "no-arguments",
            "failed: the plugin ended the process with exit code 3 during method `crash` with no arguments: ",
        ),
        (
            "HANGS_IN_WORK",
            "no-arguments",
            "warning: method `crash` with no arguments kept its lane busy for more than 400 ms: ",
        ),
        (
            "IGNORES_UNKNOWN",
            "unknown-method",
            "failed: method `noSuchMethod` (which it lacks) was not answered within 400 ms: ",
        ),
        (
            "COMPLETES_EVENTS",
            "unexpected-work",
            "failed: it completed events of unknown subscriptions: ",
        ),
        (
            "DIES_AFTER_STOP",
            "unexpected-work",
            "failed: the plugin ended the process with SIGSEGV during events behind STOP: ",
        ),
        (
            "PRINTS",
            "lifecycle",
            "warning: it wrote to standard output, which belongs to the host: ",
        ),
        (
            "LEAKS_DESCRIPTOR",
            "rounds",
            "failed: file descriptors grew from ",
        ),
        (
            "LEAKS_THREAD",
            "lifecycle",
            "failed: after a life without calls it stays in memory, since 1 of its own threads still run: ",
        ),
    ] {
        let (finished, report) = check(&compiled(&folder, "hostile.c", flag));
        let found = findings(&report, check_name);
        assert!(
            found.iter().any(|finding| finding.starts_with(says)),
            "{flag}: {says:?} is not in {found:#?}"
        );
        let failed = says.starts_with("failed");
        assert_eq!(finished.code, i32::from(failed), "{flag}: {report:#}");
        assert_eq!(
            report["verdict"],
            if failed { "failed" } else { "warning" },
            "{flag}"
        );
        assert_eq!(findings(&report, "inspect"), [""; 0], "{flag}");
    }
}

#[test]
fn a_panic_while_an_instance_is_dropped_is_named() {
    let (finished, report) = check_with(
        &library("unruly"),
        &[
            "--config",
            "{\"panicInDrop\":true}",
            "--rounds",
            "1",
            "--answer-time",
            "200",
        ],
    );
    let found = findings(&report, "lifecycle");
    let says = |finding: &String| {
        finding.starts_with("warning: it logs an error though no method was called: ")
            && finding.contains("the unruly one will not be dropped")
    };
    assert!(found.iter().any(says), "{report:#}");
    assert!(finished.code <= 1, "{report:#}");
}

#[test]
fn memory_that_is_not_given_back_is_seen() {
    let folder = Folder::new("check-leak");
    let (_, report) = check_with(
        &compiled(&folder, "hostile.c", "LEAKS_MEMORY"),
        &["--rounds", "40"],
    );
    let found = findings(&report, "rounds");
    assert!(
        found
            .iter()
            .any(|finding| finding.starts_with("failed: memory grew by ")),
        "{found:#?}"
    );
}

#[test]
fn a_library_that_hangs_before_it_serves_ends_the_checks_and_not_the_command() {
    let folder = Folder::new("check-hang");
    for (flag, check_name, says) in [
        (
            "HANGS_IN_ENTRY",
            "inspect",
            "failed: the plugin did not return within 700 ms during opening the library: ",
        ),
        (
            "HANGS_IN_CREATE",
            "lifecycle",
            "could not be created: it did not return within 250 ms",
        ),
    ] {
        let file = compiled(&folder, "hostile.c", flag);
        let (finished, report) = check_with(&file, &["--step-time", "500", "--answer-time", "100"]);
        assert_eq!(finished.code, 1);
        let found = findings(&report, check_name);
        assert!(found[0].contains(says), "{found:?}");
        assert_eq!(
            report["checks"].as_array().unwrap().last().unwrap()["check"],
            check_name
        );
        let skipped = report["skipped"].as_array().unwrap();
        assert!(skipped.contains(&"rounds".into()), "{report:#}");
    }
}

#[test]
fn wrong_completions_are_told_apart() {
    let folder = Folder::new("check-completions");
    let (finished, report) = check(&compiled(&folder, "completions.c", "good"));
    assert_eq!(finished.code, 1);
    let found = findings(&report, "no-arguments");
    for says in [
        "failed: methods `twice`, `errorAfterSuccess`, `thousandTimes` and 2 more, the first with no arguments, completed a token more than once: ",
        "failed: methods `notJson`, `notArray`, `bareValue` and 5 more, the first with no arguments, answered with bytes that are no JSON array: ",
        "failed: methods `errorEmpty`, `errorEmptyArray`, `errorNotJson` and 2 more, the first with no arguments, failed with bytes that are no error: ",
        "warning: method `unknownStatus` with no arguments answered with a status that the ABI does not know: ",
        "warning: methods `never`, `lateOnCancel`, the first with no arguments, did not answer within 400 ms: ",
    ] {
        assert!(
            found.iter().any(|finding| finding.starts_with(says)),
            "{says:?} is not in {found:#?}"
        );
    }
}

/// The remark of one check: why there was nothing to check.
fn remark<'a>(report: &'a Value, check: &str) -> &'a str {
    let checks = report["checks"].as_array().unwrap();
    let found = checks.iter().find(|entry| entry["check"] == check).unwrap();
    found["remark"].as_str().unwrap_or_default()
}

/// The checks for which a component has to declare state or health.
const DECLARED: [&str; 3] = ["state", "wrong-state", "health"];

#[test]
fn a_component_that_hands_its_state_over_passes_and_is_asked_for_all_that_it_declares() {
    let folder = Folder::new("check-state-good");
    let greeter = folder.path().join("libgreeter.so");
    let source = mesh_tests::host::repository().join("plugins/greeter-c/greeter.c");
    c_library::compile(&source, &[], &greeter).expect("the greeter compiles");
    let ledger = compiled(&folder, "bad_state.c", "good");
    for (file, not_declared) in [
        (ledger, None),
        (greeter, None),
        (library("counter"), Some("health")),
        (library("fixture_counter_next"), Some("health")),
    ] {
        let (finished, report) = check(&file);
        assert_eq!(finished.code, 0, "{report:#}");
        assert_eq!(report["verdict"], "ok", "{report:#}");
        for name in DECLARED {
            let is_declared = not_declared != Some(name);
            assert_eq!(
                remark(&report, name).is_empty(),
                is_declared,
                "{name}: {report:#}"
            );
        }
    }
}

#[test]
fn a_component_that_declares_nothing_is_asked_for_nothing() {
    let folder = Folder::new("check-undeclared");
    let file = compiled(&folder, "bad_state.c", "UNDECLARED");
    let (finished, report) = check(&file);
    assert_eq!(
        (finished.code, &report["verdict"]),
        (0, &"ok".into()),
        "{report:#}"
    );
    for name in DECLARED {
        assert!(remark(&report, name).starts_with("not declared: "), "{report:#}");
    }
    let shown = mesh(&["check-plugin", file.to_str().unwrap(), "--rounds", "5"]);
    assert!(
        shown
            .out
            .contains("ok       state            not declared: without `state` in its descriptor"),
        "{}",
        shown.out
    );
}

#[test]
fn each_way_of_losing_a_state_is_named() {
    each_is_named(
        "check-state",
        &[
            (
                "SNAPSHOT_TWICE",
                "state",
                "failed: SNAPSHOT was completed more than once: ",
            ),
            (
                "SNAPSHOT_NEVER",
                "state",
                "failed: SNAPSHOT after calls was not completed within 400 ms: ",
            ),
            (
                "SNAPSHOT_HANGS",
                "state",
                "failed: SNAPSHOT after calls was not completed within 400 ms: ",
            ),
            (
                "SNAPSHOT_FAILS",
                "state",
                "failed: SNAPSHOT after calls was completed with an error (the ledger is torn): ",
            ),
            (
                "SNAPSHOT_DIFFERS",
                "state",
                "warning: a state of 16 bytes is 16 different ones after RESTORE and SNAPSHOT: ",
            ),
            (
                "STATE_GROWS",
                "state",
                "failed: the state grew from 9 to 33 bytes in 25 rounds ",
            ),
            (
                "RESTORE_FAILS",
                "state",
                "failed: RESTORE in a new instance, before START, was completed with an error (the ledger is torn): ",
            ),
            (
                "RESTORE_TWICE",
                "state",
                "failed: RESTORE was completed more than once: ",
            ),
            ("RESTORE_LEAKS", "state", "failed: memory grew by "),
            (
                "RESUME_IS_FORGOTTEN",
                "state",
                "failed: it answers no calls after SNAPSHOT and RESUME: ",
            ),
        ],
    );
}

#[test]
fn each_way_of_accepting_a_wrong_state_is_named() {
    each_is_named(
        "check-wrong-state",
        &[
            (
                "RESTORE_CRASHES",
                "wrong-state",
                "failed: the plugin ended the process with SIGSEGV during RESTORE of 64 bytes of noise as schema 1: ",
            ),
            (
                "RESTORE_TAKES_ALL",
                "wrong-state",
                "failed: RESTORE of 64 bytes of noise as schema 1, 1 MiB of noise as schema 1, a state of schema 0, which it does not declare and 2 more was completed with MESH_STATUS_OK: ",
            ),
            (
                "RESTORE_ANY_SCHEMA",
                "wrong-state",
                "failed: RESTORE of a state of schema 0, which it does not declare, a state of schema 2, ",
            ),
            (
                "RESTORE_NEVER",
                "wrong-state",
                "failed: RESTORE of 64 bytes of noise as schema 1, ",
            ),
            (
                "RESTORE_PANICS",
                "wrong-state",
                "warning: RESTORE of 64 bytes of noise as schema 1, ",
            ),
            (
                "RESTORE_FORGETS",
                "wrong-state",
                "failed: RESTORE of 64 bytes of noise was refused and changed the state all the same: ",
            ),
            (
                "RESTORE_DEAFENS",
                "wrong-state",
                "failed: it answers no calls after RESTORE of 64 bytes of noise as schema 1: ",
            ),
        ],
    );
}

#[test]
fn each_way_of_being_ill_and_of_not_pausing_is_named() {
    each_is_named(
        "check-health",
        &[
            (
                "HEALTH_TWICE",
                "health",
                "failed: HEALTH after START was completed more than once: ",
            ),
            (
                "HEALTH_NEVER",
                "health",
                "failed: HEALTH after START was not completed within 400 ms: ",
            ),
            (
                "HEALTH_PANICS",
                "health",
                "failed: HEALTH after START panicked (the ledger fell down): ",
            ),
            (
                "ILL",
                "health",
                "warning: it says that it is not well (the ledger is torn): ",
            ),
            (
                "ILL_WITHOUT_REASON",
                "health",
                "warning: it says with bytes that are no error that it is not well: ",
            ),
            (
                "RESUME_CRASHES",
                "quiesce",
                "failed: the plugin ended the process with SIGSEGV during a call after QUIESCE and RESUME: ",
            ),
            (
                "RESUME_IS_COMPLETED",
                "quiesce",
                "failed: it completed QUIESCE or RESUME: ",
            ),
            (
                "QUIESCE_DROPS_CALLS",
                "quiesce",
                "failed: 16 of 16 calls that it had taken before QUIESCE were not answered within 400 ms: ",
            ),
            ("QUIESCE_IS_IGNORED", "quiesce", "warning: it emitted "),
        ],
    );
}

/// Checks a variant of the ledger for each flag. The named check says so, and all that is not about state, health and
/// pausing is as it should be.
fn each_is_named(folder: &str, flaws: &[(&str, &str, &str)]) {
    let folder = Folder::new(folder);
    for (flag, check_name, says) in flaws {
        let (finished, report) = check(&compiled(&folder, "bad_state.c", flag));
        let found = findings(&report, check_name);
        assert!(
            found.iter().any(|finding| finding.starts_with(says)),
            "{flag}: {says:?} is not in {found:#?}"
        );
        let failed = says.starts_with("failed");
        assert_eq!(finished.code, i32::from(failed), "{flag}: {report:#}");
        for entry in report["checks"].as_array().unwrap() {
            let name = entry["check"].as_str().unwrap();
            if !DECLARED.contains(&name) && name != "quiesce" {
                assert_eq!(entry["verdict"], "ok", "{flag}, {name}: {report:#}");
            }
        }
    }
}
