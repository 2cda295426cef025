//! `mesh check-plugin` asks for web routes.
//!
//! Enters: components whose routes answer rightly and wrongly. Leaves: the report. Guarantees: see the names of the
//! tests.

use mesh_tests::c_library::{compile, fixture};
use mesh_tests::host::{Folder, library, mesh};
use serde_json::Value;
use std::path::Path;

/// The findings of the check `routes`, and the remark where there is none.
fn check(library: &Path) -> (Vec<String>, String) {
    let file = library.display().to_string();
    let finished = mesh(&[
        "check-plugin",
        &file,
        "--json",
        "--rounds",
        "5",
        "--answer-time",
        "1500",
    ]);
    let report: Value = serde_json::from_str(&finished.out).unwrap_or_else(|_| panic!("{finished:?}"));
    let checks = report["checks"].as_array().expect("it lists its checks");
    let routes = checks
        .iter()
        .find(|check| check["check"] == "routes")
        .expect("there is one");
    let findings = routes["findings"].as_array().into_iter().flatten();
    let findings = findings.map(|finding| {
        let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        format!("{}: {}", text("verdict"), text("sentence"))
    });
    (
        findings.collect(),
        routes["remark"].as_str().unwrap_or_default().to_owned(),
    )
}

#[test]
fn routes_with_right_responses_pass() {
    assert_eq!(check(&library("web")).0, Vec::<String>::new());
    let (findings, remark) = check(&library("calc"));
    assert!(
        findings.is_empty() && remark.starts_with("not declared: "),
        "{findings:?} {remark}"
    );
}

#[test]
fn each_wrong_response_is_named() {
    let folder = Folder::new("check-routes");
    let pages = folder.path().join("pages.so");
    compile(&fixture("web.c"), &[], &pages).expect("it compiles");
    let (findings, _) = check(&pages);
    for said in [
        "failed: GET of route `panics` as a browser asks made it panic: on fire",
        "failed: GET of route `twice` as a browser asks was completed more than once",
        "failed: GET of route `status` as a browser asks: status gave no response that can be sent: 99 is no status",
        "failed: GET of route `headers` as a browser asks: headers gave no response that can be sent: the name of header",
        "warning: GET of route `hang` as a browser asks was not answered in time",
    ] {
        assert!(
            findings.iter().any(|finding| finding.starts_with(said)),
            "{said}\n{findings:#?}"
        );
    }
    for fine in ["`echo`", "`plain`", "`fails`", "`who`", "`slow`"] {
        assert!(
            !findings.iter().any(|finding| finding.contains(fine)),
            "{fine}\n{findings:#?}"
        );
    }
}
