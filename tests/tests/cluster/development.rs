//! A cluster on the machine of a developer.
//!
//! Enters: two hosts with `dev = true`. Leaves: the processes of `nats-server` that they start, and the answers of calls.

use mesh_tests::host::{Folder, Host, mesh};
use mesh_tests::nats;
use serde_json::json;
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

fn is_open(port: u16) -> bool {
    std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
}

fn start(folder: &Folder, name: &str, port: u16, more: &str) -> Host {
    let text = format!(
        "name = \"{name}\"\ndomain = \"shop\"\n[cluster]\nname = \"shop\"\ndev = true\nservers = [\"nats://127.0.0.1:{port}\"]\n{more}"
    );
    Host::start_with(&folder.write(&format!("{name}.toml"), &text), &[], |command| {
        command.arg("--dev");
    })
}

fn add(host: &Host) -> Option<serde_json::Value> {
    let called = mesh(&["call", "--url", &host.url(), "calc/add", "40", "2"]);
    (called.code == 0).then(|| serde_json::from_str(&called.out).expect("it is JSON"))
}

#[test]
fn hosts_of_one_machine_bring_their_own_server_and_one_replaces_that_of_another() {
    if !nats::is_there() {
        return;
    }
    let free = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = free.local_addr().expect("it has an address").port();
    drop(free);
    let folder = Folder::new("development");
    let first = start(&folder, "shop-1", port, "");
    assert!(is_open(port));
    let second = start(
        &folder,
        "shop-2",
        port,
        "[[components]]\nname = \"calc\"\nlibrary = \"calc\"\n",
    );
    while add(&first) != Some(json!(42)) {
        thread::sleep(Duration::from_millis(20));
    }
    assert!(first.stop().success());
    let first = start(&folder, "shop-1", port, "");
    while add(&first) != Some(json!(42)) {
        thread::sleep(Duration::from_millis(20));
    }
    assert!(first.stop().success());
    assert!(second.stop().success());
    while is_open(port) {
        thread::sleep(Duration::from_millis(20));
    }
}
