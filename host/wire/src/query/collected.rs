//! Documents that a query has found, until they are sorted.
//!
//! Enters: documents in the order of their paths. Leaves: those that can be part of the answer. Guarantees: where the query has a limit,
//! not more are kept than about twice as many documents, or as many bytes as an answer may have.

use super::{Found, Query};

/// Documents collected beyond those that a limit asks for, before the others are left out.
const SPARE: usize = 512;

/// Documents that were found, and the bytes that they take.
#[derive(Debug, Default)]
pub struct Collected {
    found: Vec<Found>,
    bytes: usize,
}

impl Collected {
    /// Adds a document. `most_bytes` is the size of the largest answer.
    pub fn push(&mut self, query: &Query<'_>, found: Found, most_bytes: usize) {
        self.bytes += query.size(&found);
        self.found.push(found);
        self.leave_out_unneeded(query, most_bytes);
    }

    fn leave_out_unneeded(&mut self, query: &Query<'_>, most_bytes: usize) {
        let Some(limit) = query.limit().filter(|_| query.is_sorted()) else {
            return;
        };
        let needed = limit.saturating_add(query.skip());
        let most = needed.saturating_mul(2).saturating_add(SPARE);
        let is_much = self.found.len() >= most || self.bytes > most_bytes;
        if is_much && self.found.len() > needed {
            query.keep_needed(&mut self.found);
            self.bytes = self.found.iter().map(|found| query.size(found)).sum();
        }
    }

    /// How many documents there are.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// About how many bytes they take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The documents, sorted where the query sorts, without those to skip and those beyond the limit of such a query. They count on in
    /// [`Collected::bytes`], since they are still in memory.
    pub fn arranged(&mut self, query: &Query<'_>) -> Vec<Found> {
        let mut found = std::mem::take(&mut self.found);
        if query.is_sorted() {
            query.arrange(&mut found);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Dialect, Document, DocumentMeta};
    use serde_json::value::RawValue;

    /// Collects documents whose numbers go down.
    fn collected(options: &str, count: usize, most_bytes: usize) -> (Vec<String>, usize) {
        let options: &RawValue = serde_json::from_str(options).expect("JSON");
        let query = Query::read(Some(options), Dialect::Happn4).expect("a query");
        let (mut collected, mut most) = (Collected::default(), 0);
        for number in 0..count {
            let document = Document {
                data: format!(r#"{{"number":{}}}"#, count - number).into(),
                meta: DocumentMeta {
                    created: 1,
                    modified: 1,
                },
                modified_by: None,
            };
            let found = query
                .select(format!("/{number:05}").into(), document)
                .expect("all fulfil it");
            collected.push(&query, found, most_bytes);
            most = most.max(collected.len());
        }
        let arranged = collected.arranged(&query);
        (
            arranged
                .iter()
                .map(|found| found.document.data.to_string())
                .collect(),
            most,
        )
    }

    #[test]
    fn a_sorted_query_with_a_limit_keeps_about_twice_as_many_documents() {
        let (found, most) = collected(
            r#"{"options":{"sort":{"number":1},"limit":2,"skip":1}}"#,
            5000,
            usize::MAX,
        );
        assert_eq!(found, [r#"{"number":2}"#, r#"{"number":3}"#]);
        assert!(most <= 2 * 3 + SPARE, "{most}");
    }

    #[test]
    fn beyond_the_bytes_of_an_answer_only_what_is_needed_is_kept() {
        let (found, most) = collected(r#"{"options":{"sort":{"number":1},"limit":2}}"#, 100, 1);
        assert_eq!(found, [r#"{"number":1}"#, r#"{"number":2}"#]);
        assert!(most <= 3, "{most}");
    }

    #[test]
    fn what_has_no_limit_or_no_order_is_kept_as_it_was_found() {
        let (found, _) = collected("{}", 600, 1);
        assert_eq!(found.len(), 600);
        assert_eq!(found[0], r#"{"number":600}"#);
        let (found, _) = collected(r#"{"options":{"limit":2}}"#, 600, 1);
        assert_eq!(found.len(), 600);
    }
}
