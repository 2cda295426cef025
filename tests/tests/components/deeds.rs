//! Components that do one deed at one moment: to the process, to its threads, to their own file or description.
//!
//! Enters: a mesh with a steady component, and libraries that are each wrong in one way. Leaves: one sentence about each.
//! Guarantees: the steady component's calls are answered throughout, and the host ends when it is asked to.

mod refused;

use mesh_tests::c_library::{compile, fixture};
use mesh_tests::host::{Folder, Host};
use mesh_tests::session;
use mesh_tests::swapping::{answer_to, swap};
use serde_json::json;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};

/// A library that does this deed; a correct one without a deed.
fn library(folder: &Folder, defines: &[&str]) -> PathBuf {
    let name: String = defines
        .join("-")
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(80)
        .collect();
    let output = folder.path().join(format!("deeds-{name}.so"));
    compile(&fixture("deeds.c"), defines, &output).expect("the fixture compiles");
    output
}

/// A mesh in which `steady` and `loading` are correct.
struct Stage {
    folder: Folder,
    config: PathBuf,
    host: Host,
}

impl Stage {
    fn new(name: &str) -> Stage {
        Stage::with(name, "")
    }

    fn with(name: &str, more: &str) -> Stage {
        let folder = Folder::new(name);
        let good = library(&folder, &[]);
        let good = good.display();
        let text = format!(
            "name = \"TestNode\"\n\n[[components]]\nname = \"steady\"\nlibrary = \"{good}\"\n\n[[components]]\n\
             name = \"loading\"\nlibrary = \"{good}\"\nstart_timeout_ms = 2000\n\n[swap]\nprobation_ms = 0\n\
             drain_timeout_ms = 500\n{more}\n"
        );
        let config = folder.write("mesh.toml", &text);
        let host = Host::start(&config, &[]);
        Stage { folder, config, host }
    }

    fn library(&self, defines: &[&str]) -> PathBuf {
        library(&self.folder, defines)
    }

    async fn swap(&self, library: &Path) -> mesh_tests::host::Finished {
        swap(&self.config, "loading", library, &["--force", "--wait"]).await
    }

    /// A component answers.
    async fn answers(&self, component: &str) {
        let (mut sender, mut receiver) = session::open(self.host.addr()).await;
        sender
            .call(&format!("TestNode/{component}/echo"), 1, json!(["well"]))
            .await;
        let answer = answer_to(&mut receiver, 1).await;
        let last = answer["args"].as_array().and_then(|args| args.last());
        assert_eq!(last, Some(&json!("well")), "{answer}");
    }

    /// Puts the correct library back.
    async fn back(&self) -> String {
        let back = self.swap(&self.library(&[])).await;
        assert_eq!(back.code, 0, "{back:?}");
        format!("{}{}", back.out, back.err)
    }
}

