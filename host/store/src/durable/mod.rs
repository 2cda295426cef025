//! Documents on disk.
//!
//! Enters: writes, as to any [`Store`]. Leaves: reads from memory, and commits from the disk. Guarantees: a write is
//! in the file when its [`Commit`] is done, however the process ends then. A record is read only as it was written;
//! what does not count after a failure is rolled back before anybody hears of the failure. On a full disk a store
//! answers reads, and takes writes again by itself when there is room.
//!
//! ```text
//! writer ─▶ index (memory) ─▶ journal's queue ─▶ journal's thread ─▶ redb ─▶ fsync ─▶ when_committed
//!              ▲ undone when a commit fails ─────────────┘
//! ```

mod batches;
mod error;
mod file;
mod format;
mod held;
mod journal;
mod opening;
mod record;
mod salvage;
#[cfg(test)]
mod tests;

pub use error::{FileError, FileErrorKind};
pub use file::{Compacted, DamagedRecord, Others, StoreFile};
pub use mesh_files::Durability;
pub use opening::IfMissing;
pub use record::{Entry, Record};

use super::index::Index;
use super::{Commit, Committed, Cursor, Document, Health, Item, PathPattern, Step, Store, StoreError};
use super::{StoreErrorKind, Stored};
use journal::{Disk, Journal};
use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLockReadGuard, RwLockWriteGuard};
use std::thread::JoinHandle;
use std::time::Duration;

/// How a store treats writes.
#[derive(Clone, Debug)]
pub struct Options {
    /// When a write is acknowledged.
    pub durability: Durability,
    /// How long [`Durability::Interval`] may take.
    pub interval: Duration,
    /// Bytes that may wait for the disk before writes are refused as [`StoreErrorKind::Busy`].
    pub queue_bytes: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            durability: Durability::default(),
            interval: Duration::from_secs(1),
            queue_bytes: 64 * 1024 * 1024,
        }
    }
}

