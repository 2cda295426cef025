//! Every path that real happn-3 servers matched with a pattern, compared to what this host matches.
//!
//! The rows, and what their fields mean, are described in `tests/corpus/matching/README.md`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use mesh_session::pubsub::{Channel, DEFAULT_DEPTH, Pattern};
use mesh_store::PathPattern;
use mesh_wire::protocol::{Dialect, EventAction};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// How many rows the corpus has at least. A test that reads nothing must not pass.
const MINIMUM_ROWS: usize = 800;

/// How many mismatches are shown.
const SHOWN: usize = 20;

#[derive(Deserialize)]
struct Row {
    kind: String,
    pattern: String,
    depth: Option<u32>,
    action: Option<String>,
    event: Option<String>,
    #[serde(flatten)]
    answers: Map<String, Value>,
}

fn corpus(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/corpus/matching")
        .join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Places in the list of paths as text, `0-3,5`.
fn short(places: &[usize]) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for place in places {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *place => *last = *place,
            _ => ranges.push((*place, *place)),
        }
    }
    let write = |(from, to): &(usize, usize)| {
        if from == to {
            from.to_string()
        } else {
            format!("{from}-{to}")
        }
    };
    ranges.iter().map(write).collect::<Vec<_>>().join(",")
}

impl Row {
    /// The answer of this host.
    fn answer(&self, paths: &[String], dialect: Dialect) -> Value {
        let places = |matches: &dyn Fn(&str) -> bool| {
            let places: Vec<usize> = (0..paths.len()).filter(|place| matches(&paths[*place])).collect();
            Value::String(short(&places))
        };
        match self.kind.as_str() {
            "stored" => {
                let pattern = PathPattern::new(&self.pattern);
                places(&|path| pattern.matches(path))
            }
            "subscribed" => {
                let pattern = Pattern::parse(&self.pattern, dialect);
                let deepest = self.depth.unwrap_or(DEFAULT_DEPTH);
                places(&|path| {
                    pattern.matches(path) && pattern.depth_of(path).is_none_or(|depth| depth <= deepest)
                })
            }
            _ => {
                let action = self.action.as_deref().unwrap_or_default().to_uppercase();
                let text = format!("/{action}@{}", self.pattern);
                let channel = Channel::parse(&text).unwrap();
                let event = if self.event.as_deref() == Some("set") {
                    EventAction::Set
                } else {
                    EventAction::Remove
                };
                json!(
                    channel.action.admits(event) && Pattern::parse(channel.pattern, dialect).matches("/a/b")
                )
            }
        }
    }
}

#[test]
fn every_row_of_the_corpus_agrees() {
    let paths: Vec<String> = serde_json::from_str(&corpus("paths.json")).unwrap();
    let corpus = corpus("rows.jsonl");
    let mut rows = 0;
    let mut kinds = BTreeMap::<String, usize>::new();
    let mut mismatches = 0;
    for (index, line) in corpus.lines().enumerate() {
        let row: Row =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("line {}: {error}", index + 1));
        rows += 1;
        *kinds.entry(row.kind.clone()).or_default() += 1;
        for (generation, dialect) in [("first", Dialect::Happn1), ("later", Dialect::Happn4)] {
            let Some(real) = row.answers.get(generation) else {
                continue;
            };
            let right = row.answers.get(&format!("{generation}_right")).unwrap_or(real);
            let answer = row.answer(&paths, dialect);
            if answer != *right {
                mismatches += 1;
                if mismatches <= SHOWN {
                    eprintln!("line {}, {generation}: answered {answer}\n  {line}", index + 1);
                }
            }
        }
    }
    assert!(
        paths.len() >= 80 && rows >= MINIMUM_ROWS,
        "only {rows} rows of {} paths",
        paths.len()
    );
    assert_eq!(kinds.len(), 3, "a kind is missing: {kinds:?}");
    assert_eq!(mismatches, 0, "of {rows} rows disagree");
}
