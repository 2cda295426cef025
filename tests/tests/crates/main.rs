//! The order of crates, which docs and reviews rely on.
//!
//! Enters: manifests and sources of the host's crates, as text. Leaves: each dependency that is not allowed, each
//! circle of modules with the lines that make it, each line that decides by the name of a dialect. Guarantees: needs no host and
//! no network; a crate without a rule fails.

use mesh_tests::host::repository;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

mod circles;
mod dialects;
mod sources;

/// The crates that a crate may know, without `mesh-`: those of this list, and nothing else of ours.
const ALLOWED: [(&str, &[&str]); 17] = [
    ("wire", &[]),
    ("files", &[]),
    ("metrics", &[]),
    ("scans", &[]),
    ("client", &["wire"]),
    ("cluster", &["choices", "wire"]),
    ("nats", &["cluster"]),
    ("store", &["choices", "files", "metrics", "scans", "wire"]),
    ("config", &["cluster", "files", "wire"]),
    ("session", &["choices", "metrics", "wire"]),
    ("plugin", &["files", "metrics", "plugin-abi", "session", "wire"]),
    (
        "security",
        &["choices", "config", "metrics", "session", "store", "wire"],
    ),
    ("core", CORE_KNOWS),
    (
        "nodes",
        &[
            "choices", "cluster", "config", "core", "plugin", "session", "wire",
        ],
    ),
    ("deploy", CORE_AND_BELOW),
    ("http", CORE_AND_BELOW),
    ("host", ALL),
];

const CORE_KNOWS: &[&str] = &[
    "choices",
    "cluster",
    "config",
    "files",
    "metrics",
    "plugin",
    "plugin-abi",
    "scans",
    "security",
    "session",
    "store",
    "wire",
];

const CORE_AND_BELOW: &[&str] = &[
    "choices",
    "cluster",
    "config",
    "core",
    "files",
    "metrics",
    "plugin",
    "plugin-abi",
    "scans",
    "security",
    "session",
    "store",
    "wire",
];

const ALL: &[&str] = &[
    "choices",
    "client",
    "cluster",
    "config",
    "core",
    "deploy",
    "files",
    "http",
    "metrics",
    "nats",
    "nodes",
    "plugin",
    "plugin-abi",
    "scans",
    "security",
    "session",
    "store",
    "wire",
];

/// Crates that compute and never wait: no runtime is among what they are built from.
const PURE: [&str; 3] = ["mesh-cluster", "mesh-metrics", "mesh-wire"];

/// The folder of each of the host's crates, by the crate's name without `mesh-`.
fn crates() -> BTreeMap<String, PathBuf> {
    let host = repository().join("host");
    let folders = std::fs::read_dir(&host).expect("the folder of crates can be read");
    let folders = folders.map(|entry| entry.expect("its entries can be read").path());
    let mut crates: BTreeMap<String, PathBuf> = folders
        .filter(|folder| folder.join("Cargo.toml").is_file())
        .map(|folder| (name_of(&folder), folder))
        .collect();
    crates.insert(name_of(&host), host);
    crates
}

fn name_of(folder: &Path) -> String {
    let name = manifest(folder)["package"]["name"].as_str().map(str::to_owned);
    let name = name.expect("a package has a name");
    name.strip_prefix("mesh-").unwrap_or(&name).to_owned()
}

