//! Every library is loaded from a private copy under a name that was never used before.
//!
//! The dynamic linker answers a path that it knows with the code it already has, and a mapped file that is written to
//! ends the process. So: read the file whole, check it, write a copy that nobody else may touch, compare the copy.

use super::{LoadError, LoadErrorKind, elf};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Libraries larger than this are refused: 1 GiB.
const LARGEST: u64 = 1 << 30;

/// A private copy. Removed when dropped, which is soon after it was opened: a library that is mapped stays usable, and
/// a host that is killed leaves nothing behind.
#[derive(Debug)]
pub(super) struct Staged {
    path: PathBuf,
}

impl Staged {
    /// Copies the library at `source` into `directory`, which nobody but this user may reach.
    pub(super) fn copy(source: &Path, directory: &Path) -> Result<Staged, LoadError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let shown = source.display();
        let unreadable = |error: io::Error| {
            LoadError::new(
                LoadErrorKind::File,
                format!("cannot read the library {shown}: {error}"),
            )
        };
        let mut original = File::open(source).map_err(unreadable)?;
        let about = original.metadata().map_err(unreadable)?;
        if !about.is_file() {
            return Err(LoadError::new(
                LoadErrorKind::File,
                format!("{shown} is not a file"),
            ));
        }
        if about.len() > LARGEST {
            return Err(LoadError::new(
                LoadErrorKind::File,
                format!("{shown} is larger than 1 GiB"),
            ));
        }
        let stem = source
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or("component");
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let random = uuid::Uuid::new_v4().simple();
        let staged = Staged {
            path: directory.join(format!("{stem}-{number}-{random}.so")),
        };
        let uncopied = |error: io::Error| {
            let to = staged.path.display();
            LoadError::new(
                LoadErrorKind::File,
                format!("cannot copy the library {shown} to {to}: {error}"),
            )
        };
        let copy = staged.write(&mut original).map_err(uncopied)?;
        // Looked at in the copy, which nobody else can change.
        let flags = elf::check(&copy).map_err(|error| {
            LoadError::new(
                LoadErrorKind::NotALibrary,
                format!("{shown} cannot be loaded: {error}"),
            )
        })?;
        if let Some((offset, flags)) = flags {
            copy.write_all_at(&flags, offset).map_err(uncopied)?;
        }
        copy.set_permissions(fs::Permissions::from_mode(0o500))
            .map_err(uncopied)?;
        Ok(staged)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn write(&self, original: &mut File) -> io::Result<File> {
        let mut copy = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&self.path)?;
        io::copy(original, &mut copy)?;
        if !same_content(original, &copy)? {
            return Err(io::Error::other("the file was changed while it was copied"));
        }
        Ok(copy)
    }
}

fn same_content(one: &File, other: &File) -> io::Result<bool> {
    let length = one.metadata()?.len();
    if other.metadata()?.len() != length {
        return Ok(false);
    }
    let (mut left, mut right) = ([0; 16 * 1024], [0; 16 * 1024]);
    let mut offset = 0;
    while offset < length {
        let count = usize::try_from(length - offset)
            .unwrap_or(left.len())
            .min(left.len());
        one.read_exact_at(&mut left[..count], offset)?;
        other.read_exact_at(&mut right[..count], offset)?;
        if left[..count] != right[..count] {
            return Ok(false);
        }
        offset += count as u64;
    }
    Ok(true)
}

impl Drop for Staged {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
