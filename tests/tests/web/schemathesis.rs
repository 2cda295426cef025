//! Schemathesis (PyPI) calls everything that the OpenAPI document says, rightly and wrongly, and compares the answers with it.
//!
//! Enters: the document of a running host, `openapi/schemathesis.toml`. Leaves: the findings of schemathesis.
//! Guarantees: the host answers all of it, with the statuses and bodies that the document has for it, and has nothing
//! left to do afterwards. The cases are the same in each run. Without Python or PyPI the tests are skipped.

use mesh_tests::host::{Folder, Host, repository, target_folder};
use mesh_tests::http::{ask, get};
use mesh_tests::secure::{self, ADMIN, PASSWORD};
use mesh_tests::{control, python, turns};
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Calls that do not end are given up after so many milliseconds.
const LIMIT: &str = "calls.timeout_ms=1000";
/// How many requests of its own making it tries for each operation, without `MESH_TESTS_LONG=1`.
const FEW: [&str; 2] = ["--max-examples", "10"];
/// How long a run may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(180);

/// Methods that are left out.
const LEFT_OUT: [&str; 7] = [
    // They are there to fail: 500 is what they promise.
    "/rest/method/componentName/erroringMethodName",
    "/rest/method/calc/namedError",
    "/rest/method/calc/divide",
    // It never ends, as it promises, and the next waits for as long as it is told.
    "/rest/method/calc/never",
    "/rest/method/calc/slow",
    // They fail, or take as long as they are told to, where they are asked for very much.
    "/rest/method/calc/bigPayload",
    "/rest/method/emitter(Old)?/emitMany",
];

/// Runs schemathesis against a host, with these arguments besides.
fn run(host: &Host, more: &[String]) {
    let folder = repository().join("tests/openapi");
    let environment = target_folder().join("tmp/schemathesis");
    let Some(programs) = python::programs(&folder.join("requirements.txt"), &environment) else {
        return;
    };
    let own = Folder::new("schemathesis");
    let report = own.path().join("report.txt");
    let output = std::fs::File::create(&report).expect("a report can be written");
    let mut running = Command::new(programs.join("schemathesis"))
        .current_dir(own.path())
        .arg("--config-file")
        .arg(folder.join("schemathesis.toml"))
        .args(["run", &format!("{}/rest/openapi.json", host.url())])
        .args(["--exclude-path-regex", &format!("^({})$", LEFT_OUT.join("|"))])
        .args(
            std::env::var_os("MESH_TESTS_LONG")
                .is_none()
                .then_some(FEW)
                .into_iter()
                .flatten(),
        )
        .args(more)
        .stdin(Stdio::null())
        .stdout(output.try_clone().expect("a file has several handles"))
        .stderr(output)
        .spawn()
        .expect("schemathesis runs");
    let until = Instant::now() + PATIENCE;
    let ended = loop {
        if let Some(status) = running.try_wait().expect("it can be waited for") {
            break Some(status);
        }
        if Instant::now() > until {
            let _ = running.kill();
            let _ = running.wait();
            break None;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let said = std::fs::read_to_string(&report).unwrap_or_default();
    let ended = ended.unwrap_or_else(|| panic!("it did not end\n{said}"));
    assert!(ended.success(), "{said}\n{}", host.log());
    assert!(said.contains("Tested: "), "{said}");
}

/// Fails when a host does not serve any more, or still has calls to answer.
fn is_well(host: &Host) {
    assert_eq!(get(host.addr(), "/ping").text(), "pong");
    assert_eq!(get(host.addr(), "/readyz").status, 200, "{}", host.log());
    let status = control::status(host);
    let components = status["components"].as_array().expect("components are a list");
    assert!(!components.is_empty(), "{status}");
    for component in components {
        assert_eq!(component["pending"], 0, "{component}");
        assert_eq!(component["state"], components[0]["state"], "{component}");
    }
}

#[test]
fn the_host_does_what_its_document_says() {
    let _turn = turns::of_heavy_tests();
    let host = Host::start(&repository().join("tests/conformance/mesh.toml"), &[LIMIT]);
    run(&host, &[]);
    is_well(&host);
    assert!(host.stop().success());
}

#[test]
fn a_secure_host_does_what_its_document_says() {
    let _turn = turns::of_heavy_tests();
    let host = secure::host(&[LIMIT]);
    let body = json!({"username": ADMIN, "password": PASSWORD}).to_string();
    let kind = ["Content-Type: application/json"];
    let login = ask(host.addr(), "POST", "/rest/login", &kind, body.as_bytes()).json();
    let Value::String(token) = &login["data"]["token"] else {
        panic!("{login}");
    };
    run(
        &host,
        &["--header".to_owned(), format!("Authorization: Bearer {token}")],
    );
    is_well(&host);
    assert!(host.stop().success());
}
