//! Libraries that a component brings along: those that its run path finds from the folder it lies in (`$ORIGIN`).
//!
//! Why: the copy lies in another folder. The dynamic linker takes a library that is in memory for each other one of the
//! same name, so a new version would go on with the old one's.
//!
//! Enters: the private copy of a component's library. Leaves: private copies of what it brings along, in a folder where the
//! same run paths find them. Guarantees: each load has names of its own for them; the folder goes with the value.

use super::replaced::refuse_if_replaced;
use super::{Copy, LoadError, LoadErrorKind, elf::Dynamic};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use xxhash_rust::xxh3::Xxh3;

/// So many folders a run path may climb, all in all.
const DEPTH: usize = 8;
/// More libraries than that are no bundle.
const MOST: usize = 256;
/// So many characters of a name are changed at most.
const CHANGED: usize = 6;
const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// A component's library and those that it brings along.
#[derive(Debug)]
pub(super) struct Bundle {
    folder: PathBuf,
    library: PathBuf,
    /// The names in the copies, by those in the originals.
    names: BTreeMap<String, String>,
    /// The original of each copy.
    originals: Vec<(PathBuf, PathBuf)>,
    digests: Vec<u128>,
}

/// One folder of a run path.
#[derive(Clone)]
enum Place {
    /// Below the folder of the library that says so.
    Beside {
        original: PathBuf,
        copy: PathBuf,
        way: String,
    },
    Elsewhere(PathBuf),
}

/// One of the libraries.
struct Member {
    shown: PathBuf,
    file: File,
    dynamic: Dynamic,
    /// Where it looks for what it needs.
    looks: Vec<Place>,
    /// Where libraries look that it needs.
    inherited: Vec<Place>,
}

impl Member {
    /// A library whose original and whose copy lie in these folders.
    fn new(
        shown: &Path,
        file: File,
        original: &Path,
        copy: &Path,
        above: &[Place],
    ) -> Result<Member, LoadError> {
        let dynamic = Dynamic::read(&file).map_err(|error| {
            let message = format!("{} cannot be loaded: {error}", shown.display());
            LoadError::new(LoadErrorKind::NotALibrary, message)
        })?;
        let places = |path: &Option<String>| -> Vec<Place> {
            let folders = path.iter().flat_map(|path| path.split(':'));
            folders
                .filter_map(|folder| Place::new(folder, original, copy))
                .collect()
        };
        let (own, mut of_all) = (places(&dynamic.run_path), places(&dynamic.run_path_of_all));
        // As the dynamic linker has it: a run path of the newer kind makes those of the older kind count for nothing.
        if dynamic.run_path.is_some() {
            of_all.clear();
        }
        of_all.extend_from_slice(above);
        let looks = match dynamic.run_path {
            Some(_) => own,
            None => of_all.clone(),
        };
        Ok(Member {
            shown: shown.to_owned(),
            file,
            dynamic,
            looks,
            inherited: of_all,
        })
    }
}

impl Place {
    fn new(folder: &str, original: &Path, copy: &Path) -> Option<Place> {
        let rest = folder
            .strip_prefix("$ORIGIN")
            .or_else(|| folder.strip_prefix("${ORIGIN}"));
        match rest {
            Some(way) if way.is_empty() || way.starts_with('/') => Some(Place::Beside {
                original: original.to_owned(),
                copy: copy.to_owned(),
                way: way.trim_start_matches('/').to_owned(),
            }),
            _ if folder.starts_with('/') && !folder.contains('$') => Some(Place::Elsewhere(folder.into())),
            // Other words are left to the dynamic linker.
            _ => None,
        }
    }

    fn folder(&self) -> PathBuf {
        match self {
            Place::Beside { original, way, .. } => original.join(way),
            Place::Elsewhere(folder) => folder.clone(),
        }
    }
}