fn manifest(folder: &Path) -> toml::Table {
    let file = folder.join("Cargo.toml");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The dependencies of a manifest that are ours, without `mesh-`: those of builds and tests too.
fn known_to(manifest: &toml::Table) -> BTreeSet<String> {
    let tables = ["dependencies", "build-dependencies", "dev-dependencies"];
    let for_all = tables.iter().filter_map(|table| manifest.get(*table));
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let of_targets = targets.into_iter().flat_map(toml::Table::values);
    let for_some = of_targets.flat_map(|target| tables.iter().filter_map(|table| target.get(table)));
    let named = for_all.chain(for_some).filter_map(toml::Value::as_table);
    named
        .flat_map(toml::Table::iter)
        .map(|(key, value)| value.get("package").and_then(toml::Value::as_str).unwrap_or(key))
        .filter_map(|name| name.strip_prefix("mesh-"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_crate_depends_only_on_those_that_it_may_know() {
    let allowed = BTreeMap::from(ALLOWED);
    let crates = crates();
    let mut wrong = Vec::new();
    for (name, folder) in &crates {
        let Some(allowed) = allowed.get(name.as_str()) else {
            wrong.push(format!("mesh-{name} has no rule in {}", file!()));
            continue;
        };
        for other in known_to(&manifest(folder)) {
            if !allowed.contains(&other.as_str()) {
                let file = folder.join("Cargo.toml");
                wrong.push(format!(
                    "{}: mesh-{name} must not know mesh-{other}",
                    file.display()
                ));
            }
        }
    }
    let gone = allowed.keys().filter(|name| !crates.contains_key(**name));
    wrong.extend(gone.map(|name| format!("{} has a rule for mesh-{name}, which is gone", file!())));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A feature that one crate asks for counts for all that are built together. So a number would be another value in the one build than in
/// the other, if a crate chose how numbers are read.
#[test]
fn how_numbers_in_json_are_read_is_said_in_one_place() {
    let whole = manifest(&repository());
    let chosen = &whole["workspace"]["dependencies"]["serde_json"]["features"];
    let chosen = chosen.as_array().expect("features are a list");
    assert!(chosen.contains(&"float_roundtrip".into()), "{chosen:?}");
    let members = whole["workspace"]["members"]
        .as_array()
        .expect("members are a list");
    for member in members {
        let folder = repository().join(member.as_str().expect("a member is a folder"));
        let manifest = manifest(&folder);
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(asked) = manifest.get(table).and_then(|table| table.get("serde_json")) else {
                continue;
            };
            let place = folder.join("Cargo.toml");
            assert_eq!(asked.get("workspace"), Some(&true.into()), "{}", place.display());
            assert_eq!(asked.get("features"), None, "{}", place.display());
        }
    }
}

/// The lines of `cargo tree` for packages, along edges of some kinds.
fn tree(packages: &[&str], edges: &str, format: &str) -> String {
    let output = Command::new(env!("CARGO"))
        .current_dir(repository())
        .arg("tree")
        .args(packages)
        .args(["--edges", edges, "--format", format])
        .args(["--prefix", "none", "--locked", "--offline"])
        .output()
        .expect("cargo can be run");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).expect("cargo writes text")
}

/// A crate that gets other features in tests than in a build is compiled twice, with all that depend on it. A dev-dependency that asks
/// for such features becomes a dependency of one of the crates below `tests`.
#[test]
fn tests_are_built_with_the_features_of_a_build() {
    let chosen = |edges: &str| {
        let mut chosen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for line in tree(&["--workspace"], edges, "{p}|{f}").lines() {
            let Some((package, features)) = line.split_once('|') else {
                continue;
            };
            let features = features.trim_end_matches(" (*)").to_owned();
            chosen.entry(package.to_owned()).or_default().insert(features);
        }
        chosen
    };
    let (build, tests) = (chosen("normal,build"), chosen("normal,build,dev"));
    assert!(build.keys().any(|package| package.starts_with("mesh-host ")));
    let differing = build
        .iter()
        .filter(|(package, features)| tests.get(*package) != Some(*features));
    let differing: Vec<String> = differing
        .map(|(package, features)| {
            format!(
                "{package}: {features:?} in a build, {:?} in tests",
                tests.get(package)
            )
        })
        .collect();
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn a_pure_crate_is_built_without_a_runtime() {
    for name in PURE {
        let tree = tree(&["--package", name], "normal", "{p}");
        assert!(tree.starts_with(name), "{tree}");
        let runtime = tree
            .lines()
            .find(|line| line.starts_with("tokio") || line.starts_with("mio"));
        assert_eq!(runtime, None, "{name} is built with a runtime:\n{tree}");
    }
}

#[test]
fn modules_of_a_crate_do_not_import_each_other_in_a_circle() {
    let mut wrong = Vec::new();
    for (name, folder) in crates() {
        let circles = circles::of(&folder.join("src"));
        wrong.extend(circles.iter().map(|circle| format!("mesh-{name}: {circle}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
