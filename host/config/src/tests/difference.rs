//! What an edit of the file means for a mesh that runs.

use super::*;

const RUNNING: &str = "name = \"x\"\n[[components]]\nname = \"calc\"\nlibrary = \"one\"\nversion = \"^1\"\n\
                       [[components]]\nname = \"echo\"\nlibrary = \"echo\"\n";

fn between(running: &str, wanted: &str) -> Difference {
    difference(&good(running, &[]), &good(wanted, &[]))
}

fn described(difference: &Difference) -> Vec<String> {
    let entry = |sign: &str, entry: &ComponentConfig| format!("{sign} {} {}", *entry.name, *entry.version);
    let added = difference.added.iter().map(|added| entry("+", added));
    let removed = difference.removed.iter().map(|removed| entry("-", removed));
    let changed = difference.changed.iter().map(|changed| {
        let aspects: Vec<String> = changed.aspects.iter().map(Aspect::to_string).collect();
        format!(
            "{} -> {}: {}",
            entry("~", &changed.running),
            *changed.wanted.version,
            aspects.join(", ")
        )
    });
    added.chain(removed).chain(changed).collect()
}

#[test]
fn comments_and_order_are_no_difference() {
    let reordered = "# moved\nname = \"x\"\n[[components]]\nname = \"echo\"\nlibrary = \"echo\"\n\
                     [[components]]\nversion = \"^1\"\nname = \"calc\"\nlibrary = \"one\"\nlanes = 1\n";
    assert!(between(RUNNING, reordered).is_empty());
}

#[test]
fn a_changed_entry_says_what_changed() {
    let wanted = RUNNING.replace(
        "\"one\"\nversion = \"^1\"",
        "\"two\"\nversion = \"^2\"\nlanes = 3\nconfig = {a = 1}",
    );
    let difference = between(RUNNING, &wanted);
    assert_eq!(
        described(&difference),
        ["~ calc ^1 -> ^2: library, version, config, lanes"]
    );
    assert_eq!(*difference.changed[0].wanted.lanes, 3);
    let wanted = RUNNING.replace("\"one\"", "\"one\"\ncrate = \"calc\"\nstart_timeout_ms = 5");
    let difference = between(RUNNING, &wanted);
    assert_eq!(
        described(&difference),
        ["~ calc ^1 -> ^1: start_timeout_ms, crate"]
    );
    assert!(
        !difference.changed[0]
            .aspects
            .iter()
            .any(|aspect| aspect.needs_swap())
    );
}

#[test]
fn delegation_of_authority_concerns_those_who_do_not_say_otherwise() {
    let running = RUNNING.replace("\"one\"", "\"one\"\nauthority_delegation = false");
    let wanted = format!("{running}\n[security]\nauthority_delegation = true\n");
    let difference = between(&running, &wanted);
    assert_eq!(described(&difference), ["~ echo * -> *: authority_delegation"]);
    assert_eq!(difference.live, ["security.authority_delegation"]);
    assert!(difference.restart.is_empty());
}

#[test]
fn a_second_version_is_added_beside_the_first_and_the_first_goes_later() {
    let both = format!("{RUNNING}[[components]]\nname = \"calc\"\nlibrary = \"two\"\nversion = \"^2\"\n");
    assert_eq!(described(&between(RUNNING, &both)), ["+ calc ^2"]);
    let second_only = "name = \"x\"\n[[components]]\nname = \"calc\"\nlibrary = \"two\"\nversion = \"^2\"\n";
    assert_eq!(described(&between(&both, second_only)), ["- calc ^1", "- echo *"]);
}

#[test]
fn of_several_versions_the_same_range_belongs_together_then_the_order() {
    let entries = |ranges: &[&str]| {
        let entry =
            |range: &&str| format!("[[components]]\nname = \"a\"\nlibrary = \"a\"\nversion = \"{range}\"\n");
        format!("name = \"x\"\n{}", ranges.iter().map(entry).collect::<String>())
    };
    let difference = between(&entries(&["^1", "^2", "^3"]), &entries(&["^5", "^2", "^4", "^6"]));
    assert_eq!(
        described(&difference),
        ["+ a ^6", "~ a ^1 -> ^5: version", "~ a ^3 -> ^4: version"]
    );
}

#[test]
fn another_folder_of_libraries_changes_what_is_looked_up_there() {
    let wanted = format!(
        "{}[plugins]\ndir = \"other\"\n",
        RUNNING.replace("\"echo\"\n[", "\"./e.so\"\n[")
    );
    let difference = between(RUNNING, &wanted);
    assert_eq!(
        described(&difference),
        ["~ calc ^1 -> ^1: library", "~ echo * -> *: library"]
    );
    assert_eq!(
        (difference.live, difference.restart),
        (vec!["plugins.dir"], vec![])
    );
}

#[test]
fn every_key_that_is_changed_is_named() {
    let line = |key: &Key, value: &str| match key.section {
        "store" if key.name != "path" => {
            format!("name = \"x\"\n[store]\npath = \"p\"\n{} = {value}\n", key.name)
        }
        "happn.tls" if key.name == "hsts_seconds" => {
            format!("name = \"x\"\n[happn.tls]\ncert = \"p\"\nkey = \"p\"\nhsts_seconds = {value}\n")
        }
        "happn.tls" => {
            let other = if key.name == "cert" { "key" } else { "cert" };
            format!(
                "name = \"x\"\n[happn.tls]\n{other} = \"p\"\n{} = {value}\n",
                key.name
            )
        }
        "rest" if key.name == "cors_credentials" => format!(
            "name = \"x\"\n[rest]\ncors_origins = [\"https://a.example\"]\ncors_credentials = {value}\n"
        ),
        "" if key.name == "name" => format!("name = {value}\n"),
        "" => format!("name = \"x\"\n{} = {value}\n", key.name),
        section => format!("name = \"x\"\n[{section}]\n{} = {value}\n", key.name),
    };
    let repeated = ["components", "security.profiles", "web.routes", "web.folders"];
    let is_single = |key: &&Key| !repeated.contains(&key.section);
    for key in KEYS.iter().filter(is_single) {
        let (one, other) = match key.takes {
            Takes::Boolean => ("true".to_owned(), "false".to_owned()),
            Takes::Integer { min, max } => (min.to_string(), max.to_string()),
            Takes::Choice(words) => (format!("\"{}\"", words[0]), format!("\"{}\"", words[1])),
            Takes::Texts if key.section == "web" => ("[\"/a\"]".to_owned(), "[\"/b\"]".to_owned()),
            Takes::Texts => (
                "[\"https://a.example\"]".to_owned(),
                "[\"https://b.example\"]".to_owned(),
            ),
            // Secrets have a least length.
            _ => (
                format!("\"{}\"", "a".repeat(40)),
                format!("\"{}\"", "b".repeat(40)),
            ),
        };
        let difference = between(&line(key, &one), &line(key, &other));
        let mut named = difference.restart.clone();
        named.extend(&difference.live);
        assert_eq!(named, [key.path()], "{key}");
        assert_eq!(
            difference.restart.is_empty(),
            matches!(key.section, "swap" | "plugins" | "rest") || key.name == "authority_delegation",
            "{key}"
        );
    }
}

#[test]
fn a_password_is_named_and_not_shown() {
    let wanted = "name = \"x\"\n[security]\nadmin_password = \"hunter2\"\n";
    let difference = between("name = \"x\"\n", wanted);
    assert_eq!(difference.restart, ["security.admin_password"]);
    assert!(!format!("{difference:?}").contains("hunter2"));
}
