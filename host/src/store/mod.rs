//! Documents by path.
//!
//! What enters: raw JSON objects under a path. What leaves: the same text with the times of its first and last write.
//! Guarantees: `created` survives overwriting and is forgotten by removal; scans come in ascending order of paths and
//! touch only the documents that share the pattern's literal beginning. [`Store`] is what every engine implements;
//! [`MemoryStore`] keeps documents for as long as the process runs.

mod memory;
mod pattern;

pub use memory::MemoryStore;
pub use pattern::PathPattern;

use crate::protocol::DocumentMeta;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// What is stored under one path.
#[derive(Clone, Debug)]
pub struct Document {
    /// A JSON object, as text.
    pub data: Arc<str>,
    /// When it was written.
    pub meta: DocumentMeta,
}

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    kind: StoreErrorKind,
    message: String,
}

/// Kinds of [`StoreError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// The engine cannot write at present; reads go on.
    ReadOnly,
}

impl StoreError {
    /// A failure of this kind; `message` says in one sentence what happened.
    pub fn new(kind: StoreErrorKind, message: impl Into<String>) -> StoreError {
        StoreError {
            kind,
            message: message.into(),
        }
    }

    /// What kind of failure it was.
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

/// An engine that keeps documents. All functions may be called from any thread and never wait for a disk.
pub trait Store: Send + Sync {
    /// The document at exactly this path.
    fn get(&self, path: &str) -> Option<Document>;

    /// Writes a document and returns its times.
    ///
    /// # Errors
    ///
    /// When the engine cannot write; the document is then unchanged.
    fn set(&self, path: &str, data: &str) -> Result<DocumentMeta, StoreError>;

    /// Removes the documents that match and returns how many there were.
    ///
    /// # Errors
    ///
    /// When the engine cannot write; nothing is removed then.
    fn remove(&self, pattern: &PathPattern<'_>) -> Result<u64, StoreError>;

    /// Shows each document that matches, in ascending order of paths, until `visit` returns false. `visit` must not
    /// use the store.
    fn scan(&self, pattern: &PathPattern<'_>, visit: &mut dyn FnMut(&str, &Document) -> bool);

    /// How many documents there are.
    fn count(&self) -> usize;
}

/// Milliseconds since 1970.
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_millis() as u64)
}
