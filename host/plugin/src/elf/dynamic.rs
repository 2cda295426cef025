//! The dynamic section: which other libraries a library needs, and where it looks for them.
//!
//! Enters: a file. Leaves: names and run paths, and the changes that give libraries other names. Guarantees: a changed
//! name is as long as the old one, and no other text of the file changes with it.

use super::{Change, ElfError, HEADER, Image, SEGMENT_DYNAMIC, bytes, long, short, word};
use std::collections::BTreeMap;

const SEGMENT_LOAD: u32 = 1;
const TAG_NEEDED: u64 = 1;
const TAG_STRINGS: u64 = 5;
const TAG_STRINGS_SIZE: u64 = 10;
const TAG_OWN_NAME: u64 = 14;
const TAG_RUN_PATH_OF_ALL: u64 = 15;
const TAG_RUN_PATH: u64 = 29;

/// The names in the dynamic section of a library.
#[derive(Debug, Default)]
pub(crate) struct Dynamic {
    /// Libraries that it needs, in order.
    pub(crate) needed: Vec<String>,
    /// Its own name, by which others find it once it is in memory.
    pub(crate) own_name: Option<String>,
    /// Where it looks for what it needs itself (`DT_RUNPATH`).
    pub(crate) run_path: Option<String>,
    /// Where it and all that it needs look (`DT_RPATH`).
    pub(crate) run_path_of_all: Option<String>,
    strings_at: u64,
    strings: Vec<u8>,
}

impl Dynamic {
    /// Reads a library that was checked. A library without such a section needs nothing.
    pub(crate) fn read(file: &impl Image) -> Result<Dynamic, ElfError> {
        let _: [u8; HEADER] = bytes(file, 0)?;
        let segments = Segments::of(file)?;
        let entries = segments.entries(file)?;
        let value = |tag| entries.iter().find(|entry| entry.0 == tag).map(|entry| entry.1);
        let (Some(address), Some(size)) = (value(TAG_STRINGS), value(TAG_STRINGS_SIZE)) else {
            return Ok(Dynamic::default());
        };
        let strings_at = segments.offset(address).ok_or(ElfError::Truncated)?;
        if strings_at.checked_add(size).is_none_or(|end| end > file.length()) {
            return Err(ElfError::Truncated);
        }
        let mut strings = vec![0; usize::try_from(size).map_err(|_| ElfError::Truncated)?];
        if !file.read(strings_at, &mut strings) {
            return Err(ElfError::Truncated);
        }
        let text = |at: u64| {
            let rest = strings.get(usize::try_from(at).ok()?..)?;
            let end = rest.iter().position(|byte| *byte == 0)?;
            String::from_utf8(rest[..end].to_vec()).ok()
        };
        let needed = entries.iter().filter(|entry| entry.0 == TAG_NEEDED);
        Ok(Dynamic {
            needed: needed.filter_map(|entry| text(entry.1)).collect(),
            own_name: value(TAG_OWN_NAME).and_then(text),
            run_path: value(TAG_RUN_PATH).and_then(text),
            run_path_of_all: value(TAG_RUN_PATH_OF_ALL).and_then(text),
            strings_at,
            strings,
        })
    }

    /// The changes that write other names, which are as long. `None` where a name is at the same time the end of another text.
    pub(crate) fn renamed(&self, names: &BTreeMap<String, String>) -> Option<Vec<Change>> {
        let mut changes = Vec::new();
        let mut found = Vec::new();
        let mut at = 0;
        for text in self.strings.split(|byte| *byte == 0) {
            if let Ok(text) = std::str::from_utf8(text)
                && let Some(name) = names.get(text)
            {
                changes.push((self.strings_at + at, name.clone().into_bytes()));
                found.push(text);
            }
            at += text.len() as u64 + 1;
        }
        let used = self.needed.iter().chain(&self.own_name);
        let mut used = used.filter(|name| names.contains_key(*name));
        used.all(|name| found.contains(&name.as_str())).then_some(changes)
    }
}

/// The entries of the dynamic section: tags and values.
pub(super) fn entries(file: &impl Image) -> Result<Vec<(u64, u64)>, ElfError> {
    Segments::of(file)?.entries(file)
}

/// Where the parts of a file lie when it is loaded.
struct Segments {
    loaded: Vec<Loaded>,
    /// Offset and length.
    dynamic: Option<(u64, u64)>,
}

struct Loaded {
    address: u64,
    offset: u64,
    length: u64,
}

impl Segments {
    fn of(file: &impl Image) -> Result<Segments, ElfError> {
        let start = long(file, 32)?;
        let (size, count) = (u64::from(short(file, 54)?), u64::from(short(file, 56)?));
        let mut segments = Segments {
            loaded: Vec::new(),
            dynamic: None,
        };
        for position in 0..count {
            let at = start.checked_add(position * size).ok_or(ElfError::Truncated)?;
            let (offset, address, length) = (long(file, at + 8)?, long(file, at + 16)?, long(file, at + 32)?);
            match word(file, at)? {
                SEGMENT_LOAD => segments.loaded.push(Loaded {
                    address,
                    offset,
                    length,
                }),
                SEGMENT_DYNAMIC => segments.dynamic = Some((offset, length)),
                _ => {}
            }
        }
        Ok(segments)
    }

    /// Tags and values. A library without such a section has none.
    fn entries(&self, file: &impl Image) -> Result<Vec<(u64, u64)>, ElfError> {
        let (offset, length) = self.dynamic.unwrap_or_default();
        let mut entries = Vec::new();
        for entry in (0..length / 16).map(|position| offset.saturating_add(position * 16)) {
            match long(file, entry)? {
                0 => break,
                tag => entries.push((tag, long(file, entry.saturating_add(8))?)),
            }
        }
        Ok(entries)
    }

    /// The place in the file of what is loaded to an address.
    fn offset(&self, address: u64) -> Option<u64> {
        let holds = |part: &&Loaded| {
            let distance = address.checked_sub(part.address);
            distance.is_some_and(|distance| distance < part.length)
        };
        let part = self.loaded.iter().find(holds)?;
        part.offset.checked_add(address - part.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(strings: &[u8], needed: &[&str]) -> Dynamic {
        Dynamic {
            needed: needed.iter().map(|name| (*name).to_owned()).collect(),
            strings_at: 100,
            strings: strings.to_vec(),
            ..Dynamic::default()
        }
    }

    #[test]
    fn a_name_changes_in_its_place_and_only_where_it_is_a_text_of_its_own() {
        let names = BTreeMap::from([("libpart.so".to_owned(), "lib0001.so".to_owned())]);
        let dynamic = with(b"\0answer\0libpart.so\0", &["libpart.so"]);
        assert_eq!(dynamic.renamed(&names), Some(vec![(108, b"lib0001.so".to_vec())]));
        let shared = with(b"\0my-libpart.so\0", &["libpart.so"]);
        assert_eq!(shared.renamed(&names), None);
        let other = with(b"\0my-libpart.so\0", &["my-libpart.so"]);
        assert_eq!(other.renamed(&names), Some(Vec::new()));
    }

    #[test]
    fn the_tests_own_executable_needs_the_c_library() {
        let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
        let dynamic = Dynamic::read(&file).unwrap();
        assert!(
            dynamic.needed.iter().any(|name| name.starts_with("libc.")),
            "{dynamic:?}"
        );
    }
}
