//! A component built against the header of ABI 1.0, which loads and answers in every host of major version 1.

use mesh_tests::c_library;
use mesh_tests::host::{Folder, Host, mesh, repository};
use std::path::PathBuf;

fn golden(folder: &Folder) -> PathBuf {
    let library = folder.path().join("libgolden.so");
    let source = repository().join("tests/fixtures/golden/golden_1_0.c");
    c_library::compile(&source, &[], &library).expect("the header of ABI 1.0 compiles as ever");
    library
}

#[test]
fn the_header_of_the_first_version_is_the_one_that_was_released() {
    let header = repository().join("tests/fixtures/golden/mesh_plugin_1_0.h");
    let text = std::fs::read_to_string(header).unwrap();
    assert!(text.contains("#define MESH_ABI_MAJOR 1\n#define MESH_ABI_MINOR 0\n"));
    // FNV-1a: enough to notice a well-meant edit.
    let digest = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| {
        (digest ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    assert_eq!(
        digest, 0x3b54_ca15_14fe_2846,
        "the header of ABI 1.0 was edited: undo that"
    );
}

#[test]
fn a_component_of_the_first_version_gets_all_that_it_was_promised() {
    let folder = Folder::new("golden");
    let library = golden(&folder);
    let config = folder.write(
        "mesh.toml",
        &format!(
            "name = \"TestNode\"\n[[components]]\nname = \"golden\"\nlibrary = {:?}\n",
            library.display().to_string()
        ),
    );
    let host = Host::start(&config, &[]);
    let call = |method: &str, arguments: &[&str]| {
        let (url, method) = (host.url(), format!("golden/{method}"));
        let command = [&["call", "--url", &url, "--json", &method], arguments].concat();
        mesh(&command)
    };
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
    let kept: serde_json::Value = serde_json::from_str(&call("keep", &[]).out).unwrap();
    assert_eq!(kept[0]["kept"], true, "{kept}");
    let about: serde_json::Value = serde_json::from_str(&call("host", &[]).out).unwrap();
    assert_eq!(about[0]["major"], 1, "{about}");
    for (what, at_least) in [("host", 72), ("item", 80)] {
        assert!(
            about[0][what].as_u64() >= Some(at_least),
            "structs of a host only grow: {about}"
        );
    }
    assert!(host.stop().success());
}

#[test]
fn the_golden_component_keeps_the_contract() {
    let folder = Folder::new("golden-check");
    let library = golden(&folder);
    let checked = mesh(&["check-plugin", library.to_str().unwrap(), "--rounds", "25"]);
    assert_eq!(checked.code, 0, "{}\n{}", checked.out, checked.err);
    assert!(checked.out.contains(", 0 failed"), "{}", checked.out);
}
