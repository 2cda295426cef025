//! Messages of `mesh run` for a mesh.toml that is wrong, and a clean end.

use mesh_tests::host::{Folder, Host, build_folder, library, mesh};
use std::net::TcpListener;

/// Runs `mesh run` with this configuration, which must be refused.
fn refused(name: &str, text: &str) -> String {
    let folder = Folder::new(name);
    let file = folder.write("mesh.toml", text);
    let finished = mesh(&["run", "--config", file.to_str().unwrap()]);
    assert_eq!(finished.code, 78, "{}{}", finished.out, finished.err);
    assert_eq!(finished.out, "", "nothing serves");
    finished.err.replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn a_syntax_error_is_named() {
    let said = refused("syntax", "name = \"A\"\n[happn\nport = 0\n");
    assert!(said.starts_with("mesh.toml:2:"), "{said}");
}

#[test]
fn a_wrong_type_is_named() {
    let said = refused("type", "name = \"A\"\n[happn]\nport = \"many\"\n");
    assert!(said.starts_with("mesh.toml:3:8: "), "{said}");
    assert!(said.contains("3 | port = \"many\"\n  |        ^^^^^^"), "{said}");
}

#[test]
fn an_unknown_key_is_named() {
    let said = refused("key", "name = \"A\"\n[happn]\nprot = 0\n");
    assert!(
        said.starts_with("mesh.toml:3:1: unknown key `prot` in [happn]"),
        "{said}"
    );
    assert!(said.contains("did you mean `port`?"), "{said}");
}

#[test]
fn several_mistakes_are_named_at_once() {
    let said = refused("several", "nam = \"A\"\n[happn]\nport = 70000\n");
    for part in ["unknown key `nam`", "mesh.toml:3:8"] {
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[test]
fn a_missing_configuration_file_is_named() {
    let finished = mesh(&["run", "--config", "/nowhere/mesh.toml"]);
    assert_eq!(finished.code, 78);
    assert!(finished.err.contains("/nowhere/mesh.toml"), "{}", finished.err);
}

#[test]
fn a_missing_library_is_named() {
    let folder = build_folder();
    let text = format!(
        "name = \"A\"\n[plugins]\ndir = {:?}\n[[components]]\nname = \"calc\"\nlibrary = \"clac\"\n",
        folder.display().to_string()
    );
    let said = refused("library", &text);
    assert!(
        said.starts_with("mesh.toml:6:11: library \"clac\" not found"),
        "{said}"
    );
    assert!(said.contains("did you mean `libcalc.so`"), "{said}");
}

#[test]
fn a_range_that_the_library_does_not_meet_is_named() {
    let calc = library("calc");
    let text = format!(
        "name = \"A\"\n[happn]\nport = 0\n[[components]]\nname = \"calc\"\nlibrary = {:?}\nversion = \"^2.0.0\"\n",
        calc.display().to_string()
    );
    let said = refused("range", &text);
    assert!(
        said.starts_with("mesh.toml:7:11: component calc asks for version ^2.0.0, but "),
        "{said}"
    );
    assert!(said.contains("is version 1.2.3"), "{said}");
}

#[test]
fn a_range_that_is_none_is_named() {
    let said = refused(
        "no-range",
        "name = \"A\"\n[[components]]\nname = \"calc\"\nlibrary = \"calc\"\nversion = \"latest\"\n",
    );
    assert!(said.starts_with("mesh.toml:5:11: "), "{said}");
    assert!(said.contains("latest") && said.contains("^1.2.0"), "{said}");
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let said = refused("port", &format!("name = \"A\"\n[happn]\nport = {port}\n"));
    assert!(
        said.starts_with(&format!("mesh.toml:3:8: port {port} of 127.0.0.1 is in use")),
        "{said}"
    );
}

#[test]
fn one_version_of_a_component_twice_is_named() {
    let calc = library("calc").display().to_string();
    let entry = format!("[[components]]\nname = \"calc\"\nlibrary = {calc:?}\n");
    let said = refused(
        "twice",
        &format!("name = \"A\"\n[happn]\nport = 0\n{entry}{entry}"),
    );
    assert!(said.contains("calc"), "{said}");
}

#[test]
fn a_secure_mesh_without_a_password_is_refused() {
    let said = refused("secure", "name = \"A\"\n[happn]\nsecure = true\n");
    assert!(
        said.contains("mesh.toml:3:10: a secure mesh needs a password"),
        "{said}"
    );
}

#[test]
fn overrides_count_and_a_stop_is_graceful() {
    let folder = Folder::new("overrides");
    let file = folder.write("mesh.toml", "name = \"A\"\n");
    let host = Host::start(&file, &["name=Other"]);
    let status = mesh(&["status", "--config", file.to_str().unwrap(), "--json"]);
    assert!(
        status.out.contains("\"name\":\"Other\""),
        "{}{}",
        status.out,
        status.err
    );
    assert_eq!(host.stop().code(), Some(0));
    let gone = mesh(&["status", "--config", file.to_str().unwrap()]);
    assert_eq!(gone.code, 69, "{}{}", gone.out, gone.err);
    let wrong = mesh(&["run", "--config", file.to_str().unwrap(), "--set", "happn.prot=0"]);
    assert_eq!(wrong.code, 78);
    assert!(
        wrong.err.contains("--set happn.prot=0") && wrong.err.contains("port"),
        "{}",
        wrong.err
    );
}
