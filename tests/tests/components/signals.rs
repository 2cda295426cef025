//! State of the process that is the host's: a component that changes it does not keep it changed.
//!
//! Enters: components that take SIGTERM, the working folder or the file mode mask from the host. Leaves: what the system says
//! about the process of the host. Guarantees: the host ends when it is asked to.

use mesh_tests::c_library::{compile, fixture};
use mesh_tests::host::{Folder, Host};
use mesh_tests::session;
use mesh_tests::swapping::{answer_to, config, swap};
use serde_json::json;
use std::fs;
use std::path::PathBuf;

fn library(folder: &Folder, kind: &str) -> PathBuf {
    let output = folder.path().join(format!("loading-{kind}.so"));
    let defines: &[&str] = if kind.is_empty() { &[] } else { &[kind] };
    compile(&fixture("loading.c"), defines, &output).expect("the fixture compiles");
    output
}

/// The working folder, the file mode mask, and the signals that are ignored and handled.
fn state(host: &Host) -> (PathBuf, Vec<String>) {
    let process = PathBuf::from(format!("/proc/{}", host.pid()));
    let status = fs::read_to_string(process.join("status")).expect("the host runs");
    let is_wanted = |line: &&str| {
        ["Umask:", "SigIgn:", "SigCgt:"]
            .iter()
            .any(|name| line.starts_with(name))
    };
    let lines = status.lines().filter(is_wanted).map(str::to_owned).collect();
    (fs::read_link(process.join("cwd")).expect("the host runs"), lines)
}

async fn echo(host: &Host) {
    let (mut sender, mut receiver) = session::open(host.addr()).await;
    sender.call("TestNode/loading/echo", 1, json!(["well"])).await;
    answer_to(&mut receiver, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_component_changes_in_create_is_put_back_before_it_serves() {
    let folder = Folder::new("put-back");
    let config = config(&folder, "loading", &library(&folder, ""), "probation_ms = 0");
    let host = Host::start(&config, &[]);
    let before = state(&host);
    let changing = library(&folder, "CREATE_CHANGES_THE_PROCESS");
    let swapped = swap(&config, "loading", &changing, &["--force", "--wait"]).await;
    assert_eq!(swapped.code, 0, "{swapped:?}");
    echo(&host).await;
    assert_eq!(state(&host), before);
    // Nothing of it stays: no handler was its own.
    let back = swap(&config, "loading", &library(&folder, ""), &["--force", "--wait"]).await;
    assert_eq!(back.code, 0, "{back:?}");
    assert!(
        !format!("{}{}", back.out, back.err).contains("still in memory"),
        "{back:?}"
    );
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_handled_a_signal_stays_in_memory_and_the_host_handles_it_again() {
    for kind in ["CREATE_HANDLES_SIGTERM", "WORK_HANDLES_SIGTERM"] {
        let folder = Folder::new("handled");
        let limits = "probation_ms = 0";
        let config = config(&folder, "loading", &library(&folder, kind), limits);
        let host = Host::start(&config, &[]);
        echo(&host).await;
        let swapped = swap(&config, "loading", &library(&folder, ""), &["--force", "--wait"]).await;
        let said = format!("{}{}", swapped.out, swapped.err);
        assert_eq!(swapped.code, 0, "{kind}: {said}");
        assert!(
            said.contains("still in memory") && said.contains("signal 15 (SIGTERM)"),
            "{kind}: {said}"
        );
        echo(&host).await;
        assert!(host.stop().success(), "{kind}");
    }
}
