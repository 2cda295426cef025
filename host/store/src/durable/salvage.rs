//! Rescue of a damaged file.
//!
//! Enters: a file that redb refuses, since the checksum of some page does not match. Leaves: a new file in its place
//! with all records that are as they were written, and the names of the others. Guarantees: the damaged file is kept
//! beside the new one. Either every record that is left out is named, or nothing is done and the file is refused.
//!
//! redb refuses a file as a whole, while most damage is to a single record, and records carry checksums of their own.

use super::IfMissing;
use super::batches::Unmerged;
use super::error::{FileError, FileErrorKind};
use super::file::{BATCHES, DOCUMENTS, DamagedRecord, Others, StoreFile};
use super::format::{ABOUT, FORMATS};
use super::record::{self, Entry};
use crate::now;
use redb::backends::{FileBackend, InMemoryBackend};
use redb::{Builder, ReadableDatabase, ReadableTable, ReadableTableMetadata, StorageBackend, TableError};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, Permissions};
use std::ops::Bound;
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Puts a file with everything that is whole in the place of a damaged one.
///
/// # Errors
///
/// `refused`, when what is left out could not be named; the file is then as it was.
pub(super) fn salvage(path: &Path, refused: FileError) -> Result<StoreFile, FileError> {
    // Nobody else opens it meanwhile.
    let file = OpenOptions::new().read(true).write(true).open(path);
    let file = file.map_err(|error| FileError::opening(path, &error))?;
    let lock = FileBackend::new(file).map_err(|error| FileError::of_redb(path, error.into()))?;
    if !matches!(lock.try_lock_range(Bound::Unbounded, Bound::Unbounded), Ok(true)) {
        return Err(FileError::in_use(path));
    }
    let bytes = fs::read(path).map_err(|error| FileError::opening(path, &error))?;
    // redb panics at some kinds of damage.
    let found = catch_unwind(AssertUnwindSafe(|| read(&bytes)));
    drop(bytes);
    let Ok(Some((entries, damaged))) = found else {
        return Err(refused);
    };
    let (kept, rebuilt) = (
        beside(path, &format!("damaged-{}", now())),
        beside(path, "rebuilt"),
    );
    // The remains of an earlier attempt.
    let _ = fs::remove_file(&rebuilt);
    let mut new = StoreFile::open_sound(&rebuilt, IfMissing::Create)?;
    new.write_all(Others::Keep, entries.into_iter().map(Ok::<_, FileError>))?;
    let in_place = fs::hard_link(path, &kept)
        .and_then(|()| fs::rename(&rebuilt, path))
        .and_then(|()| fs::set_permissions(&kept, Permissions::from_mode(0o600)))
        .and_then(|()| File::open(super::opening::folder_of(path))?.sync_all());
    in_place.map_err(|error| {
        FileError::new(
            FileErrorKind::System,
            path,
            format_args!("is damaged, and no other can be put in its place: {error}"),
        )
    })?;
    tracing::error!(
        "{} was damaged: {} of its records are lost; it is kept as {}",
        path.display(),
        damaged.len(),
        kept.display()
    );
    new.is_now(path, damaged);
    Ok(new)
}

/// All records, or nothing when the tables do not hang together.
fn read(bytes: &[u8]) -> Option<(Vec<Entry>, Vec<DamagedRecord>)> {
    let memory = InMemoryBackend::new();
    memory.set_len(bytes.len() as u64).ok()?;
    memory.write(0, bytes).ok()?;
    let database = Builder::new().open_read_only_with_backend(memory).ok()?;
    let transaction = database.begin_read().ok()?;
    let format = transaction
        .open_table(ABOUT)
        .ok()?
        .get(&b"format"[..])
        .ok()??
        .value();
    let documents = transaction.open_table(DOCUMENTS).ok()?;
    if !FORMATS.contains(&format) {
        return None;
    }
    let (mut entries, mut damaged) = (Vec::<Entry>::new(), Vec::new());
    for entry in documents.iter().ok()? {
        let (key, value) = entry.ok()?;
        match record::decode(key.value(), value.value()) {
            Ok((path, record)) => {
                // A damaged page of pointers may lead to the same records twice, and past others.
                if entries.last().is_some_and(|last| *last.path >= *path) {
                    return None;
                }
                entries.push(Entry::new(path, record));
            }
            Err(reason) => damaged.push(DamagedRecord {
                path: String::from_utf8_lossy(key.value()).into_owned(),
                reason,
            }),
        }
    }
    let all = documents.len().ok()?;
    if (entries.len() + damaged.len()) as u64 != all {
        return None;
    }
    match transaction.open_table(BATCHES) {
        Ok(batches) => newer(&batches, entries, damaged),
        Err(TableError::TableDoesNotExist(_)) => Some((entries, damaged)),
        Err(_) => None,
    }
}

/// Lays what was not merged yet over the documents.
fn newer(
    batches: &impl ReadableTable<u64, &'static [u8]>,
    entries: Vec<Entry>,
    mut damaged: Vec<DamagedRecord>,
) -> Option<(Vec<Entry>, Vec<DamagedRecord>)> {
    let mut unmerged = Unmerged::default();
    for batch in batches.iter().ok()? {
        let (number, batch) = batch.ok()?;
        // As above: nothing twice, and nothing in another order.
        if number.value() < unmerged.next {
            return None;
        }
        unmerged.next = number.value() + 1;
        let lost = unmerged.add(batch.value()).into_iter();
        damaged.extend(lost.map(|change| DamagedRecord {
            path: change.path,
            reason: change.reason,
        }));
    }
    let mut documents: BTreeMap<String, Entry> = entries
        .into_iter()
        .map(|entry| (entry.path.clone(), entry))
        .collect();
    for (path, value) in &unmerged.values {
        let path = std::str::from_utf8(path).ok()?;
        match value {
            None => {
                documents.remove(path);
            }
            Some(value) => {
                let (_, record) = record::decode(path.as_bytes(), value).ok()?;
                documents.insert(path.to_owned(), Entry::new(path, record));
            }
        }
        // The existing document is newer than the lost one.
        damaged.retain(|record| record.path != path);
    }
    Some((documents.into_values().collect(), damaged))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}
