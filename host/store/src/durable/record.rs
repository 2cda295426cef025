//! How one document is laid out on disk.
//!
//! ```text
//! key:   the path, UTF-8
//! value: format (1 byte) | checksum (8) | created (8) | modified (8) | who wrote it | the JSON text, UTF-8
//!
//! who wrote it: format 1: nothing, since that is not known
//!               format 2: length of the name in bytes (2) | the name, UTF-8
//! ```
//!
//! Enters: a document, or bytes read from a disk. Leaves: bytes, or the document. Guarantees: numbers are
//! little-endian. The checksum (XXH3, 64 bits) covers path, format, times, name and text. So a record is returned
//! only as it was written, and only under its own path. A record without a name is in the format that all hosts read.

use mesh_wire::protocol::{Document, DocumentMeta};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// The format of records without a name.
const NAMELESS: u8 = 1;
/// The format of records with a name.
const NAMED: u8 = 2;
const CHECKSUM_AT: usize = 1;
const CREATED_AT: usize = 9;
const MODIFIED_AT: usize = 17;
const NAME_AT: usize = 25;

/// A document as it is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// When it was written.
    pub meta: DocumentMeta,
    /// The last writer, where that is known.
    pub modified_by: Option<&'a str>,
    /// A JSON object, as text.
    pub data: &'a str,
}

impl<'a> From<&'a Document> for Record<'a> {
    fn from(document: &'a Document) -> Record<'a> {
        Record {
            meta: document.meta,
            modified_by: document.modified_by.as_deref(),
            data: &document.data,
        }
    }
}

/// A document to be written by [`super::StoreFile::write_all`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where.
    pub path: String,
    /// When it was written.
    pub meta: DocumentMeta,
    /// The last writer, where that is known.
    pub modified_by: Option<String>,
    /// A JSON object, as text.
    pub data: String,
}

impl Entry {
    /// The document that is at a path.
    pub(super) fn new(path: &str, record: Record<'_>) -> Entry {
        Entry {
            path: path.to_owned(),
            meta: record.meta,
            modified_by: record.modified_by.map(str::to_owned),
            data: record.data.to_owned(),
        }
    }

    /// The document without its path.
    pub fn record(&self) -> Record<'_> {
        Record {
            meta: self.meta,
            modified_by: self.modified_by.as_deref(),
            data: &self.data,
        }
    }
}

/// Puts a document's value into `out`, in place of what was there.
pub(super) fn encode(path: &str, record: Record<'_>, out: &mut Vec<u8>) {
    // Names of users are far shorter than what two bytes can count.
    let name = record
        .modified_by
        .and_then(|name| Some((u16::try_from(name.len()).ok()?, name)));
    let format = match name {
        None => NAMELESS,
        Some(_) => NAMED,
    };
    out.clear();
    out.reserve(NAME_AT + 2 + name.map_or(0, |(_, name)| name.len()) + record.data.len());
    out.push(format);
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&record.meta.created.to_le_bytes());
    out.extend_from_slice(&record.meta.modified.to_le_bytes());
    if let Some((length, name)) = name {
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(name.as_bytes());
    }
    out.extend_from_slice(record.data.as_bytes());
    let checksum = checksum(path.as_bytes(), format, &out[CREATED_AT..]);
    out[CHECKSUM_AT..CREATED_AT].copy_from_slice(&checksum.to_le_bytes());
}

