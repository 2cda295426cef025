//! The client for browsers and the console: in Node, and in headless Chromium where that is installed.
//!
//! What enters: the scripts of `tests/client`. What leaves: their report. Guarantees: where Node is required, what cannot run is
//! a failure.

use mesh_tests::host::{executable, repository};
use std::process::Command;

#[test]
fn the_client_and_the_console_work_in_node_and_in_a_browser() {
    let script = repository().join("tests/client/run.sh");
    let mut command = Command::new(script);
    command.env("MESH", executable());
    if std::env::var_os("CI").is_some() {
        command.env("MESH_TESTS_REQUIRE_NODE", "1");
    }
    let output = command.output().expect("the script can be run");
    let report = String::from_utf8_lossy(&output.stdout);
    println!("{report}");
    assert!(
        output.status.success(),
        "{report}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
