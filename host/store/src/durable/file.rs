//! The file of a store, a redb database. It has a table of documents, a table of commits that are not merged into it
//! yet, and a table that names the format.
//!
//! Enters: a path, and changes. Leaves: the documents, and sentences about what is wrong. Guarantees: only one
//! process has the file open. All changes of one [`StoreFile::write`] are on disk when it returns, or none of them
//! counts. Nothing panics beyond this module, whatever is in the file.

use super::batches::{self, MERGE_AT, Unmerged};
use super::error::{FileError, FileErrorKind};
use super::format;
use super::held::{Held, Reading};
use super::opening::{self, IfMissing, Opened};
use super::record::{self, Entry, Record};
use super::salvage::salvage;
use redb::{
    Builder, Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, StorageBackend,
    TableDefinition, TableError, WriteTransaction,
};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Paths and records; bytes and not text, since redb takes it for granted that text on disk is UTF-8.
pub(super) const DOCUMENTS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("documents");
/// Changes that are not in the table of documents yet, by number.
pub(super) const BATCHES: TableDefinition<u64, &[u8]> = TableDefinition::new("batches");
/// Everything is in memory once already.
const CACHE_BYTES: usize = 8 * 1024 * 1024;

/// An open file. No other process, and nobody else in this one, can open it meanwhile.
pub struct StoreFile {
    path: PathBuf,
    held: Option<Held>,
    // Absent only while it is being closed.
    database: Option<Database>,
    // Set once redb has panicked: what state it is in is then unknown, and closing it would write that to the disk.
    panicked: AtomicBool,
    // Set once a write has failed: trying again could make things worse.
    failed: bool,
    // In which format the file is.
    pub(super) format: u64,
    // Records that a damaged file in its place had, and that are lost.
    lost: Vec<DamagedRecord>,
    unmerged: Unmerged,
    // A buffer that is used again.
    batch: Vec<u8>,
}

/// A record that cannot be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedRecord {
    /// Its path, as far as it can be read.
    pub path: String,
    /// The fault, such as "its checksum does not match".
    pub reason: &'static str,
}

/// The result of [`StoreFile::compact`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// The size of the file before, in bytes.
    pub before: u64,
    /// The size now.
    pub after: u64,
}

/// The fate of the documents that are not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// They stay.
    Keep,
    /// They are removed.
    Remove,
}

impl StoreFile {
    /// Opens a file, checks the whole of it, and finishes or rolls back what a crash has interrupted. Makes a new one,
    /// and the folders above it, if there is none and `missing` says so. Replaces a damaged file by what can be saved of
    /// it, and keeps the damaged one under another name.
    ///
    /// # Errors
    ///
    /// The reason why the file cannot be opened.
    pub fn open(path: &Path, missing: IfMissing) -> Result<StoreFile, FileError> {
        match StoreFile::open_sound(path, missing) {
            Err(refused) if refused.kind() == FileErrorKind::Damaged => salvage(path, refused),
            other => other,
        }
    }

    /// As [`StoreFile::open`], and refuses a damaged file.
    pub(super) fn open_sound(path: &Path, missing: IfMissing) -> Result<StoreFile, FileError> {
        let Opened { file, made } = opening::open(path, missing)?;
        let held = Held::new(file).map_err(|error| FileError::opening(path, &error))?;
        let opened = StoreFile::of_held(held, path).inspect_err(|_| {
            if !made.is_empty() {
                // Half a file is not taken for a store, and there is nothing in it.
                let _ = fs::remove_file(path);
            }
        })?;
        for folder in made {
            // A file is not on disk before its name is.
            let synced = File::open(&folder).and_then(|folder| folder.sync_all());
            synced.map_err(|error| FileError::opening(path, &error))?;
        }
        Ok(opened)
    }

    /// As [`StoreFile::open_sound`], of a file that is open already.
    pub(super) fn of_held(held: Held, path: &Path) -> Result<StoreFile, FileError> {
        held.forget_cached();
        let mut file = StoreFile::with_backend(held.clone(), path)?;
        file.held = Some(held);
        Ok(file)
    }

    /// Opens a file to read it, where nothing can be written: what a crash has interrupted is finished or rolled back in memory.
    pub(super) fn open_for_reading(path: &Path) -> Result<StoreFile, FileError> {
        let failed = |error: std::io::Error| FileError::opening(path, &error);
        let held = Held::new(opening::open(path, IfMissing::Refuse)?.file).map_err(failed)?;
        let reading = Reading::new(held.clone()).map_err(failed)?;
        let mut file = StoreFile::with_backend(reading, path)?;
        file.held = Some(held);
        Ok(file)
    }

    /// The medium below, where that is a file: the holder of this keeps the file.
    pub(super) fn held(&self) -> Option<Held> {
        self.held.clone()
    }

