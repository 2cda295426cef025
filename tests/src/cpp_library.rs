//! Compiles component libraries written in C++, for tests that load them.
//!
//! Enters: one C++ source file and the flags that choose its variant. Leaves: a shared library, or what the compiler
//! said. Guarantees: as for libraries in C ([`crate::c_library`]), and a warning is an error.

use crate::c_library::{build, build_variant, workspace};
use crate::tools::Tool;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The compiler: `c++`, or the one that the variable `CXX` names.
pub fn compiler() -> OsString {
    std::env::var_os("CXX").unwrap_or_else(|| "c++".into())
}

/// Compiles `source` to a shared library at `output`. Each of `defines` is what follows `-D`. A component's Makefile also says
/// `-fno-gnu-unique`: without it the tests show that the list of exports is enough.
///
/// # Errors
///
/// One text that names the source file, with the compiler's messages.
pub fn compile(source: &Path, defines: &[&str], output: &Path) -> Result<(), String> {
    build_variant(command(), source, defines, output)
}

/// As [`compile`], with another header of the contract in the place of today's.
///
/// # Errors
///
/// As for [`compile`].
pub fn compile_against(header: &Path, source: &Path, output: &Path) -> Result<(), String> {
    let mut command = command();
    // Its guard against being included twice keeps today's out.
    command.arg("-include").arg(header);
    build(command, source, &[], output)
}

fn command() -> Command {
    let sdk = workspace().join("plugin-sdk");
    let exports = sdk.join("cpp/mesh/component.map");
    let mut command = Command::new(compiler());
    command
        .args(["-std=c++17", "-O1", "-shared", "-fPIC", "-pthread"])
        .args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fvisibility=hidden"])
        .arg(format!("-Wl,--version-script={}", exports.display()))
        .arg("-I")
        .arg(sdk.join("cpp"))
        .arg("-I")
        .arg(sdk.join("include"));
    command
}

/// A fixture in C++, compiled into a folder; nothing where there is no compiler.
///
/// # Panics
///
/// When it does not compile, or when a compiler is required and missing.
pub fn component(source: &Path, defines: &[&str], output: PathBuf) -> Option<PathBuf> {
    if !Tool::Cpp.is_there() {
        return None;
    }
    compile(source, defines, &output).unwrap_or_else(|error| panic!("{error}"));
    Some(output)
}

/// The path of a fixture in C++: a file of `tests/fixtures/cpp`.
pub fn fixture(file: &str) -> PathBuf {
    workspace().join("tests/fixtures/cpp").join(file)
}
