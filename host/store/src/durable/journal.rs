//! The way from the index to the disk.
//!
//! Enters: the changes of the index, in its order. Leaves: commits, one after the other, and the callbacks that wait
//! for them. Guarantees: the disk sees changes in the order in which readers saw them. While one commit is on its way
//! to the disk the next collects. So a commit never waits for company and never lacks it under load. When a commit
//! fails the index goes back to the last one that succeeded, and nothing is written any more. When it failed since
//! the disk was full, that is until there is room again, and the file is the same as the index then.

use super::error::{FileError, FileErrorKind};
use super::file::StoreFile;
use super::held::Held;
use super::opening;
use super::record::Record;
use super::{Durability, Options};
use crate::index::{Change, Index};
use crate::{Committed, Health, StoreError, StoreErrorKind};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

const UNTIL_RESTART: &str = "until the host is started again";
const UNTIL_ROOM: &str = "until the disk has room";
/// How long changes wait when nobody has asked for them to be on disk.
const CONVENIENCE: Duration = Duration::from_secs(10);
/// How long after a disk was full it is looked at again.
const UNTIL_NEXT_LOOK: Duration = Duration::from_secs(2);
/// How much room there must be for another try.
const ROOM: usize = 512 * 1024;
/// The memory of a change beside its texts.
const CHANGE_BYTES: usize = 224;

/// The state that writers, readers and the journal's thread share. `index` is locked before `queue`.
pub(super) struct Journal {
    pub(super) index: RwLock<Index>,
    queue: Mutex<Queue>,
    wake: Condvar,
    /// How long changes may collect.
    delay: Duration,
    limit: usize,
}

/// How the file is.
pub(super) enum Disk {
    /// It takes writes.
    Takes(StoreFile),
    /// There is no room for any. Nobody else can open the file meanwhile.
    Full {
        /// The file.
        held: Held,
        /// Where it is.
        path: PathBuf,
    },
}

impl Disk {
    pub(super) fn path(&self) -> &Path {
        match self {
            Disk::Takes(file) => file.path(),
            Disk::Full { path, .. } => path,
        }
    }
}

#[derive(Default)]
struct Queue {
    /// In the order in which they were made.
    changes: Vec<Change>,
    /// Of these and of those that are being written.
    bytes: usize,
    /// The number of the last write.
    last: u64,
    /// The number of the last write that is on disk.
    committed: u64,
    commits: u64,
    callbacks: Vec<(u64, Committed)>,
    /// The thread sleeps until there are so many bytes; nobody needs to wake it when there is no such number.
    wake_at: Option<usize>,
    closing: bool,
    failure: Option<StoreError>,
    /// The writes that were rolled back before there was room again.
    lost: Option<(RangeInclusive<u64>, StoreError)>,
}

impl Queue {
    /// Whether anything is written any more.
    fn check(&self) -> Result<(), StoreError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        if self.closing {
            return Err(closed());
        }
        Ok(())
    }
}

impl Journal {
    pub(super) fn new(index: Index, options: &Options) -> Journal {
        Journal {
            index: RwLock::new(index),
            queue: Mutex::default(),
            wake: Condvar::new(),
            delay: match options.durability {
                Durability::Commit => Duration::ZERO,
                Durability::Interval => options.interval,
                Durability::None => CONVENIENCE,
            },
            limit: options.queue_bytes,
        }
    }

    /// Whether a write may be made now. Must be asked, and the changes pushed, under one write lock of the index.
    pub(super) fn admit(&self) -> Result<(), StoreError> {
        let queue = self.queue();
        queue.check()?;
        if queue.bytes >= self.limit {
            return Err(StoreError::new(
                StoreErrorKind::Busy,
                "the store is busy: the disk does not keep up with what is written",
            ));
        }
        Ok(())
    }

    /// As [`Journal::admit`], for a write that was begun: it ends however much is waiting.
    pub(super) fn admit_more(&self) -> Result<(), StoreError> {
        self.queue().check()
    }

    /// Takes the changes of one write. Returns its number.
    pub(super) fn push(&self, changes: impl IntoIterator<Item = Change>) -> u64 {
        let mut queue = self.queue();
        for change in changes {
            queue.bytes += size(&change);
            queue.changes.push(change);
        }
        queue.last += 1;
        if queue.wake_at.is_some_and(|bytes| queue.bytes >= bytes) {
            queue.wake_at = None;
            self.wake.notify_one();
        }
        queue.last
    }

