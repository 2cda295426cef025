//! Libraries as other toolchains make them: with a runtime that never ends, or with code that the dynamic linker must write to.
//!
//! Enters: fixtures in C that do what such libraries do. Leaves: a host that refuses them in a sentence, or serves with them.
//! Guarantees: the host's own signals are its own, and it ends when it is asked to.

use mesh_tests::c_library::{compile, compile_text, fixture};
use mesh_tests::host::{Folder, Host, mesh};
use mesh_tests::session;
use mesh_tests::swapping::{answer_to, config, swap};
use serde_json::{Value, json};
use std::path::PathBuf;

/// A version of `fixtures/c/runtime.c`.
fn runtime(folder: &Folder, version: &str) -> PathBuf {
    let output = folder.path().join(format!("runtime-{version}.so"));
    let define = format!("VERSION=\"{version}\"");
    compile(&fixture("runtime.c"), &[&define], &output).expect("the fixture compiles");
    output
}

/// The last argument of an answer.
async fn result(host: &Host, path: &str, arguments: Value) -> Value {
    let (mut sender, mut receiver) = session::open(host.addr()).await;
    sender.call(&format!("TestNode/{path}"), 1, arguments).await;
    let answer = answer_to(&mut receiver, 1).await;
    let last = answer["args"].as_array().and_then(|args| args.last());
    last.cloned().unwrap_or_else(|| panic!("{answer}"))
}

/// The signals that the host ignores and handles.
fn signals(host: &Host) -> Vec<String> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", host.pid())).expect("the host runs");
    let lines = status
        .lines()
        .filter(|line| line.starts_with("SigIgn:") || line.starts_with("SigCgt:"));
    lines.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_library_with_a_runtime_that_begins_at_its_opening_is_refused_and_the_host_serves_on() {
    let folder = Folder::new("runtime-refused");
    let steady = folder.path().join("steady.so");
    compile(&fixture("deeds.c"), &[], &steady).expect("the fixture compiles");
    let config = config(&folder, "steady", &steady, "");
    let host = Host::start(&config, &[]);
    let before = signals(&host);
    let library = runtime(&folder, "1.0.0");
    let refused = swap(&config, "steady", &library, &["--force"]).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    let inspected = mesh(&["inspect", &library.display().to_string()]);
    assert_eq!(inspected.code, 1, "{inspected:?}");
    for said in [&refused.err, &inspected.err] {
        let names_it = said.contains("changes what the process does at signal 7 when it is opened")
            || said.contains("when it is opened: start threads in `create`");
        assert!(names_it, "{said}");
    }
    assert_eq!(signals(&host), before);
    assert_eq!(result(&host, "steady/echo", json!(["well"])).await, "well");
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_library_with_a_runtime_that_is_opened_untried_serves_and_stays_and_is_swapped_all_the_same() {
    let folder = Folder::new("runtime-untried");
    let steady = folder.path().join("steady.so");
    compile(&fixture("deeds.c"), &[], &steady).expect("the fixture compiles");
    let more = format!(
        "rehearse = \"off\"\nprobation_ms = 0\ndrain_timeout_ms = 500\n\n[[components]]\nname = \"steady\"\nlibrary = \"{}\"",
        steady.display()
    );
    let config = config(&folder, "runtime", &runtime(&folder, "1.0.0"), &more);
    let host = Host::start(&config, &[]);
    let before = signals(&host);
    for (old, new) in [("1.0.0", "1.0.1"), ("1.0.1", "1.0.2"), ("1.0.2", "1.0.3")] {
        for _ in 0..50 {
            assert_eq!(result(&host, "runtime/ask", json!([])).await, old);
        }
        let swapped = swap(&config, "runtime", &runtime(&folder, new), &["--force", "--wait"]).await;
        assert_eq!(swapped.code, 0, "{swapped:?}");
        let reason = "still in memory: 5 of its own threads still run";
        assert!(swapped.out.contains(reason), "{swapped:?}");
        assert_eq!(result(&host, "runtime/ask", json!([])).await, new);
        assert_eq!(result(&host, "steady/echo", json!(["well"])).await, "well");
        assert_eq!(signals(&host), before, "{}", host.log());
    }
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_library_whose_code_the_dynamic_linker_must_write_to_is_served_and_swapped() {
    let folder = Folder::new("text-relocations");
    let library = |name: &str| {
        let output = folder.path().join(format!("{name}.so"));
        let source = folder.path().join(format!("{name}.c"));
        // Addresses in code that is not made to lie anywhere.
        let options = ["-fno-pic", "-mcmodel=large", "-Wl,-z,notext"];
        compile_text(&source, "#include \"loading.c\"\n", &options, &output).expect("the fixture compiles");
        output
    };
    let first = library("first");
    let checked = mesh(&["check-plugin", &first.display().to_string(), "--rounds", "1"]);
    assert!(
        checked.out.contains("the dynamic linker must write to its code"),
        "the toolchain makes such libraries: {checked:?}"
    );
    let config = config(&folder, "loading", &first, "probation_ms = 0");
    let host = Host::start(&config, &[]);
    for name in ["second", "third"] {
        assert_eq!(result(&host, "loading/echo", json!(["well"])).await, "well");
        let swapped = swap(&config, "loading", &library(name), &["--force", "--wait"]).await;
        assert_eq!(swapped.code, 0, "{swapped:?}");
        assert!(!swapped.out.contains("still in memory"), "{swapped:?}");
    }
    assert_eq!(result(&host, "loading/echo", json!(["well"])).await, "well");
    assert!(host.stop().success());
}
