//! Queries of `get`, `count` and `remove`: criteria, fields, sort, skip, limit (docs/protocol.md 5.2, 8.3).
//!
//! Enters: the raw `options` of a request, and documents in the order of their paths. Leaves: the documents that were
//! asked for, in the order asked for, written as each generation writes them. Guarantees: a request without a query
//! costs one look over its options and no memory. A document is parsed at most once, only where a condition or an
//! order is about its data, and only the keys they name. Every operator counts. Hostile queries (depth, size, regular
//! expressions) are refused or take linear time.
//!
//! The two generations of servers differ in how they compare values and how they treat arrays; `tests/corpus/query`
//! holds their answers.

mod collected;
mod condition;
mod error;
mod field;
mod javascript;
mod json;
mod membership;
mod operator;
mod order;
mod projection;
mod read;
mod regular;
#[cfg(test)]
mod tests;
mod value;

pub use collected::Collected;
pub use error::{QueryError, QueryErrorKind};
pub use regular::compile_with_groups;
pub use value::ValueTest;

use crate::protocol::{Dialect, Document, DocumentMeta, QueryRules as Rules, write_item, write_modified_by};
use condition::Condition;
use field::Record;
use json::Json;
use order::Arrangement;
use projection::Projection;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::sync::Arc;

/// The query of one request.
#[derive(Debug)]
pub struct Query<'a> {
    dialect: Dialect,
    condition: Condition<'a>,
    arrangement: Arrangement,
    projection: Option<Projection>,
    /// The keys of a document's data that must be read, in order.
    wanted: Vec<Box<str>>,
}

/// A document that a query asks for.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where it is.
    pub path: Arc<str>,
    /// Its kind.
    pub document: Document,
    /// Its sort key.
    keys: Box<[Json<'static>]>,
}

