//! The files that components are built from, looked at again and again.
//!
//! Enters: folders, and files that a build has read. Leaves: whether a change has come to rest. Guarantees: it works
//! on every file system and whichever way an editor writes. Output of a build, a log or a store are no change. A file
//! that is saved during a build is one.
//!
//! Looking costs less than it seems, a few milliseconds for a thousand files. Unlike a watch of the system it does
//! not take part in the thousands of files that a compiler writes below the same folder.

use mesh_wire::stamp::Stamp;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Folders by these names hold what was built or fetched.
const NOT_SOURCES: [&str; 2] = ["target", "node_modules"];
/// Cargo, among others, puts this file into a folder of things that can be made again, whatever that is called.
const CACHE_MARK: &str = "CACHEDIR.TAG";
/// A new file in a folder is a source when its name says so. Other files become sources when a build reads them.
const ENDINGS: [&str; 6] = ["c", "cc", "cpp", "h", "hpp", "rs"];
const NAMES: [&str; 2] = ["Cargo.toml", "Makefile"];

type Snapshot = BTreeMap<PathBuf, Stamp>;

/// Where sources are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    /// Folders of crates.
    pub(super) folders: BTreeSet<PathBuf>,
    /// Files that were read by a build.
    pub(super) files: BTreeSet<PathBuf>,
}

/// The sources of one project.
pub(super) struct Sources {
    places: Places,
    /// The sources of the last build, also a failed one.
    taken: Snapshot,
    /// The sources as the last look has shown them.
    last: Snapshot,
}

impl Sources {
    /// Files below one folder, none of which was built yet.
    pub(super) fn below(folder: &Path) -> Sources {
        Sources {
            places: Places {
                folders: BTreeSet::from([folder.to_owned()]),
                files: BTreeSet::new(),
            },
            taken: Snapshot::new(),
            last: Snapshot::new(),
        }
    }

    /// Looks once, and says whether there is a change that has come to rest.
    pub(super) async fn look(&mut self) -> bool {
        let now = snapshot(self.places.clone()).await;
        let rests = now == self.last;
        self.last = now;
        rests && self.last != self.taken
    }

    /// Notes that the sources of the last look are about to be built.
    pub(super) fn take(&mut self) {
        self.taken = self.last.clone();
    }

    /// Also looks at what took part in a build that began then.
    pub(super) async fn add(&mut self, places: Places, began: SystemTime) {
        let known = self.places.clone();
        self.places.folders.extend(places.folders);
        self.places.files.extend(places.files);
        if self.places == known {
            return;
        }
        for (path, stamp) in snapshot(self.places.clone()).await {
            // A file that was written later is perhaps not in the build.
            if stamp.modified < began {
                self.taken.entry(path).or_insert(stamp);
            }
        }
    }
}

async fn snapshot(places: Places) -> Snapshot {
    let looking = tokio::task::spawn_blocking(move || {
        let mut snapshot = Snapshot::new();
        for folder in &places.folders {
            collect(folder, &mut snapshot);
        }
        places
            .files
            .into_iter()
            .for_each(|file| note(file, &mut snapshot));
        snapshot
    });
    looking.await.unwrap_or_default()
}

fn collect(folder: &Path, snapshot: &mut Snapshot) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    if folder.join(CACHE_MARK).exists() {
        return;
    }
    for entry in entries.flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        let name = name.to_string_lossy();
        if name.starts_with('.') {
            continue;
        }
        // A link to a folder is not followed, since it may lead to where it came from.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if !NOT_SOURCES.contains(&&*name) {
                collect(&path, snapshot);
            }
        } else if NAMES.contains(&&*name) || has_ending(&path) {
            note(path, snapshot);
        }
    }
}

fn has_ending(path: &Path) -> bool {
    path.extension()
        .is_some_and(|ending| ENDINGS.iter().any(|other| ending == *other))
}

/// A file that cannot be read counts as missing: an editor may be replacing it.
fn note(file: PathBuf, snapshot: &mut Snapshot) {
    if let Some(stamp) = Stamp::of(&file) {
        snapshot.insert(file, stamp);
    }
}

/// The files that a build has read, from the file in which cargo lists them: `library: file file`, spaces in names behind a
/// backslash.
pub(super) fn files_read(list: &str) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    for (_, names) in list.lines().filter_map(|line| line.split_once(": ")) {
        let mut file = String::new();
        let mut is_escaped = false;
        for character in names.chars().chain([' ']) {
            match character {
                '\\' if !is_escaped => is_escaped = true,
                ' ' if !is_escaped => {
                    let whole = std::mem::take(&mut file);
                    files.extend(Some(whole).filter(|whole| !whole.is_empty()).map(PathBuf::from));
                }
                other => {
                    file.push(other);
                    is_escaped = false;
                }
            }
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_list_of_files_of_cargo_is_parsed() {
        let list = "/a/target/release/libg.so: /a/src/lib.rs /a/my\\ text.html\n\n/a/src/lib.rs:\n";
        let expected = ["/a/my text.html", "/a/src/lib.rs"].map(PathBuf::from);
        assert_eq!(files_read(list), BTreeSet::from(expected));
    }

    #[tokio::test]
    async fn a_change_counts_when_it_has_come_to_rest_and_only_in_sources() {
        let folder = std::env::temp_dir().join(format!("mesh-sources-{}", std::process::id()));
        for below in ["src", "target", "cache", ".git"] {
            fs::create_dir_all(folder.join(below)).unwrap();
        }
        let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
        write("src/lib.rs", "one");
        write("cache/CACHEDIR.TAG", "");
        let mut sources = Sources::below(&folder);
        assert!(!sources.look().await, "it may be half written");
        assert!(sources.look().await, "it rests, and was never built");
        sources.take();
        assert!(!sources.look().await);

        for other in [
            "mesh.log",
            "src/lib.rs~",
            "target/out.rs",
            "cache/out.rs",
            ".git/hook.rs",
        ] {
            write(other, "text");
            sources.look().await;
            assert!(!sources.look().await, "{other} is no source");
        }
        write("src/other.rs", "two");
        assert!(!sources.look().await);
        write("src/other.rs", "three");
        assert!(!sources.look().await, "somebody is still writing");
        assert!(sources.look().await);
        sources.take();

        // A build has read a text, which is a source from then on.
        write("page.html", "hello");
        let files = BTreeSet::from([folder.join("page.html")]);
        let places = Places {
            files,
            ..Places::default()
        };
        let later = SystemTime::now() + std::time::Duration::from_secs(60);
        sources.add(places, later).await;
        sources.look().await;
        assert!(!sources.look().await, "it was built as it is");
        write("page.html", "goodbye");
        sources.look().await;
        assert!(sources.look().await);
        sources.take();
        fs::remove_file(folder.join("src/other.rs")).unwrap();
        sources.look().await;
        assert!(sources.look().await, "what goes is a change");
        fs::remove_dir_all(folder).unwrap();
    }
}
