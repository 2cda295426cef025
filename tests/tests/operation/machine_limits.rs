//! Hosts on a machine with few resources.
//!
//! Enters: limits of descriptors, threads and memory, closed outputs, folders that cannot be written, full disks.
//! Leaves: exit codes and sentences. Guarantees: no start ends with a panic or hangs; a full disk costs writes and nothing else.

use mesh_tests::host::{Folder, Host, executable, library, repository};
use mesh_tests::http;
use mesh_tests::secure::{Client, is_ok};
use mesh_tests::tools::Tool;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a host may take to serve or to give up.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a start went.
#[derive(Debug)]
struct Start {
    /// Nothing when it served.
    code: Option<i32>,
    log: String,
}

/// Starts a host, waits until it serves or ends, and ends it.
fn start(command: &mut Command) -> Start {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = child.stdout.take().unwrap();
    let (ready, served) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut text = [0; 5];
        let _ = ready.send(out.read_exact(&mut text).is_ok() && &text == b"ready");
        let _ = std::io::copy(&mut out, &mut std::io::sink());
    });
    let served = served.recv_timeout(PATIENCE);
    if served == Ok(true) {
        child.kill().unwrap();
    }
    let until = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if Instant::now() >= until {
            break None;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    if status.is_none() {
        let _ = child.kill();
    }
    let mut log = String::new();
    let _ = child.stderr.take().unwrap().read_to_string(&mut log);
    let status = status.unwrap_or_else(|| panic!("it neither served nor ended\n{log}"));
    let code = status.code().unwrap_or(-1);
    Start {
        code: (served != Ok(true)).then_some(code),
        log,
    }
}

/// Either it serves, or it says what to set.
fn is_told(start: &Start, what: &[&str]) {
    assert!(!start.log.contains("panicked"), "{start:?}");
    if let Some(code) = start.code {
        assert!([1, 78].contains(&code), "{start:?}");
        let named = what.iter().any(|what| start.log.contains(what));
        assert!(named, "{start:?}");
    }
}

fn run() -> Vec<String> {
    let config = repository().join("tests/conformance/mesh.toml");
    let libraries = library("calc").parent().unwrap().to_owned();
    vec![
        executable().display().to_string(),
        "run".to_owned(),
        "--config".to_owned(),
        config.display().to_string(),
        "--set=happn.port=0".to_owned(),
        format!("--set=plugins.dir={}", libraries.display()),
    ]
}

#[test]
fn too_few_descriptors_end_the_start_with_one_sentence() {
    if !Tool::Prlimit.is_there() {
        return;
    }
    let mut served = 0;
    for limit in [4, 6, 8, 10, 12, 16, 20, 24, 28, 32, 40, 64] {
        let begun = start(
            Command::new("prlimit")
                .arg(format!("--nofile={limit}:{limit}"))
                .args(run()),
        );
        is_told(&begun, &["ulimit -n", "oo many open files"]);
        served += usize::from(begun.code.is_none());
    }
    assert!(served > 0, "64 are enough for a small mesh");
}

#[test]
fn too_few_threads_end_the_start_with_one_sentence() {
    // The limit does not count for root.
    const OTHER: [&str; 4] = ["setpriv", "--reuid=4545", "--regid=4545", "--clear-groups"];
    if !Tool::Prlimit.is_there() || !Tool::Users.is_there() {
        return;
    }
    let folder = Folder::new("threads");
    Command::new("chmod")
        .arg("755")
        .arg(folder.path())
        .status()
        .unwrap();
    let mesh = folder.path().join("mesh");
    std::fs::copy(executable(), &mesh).unwrap();
    std::fs::copy(library("calc"), folder.path().join("libcalc.so")).unwrap();
    let config = folder.write(
        "mesh.toml",
        "name = \"T\"\nhappn.port = 0\n[plugins]\ndir = \".\"\n[[components]]\nname = \"calc\"\nlibrary = \"calc\"\nlanes = 2\n",
    );
    let mut served = 0;
    for limit in [1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 40] {
        let begun = start(
            Command::new("prlimit")
                .arg(format!("--nproc={limit}:{limit}"))
                .args(OTHER)
                .arg(&mesh)
                .args(["run", "--config"])
                .arg(&config),
        );
        is_told(&begun, &["ulimit -u"]);
        served += usize::from(begun.code.is_none());
    }
    assert!(served > 0, "40 are enough for a small mesh");
}

#[test]
fn closed_outputs_and_missing_variables_stop_nothing() {
    for script in [
        "exec \"$@\" 0<&-",
        "exec \"$@\" 2>&-",
        "exec \"$@\" 2>/dev/full",
        "unset HOME USER PATH; exec \"$@\"",
    ] {
        let begun = start(Command::new("sh").args(["-c", script, "sh"]).args(run()));
        assert!(begun.code.is_none(), "{script}: {begun:?}");
    }
    // A command whose reader is gone, or whose output is full, does not panic either.
    for (script, code) in [("\"$@\" | true", 0), ("\"$@\" >&-", 0), ("\"$@\" > /dev/full", 1)] {
        for arguments in [&["check", "--keys"][..], &["inspect"]] {
            let mut command = Command::new("sh");
            command
                .args(["-c", script, "sh"])
                .arg(executable())
                .args(arguments);
            if arguments[0] == "inspect" {
                command.arg(library("calc"));
            }
            let ended = command.output().unwrap();
            let said = String::from_utf8_lossy(&ended.stderr).into_owned();
            assert!(!said.contains("panicked"), "{script} {arguments:?}: {said}");
            assert_eq!(ended.status.code(), Some(code), "{script} {arguments:?}: {said}");
        }
    }
}