impl<'a> Query<'a> {
    /// Reads the query out of a request's `options`. Where servers take no notice of odd values, none is taken here.
    ///
    /// # Errors
    ///
    /// When it has operators or arguments that no server accepts, or is larger than what is sane.
    pub fn read(options: Option<&'a RawValue>, dialect: Dialect) -> Result<Query<'a>, QueryError> {
        read::query(options, dialect)
    }

    /// As [`Query::read`], for a `count`: `collation` and `aggregate` are left alone there.
    ///
    /// # Errors
    ///
    /// As for [`Query::read`].
    pub fn read_for_count(options: Option<&'a RawValue>, dialect: Dialect) -> Result<Query<'a>, QueryError> {
        read::query_for_count(options, dialect)
    }

    /// Whether nothing was asked: all documents, whole, in the order of their paths.
    pub fn is_plain(&self) -> bool {
        self.condition.is_always() && self.arrangement.is_none() && self.projection.is_none()
    }

    /// How many bytes of a document take the time that a small document takes.
    pub fn bytes_as_one(&self) -> usize {
        match self.wanted.is_empty() && self.projection.is_none() {
            true => 4096,
            false => 256,
        }
    }

    /// Whether all documents must be seen before the first one of the answer is known.
    pub fn is_sorted(&self) -> bool {
        self.arrangement.is_sorted()
    }

    /// How many documents are passed over.
    pub fn skip(&self) -> usize {
        self.arrangement.skip()
    }

    /// How many documents are wanted at most.
    pub fn limit(&self) -> Option<usize> {
        self.arrangement.limit()
    }

    /// Whether every document is admitted, though perhaps not sent whole or in the order of paths.
    pub fn admits_everything(&self) -> bool {
        self.condition.is_always()
    }

    /// Whether a document fulfils the criteria.
    pub fn admits(&self, path: &str, data: &str, meta: DocumentMeta) -> bool {
        let rules = self.dialect.query_rules();
        self.condition.is_always()
            || self.with_record(path, data, meta, |record| self.condition.holds(record, rules))
    }

    /// The document, when it fulfils the criteria, with what it is to be sorted by.
    pub fn select(&self, path: Arc<str>, document: Document) -> Option<Found> {
        let rules = self.dialect.query_rules();
        let keys = if self.wanted.is_empty() && self.condition.is_always() && self.arrangement.is_none() {
            Some(Box::default())
        } else {
            self.with_record(&path, &document.data, document.meta, |record| {
                let admitted = self.condition.holds(record, rules);
                admitted.then(|| self.arrangement.keys(record, rules))
            })
        };
        keys.map(|keys| Found { path, document, keys })
    }

    /// Leaves out of documents, selected in the order of their paths, what cannot be part of the answer any more.
    pub fn keep_needed(&self, found: &mut Vec<Found>) {
        self.arrangement.keep_needed(found, self.dialect.query_rules());
    }

    /// About how many bytes a document takes until it is part of an answer.
    pub fn size(&self, found: &Found) -> usize {
        let keys: usize = found
            .keys
            .iter()
            .map(|key| size_of::<Json<'_>>() + key.size())
            .sum();
        let data = match self.projection {
            None => found.document.data.len(),
            Some(_) => 0,
        };
        size_of::<Found>() + found.path.len() + keys + data
    }

    /// Puts documents, selected in the order of their paths, into the order asked for. Leaves out those to skip and
    /// those beyond the limit.
    pub fn arrange(&self, found: &mut Vec<Found>) {
        self.arrangement.arrange(found, self.dialect.query_rules());
    }

    /// The document's data as far as it was asked for: an object.
    pub fn data<'d>(&self, document: &'d Document) -> Cow<'d, str> {
        match &self.projection {
            None => Cow::Borrowed(&document.data),
            Some(projection) => Cow::Owned(projection.apply(&document.data, self.dialect.query_rules())),
        }
    }

    /// Appends the document's part of the `_meta` of a single answer, each key followed by a comma.
    pub fn write_meta(&self, out: &mut String, path: &str, document: &Document) {
        self.write_meta_keys(out, path, document, false);
    }

    /// Appends the document as an item of an array: the data asked for, and a `_meta`.
    pub fn write_item(&self, out: &mut String, path: &str, document: &Document) {
        if self.projection.is_none() {
            return write_item(out, path, &document.data, document, self.dialect);
        }
        let data = self.data(document);
        let inner = data.strip_suffix('}').unwrap_or("{");
        out.push_str(inner);
        if inner != "{" {
            out.push(',');
        }
        out.push_str(r#""_meta":{"#);
        let begin = out.len();
        self.write_meta_keys(out, path, document, self.dialect.names_item_id());
        if out.len() > begin {
            out.pop();
        }
        out.push_str("}}");
    }

    fn write_meta_keys(&self, out: &mut String, path: &str, document: &Document, with_id: bool) {
        let meta = document.meta;
        let asked = |part: fn(&Projection) -> bool| self.projection.as_ref().is_none_or(part);
        let mut number = |name: &str, number: u64| {
            out.push_str(name);
            crate::protocol::json::write_number(out, number);
            out.push(',');
        };
        if asked(|projection| projection.created) {
            number(r#""created":"#, meta.created);
        }
        if asked(|projection| projection.modified) {
            number(r#""modified":"#, meta.modified);
        }
        // Those who ask for fields get no other.
        let name = document.modified_by.as_deref();
        let is_told = self.projection.is_none() && self.dialect.names_modifier();
        if let Some(name) = name.filter(|_| is_told) {
            write_modified_by(out, name);
            out.push(',');
        }
        let mut text = |name: &str| {
            out.push_str(name);
            crate::protocol::json::write_string(out, path);
            out.push(',');
        };
        if asked(|projection| projection.path) {
            text(r#""path":"#);
            if with_id {
                text(r#""_id":"#);
            }
        }
    }

    fn with_record<T>(
        &self,
        path: &str,
        data: &str,
        meta: DocumentMeta,
        ask: impl FnOnce(&Record<'_, '_>) -> T,
    ) -> T {
        let data = if self.wanted.is_empty() {
            Json::Missing
        } else {
            json::read_entries(data, &self.wanted)
        };
        ask(&Record {
            path: &Json::Text(Cow::Borrowed(path)),
            created: &Json::Number(meta.created as f64),
            modified: &Json::Number(meta.modified as f64),
            data: &data,
        })
    }
}