/// The state of the host's process that a component must not change.
fn state(host: &Host) -> (PathBuf, Vec<String>, String, Vec<PathBuf>) {
    let process = PathBuf::from(format!("/proc/{}", host.pid()));
    let status = fs::read_to_string(process.join("status")).expect("the host runs");
    let wanted = ["Umask:", "SigIgn:", "SigCgt:"];
    let lines = status
        .lines()
        .filter(|line| wanted.iter().any(|name| line.starts_with(name)));
    let streams = ["fd/0", "fd/1", "fd/2"].map(|name| fs::read_link(process.join(name)).unwrap_or_default());
    (
        fs::read_link(process.join("cwd")).expect("the host runs"),
        lines.map(str::to_owned).collect(),
        fs::read_to_string(process.join("limits")).expect("the host runs"),
        streams.to_vec(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deed_in_create_is_put_back_and_named_in_the_log() {
    let stage = Stage::new("deeds-create");
    let before = state(&stage.host);
    for (deed, says) in [
        (
            "AT_CREATE=change_the_environment",
            "changes the environment of the process",
        ),
        (
            "AT_CREATE=put_own_memory_into_the_environment",
            "changes the environment of the process",
        ),
        (
            "AT_CREATE=replace_the_environment",
            "changes the environment of the process",
        ),
        ("AT_CREATE=change_the_locale", "changes the locale of the process"),
        (
            "AT_CREATE=limit_descriptors",
            "changes a limit of the process (RLIMIT_NOFILE)",
        ),
        (
            "AT_CREATE=limit_files",
            "changes a limit of the process (RLIMIT_FSIZE)",
        ),
        (
            "AT_CREATE=close_the_streams",
            "closes or replaces a standard stream of the process",
        ),
        (
            "AT_CREATE=replace_the_output",
            "closes or replaces a standard stream of the process",
        ),
        ("AT_CREATE=set_an_alarm", "sets an alarm for the process"),
        (
            "AT_CREATE=die_by_broken_pipes",
            "changes what the process does at signal 13 (SIGPIPE)",
        ),
        (
            "AT_CREATE=change_the_folder",
            "changes the working folder of the process",
        ),
        (
            "AT_CREATE=change_the_mask",
            "changes the file mode mask (umask) of the process",
        ),
    ] {
        let bad = stage.library(&[deed]);
        let taken = stage.swap(&bad).await;
        assert_eq!(taken.code, 0, "{deed}: {taken:?}");
        assert_eq!(state(&stage.host), before, "{deed}");
        let line = format!("{} {says}", bad.display());
        assert!(stage.host.log().contains(&line), "{deed}: {}", stage.host.log());
        stage.answers("steady").await;
        stage.answers("loading").await;
        let back = stage.back().await;
        assert!(!back.contains("still in memory"), "{deed}: {back}");
    }
    assert!(stage.host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_that_serves_lowers_no_limit_of_the_process() {
    let stage = Stage::new("deeds-limits");
    let before = state(&stage.host);
    for (deed, limit) in [
        ("AT_CALL=limit_descriptors", "RLIMIT_NOFILE"),
        ("AT_CALL=limit_descriptors_for_ever", "RLIMIT_NOFILE"),
        ("AT_CALL=limit_files", "RLIMIT_FSIZE"),
        ("AT_STOP=limit_descriptors_for_ever", "RLIMIT_NOFILE"),
        ("AT_DESTROY=limit_descriptors", "RLIMIT_NOFILE"),
        ("AT_CREATE=limit_descriptors_for_ever", "RLIMIT_NOFILE"),
    ] {
        let bad = stage.library(&[deed]);
        let taken = stage.swap(&bad).await;
        assert_eq!(taken.code, 0, "{deed}: {taken:?}");
        // Each on a connection of its own.
        for component in ["loading", "steady", "loading"] {
            stage.answers(component).await;
            assert_eq!(state(&stage.host), before, "{deed}");
        }
        let back = stage.back().await;
        assert!(!back.contains("still in memory"), "{deed}: {back}");
        assert_eq!(state(&stage.host), before, "{deed}");
        let line = format!("{} changes a limit of the process ({limit})", bad.display());
        assert!(stage.host.log().contains(&line), "{deed}: {}", stage.host.log());
    }
    // A process of its own belongs to the component.
    let taken = stage.swap(&stage.library(&["AT_CALL=limit_a_child"])).await;
    assert_eq!(taken.code, 0, "{taken:?}");
    stage.answers("loading").await;
    assert!(stage.host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deed_that_concerns_the_components_own_threads_alone_harms_nobody() {
    let stage = Stage::new("deeds-own");
    for deed in [
        "AT_CREATE=block_signals",
        "AT_CREATE=take_another_signal_stack",
        "AT_CREATE=be_less_important",
        "AT_CREATE=register_handlers",
        "AT_OPENING=register_handlers",
        "AT_OPENING=block_signals",
        "AT_OPENING=take_another_signal_stack",
        "AT_CREATE=leave_a_key",
        "AT_CREATE=leave_a_c11_key",
        "AT_DESTROY=leave_a_key",
        "EXPORTS",
        "AT_CREATE=start_threads_that_end",
        "AT_CALL=start_threads_that_end",
        "AT_CREATE=use_half_a_mebibyte_of_stack",
        "AT_CALL=use_half_a_mebibyte_of_stack",
    ] {
        let taken = stage.swap(&stage.library(&[deed])).await;
        assert_eq!(taken.code, 0, "{deed}: {taken:?}");
        stage.answers("steady").await;
        stage.answers("loading").await;
        let back = stage.back().await;
        assert!(!back.contains("still in memory"), "{deed}: {back}");
    }
    assert!(stage.host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_may_still_run_stays_in_memory_with_the_reason() {
    let stage = Stage::new("deeds-resident");
    for (deed, says) in [
        ("AT_CREATE=start_a_thread", "of its own threads still run"),
        ("AT_CREATE=start_a_c11_thread", "of its own threads still run"),
        ("AT_CREATE=start_a_raw_thread", "of its own threads still run"),
        ("AT_DESTROY=start_a_thread", "of its own threads still run"),
        ("AT_CREATE=set_a_timer", "still in memory"),
        // The C library's own thread for timers is there by now.
        ("AT_DESTROY=set_a_timer", "of its timers are still set"),
        (
            "AT_CREATE=set_a_timer_with_a_signal",
            "of its timers are still set",
        ),
        ("AT_CALL=handle_a_signal", "it handled signal 15 (SIGTERM)"),
        ("AT_STOP=hang", "one of its lanes is still busy"),
        ("AT_DESTROY=hang", "one of its lanes is still busy"),
        ("AT_STOP=spin", "one of its lanes is still busy"),
    ] {
        let taken = stage.swap(&stage.library(&[deed])).await;
        assert_eq!(taken.code, 0, "{deed}: {taken:?}");
        stage.answers("loading").await;
        let back = stage.back().await;
        assert!(
            back.contains("still in memory"),
            "{deed}: {back}\n{}",
            stage.host.log()
        );
        assert!(back.contains(says), "{deed}: {back}");
        stage.answers("steady").await;
        stage.answers("loading").await;
    }
    assert!(stage.host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_that_hangs_or_leaves_costs_its_own_calls_alone() {
    let stage = Stage::new("deeds-hanging");
    for (defines, says) in [
        (&["AT_CREATE=hang"][..], "did not return within 2000 ms"),
        (&["AT_CREATE=spin"], "did not return within 2000 ms"),
        (&["RUN=run"], "did not start"),
    ] {
        let refused = stage.swap(&stage.library(defines)).await;
        assert_eq!(refused.code, 1, "{defines:?}: {refused:?}");
        assert!(refused.err.contains(says), "{defines:?}: {refused:?}");
        stage.answers("steady").await;
        stage.answers("loading").await;
    }
    assert!(stage.host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_the_host_that_a_component_makes_with_fork_does_not_serve() {
    let stage = Stage::new("deeds-fork");
    for deed in [
        "AT_CREATE=fork_and_go_on",
        "AT_CALL=fork_and_go_on",
        "AT_DESTROY=fork_and_go_on",
    ] {
        let taken = stage.swap(&stage.library(&[deed])).await;
        assert_eq!(taken.code, 0, "{deed}: {taken:?}");
        stage.answers("loading").await;
        stage.back().await;
        stage.answers("steady").await;
        // The children of each thread. One that has ended and is not waited for is no copy that serves.
        let tasks = fs::read_dir(format!("/proc/{}/task", stage.host.pid())).expect("the host runs");
        for task in tasks.flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            for child in children.split_whitespace() {
                let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
                let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
                assert!(matches!(state, Some('Z' | 'X') | None), "{deed}: {stat}");
            }
        }
    }
    assert!(stage.host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_that_ends_the_process_ends_the_host_and_the_log_tells_what_can_be_told() {
    // Nothing protects from these inside one process: a supervisor has to start the host again.
    for (deed, code, signal, says) in [
        (
            "AT_CALL=exit_the_process",
            Some(70),
            None,
            "a component has called exit",
        ),
        ("AT_CALL=exit_at_once", Some(4), None, ""),
        ("AT_CALL=abort", None, Some(libc_signal::ABORT), ""),
        ("AT_CALL=crash", None, Some(libc_signal::SEGMENTATION), ""),
        (
            "AT_CALL=overflow_the_stack",
            None,
            Some(libc_signal::ABORT),
            "thread 'loading/0' (",
        ),
    ] {
        let stage = Stage::new("deeds-end");
        let taken = stage.swap(&stage.library(&[deed])).await;
        assert_eq!(taken.code, 0, "{deed}: {taken:?}");
        let (mut sender, mut receiver) = session::open(stage.host.addr()).await;
        sender.call("TestNode/loading/echo", 1, json!(["well"])).await;
        while receiver.next().await.is_some() {}
        let log = stage.host.log();
        let ended = stage.host.stop();
        assert_eq!((ended.code(), ended.signal()), (code, signal), "{deed}: {log}");
        assert!(log.contains(says), "{deed}: {log}");
        if deed.ends_with("overflow_the_stack") {
            assert!(log.contains("has overflowed its stack"), "{log}");
        }
    }
}

/// Signals by their numbers.
mod libc_signal {
    pub const ABORT: i32 = 6;
    pub const SEGMENTATION: i32 = 11;
}
