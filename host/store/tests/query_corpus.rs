//! Every answer that real happn-3 servers gave to a query, and JavaScript to a regular expression, compared to the
//! answer of [`mesh_wire::query`].
//!
//! The rows, and what their fields mean, are described in `tests/corpus/query/README.md`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use mesh_store::{Document, PathPattern};
use mesh_wire::protocol::{Dialect, DocumentMeta};
use mesh_wire::query::{Found, Query};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// How many rows the corpus has at least. A test that reads nothing must not pass.
const MINIMUM_ROWS: usize = 2200;

/// How many mismatches are shown.
const SHOWN: usize = 20;

/// The messages of later servers for errors, where they are documented.
const MESSAGES: [&str; 4] = [
    "Typefun is not",
    "$regex parameter",
    "aggregate feature",
    "collation feature",
];

#[derive(Deserialize)]
struct Stored {
    path: String,
    data: Box<RawValue>,
    created: u64,
    modified: u64,
}

#[derive(Deserialize)]
struct Row {
    section: String,
    path: Option<String>,
    options: Box<RawValue>,
    #[serde(flatten)]
    answers: Map<String, Value>,
}

fn corpus(name: &str) -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/corpus/query")
        .join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn documents() -> Vec<(String, Document)> {
    let mut documents: Vec<(String, Document)> = corpus("documents.jsonl")
        .lines()
        .map(|line| {
            let stored: Stored = serde_json::from_str(line).unwrap();
            let meta = DocumentMeta {
                created: stored.created,
                modified: stored.modified,
            };
            (
                stored.path,
                Document {
                    data: stored.data.get().into(),
                    meta,
                    modified_by: None,
                },
            )
        })
        .collect();
    documents.sort_by(|(left, _), (right, _)| left.cmp(right));
    documents
}

/// The answer of this host: the documents found, or the message of the error.
fn answer<'a>(
    documents: &[(String, Document)],
    path: &str,
    options: &'a RawValue,
    dialect: Dialect,
) -> Result<(Query<'a>, Vec<Found>), String> {
    let query = Query::read(Some(options), dialect)
        .map_err(|error| error.to_wire(dialect, path).message().to_owned())?;
    let pattern = PathPattern::new(path);
    let mut found = Vec::new();
    for (path, document) in documents.iter().filter(|(path, _)| pattern.matches(path)) {
        let selected = query.select(path.as_str().into(), document.clone());
        assert_eq!(
            selected.is_some(),
            query.admits(path, &document.data, document.meta)
        );
        found.extend(selected);
        let enough = query.limit().map(|limit| query.skip() + limit);
        if !query.is_sorted() && enough.is_some_and(|enough| found.len() >= enough) {
            break;
        }
    }
    query.arrange(&mut found);
    Ok((query, found))
}

/// Reads `1-3,5`, or a list.
fn numbers(value: &Value) -> Vec<u64> {
    match value {
        Value::String(text) => text
            .split(',')
            .filter(|range| !range.is_empty())
            .flat_map(|range| {
                let (from, to) = range.split_once('-').unwrap_or((range, range));
                from.parse::<u64>().unwrap()..=to.parse::<u64>().unwrap()
            })
            .collect(),
        value => serde_json::from_value(value.clone()).unwrap(),
    }
}

fn item(text: &str) -> Value {
    // Real servers read numbers as doubles.
    fn rounded(value: &mut Value) {
        match value {
            Value::Number(number) => *value = json!(number.as_f64()),
            Value::Array(items) => items.iter_mut().for_each(rounded),
            Value::Object(entries) => entries.values_mut().for_each(rounded),
            _ => {}
        }
    }
    let mut value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    rounded(&mut value);
    value
}

