//! Files of the host alone, and files that exist only while a process works on them: private copies of libraries, the next
//! mesh.toml. And how sure it is that what was written is there after a crash.
//!
//! Enters: paths. Leaves: files and folders that only this user can reach, and working files that this process holds locked.
//!
//! Guarantees:
//! - A private file or folder is private from its first moment, whatever the umask.
//! - A lock ends with its process, however that ends. So the next host finds and removes the files of a killed one.
//! - A file that another process holds locked is never removed.

#![forbid(unsafe_code)]

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// When a write is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// When it is on disk.
    #[default]
    Commit,
    /// At once; it is on disk after an interval. A crash takes what was written in the interval.
    Interval,
    /// At once; it is on disk when that is convenient, and after a clean stop.
    None,
}

/// Length of [`unique`].
const UNIQUE_LENGTH: usize = 32;

/// A part of a name that was never used before.
pub fn unique() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// Whether a text looks like one of [`unique`].
pub fn is_unique(text: &str) -> bool {
    text.len() == UNIQUE_LENGTH
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// Makes a file that only this user may read and write. There must be nothing with this name, not even a link.
///
/// # Errors
///
/// When there is something, or none can be made.
pub fn create_private(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    // A umask may have taken away more; nothing is in it yet.
    if file.metadata()?.mode() & 0o777 != 0o600 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

/// Makes a folder that only this user may enter, and those above it that are missing.
///
/// # Errors
///
/// When one of them cannot be made.
pub fn create_private_folders(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty()) {
        create_private_folders(above)?;
    }
    create_private_folder(path)
}

/// Makes a folder that only this user may enter. There must be nothing with this name, not even a link.
///
/// # Errors
///
/// When there is something, or none can be made.
pub fn create_private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)?;
    // A umask may have taken away more; nothing is in it yet.
    let about = fs::symlink_metadata(path)?;
    if about.is_dir() && about.mode() & 0o777 != 0o700 {
        fs::set_permissions(path, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Makes a file that counts as worked on while it is open.
///
/// # Errors
///
/// When there is one with this name, or none can be made.
pub fn create(path: &Path) -> io::Result<File> {
    loop {
        let file = create_private(path)?;
        // Where files cannot be locked they cannot be found to be left behind, either.
        if file.lock().is_err() || file.metadata()?.nlink() > 0 {
            return Ok(file);
        }
        // Another host took it for left behind in the moment before it was locked.
    }
}

/// Removes files of ended processes from a folder. `is_ours` knows their names.
pub fn remove_left_behind(folder: &Path, is_ours: impl Fn(&str) -> bool) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if !is_file || !entry.file_name().to_str().is_some_and(&is_ours) {
            continue;
        }
        let path = entry.path();
        if let Ok(file) = File::open(&path)
            && file.try_lock().is_ok()
        {
            // The lock is kept until the name is gone: the process that made the file looks at that.
            let _ = fs::remove_file(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_no_process_holds_are_removed() {
        let folder = std::env::temp_dir().join(format!("mesh-working-files-{}", unique()));
        fs::create_dir_all(&folder).unwrap();
        let (left, worked_on, other) = (folder.join(unique()), folder.join(unique()), folder.join("other"));
        drop(create(&left).unwrap());
        let file = create(&worked_on).unwrap();
        fs::write(&other, "").unwrap();
        remove_left_behind(&folder, is_unique);
        assert!(!left.exists() && worked_on.exists() && other.exists());
        drop(file);
        remove_left_behind(&folder, is_unique);
        assert!(!worked_on.exists() && other.exists());
        fs::remove_dir_all(folder).unwrap();
    }
}
