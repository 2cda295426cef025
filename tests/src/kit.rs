//! Scripts of the tests that run with packages from npm, where Node is installed. These are the conformance kit's
//! published clients, the tests of the browser client, and the validator of OpenAPI documents.
//!
//! Enters: a folder with a `package-lock.json`, and the npm registry. Leaves: whether scripts in that folder can be
//! run with the packages that it names. Guarantees: they are those of the lock file. They are installed once for a
//! folder, however many tests, binaries and profiles want them. Where they cannot be had, that is reported as for
//! every tool.

use crate::tools::Tool;
use crate::turns;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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
/// When Node is required and cannot be used.
pub fn ready() -> bool {
    ready_in(&folder())
}

/// As [`ready`], for the scripts of another folder.
///
/// # Panics
///
/// When Node is required and cannot be used.
pub fn ready_in(folder: &Path) -> bool {
    if !Tool::Node.is_there() {
        return false;
    }
    let _turn = turns::at(folder);
    let problem = install(folder).err();
    if let Some(problem) = &problem {
        Tool::Node.is_missing(problem);
    }
    problem.is_none()
}

fn install(folder: &Path) -> Result<(), String> {
    let lock = std::fs::read(folder.join("package-lock.json")).expect("package-lock.json can be read");
    if std::fs::read(folder.join(STAMP)).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    let shown = folder.display();
    let output = Command::new("npm")
        .current_dir(folder)
        .args(["install", "--ignore-scripts", "--no-audit", "--no-fund"])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("npm cannot be run: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("npm cannot install the packages of {shown}: {said}"));
    }
    std::fs::write(folder.join(STAMP), lock).expect("the stamp can be written");
    Ok(())
}