    /// The number of the last write.
    pub(super) fn last(&self) -> u64 {
        self.queue().last
    }

    pub(super) fn when_committed(&self, number: u64, then: Committed) {
        let mut queue = self.queue();
        let lost = queue
            .lost
            .as_ref()
            .filter(|(numbers, _)| numbers.contains(&number));
        let known = match (&queue.failure, lost) {
            (_, Some((_, failure))) => Some(Err(failure.clone())),
            _ if number <= queue.committed => Some(Ok(())),
            (Some(failure), None) => Some(Err(failure.clone())),
            (None, None) => None,
        };
        match known {
            Some(result) => {
                drop(queue);
                then(result);
            }
            None => queue.callbacks.push((number, then)),
        }
    }

    pub(super) fn health(&self) -> Health {
        let queue = self.queue();
        Health {
            damaged: 0,
            waiting: queue.last - queue.committed,
            commits: queue.commits,
            failure: queue.failure.clone(),
        }
    }

    /// Tells the thread to write what is there and to end.
    pub(super) fn close(&self) {
        let mut queue = self.queue();
        queue.closing = true;
        queue.wake_at = None;
        self.wake.notify_one();
    }

    /// Why nothing can be written, unless that is only because it was closed.
    pub(super) fn failure(&self) -> Option<StoreError> {
        self.queue().failure.clone()
    }

    /// Writes until it is closed, or until a commit fails for another reason than that the disk is full.
    pub(super) fn run(&self, mut disk: Disk) {
        loop {
            let next = match disk {
                Disk::Takes(file) => self.write(file),
                Disk::Full { held, path } => self.wait_for_room(&held, &path).map(Disk::Takes),
            };
            match next {
                Some(next) => disk = next,
                None => return,
            }
        }
    }

    /// Writes what comes. Returns what to do after the disk was full.
    fn write(&self, mut file: StoreFile) -> Option<Disk> {
        while let Some((changes, number)) = self.next_batch() {
            match file.write(&last_of_each_path(&changes)) {
                Ok(()) => self.committed(&changes, number),
                Err(error) => {
                    let held = file.held().filter(|_| error.kind() == FileErrorKind::Full);
                    let path = file.path().to_owned();
                    drop(file);
                    let until = match held {
                        Some(_) => UNTIL_ROOM,
                        None => UNTIL_RESTART,
                    };
                    tracing::error!(
                        "{error}; what was not on disk yet is rolled back, and nothing is written any more {until}"
                    );
                    self.failed(changes, &error, until);
                    return held.map(|held| Disk::Full { held, path });
                }
            }
        }
        if let Err(error) = file.close() {
            tracing::error!("{error}");
            self.failed(Vec::new(), &error, UNTIL_RESTART);
        }
        None
    }

    /// Waits until the disk takes writes again. `None` when it is closed, or when the file is not what it was.
    fn wait_for_room(&self, held: &Held, path: &Path) -> Option<StoreFile> {
        loop {
            let mut queue = self.queue();
            let until = Instant::now() + UNTIL_NEXT_LOOK;
            while !queue.closing {
                let rest = until.saturating_duration_since(Instant::now());
                if rest.is_zero() {
                    break;
                }
                let waited = self.wake.wait_timeout(queue, rest);
                queue = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            if queue.closing {
                return None;
            }
            drop(queue);
            if !opening::has_room(path, ROOM) {
                continue;
            }
            let opened = StoreFile::of_held(held.clone(), path).and_then(|mut file| {
                self.make_equal(&mut file)?;
                Ok(file)
            });
            match opened {
                Ok(file) => {
                    self.takes_again();
                    tracing::warn!("{}: the disk has room again, writes are taken", path.display());
                    return Some(file);
                }
                Err(error) if error.kind() == FileErrorKind::Full => {}
                Err(error) => {
                    tracing::error!("{error}");
                    self.failed(Vec::new(), &error, UNTIL_RESTART);
                    return None;
                }
            }
        }
    }

    /// Makes the file what readers see: it may have what was rolled back when its commit failed.
    fn make_equal(&self, file: &mut StoreFile) -> Result<(), FileError> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let (mut paths, mut other) = (BTreeSet::new(), BTreeSet::new());
        file.read(&mut |path, record| {
            paths.insert(path.to_owned());
            if index.get(path).map(Record::from) != Some(record) {
                other.insert(path.to_owned());
            }
            true
        })?;
        let unwritten = index.paths().filter(|path| !paths.contains(*path));
        other.extend(unwritten.map(str::to_owned));
        drop(paths);
        if other.is_empty() {
            return Ok(());
        }
        let changes = other
            .iter()
            .map(|path| (&**path, index.get(path).map(Record::from)))
            .collect();
        file.write(&changes)
    }

