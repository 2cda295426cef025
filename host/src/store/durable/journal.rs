//! The way from the index to the disk.
//!
//! What enters: the changes of the index, in its order. What leaves: commits, one after the other, and the callbacks
//! that wait for them. Guarantees: the disk sees changes in the order in which readers saw them; while one commit is
//! on its way to the disk the next collects, so that a commit never waits for company and never lacks it under load;
//! when a commit fails the index goes back to the last one that succeeded, and nothing is written any more.

use super::file::StoreFile;
use super::{Durability, Options};
use crate::store::index::{Change, Index};
use crate::store::{Committed, Health, StoreError, StoreErrorKind};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// How long changes wait when nobody has asked for them to be on disk.
const CONVENIENCE: Duration = Duration::from_secs(10);
/// What a change costs beside its texts.
const CHANGE_BYTES: usize = 192;

/// What writers, readers and the journal's thread share. `index` is locked before `queue`.
pub(super) struct Journal {
    pub(super) index: RwLock<Index>,
    queue: Mutex<Queue>,
    wake: Condvar,
    /// How long changes may collect.
    delay: Duration,
    limit: usize,
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
        let known = match &queue.failure {
            _ if number <= queue.committed => Some(Ok(())),
            Some(failure) => Some(Err(failure.clone())),
            None => None,
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

    /// Writes until it is closed or a commit fails.
    pub(super) fn run(&self, mut file: StoreFile) {
        while let Some((changes, number)) = self.next_batch() {
            match file.write(&last_of_each_path(&changes)) {
                Ok(()) => self.committed(&changes, number),
                Err(error) => {
                    tracing::error!(
                        "{error}; what was not on disk yet is taken back, and nothing is written any more"
                    );
                    self.failed(changes, &error.to_string());
                    return;
                }
            }
        }
        if let Err(error) = file.close() {
            tracing::error!("{error}");
            self.failed(Vec::new(), &error.to_string());
        }
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

    /// Takes back these changes and all that came after them.
    fn failed(&self, changes: Vec<Change>, why: &str) {
        let failure = StoreError::new(
            StoreErrorKind::ReadOnly,
            format!("the store takes no more writes until the host is started again: {why}"),
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

/// What a path holds after all changes, in order of paths: one write for each, and neighbours together.
fn last_of_each_path(changes: &[Change]) -> BTreeMap<&str, Option<(crate::protocol::DocumentMeta, &str)>> {
    changes
        .iter()
        .map(|change| {
            let after = change.after.as_ref();
            (&*change.path, after.map(|after| (after.meta, &*after.data)))
        })
        .collect()
}

fn size(change: &Change) -> usize {
    let text = |document: &Option<crate::store::Document>| {
        document.as_ref().map_or(0, |document| document.data.len())
    };
    CHANGE_BYTES + change.path.len() + text(&change.before) + text(&change.after)
}
