//! The JSON Schemas of `docs/schema` say of documents what the host says and does.
//!
//! Enters: descriptors of libraries, good and bad ones, and the documents that a component gets. Leaves: what a
//! validator from npm says of them, and what the host says. Guarantees: a descriptor that the schema refuses is refused by the
//! host; all components of this tree keep the schema. Without Node the validator is skipped.

use mesh_tests::host::{Folder, Host, library, mesh, repository};
use mesh_tests::{c_library, cpp_library, kit};
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The mistakes of each document by a schema, null where there are none; nothing where there is no validator.
fn judged(schema: &str, documents: &[Value]) -> Option<Vec<Value>> {
    let folder = repository().join("tests/openapi");
    if !kit::ready_in(&folder) {
        return None;
    }
    let file = repository().join("docs/schema").join(schema);
    let schema: Value =
        serde_json::from_slice(&std::fs::read(file).expect("it is there")).expect("it is JSON");
    let mut validator = Command::new("node")
        .current_dir(folder)
        .arg("schemas.js")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("node runs");
    let mut input = validator.stdin.take().expect("its input is a pipe");
    write!(input, "{}", json!({"schema": schema, "documents": documents})).expect("it reads");
    drop(input);
    let output = validator.wait_with_output().expect("it ends");
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(serde_json::from_slice(&output.stdout).expect("it answers with an array"))
}

/// A library with this descriptor.
fn with_descriptor(folder: &Folder, number: usize, descriptor: &str) -> PathBuf {
    let file = folder.path().join(format!("libdescribed-{number}.so"));
    // The text of a string in Rust is that of one in C, as long as it is plain.
    let define = format!("DESCRIPTOR={descriptor:?}");
    c_library::compile(&c_library::fixture("description.c"), &[&define], &file).expect("it compiles");
    file
}

fn host_takes(file: &Path) -> bool {
    mesh(&["inspect", &file.display().to_string()]).code == 0
}

/// Descriptors that are as they should be, for the schema and for the host.
fn good() -> Vec<Value> {
    let long = "n".repeat(256);
    vec![
        json!({"methods": []}),
        json!({"methods": [], "unknown": 7, "events": null, "data": null, "state": null}),
        json!({"methods": [{"name": "greet", "parameters": [{"name": "name"}, {"name": "callback"}],
               "description": "Greets.", "schemas": {"name": {"type": "string"}}, "async": true,
               "idempotent": true, "more": 1}],
               "events": {"greeted": {}}, "routes": {"page": {"type": "mware"}}, "data": {},
               "state": {"schema": 2, "restores": [1, 2]}, "health": true}),
        json!({"methods": [{"name": long, "parameters": [], "description": null}], "health": false}),
        json!({"methods": [], "extensions": ["mesh.http/1", "mesh.unknown/7"]}),
    ]
}

/// Descriptors that are refused by both.
fn bad() -> Vec<Value> {
    let method = |name: &str| json!({"methods": [{"name": name, "parameters": []}]});
    let one = |method: Value| json!({"methods": [method]});
    let beside = |name: &str, value: Value| json!({"methods": [], name: value});
    vec![
        json!("methods"),
        json!({}),
        json!({"methods": {}}),
        json!({"methods": ["greet"]}),
        one(json!({"parameters": []})),
        one(json!({"name": "greet"})),
        one(json!({"name": 7, "parameters": []})),
        one(json!({"name": "greet", "parameters": ["name"]})),
        one(json!({"name": "greet", "parameters": [{"type": "string"}]})),
        one(json!({"name": "greet", "parameters": [{"name": null}]})),
        one(json!({"name": "greet", "parameters": [], "description": 7})),
        one(json!({"name": "greet", "parameters": [], "schemas": []})),
        one(json!({"name": "greet", "parameters": [], "async": "yes"})),
        method(""),
        method("a/b"),
        method("a*"),
        method("a@b"),
        method("a b"),
        method(&"n".repeat(257)),
        beside("events", json!([])),
        beside("data", json!("text")),
        beside("routes", json!([])),
        beside("state", json!({"schema": 0, "restores": [0]})),
        beside("state", json!({"schema": 1, "restores": []})),
        beside("state", json!({"restores": [1]})),
        beside("state", json!({"schema": -1, "restores": [1]})),
        beside("state", json!({"schema": 1, "restores": [1, 4_294_967_296_u64]})),
        beside("health", json!("yes")),
        beside("health", json!(null)),
        beside("extensions", json!("mesh.http/1")),
        beside("extensions", json!([1])),
        beside("extensions", json!(null)),
    ]
}

