//! Signatures that the real clients' crypto libraries made, and what must not pass as one.

use super::*;
use mesh_choices::Choices;
use serde::Deserialize;
use std::fs;
use std::path::Path;

/// How many rows the corpus has at least. A test that reads nothing must not pass.
const MINIMUM_ROWS: usize = 60;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    library: String,
    note: String,
    public_key: String,
    nonce: String,
    digest: String,
    /// The library's own verdict on the signature.
    verified: bool,
    /// This host's verdict, where it differs.
    here: Option<bool>,
}

fn rows() -> Vec<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/digest/rows.jsonl");
    fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn nonce(row: &Row) -> Vec<u8> {
    BASE64.decode(row.nonce.as_bytes()).unwrap()
}

#[test]
fn the_libraries_of_real_clients_and_this_host_agree() {
    let rows = rows();
    assert!(rows.len() >= MINIMUM_ROWS, "only {} rows", rows.len());
    for row in &rows {
        let expected = row.here.unwrap_or(row.verified);
        let verdict = verify(&row.public_key, &nonce(row), &row.digest);
        assert_eq!(
            verdict, expected,
            "{}: {}: {}",
            row.library, row.note, row.public_key
        );
    }
    for library in ["happn-util-crypto 0.2.3", "happn-util-crypto 3.0.11"] {
        assert!(
            rows.iter()
                .filter(|row| row.library == library && row.verified)
                .count()
                >= 10,
            "{library}"
        );
    }
}

#[test]
fn a_signature_is_good_for_its_key_and_its_nonce_only() {
    let rows: Vec<Row> = rows().into_iter().filter(|row| row.note == "signed").collect();
    let mut refused = 0;
    for (one, other) in rows.iter().zip(rows.iter().skip(1)) {
        if one.nonce != other.nonce {
            assert!(
                !verify(&one.public_key, &nonce(other), &one.digest),
                "{}",
                one.note
            );
            refused += 1;
        }
        if one.public_key != other.public_key {
            assert!(
                !verify(&other.public_key, &nonce(one), &one.digest),
                "{}",
                one.note
            );
            refused += 1;
        }
        assert!(!verify(&one.public_key, &nonce(one)[..31], &one.digest));
        assert!(!verify(&one.public_key, &[], &one.digest));
    }
    assert!(refused > 20);
}

#[test]
fn no_text_makes_the_verification_panic() {
    let rows = rows();
    let mut choices = Choices::new(0x5eed);
    let mut below = |limit: usize| choices.below(limit);
    for _ in 0..3000 {
        let row = &rows[below(rows.len())];
        let mut texts = [
            row.public_key.clone().into_bytes(),
            row.digest.clone().into_bytes(),
        ];
        for text in &mut texts {
            for _ in 0..below(3) {
                let at = below(text.len());
                match below(4) {
                    0 => text.truncate(at),
                    1 if at < text.len() => text[at] = b"A=-\n+/\"0z"[below(9)],
                    2 => text.insert(at, b'A'),
                    _ => drop(text.drain(at.min(text.len())..(at + below(20)).min(text.len()))),
                }
            }
        }
        let [public_key, digest] = texts.map(|text| String::from_utf8_lossy(&text).into_owned());
        let unchanged = public_key == row.public_key && digest == row.digest;
        let verdict = verify(&public_key, &nonce(row), &digest);
        assert!(!unchanged || verdict == row.here.unwrap_or(row.verified));
    }
    for begin in ["-----BEGIN PUBLIC KEY-----", "-----BEGIN RSA PUBLIC KEY-----"] {
        for end in ["", "-----END PUBLIC KEY-----", "-----END RSA PUBLIC KEY-----"] {
            assert!(!verify(&format!("{begin}{end}"), &[0; 32], ""));
        }
    }
}

#[test]
fn lengths_of_der_that_lie_are_not_believed() {
    for bytes in [
        &[][..],
        &[0x30],
        &[0x30, 0x80],
        &[0x30, 0x82, 0xff],
        &[0x30, 0x82, 0xff, 0xff, 0],
        &[0x30, 0x05, 1],
    ] {
        assert_eq!(element(SEQUENCE, bytes), None, "{bytes:?}");
    }
    assert_eq!(element(SEQUENCE, &[0x30, 1, 7, 8]), Some((&[7][..], &[8][..])));
    assert_eq!(element(SEQUENCE, &[0x30, 0x81, 1, 7]), Some((&[7][..], &[][..])));
}
