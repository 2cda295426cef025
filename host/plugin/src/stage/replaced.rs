//! Libraries that a component needs and that have a place of their own, such as `/opt/x/lib`: they are not copied.
//!
//! Why: the dynamic linker answers with the library of a name that is in memory, whatever is on disk by now.
//!
//! Enters: a library that is about to be needed. Leaves: one sentence where the one in memory is an older one. Guarantees:
//! nothing is opened or read but the list of mapped files.

use crate::{LoadError, LoadErrorKind};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Refuses the library `shown`, which needs another one, when that was replaced or written to while it is in memory.
pub(super) fn refuse_if_replaced(shown: &Path, needed: &Path) -> Result<(), LoadError> {
    static SEEN: Mutex<BTreeMap<File, Stamp>> = Mutex::new(BTreeMap::new());
    let (Ok(about), Ok(maps)) = (fs::metadata(needed), fs::read_to_string("/proc/self/maps")) else {
        return Ok(());
    };
    let mapped = Mapped::find(&maps, needed, about.ino());
    let file = File {
        device: about.dev(),
        number: about.ino(),
    };
    let stamp = Stamp {
        written: (about.mtime(), about.mtime_nsec()),
        length: about.size(),
    };
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let was_written_to = mapped.this && seen.get(&file).is_some_and(|before| *before != stamp);
    if !was_written_to {
        seen.insert(file, stamp);
    }
    if !mapped.another && !was_written_to {
        return Ok(());
    }
    let state = if mapped.another {
        "of which another file is in memory"
    } else {
        "which was written to while it is in memory"
    };
    let message = format!(
        "{} needs {}, {state}: restart the host, or let the component find it by a run path that begins with $ORIGIN",
        shown.display(),
        needed.display()
    );
    Err(LoadError::new(LoadErrorKind::Linking, message))
}

/// A file, under whichever name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct File {
    device: u64,
    number: u64,
}

/// The state of a file when it was looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    /// Seconds and nanoseconds.
    written: (i64, i64),
    length: u64,
}

/// Libraries of one name in this process.
struct Mapped {
    /// The very file is in memory.
    this: bool,
    /// So is another one of its name.
    another: bool,
}

impl Mapped {
    fn find(maps: &str, library: &Path, number: u64) -> Mapped {
        let mut mapped = Mapped {
            this: false,
            another: false,
        };
        let Some(name) = library.file_name().map(|name| name.to_string_lossy()) else {
            return mapped;
        };
        for line in maps.lines() {
            let mut fields = line.split_ascii_whitespace().skip(4);
            let (Some(found), Some(path)) = (fields.next(), fields.next()) else {
                continue;
            };
            let rest = path
                .rsplit('/')
                .next()
                .and_then(|found| found.strip_prefix(&*name));
            // A link leads to a file whose name tells its version.
            let is_version = |rest: &str| name.contains(".so.") && rest.starts_with('.');
            if rest.is_some_and(|rest| rest.is_empty() || is_version(rest)) {
                let is_this = found.parse() == Ok(number);
                mapped.this |= is_this;
                mapped.another |= !is_this;
            }
        }
        mapped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_of_the_same_name_in_another_file_is_found_among_those_in_memory() {
        let maps = "7f00-7f01 r-xp 00000000 08:01 41   /opt/lib/libpart.so.1.2 (deleted)\n\
                    7f01-7f02 r-xp 00000000 08:01 50   /opt/lib/libpart.so.10\n\
                    7f02-7f03 rw-p 00000000 00:00 0\n";
        let find = |number| {
            let mapped = Mapped::find(maps, Path::new("/opt/lib/libpart.so.1"), number);
            (mapped.this, mapped.another)
        };
        assert_eq!(find(41), (true, false));
        assert_eq!(find(42), (false, true));
        let other = Mapped::find(maps, Path::new("/opt/lib/libother.so"), 41);
        assert!(!other.this && !other.another);
    }
}