    /// As [`StoreFile::open`], on any storage; `path` is what errors say.
    pub(super) fn with_backend(backend: impl StorageBackend, path: &Path) -> Result<StoreFile, FileError> {
        let rolled_back = Arc::new(AtomicBool::new(false));
        let noted = rolled_back.clone();
        let panicked = AtomicBool::new(false);
        let database = contained(path, &panicked, || {
            Builder::new()
                .set_cache_size(CACHE_BYTES)
                .set_check_integrity_on_open(true)
                .set_repair_callback(move |session| {
                    // The first third is the check of the last commit; more than that is asked for only here when it
                    // has not passed.
                    if (0.2..0.5).contains(&session.progress()) {
                        noted.store(true, Ordering::Relaxed);
                    }
                })
                .create_with_backend(backend)
                .map_err(redb::Error::from)
        })?;
        if rolled_back.load(Ordering::Relaxed) {
            tracing::warn!(
                "{}: the last commit was not complete and was rolled back",
                path.display()
            );
        }
        let mut file = StoreFile {
            path: path.to_owned(),
            held: None,
            database: Some(database),
            panicked,
            failed: false,
            format: 0,
            lost: Vec::new(),
            unmerged: Unmerged::default(),
            batch: Vec::new(),
        };
        file.check_format()?;
        file.find_unmerged()?;
        file.merge()?;
        Ok(file)
    }

