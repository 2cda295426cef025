//! The inputs in the tree.
//!
//! Enters: the name of a target. Leaves: its inputs, in the order of their names. Guarantees: a folder that is missing or
//! empty is a failure, since a target without seeds reaches little.
//!
//! Seeds are files of `tests/fuzz/corpus/TARGET`. A file whose name ends with `.lines` holds one seed in each line, written as the
//! inside of a text of Rust: `\n`, `\xff`, `\\`.

use std::fs;
use std::path::{Path, PathBuf};

/// One input.
pub(crate) struct Seed {
    /// Where it is from.
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// The folder with the seeds of a target.
pub(crate) fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target)
}

/// The seeds of a target.
pub(crate) fn read(target: &str) -> Vec<Seed> {
    let folder = folder(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap_or_else(|error| panic!("{}: {error}", folder.display())))
        .map(|entry| entry.path())
        .collect();
    files.sort();
    let seeds: Vec<Seed> = files.iter().flat_map(|file| of_file(file)).collect();
    assert!(!seeds.is_empty(), "{} is empty", folder.display());
    seeds
}

/// The seeds of one file.
fn of_file(file: &Path) -> Vec<Seed> {
    let bytes = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    if file.extension().is_none_or(|ending| ending != "lines") {
        let name = file.display().to_string();
        return vec![Seed { name, bytes }];
    }
    let text = String::from_utf8(bytes).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty());
    let seeds = lines.map(|(number, line)| {
        let name = format!("{}:{}", file.display(), number + 1);
        let bytes = unescaped(line).unwrap_or_else(|| panic!("{name}: an escape is not known"));
        Seed { name, bytes }
    });
    seeds.collect()
}

/// The bytes that a line stands for.
fn unescaped(line: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut rest) = (Vec::new(), line);
    while let Some((plain, escape)) = rest.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        let kind = escape.chars().next()?;
        rest = &escape[kind.len_utf8()..];
        bytes.push(match kind {
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            '0' => 0,
            '\\' => b'\\',
            'x' => {
                let byte = u8::from_str_radix(rest.get(..2)?, 16).ok()?;
                rest = &rest[2..];
                byte
            }
            _ => return None,
        });
    }
    bytes.extend_from_slice(rest.as_bytes());
    Some(bytes)
}

/// A line that stands for bytes.
pub(crate) fn escaped(bytes: &[u8]) -> String {
    let mut line = String::new();
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '\n' => line.push_str("\\n"),
                '\r' => line.push_str("\\r"),
                '\t' => line.push_str("\\t"),
                '\\' => line.push_str("\\\\"),
                '\0'..' ' | '\x7f' => line.push_str(&format!("\\x{:02x}", letter as u32)),
                letter => line.push(letter),
            }
        }
        for byte in chunk.invalid() {
            line.push_str(&format!("\\x{byte:02x}"));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stands_for_its_bytes() {
        let bytes = b"a\\b\n\r\t\0\x1f\xff\xc3\xa9 \"c\"";
        let line = escaped(bytes);
        assert_eq!(line, r#"a\\b\n\r\t\x00\x1f\xffé "c""#);
        assert_eq!(unescaped(&line).as_deref(), Some(&bytes[..]));
        assert_eq!(unescaped(r"\0\x41").as_deref(), Some(&b"\0A"[..]));
    }

    #[test]
    fn an_unknown_escape_is_refused() {
        for line in [r"\q", r"\x4", r"\xg0", "\\"] {
            assert_eq!(unescaped(line), None, "{line}");
        }
    }
}
