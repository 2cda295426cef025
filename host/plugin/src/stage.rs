//! Every library is loaded from a private copy under a name that was never used before.
//!
//! The dynamic linker answers a path that it knows with the code it already has. A mapped file that is written to
//! ends the process. So: read the file whole, check it, write a copy that nobody else may touch, compare the copy.

mod bundle;
mod replaced;

use super::rehearsal::{Extent, Rehearsal};
use super::{LoadError, LoadErrorKind, elf};
use bundle::Bundle;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use xxhash_rust::xxh3::Xxh3;

/// Libraries larger than this are refused: 1 GiB.
const LARGEST: u64 = 1 << 30;
const ENDING: &str = ".so";
/// The ending, in the place of that of the copy, of the folder for what a library brings along.
const BUNDLE: &str = "bundle";
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

impl Stage {
    /// The same place, where so much of a library is tried out.
    pub fn with(&self, extent: Extent) -> Stage {
        Stage {
            folder: self.folder.clone(),
            rehearsal: self.rehearsal.with(extent),
        }
    }

    /// A private copy of the library at `source`; within a rehearsal the one that is tried out.
    pub(super) fn copy(&self, source: &Path) -> Result<Staged, LoadError> {
        match self.rehearsal.copy() {
            Some(copy) => Ok(Staged {
                path: copy.to_owned(),
                copy: None,
                bundle: None,
                digest: 0,
            }),
            None => Staged::copy(source, &self.folder),
        }
    }
}

/// A private copy. Removed when dropped, which is soon after it was opened: a library that is mapped stays usable. A host
/// that is killed before leaves a copy that [`remove_left_behind`] finds.
#[derive(Debug)]
pub(super) struct Staged {
    path: PathBuf,
    /// Says that the copy is in use, and its bundle with it. `None` when the copy is another process's.
    copy: Option<File>,
    bundle: Option<Bundle>,
    digest: u128,
}

/// Removes copies that killed hosts have left in a folder.
pub fn remove_left_behind(directory: &Path) {
    mesh_files::remove_left_behind(directory, |name| {
        name.strip_suffix(ENDING)
            .and_then(|name| name.rsplit_once('-'))
            .is_some_and(|(_, unique)| mesh_files::is_unique(unique))
    });
    // A folder is there for no longer than its copy.
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_bundle = path.extension().is_some_and(|ending| ending == BUNDLE);
        let unique = path.file_stem().and_then(|stem| stem.to_str()?.rsplit_once('-'));
        if is_bundle
            && unique.is_some_and(|(_, unique)| mesh_files::is_unique(unique))
            && !path.with_extension(&ENDING[1..]).exists()
        {
            let _ = fs::remove_dir_all(path);
        }
    }
}

/// Part of the path of all that is loaded with a copy at `path`, and of nothing else.
pub(crate) fn mark(path: &Path) -> &Path {
    let is_bundle = |folder: &&Path| folder.extension().is_some_and(|ending| ending == BUNDLE);
    path.ancestors().skip(1).find(is_bundle).unwrap_or(path)
}

impl Staged {
    /// Copies the library at `source` into `directory`, which nobody but this user may reach. Libraries that it brings along
    /// are copied, too.
    fn copy(source: &Path, directory: &Path) -> Result<Staged, LoadError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
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
        let copy = Copy::new(source, &path)?;
        let mut staged = Staged {
            digest: copy.digest,
            path,
            copy: None,
            bundle: None,
        };
        let folder = staged.path.with_extension(BUNDLE);
        let bundle = Bundle::gather(source, &staged.path, &copy.file, folder);
        staged.copy = Some(copy.file);
        if let Some(bundle) = bundle? {
            staged.digest = bundle.digest(staged.digest);
            staged.bundle = Some(bundle);
        }
        Ok(staged)
    }

    /// The file to open.
    pub(super) fn path(&self) -> &Path {
        self.bundle.as_ref().map_or(&self.path, Bundle::library)
    }

    /// Part of the path of all that is in memory of it, and of nothing else.
    pub(super) fn mark(&self) -> &Path {
        mark(self.path())
    }

    /// Differs for libraries that differ, in themselves or in what they bring along.
    pub(super) fn digest(&self) -> u128 {
        self.digest
    }

    /// An error that names the originals and not the copies.
    pub(super) fn named_as_original(&self, error: LoadError) -> LoadError {
        match &self.bundle {
            Some(bundle) => LoadError::new(error.kind(), bundle.named_as_original(&error.to_string())),
            None => error,
        }
    }
}

