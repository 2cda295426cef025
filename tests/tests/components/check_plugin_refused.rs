//! Libraries and files that `mesh check-plugin` cannot check.
//!
//! Enters: libraries that the loader refuses, files that are none. Leaves: the sentence about each. Guarantees: none of them is a
//! passed check.

use super::check_plugin::{check, compiled, findings};
use mesh_tests::host::{Folder, library, mesh};

#[test]
fn libraries_that_the_loader_refuses_are_refused_with_its_words() {
    let folder = Folder::new("check-refused");
    let (finished, report) = check(&compiled(&folder, "description.c", "METHOD_TWICE"));
    assert_eq!(finished.code, 1);
    let found = findings(&report, "inspect");
    assert!(found[0].contains("declares its method"), "{found:?}");
    let (_, report) = check(&compiled(&folder, "lifecycle.c", "CREATE_FAILS"));
    let found = findings(&report, "lifecycle");
    assert!(found[0].contains("the fixture's cellar is flooded"), "{found:?}");
    let (_, report) = check(&compiled(&folder, "lifecycle.c", "STOP_FAILS"));
    let found = findings(&report, "lifecycle");
    assert!(found[0].starts_with("warning: "), "{found:?}");
    assert!(found[0].contains("the fixture's brakes are gone"), "{found:?}");
}

#[test]
fn files_that_cannot_be_checked_are_named() {
    let missing = mesh(&["check-plugin", "/nowhere/libnothing.so"]);
    assert_eq!((missing.code, missing.out.as_str()), (1, ""));
    assert!(
        missing.err.contains("/nowhere/libnothing.so is not a file"),
        "{}",
        missing.err
    );
    let path = library("calc");
    for config in ["[]", "{"] {
        let confused = mesh(&["check-plugin", path.to_str().unwrap(), "--config", config]);
        assert_eq!(confused.code, 2, "{}", confused.err);
        assert!(confused.err.starts_with("--config "), "{}", confused.err);
    }
    assert_eq!(mesh(&["check-plugin", "x.so", "--rounds", "0"]).code, 2);
}
