//! The table of keys says what the parser does.

use std::collections::BTreeSet;

use super::*;

const SECTIONS: [&str; 17] = [
    "",
    "happn",
    "happn.tls",
    "security",
    "security.profiles",
    "security.providers",
    "store",
    "plugins",
    "rest",
    "calls",
    "swap",
    "cluster",
    "web",
    "web.routes",
    "web.folders",
    "console",
    "components",
];

/// A file in which `line` stands in `section`.
fn with_line(section: &str, line: &str) -> String {
    match section {
        "" => format!("{line}\n"),
        "components" | "security.profiles" | "security.providers" | "web.routes" | "web.folders" => {
            format!("name = \"x\"\n[[{section}]]\n{line}\n")
        }
        "store" if !line.starts_with("path") => format!("name = \"x\"\n[store]\npath = \"x\"\n{line}\n"),
        section => format!("name = \"x\"\n[{section}]\n{line}\n"),
    }
}

#[test]
fn the_table_and_the_parser_know_the_same_keys() {
    for section in SECTIONS {
        let error = bad(&with_line(section, "zzzzzzzz = 1"), &[]);
        let unknown = error
            .diagnostics()
            .find(|diagnostic| diagnostic.kind == ErrorKind::UnknownKey);
        let help = unknown
            .and_then(|diagnostic| diagnostic.help.as_deref())
            .expect("the key is unknown");
        let known: BTreeSet<&str> = help.trim_start_matches("known keys: ").split(", ").collect();
        let mut table: BTreeSet<&str> = KEYS
            .iter()
            .filter(|key| key.section == section)
            .map(|key| key.name)
            .collect();
        let inner = SECTIONS.iter().filter_map(|inner| match section {
            "" => Some(*inner),
            section => inner.strip_prefix(section)?.strip_prefix('.'),
        });
        table.extend(inner.filter(|inner| !inner.is_empty() && !inner.contains('.')));
        assert_eq!(known, table, "section [{section}]");
    }
    assert!(KEYS.iter().all(|key| SECTIONS.contains(&key.section)));
}

#[test]
fn the_parser_holds_to_the_ranges_and_types_of_the_table() {
    let mistakes_about = |key: &Key, value: &str| {
        let line = format!("{} = {value}", key.name);
        let error = parsed(&with_line(key.section, &line), &[]).err();
        let mistakes = error.iter().flat_map(ConfigError::diagnostics);
        mistakes
            .filter(|mistake| mistake.message.starts_with(&format!("`{}`", key.name)))
            .count()
    };
    for key in KEYS {
        let wrong = match key.takes {
            Takes::Text | Takes::Path | Takes::Texts => "5".to_owned(),
            Takes::Choice(words) => {
                for word in words {
                    assert_eq!(mistakes_about(key, &format!("\"{word}\"")), 0, "{key}");
                }
                assert_eq!(mistakes_about(key, "5"), 1, "{key}");
                "\"x\"".to_owned()
            }
            Takes::Boolean | Takes::Table => "\"x\"".to_owned(),
            Takes::Integer { min, max } => {
                assert_eq!(mistakes_about(key, &min.to_string()), 0, "{key}");
                assert_eq!(mistakes_about(key, &max.to_string()), 0, "{key}");
                assert_eq!(mistakes_about(key, &(max + 1).to_string()), 1, "{key}");
                assert_eq!(
                    mistakes_about(key, &(i128::from(min) - 1).to_string()),
                    1,
                    "{key}"
                );
                "\"x\"".to_owned()
            }
        };
        assert_eq!(mistakes_about(key, &wrong), 1, "{key}");
        if key.default == KeyDefault::Required {
            let error = bad(&with_line(key.section, ""), &[]);
            let message = format!("missing key `{}`", key.name);
            assert!(
                error
                    .diagnostics()
                    .any(|mistake| mistake.message.starts_with(&message)),
                "{key}"
            );
        }
    }
}

#[test]
fn a_key_prints_as_one_line() {
    let port = KEYS.iter().find(|key| key.name == "port").expect("port is a key");
    assert_eq!(port.path(), "happn.port");
    assert_eq!(
        port.to_string(),
        "happn.port: integer, 0 to 65535, default 55000, applies after a restart. TCP port to listen on; 0 is any free port."
    );
}

#[test]
fn the_page_shows_the_tables() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/mesh-toml.md");
    let page = std::fs::read_to_string(page).expect("docs/mesh-toml.md is part of the tree");
    for section in SECTIONS {
        let table = markdown_table(section);
        assert!(
            page.contains(&table),
            "docs/mesh-toml.md lacks this table:\n{table}"
        );
    }
}

#[test]
fn components_swaps_rest_and_the_folder_of_libraries_apply_live_and_all_else_after_a_restart() {
    for key in KEYS {
        let is_live = matches!(key.section, "components" | "swap" | "rest" | "plugins")
            || matches!(
                key.path().as_str(),
                "security.authority_delegation" | "cluster.expose" | "cluster.prefer"
            );
        assert_eq!(key.applies == Applies::Live, is_live, "{key}");
    }
}
