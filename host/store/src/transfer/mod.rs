//! Documents as text, to be kept elsewhere or brought along.
//!
//! Enters: documents of a store, or a file with documents. Leaves: lines of JSON, or entries for a store. Guarantees:
//! a document written by [`write_line`] is read back as it was, times and names included; an error names the line it
//! is about.

mod lines;
mod nedb;

use super::durable::{Entry, FileError, Record};
use mesh_wire::protocol::{json, write_modified_by};
use std::io::{self, BufRead, Read, Write};

/// How a file with documents is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One object a line: `{"path":…,"data":{…},"created":…,"modified":…,"modifiedBy":…}`, the last one where it is known.
    Lines,
    /// The data file of happn-3 up to version 12: a log of documents, the last line about a path counts.
    Nedb,
}

/// Why documents were not brought along.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// A line is not what it should be.
    #[error("line {line}: {what}")]
    Line {
        /// Which, from 1.
        line: u64,
        /// Its fault.
        what: String,
    },
    /// The file as a whole is something else.
    #[error("{0}")]
    Format(&'static str),
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    /// The store cannot be written.
    #[error("{0}")]
    Store(#[from] FileError),
}

/// A file with documents, as far as it has been looked at.
pub struct Source<'a> {
    /// How it is written.
    pub format: Format,
    /// The documents, in no particular order; a later one of the same path counts.
    pub entries: Box<dyn Iterator<Item = Result<Entry, TransferError>> + 'a>,
    /// Documents of the server itself that were left out.
    pub left_out: u64,
    /// The last line was cut off by a crash and is left out.
    pub is_cut_off: bool,
}

/// The paths that belong to a happn server and not to its users: its name, its keys, its users and their passwords.
const SYSTEM: &str = "/_SYSTEM/";

/// Documents of a happn-3 file below `/_SYSTEM/`, which belong to the server that wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemDocuments {
    /// They are left out, and counted.
    LeaveOut,
    /// They are taken along.
    TakeAlong,
}

/// Reads a file with documents; `format` is found out when it is not said.
///
/// # Errors
///
/// When it is no such file. Later lines may still turn out to be wrong.
pub fn read<'a>(
    mut input: impl BufRead + 'a,
    format: Option<Format>,
    system: SystemDocuments,
) -> Result<Source<'a>, TransferError> {
    let mut first = Vec::new();
    while first.trim_ascii().is_empty() {
        if input.read_until(b'\n', &mut first)? == 0 {
            break;
        }
    }
    let format = match format {
        Some(format) => format,
        None => recognise(first.trim_ascii())?,
    };
    let input = io::Cursor::new(first).chain(input);
    match format {
        Format::Lines => Ok(Source {
            format,
            entries: Box::new(lines::entries(input)),
            left_out: 0,
            is_cut_off: false,
        }),
        Format::Nedb => nedb::read(input, system),
    }
}

fn recognise(line: &[u8]) -> Result<Format, TransferError> {
    #[derive(serde::Deserialize)]
    struct Keys {
        #[serde(rename = "_id")]
        id: Option<serde::de::IgnoredAny>,
        #[serde(rename = "$$indexCreated")]
        index: Option<serde::de::IgnoredAny>,
        path: Option<serde::de::IgnoredAny>,
        snapshot: Option<serde::de::IgnoredAny>,
    }
    if line.is_empty() {
        return Ok(Format::Lines);
    }
    match serde_json::from_slice::<Keys>(line) {
        Ok(Keys {
            snapshot: Some(_), ..
        }) => Err(TransferError::Format(
            "this is a data file of happn-3 from version 13 on (loki), which is not read: get the documents with a \
             client, `get('*')`, and write them as lines",
        )),
        Ok(Keys { id, index, .. }) if id.is_some() || index.is_some() => Ok(Format::Nedb),
        Ok(Keys { path: Some(_), .. }) => Ok(Format::Lines),
        _ => Err(TransferError::Format(
            "the first line is neither of an export nor of a happn-3 data file; `--format` says which it is meant to be",
        )),
    }
}

/// Writes one document as a line.
///
/// # Errors
///
/// When the output cannot be written.
pub fn write_line(out: &mut impl Write, path: &str, record: Record<'_>) -> io::Result<()> {
    let mut line = String::with_capacity(path.len() + record.data.len() + 120);
    line.push_str(r#"{"path":"#);
    json::write_string(&mut line, path);
    line.push_str(r#","data":"#);
    // Line breaks stand only between the parts of a JSON text, never within a string.
    line.extend(record.data.chars().map(|character| match character {
        '\n' | '\r' => ' ',
        other => other,
    }));
    line.push(',');
    record.meta.write(&mut line);
    if let Some(name) = record.modified_by {
        line.push(',');
        write_modified_by(&mut line, name);
    }
    line.push_str("}\n");
    out.write_all(line.as_bytes())
}

/// One line of a file.
struct NumberedLine {
    /// Its number, from 1.
    number: u64,
    text: Vec<u8>,
    /// A line break ends it.
    is_whole: bool,
}

/// The lines of a file, without those that are blank.
fn numbered(mut input: impl BufRead) -> impl Iterator<Item = Result<NumberedLine, TransferError>> {
    let mut number = 0;
    std::iter::from_fn(move || {
        loop {
            let mut text = Vec::new();
            number += 1;
            match input.read_until(b'\n', &mut text) {
                Ok(0) => return None,
                Ok(_) if text.trim_ascii().is_empty() => {}
                Ok(_) => {
                    let is_whole = text.ends_with(b"\n");
                    return Some(Ok(NumberedLine {
                        number,
                        text,
                        is_whole,
                    }));
                }
                Err(error) => return Some(Err(error.into())),
            }
        }
    })
}

fn wrong(line: u64, what: impl Into<String>) -> TransferError {
    let what = what.into();
    TransferError::Line { line, what }
}

/// serde's message, without the place within the one line.
fn said(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((what, _)) => format!("{what}, at column {}", error.column()),
        None => text,
    }
}
