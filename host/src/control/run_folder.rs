//! The folder for what a running host needs to keep: control sockets, private copies of libraries.
//!
//! Enters: the environment. Leaves: folders that belong to this user and that nobody else may enter. Guarantees: a
//! folder, or a link to one, that somebody else has put in its place is neither used nor believed. A start goes on
//! with another folder then, and commands look into all of them.

use rustix::fs::StatVfsMountFlags;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Length of what another folder has behind its name: the path of a socket must be short.
const SUFFIX: usize = 8;

fn is_suffix(text: &str) -> bool {
    text.len() == SUFFIX && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The user whose files this process makes.
pub(super) fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// A folder that others have their folders in, too, and what ours is called there.
struct Place {
    parent: PathBuf,
    name: String,
}

/// Where the folder may be, the best place first.
fn places() -> Vec<Place> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let runtime = runtime.filter(|folder| folder.is_absolute() && folder.is_dir());
    let runtime = runtime.map(|parent| Place {
        parent,
        name: "mesh-host".to_owned(),
    });
    let temporary = Place {
        parent: std::env::temp_dir(),
        name: format!("mesh-host-{}", user()),
    };
    runtime.into_iter().chain([temporary]).collect()
}

impl Place {
    /// The folder that has the name, and those with which a host went on when it was taken.
    fn folders(&self) -> Vec<PathBuf> {
        let mut found = vec![self.parent.join(&self.name)];
        let entries = fs::read_dir(&self.parent).into_iter().flatten().flatten();
        let mut others: Vec<_> = entries
            .filter(|entry| {
                let name = entry.file_name();
                let rest = name.to_str().and_then(|name| name.strip_prefix(&*self.name));
                let unique = rest.and_then(|rest| rest.strip_prefix('-'));
                unique.is_some_and(is_suffix)
            })
            .map(|entry| entry.path())
            .collect();
        others.sort();
        found.extend(others);
        found.retain(|folder| is_private(folder));
        found
    }

    /// A folder of this user alone, made where there is none.
    fn open(&self) -> io::Result<PathBuf> {
        if let Some(folder) = self.folders().into_iter().next() {
            return Ok(folder);
        }
        let folder = self.parent.join(&self.name);
        let made = make(&folder);
        if made.is_ok() || fs::symlink_metadata(&folder).is_err() {
            return made.map(|()| folder);
        }
        let other = self
            .parent
            .join(format!("{}-{}", self.name, &mesh_files::unique()[..SUFFIX]));
        make(&other)?;
        tracing::warn!(
            "{} is not a folder of this user alone, somebody may have taken the name: {} is used in its place",
            folder.display(),
            other.display()
        );
        Ok(other)
    }
}

/// Refuses a folder from which no library can be loaded.
fn may_execute(folder: PathBuf) -> io::Result<PathBuf> {
    let flags = rustix::fs::statvfs(&folder).map(|about| about.f_flag);
    if flags.is_ok_and(|flags| flags.contains(StatVfsMountFlags::NOEXEC)) {
        return Err(io::Error::other(
            "it is on a file system that is mounted noexec, and libraries are loaded from there",
        ));
    }
    Ok(folder)
}

fn make(folder: &Path) -> io::Result<()> {
    mesh_files::create_private_folder(folder)?;
    if is_private(folder) {
        return Ok(());
    }
    Err(io::Error::other(
        "a folder that is made there is not of this user alone",
    ))
}

/// Whether this is a folder, and no link to one, that only this user may enter.
fn is_private(folder: &Path) -> bool {
    fs::symlink_metadata(folder)
        .is_ok_and(|about| about.is_dir() && about.uid() == user() && about.mode() & 0o077 == 0)
}

/// The folders that hosts of this user have made, the best place first.
pub(super) fn all() -> Vec<PathBuf> {
    places().iter().flat_map(Place::folders).collect()
}

/// A folder of this user alone, made where it is missing: what lies in it is executed.
///
/// # Errors
///
/// When none can be made.
pub fn private_run_folder() -> io::Result<PathBuf> {
    let mut refused = Vec::new();
    for place in places() {
        match place.open().and_then(may_execute) {
            Ok(folder) => return Ok(folder),
            Err(error) => refused.push(format!("{}: {error}", place.parent.join(place.name).display())),
        }
    }
    Err(io::Error::other(format!(
        "no folder of this user alone can be used ({}); set XDG_RUNTIME_DIR or TMPDIR to a folder that this user may \
         write to and execute files in",
        refused.join("; ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    struct Parent(Place);

    impl Parent {
        fn new() -> Parent {
            let parent = std::env::temp_dir().join(format!("mesh-run-folder-{}", mesh_files::unique()));
            fs::create_dir(&parent).unwrap();
            Parent(Place {
                parent,
                name: "mesh-host-1".to_owned(),
            })
        }

        fn named(&self) -> PathBuf {
            self.0.parent.join(&self.0.name)
        }
    }

    impl Drop for Parent {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0.parent).unwrap();
        }
    }

    #[test]
    fn the_folder_is_made_for_this_user_alone_and_found_again() {
        let parent = Parent::new();
        assert_eq!(parent.0.folders(), Vec::<PathBuf>::new());
        let folder = parent.0.open().unwrap();
        assert_eq!(folder, parent.named());
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        assert_eq!(parent.0.open().unwrap(), folder);
        assert_eq!(parent.0.folders(), [folder]);
    }

    #[test]
    fn a_name_that_somebody_took_is_left_to_them() {
        type Take = fn(&Path);
        let ways: [Take; 3] = [
            |name| {
                fs::create_dir(name).unwrap();
                fs::set_permissions(name, fs::Permissions::from_mode(0o777)).unwrap();
            },
            |name| symlink(std::env::temp_dir(), name).unwrap(),
            |name| fs::write(name, "").unwrap(),
        ];
        for take in ways {
            let parent = Parent::new();
            take(&parent.named());
            let folder = parent.0.open().unwrap();
            assert_ne!(folder, parent.named());
            assert!(is_private(&folder));
            // The next host and the commands find the same one.
            assert_eq!(parent.0.open().unwrap(), folder);
            assert_eq!(parent.0.folders(), [folder]);
        }
    }
}
