//! Components built against the headers of ABI 1.0, 1.1 and 1.2, which load and answer in every host of major version 1.
//!
//! Enters: `tests/fixtures/golden`, and a header of a version to come. Leaves: answers of a real host. Guarantees: what a minor version
//! promised is kept by this host, and a library of a later one serves in it.

use mesh_tests::golden::{fixture, header, later_header};
use mesh_tests::host::{Finished, Folder, Host, mesh};
use mesh_tests::http::ask;
use mesh_tests::{c_library, control};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The component of a minor version, compiled with more definitions.
fn compiled(folder: &Folder, minor: u32, name: &str, defines: &[&str]) -> PathBuf {
    let library = folder.path().join(format!("lib{name}.so"));
    let source = fixture(&format!("golden_1_{minor}.c"));
    c_library::compile(&source, defines, &library).expect("the headers of all versions compile as ever");
    library
}

fn golden(folder: &Folder) -> PathBuf {
    compiled(folder, 0, "golden", &[])
}

/// A mesh with the component `golden`.
fn host_of(folder: &Folder, library: &Path) -> Host {
    let library = library.display().to_string();
    let text = format!(
        "name = \"TestNode\"\n[[components]]\nname = \"golden\"\nlibrary = {library:?}\n\n\
         [swap]\nwatch = false\nprobation_ms = 1\n"
    );
    Host::start(&folder.write("mesh.toml", &text), &[])
}

fn call(host: &Host, method: &str, arguments: &[&str]) -> Finished {
    let (url, method) = (host.url(), format!("golden/{method}"));
    mesh(&[&["call", "--url", &url, "--json", &method], arguments].concat())
}

#[test]
fn the_headers_of_earlier_versions_are_those_that_were_released() {
    for (minor, released) in [
        (0, 0x3b54_ca15_14fe_2846_u64),
        (1, 0xc587_01eb_7702_944c),
        (2, 0x8a0f_75d6_be41_ad7e),
    ] {
        let text = std::fs::read_to_string(header(minor)).unwrap();
        let says = format!("#define MESH_ABI_MAJOR 1\n#define MESH_ABI_MINOR {minor}\n");
        assert!(text.contains(&says), "{minor}");
        // FNV-1a: enough to notice a well-meant edit.
        let digest = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| {
            (digest ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
        assert_eq!(
            digest, released,
            "the header of ABI 1.{minor} was edited: undo that"
        );
    }
}

#[test]
fn a_component_of_the_first_version_gets_all_that_it_was_promised() {
    let folder = Folder::new("golden");
    let library = golden(&folder);
    let host = host_of(&folder, &library);
    let call = |method: &str, arguments: &[&str]| call(&host, method, arguments);
    for (method, arguments, answers) in [
        ("echo", &["1", "\"two\"", "[3]"][..], r#"[1,"two",[3]]"#),
        ("announce", &[], "[]"),
        ("wait", &[], r#"["waited"]"#),
        ("ask", &[], "[42]"),
    ] {
        let answered = call(method, arguments);
        assert_eq!(answered.out.trim(), answers, "{method}: {}", answered.err);
    }
    let refused = call("refuse", &[]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.err.contains("GoldenError: golden refuses"),
        "{}",
        refused.err
    );
    let kept: Value = serde_json::from_str(&call("keep", &[]).out).unwrap();
    assert_eq!(kept[0]["kept"], true, "{kept}");
    let about: Value = serde_json::from_str(&call("host", &[]).out).unwrap();
    assert_eq!(about[0]["major"], 1, "{about}");
    for (what, at_least) in [("host", 72), ("item", 80)] {
        assert!(
            about[0][what].as_u64() >= Some(at_least),
            "structs of a host only grow: {about}"
        );
    }
    assert!(host.stop().success());
}

/// The promises that ABI 1.1 added, kept to libraries of these two builds.
fn expect_promises_of_1_1(first: &Path, second: &Path, folder: &Folder) {
    let host = host_of(folder, first);
    for answers in ["[1]", "[2]"] {
        assert_eq!(call(&host, "count", &[]).out.trim(), answers);
    }
    assert_eq!(call(&host, "ask", &[]).out.trim(), "[3]");
    let panicked = call(&host, "panic", &[]);
    assert!(panicked.err.contains("golden fell over"), "{panicked:?}");
    let about: Value = serde_json::from_str(&call(&host, "host", &[]).out).unwrap();
    assert_eq!(about[0]["major"], 1, "{about}");
    for (what, at_least) in [("host", 72), ("item", 80)] {
        assert!(
            about[0][what].as_u64() >= Some(at_least),
            "structs of a host only grow: {about}"
        );
    }
    let report = control::swap(&host, "golden", second, true).report();
    assert_eq!(report["ending"], "replaced", "{report}");
    assert_eq!(
        call(&host, "count", &[]).out.trim(),
        "[4]",
        "the state went along: {report}"
    );
    assert_eq!(call(&host, "hints", &[]).out.trim(), "[0,0]");
    assert!(host.stop().success());
}

/// The promises that ABI 1.2 added.
fn expect_promises_of_1_2(library: &Path, folder: &Folder) {
    let host = host_of(folder, library);
    assert_eq!(call(&host, "echo", &["[7]"]).out.trim(), "[[7]]");
    let answer = ask(host.addr(), "POST", "/golden/page", &[], b"\0 any bytes");
    assert_eq!(
        (answer.status, answer.header("x-golden"), &*answer.body),
        (201, Some("1.2"), &b"\0 any bytes"[..])
    );
    assert!(host.stop().success());
}

#[test]
fn a_component_of_the_second_version_gets_all_that_it_was_promised() {
    let folder = Folder::new("golden-1-1");
    let first = compiled(&folder, 1, "first", &[]);
    let second = compiled(&folder, 1, "second", &["VERSION=\"1.1.1\""]);
    expect_promises_of_1_1(&first, &second, &folder);
}

#[test]
fn a_component_of_the_third_version_gets_all_that_it_was_promised() {
    let folder = Folder::new("golden-1-2");
    expect_promises_of_1_2(&compiled(&folder, 2, "golden", &[]), &folder);
}

/// Each struct of such a library is longer than the host knows.
#[test]
fn a_component_of_a_version_to_come_serves_in_this_host() {
    let folder = Folder::new("golden-later");
    let header = later_header(&folder, 5).display().to_string();
    let define = format!("HEADER={header:?}");
    let first = compiled(&folder, 1, "first", &[&define]);
    let second = compiled(&folder, 1, "second", &[&define, "VERSION=\"1.1.1\""]);
    expect_promises_of_1_1(&first, &second, &folder);
    expect_promises_of_1_2(&compiled(&folder, 2, "web", &[&define]), &folder);
}

#[test]
fn the_golden_components_keep_the_contract() {
    let folder = Folder::new("golden-check");
    let mut libraries: Vec<PathBuf> = (0..3)
        .map(|minor| compiled(&folder, minor, &format!("golden-{minor}"), &[]))
        .collect();
    let header = later_header(&folder, 5).display().to_string();
    let define = format!("HEADER={header:?}");
    libraries.extend([1, 2].map(|minor| compiled(&folder, minor, &format!("later-{minor}"), &[&define])));
    for library in libraries {
        let checked = mesh(&["check-plugin", library.to_str().unwrap(), "--rounds", "25"]);
        assert_eq!(checked.code, 0, "{}\n{}", checked.out, checked.err);
        assert!(checked.out.contains(", 0 failed"), "{}", checked.out);
    }
}
