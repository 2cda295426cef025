//! `rehearse` in `[swap]`: how much of a library is tried out before the host opens it.
//!
//! Enters: a component that serves, and libraries that fail in one step of an instance's life. Leaves: one sentence about each.
//! Guarantees: the host serves on.

use mesh_tests::c_library::{compile, fixture};
use mesh_tests::host::{Folder, Host, mesh};
use mesh_tests::session;
use mesh_tests::swapping::{answer_to, config, swap};
use serde_json::json;
use std::path::PathBuf;

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
    let last = answer["args"].as_array().and_then(|args| args.last());
    assert_eq!(last, Some(&json!("well")), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_life_what_fails_in_the_life_of_an_instance_is_refused_before_the_host_opens_it() {
    let folder = Folder::new("life");
    let limits = "probation_ms = 0\nrehearse = \"life\"";
    let config = config(&folder, "loading", &library(&folder, ""), limits);
    let host = Host::start(&config, &["components.loading.start_timeout_ms=1500"]);
    for (kind, says) in [
        (
            "CREATE_CRASHES",
            "ends the process with SIGSEGV when an instance of it is created",
        ),
        ("CREATE_WANTS_A_WORD", "could not be created: the word is missing"),
        (
            "START_CRASHES",
            "ends the process with SIGSEGV when an instance of it is started",
        ),
        ("STOP_IS_NEVER_COMPLETED", "an instance of it does not stop"),
        (
            "DESTROY_CRASHES",
            "ends the process with SIGSEGV when an instance of it is freed",
        ),
        ("DESTROY_HANGS", "an instance of it is not freed within 1500 ms"),
    ] {
        let refused = swap(&config, "loading", &library(&folder, kind), &["--force"]).await;
        assert_eq!(refused.code, 1, "{kind}: {refused:?}");
        assert!(refused.err.contains(says), "{kind}: {refused:?}");
        serves(&host).await;
    }
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_life_an_instance_gets_the_real_configuration() {
    let folder = Folder::new("life-configuration");
    let library = library(&folder, "CREATE_WANTS_A_WORD");
    let text = format!(
        "name = \"TestNode\"\n[swap]\nrehearse = \"life\"\n[[components]]\nname = \"loading\"\nlibrary = \"{}\"\n\
         config = {{ word = \"open\" }}\n",
        library.display()
    );
    let config = folder.write("mesh.toml", &text);
    let host = Host::start(&config, &[]);
    serves(&host).await;
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_off_the_host_opens_a_library_untried_and_mesh_check_warns() {
    let folder = Folder::new("untried");
    let limits = "probation_ms = 0\nrehearse = \"off\"";
    // Refused by each rehearsal.
    let tried = library(&folder, "OPENING_CHANGES_THE_MASK");
    let config = config(&folder, "loading", &library(&folder, ""), limits);
    let host = Host::start(&config, &[]);
    let taken = swap(&config, "loading", &tried, &["--force"]).await;
    assert_eq!(taken.code, 0, "{taken:?}");
    serves(&host).await;
    let inspected = mesh(&["inspect", &tried.display().to_string()]);
    assert_eq!(inspected.code, 1, "{inspected:?}");
    assert!(host.stop().success());
    let text = format!(
        "name = \"TestNode\"\n[swap]\nrehearse = \"off\"\n[[components]]\nname = \"loading\"\nlibrary = \"{}\"\n",
        library(&folder, "").display()
    );
    let config = folder.write("checked.toml", &text);
    let checked = mesh(&["check", "--config", &config.display().to_string()]);
    assert_eq!(checked.code, 0, "{checked:?}");
    assert!(
        checked.err.contains("`rehearse = \"off\"` in [swap]"),
        "{checked:?}"
    );
}
