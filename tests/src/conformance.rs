//! Runs of the conformance kit, in which published clients drive a host.
//!
//! Enters: `conformance/` (the kit), where a host is. Leaves: each case with each client, and whether it passed. Guarantees: an old
//! result is never taken for a new one.

use crate::host::{self, target_folder};
use crate::kit::folder;
use crate::turns;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// The output of `run.js --json`, as far as it is read here.
#[derive(Debug, Deserialize)]
struct Summary {
    results: Vec<Run>,
}

/// One case with one client.
#[derive(Debug, Deserialize)]
pub struct Run {
    /// The case.
    pub id: String,
    /// The client.
    pub client: String,
    /// Whether it passed.
    pub ok: bool,
    #[serde(default)]
    /// Why not.
    pub error: String,
}

/// The kit's command with a profile.
///
/// # Panics
///
/// When the machine has no free port.
pub fn kit(profile: &str) -> Command {
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
        .env("MESH", host::executable());
    command
}

/// One run of the kit at a time for each profile: one takes a processor of its own, and more of them only wait for each other.
pub fn turn(profile: &str) -> turns::Turn {
    let folder = target_folder().join("tmp");
    std::fs::create_dir_all(&folder).expect("the build's folder for temporary files can be made");
    let file = folder.join(format!("conformance-{profile}.lock"));
    std::fs::File::create(&file).expect("a lock file can be made");
    turns::at(&file)
}

/// One running kit and the file that it will write.
pub struct Kit {
    child: Child,
    json: PathBuf,
}

/// Begins a run whose results are written to a file of this name.
///
/// # Panics
///
/// When Node cannot be run.
pub fn launch(mut command: Command, name: &str, areas: &str) -> Kit {
    let json = target_folder().join("tmp").join(name);
    // an old result must not be taken for a new one
    let _ = std::fs::remove_file(&json);
    std::fs::create_dir_all(target_folder().join("tmp")).expect("the folder for results can be made");
    command.args(["--only", areas, "--json"]).arg(&json);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("node runs");
    Kit { child, json }
}

/// Waits for the end of a run.
///
/// # Panics
///
/// When it has written no results.
pub fn finish(kit: Kit) -> Vec<Run> {
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

/// Fails if a case fails that is not pending, or a pending one passes.
///
/// # Panics
///
/// In these cases.
pub fn judge(runs: &[Run], pending: &BTreeMap<String, String>) {
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
