//! The client for browsers and the console: in Node, and in headless Chromium where that is installed.
//!
//! Enters: the scripts of `tests/client`, and their packages from npm. Leaves: their report. Guarantees: without Node
//! nothing is tested, and without Chromium only what needs no page; both are told.

use mesh_tests::host::{executable, repository};
use mesh_tests::tools::Tool;
use mesh_tests::{kit, turns};
use std::process::Command;

#[test]
fn the_client_and_the_console_work_in_node_and_in_a_browser() {
    let _turn = turns::of_heavy_tests();
    let folder = repository().join("tests/client");
    if !kit::ready_in(&folder) {
        return;
    }
    // The scripts look for it themselves, and leave out the pages where it is missing.
    let _ = Tool::Chromium.is_there();
    let output = Command::new(folder.join("run.sh"))
        .env("MESH", executable())
        .output()
        .expect("the script can be run");
    let report = String::from_utf8_lossy(&output.stdout);
    println!("{report}");
    assert!(
        output.status.success(),
        "{report}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