/// A checked private copy of one file.
struct Copy {
    file: File,
    /// Of its content before anything was changed.
    digest: u128,
}

impl Copy {
    fn new(source: &Path, path: &Path) -> Result<Copy, LoadError> {
        let shown = source.display();
        let unreadable = |error: io::Error| {
            LoadError::new(
                LoadErrorKind::File,
                format!("cannot read the library {shown}: {error}"),
            )
        };
        let file_error = |what: &str| LoadError::new(LoadErrorKind::File, format!("{shown} {what}"));
        // A pipe would be waited for.
        if !fs::metadata(source).map_err(unreadable)?.is_file() {
            return Err(file_error("is not a file"));
        }
        let mut original = File::open(source).map_err(unreadable)?;
        let about = original.metadata().map_err(unreadable)?;
        if !about.is_file() {
            return Err(file_error("is not a file"));
        }
        if about.len() > LARGEST {
            return Err(file_error("is larger than 1 GiB"));
        }
        let uncopied = |error: io::Error| {
            LoadError::new(
                LoadErrorKind::File,
                format!("cannot copy the library {shown} to {}: {error}", path.display()),
            )
        };
        let file = mesh_files::create(path).map_err(uncopied)?;
        // Removed again if anything is wrong from here on.
        let unfinished = Unfinished(path);
        io::copy(&mut original, &mut &file).map_err(uncopied)?;
        let digest = same_content(&original, &file)
            .map_err(uncopied)?
            .ok_or_else(|| uncopied(io::Error::other("the file was changed while it was copied")))?;
        // Looked at in the copy, which nobody else can change.
        let changes = elf::check(&file).map_err(|error| {
            LoadError::new(
                LoadErrorKind::NotALibrary,
                format!("{shown} cannot be loaded: {error}"),
            )
        })?;
        for (offset, bytes) in changes {
            file.write_all_at(&bytes, offset).map_err(uncopied)?;
        }
        file.set_permissions(fs::Permissions::from_mode(0o500))
            .map_err(uncopied)?;
        std::mem::forget(unfinished);
        Ok(Copy { file, digest })
    }
}

struct Unfinished<'a>(&'a Path);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.0);
    }
}

/// A number that differs for contents that differ; `None` when the two files do.
fn same_content(one: &File, other: &File) -> io::Result<Option<u128>> {
    let length = one.metadata()?.len();
    if other.metadata()?.len() != length {
        return Ok(None);
    }
    let mut hash = Xxh3::new();
    let (mut left, mut right) = (vec![0; 256 * 1024], vec![0; 256 * 1024]);
    let mut offset = 0;
    while offset < length {
        let count = usize::try_from(length - offset)
            .unwrap_or(left.len())
            .min(left.len());
        one.read_exact_at(&mut left[..count], offset)?;
        other.read_exact_at(&mut right[..count], offset)?;
        if left[..count] != right[..count] {
            return Ok(None);
        }
        hash.update(&right[..count]);
        offset += count as u64;
    }
    Ok(Some(hash.digest128()))
}

impl Drop for Staged {
    fn drop(&mut self) {
        // The file says that the folder is in use, and goes last.
        self.bundle = None;
        if self.copy.is_some() {
            let _ = fs::remove_file(&self.path);
        }
    }
}