    /// The file has been moved to where another was, with the records that were lost with that.
    pub(super) fn is_now(&mut self, path: &Path, lost: Vec<DamagedRecord>) {
        self.path = path.to_owned();
        self.lost = lost;
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many records there are.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn count(&self) -> Result<u64, FileError> {
        self.contained(|database| Ok(database.begin_read()?.open_table(DOCUMENTS)?.len()?))
    }

    /// Shows all documents in ascending order of paths, until `visit` returns false. Returns the damaged records, here
    /// or in the damaged file that this one has replaced when it was opened. They are not shown.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn read(
        &mut self,
        visit: &mut dyn FnMut(&str, Record<'_>) -> bool,
    ) -> Result<Vec<DamagedRecord>, FileError> {
        self.merge()?;
        let mut damaged = self.lost.clone();
        self.contained(|database| {
            for entry in database.begin_read()?.open_table(DOCUMENTS)?.iter()? {
                let (key, value) = entry?;
                match record::decode(key.value(), value.value()) {
                    Ok((path, record)) => {
                        if !visit(path, record) {
                            break;
                        }
                    }
                    Err(reason) => damaged.push(DamagedRecord {
                        path: String::from_utf8_lossy(key.value()).into_owned(),
                        reason,
                    }),
                }
            }
            Ok(())
        })?;
        Ok(damaged)
    }

    /// Writes documents (`None` removes one) as one transaction; they are on disk when this returns.
    ///
    /// # Errors
    ///
    /// When the file cannot be written. Nothing must be written after that: what the disk holds is then known only when
    /// the file is opened again.
    pub(super) fn write(&mut self, changes: &BTreeMap<&str, Option<Record<'_>>>) -> Result<(), FileError> {
        let mut batch = std::mem::take(&mut self.batch);
        batches::encode(changes, &mut batch);
        let number = self.unmerged.next;
        let format = self.format_for(
            changes
                .values()
                .flatten()
                .any(|record| record.modified_by.is_some()),
        );
        let written = self.transaction(|transaction| {
            format::change(transaction, self.format, format)?;
            let mut batches = transaction.open_table(BATCHES).map_err(redb::Error::from)?;
            batches.insert(number, &*batch)?;
            Ok(Some(()))
        });
        self.failed |= written.is_err();
        if written.is_ok() {
            self.format = format;
            self.unmerged.next += 1;
            // It is as it was written.
            self.unmerged.add(&batch);
        }
        self.batch = batch;
        written?;
        if self.unmerged.bytes >= MERGE_AT {
            self.merge()?;
        }
        Ok(())
    }

    /// Finds what an earlier process has not merged.
    fn find_unmerged(&mut self) -> Result<(), FileError> {
        let mut unmerged = Unmerged::default();
        let mut damaged = Vec::new();
        self.contained(|database| {
            let batches = match database.begin_read()?.open_table(BATCHES) {
                Ok(batches) => batches,
                Err(TableError::TableDoesNotExist(_)) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            for entry in batches.iter()? {
                let (number, batch) = entry?;
                unmerged.next = number.value() + 1;
                damaged.extend(unmerged.add(batch.value()));
            }
            Ok(())
        })?;
        self.unmerged = unmerged;
        self.lost.extend(damaged.into_iter().map(|change| DamagedRecord {
            path: change.path,
            reason: change.reason,
        }));
        Ok(())
    }

    /// Moves what was written into the table of documents.
    fn merge(&mut self) -> Result<(), FileError> {
        if self.unmerged.bytes == 0 {
            return Ok(());
        }
        let values = &self.unmerged.values;
        let merged = self.transaction(|transaction| {
            let mut documents = transaction.open_table(DOCUMENTS).map_err(redb::Error::from)?;
            for (path, value) in values {
                match value {
                    Some(record) => documents.insert(&**path, &**record)?,
                    None => documents.remove(&**path)?,
                };
            }
            transaction.delete_table(BATCHES).map_err(redb::Error::from)?;
            Ok(Some(()))
        });
        self.failed |= merged.is_err();
        merged?;
        self.unmerged.clear();
        Ok(())
    }

    /// Writes entries as one transaction, in their order. Returns how many documents there are now.
    ///
    /// # Errors
    ///
    /// The first error of the iterator, or that the file cannot be written; nothing has been changed then.
    pub fn write_all<E: From<FileError>>(
        &mut self,
        others: Others,
        entries: impl Iterator<Item = Result<Entry, E>>,
    ) -> Result<u64, E> {
        self.merge()?;
        let mut refused = None;
        let mut format = self.format;
        let written = self.transaction(|transaction| {
            if others == Others::Remove {
                transaction.delete_table(DOCUMENTS).map_err(redb::Error::from)?;
            }
            let mut documents = transaction.open_table(DOCUMENTS).map_err(redb::Error::from)?;
            let mut record = Vec::new();
            for entry in entries {
                match entry {
                    Ok(entry) => {
                        format = format.max(self.format_for(entry.modified_by.is_some()));
                        record::encode(&entry.path, entry.record(), &mut record);
                        documents.insert(entry.path.as_bytes(), &*record)?;
                    }
                    Err(error) => {
                        refused = Some(error);
                        return Ok(None);
                    }
                }
            }
            format::change(transaction, self.format, format)?;
            Ok(Some(documents.len()?))
        });
        if let Some(refused) = refused {
            return Err(refused);
        }
        let count = written?.unwrap_or_default();
        self.format = format;
        Ok(count)
    }

    /// Gives the space of removed and overwritten documents back to the disk. Takes time in proportion to the file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or written; it holds the same documents all the same.
    pub fn compact(&mut self) -> Result<Compacted, FileError> {
        self.merge()?;
        let before = self.size()?;
        if let Some(database) = &mut self.database {
            // redb may leave some for the next call; the number of calls is bounded all the same.
            contained(&self.path, &self.panicked, || {
                for _ in 0..16 {
                    if !database.compact()? {
                        break;
                    }
                }
                Ok(())
            })?;
        }
        let after = self.size()?;
        Ok(Compacted { before, after })
    }

    /// Closes the file; dropping it does the same and says nothing about failures.
    ///
    /// # Errors
    ///
    /// When the system refuses it. Earlier writes are on disk all the same.
    pub fn close(mut self) -> Result<(), FileError> {
        self.close_database()
    }

    fn close_database(&mut self) -> Result<(), FileError> {
        if self.database.is_some() && !self.failed && !self.panicked.load(Ordering::Relaxed) {
            // Pages that cannot be merged are merged when the file is opened again.
            let _ = self.merge();
        }
        let Some(database) = self.database.take() else {
            return Ok(());
        };
        if self.panicked.load(Ordering::Relaxed) {
            std::mem::forget(database);
            return Ok(());
        }
        contained(&self.path, &self.panicked, || Ok(database.close()?))
    }

    fn size(&self) -> Result<u64, FileError> {
        let metadata = fs::metadata(&self.path).map_err(|error| FileError::opening(&self.path, &error))?;
        Ok(metadata.len())
    }

    /// Runs `change` and commits, or, when it fails or returns `None`, leaves everything as it was.
    pub(super) fn transaction<T>(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<Option<T>, redb::Error>,
    ) -> Result<Option<T>, FileError> {
        self.contained(|database| {
            let transaction = database.begin_write()?;
            let Some(value) = change(&transaction)? else {
                return Ok(None);
            };
            transaction.commit()?;
            Ok(Some(value))
        })
    }

    pub(super) fn contained<T>(
        &self,
        action: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, FileError> {
        match &self.database {
            Some(database) if !self.panicked.load(Ordering::Relaxed) => {
                contained(&self.path, &self.panicked, || action(database))
            }
            _ => Err(FileError::damaged(&self.path, "using it has failed before")),
        }
    }
}

impl Drop for StoreFile {
    fn drop(&mut self) {
        let _ = self.close_database();
    }
}

/// Runs something of redb, which is written to trust its file and panics at some kinds of damage.
fn contained<T>(
    path: &Path,
    panicked: &AtomicBool,
    action: impl FnOnce() -> Result<T, redb::Error>,
) -> Result<T, FileError> {
    match catch_unwind(AssertUnwindSafe(action)) {
        Ok(result) => result.map_err(|error| FileError::of_redb(path, error)),
        Err(panic) => {
            panicked.store(true, Ordering::Relaxed);
            let how = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("no reason given");
            Err(FileError::damaged(
                path,
                format_args!("redb cannot make sense of it ({how})"),
            ))
        }
    }
}
