//! Circles of imports between the top modules of a crate, read from its sources as text.
//!
//! Enters: the folder `src` of a crate. Leaves: each group of modules that reach each other, with the lines that do it.
//! Guarantees: comments and tests do not count; a name that the crate's root passes on counts as one of the module that has it.

use crate::sources::{code, list};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

/// Modules that reach each other.
#[derive(Debug)]
pub struct Circle {
    /// Their names, in order.
    pub modules: Vec<String>,
    imports: Vec<Import>,
}

/// One module names another one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Import {
    from: String,
    to: String,
    file: PathBuf,
    line: usize,
}

impl fmt::Display for Circle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} import each other", self.modules.join(", "))?;
        for Import { from, to, file, line } in &self.imports {
            write!(formatter, "\n    {from} → {to}  {}:{line}", file.display())?;
        }
        Ok(())
    }
}

/// All circles of a crate.
pub fn of(source: &Path) -> Vec<Circle> {
    let files = list(source);
    let modules: BTreeSet<String> = files.iter().filter_map(|file| module_of(source, file)).collect();
    let passed_on = passed_on(source, &modules);
    let mut imports = Vec::new();
    for file in &files {
        let Some(from) = module_of(source, file) else {
            continue;
        };
        let text = code(&std::fs::read_to_string(file).expect("a source can be read"));
        for (at, name) in names_of_the_root(&text, depth(source, file)) {
            let to = if modules.contains(&name) {
                Some(&name)
            } else {
                passed_on.get(&name)
            };
            if let Some(to) = to.filter(|to| **to != from) {
                imports.push(Import {
                    from: from.clone(),
                    to: to.clone(),
                    file: file.clone(),
                    line: text[..at].matches('\n').count() + 1,
                });
            }
        }
    }
    // A line that takes several names says it once.
    imports.dedup();
    circles(&modules, &imports)
}

fn circles(modules: &BTreeSet<String>, imports: &[Import]) -> Vec<Circle> {
    let reached: BTreeMap<&String, BTreeSet<&String>> = modules
        .iter()
        .map(|module| (module, reach(module, imports)))
        .collect();
    let mut seen = BTreeSet::new();
    let mut circles = Vec::new();
    for module in modules {
        let others = modules.iter().filter(|other| {
            *other == module || (reached[module].contains(other) && reached[other].contains(module))
        });
        let group: Vec<String> = others.cloned().collect();
        if group.len() > 1 && seen.insert(group.clone()) {
            let inside = |import: &&Import| group.contains(&import.from) && group.contains(&import.to);
            circles.push(Circle {
                imports: imports.iter().filter(inside).cloned().collect(),
                modules: group,
            });
        }
    }
    circles
}

fn reach<'a>(from: &'a String, imports: &'a [Import]) -> BTreeSet<&'a String> {
    let mut reached = BTreeSet::new();
    let mut next = vec![from];
    while let Some(module) = next.pop() {
        for import in imports.iter().filter(|import| import.from == *module) {
            if reached.insert(&import.to) {
                next.push(&import.to);
            }
        }
    }
    reached
}

/// The path of a file's module: `a::b` for `a/b.rs`, empty for the root.
fn path_of(source: &Path, file: &Path) -> Vec<String> {
    let below = file.strip_prefix(source).expect("it is below the folder");
    let below = below.with_extension("");
    let parts = below
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .filter(|part| part != "mod");
    let path: Vec<String> = parts.collect();
    match path.as_slice() {
        [root] if root == "lib" || root == "main" => Vec::new(),
        _ => path,
    }
}

fn module_of(source: &Path, file: &Path) -> Option<String> {
    path_of(source, file).into_iter().next()
}

fn depth(source: &Path, file: &Path) -> usize {
    path_of(source, file).len()
}

/// The names that a text takes from the crate's root, with the places: `name` for `crate::name::…`, `crate::{name, …}`, and for as many
/// `super::` as the module is deep.
fn names_of_the_root(text: &str, depth: usize) -> Vec<(usize, String)> {
    let mut names = Vec::new();
    for start in ["crate::".to_owned(), "super::".repeat(depth)] {
        for (at, _) in text.match_indices(&start) {
            let before = text[..at].chars().next_back();
            if before.is_some_and(|before| before.is_alphanumeric() || "_$:".contains(before)) {
                continue;
            }
            let paths = paths(&text[at + start.len()..]);
            let firsts = paths.into_iter().filter_map(|path| path.into_iter().next());
            names.extend(firsts.map(|name| (at, name)));
        }
    }
    names
}

