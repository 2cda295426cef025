//! The file below redb: one that stays locked until it is given up, and one whose changes stay in memory.
//!
//! Enters: an open file. Leaves: the storage that redb works on. Guarantees: the holder of a [`Held`] is the only one
//! that has the file, also while redb is closed and opened again. Through a [`Reading`] nothing reaches the disk.

use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

type Range = (Bound<u64>, Bound<u64>);

/// How long a lock of somebody else is waited for.
const PATIENCE: Duration = Duration::from_secs(1);
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(10);

/// Who else may lock the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LockKind {
    /// Others that lock them in this way, too.
    Shared,
    /// Nobody.
    Exclusive,
}

/// A file with its locks. Copies are the same file.
#[derive(Clone, Debug)]
pub(super) struct Held(Arc<Kept>);

#[derive(Debug)]
struct Kept {
    backend: FileBackend,
    file: File,
    /// The ranges that redb has locked at some time, each of them for all or for itself.
    locks: Mutex<Vec<(Range, LockKind)>>,
}

impl Held {
    pub(super) fn new(file: File) -> io::Result<Held> {
        let backend = FileBackend::new(file.try_clone()?).map_err(io::Error::other)?;
        Ok(Held(Arc::new(Kept {
            backend,
            file,
            locks: Mutex::default(),
        })))
    }

    /// Lets what is read next come from the disk: what could not be written may be in memory as if it had been.
    pub(super) fn forget_cached(&self) {
        let _ = rustix::fs::fadvise(&self.0.file, 0, None, rustix::fs::Advice::DontNeed);
    }

    fn lock(
        &self,
        range: Range,
        kind: LockKind,
        take: impl Fn() -> Result<bool, BackendError>,
    ) -> Result<bool, BackendError> {
        let mut locks = self.0.locks.lock().unwrap_or_else(PoisonError::into_inner);
        if locks.contains(&(range, kind)) {
            return Ok(true);
        }
        let until = Instant::now() + PATIENCE;
        let mut is_taken = take()?;
        // A process that was forked from the former holder has the lock until it is another program, a moment later.
        while !is_taken && Instant::now() < until {
            thread::sleep(BETWEEN_ATTEMPTS);
            is_taken = take()?;
        }
        if is_taken {
            locks.push((range, kind));
        }
        Ok(is_taken)
    }
}

impl StorageBackend for Held {
    fn len(&self) -> Result<u64, io::Error> {
        self.0.backend.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        self.0.backend.read(offset, out)
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.0.backend.set_len(len)
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        self.0.backend.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.0.backend.write(offset, data)
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.lock((start, end), LockKind::Exclusive, || {
            self.0.backend.try_lock_range(start, end)
        })
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.lock((start, end), LockKind::Shared, || {
            self.0.backend.try_lock_shared_range(start, end)
        })
    }

    /// Locks stay until the file is given up.
    fn unlock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.backend.query_lock_range(start, end)
    }
}

/// Bytes that are copied when one of them is written.
const BLOCK: u64 = 4096;

/// A file for reading: what redb writes to it, such as what a crash has left to do, stays in memory.
#[derive(Debug)]
pub(super) struct Reading<B> {
    below: B,
    changes: Mutex<Changes>,
}

#[derive(Debug)]
struct Changes {
    len: u64,
    /// How much of the file below counts.
    below: u64,
    blocks: BTreeMap<u64, Box<[u8]>>,
}

impl<B: StorageBackend> Reading<B> {
    pub(super) fn new(below: B) -> io::Result<Reading<B>> {
        let len = below.len()?;
        let changes = Mutex::new(Changes {
            len,
            below: len,
            blocks: BTreeMap::new(),
        });
        Ok(Reading { below, changes })
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A block as it is below, with zeros where that ends.
    fn block(&self, changes: &Changes, number: u64) -> io::Result<Box<[u8]>> {
        let mut block = vec![0; BLOCK as usize].into_boxed_slice();
        let there = changes.below.saturating_sub(number * BLOCK).min(BLOCK) as usize;
        if there > 0 {
            self.below.read(number * BLOCK, &mut block[..there])?;
        }
        Ok(block)
    }

    /// The parts of a range that are each in one block: its number, where in the block, and where in the range.
    fn parts(offset: u64, length: usize) -> impl Iterator<Item = (u64, std::ops::Range<usize>, usize)> {
        let mut done = 0;
        std::iter::from_fn(move || {
            let at = offset + done as u64;
            let (number, start) = (at / BLOCK, (at % BLOCK) as usize);
            let count = (BLOCK as usize - start).min(length - done);
            let part = (number, start..start + count, done);
            done += count;
            (count > 0).then_some(part)
        })
    }
}

impl<B: StorageBackend> StorageBackend for Reading<B> {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.changes().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        let changes = self.changes();
        if offset + out.len() as u64 > changes.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if changes.blocks.is_empty() && changes.below == changes.len {
            return self.below.read(offset, out);
        }
        for (number, within, at) in Self::parts(offset, out.len()) {
            let part = &mut out[at..at + within.len()];
            match changes.blocks.get(&number) {
                Some(block) => part.copy_from_slice(&block[within]),
                None => part.copy_from_slice(&self.block(&changes, number)?[within]),
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        let mut changes = self.changes();
        changes.below = changes.below.min(len);
        changes.len = len;
        changes.blocks.retain(|number, block| {
            let kept = len.saturating_sub(number * BLOCK).min(BLOCK) as usize;
            block[kept..].fill(0);
            kept > 0
        });
        Ok(())
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        let mut changes = self.changes();
        for (number, within, at) in Self::parts(offset, data.len()) {
            if !changes.blocks.contains_key(&number) {
                let block = self.block(&changes, number)?;
                changes.blocks.insert(number, block);
            }
            if let Some(block) = changes.blocks.get_mut(&number) {
                let length = within.len();
                block[within].copy_from_slice(&data[at..at + length]);
            }
        }
        changes.len = changes.len.max(offset + data.len() as u64);
        Ok(())
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.below.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.below.try_lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.below.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.below.query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use redb::backends::InMemoryBackend;

    #[test]
    fn written_bytes_are_read_back_and_stay_in_memory() {
        let below = InMemoryBackend::new();
        below.set_len(10_000).unwrap();
        below.write(0, &[7; 10_000]).unwrap();
        let reading = Reading::new(below).unwrap();
        let mut expected = vec![7u8; 10_000];
        let write = |offset: usize, data: &[u8], expected: &mut Vec<u8>| {
            reading.write(offset as u64, data).unwrap();
            expected.resize(expected.len().max(offset + data.len()), 0);
            expected[offset..offset + data.len()].copy_from_slice(data);
        };
        write(4090, &[1; 20], &mut expected);
        write(0, &[2; 1], &mut expected);
        write(9_990, &[3; 5_000], &mut expected);
        let whole = |reading: &Reading<InMemoryBackend>| {
            let mut out = vec![0; reading.len().unwrap() as usize];
            reading.read(0, &mut out).unwrap();
            out
        };
        assert_eq!(whole(&reading), expected);
        // Bytes that were cut off do not come back.
        reading.set_len(4_100).unwrap();
        reading.set_len(20_000).unwrap();
        expected.truncate(4_100);
        expected.resize(20_000, 0);
        assert_eq!(whole(&reading), expected);
        assert!(reading.read(19_999, &mut [0; 2]).is_err());
        let mut untouched = vec![0; 10_000];
        reading.below.read(0, &mut untouched).unwrap();
        assert_eq!(untouched, [7; 10_000]);
    }
}
