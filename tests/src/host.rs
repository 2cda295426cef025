//! Starts the real `mesh` and stops it again.
//!
//! Enters: a configuration file and overrides. Leaves: a process that serves, with its address. Guarantees: the
//! process ends with the value that stands for it. Libraries are taken from the folder that the tests were built
//! into, whatever the configuration says.

use std::io::{BufRead, BufReader, Lines, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long a host may take to serve, and to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process that ends with the value.
#[derive(Debug)]
struct Process(Child);

/// A running `mesh run`.
#[derive(Debug)]
pub struct Host {
    process: Process,
    url: String,
    address: SocketAddr,
    log: Arc<Mutex<String>>,
}

/// A `mesh run` that may not serve yet.
#[derive(Debug)]
pub struct Starting {
    process: Process,
    lines: Lines<BufReader<ChildStdout>>,
    log: Arc<Mutex<String>>,
    keeper: JoinHandle<()>,
}

/// The output of a command, and its end.
#[derive(Debug)]
pub struct Finished {
    /// The exit code; -1 when a signal ended it.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// The folder that holds `mesh` and the libraries: the one this test was built into.
pub fn build_folder() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own file");
    test.ancestors()
        .nth(2)
        .expect("tests are in a folder below the build folder")
        .to_owned()
}

/// The target folder: it holds the build folder of each profile, and `tmp` for files that all tests share.
pub fn target_folder() -> PathBuf {
    build_folder()
        .parent()
        .expect("the build folder is in the target folder")
        .to_owned()
}

/// The target folder for crates that a test makes: what they depend on is built once, whichever profile tests have.
pub fn target_folder_of_new_crates() -> PathBuf {
    target_folder().join("tmp/new-crates")
}

/// The `mesh` executable.
///
/// # Panics
///
/// When it was not built: `cargo build --workspace` comes before `cargo test --workspace`, with the same profile.
pub fn executable() -> PathBuf {
    built("mesh")
}

/// The file of a component library of this workspace, by its crate's name.
///
/// # Panics
///
/// When it was not built.
pub fn library(name: &str) -> PathBuf {
    built(&format!("lib{}.so", name.replace('-', "_")))
}

fn built(name: &str) -> PathBuf {
    let path = build_folder().join(name);
    assert!(
        path.is_file(),
        "{} is missing: run `cargo build --workspace` first, with the profile of the tests",
        path.display()
    );
    path
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests are a folder of the repository")
        .to_owned()
}

/// A new folder for one test's files, removed with the value.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes one; `name` is only for people who look.
    pub fn new(name: &str) -> Folder {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("mesh-test-{name}-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary folder can be made");
        Folder(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file into it and returns its path.
    pub fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, content).expect("a file can be written");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs `mesh` with these arguments to its end.
pub fn mesh(arguments: &[&str]) -> Finished {
    let output = Command::new(executable())
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("mesh can be run");
    Finished {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Starting {
    /// Starts a host on any free port, and does not wait.
    ///
    /// # Panics
    ///
    /// When the program cannot be started.
    pub fn begin(config: &Path, overrides: &[&str], adapt: impl FnOnce(&mut Command)) -> Starting {
        let mut command = Command::new(executable());
        command
            .arg("run")
            .arg("--config")
            .arg(config)
            .args(["--set", "happn.port=0"]);
        command
            .arg("--set")
            .arg(format!("plugins.dir={}", build_folder().display()));
        for text in overrides {
            command.args(["--set", text]);
        }
        adapt(&mut command);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("mesh can be started");
        let log = Arc::new(Mutex::new(String::new()));
        let lines = BufReader::new(child.stdout.take().expect("its output is a pipe")).lines();
        let error = BufReader::new(child.stderr.take().expect("its log is a pipe"));
        let kept = log.clone();
        let keeper = thread::spawn(move || keep(error, &kept));
        Starting {
            process: Process(child),
            lines,
            log,
            keeper,
        }
    }

    /// The log so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it serves.
    ///
    /// # Panics
    ///
    /// When it ends before, with what it said.
    pub fn served(mut self) -> Host {
        let ready = self.lines.next().and_then(Result::ok);
        let Some((url, address)) = ready.as_deref().and_then(place_of) else {
            let finished = self.ended();
            panic!("the host did not serve: {ready:?}\n{}", finished.err);
        };
        let lines = self.lines;
        thread::spawn(move || lines.for_each(drop));
        Host {
            process: self.process,
            url,
            address,
            log: self.log,
        }
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    ///
    /// When it cannot be waited for.
    pub fn ended(mut self) -> Finished {
        let lines: Vec<String> = self.lines.map_while(Result::ok).collect();
        let status = self.process.0.wait().expect("the host can be waited for");
        let _ = self.keeper.join();
        Finished {
            code: status.code().unwrap_or(-1),
            out: lines.join("\n"),
            err: self.log.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

impl Host {
    /// Starts a host on any free port and waits until it serves. Each override is a `key=value` of `--set`.
    ///
    /// # Panics
    ///
    /// When it does not serve, with what it said.
    pub fn start(config: &Path, overrides: &[&str]) -> Host {
        Host::start_with(config, overrides, |_| {})
    }

    /// As [`Host::start`]; `adapt` adds to the command what a test needs besides, such as `--dev` or a variable.
    ///
    /// # Panics
    ///
    /// When it does not serve, with what it said.
    pub fn start_with(config: &Path, overrides: &[&str], adapt: impl FnOnce(&mut Command)) -> Host {
        Starting::begin(config, overrides, adapt).served()
    }

    /// Where clients connect.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Where clients connect, as a URL.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// The log so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends it a signal, such as `-STOP`.
    ///
    /// # Panics
    ///
    /// When it is gone.
    pub fn signal(&self, signal: &str) {
        let pid = self.process.0.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status();
        let sent = sent.expect("kill can be run");
        assert!(sent.success(), "the host is gone already\n{}", self.log());
    }

    /// Asks it to stop and waits for its end.
    ///
    /// # Panics
    ///
    /// When it does not end.
    pub fn stop(mut self) -> ExitStatus {
        self.signal("-TERM");
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let Some(status) = self.process.0.try_wait().expect("the host can be waited for") {
                return status;
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("the host did not stop\n{}", self.log());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn keep(mut from: impl Read, kept: &Mutex<String>) {
    let mut buffer = [0; 4096];
    while let Ok(count) = from.read(&mut buffer) {
        if count == 0 {
            return;
        }
        kept.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
}

fn place_of(ready: &str) -> Option<(String, SocketAddr)> {
    let url = ready.split_once("url=")?.1.split(' ').next()?;
    let address = url.split_once("://")?.1.parse().ok()?;
    Some((url.to_owned(), address))
}
