//! Libraries that do something bad at the moment when they are opened or closed, or leave something behind.
//!
//! Enters: a correct component that serves, and libraries that crash, exit, hang or change the process. Leaves: one sentence
//! about each, from a running host and from `mesh inspect`. Guarantees: the host serves on, and ends when it is asked to.

use mesh_tests::c_library::{compile, compile_text, fixture};
use mesh_tests::host::{Folder, Host, mesh};
use mesh_tests::session;
use mesh_tests::swapping::{answer_to, config, swap};
use serde_json::json;
use std::path::PathBuf;

/// A library of this kind; a correct one without a kind.
fn library(folder: &Folder, kind: &str) -> PathBuf {
    let output = folder.path().join(format!("loading-{kind}.so"));
    let defines: &[&str] = if kind.is_empty() { &[] } else { &[kind] };
    compile(&fixture("loading.c"), defines, &output).expect("the fixture compiles");
    output
}

async fn serves(host: &Host) {
    let (mut sender, mut receiver) = session::open(host.addr()).await;
    sender.call("TestNode/loading/echo", 1, json!(["well"])).await;
    let answer = answer_to(&mut receiver, 1).await;
    assert_eq!(
        answer["args"].as_array().and_then(|args| args.last()),
        Some(&json!("well")),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_library_that_misbehaves_when_it_is_opened_or_closed_is_refused_in_a_sentence_and_the_host_serves_on()
 {
    let folder = Folder::new("rehearsal");
    let config = config(&folder, "loading", &library(&folder, ""), "probation_ms = 0");
    let host = Host::start(&config, &["components.loading.start_timeout_ms=2000"]);
    for (kind, says) in [
        ("OPENING_HANGS", "did not return within 2000 ms when it is opened"),
        (
            "OPENING_CRASHES",
            "ends the process with SIGSEGV when it is opened",
        ),
        (
            "OPENING_EXITS",
            "ends the process with exit code 0 when it is opened",
        ),
        (
            "OPENING_ABORTS",
            "ends the process with SIGABRT when it is opened",
        ),
        (
            "OPENING_CHANGES_THE_FOLDER",
            "changes the working folder of the process when it is opened",
        ),
        (
            "OPENING_CHANGES_THE_MASK",
            "changes the file mode mask (umask) of the process when it is opened",
        ),
        (
            "OPENING_HANDLES_SIGTERM",
            "changes what the process does at signal 15 (SIGTERM) when it is opened",
        ),
        ("OPENING_STARTS_A_THREAD", "starts 1 thread when it is opened"),
        ("CLOSING_HANGS", "did not return within 2000 ms when it is closed"),
        (
            "CLOSING_CRASHES",
            "ends the process with SIGSEGV when it is closed",
        ),
        ("NEXT_MAJOR", "was built for plugin ABI 2."),
        (
            "WITHOUT_CREATE",
            "its functions `create` and `destroy` must both be there",
        ),
    ] {
        let bad = library(&folder, kind);
        let refused = swap(&config, "loading", &bad, &["--force"]).await;
        assert_eq!(refused.code, 1, "{kind}: {refused:?}");
        assert!(refused.err.contains(says), "{kind}: {refused:?}");
        serves(&host).await;
        if !kind.ends_with("_HANGS") {
            let inspected = mesh(&["inspect", &bad.display().to_string()]);
            assert_eq!(inspected.code, 1, "{kind}: {inspected:?}");
            assert!(inspected.err.contains(says), "{kind}: {inspected:?}");
        }
    }
    // A correct one is still taken.
    let taken = swap(&config, "loading", &library(&folder, ""), &["--force"]).await;
    assert_eq!(taken.code, 0, "{taken:?}");
    serves(&host).await;
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_whose_threads_still_run_stays_in_memory_however_they_were_started() {
    for kind in ["LEAVES_A_THREAD", "LEAVES_A_C11_THREAD", "LEAVES_A_TIMER"] {
        let folder = Folder::new("left-behind");
        let limits = "probation_ms = 100\ndrain_timeout_ms = 500";
        let config = config(&folder, "loading", &library(&folder, kind), limits);
        let host = Host::start(&config, &[]);
        let swapped = swap(&config, "loading", &library(&folder, ""), &["--force", "--wait"]).await;
        let said = format!("{}{}", swapped.out, swapped.err);
        assert_eq!(swapped.code, 0, "{kind}: {said}");
        assert!(said.contains("still in memory"), "{kind}: {said}");
        serves(&host).await;
        assert!(host.stop().success(), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_of_the_host_are_not_given_to_the_process_that_tries_a_library_out() {
    let folder = Folder::new("rehearsal-environment");
    let text = "#include \"fixture.h\"\n#include <string.h>\n\
         __attribute__((constructor)) static void look(void) {\n\
             const char *name = \"MESH_ADMIN_PASSWORD\";\n\
             if (getenv(name) != NULL) { abort(); }\n\
         }\n\
         FIXTURE_COMPONENT(\"loading\", FIXTURE_METHOD(\"echo\"), fixture_create, fixture_echo, fixture_destroy)\n";
    let output = folder.path().join("tells.so");
    compile_text(&folder.path().join("tells.c"), text, &[], &output).expect("it compiles");
    let inspect = |name: &str| {
        std::process::Command::new(mesh_tests::host::executable())
            .arg("inspect")
            .arg(&output)
            .env(name, "secret")
            .output()
            .expect("mesh can be run")
    };
    assert!(inspect("MESH_ADMIN_PASSWORD").status.success());
}
