//! Facts of a library file that are worth a word to its author.
//!
//! Enters: a file that was checked. Leaves: its [`FileFacts`]. Guarantees: nothing of it is run.

use super::{
    BINDING_GLOBAL, BINDING_UNIQUE, ElfError, Entry, FLAG_NODELETE, Image, SECTION_DYNAMIC_SYMBOLS, SYMBOL,
    TAG_FLAGS_1, bytes, check, dynamic_entries, long, segments, short, word,
};
use crate::{LoadError, LoadErrorKind};
use mesh_plugin_abi as abi;
use std::fs::File;
use std::path::Path;

const TAG_RELOCATIONS_IN_CODE: u64 = 22;
const TAG_FLAGS: u64 = 30;
const FLAG_RELOCATIONS_IN_CODE: u64 = 0x4;
const FLAG_STATIC_THREAD_LOCALS: u64 = 0x10;
const BINDING_WEAK: u8 = 2;
/// Symbols of this visibility, or of the one that lets others take their place, are seen by other libraries.
const VISIBILITIES_SEEN: [u8; 2] = [0, 3];

/// Facts of a library file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileFacts {
    /// Symbols that other libraries can see, beside the entry function.
    pub exported: Vec<String>,
    /// How many symbols are of the kind of which a process has one.
    pub unique: usize,
    /// The dynamic linker must write to its code.
    pub has_relocations_in_code: bool,
    /// Its thread-locals lie in a reserve of the process that is small.
    pub has_static_thread_locals: bool,
    /// It is linked so that it is never unloaded.
    pub is_never_unloaded: bool,
    /// Folders of its run path that begin neither with `/` nor with `$`.
    pub relative_run_paths: Vec<String>,
}

impl FileFacts {
    /// Looks at a file.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is no library for this machine.
    pub fn of(library: &Path) -> Result<FileFacts, LoadError> {
        let shown = library.display();
        let file = File::open(library).map_err(|error| {
            LoadError::new(
                LoadErrorKind::File,
                format!("cannot read the library {shown}: {error}"),
            )
        })?;
        facts(&file).map_err(|error| {
            LoadError::new(
                LoadErrorKind::NotALibrary,
                format!("{shown} cannot be loaded: {error}"),
            )
        })
    }
}

fn facts(file: &impl Image) -> Result<FileFacts, ElfError> {
    check(file)?;
    let mut facts = FileFacts::default();
    for Entry { tag, value, .. } in dynamic_entries(file, &segments(file)?)? {
        match tag {
            TAG_RELOCATIONS_IN_CODE => facts.has_relocations_in_code = true,
            TAG_FLAGS => {
                facts.has_relocations_in_code |= value & FLAG_RELOCATIONS_IN_CODE != 0;
                facts.has_static_thread_locals = value & FLAG_STATIC_THREAD_LOCALS != 0;
            }
            TAG_FLAGS_1 => facts.is_never_unloaded = value & FLAG_NODELETE != 0,
            _ => {}
        }
    }
    let dynamic = super::Dynamic::read(file)?;
    let paths = dynamic.run_path.iter().chain(&dynamic.run_path_of_all);
    let folders = paths.flat_map(|path| path.split(':'));
    facts.relative_run_paths = folders
        .filter(|folder| !folder.starts_with(['/', '$']))
        .map(str::to_owned)
        .collect();
    symbols(file, &mut facts)?;
    Ok(facts)
}

/// Reads the symbols for other libraries.
fn symbols(file: &impl Image, facts: &mut FileFacts) -> Result<(), ElfError> {
    let (sections, size, count) = (
        long(file, 40)?,
        u64::from(short(file, 58)?),
        u64::from(short(file, 60)?),
    );
    for position in 0..count {
        let at = sections + position * size;
        if word(file, at + 4)? != SECTION_DYNAMIC_SYMBOLS {
            continue;
        }
        let (offset, length) = (long(file, at + 24)?, long(file, at + 32)?);
        let names = sections + u64::from(word(file, at + 40)?) * size;
        let (names_at, names_length) = (long(file, names + 24)?, long(file, names + 32)?);
        if names_at
            .checked_add(names_length)
            .is_none_or(|end| end > file.length())
        {
            return Err(ElfError::Truncated);
        }
        let mut names = vec![0; usize::try_from(names_length).map_err(|_| ElfError::Truncated)?];
        if !file.read(names_at, &mut names) {
            return Err(ElfError::Truncated);
        }
        for symbol in (offset..offset + length).step_by(SYMBOL as usize) {
            let [info, visibility] = bytes::<2>(file, symbol + 4)?;
            let is_defined = short(file, symbol + 6)? != 0;
            if !is_defined || !VISIBILITIES_SEEN.contains(&(visibility & 3)) {
                continue;
            }
            let binding = info >> 4;
            facts.unique += usize::from(binding == BINDING_UNIQUE);
            if ![BINDING_GLOBAL, BINDING_WEAK, BINDING_UNIQUE].contains(&binding) {
                continue;
            }
            let name = names.get(word(file, symbol)? as usize..).unwrap_or_default();
            let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
            let name = String::from_utf8_lossy(name).into_owned();
            if name != abi::ENTRY_SYMBOL {
                facts.exported.push(name);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_own_executable_can_be_unloaded_and_has_no_relocations_in_its_code() {
        let facts = FileFacts::of(&std::env::current_exe().unwrap()).unwrap();
        assert!(
            !facts.has_relocations_in_code && !facts.is_never_unloaded,
            "{facts:?}"
        );
        assert!(facts.relative_run_paths.is_empty(), "{facts:?}");
    }
}
