//! Libraries that are unusable: one clear sentence each, and nothing half-started remains.

use mesh_tests::c_library;
use mesh_tests::host::{Folder, library, mesh};
use std::path::Path;

/// Runs a mesh with one component from this library, which must be refused. Returns what was said.
fn refused(folder: &Folder, file: &Path) -> String {
    let config = folder.write(
        "mesh.toml",
        &format!(
            "name = \"A\"\n[happn]\nport = 0\n[[components]]\nname = \"bad\"\nlibrary = {:?}\n",
            file.display().to_string()
        ),
    );
    let finished = mesh(&["run", "--config", config.to_str().unwrap()]);
    assert_eq!(
        (finished.code, finished.out.as_str()),
        (78, ""),
        "{}: {}",
        file.display(),
        finished.err
    );
    let said = finished.err.replace(&format!("{}/", folder.path().display()), "");
    assert!(said.starts_with("mesh.toml:"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

fn compiled(folder: &Folder, source: &str, defines: &[&str]) -> std::path::PathBuf {
    let output = folder.path().join("libbad.so");
    c_library::compile(&c_library::fixture(source), defines, &output).expect("the fixture compiles");
    output
}

#[test]
fn every_kind_of_wrong_library_is_one_sentence() {
    let folder = Folder::new("refused");
    for (source, flag, says) in [
        (
            "no_component.c",
            "",
            "is no component: it does not export the function `mesh_component_entry`",
        ),
        (
            "description.c",
            "WRONG_MAGIC",
            "is no component: its description does not begin with",
        ),
        (
            "description.c",
            "ENTRY_RETURNS_NULL",
            "is no component: its entry function returned no description",
        ),
        (
            "description.c",
            "ENTRY_RETURNS_UNALIGNED",
            "is no component: its entry function returned no description",
        ),
        (
            "description.c",
            "WRONG_ABI_MAJOR",
            "was built for plugin ABI 2.3, this host speaks 1.3",
        ),
        (
            "description.c",
            "NEEDS_NEWER_HOST",
            "needs a host with plugin ABI 1.10 or newer, this host speaks 1.3",
        ),
        (
            "description.c",
            "SHORT_DESCRIPTION",
            "its description is shorter than",
        ),
        ("description.c", "SIZE_ZERO", "its description is shorter than"),
        (
            "description.c",
            "NULL_VTABLE",
            "its table of functions is missing",
        ),
        (
            "description.c",
            "SHORT_VTABLE",
            "its table of functions is shorter than",
        ),
        (
            "description.c",
            "NULL_CREATE",
            "`create` and `destroy` must both be there",
        ),
        (
            "description.c",
            "NULL_DESTROY",
            "`create` and `destroy` must both be there",
        ),
        (
            "description.c",
            "NULL_WORK_AND_RUN",
            "one of its functions `work` and `run` must be there",
        ),
        ("description.c", "NULL_FUNCTIONS", "must"),
        (
            "description.c",
            "NAME_EMPTY",
            "the component's name \"\" must not be empty",
        ),
        (
            "description.c",
            "NAME_WITH_SLASH",
            "must not be empty or contain `/`",
        ),
        (
            "description.c",
            "NAME_NOT_UTF8",
            "the component's name is not UTF-8 text",
        ),
        (
            "description.c",
            "VERSION_EMPTY",
            "the version of component fixture is wrong",
        ),
        (
            "description.c",
            "VERSION_NOT_SEMVER",
            "the version of component fixture is wrong",
        ),
        (
            "description.c",
            "VERSION_TWO_PARTS",
            "the version of component fixture is wrong",
        ),
        (
            "description.c",
            "DESCRIPTOR_EMPTY",
            "the descriptor of component fixture is not as plugins must write it",
        ),
        (
            "description.c",
            "DESCRIPTOR_NOT_JSON",
            "the descriptor of component fixture is not as plugins must write it",
        ),
        (
            "description.c",
            "DESCRIPTOR_NOT_UTF8",
            "the component's descriptor is not UTF-8 text",
        ),
        (
            "description.c",
            "DESCRIPTOR_IS_ARRAY",
            "the descriptor of component fixture is not as plugins must write it",
        ),
        ("description.c", "METHODS_MISSING", "missing field `methods`"),
        (
            "description.c",
            "METHODS_IS_OBJECT",
            "is not as plugins must write it",
        ),
        ("description.c", "METHOD_WITHOUT_NAME", "missing field `name`"),
        ("description.c", "METHOD_TWICE", "declares its method"),
        ("description.c", "METHOD_WITH_SLASH", "has a method named"),
        (
            "description.c",
            "PARAMETER_WITHOUT_NAME",
            "has a parameter without a name",
        ),
        (
            "description.c",
            "EVENTS_IS_ARRAY",
            "`events` in the descriptor of component fixture must be an object",
        ),
        (
            "description.c",
            "UNDEFINED_SYMBOL",
            "cannot be loaded: undefined symbol: ",
        ),
        (
            "lifecycle.c",
            "CREATE_FAILS",
            "could not be created: the fixture's cellar is flooded",
        ),
        (
            "lifecycle.c",
            "CREATE_FAILS_SILENTLY",
            "could not be created: it gave no reason",
        ),
        (
            "lifecycle.c",
            "CREATE_RETURNS_UNKNOWN",
            "could not be created: it gave no reason (status 77)",
        ),
        (
            "lifecycle.c",
            "START_FAILS",
            "did not start: the fixture's engine does not turn",
        ),
        (
            "lifecycle.c",
            "START_FAILS_WITHOUT_REASON",
            "did not start: it gave no reason",
        ),
    ] {
        let defines: Vec<&str> = Some(flag).filter(|flag| !flag.is_empty()).into_iter().collect();
        let said = refused(&folder, &compiled(&folder, source, &defines));
        assert!(said.contains(says), "{source} {flag}: {says:?} is not in\n{said}");
        let sentence = said.lines().next().unwrap();
        assert!(
            sentence.matches("libbad.so").count() <= 2,
            "{source} {flag}: said more than once\n{said}"
        );
    }
}

#[test]
fn files_that_are_no_whole_library_are_refused() {
    let folder = Folder::new("files");
    let whole = std::fs::read(library("calc")).unwrap();
    for (content, says) in [
        (&b""[..], "it is no shared library"),
        (b"#!/bin/sh\necho hello\n", "it is no shared library"),
        (&whole[..whole.len() / 2], "the file was cut short"),
        (&whole[..100], "the file was cut short"),
    ] {
        let file = folder.path().join("libcut.so");
        std::fs::write(&file, content).unwrap();
        let said = refused(&folder, &file);
        assert!(said.contains(says), "{says:?} is not in\n{said}");
    }
    let said = refused(&folder, folder.path());
    assert!(
        said.contains("is not a file") || said.contains("not found"),
        "{said}"
    );
}

#[test]
fn a_newer_library_loads_and_tells_what_it_is() {
    let folder = Folder::new("newer");
    let file = compiled(&folder, "description.c", &["NEWER_MINOR"]);
    let seen = mesh(&["inspect", file.to_str().unwrap(), "--json"]);
    assert_eq!(seen.code, 0, "{}", seen.err);
    assert!(seen.out.contains("\"version\": \"1.2.3\""), "{}", seen.out);
}
