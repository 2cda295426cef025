//! When a file was last written, as far as that can be seen from outside.
//!
//! Enters: a path. Leaves: something that differs when the file was written in between. Guarantees: the file is
//! not opened. Two writings of the same length within one tick of the file system's clock are not told apart.

use std::path::Path;
use std::time::SystemTime;

/// A file's time and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// When it was last written.
    pub modified: SystemTime,
    /// Its length in bytes.
    pub length: u64,
}

impl Stamp {
    /// That of a file; `None` when there is none.
    pub fn of(file: &Path) -> Option<Stamp> {
        let about = std::fs::metadata(file).ok()?;
        Some(Stamp {
            modified: about.modified().ok()?,
            length: about.len(),
        })
    }
}
