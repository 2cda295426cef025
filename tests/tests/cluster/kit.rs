//! Published clients at one node, while every component is on another one.
//!
//! Enters: the conformance kit, and the tests of the browser client. Leaves: their tables. Guarantees: every case of the areas passes, but for those that are listed here with a
//! reason. Each of those really fails.

use mesh_tests::conformance::{finish, judge, kit, launch, turn};
use mesh_tests::host::{Folder, Host, executable, repository};
use mesh_tests::kit::{folder, ready, ready_in};
use mesh_tests::nats::{self, NatsServer};
use std::collections::BTreeMap;
use std::process::{Command, Stdio};

/// Everything that leads to a component. Documents are each node's own.
const AREAS: &str = "connect,description,exchange,events,meshclient,modernclient,rest,web";

/// Cases that a cluster answers in another way.
const OTHERWISE: [(&str, &str); 2] = [
    (
        "exchange/component-data-visible-under-its-path",
        "documents are each node's own: those of a component are on its node",
    ),
    (
        "exchange/whoami-origin",
        "a component says the name of its own node, and the case expects that of the client's node",
    ),
];

#[test]
fn clients_of_the_first_generation_notice_no_other_node() {
    check("era");
}

#[test]
fn clients_of_the_second_generation_notice_no_other_node() {
    check("modern");
}

#[test]
fn the_browser_client_notices_no_other_node() {
    let folder = repository().join("tests/client");
    if !ready_in(&folder) || !nats::is_there() {
        return;
    }
    let server = NatsServer::start();
    let output = Command::new("node")
        .current_dir(folder)
        .args([
            "--test",
            "native.test.js",
            "happner.test.js",
            "browser_client.test.js",
        ])
        .env("MESH", executable())
        .env("MESH_NATS", server.url())
        .stdin(Stdio::null())
        .output()
        .expect("node runs");
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{report}");
}

fn check(profile: &str) {
    if !ready() || !nats::is_there() {
        return;
    }
    let _turn = turn(profile);
    let server = NatsServer::start();
    let clustered = |name: &str, more: &str| {
        format!(
            "name = \"{name}\"\ndomain = \"TestNode\"\n{more}\n[cluster]\nname = \"kit\"\nservers = [\"{}\"]\n",
            server.url()
        )
    };
    let files = Folder::new("cluster-kit");
    let components = std::fs::read_to_string(folder().join("mesh.toml")).expect("the kit has a mesh");
    let (_, components) = components
        .split_once("[[components]]")
        .expect("it has components");
    let provider = clustered("TestNode-2", "") + "\n[[components]]" + components;
    let provider = Host::start(&files.write("provider.toml", &provider), &[]);
    let edge = clustered("TestNode", "") + "wait_for = [\"calc\", \"web\"]\n";
    let edge = Host::start(&files.write("edge.toml", &edge), &[]);
    let mut command = kit(profile);
    command.args(["--port", &edge.addr().port().to_string()]);
    let runs = finish(launch(command, &format!("{profile}-cluster.json"), AREAS));
    let otherwise = OTHERWISE.map(|(case, reason)| (case.to_owned(), reason.to_owned()));
    judge(&runs, &BTreeMap::from(otherwise));
    assert!(edge.stop().success());
    assert!(provider.stop().success());
}
