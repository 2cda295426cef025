//! Faults of the file of a store.
//!
//! Enters: failures of the operating system and of redb. Leaves: [`FileError`], whose `Display` is one
//! sentence for whoever runs the host. Guarantees: the sentence names the file.

use std::fmt;
use std::path::Path;

/// Why a store's file cannot be opened, read or written.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct FileError {
    kind: FileErrorKind,
    message: String,
}

/// Kinds of [`FileError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileErrorKind {
    /// There is no such file, and none was to be made.
    Missing,
    /// It is a folder.
    Folder,
    /// This user may not read and write it, or not make it.
    Access,
    /// Another process has it open.
    InUse,
    /// It is not a store of this host.
    Foreign,
    /// A newer version of this host wrote it.
    Newer,
    /// Its content is not what was written.
    Damaged,
    /// The disk has no room for it, or this user may have no more of it.
    Full,
    /// The system refused to read or write.
    System,
}

impl FileError {
    /// The kind of failure.
    pub fn kind(&self) -> FileErrorKind {
        self.kind
    }

    pub(super) fn new(kind: FileErrorKind, path: &Path, what: impl fmt::Display) -> FileError {
        FileError {
            kind,
            message: format!("{} {what}", path.display()),
        }
    }

    pub(super) fn in_use(path: &Path) -> FileError {
        FileError::new(
            FileErrorKind::InUse,
            path,
            "is open in another process: a host holds its store until it stops",
        )
    }

    pub(super) fn damaged(path: &Path, how: impl fmt::Display) -> FileError {
        FileError::new(
            FileErrorKind::Damaged,
            path,
            format_args!("is damaged: {how}; it was left as it is: bring back a copy of it, or an export"),
        )
    }

    /// A failure to open or create the file, or the folders above it.
    pub(super) fn opening(path: &Path, error: &std::io::Error) -> FileError {
        use std::io::ErrorKind;
        let (kind, what) = match error.kind() {
            ErrorKind::NotFound => (FileErrorKind::Missing, "does not exist".to_owned()),
            ErrorKind::IsADirectory => return FileError::folder(path),
            ErrorKind::PermissionDenied => (
                FileErrorKind::Access,
                "may not be read and written by this user".to_owned(),
            ),
            ErrorKind::ReadOnlyFilesystem => (
                FileErrorKind::Access,
                "is on a disk that is mounted read-only".to_owned(),
            ),
            ErrorKind::NotADirectory | ErrorKind::AlreadyExists => (
                FileErrorKind::Access,
                "cannot be made: something above it is a file and not a folder".to_owned(),
            ),
            _ if is_full(error) => return FileError::full(path, error),
            _ => (FileErrorKind::System, format!("cannot be opened: {error}")),
        };
        FileError::new(kind, path, what)
    }

    pub(super) fn folder(path: &Path) -> FileError {
        FileError::new(
            FileErrorKind::Folder,
            path,
            "is a folder: name the file in it that holds, or is to hold, the store",
        )
    }

    fn full(path: &Path, error: &std::io::Error) -> FileError {
        FileError::new(
            FileErrorKind::Full,
            path,
            format_args!("cannot be written, the disk has no room: {error}"),
        )
    }

    pub(super) fn no_file(path: &Path) -> FileError {
        FileError::new(
            FileErrorKind::Foreign,
            path,
            "is not a file but a pipe, a socket or a device: name a file that holds, or is to hold, the store",
        )
    }

    /// A failure that redb reports.
    pub(super) fn of_redb(path: &Path, error: redb::Error) -> FileError {
        use redb::Error;
        match error {
            Error::DatabaseAlreadyOpen | Error::LockProtocolMismatch => FileError::in_use(path),
            Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => FileError::new(
                FileErrorKind::Foreign,
                path,
                "is not a store: it does not begin as a redb database does",
            ),
            Error::UpgradeRequired(version) => FileError::new(
                FileErrorKind::Foreign,
                path,
                format_args!(
                    "is a redb database in version {version} of its format, which no host has written"
                ),
            ),
            Error::Io(error) if is_full(&error) => FileError::full(path, &error),
            Error::Corrupted(how) => FileError::damaged(path, how),
            Error::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                FileError::damaged(path, "it ends too early")
            }
            Error::Io(error) => FileError::new(
                FileErrorKind::System,
                path,
                format_args!("cannot be read or written: {error}"),
            ),
            other => FileError::new(
                FileErrorKind::System,
                path,
                format_args!("cannot be read or written: {other}"),
            ),
        }
    }
}

fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}
