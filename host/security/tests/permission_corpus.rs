//! Every decision that real, secured happn-3 servers made, compared to what this host decides, and every group that a
//! real mesh stored and showed.
//!
//! The rows, and what their fields mean, are described in `tests/corpus/permissions/README.md`.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use mesh_security::permission::{
    Access, Action, Facts, Holder, Purpose, Rules, Table, checked_path, from_mesh, to_mesh,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// How many rows the corpus has at least. A test that reads nothing must not pass.
const MINIMUM_ROWS: usize = 4500;

/// How many mismatches are shown.
const SHOWN: usize = 20;

/// The name that the servers had, and the domain of the mesh.
const SERVER_NAME: &str = "SERVER";
const DOMAIN: &str = "Dom";

/// The faults that a row may be excused with. Each occurs.
const FAULTS: [(&str, &[&str]); 2] = [
    ("first", &["open", "regular", "dots", "dropped", "overwritten"]),
    (
        "later",
        &["doubled", "letters", "segments", "hidden", "overwritten", "empty"],
    ),
];

#[derive(Deserialize)]
struct World {
    groups: BTreeMap<String, Value>,
    users: Vec<User>,
}

#[derive(Deserialize)]
struct User {
    username: String,
    groups: Vec<String>,
    #[serde(default)]
    custom_data: Value,
    #[serde(default)]
    permissions: Value,
}

#[derive(Deserialize)]
struct Row {
    user: String,
    path: String,
    #[serde(flatten)]
    answers: Map<String, Value>,
}

fn corpus(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/corpus/permissions")
        .join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rights of each user of all worlds.
fn users() -> HashMap<String, Access> {
    let mut users = HashMap::new();
    for line in corpus("worlds.jsonl").lines() {
        let world: World = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        let groups: BTreeMap<_, _> = world
            .groups
            .iter()
            .map(|(name, value)| (name, Rules::from_value(value, Holder::Group).unwrap()))
            .collect();
        for user in world.users {
            let facts = Facts {
                username: &user.username,
                custom_data: Some(&user.custom_data),
                server_name: SERVER_NAME,
            };
            let own = Rules::from_value(&user.permissions, Holder::User).unwrap();
            let of_groups = || user.groups.iter().map(|name| &groups[name]);
            let table = Arc::new(Table::of_rules(of_groups()));
            let access = Access::with_shared(table, of_groups(), &own, &facts);
            users.insert(user.username.clone(), access);
        }
    }
    users
}

/// The actions that are allowed, as rows write them.
fn allowed(access: &Access, path: &str) -> String {
    let actions = if path.starts_with("/@HTTP") {
        [
            ("get", Action::of_verb("GET")),
            ("post", Action::of_verb("POST")),
            ("put", Action::of_verb("PUT")),
            ("trace", Action::of_verb("TRACE")),
        ]
    } else {
        [
            ("get", Action::Get),
            ("set", Action::Set),
            ("remove", Action::Remove),
            ("on", Action::On),
        ]
    };
    let words = actions
        .iter()
        .filter(|(_, action)| access.allows(*action, checked_path(path)));
    words.map(|(word, _)| *word).collect::<Vec<_>>().join(",")
}

#[test]
fn every_decision_of_the_corpus_agrees() {
    let users = users();
    let corpus = corpus("rows.jsonl");
    let mut rows = 0;
    let mut mismatches = 0;
    let mut excuses = BTreeMap::<String, usize>::new();
    for (index, line) in corpus.lines().enumerate() {
        let row: Row =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("line {}: {error}", index + 1));
        rows += 1;
        let answer = allowed(&users[&row.user], &row.path);
        for (generation, faults) in FAULTS {
            let Some(real) = row.answers.get(generation) else {
                continue;
            };
            let right = row.answers.get(&format!("{generation}_right"));
            let why = row.answers.get(&format!("{generation}_why"));
            assert_eq!(right.is_some(), why.is_some(), "line {}", index + 1);
            assert_ne!(right, Some(real), "line {}", index + 1);
            for fault in why.iter().flat_map(|why| why.as_array().unwrap()) {
                let fault = fault.as_str().unwrap();
                assert!(faults.contains(&fault), "line {}: {fault}", index + 1);
                *excuses.entry(format!("{generation} {fault}")).or_default() += 1;
            }
            if answer != *right.unwrap_or(real) {
                mismatches += 1;
                if mismatches <= SHOWN {
                    eprintln!("line {}, {generation}: answered {answer:?}\n  {line}", index + 1);
                }
            }
        }
    }
    assert!(rows >= MINIMUM_ROWS, "only {rows} rows");
    let faults: usize = FAULTS.iter().map(|(_, faults)| faults.len()).sum();
    assert_eq!(excuses.len(), faults, "a fault does not occur: {excuses:?}");
    assert_eq!(mismatches, 0, "of {rows} rows disagree");
}

#[derive(Deserialize)]
struct MeshRow {
    permissions: Value,
    #[serde(flatten)]
    real: MeshAnswer,
    right: Option<MeshAnswer>,
}

#[derive(Deserialize)]
struct MeshAnswer {
    error: Option<String>,
    stored: Option<Value>,
    shown: Option<Value>,
}

#[test]
fn groups_of_the_mesh_are_stored_and_shown_alike() {
    let corpus = corpus("mesh.jsonl");
    let (mut rows, mut refused, mut mismatches) = (0, 0, 0);
    for (index, line) in corpus.lines().enumerate() {
        let row: MeshRow =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("line {}: {error}", index + 1));
        rows += 1;
        let expected = row.right.as_ref().unwrap_or(&row.real);
        let answer = from_mesh(&row.permissions, DOMAIN, Purpose::Define, Holder::Group);
        let agrees = match (&answer, &expected.error) {
            (Err(error), Some(message)) => {
                refused += 1;
                error.to_string() == *message
            }
            (Ok(rules), None) => {
                // The recorded servers sort what they read from their stores.
                let rules = rules.sorted();
                Some(rules.to_value()) == expected.stored && Some(to_mesh(&rules)) == expected.shown
            }
            _ => false,
        };
        if !agrees {
            mismatches += 1;
            if mismatches <= SHOWN {
                let found = answer.map(|rules| json!({"stored": rules.to_value(), "shown": to_mesh(&rules)}));
                eprintln!("line {}: answered {found:?}\n  {line}", index + 1);
            }
        }
    }
    assert!(rows >= 200, "only {rows} rows");
    assert!(refused > 5, "only {refused} rows are errors");
    assert_eq!(mismatches, 0, "of {rows} rows disagree");
}
