//! Changes that are on disk and not yet in the table of documents.
//!
//! ```text
//! key:   a number, rising
//! value: one after the other: kind (1 byte) | length of the path (4) | length of the value (4) | path | value
//!        kind 1: the value is a record; kind 0: the document is removed, the value is a checksum of the path (8)
//! ```
//!
//! Enters: the changes of one commit. Leaves: one value that is appended, and later the sum of all, to be merged into
//! the table. Guarantees: a commit writes as many pages as its changes fill, wherever in the table they belong. Each
//! change has a checksum of its own, and damage is an error of that change alone, as far as the lengths can be read.
//!
//! Written straight into the table, each change of a commit would cost a page.

use super::record::{self, Record};
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Bytes of changes that are collected before they are merged.
pub(super) const MERGE_AT: usize = 2 * 1024 * 1024;

const REMOVED: u8 = 0;
const DOCUMENT: u8 = 1;
const HEAD: usize = 9;
/// So that a removal is not taken for anything else that is hashed.
const REMOVAL_SEED: u64 = 0x6d65_7368_7265_6d6f;

/// The result of the changes for each path: a record, or nothing.
#[derive(Debug, Default)]
pub(super) struct Unmerged {
    /// By path.
    pub(super) values: BTreeMap<Box<[u8]>, Option<Box<[u8]>>>,
    /// Bytes of the batches that are on disk.
    pub(super) bytes: usize,
    /// The number of the next batch.
    pub(super) next: u64,
}

/// A change that cannot be trusted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DamagedChange {
    /// Its path, as far as it can be read.
    pub(super) path: String,
    /// Its fault.
    pub(super) reason: &'static str,
}

/// Writes the changes of one commit.
pub(super) fn encode(changes: &BTreeMap<&str, Option<Record<'_>>>, out: &mut Vec<u8>) {
    out.clear();
    let mut value = Vec::new();
    for (path, document) in changes {
        let kind = match document {
            Some(record) => {
                record::encode(path, *record, &mut value);
                DOCUMENT
            }
            None => {
                value.clear();
                value.extend_from_slice(&removal(path.as_bytes()).to_le_bytes());
                REMOVED
            }
        };
        out.push(kind);
        // Paths and documents come in frames, which are far below four gigabytes.
        out.extend_from_slice(&(path.len() as u32).to_le_bytes());
        out.extend_from_slice(&(value.len() as u32).to_le_bytes());
        out.extend_from_slice(path.as_bytes());
        out.extend_from_slice(&value);
    }
}

impl Unmerged {
    /// Lays the changes of a batch over those before. Returns the ones that are not what was written.
    pub(super) fn add(&mut self, batch: &[u8]) -> Vec<DamagedChange> {
        let mut damaged = Vec::new();
        let mut rest = batch;
        while !rest.is_empty() {
            let Some((Raw { kind, path, value }, behind)) = first(rest) else {
                damaged.push(DamagedChange {
                    path: String::new(),
                    reason: "the rest of a commit cannot be read",
                });
                break;
            };
            rest = behind;
            match check(kind, path, value) {
                Ok(value) => {
                    self.values.insert(path.into(), value.map(Into::into));
                }
                Err(reason) => damaged.push(DamagedChange {
                    path: String::from_utf8_lossy(path).into_owned(),
                    reason,
                }),
            }
        }
        self.bytes += batch.len();
        damaged
    }

    /// Everything is in the table now.
    pub(super) fn clear(&mut self) {
        self.values.clear();
        self.bytes = 0;
    }
}

/// One change as it stands in a batch.
struct Raw<'a> {
    kind: u8,
    path: &'a [u8],
    value: &'a [u8],
}

/// The first change and what is behind it.
fn first(bytes: &[u8]) -> Option<(Raw<'_>, &[u8])> {
    let length = |at: usize| {
        let bytes = bytes.get(at..at + 4)?;
        usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
    };
    let (path, value) = (length(1)?, length(5)?);
    let (path, rest) = bytes.get(HEAD..)?.split_at_checked(path)?;
    let (value, behind) = rest.split_at_checked(value)?;
    let kind = bytes[0];
    Some((Raw { kind, path, value }, behind))
}

fn check<'a>(kind: u8, path: &[u8], value: &'a [u8]) -> Result<Option<&'a [u8]>, &'static str> {
    match kind {
        DOCUMENT => record::decode(path, value).map(|_| Some(value)),
        REMOVED if value == removal(path).to_le_bytes() => Ok(None),
        REMOVED => Err("its checksum does not match"),
        _ => Err("it is of no known kind"),
    }
}

fn removal(path: &[u8]) -> u64 {
    xxh3_64_with_seed(path, REMOVAL_SEED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_wire::protocol::DocumentMeta;

    fn record(modified_by: Option<&'static str>, data: &'static str) -> Option<Record<'static>> {
        let meta = DocumentMeta {
            created: 1,
            modified: 2,
        };
        Some(Record {
            meta,
            modified_by,
            data,
        })
    }

    fn batch() -> Vec<u8> {
        let mut out = Vec::new();
        let changes = BTreeMap::from([
            ("/a", record(None, r#"{"n":1}"#)),
            ("/b", None),
            ("/c", record(Some("bob"), "{}")),
        ]);
        encode(&changes, &mut out);
        out
    }

    #[test]
    fn later_changes_win() {
        let mut unmerged = Unmerged::default();
        assert_eq!(unmerged.add(&batch()), []);
        let mut second = Vec::new();
        encode(
            &BTreeMap::from([("/a", None), ("/b", record(None, "{}"))]),
            &mut second,
        );
        assert_eq!(unmerged.add(&second), []);
        let there: Vec<_> = unmerged
            .values
            .iter()
            .map(|(path, value)| (&**path, value.is_some()))
            .collect();
        assert_eq!(there, [(&b"/a"[..], false), (b"/b", true), (b"/c", true)]);
    }

    #[test]
    fn every_flipped_bit_is_noticed_and_costs_no_more_than_it_must() {
        let whole = batch();
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let mut unmerged = Unmerged::default();
            let damaged = unmerged.add(&flipped);
            assert!(!damaged.is_empty(), "bit {bit}");
            for (path, value) in &unmerged.values {
                if let Some(value) = value {
                    assert!(record::decode(path, value).is_ok(), "bit {bit}");
                }
            }
        }
        for length in 1..whole.len() {
            Unmerged::default().add(&whole[..length]);
        }
    }
}
