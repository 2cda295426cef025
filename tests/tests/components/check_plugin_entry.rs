//! `mesh check-plugin` on the description of a library: whether it is one that stays, and keeps to the schema.
//!
//! Enters: fixtures whose entry function or descriptor is wrong in one way. Leaves: the finding of each. Guarantees: each finding says
//! what would be right.

use super::check_plugin::{check, compiled, findings};
use mesh_tests::host::Folder;

#[test]
fn each_way_of_describing_itself_is_judged_by_a_second_call_of_the_entry_function() {
    let folder = Folder::new("check-entry");
    for (flag, verdict, says) in [
        (
            "MADE_EACH_TIME",
            "warning",
            "warning: its entry function makes a new description at each call: that is memory which nobody frees. Make it once",
        ),
        (
            "CHANGES",
            "failed",
            "failed: its version is another one when its entry function is called a second time: ",
        ),
        (
            "ONCE",
            "failed",
            "failed: at the second call of its entry function: ",
        ),
        (
            "CRASHES",
            "failed",
            "failed: the plugin ended the process with SIGSEGV during the second call of its entry function: ",
        ),
    ] {
        let (finished, report) = check(&compiled(&folder, "entry.c", flag));
        let found = findings(&report, "entry");
        assert!(
            found.iter().any(|finding| finding.starts_with(says)),
            "{flag}: {found:#?}"
        );
        assert_eq!(
            finished.code,
            i32::from(verdict == "failed"),
            "{flag}: {report:#}"
        );
    }
}

#[test]
fn a_description_that_was_freed_is_found_and_one_that_was_allocated_and_stays_is_not() {
    let folder = Folder::new("check-entry-freed");
    // Other checks may find that it is no JSON any more, before or at the same time.
    let (_, report) = check(&compiled(&folder, "entry.c", "FREED"));
    let text = report.to_string();
    assert!(
        text.contains("its descriptor is another one when its entry function is called a second time")
            || text.contains("the component's descriptor is not")
            || text.contains("is not as plugins must write it"),
        "{report:#}"
    );
    assert_eq!(report["verdict"], "failed", "{report:#}");
    let (finished, report) = check(&compiled(&folder, "entry.c", "ALLOCATED"));
    assert_eq!(findings(&report, "entry"), [""; 0], "{report:#}");
    assert_eq!(finished.code, 0, "{report:#}");
    let checks = report["checks"].as_array().expect("checks");
    let entry = checks.iter().find(|entry| entry["check"] == "entry");
    let remark = entry.expect("it was made")["remark"].as_str().unwrap_or_default();
    assert!(
        remark.starts_with("its description, descriptor lie in memory that was allocated"),
        "{report:#}"
    );
}

#[test]
fn each_place_where_a_descriptor_breaks_its_schema_is_named() {
    let folder = Folder::new("check-schema");
    let descriptor = r#"{\"methods\":[{\"name\":\"a b\",\"parameters\":[{}]},7],\"health\":\"yes\",\"state\":{\"schema\":0}}"#;
    let define = format!("DESCRIPTOR=MESH_TEXT_INITIALIZER(\"{descriptor}\")");
    let file = folder.path().join("libwrong.so");
    let source = mesh_tests::c_library::fixture("deeds.c");
    mesh_tests::c_library::compile(&source, &[&define], &file).expect("the fixture compiles");
    let (finished, report) = check(&file);
    assert_eq!(finished.code, 1, "{report:#}");
    // The host refuses it, so that there is nothing else to check.
    let found = findings(&report, "inspect");
    for says in [
        "`methods[0].name` is \"a b\", and a name contains no `/`, `*` or `@`",
        "`methods[0].parameters[0]` lacks the member `name`",
        "`methods[1]` must be object, and is number",
        "`health` must be boolean, and is string",
        "`state` lacks the member `restores`",
        "`state.schema` is 0, and must be 1 to 4294967295",
    ] {
        let sentence = format!("failed: its descriptor breaks docs/schema/descriptor.json: {says}");
        assert!(
            found.iter().any(|finding| finding.starts_with(&sentence)),
            "{says}: {found:#?}"
        );
    }
}
