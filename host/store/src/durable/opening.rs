//! Finding the file of a store, or making it.
//!
//! Enters: its path. Leaves: an open file, and sentences about what stands against it. Guarantees: a new file, and the
//! folders above it that are new, are of this user alone from their first moment.

use super::error::FileError;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// An open file, and the folders that have a new entry.
pub(super) struct Opened {
    pub(super) file: File,
    pub(super) made: Vec<PathBuf>,
}

/// The action where there is no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMissing {
    /// One is made.
    Create,
    /// It is an error.
    Refuse,
}

/// Opens a file for reading and writing.
pub(super) fn open(path: &Path, missing: IfMissing) -> Result<Opened, FileError> {
    let failed = |error: io::Error| FileError::opening(path, &error);
    match fs::metadata(path) {
        Ok(about) if about.is_dir() => return Err(FileError::folder(path)),
        // Opening a pipe would wait for somebody at its other end.
        Ok(about) if !about.is_file() => return Err(FileError::no_file(path)),
        _ => {}
    }
    match OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if missing == IfMissing::Create && error.kind() == io::ErrorKind::NotFound => {
            // A link that leads to nothing leads to where the file is to be.
            let target = fs::read_link(path).map_or_else(|_| path.to_owned(), |to| folder_of(path).join(to));
            let made = make_folders(&target).map_err(failed)?;
            let file = mesh_files::create_private(&target).map_err(failed)?;
            Ok(Opened { file, made })
        }
        opened => Ok(Opened {
            file: opened.map_err(failed)?,
            made: Vec::new(),
        }),
    }
}

/// Makes the folders above a file. Returns those that have a new entry now, the file's own among them.
fn make_folders(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut folder = folder_of(path);
    let mut changed = vec![folder.clone()];
    while !folder.exists() {
        folder = folder_of(&folder);
        changed.push(folder.clone());
    }
    mesh_files::create_private_folders(&changed[0])?;
    Ok(changed)
}

/// The folder that a file or folder is in.
pub(super) fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => PathBuf::from("/"),
    }
}

/// Whether the disk takes so many bytes beside the file now.
pub(super) fn has_room(path: &Path, bytes: usize) -> bool {
    let probe = folder_of(path).join(format!(".{}.probe", mesh_files::unique()));
    let written = mesh_files::create_private(&probe).and_then(|mut file| {
        // Only its bytes are needed, not its name.
        fs::remove_file(&probe)?;
        // Zeros would take no room on some disks.
        let block = vec![0x5a; 64 * 1024];
        for _ in 0..bytes.div_ceil(block.len()) {
            io::Write::write_all(&mut file, &block)?;
        }
        file.sync_data()
    });
    written.is_ok()
}