#[test]
fn a_missing_folder_for_temporary_files_ends_the_start_with_one_sentence() {
    let begun = start(
        Command::new(&run()[0])
            .args(&run()[1..])
            .env_remove("XDG_RUNTIME_DIR")
            .env("TMPDIR", "/nonexistent/folder"),
    );
    assert_eq!(begun.code, Some(78), "{begun:?}");
    is_told(&begun, &["XDG_RUNTIME_DIR"]);
}

/// A file system with little room, gone with the value.
struct Disk(Folder);

impl Disk {
    fn new(size: &str) -> Option<Disk> {
        if !Tool::Disks.is_there() {
            return None;
        }
        let folder = Folder::new("disk");
        let options = format!("size={size}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "none"])
            .arg(folder.path())
            .status();
        assert!(mounted.unwrap().success(), "{options}");
        Some(Disk(folder))
    }

    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let status = Command::new("mount")
            .args(["-o", &options])
            .arg(self.0.path())
            .status();
        assert!(status.unwrap().success(), "{options}");
    }

    fn store(&self) -> PathBuf {
        self.0.path().join("store.db")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

fn on(store: &Path) -> Host {
    mesh_tests::secure::host(&[&format!("store.path={}", store.display())])
}

/// Writes until nothing more is taken. Returns how many were.
async fn fill(client: &mut Client) -> usize {
    let value = "x".repeat(20_000);
    for number in 0.. {
        let answer = client.set(&format!("/d/{number}"), json!({"v": value})).await;
        if !is_ok(&answer) {
            let text = answer.to_string();
            assert!(text.contains("until the disk has room"), "{text}");
            return number;
        }
    }
    0
}

async fn writes_again(client: &mut Client) {
    let until = Instant::now() + PATIENCE;
    while !is_ok(&client.set("/again", json!({"v": 1})).await) {
        assert!(
            Instant::now() < until,
            "no write was taken although there is room"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn documents(client: &mut Client) -> usize {
    let answer = client.get("/d/*").await;
    match answer {
        Value::Array(items) => items.len() - 1,
        other => other["data"].as_array().map_or(0, Vec::len),
    }
}

#[tokio::test]
async fn a_full_disk_costs_writes_and_nothing_else() {
    let Some(disk) = Disk::new("3m") else { return };
    let host = on(&disk.store());
    let mut admin = Client::admin(&host).await;
    let member = json!([{"username": "bob", "password": "bob"}]);
    admin.security("addUser", member).await;
    let taken = fill(&mut admin).await;
    assert!(taken > 20, "{taken}");
    // Killed, and started again without room.
    drop(host);
    let host = on(&disk.store());
    let mut admin = Client::admin(&host).await;
    assert_eq!(documents(&mut admin).await, taken);
    let sum = admin.call("calc/add", json!([1, 2])).await.unwrap();
    assert_eq!(sum.last(), Some(&json!(3)));
    let mut bob = Client::open(host.addr(), "happn_4").await;
    let login = bob.login("bob", "bob").await;
    assert!(is_ok(&login), "{login}");
    let refused = admin.set("/d/new", json!({"v": "x".repeat(200_000)})).await;
    assert!(!is_ok(&refused), "{refused}");
    let ready = http::get(host.addr(), "/readyz");
    assert_eq!(ready.status, 503, "{}", ready.text());
    assert!(
        ready.text().contains("until the disk has room"),
        "{}",
        ready.text()
    );
    // With room again, by itself.
    disk.remount("size=40m");
    writes_again(&mut admin).await;
    assert_eq!(http::get(host.addr(), "/readyz").status, 200);
    drop(host);
    let host = on(&disk.store());
    let mut admin = Client::admin(&host).await;
    assert_eq!(documents(&mut admin).await, taken);
    assert!(is_ok(&admin.get("/again").await));
}

#[tokio::test]
async fn a_disk_that_was_full_while_the_host_served_is_written_again() {
    let Some(disk) = Disk::new("3m") else { return };
    let host = on(&disk.store());
    let mut admin = Client::admin(&host).await;
    let mut taken = fill(&mut admin).await;
    for size in ["size=6m", "size=40m"] {
        disk.remount(size);
        writes_again(&mut admin).await;
        assert_eq!(documents(&mut admin).await, taken);
        if size == "size=6m" {
            taken = taken.max(fill(&mut admin).await);
        }
    }
    drop(host);
    let host = on(&disk.store());
    let mut admin = Client::admin(&host).await;
    assert_eq!(documents(&mut admin).await, taken);
    assert!(is_ok(&admin.get("/again").await));
}

#[test]
fn a_store_that_cannot_be_used_ends_the_start_with_one_sentence() {
    let folder = Folder::new("stores");
    let text = folder.write("text", "a text of another program\n");
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let below = text.join("store.db");
    for (path, sentence) in [
        (folder.path(), "is a folder"),
        (&text, "is not a store"),
        (&pipe, "is not a file"),
        (&below, "is a file and not a folder"),
    ] {
        let command = run();
        let begun = start(
            Command::new(&command[0])
                .args(&command[1..])
                .arg(format!("--set=store.path={}", path.display())),
        );
        assert_eq!(begun.code, Some(78), "{begun:?}");
        is_told(&begun, &[sentence]);
    }
    assert_eq!(
        std::fs::read_to_string(&text).unwrap(),
        "a text of another program\n"
    );
    let Some(disk) = Disk::new("8m") else { return };
    drop(on(&disk.store()));
    disk.remount("ro");
    let command = run();
    let begun = start(
        Command::new(&command[0])
            .args(&command[1..])
            .arg(format!("--set=store.path={}", disk.store().display())),
    );
    assert_eq!(begun.code, Some(78), "{begun:?}");
    is_told(&begun, &["read-only"]);
    let _ = std::io::stdout().flush();
}
