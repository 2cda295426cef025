//! One document a line, as `mesh store export` writes them.
//!
//! Enters: lines. Leaves: entries. Guarantees: a key that means nothing here is an error and not ignored;
//! missing times are now.

use super::{Entry, TransferError, numbered, said, wrong};
use crate::now;
use mesh_wire::protocol::{DocumentMeta, value};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::io::BufRead;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[serde(borrow)]
    path: Cow<'a, str>,
    #[serde(borrow)]
    data: &'a RawValue,
    created: Option<u64>,
    modified: Option<u64>,
    #[serde(borrow, rename = "modifiedBy")]
    modified_by: Option<Cow<'a, str>>,
}

/// The documents of a file.
pub(super) fn entries(input: impl BufRead) -> impl Iterator<Item = Result<Entry, TransferError>> {
    numbered(input).map(|line| {
        let (number, line, _) = line?;
        entry(&line).map_err(|what| wrong(number, what))
    })
}

fn entry(line: &[u8]) -> Result<Entry, String> {
    let line = std::str::from_utf8(line).map_err(|_| "this is not UTF-8 text".to_owned())?;
    let line: Line = serde_json::from_str(line).map_err(|error| said(&error))?;
    if line.path.is_empty() {
        return Err("the path is empty".to_owned());
    }
    let modified = line.modified.or(line.created).unwrap_or_else(now);
    let created = line.created.unwrap_or(modified);
    Ok(Entry {
        path: line.path.into_owned(),
        meta: DocumentMeta { created, modified },
        modified_by: line.modified_by.map(Cow::into_owned),
        data: value::document(Some(line.data)).into_owned(),
    })
}
