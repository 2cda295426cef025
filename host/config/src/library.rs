//! From the `library` of a component to a file on disk.
//!
//! Enters: the text of the key and the two folders it may be relative to. Leaves: the path of an existing
//! file, or what was tried and the file that was probably meant. Guarantees: a path that is returned always
//! has a folder in it, so the system's loader opens that file and does not search for it.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::suggest;

/// Why no file was found.
pub(super) struct NotFound {
    pub(super) message: String,
    pub(super) help: String,
}

/// The files a library text may mean, best first.
///
/// - With a `/` it is a path, relative to `folder`.
/// - With the ending of a library (`.so`) it is a file in `dir`.
/// - Else it is the name of a crate: `my-calc` is `libmy_calc.so` in `dir`; a file of exactly that name comes after.
pub(super) fn candidates(library: &str, dir: &Path, folder: &Path) -> Vec<PathBuf> {
    if library.contains('/') {
        return vec![folder.join(library)];
    }
    if is_library_name(library) {
        return vec![dir.join(library)];
    }
    let file = format!("{DLL_PREFIX}{}{DLL_SUFFIX}", library.replace('-', "_"));
    vec![dir.join(file), dir.join(library)]
}

/// The first candidate that is a file.
pub(super) fn resolve(library: &str, dir: &Path, folder: &Path) -> Result<PathBuf, NotFound> {
    let candidates = candidates(library, dir, folder);
    if let Some(found) = candidates.iter().find(|path| path.is_file()) {
        return Ok(found.clone());
    }
    let tried: Vec<String> = candidates.iter().map(|path| path.display().to_string()).collect();
    let message = format!(
        "library {} not found, tried {}",
        super::tree::quoted(library),
        tried.join(", ")
    );
    let searched = candidates.first().and_then(|path| path.parent()).unwrap_or(dir);
    let help = match libraries_in(searched) {
        Err(_) if searched.is_dir() => format!("the folder {} cannot be read", searched.display()),
        Err(_) => format!(
            "the folder {} does not exist; set `dir` in [plugins]",
            searched.display()
        ),
        Ok(files) => {
            let names = candidates
                .iter()
                .filter_map(|path| path.file_name())
                .filter_map(OsStr::to_str);
            let near = names
                .filter_map(|name| suggest::nearest(name, files.iter().map(String::as_str)))
                .next();
            match near {
                Some(near) => format!("did you mean `{near}`, which is in {}?", searched.display()),
                None if files.is_empty() => format!("there is no library in {}", searched.display()),
                None => format!("libraries in {}: {}", searched.display(), listed(&files)),
            }
        }
    };
    Err(NotFound { message, help })
}

/// Whether a text has the ending of a library: `libcalc.so`, `libcalc.so.2`.
fn is_library_name(text: &str) -> bool {
    text.ends_with(DLL_SUFFIX) || text.contains(&format!("{DLL_SUFFIX}."))
}

fn libraries_in(dir: &Path) -> std::io::Result<Vec<String>> {
    let mut names: Vec<String> = std::fs::read_dir(dir)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| is_library_name(name))
        .collect();
    names.sort_unstable();
    Ok(names)
}

fn listed(files: &[String]) -> String {
    const SHOWN: usize = 8;
    let mut list = files[..files.len().min(SHOWN)].join(", ");
    if files.len() > SHOWN {
        list.push_str(&format!(" and {} more", files.len() - SHOWN));
    }
    list
}
