//! The files that components are built from, looked at again and again.
//!
//! What enters: folders. What leaves: whether a change has come to rest. Guarantees: it works on every file system and
//! whichever way an editor writes; what a build writes is no change; what is saved during a build is one.
//!
//! Looking costs less than it seems, a few milliseconds for a thousand files, and unlike a watch of the system it does not
//! take part in the thousands of files that a compiler writes below the same folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::DirEntry;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Folders by these names hold what was built or fetched.
const NOT_SOURCES: [&str; 2] = ["target", "node_modules"];
/// Cargo, among others, puts this file into a folder of things that can be made again, whatever that is called.
const CACHE_MARK: &str = "CACHEDIR.TAG";
/// What compilers write beside the sources when a Makefile says so.
const WRITTEN_BY_BUILDS: [&str; 4] = ["a", "d", "o", "so"];

type Snapshot = BTreeMap<PathBuf, (SystemTime, u64)>;

/// The sources of one project.
pub(super) struct Sources {
    folders: BTreeSet<PathBuf>,
    /// What was built last, or tried to.
    taken: Snapshot,
    /// What the last look has shown.
    last: Snapshot,
}

impl Sources {
    /// Files below one folder, none of which was built yet.
    pub(super) fn below(folder: &Path) -> Sources {
        Sources {
            folders: BTreeSet::from([folder.to_owned()]),
            taken: Snapshot::new(),
            last: Snapshot::new(),
        }
    }

    /// Looks once, and says whether there is a change that has come to rest.
    pub(super) async fn look(&mut self) -> bool {
        let now = snapshot(self.folders.clone()).await;
        let rests = now == self.last;
        self.last = now;
        rests && self.last != self.taken
    }

    /// What the last look has shown is about to be built.
    pub(super) fn take(&mut self) {
        self.taken = self.last.clone();
    }

    /// Also looks at these folders, which took part in a build that began then.
    pub(super) async fn add(&mut self, mut folders: BTreeSet<PathBuf>, began: SystemTime) {
        folders.retain(|folder| !self.folders.iter().any(|known| folder.starts_with(known)));
        if folders.is_empty() {
            return;
        }
        let added = snapshot(folders.clone()).await;
        self.folders.extend(folders);
        let built = added.into_iter().filter(|(_, (modified, _))| *modified < began);
        self.taken.extend(built);
    }
}

async fn snapshot(folders: BTreeSet<PathBuf>) -> Snapshot {
    let looking = tokio::task::spawn_blocking(move || {
        let mut snapshot = Snapshot::new();
        for folder in &folders {
            collect(folder, &mut snapshot);
        }
        snapshot
    });
    looking.await.unwrap_or_default()
}

/// What cannot be read is not there: an editor may be replacing it.
fn collect(folder: &Path, snapshot: &mut Snapshot) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    let entries: Vec<DirEntry> = entries.flatten().collect();
    if entries.iter().any(|entry| entry.file_name() == CACHE_MARK) {
        return;
    }
    for entry in entries {
        let (name, path) = (entry.file_name(), entry.path());
        let name = name.to_string_lossy();
        let is_written = path
            .extension()
            .is_some_and(|extension| WRITTEN_BY_BUILDS.iter().any(|other| extension == *other));
        if name.starts_with('.') || name.ends_with('~') || is_written {
            continue;
        }
        // A link to a folder is not followed, since it may lead to where it came from.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if !NOT_SOURCES.contains(&&*name) {
                collect(&path, snapshot);
            }
        } else if let Ok(about) = std::fs::metadata(&path)
            && let Ok(modified) = about.modified()
            && about.is_file()
        {
            snapshot.insert(path, (modified, about.len()));
        }
    }
}
