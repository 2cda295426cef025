//! Every answer that the semver packages of real clients gave, compared to the answer of [`mesh_wire::versions`].
//!
//! The rows, and what their fields mean, are described in `tests/corpus/semver/README.md`.

use std::{collections::BTreeMap, fs, path::Path};

use mesh_wire::versions::{ComponentVersion, Range, RequestedRange, coerce, coerced_satisfies};
use serde::Deserialize;

/// How many rows the corpus has at least. A test that reads nothing must not pass.
const MINIMUM_ROWS: usize = 7000;

/// How many mismatches are shown.
const SHOWN: usize = 20;

#[derive(Deserialize)]
#[serde(tag = "section", rename_all = "lowercase")]
enum Row {
    Vector(Comparison),
    Written(Comparison),
    Generated(Comparison),
    Mutated(Comparison),
    Divergent(Comparison),
    Lenient(Comparison),
    Coerce {
        version: String,
        coerced: Option<String>,
    },
}

#[derive(Deserialize)]
struct Comparison {
    range: String,
    version: String,
    valid: bool,
    strict: Strict,
    coerced: bool,
}

/// The result of `satisfies`: a verdict, or an exception because it cannot read the version.
#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(untagged)]
enum Strict {
    Verdict(bool),
    Threw(Throw),
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Throw {
    Throw,
}

impl Row {
    fn section(&self) -> &'static str {
        match self {
            Row::Vector(_) => "vector",
            Row::Written(_) => "written",
            Row::Generated(_) => "generated",
            Row::Mutated(_) => "mutated",
            Row::Divergent(_) => "divergent",
            Row::Lenient(_) => "lenient",
            Row::Coerce { .. } => "coerce",
        }
    }

    /// The different answer of this host, if there is one.
    fn mismatch(&self) -> Option<&'static str> {
        match self {
            Row::Coerce { version, coerced } => {
                let found = coerce(version).map(|version| version.to_string());
                (found != *coerced).then_some("coerce")
            }
            Row::Lenient(row) => row.mismatch(true),
            Row::Vector(row)
            | Row::Written(row)
            | Row::Generated(row)
            | Row::Mutated(row)
            | Row::Divergent(row) => row.mismatch(false),
        }
    }
}

impl Comparison {
    /// `refused`: the version is one that npm reads and a component may not have.
    fn mismatch(&self, refused: bool) -> Option<&'static str> {
        let range = Range::parse(&self.range);
        if range.is_ok() != self.valid {
            return Some("validity of the range");
        }
        if coerced_satisfies(&self.version, &self.range) != self.coerced {
            return Some("coerced_satisfies");
        }
        match ComponentVersion::parse(&self.version) {
            Ok(_) if refused => Some("the version is accepted"),
            Ok(version) => {
                let strict = range.is_ok_and(|range| range.satisfied_by(version.exact()));
                if self.strict != Strict::Verdict(strict) {
                    Some("satisfied_by")
                } else if RequestedRange::from(self.range.as_str()).admits(&version) != self.coerced {
                    Some("admits")
                } else if Range::parse(version.text()).is_err() {
                    Some("the version is not a range")
                } else {
                    None
                }
            }
            // A version that clients can read must be accepted; an invalid range hides whether they can.
            Err(_) if self.valid && !self.version.is_empty() && !refused => {
                (self.strict != Strict::Threw(Throw::Throw)).then_some("the version is refused")
            }
            Err(_) => None,
        }
    }
}

#[test]
fn every_row_of_the_corpus_agrees() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/semver/corpus.jsonl");
    let corpus = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));

    let mut rows = 0;
    let mut sections = BTreeMap::<&str, usize>::new();
    let mut mismatches = 0;
    for (index, line) in corpus.lines().enumerate() {
        let row: Row =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("line {}: {error}", index + 1));
        rows += 1;
        *sections.entry(row.section()).or_default() += 1;
        if let Some(mismatch) = row.mismatch() {
            mismatches += 1;
            if mismatches <= SHOWN {
                eprintln!("line {}: {mismatch}: {line}", index + 1);
            }
        }
    }

    assert!(rows >= MINIMUM_ROWS, "only {rows} rows in {}", path.display());
    assert_eq!(sections.len(), 7, "a section is missing: {sections:?}");
    assert_eq!(mismatches, 0, "of {rows} rows disagree");
}
