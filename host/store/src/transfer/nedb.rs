//! The data file of happn-3 up to version 12, which nedb writes.
//!
//! Enters: a log with one JSON object a line: a document with its `_id`, or `{"_id":…,"$$deleted":true}`, or a remark
//! about an index. Leaves: the documents that are there at its end. Guarantees: as nedb itself does, the last line
//! about a path counts and a last line that a crash has cut off does not. Times and `modifiedBy` are kept; `_tag`,
//! which this host does not have, is dropped. A date (`{"$$date":…}`) becomes the text that clients get for it.

use super::{
    Entry, Format, NumberedLine, SYSTEM, Source, SystemDocuments, TransferError, numbered, said, wrong,
};
use crate::now;
use mesh_wire::protocol::{DocumentMeta, value};
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::BufRead;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "_id", borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    // Numbers, or dates in files of the very first versions.
    created: Option<Value>,
    modified: Option<Value>,
    // A name, in files of secure servers.
    #[serde(rename = "modifiedBy")]
    modified_by: Option<Value>,
    #[serde(rename = "$$deleted", default)]
    is_deleted: bool,
}

/// Reads the whole file: only at its end it is known what is there.
pub(super) fn read<'a>(input: impl BufRead, system: SystemDocuments) -> Result<Source<'a>, TransferError> {
    let mut documents: BTreeMap<String, Entry> = BTreeMap::new();
    let mut is_cut_off = false;
    for line in numbered(input) {
        let NumberedLine {
            number,
            text,
            is_whole,
        } = line?;
        match read_line(&text) {
            Ok(Change::Document(entry)) => drop(documents.insert(entry.path.clone(), entry)),
            Ok(Change::Removal(path)) => drop(documents.remove(&path)),
            Ok(Change::Other) => {}
            Err(_) if !is_whole => is_cut_off = true,
            Err(what) => return Err(wrong(number, what)),
        }
    }
    let before = documents.len();
    if system == SystemDocuments::LeaveOut {
        documents.retain(|path, _| !path.starts_with(SYSTEM));
    }
    Ok(Source {
        format: Format::Nedb,
        left_out: (before - documents.len()) as u64,
        entries: Box::new(documents.into_values().map(Ok)),
        is_cut_off,
    })
}

enum Change {
    Document(Entry),
    Removal(String),
    Other,
}

fn read_line(line: &[u8]) -> Result<Change, String> {
    let line = std::str::from_utf8(line).map_err(|_| "this is not UTF-8 text".to_owned())?;
    let line: Line = serde_json::from_str(line).map_err(|error| said(&error))?;
    let Some(id) = line.id else {
        return Ok(Change::Other);
    };
    let path = id.into_owned();
    if line.is_deleted {
        return Ok(Change::Removal(path));
    }
    let modified = line.modified.as_ref().and_then(milliseconds);
    let created = line.created.as_ref().and_then(milliseconds);
    let modified = modified.or(created).unwrap_or_else(now);
    let created = created.unwrap_or(modified);
    let meta = DocumentMeta { created, modified };
    let data = match line.data {
        Some(data) if data.get().contains("$$date") => {
            let mut data: Value = serde_json::from_str(data.get()).map_err(|error| said(&error))?;
            dates_to_text(&mut data);
            let data = to_raw_value(&data).map_err(|error| said(&error))?;
            value::document(Some(&data)).into_owned()
        }
        // Nothing has been stored there; happn answers such a document with its `_meta` alone.
        None => "{}".to_owned(),
        data => value::document(data).into_owned(),
    };
    let modified_by = match line.modified_by {
        Some(Value::String(name)) => Some(name),
        _ => None,
    };
    Ok(Change::Document(Entry {
        path,
        meta,
        modified_by,
        data,
    }))
}

fn milliseconds(time: &Value) -> Option<u64> {
    time.as_u64().or_else(|| time.get("$$date")?.as_u64())
}

fn dates_to_text(value: &mut Value) {
    if let Some(milliseconds) = value.as_object().and_then(date) {
        *value = Value::String(iso(milliseconds));
        return;
    }
    match value {
        Value::Object(fields) => fields.values_mut().for_each(dates_to_text),
        Value::Array(items) => items.iter_mut().for_each(dates_to_text),
        _ => {}
    }
}

fn date(fields: &Map<String, Value>) -> Option<i64> {
    match fields.len() {
        1 => fields.get("$$date")?.as_i64(),
        _ => None,
    }
}

/// A time as JSON.stringify writes it, for the years that have four digits.
fn iso(milliseconds: i64) -> String {
    let (day, rest) = (
        milliseconds.div_euclid(86_400_000),
        milliseconds.rem_euclid(86_400_000),
    );
    // Years begin in March here, so that leap days come last (days_from_civil of Howard Hinnant, inverted).
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60);
    format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z",
        rest % 1000
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_nedb_are_read() {
        for (milliseconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_827_696_789, "2000-02-29T12:34:56.789Z"),
            (1_798_761_599_000, "2026-12-31T23:59:59.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(iso(milliseconds), text);
        }
        let mut data = serde_json::json!({"a": [{"$$date": 0}], "b": {"$$date": "no"}});
        dates_to_text(&mut data);
        assert_eq!(
            data,
            serde_json::json!({"a": ["1970-01-01T00:00:00.000Z"], "b": {"$$date": "no"}})
        );
    }
}
