//! Compiles component libraries written in C, for tests that load them.
//!
//! Enters: one C source file and the flags that choose its variant. Leaves: a shared library or a program, or what the
//! compiler said. Guarantees: the output appears whole or not at all, so that tests may compile to the same place at the
//! same time. Nothing is built through a shell. The source sees `plugin-sdk/include` and `tests/fixtures/c`. A fixture that
//! several tests want in one variant is compiled once, as long as neither it nor a header changes.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
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
    let mut command = compiler();
    command.args(["-shared", "-fPIC", "-fvisibility=hidden", "-O1"]);
    build_variant(command, source, defines, output)
}

/// Writes `text` to the file `source` and compiles it to a shared library that exports all its functions. `options` are for the linker,
/// and stand behind the source: names, run paths, other libraries.
///
/// # Errors
///
/// As for [`compile`], or the source cannot be written.
pub fn compile_text(source: &Path, text: &str, options: &[&str], output: &Path) -> Result<(), String> {
    fs::write(source, text).map_err(|error| format!("cannot write {}: {error}", source.display()))?;
    let mut command = compiler();
    command.args(["-shared", "-fPIC"]);
    build(command, source, options, output)
}

/// Compiles `source` to a program that may open libraries itself.
///
/// # Errors
///
/// As for [`compile`].
pub fn compile_program(source: &Path, output: &Path) -> Result<(), String> {
    build(compiler(), source, &["-ldl"], output)
}

/// The compiler for C with the flags of all that is built.
fn compiler() -> Command {
    let mut command = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
    command
        .args(["-std=c11", "-pthread", "-Wall", "-Wextra"])
        .arg("-I")
        .arg(workspace().join("plugin-sdk/include"))
        .arg("-I")
        .arg(fixture(""));
    command
}

/// Compiles a variant of `source` with a compiler and its flags to `output`, or copies what was made of the same before.
///
/// # Errors
///
/// As for [`compile`].
pub(crate) fn build_variant(
    mut command: Command,
    source: &Path,
    defines: &[&str],
    output: &Path,
) -> Result<(), String> {
    command.args(defines.iter().map(|define| format!("-D{define}")));
    // Paths are those of one run.
    if defines.iter().any(|define| define.contains('/')) {
        return build(command, source, &[], output);
    }
    let failed = |error: std::io::Error| format!("cannot compile {}: {error}", source.display());
    let made = made_before(&command, source).map_err(failed)?;
    let lock = File::create(made.with_extension("lock")).map_err(failed)?;
    // Who wants the same at the same time waits for it.
    lock.lock().map_err(failed)?;
    if !made.exists() {
        build(command, source, &[], &made)?;
    }
    drop(lock);
    let copied = unfinished(output).and_then(|copy| {
        fs::copy(&made, &copy)?;
        fs::rename(&copy, output)
    });
    copied.map_err(failed)
}

/// The place for what this command makes of a source, by all that it depends on but the compiler's own version.
fn made_before(command: &Command, source: &Path) -> std::io::Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    command.get_program().hash(&mut hasher);
    command.get_args().for_each(|argument| argument.hash(&mut hasher));
    source.hash(&mut hasher);
    fs::read(source)?.hash(&mut hasher);
    let sdk = workspace().join("plugin-sdk");
    let own = source.parent().unwrap_or(source).to_owned();
    for folder in [sdk.join("include"), sdk.join("cpp/mesh"), fixture(""), own] {
        let files = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
        let mut headers = files.collect::<std::io::Result<Vec<PathBuf>>>()?;
        headers.retain(|file| {
            let ending = file.extension().and_then(|ending| ending.to_str());
            matches!(ending, Some("h" | "hpp" | "map"))
        });
        headers.sort();
        for header in headers {
            fs::read(header)?.hash(&mut hasher);
        }
    }
    // A test lies in `deps` of the folder of its profile.
    let test = std::env::current_exe()?;
    let target = test.ancestors().nth(3).unwrap_or(&test);
    let folder = target.join("tmp/compiled");
    fs::create_dir_all(&folder)?;
    Ok(folder.join(format!("{:016x}.so", hasher.finish())))
}

/// Compiles `source` with a compiler and its flags to `output`, whose folder is made where it is missing. `options` stand behind the
/// source, where a linker wants them.
pub(crate) fn build(
    mut command: Command,
    source: &Path,
    options: &[&str],
    output: &Path,
) -> Result<(), String> {
    let failed = |reason: String| format!("cannot compile {}: {reason}", source.display());
    let unfinished = unfinished(output).map_err(|error| failed(error.to_string()))?;
    command.arg("-o").arg(&unfinished).arg(source).args(options);
    let compiled = command.output().map_err(|error| {
        let compiler = command.get_program().to_string_lossy();
        failed(format!("cannot run the compiler {compiler}: {error}"))
    })?;
    if !compiled.status.success() {
        let _ = fs::remove_file(&unfinished);
        return Err(failed(String::from_utf8_lossy(&compiled.stderr).into_owned()));
    }
    fs::rename(&unfinished, output).map_err(|error| failed(error.to_string()))
}

/// A new name beside `output`, whose folder is made where it is missing.
fn unfinished(output: &Path) -> std::io::Result<PathBuf> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    if let Some(folder) = output.parent() {
        fs::create_dir_all(folder)?;
    }
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    Ok(output.with_extension(format!("unfinished-{}-{number}", std::process::id())))
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