impl Bundle {
    /// Copies what the library at `source` brings along, if anything, into a new folder. `copy` is its private copy.
    pub(super) fn gather(
        source: &Path,
        copy: &Path,
        file: &File,
        folder: PathBuf,
    ) -> Result<Option<Bundle>, LoadError> {
        let failed = |error: io::Error| {
            let message = format!(
                "cannot copy the libraries that {} brings along: {error}",
                source.display()
            );
            LoadError::new(LoadErrorKind::File, message)
        };
        let original = std::path::absolute(source).map_err(failed)?;
        let original = original.parent().unwrap_or(Path::new("/"));
        let inside = folder.join(["o"; DEPTH].join("/"));
        let first = Member::new(source, file.try_clone().map_err(failed)?, original, &inside, &[])?;
        for needed in first
            .dynamic
            .needed
            .iter()
            .filter(|needed| needed.starts_with('/'))
        {
            refuse_if_replaced(source, Path::new(needed))?;
        }
        if first.looks.is_empty() && first.inherited.is_empty() {
            return Ok(None);
        }
        let library = inside.join(copy.file_name().unwrap_or_default());
        let mut bundle = Bundle {
            folder,
            library,
            names: BTreeMap::new(),
            originals: Vec::new(),
            digests: Vec::new(),
        };
        let members = bundle.follow(first, copy, &failed)?;
        if bundle.originals.is_empty() {
            return Ok(None);
        }
        bundle.rename(&members).map_err(failed)??;
        mesh_files::create_private_folders(&inside).map_err(failed)?;
        fs::hard_link(copy, &bundle.library).map_err(failed)?;
        Ok(Some(bundle))
    }

    /// Copies what is needed, in the order in which the dynamic linker looks for it.
    fn follow(
        &mut self,
        first: Member,
        copy: &Path,
        failed: &dyn Fn(io::Error) -> LoadError,
    ) -> Result<Vec<Member>, LoadError> {
        let mut files: BTreeMap<(u64, u64), PathBuf> = BTreeMap::new();
        // A library that it brings along may need it in turn, by its file or by its own name.
        let own_name = first.dynamic.own_name.clone();
        if let Ok(about) = fs::metadata(&first.shown) {
            files.insert((about.dev(), about.ino()), copy.to_owned());
        }
        let mut members = vec![first];
        let mut position = 0;
        while position < members.len() && members.len() < MOST {
            for needed in members[position].dynamic.needed.clone() {
                // The dynamic linker never looks for what the host itself is linked to.
                if needed.starts_with('/') {
                    refuse_if_replaced(&members[position].shown, Path::new(&needed))?;
                }
                if needed.contains('/') || self.names.contains_key(&needed) || hosts_own().contains(&needed) {
                    continue;
                }
                if own_name.as_ref() == Some(&needed) {
                    let name = unused_name(&needed)?;
                    self.names.insert(needed, name);
                    continue;
                }
                let member = &members[position];
                let found = |place: &&Place| place.folder().join(&needed).is_file();
                let Some(place) = member.looks.iter().find(found) else {
                    continue;
                };
                let from = place.folder().join(&needed);
                let Place::Beside { copy, way, .. } = place else {
                    refuse_if_replaced(&member.shown, &from)?;
                    continue;
                };
                let Some(to) = below(&self.folder, copy, way) else {
                    continue;
                };
                mesh_files::create_private_folders(&to).map_err(failed)?;
                let name = unused_name(&needed)?;
                let path = to.join(&name);
                self.names.insert(needed, name);
                let about = fs::metadata(&from).map_err(failed)?;
                let known = files.entry((about.dev(), about.ino()));
                if let std::collections::btree_map::Entry::Occupied(known) = known {
                    // The dynamic linker knows it by its file.
                    fs::hard_link(known.get(), &path).map_err(failed)?;
                    continue;
                }
                let copied = Copy::new(&from, &path)?;
                known.or_insert_with(|| path.clone());
                self.digests.push(copied.digest);
                let beside = from.parent().unwrap_or(Path::new("/"));
                let next = Member::new(&from, copied.file, beside, &to, &member.inherited)?;
                if let Some(own) = &next.dynamic.own_name
                    && !self.names.contains_key(own)
                {
                    self.names.insert(own.clone(), unused_name(own)?);
                }
                self.originals.push((path, from));
                members.push(next);
            }
            position += 1;
        }
        Ok(members)
    }

