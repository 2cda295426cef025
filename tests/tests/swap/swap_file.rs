//! mesh.toml and what runs: applied, planned, saved, and written by the host itself.

use mesh_tests::control;
use mesh_tests::host::{Folder, Host, library, mesh};
use mesh_tests::session;
use mesh_tests::swapping::{answer_to, config, status, storm, swap};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

#[test]
fn a_plan_says_what_would_happen_and_changes_nothing() {
    let folder = Folder::new("plan");
    let file = config(&folder, "counter", &library("counter"), "");
    let host = Host::start(&file, &[]);
    let file = file.display().to_string();
    let next = library("fixture-counter-next").display().to_string();
    let finished = mesh(&["plan", "counter", &next, "--config", &file]);
    assert_eq!(finished.code, 0, "{finished:?}");
    for line in [
        "counter: 1.0.0 -> 1.1.0",
        "methods added    decrement",
        "handed over, migrated from schema 1 to 2",
    ] {
        assert!(finished.out.contains(line), "{line}: {}", finished.out);
    }
    let calc = library("calc").display().to_string();
    let finished = mesh(&["plan", "counter", &calc, "--config", &file]);
    assert_eq!(finished.code, 1, "{finished:?}");
    assert!(finished.out.contains("is component calc"), "{}", finished.out);
    assert!(finished.err.contains("without --force"), "{}", finished.err);
    let components = &status(Path::new(&file))["components"];
    assert_eq!(components[4]["version"], "1.0.0", "{components}");
    drop(host);
    let finished = mesh(&["plan", "counter", &next, "--config", &file]);
    assert_eq!(finished.code, 69, "{finished:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_file_is_applied_as_a_whole_or_not_at_all() {
    let folder = Folder::new("apply");
    let entry = |name: &str, library: &Path| {
        format!(
            "[[components]]\nname = \"{name}\"\nlibrary = \"{}\"\n\n",
            library.display()
        )
    };
    let with = |entries: &[String]| {
        let text = format!(
            "name = \"TestNode\"\n\n[swap]\nwatch = false\n\n{}",
            entries.concat()
        );
        folder.write("mesh.toml", &text)
    };
    let old = [
        entry("counter", &library("counter")),
        entry("storm", &storm(&folder, "1.100.0", "")),
    ];
    let file = with(&old);
    let host = Host::start(&file, &[]);
    let (mut sender, mut receiver) = session::open(host.addr()).await;
    sender.call("TestNode/counter/add", 1, json!([7])).await;
    answer_to(&mut receiver, 1).await;
    let path = file.display().to_string();
    let run = |arguments: &'static [&'static str]| {
        let path = path.clone();
        let run = move || mesh(&[arguments, &["--config", &path]].concat());
        async { tokio::task::spawn_blocking(run).await.expect("it ends") }
    };

    let finished = run(&["apply"]).await;
    assert_eq!(
        (finished.code, finished.out.as_str()),
        (0, "nothing to change\n"),
        "{finished:?}"
    );

    // The third of three cannot start: none of them changes.
    let next = [
        entry("counter", &library("fixture-counter-next")),
        entry("storm", &storm(&folder, "1.101.0", "")),
        entry("calc", &storm(&folder, "1.102.0", "START_FAILS")),
    ];
    with(&next);
    let finished = run(&["apply"]).await;
    assert_eq!(finished.code, 1, "{finished:?}");
    assert!(finished.err.contains("does not want to start"), "{finished:?}");
    for (number, method) in [(2, "counter/get"), (3, "storm/ping")] {
        sender
            .call(&format!("TestNode/{method}"), number, json!([]))
            .await;
        let answer = answer_to(&mut receiver, number).await;
        let version = answer["args"][1]["version"].as_str();
        assert!(matches!(version, Some("1.0.0" | "1.100.0")), "{method}: {answer}");
    }

    with(&[&next[..2], &[entry("calc", &library("calc"))]].concat());
    let finished = run(&["plan"]).await;
    assert_eq!(finished.code, 0, "{finished:?}");
    for line in [
        "counter: 1.0.0 -> 1.1.0",
        "storm: 1.100.0 -> 1.101.0",
        "calc: 1.2.3 would be added",
    ] {
        assert!(finished.out.contains(line), "{line}: {}", finished.out);
    }
    let finished = run(&["apply"]).await;
    assert_eq!(finished.code, 0, "{finished:?}");
    sender.call("TestNode/counter/get", 4, json!([])).await;
    let answer = answer_to(&mut receiver, 4).await;
    assert_eq!(
        answer["args"][1],
        json!({"count": 7, "increments": 7, "version": "1.1.0"})
    );
    sender.call("TestNode/calc/add", 5, json!([1, 2])).await;
    assert_eq!(answer_to(&mut receiver, 5).await["args"], json!([null, 3]));

    // A component that is gone from the file is removed; a signal is as good as the command.
    with(&next[1..2]);
    let signalled = std::process::Command::new("kill")
        .args(["-HUP", &host.pid().to_string()])
        .status();
    assert!(signalled.expect("kill can be run").success());
    let mut number = 5;
    loop {
        number += 1;
        sender.call("TestNode/calc/add", number, json!([1, 2])).await;
        let answer = answer_to(&mut receiver, number).await;
        if answer["args"][0]["name"] == "bad endpoint" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    folder.write(
        "mesh.toml",
        "name = \"TestNode\"\n\n[[components]]\nname = \"storm\"\nlibary = \"x\"\n",
    );
    let finished = run(&["apply"]).await;
    assert_eq!(finished.code, 1, "{finished:?}");
    assert!(finished.err.contains("did you mean `library`"), "{finished:?}");
    let apply = json!({"command": "apply", "insist": false, "wait": false});
    let unknown = json!({"command": "swap", "swap": {"component": "nobody", "library": "x"}, "wait": false});
    for (request, kind) in [(apply, "configuration"), (unknown, "not-found")] {
        let replies = control::send(&host, &request);
        let reply = tokio::task::spawn_blocking(|| replies.last()).await;
        assert_eq!(reply.expect("it ends")["error"]["kind"], kind, "{request}");
    }
    sender.call("TestNode/storm/ping", 1000, json!([])).await;
    assert_eq!(
        answer_to(&mut receiver, 1000).await["args"][1]["version"],
        "1.101.0"
    );
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn saving_the_file_applies_it() {
    let folder = Folder::new("watch");
    let file = config(&folder, "storm", &storm(&folder, "1.100.0", ""), "");
    let host = Host::start(&file, &[]);
    let next = storm(&folder, "1.101.0", "");
    let whole = std::fs::read_to_string(&file)
        .expect("it is there")
        .replace("storm-1.100.0.so", "storm-1.101.0.so");
    assert!(next.exists());
    // Half a file first, as an editor that writes slowly would leave it; then the whole one, by renaming.
    folder.write("mesh.toml", &whole[..whole.len() - 20]);
    let other = folder.write("other.toml", &whole);
    std::fs::rename(other, &file).expect("it can be renamed");
    let (mut sender, mut receiver) = session::open(host.addr()).await;
    let mut number = 0;
    loop {
        number += 1;
        sender.call("TestNode/storm/ping", number, json!([])).await;
        let answer = answer_to(&mut receiver, number).await;
        assert_eq!(answer["status"], "ok", "{answer}\n{}", host.log());
        if answer["args"][1]["version"] == "1.101.0" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_file_names_the_versions_that_passed_their_probation() {
    let folder = Folder::new("written");
    let first = storm(&folder, "1.100.0", "");
    let text = format!(
        "# Ours.\nname = \"TestNode\"\n\n[[components]]\nname = \"storm\"\nlibrary = \"{}\" # the first\nversion = \"^1.0.0\"\n\n[swap]\nprobation_ms = 300\n",
        first.display()
    );
    let file = folder.write("mesh.toml", &text);
    let host = Host::start(&file, &[]);
    let ill = storm(&folder, "1.101.0", "HEALTH_FAILS");
    let finished = swap(&file, "storm", &ill, &["--wait"]).await;
    assert_eq!(finished.code, 1, "{finished:?}");
    assert_eq!(std::fs::read_to_string(&file).expect("it is there"), text);

    let finished = swap(&file, "storm", &storm(&folder, "2.100.0", ""), &["--wait"]).await;
    assert_eq!(finished.code, 1, "{finished:?}");
    assert!(finished.err.contains("asks for version ^1.0.0"), "{finished:?}");

    let second = storm(&folder, "2.101.0", "");
    let finished = swap(&file, "storm", &second, &["--wait", "--force"]).await;
    assert_eq!(finished.code, 0, "{finished:?}");
    let expected = text
        .replace(&format!("\"{}\"", first.display()), "\"./storm-2.101.0.so\"")
        .replace("\"^1.0.0\"", "\"^2.101.0\"");
    assert_eq!(
        std::fs::read_to_string(&file).expect("it is there"),
        expected,
        "{finished:?}"
    );

    // A host that is killed comes back with what the file names.
    drop(host);
    let host = Host::start(&file, &[]);
    let (mut sender, mut receiver) = session::open(host.addr()).await;
    sender.call("TestNode/storm/ping", 1, json!([])).await;
    assert_eq!(answer_to(&mut receiver, 1).await["args"][1]["version"], "2.101.0");
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_beside_others_gets_an_entry_of_its_own() {
    let folder = Folder::new("entry");
    let first = storm(&folder, "1.100.0", "");
    let text = format!(
        "# Ours.\nname = \"TestNode\"\n[swap]\nprobation_ms = 100\n\n[[components]]\nname = \"storm\"\nlibrary = \"{}\" # the first\nlanes = 2\n[components.config]\nlimit = 3\nnames = [\"a\", \"b\"]\n",
        first.display()
    );
    let file = folder.write("mesh.toml", &text);
    let host = Host::start(&file, &[]);
    let second = storm(&folder, "2.100.0", "");
    let finished = swap(&file, "storm", &second, &["--beside", "--wait"]).await;
    assert_eq!(finished.code, 0, "{finished:?}");
    let entry = "\n[[components]]\nname = \"storm\"\nlibrary = \"./storm-2.100.0.so\"\nversion = \"^2.100.0\"\nlanes = 2\n\n[components.config]\nlimit = 3\nnames = [\"a\", \"b\"]\n";
    let written = std::fs::read_to_string(&file).expect("it is there");
    assert_eq!(written, format!("{text}{entry}"), "{finished:?}");

    // The mesh runs what the file says, and a later swap changes the entry of the version that it replaces.
    let path = file.display().to_string();
    let finished = mesh(&["apply", "--config", &path]);
    assert_eq!(finished.out, "nothing to change\n", "{finished:?}");
    let third = storm(&folder, "2.101.0", "");
    let finished = swap(&file, "storm", &third, &["--replaces", "2.100.0", "--wait"]).await;
    assert_eq!(finished.code, 0, "{finished:?}");
    let entry = entry.replace("storm-2.100.0", "storm-2.101.0");
    let written = std::fs::read_to_string(&file).expect("it is there");
    assert_eq!(written, format!("{text}{entry}"), "{finished:?}");

    drop(host);
    let host = Host::start(&file, &[]);
    let (mut sender, mut receiver) = session::open(host.addr()).await;
    for (number, range) in [(1, "^1.0.0"), (2, "^2.0.0")] {
        let ping = "TestNode/storm/ping";
        sender.call_in_range(ping, Some(range), number, json!([])).await;
        let version = answer_to(&mut receiver, number).await["args"][1]["version"].clone();
        let expected = if number == 1 { "1.100.0" } else { "2.101.0" };
        assert_eq!(version, expected);
    }
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_saved_file_leaves_versions_in_probation_alone() {
    let folder = Folder::new("probation");
    let first = storm(&folder, "1.100.0", "");
    let file = config(&folder, "storm", &first, "probation_ms = 3000\nwatch = false");
    let host = Host::start(&file, &[]);
    let second = storm(&folder, "1.101.0", "");
    let finished = swap(&file, "storm", &second, &[]).await;
    assert_eq!(finished.code, 0, "{finished:?}");
    let text = std::fs::read_to_string(&file).expect("it is there");
    let remarked = text.replace("watch = false", "watch = false\nmax_versions = 5 # more");
    folder.write("mesh.toml", &remarked);
    let finished = mesh(&["apply", "--config", &file.display().to_string()]);
    assert_eq!(finished.code, 0, "{finished:?}");
    assert!(finished.out.contains("is in probation"), "{finished:?}");
    let (mut sender, mut receiver) = session::open(host.addr()).await;
    sender.call("TestNode/storm/ping", 1, json!([])).await;
    assert_eq!(answer_to(&mut receiver, 1).await["args"][1]["version"], "1.101.0");

    // Afterwards the file names it, and the remark is kept.
    let expected = remarked.replace(&format!("\"{}\"", first.display()), "\"./storm-1.101.0.so\"");
    loop {
        let written = std::fs::read_to_string(&file).expect("it is there");
        if written == expected {
            break;
        }
        assert_eq!(written, remarked, "{}", host.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(host.stop().success());
}
