//! The descriptor says which extensions a component uses, and `info` which lines of the log are wanted.
//!
//! Enters: libraries that declare what they use, look it up, or do both, built for ABI 1.2 and for 1.3. Leaves: answers, and findings of
//! `mesh check-plugin`. Guarantees: see the names of the tests.

use mesh_tests::c_library::{compile, fixture};
use mesh_tests::host::{Folder, Host, mesh};
use mesh_tests::http::get;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The component with routes in a variant.
fn pages(folder: &Folder, name: &str, defines: &[&str]) -> PathBuf {
    let library = folder.path().join(format!("libpages-{name}.so"));
    compile(&fixture("web.c"), defines, &library).expect("it compiles");
    library
}

fn config(folder: &Folder, name: &str, library: &Path) -> PathBuf {
    let library = library.display().to_string();
    let text = format!("name = \"TestNode\"\n[[components]]\nname = \"{name}\"\nlibrary = {library:?}\n");
    folder.write("mesh.toml", &text)
}

#[test]
fn web_requests_come_to_a_component_that_declares_them_and_to_an_old_one_that_looks_them_up() {
    let folder = Folder::new("declares");
    for (name, defines, is_served) in [
        // Each of them looks the extension up.
        ("old", &["ABI_MINOR=2", "WITHOUT_EXTENSIONS"][..], true),
        ("old-declares", &["ABI_MINOR=2"], true),
        ("new", &["ABI_MINOR=3", "WITHOUT_EXTENSIONS"], false),
        ("new-declares", &["ABI_MINOR=3"], true),
    ] {
        let library = pages(&folder, name, defines);
        let host = Host::start(&config(&folder, "pages", &library), &[]);
        let answer = get(host.addr(), "/pages/who");
        // As for each component that lists a route and cannot answer it.
        let expected = if is_served { 200 } else { 503 };
        assert_eq!(answer.status, expected, "{name}: {}", answer.text());
        assert!(host.stop().success());
    }
    let undeclared = pages(&folder, "undeclared", &["ABI_MINOR=3", "WITHOUT_EXTENSIONS"]);
    let undeclared = undeclared.display().to_string();
    let checked = mesh(&["check-plugin", &undeclared, "--rounds", "5"]);
    let warning = "`extensions` of its descriptor does not name mesh.http/1";
    assert!(checked.out.contains(warning), "{}", checked.out);
}

#[test]
fn a_component_learns_which_lines_of_the_log_are_wanted() {
    let folder = Folder::new("log-level");
    let library = folder.path().join("libdocuments.so");
    compile(&fixture("documents.c"), &[], &library).expect("it compiles");
    let config = config(&folder, "documents", &library);
    for (log, level) in [
        ("info", "info"),
        ("debug", "debug"),
        ("warn,component=trace", "trace"),
        ("debug,component=warn", "warn"),
        ("info,mesh_core=debug", "info"),
        ("mesh_core=debug", "off"),
        ("off", "off"),
    ] {
        let host = Host::start_with(&config, &[], |command| {
            command.args(["--log", log]);
        });
        let finished = mesh(&["call", "--url", &host.url(), "--json", "documents/info"]);
        let info: Value = serde_json::from_str(&finished.out).unwrap_or_else(|_| panic!("{finished:?}"));
        assert_eq!(info[0]["logLevel"], level, "--log {log}: {info}");
        assert!(host.stop().success());
    }
}
