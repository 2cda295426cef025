//! How one document is laid out on disk.
//!
//! ```text
//! key:   the path, UTF-8
//! value: format (1 byte, now 1) | checksum (8) | created (8) | modified (8) | the JSON text, UTF-8
//! ```
//!
//! What enters: a document, or bytes read from a disk. What leaves: bytes, or the document. Guarantees: numbers are
//! little-endian; the checksum (XXH3, 64 bits) covers path, format, times and text, so that a record is returned only
//! as it was written, and only under its own path.

use mesh_wire::protocol::DocumentMeta;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// The format that is written.
const FORMAT: u8 = 1;
const CHECKSUM_AT: usize = 1;
const CREATED_AT: usize = 9;
const MODIFIED_AT: usize = 17;
const DATA_AT: usize = 25;

/// Puts a document's value into `out`, in place of what was there.
pub(super) fn encode(path: &str, meta: DocumentMeta, data: &str, out: &mut Vec<u8>) {
    out.clear();
    out.reserve(DATA_AT + data.len());
    out.push(FORMAT);
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&meta.created.to_le_bytes());
    out.extend_from_slice(&meta.modified.to_le_bytes());
    out.extend_from_slice(data.as_bytes());
    let checksum = checksum(path.as_bytes(), FORMAT, &out[CREATED_AT..]);
    out[CHECKSUM_AT..CREATED_AT].copy_from_slice(&checksum.to_le_bytes());
}

/// Reads a record.
///
/// # Errors
///
/// What is wrong with it, to follow "is damaged:".
pub(super) fn decode<'a>(
    key: &'a [u8],
    value: &'a [u8],
) -> Result<(&'a str, DocumentMeta, &'a str), &'static str> {
    let format = *value.first().ok_or("it is empty")?;
    if format != FORMAT {
        return Err("it is in no known record format");
    }
    let (Some(stored), Some(created), Some(modified), Some(data)) = (
        number_at(value, CHECKSUM_AT),
        number_at(value, CREATED_AT),
        number_at(value, MODIFIED_AT),
        value.get(DATA_AT..),
    ) else {
        return Err("it is too short");
    };
    if stored != checksum(key, format, &value[CREATED_AT..]) {
        return Err("its checksum does not match");
    }
    let path = std::str::from_utf8(key).map_err(|_| "its path is not UTF-8")?;
    let data = std::str::from_utf8(data).map_err(|_| "its text is not UTF-8")?;
    Ok((path, DocumentMeta { created, modified }, data))
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

    #[test]
    fn a_record_comes_back_and_its_layout_is_fixed() {
        let mut value = Vec::new();
        encode("/a/ü", META, r#"{"n":1}"#, &mut value);
        assert_eq!(
            decode("/a/ü".as_bytes(), &value),
            Ok(("/a/ü", META, r#"{"n":1}"#))
        );
        // Files of users are in this layout: a change here needs a new format number.
        assert_eq!(value[0], 1);
        assert_eq!(value[9..17], [1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(value[17..25], [0xff; 8]);
        assert_eq!(&value[25..], br#"{"n":1}"#);
        let checksum = u64::from_le_bytes(value[1..9].try_into().unwrap());
        assert_eq!(checksum, 0x7077_3d0d_28e8_43c6, "{checksum:#x}");
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let path = b"/some/path";
        let mut value = Vec::new();
        encode("/some/path", META, r#"{"text":"some text"}"#, &mut value);
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
