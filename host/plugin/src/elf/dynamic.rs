//! The dynamic section: which other libraries a library needs, and where it looks for them.
//!
//! Enters: a file. Leaves: names and run paths, and the changes that give libraries other names. Guarantees: a changed
//! name is as long as the old one, and no other text of the file changes with it.

use super::{Change, ElfError, HEADER, Image, Segment, bytes, dynamic_entries, segments};
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
        let segments = segments(file)?;
        let entries = dynamic_entries(file, &segments)?;
        let value = |tag| {
            let entry = entries.iter().find(|entry| entry.tag == tag);
            entry.map(|entry| entry.value)
        };
        let (Some(address), Some(size)) = (value(TAG_STRINGS), value(TAG_STRINGS_SIZE)) else {
            return Ok(Dynamic::default());
        };
        let strings_at = place_of(address, &segments).ok_or(ElfError::Truncated)?;
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
        let needed = entries.iter().filter(|entry| entry.tag == TAG_NEEDED);
        Ok(Dynamic {
            needed: needed.filter_map(|entry| text(entry.value)).collect(),
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

/// The place in the file of what is loaded to an address.
fn place_of(address: u64, segments: &[Segment]) -> Option<u64> {
    let mut loaded = segments.iter().filter(|segment| segment.kind == SEGMENT_LOAD);
    let part = loaded.find(|part| {
        let distance = address.checked_sub(part.address);
        distance.is_some_and(|distance| distance < part.length)
    })?;
    part.offset.checked_add(address - part.address)
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
