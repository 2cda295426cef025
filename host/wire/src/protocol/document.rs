//! A stored document, as answers and queries know it.
//!
//! Enters: an object as text, the times of its changes, and who made the last one. Leaves: the members of `_meta` that
//! tell them.

use super::json;
use std::sync::Arc;

/// A document that is stored under a path.
#[derive(Clone, Debug)]
pub struct Document {
    /// A JSON object, as text.
    pub data: Arc<str>,
    /// When it was written.
    pub meta: DocumentMeta,
    /// The last writer, in a secure mesh. Documents of one user share the name.
    pub modified_by: Option<Arc<str>>,
}

/// The content of a document's `_meta`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DocumentMeta {
    /// Milliseconds since 1970 at which the document came to be.
    pub created: u64,
    /// Milliseconds since 1970 at which it was written last.
    pub modified: u64,
}

/// The facts about a document in an item of an array.
#[derive(Clone, Copy, Debug)]
pub struct ItemMeta<'a> {
    /// When it was written.
    pub times: DocumentMeta,
    /// The last writer, where the client may see it.
    pub modified_by: Option<&'a str>,
}

impl From<DocumentMeta> for ItemMeta<'_> {
    fn from(times: DocumentMeta) -> Self {
        ItemMeta {
            times,
            modified_by: None,
        }
    }
}

impl<'a> From<&'a Document> for ItemMeta<'a> {
    fn from(document: &'a Document) -> Self {
        ItemMeta {
            times: document.meta,
            modified_by: document.modified_by.as_deref(),
        }
    }
}

/// Appends who has written a document, as a member of its `_meta`.
pub fn write_modified_by(out: &mut String, name: &str) {
    out.push_str(r#""modifiedBy":"#);
    json::write_string(out, name);
}

impl DocumentMeta {
    /// Appends `"created":…,"modified":…`, without braces.
    pub fn write(&self, out: &mut String) {
        out.push_str(r#""created":"#);
        json::write_number(out, self.created);
        out.push_str(r#","modified":"#);
        json::write_number(out, self.modified);
    }
}