/// A store on disk that answers reads from memory.
pub struct DurableStore {
    journal: Arc<Journal>,
    durability: Durability,
    damaged: Vec<DamagedRecord>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl DurableStore {
    /// Opens the file, or makes it together with the folders above it, and reads all of it into memory. Damaged records
    /// are logged and left out. On a full disk it is opened for reading.
    ///
    /// # Errors
    ///
    /// The obstacle, in one sentence.
    pub fn open(path: &Path, options: &Options) -> Result<DurableStore, FileError> {
        match StoreFile::open(path, IfMissing::Create) {
            Err(full) if full.kind() == FileErrorKind::Full => DurableStore::for_reading(path, options, full),
            opened => DurableStore::of_file(opened?, options),
        }
    }

    /// Answers from a file that cannot be written; `full` says why.
    fn for_reading(path: &Path, options: &Options, full: FileError) -> Result<DurableStore, FileError> {
        let Ok(mut file) = StoreFile::open_for_reading(path) else {
            return Err(full);
        };
        let (index, damaged) = load(&mut file)?;
        let held = file.held().ok_or_else(|| full.clone())?;
        drop(file);
        let journal = Journal::new(index, options);
        journal.refuse(&full);
        let disk = Disk::Full {
            held,
            path: path.to_owned(),
        };
        DurableStore::start(journal, damaged, disk, options)
    }

    fn of_file(mut file: StoreFile, options: &Options) -> Result<DurableStore, FileError> {
        let (index, damaged) = load(&mut file)?;
        DurableStore::start(Journal::new(index, options), damaged, Disk::Takes(file), options)
    }

    fn start(
        journal: Journal,
        damaged: Vec<DamagedRecord>,
        disk: Disk,
        options: &Options,
    ) -> Result<DurableStore, FileError> {
        let (journal, path) = (Arc::new(journal), disk.path().to_owned());
        let own = journal.clone();
        let thread = std::thread::Builder::new()
            .name("mesh-store".to_owned())
            .spawn(move || own.run(disk))
            .map_err(|error| FileError::opening(&path, &error))?;
        Ok(DurableStore {
            journal,
            durability: options.durability,
            damaged,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// The records that were found damaged on opening.
    pub fn damaged(&self) -> &[DamagedRecord] {
        &self.damaged
    }

    fn read(&self) -> RwLockReadGuard<'_, Index> {
        self.journal.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Index> {
        self.journal.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a document, once that is admitted.
    fn put(&self, index: &mut Index, path: &str, data: Arc<str>, by: Option<&Arc<str>>) -> Stored {
        let (document, change) = index.set(path, data, by.cloned());
        let is_new = change.before.is_none();
        let commit = self.commit(self.journal.push([change]));
        Stored {
            document,
            is_new,
            commit,
        }
    }

    fn commit(&self, number: u64) -> Commit {
        match self.durability {
            Durability::Commit => Commit::Pending(number),
            Durability::Interval | Durability::None => Commit::Done,
        }
    }
}

/// Reads all documents, and names the damaged records.
fn load(file: &mut StoreFile) -> Result<(Index, Vec<DamagedRecord>), FileError> {
    let mut documents = Vec::with_capacity(usize::try_from(file.count()?).unwrap_or(0));
    // Documents of one user share the name.
    let mut names: HashSet<Arc<str>> = HashSet::new();
    let damaged = file.read(&mut |path, record| {
        let document = Document {
            data: record.data.into(),
            meta: record.meta,
            modified_by: record.modified_by.map(|name| match names.get(name) {
                Some(name) => name.clone(),
                None => {
                    let name: Arc<str> = name.into();
                    names.insert(name.clone());
                    name
                }
            }),
        };
        documents.push((path.into(), document));
        true
    })?;
    for record in &damaged {
        tracing::error!(
            "{}: the record of {} is left out: {}",
            file.path().display(),
            record.path,
            record.reason
        );
    }
    Ok((Index::from_ordered(documents), damaged))
}

impl Store for DurableStore {
    fn get(&self, path: &str) -> Option<Document> {
        self.read().get(path).cloned()
    }

    fn update_by(
        &self,
        path: &str,
        by: Option<&Arc<str>>,
        change: &mut dyn FnMut(Option<&Document>) -> Option<Arc<str>>,
    ) -> Result<Option<Stored>, StoreError> {
        let mut index = self.write();
        self.journal.admit()?;
        let data = change(index.get(path));
        Ok(data.map(|data| self.put(&mut index, path, data, by)))
    }

    fn set_by(&self, path: &str, data: &str, by: Option<&Arc<str>>) -> Result<Stored, StoreError> {
        let data: Arc<str> = data.into();
        let mut index = self.write();
        self.journal.admit()?;
        Ok(self.put(&mut index, path, data, by))
    }

    fn remove(
        &self,
        pattern: &PathPattern<'_>,
        admits: &mut dyn FnMut(&str, &Document) -> bool,
    ) -> Result<(u64, Commit), StoreError> {
        let mut index = self.write();
        self.journal.admit()?;
        let changes = index.remove(pattern, admits);
        let count = changes.len() as u64;
        if count == 0 {
            // That there was nothing is as certain as the writes that made it so.
            return Ok((0, self.commit(self.journal.last())));
        }
        Ok((count, self.commit(self.journal.push(changes))))
    }

    fn remove_found(
        &self,
        found: &[Item],
        step: Step,
        admits: &mut dyn FnMut(&str, &Document) -> bool,
    ) -> Result<(u64, Commit), StoreError> {
        let mut index = self.write();
        match step {
            Step::First => self.journal.admit()?,
            Step::Later => self.journal.admit_more()?,
        }
        let changes = index.remove_found(found, admits);
        let count = changes.len() as u64;
        if count == 0 {
            return Ok((0, self.commit(self.journal.last())));
        }
        Ok((count, self.commit(self.journal.push(changes))))
    }

    fn slice(&self, pattern: &PathPattern<'_>, cursor: &mut Cursor, found: &mut Vec<Item>) -> usize {
        self.read().slice(pattern, cursor, found)
    }

    fn count(&self) -> usize {
        self.read().count()
    }

    fn when_committed(&self, commit: Commit, then: Committed) {
        match commit {
            Commit::Done => then(Ok(())),
            Commit::Pending(number) => self.journal.when_committed(number, then),
        }
    }

    fn health(&self) -> Health {
        Health {
            damaged: self.damaged.len() as u64,
            ..self.journal.health()
        }
    }

    fn close(&self) -> Result<(), StoreError> {
        self.journal.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Dropped by a callback, the thread itself cannot wait for its end, which comes all the same.
        let others = thread.filter(|thread| thread.thread().id() != std::thread::current().id());
        if others.is_some_and(|thread| thread.join().is_err()) {
            return Err(StoreError::new(
                StoreErrorKind::ReadOnly,
                "the store has ended before its time",
            ));
        }
        self.journal.failure().map_or(Ok(()), Err)
    }
}

impl Drop for DurableStore {
    fn drop(&mut self) {
        // Failures have been logged.
        let _ = self.close();
    }
}
