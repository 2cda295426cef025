//! Programs from PyPI, where Python is installed.
//!
//! Enters: a list of pinned packages and the registry. Leaves: a virtual environment with exactly these packages.
//! Guarantees: nothing is installed outside of the folder for it. It is made once, however many tests, binaries and
//! profiles want it; where it cannot be had, that is told as of every tool.

use crate::tools::{Tool, try_out};
use crate::turns;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// In the environment: a copy of the list that it was made from.
const STAMP: &str = "requirements.txt";

/// The folder of programs of an environment with the packages of a list; `None` when there can be none here.
///
/// # Panics
///
/// When Python is required and cannot be used.
pub fn programs(requirements: &Path, environment: &Path) -> Option<PathBuf> {
    if !Tool::Python.is_there() {
        return None;
    }
    let _turn = turns::at(requirements);
    let wanted = std::fs::read(requirements).expect("the list of packages can be read");
    let programs = environment.join("bin");
    let stamp = environment.join(STAMP);
    let works = || try_out(programs.join("python"), &["--version"]).is_none();
    if std::fs::read(&stamp).is_ok_and(|made| made == wanted) && works() {
        return Some(programs);
    }
    if let Err(problem) = make(requirements, environment) {
        let wanted = requirements.display();
        Tool::Python.is_missing(&format!(
            "the packages of {wanted} cannot be installed: {problem}"
        ));
        return None;
    }
    std::fs::write(stamp, wanted).expect("the stamp can be written");
    Some(programs)
}

fn make(requirements: &Path, environment: &Path) -> Result<(), String> {
    // The folder that is there may be half of one.
    let _ = std::fs::remove_dir_all(environment);
    run(Command::new("python3").args(["-m", "venv"]).arg(environment))?;
    // The list is complete: what it does not name is not wanted.
    let install = ["-m", "pip", "install", "--quiet", "--no-input", "--no-deps"];
    run(Command::new(environment.join("bin/python"))
        .args(install)
        .arg("--disable-pip-version-check")
        .arg("--requirement")
        .arg(requirements))
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("cannot run {:?}: {error}", command.get_program()))?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let said = [output.stdout, output.stderr].concat();
            Err(format!("{command:?}: {}", String::from_utf8_lossy(&said)))
        }
    }
}
