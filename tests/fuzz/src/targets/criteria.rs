//! Queries: criteria, fields, order and limits.
//!
//! Enters: a dialect (one byte), the options of a request (one line of JSON), and documents (one line of JSON each). Checked:
//! - A query that is written anew, as JSON, is read in the same way and finds the same documents.
//! - `select` and `admits` agree.
//! - The order is that of the arrangement: sorting twice changes nothing, and leaving out early what is not needed changes nothing.
//! - What is sent of a document is JSON.

use super::DIALECTS;
use crate::{Input, Target};
use mesh_wire::protocol::{Dialect, Document, DocumentMeta};
use mesh_wire::query::{Found, Query};
use serde_json::Value;
use serde_json::value::RawValue;

/// Queries.
pub const CRITERIA: Target = Target {
    name: "criteria",
    run,
    inputs: 6_000,
    longest: 4096,
};

/// More documents are not asked about.
const MOST_DOCUMENTS: usize = 8;

fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let dialect = *input.pick(&DIALECTS);
    let Some(options) = input.line() else { return };
    let Ok(options) = serde_json::from_str::<Box<RawValue>>(options) else {
        return;
    };
    let mut documents = Vec::new();
    while !input.is_empty() && documents.len() < MOST_DOCUMENTS {
        let line = input.line().unwrap_or_default();
        let data = match serde_json::from_str::<&RawValue>(line) {
            Ok(data) if data.get().starts_with('{') => data.get(),
            _ => "{}",
        };
        documents.push((format!("/d/{}", documents.len()), document(data, documents.len())));
    }
    let query = Query::read(Some(&options), dialect);
    is_read_alike_when_written_anew(&options, &query, &documents, dialect);
    let counted = Query::read_for_count(Some(&options), dialect);
    let Ok(query) = query else { return };
    assert!(counted.is_ok(), "a count refuses what a get takes");
    let found = select(&query, &documents);
    keeps_its_order(&query, found.clone());
    for one in &found {
        is_sent_as_json(&query, one, dialect);
    }
}

fn document(data: &str, number: usize) -> Document {
    let created = 1_700_000_000_000 + number as u64;
    Document {
        data: data.into(),
        meta: DocumentMeta {
            created,
            modified: created + 10 - number as u64,
        },
        modified_by: None,
    }
}

/// The documents that a query selects.
fn select(query: &Query<'_>, documents: &[(String, Document)]) -> Vec<Found> {
    let mut found = Vec::new();
    for (path, document) in documents {
        let selected = query.select(path.as_str().into(), document.clone());
        let admitted = query.admits(path, &document.data, document.meta);
        assert_eq!(selected.is_some(), admitted, "{path}: {}", document.data);
        assert!(
            admitted || !query.admits_everything(),
            "{path}: {}",
            document.data
        );
        found.extend(selected);
    }
    found
}

/// The statements of a query about itself and about documents, for comparing.
fn verdict(query: &Query<'_>, documents: &[(String, Document)]) -> (bool, usize, Option<usize>, Vec<String>) {
    let mut found = select(query, documents);
    query.arrange(&mut found);
    (query.is_sorted(), query.skip(), query.limit(), paths(&found))
}

fn paths(found: &[Found]) -> Vec<String> {
    found.iter().map(|one| one.path.to_string()).collect()
}

fn is_read_alike_when_written_anew(
    options: &RawValue,
    query: &Result<Query<'_>, mesh_wire::query::QueryError>,
    documents: &[(String, Document)],
    dialect: Dialect,
) {
    // A value that cannot be held in memory, such as 1e999 or half a letter, cannot be written anew.
    let Ok(value) = serde_json::from_str::<Value>(options.get()) else {
        return;
    };
    let anew = value.to_string();
    let Ok(anew) = RawValue::from_string(anew) else {
        panic!("a value was not written as JSON");
    };
    let again = Query::read(Some(&anew), dialect);
    match (query, again) {
        (Ok(query), Ok(again)) => {
            assert_eq!(verdict(query, documents), verdict(&again, documents), "{anew}");
        }
        (Err(error), Err(again)) => assert_eq!(error.kind(), again.kind(), "{anew}"),
        (one, other) => panic!(
            "{:?} became {:?}: {anew}",
            one.as_ref().err(),
            other.as_ref().err()
        ),
    }
}

fn keeps_its_order(query: &Query<'_>, found: Vec<Found>) {
    let mut arranged = found.clone();
    query.arrange(&mut arranged);
    let most = found.len().saturating_sub(query.skip());
    let expected = query.limit().map_or(most, |limit| limit.min(most));
    assert_eq!(
        arranged.len(),
        expected,
        "skip {} limit {:?}",
        query.skip(),
        query.limit()
    );
    if query.skip() == 0 {
        let mut twice = arranged.clone();
        query.arrange(&mut twice);
        assert_eq!(paths(&arranged), paths(&twice));
    }
    // As a scan does it: what is not needed is left out after each slice.
    let mut sliced = Vec::new();
    for one in found {
        sliced.push(one);
        query.keep_needed(&mut sliced);
    }
    query.arrange(&mut sliced);
    assert_eq!(paths(&arranged), paths(&sliced));
}

fn is_sent_as_json(query: &Query<'_>, found: &Found, dialect: Dialect) {
    let data = query.data(&found.document);
    assert!(is_object(&data), "{data}");
    let mut item = String::new();
    query.write_item(&mut item, &found.path, &found.document);
    assert!(is_object(&item), "{dialect:?}: {item}");
    let mut meta = String::from("{");
    query.write_meta(&mut meta, &found.path, &found.document);
    meta.push_str("\"end\":0}");
    assert!(is_object(&meta), "{dialect:?}: {meta}");
}

fn is_object(text: &str) -> bool {
    text.starts_with('{') && serde_json::from_str::<&RawValue>(text).is_ok()
}
