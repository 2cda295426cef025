//! Nothing but the folder of the dialects decides by the name of one.
//!
//! Enters: the sources of the host, as text. Leaves: each line elsewhere that names a dialect. Guarantees: comments and
//! tests do not count, nor does what only tests are built with.

use crate::sources::{code, list};
use mesh_tests::host::repository;
use std::path::Path;

/// Where dialects are named: those of the host, and those that its client can speak.
const AT_HOME: [&str; 2] = ["wire/src/protocol/dialect/", "client/src/options.rs"];

/// Built for tests alone.
const OF_TESTS: &str = "core/src/testing/";

/// The types whose variants are dialects.
const TYPES: [&str; 2] = ["Dialect", "Protocol"];

/// The dialect that a line names.
fn named(line: &str) -> Option<&str> {
    for name in TYPES {
        for (at, found) in line.match_indices(name) {
            if line[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_') {
                continue;
            }
            let rest = &line[at + found.len()..];
            // Another name, or all variants at once, would hide what follows.
            if rest.starts_with(" as ") || rest.starts_with("::{") || rest.starts_with("::*") {
                return Some(&line[at..]);
            }
            // Constants have no small letters, and functions no large ones.
            let member = rest.strip_prefix("::").unwrap_or_default();
            let end = member.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
            let member = &member[..end.unwrap_or(member.len())];
            let is_variant = member.starts_with(|first: char| first.is_uppercase())
                && member.contains(|letter: char| letter.is_lowercase());
            if is_variant {
                return Some(&line[at..]);
            }
        }
    }
    // The texts that clients announce.
    line.find("\"happn_")
        .map(|at| &line[at..])
        .filter(|text| text[7..].starts_with(|digit: char| digit.is_ascii_digit()))
}

fn lines_below(host: &Path) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in list(host) {
        let below = file.strip_prefix(host).expect("it is below the folder");
        let below = below.to_string_lossy();
        let is_at_home = AT_HOME.iter().any(|home| below.starts_with(home));
        if is_at_home || below.starts_with(OF_TESTS) {
            continue;
        }
        let text = code(&std::fs::read_to_string(&file).expect("a source can be read"));
        let found = text
            .lines()
            .enumerate()
            .filter_map(|(at, line)| Some((at + 1, named(line)?)));
        wrong.extend(found.map(|(line, text)| format!("{}:{line}: {}", file.display(), text.trim())));
    }
    wrong
}

#[test]
fn a_dialect_is_asked_what_it_does_and_not_which_one_it_is() {
    let wrong = lines_below(&repository().join("host"));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_line_that_names_a_dialect_is_found() {
    for line in [
        "if dialect == Dialect::Happn4 {",
        "matches!(dialect, protocol::Dialect::Unconfigured)",
        "use mesh_wire::protocol::Dialect::*;",
        "use mesh_wire::protocol::{Dialect as D, json};",
        "match text { \"happn_5\" => 1, _ => 0 }",
        "if plan.protocol == Protocol::Happn1 {",
    ] {
        assert!(named(line).is_some(), "{line}");
    }
    for line in [
        "dialect.names_item_id()",
        "Dialect::from_number(number)",
        "Dialect::OF_COMPONENTS",
        "fn of(dialect: Dialect) {}",
        "let cookie = \"happn_token\";",
        "MyDialect::Happn4",
    ] {
        assert_eq!(named(line), None, "{line}");
    }
}
