//! Runs the conformance kit, in which published clients drive the host, where Node is installed.
//!
//! Enters: `conformance/` (the kit), the npm registry for its clients, a host with `conformance/mesh.toml`.
//! Leaves: the kit's table. Guarantees: every case passes except those of `conformance/pending.json`, and each of those
//! really fails. Without Node the tests are skipped.
//!
//! With `MESH_TESTS_LONG=1` idle clients are watched for 65 seconds, beside the other cases.

use std::collections::{BTreeMap, BTreeSet};

use mesh_tests::conformance::{Kit, Run, finish, judge, kit, launch, turn};
use mesh_tests::host::Host;
use mesh_tests::kit::{folder, ready};

/// The cases that the host claims to serve.
const AREAS: &str = "connect,description,exchange,events,meshclient,modernclient,reconnect,data,search,subscribe,publish,robustness,lifecycle,rest,web";
/// The cases that it claims with `happn.secure`: all of these, and those that only a secure mesh has.
const SECURE_AREAS: &str = "security,connect,description,exchange,events,meshclient,modernclient,reconnect,data,search,subscribe,publish,robustness,rest,web";
/// The administrator's password of the secure host.
const PASSWORD: &str = "secret";
/// Cases that take more than a minute.
const LONG_AREAS: &str = "heartbeat";

#[test]
fn clients_of_the_first_generation() {
    check_profile("era");
}

#[test]
fn clients_of_the_second_generation() {
    check_profile("modern");
}

#[test]
fn clients_of_the_first_generation_in_a_secure_mesh() {
    check_secure_profile("era");
}

#[test]
fn clients_of_the_second_generation_in_a_secure_mesh() {
    check_secure_profile("modern");
}

#[test]
fn pending_cases_exist() {
    if !ready() {
        return;
    }
    let mut command = kit("all");
    command.args(["--list", "--port", "1", "--slow"]);
    let output = command.output().expect("node runs");
    let list = String::from_utf8_lossy(&output.stdout);
    let cases: BTreeSet<&str> = list
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    for id in pending().keys() {
        assert!(
            cases.contains(id.as_str()),
            "pending.json names the case {id}, which does not exist"
        );
    }
}

fn check_profile(profile: &str) {
    if !ready() {
        return;
    }
    let _turn = turn(profile);
    let host = Host::start(&folder().join("mesh.toml"), &["happn.port=0"]);
    let port = host.addr().port().to_string();
    let long = std::env::var_os("MESH_TESTS_LONG").map(|_| start(profile, &port, LONG_AREAS));
    let mut runs = finish(start(profile, &port, AREAS));
    runs.extend(long.map(finish).unwrap_or_default());
    judge(&runs, &pending());
}

/// Cases lock accounts and switch on what watches sessions: the host is started for this run alone.
fn check_secure_profile(profile: &str) {
    if !ready() {
        return;
    }
    let _turn = turn(profile);
    let password = format!("security.admin_password={PASSWORD}");
    let host = Host::start(&folder().join("mesh.toml"), &["happn.secure=true", &password]);
    let port = host.addr().port().to_string();
    let mut command = kit(profile);
    command.args(["--secure-port", &port, "--admin-password", PASSWORD]);
    let runs = finish(launch(command, &format!("{profile}-secure.json"), SECURE_AREAS));
    judge(&runs, &pending());
}

#[test]
fn a_pending_case_must_fail() {
    let run = |ok| Run {
        id: "a/b".to_owned(),
        client: "c".to_owned(),
        ok,
        error: String::new(),
    };
    let pending = BTreeMap::from([("a/b".to_owned(), "later".to_owned())]);
    judge(&[run(false)], &pending);
    assert!(std::panic::catch_unwind(|| judge(&[run(true)], &pending)).is_err());
    assert!(std::panic::catch_unwind(|| judge(&[run(false)], &BTreeMap::new())).is_err());
}

fn pending() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(folder().join("pending.json")).expect("pending.json can be read");
    serde_json::from_str(&text).expect("pending.json maps cases to reasons")
}

fn start(profile: &str, port: &str, areas: &str) -> Kit {
    let long = areas == LONG_AREAS;
    let name = if long {
        format!("{profile}-long.json")
    } else {
        format!("{profile}.json")
    };
    let mut command = kit(profile);
    command.args(["--port", port]);
    if long {
        command.arg("--slow");
    }
    launch(command, &name, areas)
}
