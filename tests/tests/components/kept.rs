//! The state that belongs to one version, and the place that it comes from.
//!
//! Enters: components that count in places which toolchains choose. Leaves: counts, and where a library lies. Guarantees: a new
//! version begins anew, and nothing that another component has is lost when one goes.

use mesh_tests::c_library::{compile, fixture};
use mesh_tests::host::{Folder, Host};
use mesh_tests::session;
use mesh_tests::swapping::{answer_to, config, swap};
use mesh_tests::tools::Tool;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;

fn library(folder: &Folder, name: &str, defines: &[&str]) -> PathBuf {
    let output = folder.path().join(format!("{name}.so"));
    compile(&fixture("kept.c"), defines, &output).expect("the fixture compiles");
    output
}

/// The answer of a method.
async fn ask(host: &Host, path: &str) -> Value {
    let (mut sender, mut receiver) = session::open(host.addr()).await;
    sender.call(&format!("TestNode/{path}"), 1, json!([])).await;
    answer_to(&mut receiver, 1).await
}

/// The only result of a method.
async fn result(host: &Host, path: &str) -> Value {
    let answer = ask(host, path).await;
    let last = answer["args"].as_array().and_then(|args| args.last());
    last.cloned().unwrap_or_else(|| panic!("{answer}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_version_has_statics_of_its_own_also_where_a_process_should_have_one() {
    let folder = Folder::new("unique");
    let first = library(&folder, "first", &["UNIQUE"]);
    let config = config(&folder, "kept", &first, "probation_ms = 0");
    let host = Host::start(&config, &[]);
    for number in 1..=3 {
        assert_eq!(result(&host, "kept/count").await, number);
    }
    let second = library(&folder, "second", &["UNIQUE"]);
    let swapped = swap(&config, "kept", &second, &["--force", "--wait"]).await;
    assert_eq!(swapped.code, 0, "{swapped:?}");
    assert_eq!(result(&host, "kept/count").await, 1);
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_with_static_thread_locals_is_swapped_over_and_over() {
    let folder = Folder::new("static-thread-locals");
    let library = library(&folder, "room", &["STATIC_THREAD_LOCALS"]);
    let config = config(&folder, "kept", &library, "probation_ms = 0");
    let host = Host::start(&config, &[]);
    for round in 0..16 {
        assert_eq!(result(&host, "kept/count").await, 1, "{round}");
        let swapped = swap(&config, "kept", &library, &["--force"]).await;
        assert_eq!(swapped.code, 0, "{round}: {swapped:?}");
    }
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_learns_where_its_library_lies() {
    let folder = Folder::new("own-folder");
    let library = library(&folder, "the-original", &[]);
    let config = config(&folder, "kept", &library, "");
    let host = Host::start(&config, &[]);
    let info = result(&host, "kept/info").await;
    assert_eq!(info["library"], library.display().to_string(), "{info}");
    assert_eq!(info["directory"], folder.path().display().to_string(), "{info}");
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_library_whose_name_is_nearly_as_long_as_names_may_be_is_loaded() {
    let folder = Folder::new("long-name");
    let library = library(&folder, &"n".repeat(225), &[]);
    let config = config(&folder, "kept", &library, "");
    let host = Host::start(&config, &[]);
    assert_eq!(result(&host, "kept/count").await, 1);
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thread_keys_of_a_component_survive_the_swap_of_one_whose_description_lies_on_the_heap() {
    let folder = Folder::new("keys");
    let heap = folder.path().join("heap.so");
    compile(&fixture("loading.c"), &[], &heap).expect("the fixture compiles");
    let text = format!(
        "name = \"TestNode\"\n[swap]\nprobation_ms = 0\n[[components]]\nname = \"keys\"\nlibrary = \"{}\"\n\
         [[components]]\nname = \"loading\"\nlibrary = \"{}\"\n",
        library(&folder, "keys", &["KEY"]).display(),
        heap.display()
    );
    let config = folder.write("mesh.toml", &text);
    let host = Host::start(&config, &[]);
    for number in 1..=3 {
        assert_eq!(result(&host, "keys/count").await, number);
    }
    let swapped = swap(&config, "loading", &heap, &["--force", "--wait"]).await;
    assert_eq!(swapped.code, 0, "{swapped:?}");
    assert!(!swapped.out.contains("still in memory"), "{swapped:?}");
    assert_eq!(result(&host, "keys/count").await, 4);
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slice_of_impossible_length_fails_its_call_alone_and_is_named_in_the_log() {
    let folder = Folder::new("impossible");
    let library = library(&folder, "impossible", &["IMPOSSIBLE"]);
    let config = config(&folder, "kept", &library, "");
    let host = Host::start(&config, &[]);
    for _ in 0..2 {
        let answer = ask(&host, "kept/count").await;
        assert!(
            answer.to_string().contains("a result of an impossible length"),
            "{answer}"
        );
    }
    assert!(
        host.log()
            .contains("passed a slice of 18446744073709551615 bytes"),
        "{}",
        host.log()
    );
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nothing_may_be_executed_in_the_temporary_folder_the_host_serves_or_says_what_to_set() {
    if !Tool::Disks.is_there() {
        return;
    }
    let folder = Folder::new("noexec");
    let library = library(&folder, "kept", &[]);
    let config = config(&folder, "kept", &library, "");
    let temporary = folder.path().join("temporary");
    std::fs::create_dir(&temporary).expect("a folder can be made");
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "noexec,nosuid,nodev", "none"])
        .arg(&temporary)
        .status();
    assert!(mounted.is_ok_and(|status| status.success()));
    let run = Command::new(mesh_tests::host::executable())
        .args(["inspect".as_ref(), library.as_os_str()])
        .env("TMPDIR", &temporary)
        .env("XDG_RUNTIME_DIR", "")
        .output();
    let unmounted = Command::new("umount").arg(&temporary).status();
    assert!(unmounted.is_ok_and(|status| status.success()));
    let run = run.expect("mesh can be run");
    let said = String::from_utf8_lossy(&run.stderr);
    let helps = ["noexec", "XDG_RUNTIME_DIR", "TMPDIR"]
        .iter()
        .all(|word| said.contains(word));
    assert!(run.status.success() || helps, "{said}");
    assert!(config.is_file());
}