    /// Gives the copies their names.
    fn rename(&self, members: &[Member]) -> io::Result<Result<(), LoadError>> {
        for member in members {
            let Some(changes) = member.dynamic.renamed(&self.names) else {
                let message = format!(
                    "{} cannot be loaded: the name of one bundled library is the end of another name in this file. \
                     Rename the bundled library",
                    member.shown.display()
                );
                return Ok(Err(LoadError::new(LoadErrorKind::Linking, message)));
            };
            for (offset, bytes) in changes {
                member.file.write_all_at(&bytes, offset)?;
            }
        }
        Ok(Ok(()))
    }

    /// The copy of the component's library that finds the others.
    pub(super) fn library(&self) -> &Path {
        &self.library
    }

    /// Of the library, whose own is given, and of all that it brings along.
    pub(super) fn digest(&self, library: u128) -> u128 {
        let mut hash = Xxh3::new();
        hash.update(&library.to_le_bytes());
        for digest in &self.digests {
            hash.update(&digest.to_le_bytes());
        }
        hash.digest128()
    }

    /// A text in which the originals stand for the copies.
    pub(super) fn named_as_original(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (copy, original) in &self.originals {
            text = text.replace(&*copy.to_string_lossy(), &original.to_string_lossy());
        }
        for (original, name) in &self.names {
            text = text.replace(name, original);
        }
        text
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The folder at the end of a way; `None` when it leaves the folder of the bundle.
fn below(root: &Path, from: &Path, way: &str) -> Option<PathBuf> {
    let mut place = from.to_owned();
    for step in Path::new(way).components() {
        match step {
            Component::Normal(name) => {
                place.push(name);
                // The dynamic linker goes each step, also those that it takes back.
                mesh_files::create_private_folders(&place).ok()?;
            }
            Component::ParentDir => {
                place.pop();
                if !place.starts_with(root) {
                    return None;
                }
            }
            _ => {}
        }
    }
    Some(place)
}

/// A name of the same length, with the same ending, that no library had in this process.
fn unused_name(name: &str) -> Result<String, LoadError> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let stem = name.find('.').unwrap_or(name.len());
    let changed = CHANGED.min(stem);
    let mut number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut bytes = name.as_bytes().to_vec();
    let place = bytes.get_mut(stem - changed..stem).unwrap_or_default();
    for byte in place.iter_mut().rev() {
        *byte = DIGITS[(number % 36) as usize];
        number /= 36;
    }
    match String::from_utf8(bytes) {
        Ok(unused) if number == 0 => Ok(unused),
        _ => Err(LoadError::new(
            LoadErrorKind::Resources,
            format!(
                "the library {name}, which a component brings along, needs a longer name, of six letters or more"
            ),
        )),
    }
}

/// The libraries that the host is linked to.
fn hosts_own() -> &'static [String] {
    static NEEDED: OnceLock<Vec<String>> = OnceLock::new();
    NEEDED.get_or_init(|| {
        let own = File::open("/proc/self/exe").ok();
        let dynamic = own.and_then(|own| Dynamic::read(&own).ok());
        dynamic.map(|dynamic| dynamic.needed).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_length_and_its_ending_and_is_never_the_same_again() {
        let (one, two) = (
            unused_name("libpart.so.1").unwrap(),
            unused_name("libpart.so.1").unwrap(),
        );
        assert!(
            one.len() == 12 && one.ends_with(".so.1") && one.starts_with('l'),
            "{one}"
        );
        assert_ne!(one, two);
        assert!(unused_name(".so").is_err());
    }

    #[test]
    fn libraries_of_the_host_itself_are_known() {
        assert!(
            hosts_own().iter().any(|name| name.starts_with("libc.")),
            "{:?}",
            hosts_own()
        );
    }
}