fn mismatch(row: &Row, generation: &str, documents: &[(String, Document)]) -> Option<String> {
    let dialect = if generation == "first" {
        Dialect::Happn1
    } else {
        Dialect::Happn4
    };
    let real = row.answers.get(generation)?;
    let right = row.answers.get(&format!("{generation}_right"));
    let expected = right.unwrap_or(real);
    let path = row.path.as_deref().unwrap_or("/d/*");
    let outcome = answer(documents, path, &row.options, dialect);
    let (query, found) = match (outcome, expected.get("error")) {
        (Err(message), Some(Value::String(asked))) => {
            let compared = generation == "first" || MESSAGES.iter().any(|known| asked.starts_with(known));
            return (compared && message != *asked).then_some(message);
        }
        (Err(_), Some(_)) => return None,
        (Err(message), None) => return Some(message),
        (Ok(_), Some(_)) => return Some("no error".to_owned()),
        (Ok(answer), None) => answer,
    };
    match row.section.as_str() {
        "counted" => (json!(found.len()) != *expected).then(|| format!("{}", found.len())),
        "projected" => {
            let written: Vec<Value> = if path.contains('*') {
                let write = |found: &Found| {
                    let mut out = String::new();
                    query.write_item(&mut out, &found.path, &found.document);
                    item(&out)
                };
                found.iter().map(write).collect()
            } else {
                let write = |found: &Found| {
                    let mut meta = String::from("{");
                    query.write_meta(&mut meta, &found.path, &found.document);
                    let meta = format!("{}}}", meta.trim_end_matches(','));
                    let mut item = item(&query.data(&found.document));
                    item["_meta"] = serde_json::from_str(&meta).unwrap();
                    item
                };
                found.iter().map(write).collect()
            };
            let agrees = match expected {
                Value::Array(items) => {
                    items.len() == written.len()
                        && written
                            .iter()
                            .zip(items)
                            .all(|(written, sent)| agree(written, sent))
                }
                Value::Null => written.is_empty(),
                single => written.len() == 1 && agree(&written[0], single),
            };
            (!agrees).then(|| Value::Array(written).to_string())
        }
        _ => {
            let found: Vec<u64> = found
                .iter()
                .map(|found| found.path[3..].parse().unwrap())
                .collect();
            (found != numbers(expected)).then(|| format!("{found:?}"))
        }
    }
}

/// Whether a written item is the one that a server sent, apart from how exact numbers are.
fn agree(written: &Value, sent: &Value) -> bool {
    item(&written.to_string()) == item(&sent.to_string())
}

#[test]
fn every_row_of_the_corpus_agrees() {
    let documents = documents();
    let corpus = corpus("rows.jsonl");
    let mut rows = 0;
    let mut corrected = 0;
    let mut sections = BTreeMap::<String, usize>::new();
    let mut mismatches = 0;
    for (index, line) in corpus.lines().enumerate() {
        let row: Row =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("line {}: {error}", index + 1));
        rows += 1;
        *sections.entry(row.section.clone()).or_default() += 1;
        for generation in ["first", "later"] {
            corrected += usize::from(row.answers.contains_key(&format!("{generation}_right")));
            if let Some(found) = mismatch(&row, generation, &documents) {
                mismatches += 1;
                if mismatches <= SHOWN {
                    eprintln!("line {}, {generation}: answered {found}\n  {line}", index + 1);
                }
            }
        }
    }
    assert!(rows >= MINIMUM_ROWS, "only {rows} rows");
    assert_eq!(sections.len(), 6, "a section is missing: {sections:?}");
    assert!(corrected > 0, "no row in which a server is wrong");
    assert_eq!(mismatches, 0, "of {rows} rows disagree");
}

#[derive(Deserialize)]
struct Regular {
    pattern: String,
    flags: String,
    found: Option<BTreeMap<String, bool>>,
}

#[test]
fn regular_expressions_find_what_they_find_in_javascript() {
    let corpus = corpus("regular.jsonl");
    let (mut rows, mut mismatches) = (0, 0);
    for (index, line) in corpus.lines().enumerate() {
        let row: Regular = serde_json::from_str(line).unwrap();
        rows += 1;
        let options = json!({"criteria": {"s": {"$regex": [row.pattern, row.flags]}}}).to_string();
        let options: &RawValue = serde_json::from_str(&options).unwrap();
        let mut report = |found: String| {
            mismatches += 1;
            if mismatches <= SHOWN {
                eprintln!("line {}: {found}\n  {line}", index + 1);
            }
        };
        let query = match (Query::read(Some(options), Dialect::Happn4), &row.found) {
            // A pattern that JavaScript refuses may be understood here: no client relies on it.
            (_, None) => continue,
            (Err(error), Some(_)) => {
                report(error.to_string());
                continue;
            }
            (Ok(query), Some(_)) => query,
        };
        let meta = DocumentMeta {
            created: 1,
            modified: 1,
        };
        for (text, expected) in row.found.into_iter().flatten() {
            let data = json!({"s": text}).to_string();
            if query.admits("/a", &data, meta) != expected {
                report(format!("{text:?}"));
            }
        }
    }
    assert!(rows >= 900, "only {rows} rows");
    assert_eq!(mismatches, 0, "of {rows} rows disagree");
}
