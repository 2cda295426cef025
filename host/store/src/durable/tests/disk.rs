//! A disk in memory that fails on purpose.
//!
//! Enters: the writes of redb, and the fault with its time. Leaves: errors as an operating system would give them,
//! and the bytes that are on the disk then. Guarantees: a write that was not synced when the disk is cut off is not
//! in [`Disk::synced`].

use redb::StorageBackend;
use std::io::{Error, ErrorKind, Result};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Fault {
    #[default]
    Nothing,
    /// No write finds space.
    Full,
    /// Half of each write arrives, then there is no space.
    ShortWrites,
    /// The file cannot grow.
    NoGrowth,
    /// Data cannot be synced.
    Sync,
    /// Data cannot be synced, once: a disk that forgets that it has failed.
    SyncOnce,
}

/// A handle to the disk; clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    synced: Vec<u8>,
    fault: Fault,
    /// Operations that still succeed.
    after: u64,
    syncs: u64,
    sync_takes: Duration,
}

impl Disk {
    pub(super) fn of(bytes: Vec<u8>) -> Disk {
        let disk = Disk::default();
        disk.state().synced = bytes.clone();
        disk.state().bytes = bytes;
        disk
    }

    /// From `after` more writes, growths and syncs on, `fault` holds.
    pub(super) fn fail(&self, fault: Fault, after: u64) {
        let mut state = self.state();
        state.fault = fault;
        state.after = after;
    }

    pub(super) fn sync_takes(&self, time: Duration) {
        self.state().sync_takes = time;
    }

    /// The bytes that survive a power failure.
    pub(super) fn synced(&self) -> Vec<u8> {
        self.state().synced.clone()
    }

    /// The bytes that survive the end of the process.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.state().bytes.clone()
    }

    pub(super) fn syncs(&self) -> u64 {
        self.state().syncs
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    /// The fault of this operation.
    fn fault(&mut self) -> Fault {
        if self.after > 0 {
            self.after -= 1;
            return Fault::Nothing;
        }
        self.fault
    }
}

fn full() -> Error {
    Error::from(ErrorKind::StorageFull)
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64> {
        Ok(self.state().bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let state = self.state();
        let from = offset as usize;
        let bytes = state.bytes.get(from..from + out.len());
        out.copy_from_slice(bytes.ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> Result<()> {
        let mut state = self.state();
        let grows = length as usize > state.bytes.len();
        if grows && matches!(state.fault(), Fault::NoGrowth | Fault::Full) {
            return Err(full());
        }
        state.bytes.resize(length as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> Result<()> {
        let mut state = self.state();
        match state.fault() {
            Fault::Sync => return Err(Error::other("the disk does not answer")),
            Fault::SyncOnce => {
                state.fault = Fault::Nothing;
                return Err(Error::other("the disk does not answer"));
            }
            _ => {}
        }
        state.syncs += 1;
        state.synced = state.bytes.clone();
        let takes = state.sync_takes;
        drop(state);
        std::thread::sleep(takes);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        let mut state = self.state();
        let arrives = match state.fault() {
            Fault::Full => return Err(full()),
            Fault::ShortWrites => data.len() / 2,
            _ => data.len(),
        };
        let from = offset as usize;
        let end = from + arrives;
        if state.bytes.len() < end {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        state.bytes[from..end].copy_from_slice(&data[..arrives]);
        if arrives < data.len() { Err(full()) } else { Ok(()) }
    }

    fn close(&self) -> Result<()> {
        Ok(())
    }
}
