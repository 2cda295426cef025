//! Compiles component libraries written in C, for tests that load them.
//!
//! Enters: one C source file and the flags that choose its variant. Leaves: a shared library, or what the compiler
//! said. Guarantees: the output appears whole or not at all, so that tests may compile to the same place at the same
//! time. Nothing is built through a shell. The source sees `plugin-sdk/include` of this workspace.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Compiles `source` to a shared library at `output`, whose folder is made where it is missing. Each of `defines` is
/// what follows `-D`: `WRONG_MAGIC`, or `RECORD_FILE="/path"` with the quotes that C needs.
///
/// The compiler is `cc`, or the one that the variable `CC` names.
///
/// # Errors
///
/// One text that names the source file: there is no compiler, or its messages.
///
/// # Examples
///
/// ```no_run
/// # use std::path::Path;
/// let source = mesh_tests::c_library::fixture("description.c");
/// let library = std::env::temp_dir().join("wrong_magic.so");
/// mesh_tests::c_library::compile(&source, &["WRONG_MAGIC"], &library)?;
/// # Ok::<(), String>(())
/// ```
pub fn compile(source: &Path, defines: &[&str], output: &Path) -> Result<(), String> {
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let mut command = Command::new(compiler);
    command
        .args([
            "-std=c11",
            "-shared",
            "-fPIC",
            "-pthread",
            "-fvisibility=hidden",
            "-O1",
            "-Wall",
            "-Wextra",
        ])
        .arg("-I")
        .arg(workspace().join("plugin-sdk/include"))
        .args(defines.iter().map(|define| format!("-D{define}")));
    build(command, source, output)
}

/// Compiles `source` with a compiler and its flags to `output`, whose folder is made where it is missing.
///
/// # Errors
///
/// As for [`compile`].
pub(crate) fn build(mut command: Command, source: &Path, output: &Path) -> Result<(), String> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let failed = |reason: String| format!("cannot compile {}: {reason}", source.display());
    if let Some(folder) = output.parent() {
        std::fs::create_dir_all(folder).map_err(|error| failed(error.to_string()))?;
    }
    let unfinished = format!(
        "unfinished-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    );
    let unfinished = output.with_extension(unfinished);
    let run = command.arg("-o").arg(&unfinished).arg(source).output();
    let compiled = run.map_err(|error| {
        let compiler = command.get_program().to_string_lossy();
        failed(format!("cannot run the compiler {compiler}: {error}"))
    })?;
    if !compiled.status.success() {
        let _ = std::fs::remove_file(&unfinished);
        return Err(failed(String::from_utf8_lossy(&compiled.stderr).into_owned()));
    }
    std::fs::rename(&unfinished, output).map_err(|error| failed(error.to_string()))
}

/// The path of a fixture in C: a file of `tests/fixtures/c`.
pub fn fixture(file: &str) -> PathBuf {
    workspace().join("tests/fixtures/c").join(file)
}

/// The folder of this workspace.
pub(crate) fn workspace() -> PathBuf {
    // Tests of several crates, at different depths, compile this file.
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut above = own.ancestors().skip(1);
    let found = above.find(|folder| folder.join("plugin-sdk").is_dir());
    found.unwrap_or(own).to_owned()
}
