//! `mesh store` as a person uses it.
//!
//! Enters: stores, exports, and the data file of a happn-3 node (`fixtures/nedb`). Leaves: nothing. Guarantees: what
//! the command prints and how it ends is fixed here.

use mesh_store::{DurableStore, Options, PathPattern, Store};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("mesh-store-command-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.0.join(name), content).unwrap();
        self.0.join(name)
    }

    fn store(&self) -> DurableStore {
        DurableStore::open(&self.0.join("store.redb"), &Options::default()).unwrap()
    }

    /// Runs `mesh store …` in this folder: exit code, output, errors.
    fn run(&self, arguments: &[&str], input: &str) -> (i32, String, String) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mesh"))
            .arg("store")
            .args(arguments)
            .current_dir(&self.0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that ends before it has read everything is one of the cases.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The output of `mesh store …` on a terminal; `None` without the program that makes one.
fn on_a_terminal(folder: &Folder, arguments: &str) -> Option<String> {
    let command = format!("{} store {arguments}", env!("CARGO_BIN_EXE_mesh"));
    let output = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .current_dir(&folder.0)
        .stdin(Stdio::null())
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) => {
            eprintln!("not tried on a terminal: script: {error}");
            return None;
        }
    };
    assert!(output.status.success());
    // A terminal begins each line at its beginning.
    Some(String::from_utf8(output.stdout).unwrap().replace("\r\n", "\n"))
}

const AT: [&str; 2] = ["--path", "store.redb"];

type Found = (String, String, u64, u64, Option<String>);

fn content(store: &DurableStore) -> Vec<Found> {
    let mut all = Vec::new();
    store.scan(&PathPattern::new("*"), &mut |path, document| {
        let meta = document.meta;
        all.push((
            path.to_owned(),
            document.data.to_string(),
            meta.created,
            meta.modified,
            document.modified_by.as_deref().map(str::to_owned),
        ));
        true
    });
    all
}