/// Reads a record.
///
/// # Errors
///
/// Its fault, to follow "is damaged:".
pub(super) fn decode<'a>(key: &'a [u8], value: &'a [u8]) -> Result<(&'a str, Record<'a>), &'static str> {
    let format = *value.first().ok_or("it is empty")?;
    if format != NAMELESS && format != NAMED {
        return Err("it is in no known record format");
    }
    let (Some(stored), Some(created), Some(modified), Some(rest)) = (
        number_at(value, CHECKSUM_AT),
        number_at(value, CREATED_AT),
        number_at(value, MODIFIED_AT),
        value.get(NAME_AT..),
    ) else {
        return Err("it is too short");
    };
    if stored != checksum(key, format, &value[CREATED_AT..]) {
        return Err("its checksum does not match");
    }
    let (name, data) = match format {
        NAMED => named(rest).ok_or("it is too short")?,
        _ => (None, rest),
    };
    let path = std::str::from_utf8(key).map_err(|_| "its path is not UTF-8")?;
    let modified_by = name.map(std::str::from_utf8).transpose();
    let modified_by = modified_by.map_err(|_| "the name in it is not UTF-8")?;
    let data = std::str::from_utf8(data).map_err(|_| "its text is not UTF-8")?;
    let meta = DocumentMeta { created, modified };
    let record = Record {
        meta,
        modified_by,
        data,
    };
    Ok((path, record))
}

/// The name, and what is behind it.
fn named(rest: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let (length, rest) = rest.split_first_chunk()?;
    let (name, data) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
    Some((Some(name), data))
}

/// The path's own hash is the seed of the rest: bytes cannot move from one to the other unnoticed.
fn checksum(path: &[u8], format: u8, rest: &[u8]) -> u64 {
    xxh3_64_with_seed(rest, xxh3_64(path) ^ u64::from(format))
}

fn number_at(value: &[u8], at: usize) -> Option<u64> {
    let bytes = value.get(at..at + 8)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const META: DocumentMeta = DocumentMeta {
        created: 1,
        modified: u64::MAX,
    };

    fn record<'a>(modified_by: Option<&'a str>, data: &'a str) -> Record<'a> {
        Record {
            meta: META,
            modified_by,
            data,
        }
    }

    #[test]
    fn a_record_comes_back_and_its_layout_is_fixed() {
        let mut value = Vec::new();
        let record = record(None, r#"{"n":1}"#);
        encode("/a/ü", record, &mut value);
        assert_eq!(decode("/a/ü".as_bytes(), &value), Ok(("/a/ü", record)));
        // Files of users are in this layout: a change here needs a new format number.
        assert_eq!(value[0], 1);
        assert_eq!(value[9..17], [1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(value[17..25], [0xff; 8]);
        assert_eq!(&value[25..], br#"{"n":1}"#);
        let checksum = u64::from_le_bytes(value[1..9].try_into().unwrap());
        assert_eq!(checksum, 0x7077_3d0d_28e8_43c6, "{checksum:#x}");
    }

    #[test]
    fn a_record_with_a_name_comes_back_and_its_layout_is_fixed() {
        let mut value = Vec::new();
        let named = record(Some("bübe"), r#"{"n":1}"#);
        encode("/a", named, &mut value);
        assert_eq!(decode(b"/a", &value), Ok(("/a", named)));
        assert_eq!(value[0], 2);
        assert_eq!(value[25..27], [5, 0]);
        assert_eq!(&value[27..32], "bübe".as_bytes());
        assert_eq!(&value[32..], br#"{"n":1}"#);
        for name in ["", &"x".repeat(65_535)] {
            let named = record(Some(name), "{}");
            encode("/a", named, &mut value);
            assert_eq!(decode(b"/a", &value), Ok(("/a", named)));
        }
        encode("/a", record(Some(&"x".repeat(65_536)), "{}"), &mut value);
        assert_eq!(decode(b"/a", &value), Ok(("/a", record(None, "{}"))));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let path = b"/some/path";
        for name in [None, Some("bob")] {
            let mut value = Vec::new();
            encode("/some/path", record(name, r#"{"text":"some text"}"#), &mut value);
            for bit in 0..value.len() * 8 {
                let mut flipped = value.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert!(decode(path, &flipped).is_err(), "bit {bit}");
            }
            for length in 0..value.len() {
                assert!(decode(path, &value[..length]).is_err(), "{length} bytes");
            }
            assert!(decode(b"/some/pat", &value).is_err());
            assert!(decode(b"/some/path2", &value).is_err());
        }
    }
}
