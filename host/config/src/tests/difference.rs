//! Effects of an edit of the file on a mesh that runs.

use super::*;
use crate::read::REPEATED;

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
        "\"two\"\nversion = \"^2\"\nlanes = 3\nstack_bytes = 300000\nconfig = {a = 1}",
    );
    let difference = between(RUNNING, &wanted);
    assert_eq!(
        described(&difference),
        ["~ calc ^1 -> ^2: library, version, config, lanes, stack_bytes"]
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

/// Files in which a key is set, together with what else its section needs.
fn with_key(key: &Key, value: &str) -> String {
    let needed: &[(&str, &str)] = match key.section {
        "store" if key.name != "path" => &[("path", "\"p\"")],
        "happn.tls" => &[("cert", "\"p\""), ("key", "\"p\"")],
        "rest" if key.name == "cors_credentials" => &[("cors_origins", "[\"https://a.example\"]")],
        "security.profiles" => &[("name", "\"p\"")],
        "cluster" if key.name == "dev" => &[("name", "\"p\""), ("servers", "[\"nats://127.0.0.1:4222\"]")],
        // One beat of the least length, so that each of the others may have its least and its most.
        "cluster" => &[
            ("name", "\"p\""),
            ("servers", "[\"tls://p:4222\"]"),
            ("beat_ms", "10"),
            ("lost_ms", "86400000"),
        ],
        "web.routes" => &[("path", "\"/p\""), ("target", "\"x/y\"")],
        "web.folders" => &[("path", "\"/p\""), ("folder", "\"p\"")],
        "components" => &[("name", "\"p\""), ("library", "\"p\"")],
        _ => &[],
    };
    let header = match key.section {
        "" if key.name == "name" => String::new(),
        "" => "name = \"x\"\n".to_owned(),
        "cluster" => "name = \"x\"\ndomain = \"x\"\n[cluster]\n".to_owned(),
        section if REPEATED.contains(&section) => format!("name = \"x\"\n[[{section}]]\n"),
        section => format!("name = \"x\"\n[{section}]\n"),
    };
    let other_half: &[(&str, &str)] = match key.path().as_str() {
        "cluster.cert" => &[("key", "\"p\"")],
        "cluster.key" => &[("cert", "\"p\"")],
        _ => &[],
    };
    let needed = needed
        .iter()
        .chain(other_half)
        .filter(|(name, _)| *name != key.name);
    let needed = needed.map(|(name, value)| format!("{name} = {value}\n"));
    format!("{header}{}{} = {value}\n", needed.collect::<String>(), key.name)
}

/// Two values of a key.
fn two_values(key: &Key) -> [String; 2] {
    let in_both = |text: &str| ["a", "b"].map(|letter| text.replace('?', letter));
    match (key.takes, key.section, key.name) {
        (Takes::Boolean, ..) => ["true".to_owned(), "false".to_owned()],
        (Takes::Integer { min, max }, ..) => [min, max].map(|number| number.to_string()),
        (Takes::Choice(words), ..) => [words[0], words[1]].map(|word| format!("\"{word}\"")),
        (Takes::Table, _, "requires") => ["1", "2"].map(|version| format!("{{ x = \"{version}\" }}")),
        (Takes::Table, ..) => in_both("{ x = \"?\" }"),
        (Takes::Texts, "web", _) => in_both("[\"/?\"]"),
        (Takes::Texts, _, "addresses") => ["[\"10.0.0.1\"]", "[\"10.0.0.2\"]"].map(str::to_owned),
        (Takes::Texts, _, "servers") => in_both("[\"tls://?:4222\"]"),
        (Takes::Texts, "cluster" | "components", _) => in_both("[\"?\"]"),
        (Takes::Texts, ..) => in_both("[\"https://?.example\"]"),
        (_, "web.routes" | "web.folders", "path") => in_both("\"/?\""),
        (_, _, "target") => in_both("\"x/?\""),
        (Takes::Text, "cluster", _) => in_both("\"?\""),
        // Secrets have a least length.
        _ => ["a", "b"].map(|letter| format!("\"{}\"", letter.repeat(40))),
    }
}

#[test]
fn every_key_that_is_changed_is_named_where_the_table_says_that_it_applies() {
    for key in KEYS {
        let [one, other] = two_values(key).map(|value| with_key(key, &value));
        let difference = between(&one, &other);
        assert!(!difference.is_empty(), "{key}");
        let (applied, left) = match key.applies {
            Applies::Live => (&difference.live, &difference.restart),
            Applies::Restart => (&difference.restart, &difference.live),
        };
        assert!(left.is_empty(), "{key}: {left:?}");
        let named = match key.section {
            // The differences of a component stand with the component.
            "components" => Vec::new(),
            section if REPEATED.contains(&section) => vec![section.to_owned()],
            _ => vec![key.path()],
        };
        assert_eq!(*applied, named, "{key}");
        let is_about_components = !described(&difference).is_empty();
        assert_eq!(is_about_components, key.section == "components", "{key}");
    }
}

#[test]
fn a_password_is_named_and_not_shown() {
    let wanted = "name = \"x\"\n[security]\nadmin_password = \"hunter2\"\n";
    let difference = between("name = \"x\"\n", wanted);
    assert_eq!(difference.restart, ["security.admin_password"]);
    assert!(!format!("{difference:?}").contains("hunter2"));
}
