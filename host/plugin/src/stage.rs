//! Every library is loaded from a private copy under a name that was never used before.
//!
//! The dynamic linker answers a path that it knows with the code it already has. A mapped file that is written to
//! ends the process. So: read the file whole, check it, write a copy that nobody else may touch, compare the copy.

use super::{LoadError, LoadErrorKind, Rehearsal, elf};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Libraries larger than this are refused: 1 GiB.
const LARGEST: u64 = 1 << 30;
const ENDING: &str = ".so";
/// So much of the original's name is in the copy's, for people who look. A number and a unique part follow, and a
/// name has at most 255 bytes.
const LONGEST_STEM: usize = 100;

/// Where private copies of libraries go for the moment of their opening, and how they are tried out before.
#[derive(Clone, Debug)]
pub struct Stage {
    /// A folder that nobody but this user may reach.
    pub folder: PathBuf,
    /// How they are tried out.
    pub rehearsal: Rehearsal,
}

/// A private copy. Removed when dropped, which is soon after it was opened: a library that is mapped stays usable. A host
/// that is killed before leaves a copy that [`remove_left_behind`] finds.
#[derive(Debug)]
pub(super) struct Staged {
    path: PathBuf,
    /// Says that the copy is in use.
    copy: File,
}

/// Removes copies that killed hosts have left in a folder.
pub fn remove_left_behind(directory: &Path) {
    mesh_files::remove_left_behind(directory, |name| {
        name.strip_suffix(ENDING)
            .and_then(|name| name.rsplit_once('-'))
            .is_some_and(|(_, unique)| mesh_files::is_unique(unique))
    });
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
        let end = (0..=LONGEST_STEM.min(stem.len()))
            .rev()
            .find(|end| stem.is_char_boundary(*end));
        let stem = &stem[..end.unwrap_or_default()];
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = directory.join(format!("{stem}-{number}-{}{ENDING}", mesh_files::unique()));
        let to = path.display().to_string();
        let uncopied = |error: io::Error| {
            LoadError::new(
                LoadErrorKind::File,
                format!("cannot copy the library {shown} to {to}: {error}"),
            )
        };
        let copy = mesh_files::create(&path).map_err(uncopied)?;
        let staged = Staged { path, copy };
        staged.write(&mut original).map_err(uncopied)?;
        let copy = &staged.copy;
        // Looked at in the copy, which nobody else can change.
        let changes = elf::check(copy).map_err(|error| {
            LoadError::new(
                LoadErrorKind::NotALibrary,
                format!("{shown} cannot be loaded: {error}"),
            )
        })?;
        for (offset, bytes) in changes {
            copy.write_all_at(&bytes, offset).map_err(uncopied)?;
        }
        copy.set_permissions(fs::Permissions::from_mode(0o500))
            .map_err(uncopied)?;
        Ok(staged)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn write(&self, original: &mut File) -> io::Result<()> {
        io::copy(original, &mut &self.copy)?;
        if !same_content(original, &self.copy)? {
            return Err(io::Error::other("the file was changed while it was copied"));
        }
        Ok(())
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