#[test]
fn the_host_refuses_the_descriptors_that_the_schema_refuses() {
    let folder = Folder::new("schema-descriptors");
    let (good, bad) = (good(), bad());
    for (number, descriptor) in good.iter().chain(&bad).enumerate() {
        let file = with_descriptor(&folder, number, &descriptor.to_string());
        assert_eq!(host_takes(&file), number < good.len(), "{descriptor}");
    }
    for (documents, are_good) in [(&good, true), (&bad, false)] {
        let Some(judged) = judged("descriptor.json", documents) else {
            return;
        };
        for (document, errors) in documents.iter().zip(judged) {
            assert_eq!(errors.is_null(), are_good, "{document}: {errors}");
        }
    }
    // The page says the rules that a schema cannot say.
    for (number, descriptor) in [
        json!({"methods": [{"name": "a", "parameters": []}, {"name": "a", "parameters": []}]}),
        json!({"methods": [], "state": {"schema": 2, "restores": [1]}}),
    ]
    .iter()
    .enumerate()
    {
        let file = with_descriptor(&folder, 1000 + number, &descriptor.to_string());
        assert!(!host_takes(&file), "{descriptor}");
    }
}

#[test]
fn all_components_of_this_tree_keep_the_schema() {
    let folder = Folder::new("schema-components");
    let mut files: Vec<PathBuf> = [
        "calc",
        "component-name",
        "counter",
        "emitter",
        "emitter-old",
        "store",
        "web",
        "fixture-churn",
        "fixture-counter-next",
        "fixture-delegate",
        "fixture-doorman",
        "fixture-nested",
    ]
    .map(library)
    .into();
    for source in ["greeter-c/greeter.c", "greeter-cpp/greeter.cpp"] {
        let source = repository().join("plugins").join(source);
        let file = folder.path().join(format!("lib{}.so", files.len()));
        if source.extension().is_some_and(|ending| ending == "c") {
            c_library::compile(&source, &[], &file).expect("it compiles");
            files.push(file);
        } else {
            files.extend(cpp_library::component(&source, &[], file));
        }
    }
    for source in [
        "blocks.c",
        "completions.c",
        "delegation.c",
        "requests.c",
        "documents.c",
        "bad_state.c",
        "web.c",
    ] {
        let file = folder.path().join(format!("lib{source}.so"));
        c_library::compile(&c_library::fixture(source), &[], &file).expect("it compiles");
        files.push(file);
    }
    let program = folder.path().join("show_description");
    c_library::compile_program(&c_library::fixture("show_description.c"), &program).expect("it compiles");
    let shown = Command::new(&program).args(&files).output().expect("it runs");
    assert!(shown.status.success(), "{shown:?}");
    let text = String::from_utf8(shown.stdout).expect("descriptors are text");
    let documents: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("descriptors are JSON"))
        .collect();
    assert_eq!(documents.len(), files.len());
    let judged = judged("descriptor.json", &documents).unwrap_or_default();
    for (file, errors) in files.iter().zip(judged) {
        assert_eq!(errors, Value::Null, "{}", file.display());
    }
}

#[test]
fn the_documents_that_a_component_gets_keep_their_schemas() {
    let folder = Folder::new("schema-documents");
    let file = folder.path().join("libdocuments.so");
    c_library::compile(&c_library::fixture("documents.c"), &[], &file).expect("it compiles");
    let text = format!(
        "name = \"A\"\n[[components]]\nname = \"documents\"\nlibrary = {:?}\n",
        file.display().to_string()
    );
    let host = Host::start(&folder.write("mesh.toml", &text), &[]);
    let call = |method: &str| -> Value {
        let finished = mesh(&[
            "call",
            "--url",
            &host.url(),
            "--json",
            &format!("documents/{method}"),
        ]);
        serde_json::from_str(&finished.out).unwrap_or_else(|_| panic!("{finished:?}"))
    };
    let info = call("info");
    assert_eq!(info[0]["component"], "documents", "{info}");
    call("emit");
    // The events are on their way to the same lane, behind at most a few calls.
    let mut metas = call("metas");
    for _ in 0..200 {
        if metas.as_array().is_some_and(|metas| metas.len() == 2) {
            break;
        }
        metas = call("metas");
    }
    let metas = metas.as_array().expect("an array").clone();
    assert_eq!(metas.len(), 2, "{metas:?}");
    assert_eq!(metas[0]["componentVersion"], "1.0.0", "{metas:?}");
    assert!(metas[1]["created"].is_u64(), "{metas:?}");
    let infos = info.as_array().expect("an array");
    for (schema, documents) in [("info.json", infos), ("meta.json", &metas)] {
        let Some(judged) = judged(schema, documents) else {
            return;
        };
        assert!(judged.iter().all(Value::is_null), "{judged:?}");
        // And a schema that takes everything would be of no use.
        let wrong = judged_wrong(schema);
        assert!(wrong.iter().all(|errors| !errors.is_null()), "{wrong:?}");
    }
}

/// The mistakes of documents that are none of this schema.
fn judged_wrong(schema: &str) -> Vec<Value> {
    judged(
        schema,
        &[
            json!({}),
            json!([]),
            json!(null),
            json!({"type": "ack", "lanes": 0}),
        ],
    )
    .unwrap_or_default()
}
