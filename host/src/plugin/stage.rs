//! Every library is loaded from a private copy under a name that was never used before.
//!
//! The dynamic linker answers a path that it knows with the code it already has, and a mapped file that is written to
//! ends the process. So: read the file whole, check it, write a copy that nobody else may touch, compare the copy.

use super::{LoadError, LoadErrorKind, elf};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Libraries larger than this are refused: 1 GiB.
const LARGEST: u64 = 1 << 30;

/// A private copy. Removed when dropped; a library that is already mapped stays usable.
#[derive(Debug)]
pub(super) struct Staged {
    path: PathBuf,
}

impl Staged {
    /// Copies the library at `source` into `directory`, which is made for this user alone where it is missing.
    pub(super) fn copy(source: &Path, directory: &Path) -> Result<Staged, LoadError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let unreadable = |error: io::Error| {
            LoadError::new(
                LoadErrorKind::File,
                format!("cannot read the library {}: {error}", source.display()),
            )
        };
        let file = File::open(source).map_err(unreadable)?;
        let about = file.metadata().map_err(unreadable)?;
        if !about.is_file() {
            return Err(LoadError::new(
                LoadErrorKind::File,
                format!("{} is not a file", source.display()),
            ));
        }
        if about.len() > LARGEST {
            return Err(LoadError::new(
                LoadErrorKind::File,
                format!("{} is larger than 1 GiB", source.display()),
            ));
        }
        let mut content = Vec::new();
        file.take(LARGEST).read_to_end(&mut content).map_err(unreadable)?;
        elf::prepare(&mut content).map_err(|error| {
            LoadError::new(
                LoadErrorKind::NotALibrary,
                format!("{} cannot be loaded: {error}", source.display()),
            )
        })?;
        let stem = source
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or("component");
        let path = directory.join(format!(
            "{stem}-{}-{}.so",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        ));
        let staged = Staged { path };
        staged.write(directory, &content).map_err(|error| {
            LoadError::new(
                LoadErrorKind::File,
                format!(
                    "cannot copy the library {} to {}: {error}",
                    source.display(),
                    staged.path.display()
                ),
            )
        })?;
        Ok(staged)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn write(&self, directory: &Path, content: &[u8]) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o500)
            .open(&self.path)?;
        file.write_all(content)?;
        drop(file);
        if fs::read(&self.path)? != content {
            return Err(io::Error::other("the copy differs from what was written"));
        }
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
