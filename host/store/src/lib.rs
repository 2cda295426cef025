//! Documents by path.
//!
//! Enters: raw JSON objects under a path. Leaves: the same text with the times of its first and last write,
//! and the name of its last writer, if that was said.
//!
//! Guarantees:
//! - `created` survives overwriting and is forgotten by removal.
//! - Scans come in ascending order of paths and touch only documents that share the pattern's literal beginning. Others
//!   read and write between two slices.
//! - No function waits for a disk. A write says from when on it survives ([`Commit`]).
//! - Documents of the host alone are hidden from everybody else by [`PublicStore`].
//!
//! [`Store`] is the trait of all engines. [`MemoryStore`] keeps documents for as long as the process runs,
//! [`DurableStore`] on disk. Both answer reads from the same ordered index in memory. [`transfer`] exports and imports.

#![forbid(unsafe_code)]

mod cursor;
mod durable;
mod index;
mod memory;
mod metrics;
mod pattern;
mod public;
mod removal;
pub mod transfer;

pub use cursor::{Cursor, Item, Walk, Walked};
pub use durable::{
    Compacted, DamagedRecord, Durability, DurableStore, Entry, FileError, FileErrorKind, IfMissing, Options,
    Others, Record, StoreFile,
};
pub use memory::MemoryStore;
pub use mesh_wire::protocol::Document;
pub use pattern::PathPattern;
pub use public::{PublicStore, RESERVED};
pub use removal::{Removal, STEP, Step};

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Why the store did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    kind: StoreErrorKind,
    message: Arc<str>,
}

/// Kinds of [`StoreError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// The engine cannot write any more; reads go on.
    ReadOnly,
    /// More is waiting to be written than the engine takes on; later writes may succeed.
    Busy,
    /// The document is the host's own.
    Reserved,
}

impl StoreError {
    /// A failure of this kind; `message` says in one sentence what happened.
    pub fn new(kind: StoreErrorKind, message: impl Into<Arc<str>>) -> StoreError {
        StoreError {
            kind,
            message: message.into(),
        }
    }

    /// The kind of failure.
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

/// From when on a write survives whatever the engine promises to survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    /// It does already, or the engine promises nothing.
    Done,
    /// When the engine has committed this number. Numbers rise in the order of writes.
    Pending(u64),
}

/// The callback when a commit has succeeded or failed.
pub type Committed = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// The result of a write.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The document as it is now.
    pub document: Document,
    /// Whether there was none before.
    pub is_new: bool,
    /// From when on it survives.
    pub commit: Commit,
}

/// An engine that keeps documents. All functions may be called from any thread and never wait for a disk.
///
/// A write is seen by everybody at once, and is acknowledged to whoever asked for it once its [`Commit`] is done. When a
/// commit fails the engine rolls back what was seen of it and of all writes behind it.
pub trait Store: Send + Sync {
    /// The document at exactly this path.
    fn get(&self, path: &str) -> Option<Document>;

    /// Replaces the document at `path` by what `change` makes of it, a JSON object, as one step: nobody writes in between.
    /// `change` is called once, must not use the store, and returns `None` to leave everything as it is. `created` is
    /// kept, `modified` is now; `by` is who writes, where that is to be kept.
    ///
    /// # Errors
    ///
    /// When the engine cannot write; the document is then unchanged.
    fn update_by(
        &self,
        path: &str,
        by: Option<&Arc<str>>,
        change: &mut dyn FnMut(Option<&Document>) -> Option<Arc<str>>,
    ) -> Result<Option<Stored>, StoreError>;

    /// Writes a document; `by` is who writes, where that is to be kept.
    ///
    /// # Errors
    ///
    /// When the engine cannot write; the document is then unchanged.
    fn set_by(&self, path: &str, data: &str, by: Option<&Arc<str>>) -> Result<Stored, StoreError>;

    /// As [`Store::set_by`], by nobody in particular.
    ///
    /// # Errors
    ///
    /// As [`Store::set_by`].
    fn set(&self, path: &str, data: &str) -> Result<Stored, StoreError> {
        self.set_by(path, data, None)
    }

    /// Removes the documents that match and that `admits` wants removed, as one step. Returns how many there were.
    /// `admits` must not use the store.
    ///
    /// # Errors
    ///
    /// When the engine cannot write; nothing is removed then.
    fn remove(
        &self,
        pattern: &PathPattern<'_>,
        admits: &mut dyn FnMut(&str, &Document) -> bool,
    ) -> Result<(u64, Commit), StoreError>;

    /// Removes documents that a slice has found, as one step. `admits` judges those that were written since, and must not use
    /// the store. Returns how many were removed. A later step is taken however busy the engine is.
    ///
    /// # Errors
    ///
    /// When the engine cannot write; nothing is removed then.
    fn remove_found(
        &self,
        found: &[Item],
        step: Step,
        admits: &mut dyn FnMut(&str, &Document) -> bool,
    ) -> Result<(u64, Commit), StoreError>;

    /// Appends the next documents that match, in ascending order of paths, and moves the cursor behind them. Looks at few enough
    /// documents to be done at once. Returns at how many. See [`Walk`].
    fn slice(&self, pattern: &PathPattern<'_>, cursor: &mut Cursor, found: &mut Vec<Item>) -> usize;

    /// Shows each document that matches, in ascending order of paths, until `visit` returns false. Documents that are
    /// written or removed meanwhile may be shown or not.
    fn scan(&self, pattern: &PathPattern<'_>, visit: &mut dyn FnMut(&str, &Document) -> bool) {
        let (mut cursor, mut found) = (Cursor::default(), Vec::new());
        while !cursor.has_ended() {
            self.slice(pattern, &mut cursor, &mut found);
            for (path, document) in found.drain(..) {
                if !visit(&path, &document) {
                    return;
                }
            }
        }
    }

    /// How many documents there are.
    fn count(&self) -> usize;

    /// Calls `then` when a commit is done or has failed. It does so at once, on this thread, if that is known
    /// already. Otherwise it is called from the engine's own thread, in the order of commits. `then` must not wait.
    fn when_committed(&self, commit: Commit, then: Committed);

    /// How the engine is. One that only keeps documents in memory is always well.
    fn health(&self) -> Health {
        Health::default()
    }

    /// Writes what is waiting and closes the engine, after which every write is refused; reads go on. Unlike all other
    /// functions this one waits for the disk. Must not be called from a [`Committed`]. Calling it again does nothing.
    ///
    /// # Errors
    ///
    /// When something could not be written, now or earlier.
    fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// How an engine is, for the status of a host.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// Records that were found damaged and left out when the store was opened.
    pub damaged: u64,
    /// Writes that are not on disk yet.
    pub waiting: u64,
    /// Commits since the store was opened.
    pub commits: u64,
    /// Why nothing can be written any more.
    pub failure: Option<StoreError>,
}

/// Milliseconds since 1970.
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_millis() as u64)
}
