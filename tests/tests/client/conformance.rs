//! Runs the conformance kit, in which published clients drive the host, where Node is installed.
//!
//! Enters: `conformance/` (the kit), the npm registry for its clients, a host with `conformance/mesh.toml`.
//! Leaves: the kit's table. Guarantees: every case passes except those of `conformance/pending.json`, and each of those
//! really fails. Without Node the tests are skipped.
//!
//! With `MESH_TESTS_LONG=1` idle clients are watched for 65 seconds, beside the other cases.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use mesh_tests::host::{Host, target_folder};
use mesh_tests::kit::{folder, ready};
use mesh_tests::turns;
use serde::Deserialize;

/// The cases that the host claims to serve.
const AREAS: &str = "connect,description,exchange,events,meshclient,modernclient,reconnect,data,search,subscribe,publish,robustness,lifecycle,rest,web";
/// The cases that it claims with `happn.secure`: all of these, and those that only a secure mesh has.
const SECURE_AREAS: &str = "security,connect,description,exchange,events,meshclient,modernclient,reconnect,data,search,subscribe,publish,robustness,rest,web";
/// The administrator's password of the secure host.
const PASSWORD: &str = "secret";
/// Cases that take more than a minute.
const LONG_AREAS: &str = "heartbeat";

/// The output of `run.js --json`, as far as it is read here.
#[derive(Debug, Deserialize)]
struct Summary {
    results: Vec<Run>,
}

/// One case with one client.
#[derive(Debug, Deserialize)]
struct Run {
    id: String,
    client: String,
    ok: bool,
    #[serde(default)]
    error: String,
}

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

/// One run of the kit at a time for each profile: one takes a processor of its own, and more of them only wait for each other.
fn turn(profile: &str) -> turns::Turn {
    let folder = target_folder().join("tmp");
    std::fs::create_dir_all(&folder).expect("the build's folder for temporary files can be made");
    let file = folder.join(format!("conformance-{profile}.lock"));
    std::fs::File::create(&file).expect("a lock file can be made");
    turns::at(&file)
}

/// Fails if a case fails that is not pending, or a pending one passes.
fn judge(runs: &[Run], pending: &BTreeMap<String, String>) {
    let mut wrong = Vec::new();
    for run in runs
        .iter()
        .filter(|run| !run.ok && !pending.contains_key(&run.id))
    {
        wrong.push(format!("{} with {}: {}", run.id, run.client, run.error));
    }
    for (id, reason) in pending {
        let of_case: Vec<&Run> = runs.iter().filter(|run| run.id == *id).collect();
        let failed = of_case.iter().filter(|run| !run.ok).count();
        match (failed, of_case.len()) {
            (_, 0) => {}
            (0, _) => wrong.push(format!("{id} passes: delete its entry from pending.json")),
            (failed, all) => println!("PENDING {id}: {failed} of {all} runs fail. {reason}"),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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

/// The kit's command with a profile.
fn kit(profile: &str) -> Command {
    let mut command = Command::new("node");
    command
        .current_dir(folder())
        .args(["run.js", "--profile", profile, "--spawn-cmd", "./spawn.sh"])
        .stdin(Stdio::null());
    // Where cases start hosts of their own.
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let port = free.expect("a free port").port().to_string();
    command
        .args(["--spawn-port", &port])
        .env("MESH", mesh_tests::host::executable());
    command
}

/// One running kit and the file that it will write.
struct Kit {
    child: Child,
    json: PathBuf,
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

fn launch(mut command: Command, name: &str, areas: &str) -> Kit {
    let json = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    // an old result must not be taken for a new one
    let _ = std::fs::remove_file(&json);
    command.args(["--only", areas, "--json"]).arg(&json);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("node runs");
    Kit { child, json }
}

fn finish(kit: Kit) -> Vec<Run> {
    let output = kit.child.wait_with_output().expect("node ends");
    print!("{}", String::from_utf8_lossy(&output.stdout));
    let Ok(text) = std::fs::read_to_string(&kit.json) else {
        panic!(
            "the kit wrote no results: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    let summary: Summary = serde_json::from_str(&text).expect("the kit's results can be read");
    assert!(!summary.results.is_empty(), "the kit ran no case");
    summary.results
}