#[test]
fn an_export_is_imported_again() {
    let folder = Folder::new();
    let store = folder.store();
    store
        .set("/a", "{\"n\":1,\n \"text\":\"line\\nü \u{2028}\"}")
        .unwrap();
    let bob = "b\"ob".into();
    store.set_by("/b\"ü\n", r#"{"n":1e300}"#, Some(&bob)).unwrap();
    for number in 0..3000 {
        store
            .set(&format!("/many/{number:04}"), r#"{"some":"data"}"#)
            .unwrap();
    }
    std::thread::sleep(std::time::Duration::from_millis(5));
    store.set("/many/0000", r#"{"changed":true}"#).unwrap();
    let before = content(&store);
    drop(store);

    let (code, out, err) = folder.run(&[&["export"], &AT[..]].concat(), "");
    assert_eq!((code, &*err), (0, ""));
    assert_eq!(out.lines().count(), 3002);
    let (code, printed, err) = folder.run(&["export", "--path", "store.redb", "--output", "all.jsonl"], "");
    assert_eq!((code, &*printed, &*err), (0, "", ""));
    let written = fs::read_to_string(folder.0.join("all.jsonl")).unwrap();
    assert_eq!(written, out, "a program gets every byte");
    assert!(written.contains('\u{2028}'));
    if let Some(shown) = on_a_terminal(&folder, "export --path store.redb") {
        assert_eq!(shown, written.replace('\u{2028}', "\\u2028"), "a person does not");
    }
    let (code, _, err) = folder.run(&["export", "--path", "store.redb", "--output", "all.jsonl"], "");
    assert_eq!(code, 1);
    assert!(err.contains("File exists"), "{err}");

    let (code, printed, err) = folder.run(
        &["import", "-", "--path", "folder/other.redb", "--json"],
        &written,
    );
    assert_eq!(code, 0, "{err}");
    assert_eq!(
        serde_json::from_str::<Value>(&printed).unwrap(),
        serde_json::json!({
            "path": "folder/other.redb", "format": "jsonl", "imported": 3002, "leftOut": 0, "documents": 3002
        })
    );
    let other = DurableStore::open(&folder.0.join("folder/other.redb"), &Options::default()).unwrap();
    let mut expected = before;
    // The line break between the parts is a space now.
    expected[0].1 = expected[0].1.replacen('\n', " ", 1);
    assert_eq!(content(&other), expected);
}

#[test]
fn an_import_merges_or_replaces() {
    let folder = Folder::new();
    let store = folder.store();
    store.set("/a", r#"{"old":true}"#).unwrap();
    store.set("/b", r#"{"old":true}"#).unwrap();
    drop(store);
    let lines = "{\"path\":\"/a\",\"data\":{\"new\":true},\"created\":5,\"modified\":6,\"modifiedBy\":\"ada\"}\n\n\
                 {\"path\":\"/c\",\"data\":[1],\"modified\":7}";
    let file = folder.write("new.jsonl", lines);
    let (code, out, err) = folder.run(&["import", "new.jsonl", "--path", "store.redb"], "");
    assert_eq!((code, &*err), (0, ""));
    assert_eq!(out, "store.redb: imported 2, now 3 documents\n");
    let found = content(&folder.store());
    let expected = ("/a".into(), r#"{"new":true}"#.into(), 5, 6, Some("ada".into()));
    assert_eq!(found[0], expected);
    assert_eq!(found[1].1, r#"{"old":true}"#);
    assert_eq!(found[2], ("/c".into(), r#"{"value":[1]}"#.into(), 7, 7, None));
    let file = file.to_str().unwrap();
    let (code, out, _) = folder.run(&["import", file, "--path", "store.redb", "--replace"], "");
    assert_eq!((code, &*out), (0, "store.redb: imported 2, now 2 documents\n"));
    assert_eq!(folder.store().count(), 2);
}

#[test]
fn a_wrong_line_imports_nothing() {
    let folder = Folder::new();
    folder.store().set("/a", r#"{"old":true}"#).unwrap();
    let good = r#"{"path":"/a","data":{"new":true}}"#;
    for (line, said) in [
        (
            r#"{"path":"/b","data":{"n":1}"#,
            "line 3: EOF while parsing an object",
        ),
        (r#"{"path":"/b"}"#, "line 3: missing field `data`"),
        (
            r#"{"path":"/b","data":{},"modifed":1}"#,
            "line 3: unknown field `modifed`, expected one of `path`, `data`, `created`, `modified`, `modifiedBy`",
        ),
        (r#"{"path":"","data":{}}"#, "line 3: the path is empty"),
        (r#"{"path":"/b","data":{},"created":-1}"#, "line 3: invalid value"),
    ] {
        let (code, out, err) = folder.run(
            &["import", "-", "--path", "store.redb", "--replace"],
            &format!("{good}\n\n{line}\n{good}\n"),
        );
        assert_eq!((code, &*out), (1, ""), "{line}");
        assert!(err.starts_with(&format!("-: {said}")), "{err}");
        assert!(err.ends_with("; nothing was imported\n"), "{err}");
        assert_eq!(content(&folder.store())[0].1, r#"{"old":true}"#);
    }
    let (code, _, err) = folder.run(&["import", "-", "--path", "new.redb"], "name = \"TestNode\"\n");
    assert_eq!(code, 1);
    assert!(
        err.contains("neither of an export nor of a happn-3 data file"),
        "{err}"
    );
    assert!(!folder.0.join("new.redb").exists());
}

#[test]
fn the_data_file_of_a_happn_3_node_is_imported() {
    let folder = Folder::new();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/nedb");
    let file = fixtures.join("data.nedb");
    let file = file.to_str().unwrap();
    let (code, out, err) = folder.run(&["import", file, "--path", "store.redb"], "");
    assert_eq!((code, &*err), (0, ""));
    assert_eq!(
        out,
        "store.redb: imported 11, now 11 documents; 5 below /_SYSTEM/ left out, --system takes them\n"
    );
    let answered = fs::read_to_string(fixtures.join("data.json")).unwrap();
    let answered: Vec<Value> = serde_json::from_str(&answered).unwrap();
    let content = content(&folder.store());
    let by = |path: &str| {
        let found = content.iter().find(|(found, ..)| found == path);
        found.and_then(|(.., by)| by.as_deref())
    };
    assert_eq!((by("/objects/merged"), by("/dates")), (Some("_ADMIN"), None));
    let found: Vec<Value> = content
        .iter()
        .map(|(path, data, created, modified, _)| {
            let data: Value = serde_json::from_str(data).unwrap();
            serde_json::json!({"path": path, "data": data, "created": created, "modified": modified})
        })
        .collect();
    assert_eq!(found, answered);
    let (_, out, _) = folder.run(
        &["import", file, "--path", "store.redb", "--system", "--json"],
        "",
    );
    let done: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&done["format"], &done["documents"], &done["leftOut"]),
        (&"nedb".into(), &16.into(), &0.into())
    );
}

#[test]
fn a_happn_3_file_that_a_crash_has_cut_off_is_imported() {
    let folder = Folder::new();
    let lines = "{\"_id\":\"/a\",\"data\":{\"n\":1},\"path\":\"/a\",\"created\":1,\"modified\":2}\n{\"_id\":\"/b\",\"da";
    let (code, out, err) = folder.run(&["import", "-", "--path", "store.redb"], lines);
    assert_eq!((code, &*out), (0, "store.redb: imported 1, now 1 documents\n"));
    assert!(err.contains("the last line was cut off by a crash"), "{err}");
    let (code, _, err) = folder.run(
        &["import", "-", "--path", "store.redb"],
        &format!("{lines}\n{lines}"),
    );
    assert_eq!(code, 1);
    assert!(err.starts_with("-: line 2: "), "{err}");
    let (code, _, err) = folder.run(
        &["import", "-", "--path", "store.redb"],
        "{\"snapshot\":\"{}\"}\r\n",
    );
    assert_eq!(code, 1);
    assert!(err.contains("from version 13 on (loki)"), "{err}");
}

#[test]
fn compacting_makes_the_file_smaller() {
    let folder = Folder::new();
    let store = folder.store();
    let data = format!(r#"{{"text":"{}"}}"#, "x".repeat(10_000));
    for number in 0..1000 {
        store.set(&format!("/{number}"), &data).unwrap();
    }
    store.close().unwrap();
    drop(store);
    let store = folder.store();
    store.remove(&PathPattern::new("/*1*"), &mut |_, _| true).unwrap();
    let before = content(&store);
    drop(store);
    let (code, out, err) = folder.run(&["compact", "--path", "store.redb", "--json"], "");
    assert_eq!((code, &*err), (0, ""));
    let sizes: Value = serde_json::from_str(&out).unwrap();
    let size = fs::metadata(folder.0.join("store.redb")).unwrap().len();
    assert_eq!(sizes["after"], size);
    assert!(sizes["before"].as_u64().unwrap() > size, "{out}");
    assert_eq!(content(&folder.store()), before);
}

#[test]
fn missing_and_locked_stores_are_refused() {
    let folder = Folder::new();
    let (code, _, err) = folder.run(&["export", "--path", "none.redb"], "");
    assert_eq!((code, &*err), (1, "none.redb does not exist\n"));
    let store = folder.store();
    for command in [&["export"][..], &["import", "-"], &["compact"]] {
        let (code, _, err) = folder.run(&[command, &AT].concat(), "");
        let said = "store.redb is open in another process: a host holds its store until it stops\n";
        assert_eq!((code, &*err), (1, said));
    }
    drop(store);
    folder.write("mesh.toml", "name = \"A\"\n");
    let (code, _, err) = folder.run(&["export"], "");
    assert_eq!(code, 2);
    assert!(err.starts_with("mesh.toml has no `path` in [store]"), "{err}");
    folder.write(
        "mesh.toml",
        "name = \"A\"\n[store]\npath = \"store.redb\"\ndurability = \"always\"\n",
    );
    let (code, _, err) = folder.run(&["export"], "");
    assert_eq!(code, 78);
    assert!(
        err.contains("mesh.toml:4:14") && err.contains("\"commit\""),
        "{err}"
    );
    let (code, _, err) = folder.run(&["export", "--set", "store.durability=none"], "");
    assert_eq!((code, &*err), (0, ""));
}

#[test]
fn a_running_host_holds_its_store_and_leaves_it_complete() {
    let folder = Folder::new();
    folder.write(
        "mesh.toml",
        "name = \"A\"\n[happn]\nport = 0\n[store]\npath = \"data/store.redb\"\ndurability = \"none\"\n",
    );
    let mut host = Command::new(env!("CARGO_BIN_EXE_mesh"))
        .arg("run")
        .current_dir(&folder.0)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(host.stdout.take().unwrap())
        .read_line(&mut ready)
        .unwrap();
    assert!(ready.starts_with("ready "), "{ready}");
    let (code, out, err) = folder.run(&["export"], "");
    assert_eq!((code, &*out), (1, ""));
    assert!(
        err.contains("is open in another process: a host holds its store until it stops"),
        "{err}"
    );
    let stopped = Command::new("kill")
        .args(["-TERM", &host.id().to_string()])
        .status();
    assert!(stopped.unwrap().success());
    assert_eq!(host.wait().unwrap().code(), Some(0));
    let (code, out, err) = folder.run(&["export"], "");
    assert_eq!((code, &*err), (0, ""));
    assert!(
        out.contains("{\"path\":\"/mesh/schema/description\",\"data\":{"),
        "{out}"
    );
}
