//! A component that panics. A panic is one call's error and nothing more. An instance that panics while it is made or
//! started is refused with one sentence.

use mesh_tests::host::{Finished, Folder, Host, library, mesh};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

/// How long a line may take to appear in the log.
const PATIENCE: Duration = Duration::from_secs(5);
/// Where the component panics, as the log names it.
const SOURCE: &str = "tests/fixtures/unruly/src/lib.rs:";

/// Writes a mesh.toml with the component and its configuration. It has one lane, which every panic and every call shares.
fn configuration(folder: &Folder, config: &str) -> PathBuf {
    let library = library("unruly").display().to_string();
    folder.write(
        "mesh.toml",
        &format!(
            "name = \"A\"\n[happn]\nport = 0\n[[components]]\nname = \"unruly\"\nlibrary = {library:?}\nlanes = 1\n\
             config = {config}\n"
        ),
    )
}

fn host(folder: &Folder) -> Host {
    Host::start(&configuration(folder, "{}"), &[])
}

/// Calls a method with the command line client.
fn call(host: &Host, method: &str, arguments: &[&str]) -> Finished {
    let (target, url) = (format!("unruly/{method}"), host.url());
    let mut words = vec!["call", target.as_str()];
    words.extend(arguments);
    words.extend(["--json", "--url", url.as_str()]);
    mesh(&words)
}

/// Checks that a call ended with this panic as its error.
fn assert_panicked(finished: &Finished, message: &str) {
    let expected = format!("Error Panic: unruly.{message}\n");
    assert_eq!(
        (finished.code, finished.out.as_str(), finished.err.as_str()),
        (1, "", expected.as_str())
    );
}

fn assert_echoes(host: &Host) {
    let echoed = call(host, "echo", &["{\"a\":1}"]);
    assert_eq!(
        (echoed.code, echoed.out.as_str()),
        (0, "[{\"a\":1}]\n"),
        "{}",
        echoed.err
    );
}

/// Waits until the log has all of `lines`, each with the place in the component's source, and checks that nothing of a
/// backtrace is there.
fn assert_logged(host: &Host, lines: &[&str]) {
    let until = Instant::now() + PATIENCE;
    let is_logged = |log: &str, line: &str| {
        log.lines()
            .any(|logged| logged.contains(line) && logged.contains("panicked at") && logged.contains(SOURCE))
    };
    while !lines.iter().all(|line| is_logged(&host.log(), line)) {
        assert!(
            Instant::now() < until,
            "{lines:?} are not all in the log:\n{}",
            host.log()
        );
        thread::sleep(Duration::from_millis(10));
    }
    for trace in ["backtrace", "BACKTRACE", "rust_begin_unwind", "panic_fmt"] {
        assert!(
            !host.log().contains(trace),
            "{trace} is in the log:\n{}",
            host.log()
        );
    }
}

#[test]
fn a_panic_is_the_error_of_its_call() {
    let folder = Folder::new("panic-now");
    let host = host(&folder);
    for text in ["first", "second"] {
        let finished = call(&host, "panicNow", &[text]);
        assert_panicked(&finished, &format!("panicNow panicked: now: {text}"));
        assert_echoes(&host);
    }
    assert_logged(&host, &["now: first", "now: second"]);
    assert_eq!(host.stop().code(), Some(0));
}

#[test]
fn a_panic_after_a_wait_is_the_error_of_its_call() {
    let folder = Folder::new("panic-later");
    let host = host(&folder);
    thread::scope(|scope| {
        let later = [300, 301].map(|ms| {
            let host = &host;
            scope.spawn(move || (ms, call(host, "panicLater", &[&ms.to_string()])))
        });
        assert_echoes(&host);
        for call in later {
            let (ms, finished) = call.join().unwrap();
            assert_panicked(&finished, &format!("panicLater panicked: later, after {ms} ms"));
        }
    });
    assert_echoes(&host);
    assert_logged(&host, &["later, after 300 ms", "later, after 301 ms"]);
    assert_eq!(host.stop().code(), Some(0));
}

#[test]
fn a_handler_that_panics_hears_the_next_event() {
    let folder = Folder::new("panic-event");
    let host = host(&folder);
    let emitted = call(&host, "panicInEvent", &[]);
    assert_eq!(
        (emitted.code, emitted.out.as_str()),
        (0, "[\"emitted\"]\n"),
        "{}",
        emitted.err
    );
    assert_logged(
        &host,
        &["heard outburst {\"number\":1}", "heard outburst {\"number\":2}"],
    );
    assert_echoes(&host);
    assert_eq!(host.stop().code(), Some(0));
}

#[test]
fn panics_while_an_instance_is_dropped_end_nothing_but_that_instance() {
    let folder = Folder::new("panic-drop");
    let configuration = configuration(&folder, "{ panicInDrop = true }");
    let host = Host::start(&configuration, &["swap.probation_ms=0"]);
    let kept = call(&host, "keepStubbornOnes", &[]);
    assert_eq!(
        (kept.code, kept.out.as_str()),
        (0, "[\"kept\"]\n"),
        "{}",
        kept.err
    );
    let file = configuration.display().to_string();
    let library = library("unruly").display().to_string();
    let swapped = mesh(&["swap", "unruly", &library, "--config", &file, "--force", "--wait"]);
    assert_eq!(swapped.code, 0, "{swapped:?}");
    assert!(!swapped.out.contains("still in memory"), "{swapped:?}");
    assert_echoes(&host);
    assert_logged(
        &host,
        &[
            "the unruly one will not be dropped",
            "the stubborn one will not be dropped",
        ],
    );
    assert_eq!(host.stop().code(), Some(0));
}

/// Runs a mesh with this configuration of the component, which must be refused. Returns what was said.
fn refused(name: &str, config: &str) -> String {
    let folder = Folder::new(name);
    let file = configuration(&folder, config);
    let finished = mesh(&["run", "--config", file.to_str().unwrap()]);
    assert_eq!(
        (finished.code, finished.out.as_str()),
        (78, ""),
        "{}",
        finished.err
    );
    assert!(
        !finished.err.to_lowercase().contains("backtrace"),
        "{}",
        finished.err
    );
    finished.err.replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn a_panic_in_create_refuses_the_component() {
    let said = refused("panic-create", "{ panicInCreate = true }");
    assert!(
        said.contains("unruly.create panicked: the unruly one will not be created"),
        "{said}"
    );
    assert!(
        said.lines().any(|line| line.starts_with("mesh.toml:4:1: ")),
        "{said}"
    );
}

#[test]
fn a_panic_in_start_refuses_the_component() {
    let said = refused("panic-start", "{ panicInStart = true }");
    assert!(
        said.contains("unruly.start panicked: the unruly one will not start"),
        "{said}"
    );
    assert!(
        said.lines().any(|line| line.starts_with("mesh.toml:4:1: ")),
        "{said}"
    );
}