    /// Takes writes again.
    fn takes_again(&self) {
        let mut queue = self.queue();
        if let Some(failure) = queue.failure.take()
            && queue.last > queue.committed
        {
            queue.lost = Some((queue.committed + 1..=queue.last, failure));
        }
        // The next number is not one of those that were lost.
        queue.last += 1;
        queue.committed = queue.last;
    }

    /// Takes no writes from the beginning.
    pub(super) fn refuse(&self, why: &FileError) {
        tracing::error!("{why}; reads are answered, and nothing is written {UNTIL_ROOM}");
        self.failed(Vec::new(), why, UNTIL_ROOM);
    }

    /// Waits for changes. `None` when there will be no more.
    fn next_batch(&self) -> Option<(Vec<Change>, u64)> {
        let mut queue = self.queue();
        while queue.changes.is_empty() && !queue.closing {
            queue.wake_at = Some(0);
            queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        let until = Instant::now() + self.delay;
        // A queue that fills up does not wait for its time to come.
        let enough = self.limit / 4;
        while !queue.closing && queue.bytes < enough {
            let rest = until.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                break;
            }
            queue.wake_at = Some(enough);
            queue = self
                .wake
                .wait_timeout(queue, rest)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        queue.wake_at = None;
        let changes = std::mem::take(&mut queue.changes);
        (!changes.is_empty()).then_some((changes, queue.last))
    }

    fn committed(&self, changes: &[Change], number: u64) {
        let bytes: usize = changes.iter().map(size).sum();
        let mut queue = self.queue();
        queue.bytes -= bytes;
        queue.committed = number;
        queue.commits += 1;
        let (due, later) = std::mem::take(&mut queue.callbacks)
            .into_iter()
            .partition(|(waits_for, _)| *waits_for <= number);
        queue.callbacks = later;
        drop(queue);
        call(due, &Ok(()));
    }

    /// Rolls back these changes and all that came after them.
    fn failed(&self, changes: Vec<Change>, why: &FileError, until: &str) {
        let failure = StoreError::new(
            StoreErrorKind::ReadOnly,
            format!("the store takes no more writes {until}: {why}"),
        );
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        let mut queue = self.queue();
        let newer = std::mem::take(&mut queue.changes);
        for change in newer.into_iter().rev().chain(changes.into_iter().rev()) {
            index.undo(change);
        }
        queue.bytes = 0;
        queue.failure = Some(failure.clone());
        let due = std::mem::take(&mut queue.callbacks);
        drop((queue, index));
        call(due, &Err(failure));
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn closed() -> StoreError {
    StoreError::new(
        StoreErrorKind::ReadOnly,
        "the store is closed: the host is stopping",
    )
}

/// Runs callbacks in the order of commits. One that panics does not keep the others from being told.
fn call(mut callbacks: Vec<(u64, Committed)>, result: &Result<(), StoreError>) {
    callbacks.sort_by_key(|(number, _)| *number);
    for (_, then) in callbacks {
        if catch_unwind(AssertUnwindSafe(|| then(result.clone()))).is_err() {
            tracing::error!("a callback of the store has panicked");
        }
    }
}

/// The content of each path after all changes, in order of paths: one write for each, and neighbours together.
fn last_of_each_path(changes: &[Change]) -> BTreeMap<&str, Option<Record<'_>>> {
    changes
        .iter()
        .map(|change| (&*change.path, change.after.as_ref().map(Record::from)))
        .collect()
}

fn size(change: &Change) -> usize {
    let text =
        |document: &Option<crate::Document>| document.as_ref().map_or(0, |document| document.data.len());
    CHANGE_BYTES + change.path.len() + text(&change.before) + text(&change.after)
}
