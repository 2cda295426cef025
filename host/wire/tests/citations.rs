//! Comments, tests and documents cite sections of `docs/protocol.md` and `docs/mesh-protocol.md` by number.
//!
//! Enters: the Rust, Markdown and TOML files of the repository. Leaves: nothing, or a list of citations that name no
//! section. Guarantees: a section that is renumbered or removed is noticed, with file, line and number.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The documents whose sections are cited, each with the forms in which it is named: in comments, and in links of documents.
const DOCUMENTS: [(&str, [&str; 2]); 2] = [
    ("docs/protocol.md", ["docs/protocol.md", "](protocol.md)"]),
    (
        "docs/mesh-protocol.md",
        ["docs/mesh-protocol.md", "](mesh-protocol.md)"],
    ),
];
/// Names that these documents had once. They lead nowhere.
const FORMER: [&str; 3] = ["PROTOCOL.md", "MESH.md", "(DESIGN:"];
/// Files that may cite.
const ENDINGS: [&str; 3] = ["rs", "md", "toml"];
/// Folders with nothing of the repository's own.
const FOREIGN: [&str; 2] = ["target", "node_modules"];
/// The separators between the numbers of one citation.
const JOINTS: [&str; 3] = [", ", " and ", " to "];

/// A section of one of the documents, cited somewhere.
#[derive(Debug, PartialEq, Eq)]
struct Citation {
    line: usize,
    section: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The files of a folder, and of those below it, that may cite.
fn files_of(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() && !name.starts_with('.') && !FOREIGN.contains(&&*name) {
            files.extend(files_of(&path));
        }
        let ending = path.extension().and_then(|ending| ending.to_str());
        if kind.is_file() && ending.is_some_and(|ending| ENDINGS.contains(&ending)) {
            files.push(path);
        }
    }
    files
}

/// The number at the beginning of a text, such as `4.2` or `5.1.1`, and what follows it.
fn number(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|character: char| !character.is_ascii_digit() && character != '.');
    let number = text[..end.unwrap_or(text.len())].trim_end_matches('.');
    number
        .starts_with(|first: char| first.is_ascii_digit())
        .then(|| text.split_at(number.len()))
}

/// The numbers of a document's headings.
fn sections_of(document: &str) -> BTreeSet<String> {
    let headings = document.lines().filter(|line| line.starts_with('#'));
    let titles = headings.map(|line| line.trim_start_matches('#').trim_start());
    titles
        .filter_map(|title| Some(number(title)?.0.to_owned()))
        .collect()
}

/// The sections that one line cites of a document that is named like this. A citation may go on behind `, `, ` and ` or ` to `.
fn cited_in(line: &str, named: &str) -> Vec<String> {
    let mut sections = Vec::new();
    for (start, _) in line.match_indices(named) {
        let mut rest = line[start + named.len()..].strip_prefix(' ');
        while let Some((section, behind)) = rest.and_then(number) {
            sections.push(section.to_owned());
            rest = JOINTS.iter().find_map(|joint| behind.strip_prefix(joint));
        }
    }
    sections
}

fn citations_of(text: &str, names: &[&str]) -> Vec<Citation> {
    let lines = text.lines().enumerate();
    let cited = lines.flat_map(|(index, line)| {
        let sections = names.iter().flat_map(move |named| cited_in(line, named));
        sections.map(move |section| Citation {
            line: index + 1,
            section,
        })
    });
    cited.collect()
}

#[test]
fn every_cited_section_exists() {
    let root = root();
    let documents = DOCUMENTS.map(|(name, names)| {
        let text = fs::read_to_string(root.join(name)).unwrap();
        (name, names, sections_of(&text))
    });
    let mut wrong = Vec::new();
    let mut found = 0;
    for path in files_of(&root) {
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        let file = path.strip_prefix(&root).unwrap().display();
        for (name, names, sections) in &documents {
            for Citation { line, section } in citations_of(&text, names) {
                found += 1;
                if !sections.contains(&section) {
                    wrong.push(format!("{file}:{line}: {name} has no section {section}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        found > 100,
        "only {found} citations were found: are the folders right?"
    );
}

#[test]
fn nothing_cites_the_former_documents() {
    let root = root();
    let mut wrong = Vec::new();
    for path in files_of(&root) {
        let file = path.strip_prefix(&root).unwrap();
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        if file.ends_with("host/wire/tests/citations.rs") {
            continue;
        }
        for (index, line) in text.lines().enumerate() {
            let former = FORMER.iter().find(|former| line.contains(**former));
            wrong.extend(former.map(|former| format!("{}:{}: {former}", file.display(), index + 1)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn headings_and_citations_are_read() {
    let document = "# Title\n\n## 2. Transport\n\n### 2.1 Upgrade\n\n#### 5.1.1 merge\n\nIn 3.4 nothing.\n";
    let sections: Vec<String> = sections_of(document).into_iter().collect();
    assert_eq!(sections, ["2", "2.1", "5.1.1"]);
    for (line, expected) in [
        (
            "//! (docs/protocol.md 4.2, 4.3 and 12.1).",
            &["4.2", "4.3", "12.1"][..],
        ),
        ("/// docs/protocol.md 9.9, docs/mesh-protocol.md 7.5", &["9.9"]),
        ("reason = \"see (docs/protocol.md 15)\"", &["15"]),
        ("[mesh-protocol.md](docs/mesh-protocol.md) 4", &[]),
        ("a sentence ends with docs/protocol.md 6.1. And another", &["6.1"]),
    ] {
        assert_eq!(cited_in(line, "docs/protocol.md"), expected, "{line}");
    }
    assert_eq!(
        cited_in(
            "a link, [protocol.md](protocol.md) 9.3, in a document",
            "](protocol.md)"
        ),
        ["9.3"]
    );
}
