//! The conformance kit's published clients, where Node is installed.
//!
//! What enters: `conformance/package-lock.json` and the npm registry. What leaves: whether scripts in that folder can be run
//! with the clients that it names. Guarantees: the clients are those of the lock file; without Node the caller is told so,
//! unless `CI` or `MESH_TESTS_REQUIRE_NODE` is set.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// Beside the installed modules: a copy of the lock file that they were installed from.
const STAMP: &str = "node_modules/.installed-package-lock.json";

/// The kit's folder.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance")
}

/// Whether the kit can run; installs its clients when they are missing or others than package-lock.json says.
///
/// # Panics
///
/// When Node is required and is not there, or the clients cannot be installed.
pub fn ready() -> bool {
    static READY: OnceLock<bool> = OnceLock::new();
    *READY.get_or_init(|| {
        let found = |program: &str| {
            Command::new(program)
                .arg("--version")
                .output()
                .is_ok_and(|output| output.status.success())
        };
        if !found("node") || !found("npm") {
            let required = ["CI", "MESH_TESTS_REQUIRE_NODE"]
                .iter()
                .any(|name| std::env::var_os(name).is_some());
            assert!(
                !required,
                "node and npm are not installed, and the conformance kit must run here"
            );
            eprintln!("conformance kit not run: node and npm are not installed");
            return false;
        }
        install();
        true
    })
}

fn install() {
    let lock = std::fs::read(folder().join("package-lock.json")).expect("package-lock.json can be read");
    if std::fs::read(folder().join(STAMP)).is_ok_and(|installed| installed == lock) {
        return;
    }
    let Output { status, stderr, .. } = Command::new("npm")
        .current_dir(folder())
        .args(["install", "--ignore-scripts", "--no-audit", "--no-fund"])
        .stdin(Stdio::null())
        .output()
        .expect("npm runs");
    assert!(
        status.success(),
        "npm install failed: {}",
        String::from_utf8_lossy(&stderr)
    );
    std::fs::write(folder().join(STAMP), lock).expect("the stamp can be written");
}
