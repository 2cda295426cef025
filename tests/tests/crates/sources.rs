//! Sources as text, without what does not run in a host.
//!
//! Enters: a folder of sources, or the text of one. Leaves: its files, or the text that counts. Guarantees: files and
//! modules of tests do not count, nor do comments.

use std::path::{Path, PathBuf};

/// The sources below a folder, without those of tests, in order.
pub fn list(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    list_below(folder, &mut files);
    files
}

fn list_below(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).expect("a folder of sources can be read");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("its entries can be read").path())
        .collect();
    paths.sort();
    for path in paths {
        let is_of_tests = path.file_stem().is_some_and(|stem| stem == "tests");
        if is_of_tests {
            continue;
        }
        if path.is_dir() {
            list_below(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The text without comments and tests; lines stay where they are.
pub fn code(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim() != "#[cfg(test)]" {
            code.push_str(line.split("//").next().unwrap_or_default());
            code.push('\n');
            continue;
        }
        code.push('\n');
        let tested = lines.next().unwrap_or_default();
        if tested.trim_end().ends_with('{') && tested.contains("mod ") {
            // By custom the last of a file.
            break;
        }
        code.push('\n');
    }
    code
}