/// The names that the root of a crate passes on from its modules, with the module of each.
fn passed_on(source: &Path, modules: &BTreeSet<String>) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(source.join("lib.rs")).unwrap_or_default();
    let text = code(&text);
    let mut passed_on = BTreeMap::new();
    for (at, word) in text.match_indices("use ") {
        for mut path in paths(&text[at + word.len()..]) {
            if path
                .first()
                .is_some_and(|first| first == "crate" || first == "self")
            {
                path.remove(0);
            }
            if let [module, .., name] = path.as_slice()
                && modules.contains(module)
            {
                passed_on.insert(name.clone(), module.clone());
            }
        }
    }
    passed_on
}

/// The paths at the beginning of a text: one, or those of a group in braces. A path `a as b` ends with `b`.
fn paths(text: &str) -> Vec<Vec<String>> {
    let text = text.trim_start();
    if let Some(group) = text.strip_prefix('{') {
        return members(group).into_iter().flat_map(paths).collect();
    }
    let end = text
        .find(|character: char| !character.is_alphanumeric() && character != '_')
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.is_empty() {
        return Vec::new();
    }
    let mut name = name.to_owned();
    let below = match rest.strip_prefix("::") {
        Some(rest) => paths(rest),
        None => Vec::new(),
    };
    if let Some(new) = rest.strip_prefix(" as ") {
        let end = new.find(|character: char| !character.is_alphanumeric() && character != '_');
        name = new[..end.unwrap_or(new.len())].to_owned();
    }
    if below.is_empty() {
        return vec![vec![name]];
    }
    let longer = below.into_iter().map(|mut path| {
        path.insert(0, name.clone());
        path
    });
    longer.collect()
}

/// The members of a group, up to the brace that closes it.
fn members(group: &str) -> Vec<&str> {
    let mut members = Vec::new();
    let (mut level, mut begin) = (0, 0);
    for (at, character) in group.char_indices() {
        match character {
            '{' => level += 1,
            '}' if level == 0 => {
                members.push(&group[begin..at]);
                break;
            }
            '}' => level -= 1,
            ',' if level == 0 => {
                members.push(&group[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    members
}

#[cfg(test)]
mod tests {
    use super::of;
    use mesh_tests::host::Folder;

    #[test]
    fn a_circle_is_found_with_its_lines() {
        let folder = Folder::new("circles");
        std::fs::create_dir(folder.path().join("b")).unwrap();
        folder.write(
            "lib.rs",
            "mod a;\nmod b;\nmod c;\nmod d;\npub use c::deep::{Name as Other};\n",
        );
        folder.write(
            "a.rs",
            "//! crate::d\nuse crate::{\n    b::X,\n    d::{Y, Z},\n};\n",
        );
        folder.write("b/mod.rs", "fn f() { crate::Other::new() }\n");
        folder.write("b/below.rs", "use super::Sibling;\n");
        folder.write("c.rs", "use std::fmt;\nuse super::a::W;\n");
        folder.write("d.rs", "#[cfg(test)]\nmod tests {\n    use crate::a;\n}\n");
        let circles = of(folder.path());
        assert_eq!(circles.len(), 1, "{circles:?}");
        assert_eq!(circles[0].modules, ["a", "b", "c"]);
        let shown = circles[0].to_string();
        for line in ["a → b", "a.rs:2", "b → c", "b/mod.rs:1", "c → a", "c.rs:2"] {
            assert!(shown.contains(line), "{line}: {shown}");
        }
        assert!(!shown.contains("→ d"), "{shown}");
    }

    #[test]
    fn modules_that_look_only_down_are_no_circle() {
        let folder = Folder::new("circles");
        folder.write("lib.rs", "mod a;\nmod b;\n");
        folder.write("a.rs", "use crate::b::X;\n");
        folder.write("b.rs", "use crate::b::own;\nuse crate::Root;\n");
        assert!(of(folder.path()).is_empty());
    }
}
