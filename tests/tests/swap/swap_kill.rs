//! Hosts that are killed in the middle of a swap: the next one serves a version that worked, and mesh.toml is whole.
//!
//! Enters: a component that can be held in each step of its life (`fixtures/c/steps.c`). Leaves: more than 40 points
//! at which a host was killed. Guarantees after each: mesh.toml has its comments and names the old library or the new
//! one, nothing else. It is known which of the two. The next host serves that one, and nothing of the killed one is
//! left.

use mesh_tests::c_library::{compile, fixture};
use mesh_tests::control::{self, run_folder};
use mesh_tests::host::{Folder, Host, mesh};
use mesh_tests::session;
use mesh_tests::swapping::answer_to;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a step may take to be reached.
const PATIENCE: Duration = Duration::from_secs(30);
const OLD: &str = "1.0.0";
const NEW: &str = "1.1.0";
const LONG_PROBATION: u32 = 60_000;
const SHORT_PROBATION: u32 = 20;

/// A mesh with the libraries of two versions.
struct Lab {
    folder: Folder,
    names: Vec<&'static str>,
}

impl Lab {
    fn new(names: &[&'static str], more: &[&str]) -> Lab {
        let lab = Lab {
            folder: Folder::new("kill"),
            names: names.to_vec(),
        };
        for name in names {
            for version in [OLD, NEW] {
                let folder = lab.folder.path().display();
                let defines = [
                    format!("NAME=\"{name}\""),
                    format!("VERSION=\"{version}\""),
                    format!("FOLDER=\"{folder}\""),
                ];
                let defines: Vec<&str> = defines
                    .iter()
                    .map(String::as_str)
                    .chain(more.iter().copied())
                    .collect();
                compile(&fixture("steps.c"), &defines, &lab.library(name, version)).expect("it compiles");
            }
        }
        lab
    }

    /// Begins the names of all libraries, and of their copies.
    fn stem(&self) -> String {
        let name = self.folder.path().file_name().expect("a folder has a name");
        name.to_string_lossy().into_owned()
    }

    fn library(&self, name: &str, version: &str) -> PathBuf {
        let stem = self.stem();
        self.folder.path().join(format!("{stem}-{name}-{version}.so"))
    }

    /// mesh.toml with all components in one version.
    fn text(&self, version: &str, probation: u32) -> String {
        let mut text = "# Killed again and again.\nname = 'TestNode' # its name\n\n".to_owned();
        for name in &self.names {
            let library = format!("./{}-{name}-{version}.so", self.stem());
            text.push_str(&format!(
                "# The purpose of {name}.\n[[components]]\nname    = \"{name}\"\nlibrary = \"{library}\" # built here\nversion = \"^1.0.0\"\n\n"
            ));
        }
        text + &format!("[swap]\nwatch = false # not wanted here\nprobation_ms = {probation}\n# the end\n")
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("mesh.toml")
    }

    fn step(&self, step: &str, ending: &str) -> PathBuf {
        self.folder.path().join(format!("{step}.{ending}"))
    }

    /// Forgets which steps were reached, and holds none.
    fn clear(&self) {
        for entry in self.entries() {
            if entry.ends_with(".reached") || entry.ends_with(".hold") {
                std::fs::remove_file(self.folder.path().join(entry)).expect("it can be removed");
            }
        }
    }

    fn entries(&self) -> Vec<String> {
        names_in(self.folder.path())
    }

    /// Starts a host with the old versions, which holds the component in a step such as `steps-1.1.0-create`.
    fn start(&self, probation: u32, held: Option<&str>) -> Host {
        self.folder.write("mesh.toml", &self.text(OLD, probation));
        let host = Host::start(&self.file(), &[]);
        self.clear();
        if let Some(step) = held {
            std::fs::write(self.step(step, "hold"), "").expect("it can be written");
        }
        host
    }

    fn swap(&self, host: &Host) -> control::Replies {
        let name = self.names[0];
        control::swap(host, name, &self.library(name, NEW), true)
    }

    fn until_reached(&self, step: &str, host: &Host) {
        let reached = self.step(step, "reached");
        let until = Instant::now() + PATIENCE;
        while !reached.exists() {
            assert!(Instant::now() < until, "{step} was not reached\n{}", host.log());
            sleep(Duration::from_micros(200));
        }
    }

    /// Kills the host, looks at what it left behind, and lets the next one serve. Returns the version in mesh.toml.
    async fn after_killing(&self, host: Host, point: &str, allowed: &[String]) -> &'static str {
        // Dropping a host is `kill -9`.
        drop(host);
        self.clear();
        let text = std::fs::read_to_string(self.file()).expect("mesh.toml is there");
        assert!(allowed.contains(&text), "{point}: {text}");
        let file = self.file().display().to_string();
        let checked = mesh(&["check", "--config", &file]);
        assert_eq!(checked.code, 0, "{point}: {checked:?}");
        let version = match text.contains(&format!("-{NEW}.so")) {
            true => NEW,
            false => OLD,
        };

        let host = Host::start(&self.file(), &[]);
        let beside: Vec<String> = self
            .entries()
            .into_iter()
            .filter(|name| name.starts_with('.'))
            .collect();
        assert!(beside.is_empty(), "{point}: beside mesh.toml there is {beside:?}");
        let copies: Vec<String> = names_in(&run_folder())
            .into_iter()
            .filter(|name| name.starts_with(&self.stem()))
            .collect();
        assert!(
            copies.is_empty(),
            "{point}: copies of libraries are left: {copies:?}"
        );
        for name in &self.names {
            assert_eq!(
                call(&host, name, "ping").await["args"],
                json!([null, {"version": version, "count": 1}]),
                "{point}"
            );
        }
        assert!(host.stop().success(), "{point}");
        assert_eq!(
            std::fs::read_to_string(self.file()).expect("it is there"),
            text,
            "{point}: stopping writes nothing"
        );
        self.clear();
        println!("killed at {point}: the next host serves {version}");
        version
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder can be read");
    entries
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .collect()
}

/// Calls a method and waits for the answer.
async fn call(host: &Host, component: &str, method: &str) -> Value {
    let (mut sender, mut receiver) = session::open(host.addr()).await;
    sender
        .call(&format!("TestNode/{component}/{method}"), 1, json!([]))
        .await;
    answer_to(&mut receiver, 1).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_is_gone_when_the_host_is_killed_before_the_end_of_its_probation() {
    let lab = Lab::new(&["steps"], &[]);
    let old = [lab.text(OLD, LONG_PROBATION)];
    for step in [
        "steps-1.1.0-constructor",
        "steps-1.1.0-entry",
        "steps-1.1.0-create",
        "steps-1.0.0-snapshot",
        "steps-1.1.0-restore",
        "steps-1.1.0-start",
        "steps-1.1.0-health",
        "steps-1.0.0-quiesce",
    ] {
        let host = lab.start(LONG_PROBATION, Some(step));
        call(&host, "steps", "ping").await;
        let replies = lab.swap(&host);
        lab.until_reached(step, &host);
        lab.after_killing(host, step, &old).await;
        drop(replies);
    }
    for step in ["switch", "probation"] {
        let host = lab.start(LONG_PROBATION, None);
        let mut replies = lab.swap(&host);
        replies.until_step(step);
        lab.after_killing(host, step, &old).await;
    }
    let host = lab.start(LONG_PROBATION, None);
    let mut replies = lab.swap(&host);
    replies.until_step("probation");
    for count in 1..=100 {
        let answer = call(&host, "steps", "ping").await;
        assert_eq!(answer["args"][1], json!({"version": NEW, "count": count}));
    }
    lab.after_killing(host, "probation, after 100 calls", &old).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_old_version_returns_once_when_the_host_is_killed_while_it_goes() {
    let lab = Lab::new(&["steps"], &[]);
    let old = [lab.text(OLD, SHORT_PROBATION)];
    for step in [
        "steps-1.0.0-stop",
        "steps-1.0.0-destroy",
        "steps-1.0.0-destructor",
    ] {
        let host = lab.start(SHORT_PROBATION, Some(step));
        let replies = lab.swap(&host);
        lab.until_reached(step, &host);
        lab.after_killing(host, step, &old).await;
        drop(replies);
    }
    // A version with state has no calls any more when it goes; one without is waited for.
    let lab = Lab::new(&["steps"], &["STATELESS"]);
    let host = lab.start(SHORT_PROBATION, Some("steps-1.0.0-call"));
    let (mut sender, _receiver) = session::open(host.addr()).await;
    sender.call("TestNode/steps/wait", 1, json!([])).await;
    lab.until_reached("steps-1.0.0-call", &host);
    let mut replies = lab.swap(&host);
    replies.until_step("drain");
    lab.after_killing(host, "drain", &[lab.text(OLD, SHORT_PROBATION)])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_version_stays_away_when_the_host_is_killed_during_its_rollback() {
    let lab = Lab::new(&["steps"], &[]);
    let old = [lab.text(OLD, LONG_PROBATION)];
    for step in [
        "steps-1.1.0-snapshot",
        "steps-1.0.0-restore",
        "steps-1.1.0-stop",
        "steps-1.1.0-destroy",
        "steps-1.1.0-destructor",
    ] {
        let host = lab.start(LONG_PROBATION, Some(step));
        let mut replies = lab.swap(&host);
        replies.until_step("probation");
        let answer = call(&host, "steps", "panic").await;
        assert_eq!(answer["status"], "error", "{answer}");
        lab.until_reached(step, &host);
        lab.after_killing(host, &format!("{step}, rolled back"), &old)
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_versions_serves_when_the_host_is_killed_while_it_writes_the_file() {
    let lab = Lab::new(&["steps"], &[]);
    let either = [OLD, NEW].map(|version| lab.text(version, SHORT_PROBATION));
    // The last code of the old version runs in its destructor; what is left then is to write the file, some milliseconds.
    for point in 0..16 {
        let host = lab.start(SHORT_PROBATION, None);
        let replies = lab.swap(&host);
        lab.until_reached("steps-1.0.0-destructor", &host);
        sleep(Duration::from_micros(400 * point));
        let point = format!("the file is written, {:.1} ms", 0.4 * point as f64);
        lab.after_killing(host, &point, &either).await;
        drop(replies);
    }
    // After the message that the swap is complete, a crash leaves the new version.
    let host = lab.start(SHORT_PROBATION, None);
    lab.swap(&host).report();
    lab.after_killing(host, "the end", &either[1..]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_saved_file_stays_as_it_is_when_the_host_is_killed_while_it_applies_it() {
    let lab = Lab::new(&["one", "two"], &[]);
    let saved = |probation| [lab.text(NEW, probation)];
    let apply = |host: &Host, probation| {
        lab.folder.write("mesh.toml", &lab.text(NEW, probation));
        control::send(host, &json!({"command": "apply", "insist": false, "wait": true}))
    };
    for (step, probation) in [
        ("one-1.1.0-constructor", LONG_PROBATION),
        ("two-1.1.0-create", LONG_PROBATION),
        ("two-1.0.0-snapshot", LONG_PROBATION),
        ("two-1.1.0-restore", LONG_PROBATION),
        ("two-1.1.0-health", LONG_PROBATION),
        ("one-1.0.0-quiesce", LONG_PROBATION),
        ("one-1.0.0-stop", SHORT_PROBATION),
        ("two-1.0.0-destructor", SHORT_PROBATION),
    ] {
        let host = lab.start(probation, Some(step));
        let replies = apply(&host, probation);
        lab.until_reached(step, &host);
        lab.after_killing(host, &format!("{step}, applied"), &saved(probation))
            .await;
        drop(replies);
    }
    let host = lab.start(LONG_PROBATION, None);
    let mut replies = apply(&host, LONG_PROBATION);
    replies.until_step("probation");
    lab.after_killing(host, "probation, applied", &saved(LONG_PROBATION))
        .await;
    let host = lab.start(SHORT_PROBATION, None);
    apply(&host, SHORT_PROBATION).report();
    lab.after_killing(host, "the end, applied", &saved(SHORT_PROBATION))
        .await;
}
