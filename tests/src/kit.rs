//! Scripts of the tests that run with packages from npm, where Node is installed: the conformance kit's published clients, and
//! the validator of OpenAPI documents.
//!
//! What enters: a folder with a `package-lock.json`, and the npm registry. What leaves: whether scripts in that folder can be
//! run with the packages that it names. Guarantees: they are those of the lock file; without Node the caller is told so, unless
//! `CI` or `MESH_TESTS_REQUIRE_NODE` is set; the packages of one folder are installed once, however many tests want them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Beside the installed modules: a copy of the lock file that they were installed from.
const STAMP: &str = "node_modules/.installed-package-lock.json";

/// The conformance kit's folder.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance")
}

/// Whether the conformance kit can run; installs its clients when they are missing or others than package-lock.json says.
///
/// # Panics
///
/// When Node is required and is not there, or the clients cannot be installed.
pub fn ready() -> bool {
    ready_in(&folder())
}

/// As [`ready`], for the scripts of another folder.
///
/// # Panics
///
/// When Node is required and is not there, or the packages cannot be installed.
pub fn ready_in(folder: &Path) -> bool {
    static INSTALLING: Mutex<()> = Mutex::new(());
    let has_node = has_node();
    if has_node {
        let _alone = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
        install(folder);
    }
    has_node
}

/// Whether what a test needs from outside must be there, as on CI, rather than be done without.
pub fn tools_are_required() -> bool {
    ["CI", "MESH_TESTS_REQUIRE_NODE"]
        .iter()
        .any(|name| std::env::var_os(name).is_some())
}

/// Whether a program is installed.
pub fn has(program: impl AsRef<OsStr>) -> bool {
    Command::new(program)
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
}

fn has_node() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let found = has("node") && has("npm");
        assert!(
            found || !tools_are_required(),
            "node and npm are not installed, and tests that need them must run here"
        );
        if !found {
            eprintln!("tests with packages from npm not run: node and npm are not installed");
        }
        found
    })
}

fn install(folder: &Path) {
    let lock = std::fs::read(folder.join("package-lock.json")).expect("package-lock.json can be read");
    if std::fs::read(folder.join(STAMP)).is_ok_and(|installed| installed == lock) {
        return;
    }
    let Output { status, stderr, .. } = Command::new("npm")
        .current_dir(folder)
        .args(["install", "--ignore-scripts", "--no-audit", "--no-fund"])
        .stdin(Stdio::null())
        .output()
        .expect("npm runs");
    assert!(
        status.success(),
        "npm install failed: {}",
        String::from_utf8_lossy(&stderr)
    );
    std::fs::write(folder.join(STAMP), lock).expect("the stamp can be written");
}
