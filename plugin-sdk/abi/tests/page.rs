//! The page about the ABI tells the truth.
//!
//! Enters: the tables of `docs/abi.md`, and the C header, which `header.rs` holds equal to the crate. Leaves: a failed
//! test that names the row that is wrong. Guarantees: each struct, field, offset, size, type, constant and function of the
//! header stands on the page as it is, and nothing stands there that the header lacks.

use std::collections::BTreeMap;
use std::path::Path;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn page() -> String {
    read("../../docs/abi.md")
}

/// The header without its comments, one space for each gap.
fn header() -> String {
    let text = read("../include/mesh_plugin.h");
    let mut code = String::new();
    let mut rest = text.as_str();
    while let Some((before, behind)) = rest.split_once("/*") {
        code.push_str(before);
        rest = behind.split_once("*/").expect("each comment ends").1;
    }
    code.push_str(rest);
    code
}

/// The text with one space for each gap.
fn joined(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The cells of a row of a table, without the marks of code.
fn cells(line: &str) -> Option<Vec<String>> {
    let row = line.strip_prefix("| ")?.strip_suffix('|')?;
    Some(row.split('|').map(|cell| cell.trim().replace('`', "")).collect())
}

/// The rows of the tables of a section, the first line of each left out.
fn rows<'a>(page: &'a str, heading: &str) -> impl Iterator<Item = Vec<String>> + use<'a> {
    let start = page
        .find(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("the page has no heading {heading:?}"));
    let section = &page[start + heading.len() + 2..];
    let end = section.find("\n#").unwrap_or(section.len());
    let mut lines = section[..end].lines().peekable();
    std::iter::from_fn(move || {
        loop {
            let line = lines.next()?;
            let is_title = lines.peek().is_some_and(|next| next.starts_with("|---"));
            if !is_title && let Some(cells) = cells(line) {
                return Some(cells);
            }
        }
    })
}

/// A field as the header or the page has it.
#[derive(Debug, PartialEq, Eq)]
struct Field {
    name: String,
    offset: usize,
    size: usize,
    kind: String,
}

/// Bytes of a type on 64-bit machines.
fn size_of(kind: &str) -> usize {
    match kind {
        "uint16_t" => 2,
        "uint16_t[3]" => 6,
        "uint32_t" | "int32_t" => 4,
        "mesh_slice" => 16,
        _ => 8,
    }
}

/// A declaration of C as name and type.
fn declared(declaration: &str) -> (String, String) {
    if let Some((_, behind)) = declaration.split_once("(*") {
        let name = behind.split(')').next().expect("a name");
        return (name.to_owned(), "function".to_owned());
    }
    if let Some(bare) = declaration.strip_suffix("[3]") {
        let (kind, name) = bare.rsplit_once(' ').expect("a type and a name");
        return (name.to_owned(), format!("{kind}[3]"));
    }
    let at = declaration.rfind([' ', '*']).expect("a type and a name") + 1;
    let (kind, name) = declaration.split_at(at);
    (name.to_owned(), kind.trim().to_owned())
}

/// The structs of the header: size and fields. Offsets are those that it asserts for compilers.
fn structs(header: &str) -> BTreeMap<String, (usize, Vec<Field>)> {
    let number = |pattern: String| -> usize {
        let at = header
            .find(&pattern)
            .unwrap_or_else(|| panic!("the header lacks {pattern}"));
        let behind = &header[at + pattern.len()..];
        let digits = behind.split(')').next().expect("a number");
        digits.trim().parse().expect("a number")
    };
    let mut found = BTreeMap::new();
    for text in header.split("typedef struct ").skip(1) {
        let (name, body) = text.split_once('{').expect("a struct has a body");
        let (name, body) = (name.trim(), body.split('}').next().expect("it ends"));
        let fields = body
            .split(';')
            .map(joined)
            .filter(|declaration| !declaration.is_empty())
            .map(|declaration| {
                let (field, kind) = declared(&declaration);
                Field {
                    offset: number(format!("MESH_ASSERT_OFFSET({name}, {field}, ")),
                    size: size_of(&kind),
                    name: field,
                    kind,
                }
            })
            .collect();
        found.insert(
            name.to_owned(),
            (number(format!("MESH_ASSERT_SIZE({name}, ")), fields),
        );
    }
    found
}

#[test]
fn the_page_has_each_struct_with_its_fields_offsets_and_sizes() {
    let (page, header) = (page(), header());
    let known = structs(&header);
    assert!(known.len() >= 11, "{known:?}");
    let mut headings: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("### `mesh_"))
        .collect();
    for (name, (size, fields)) in &known {
        let heading = format!("### `{name}`: {size} bytes");
        let on_page: Vec<Field> = rows(&page, &heading)
            .map(|row| Field {
                name: row[0].clone(),
                offset: row[1].parse().expect("an offset"),
                size: row[2].parse().expect("a size"),
                kind: row[3].clone(),
            })
            .collect();
        assert_eq!(
            on_page, *fields,
            "the page (left) and the header (right) about {name}"
        );
        let end = fields.iter().map(|field| field.offset + field.size).max();
        assert_eq!(end, Some(*size), "the fields of {name} and its size");
        headings.retain(|found| *found != heading);
    }
    assert_eq!(headings, Vec::<&str>::new(), "structs that the header lacks");
}

#[test]
fn the_page_has_each_constant_with_its_value() {
    let (page, header) = (page(), header());
    let defined: BTreeMap<String, String> = header
        .lines()
        .filter_map(|line| line.strip_prefix("#define "))
        .filter_map(|line| line.split_once(' '))
        .map(|(name, value)| {
            let value = value.split_once("/*").map_or(value, |(value, _)| value);
            (name.to_owned(), value.trim().to_owned())
        })
        .filter(|(name, _)| {
            [
                "MESH_STATUS_",
                "MESH_LEVEL_",
                "MESH_WORK_",
                "MESH_ABI_",
                "MESH_REQUEST_",
            ]
            .iter()
            .any(|start| name.starts_with(start))
                || name == "MESH_MAGIC"
                || name.ends_with("_EXTENSION")
        })
        .filter(|(name, _)| !name.contains("_SIZE_"))
        .collect();
    let mut on_page = BTreeMap::new();
    for heading in [
        "## Numbers",
        "### Status codes",
        "### Log levels",
        "### Kinds of work",
        "### Answers to requests",
        "## Extensions",
    ] {
        for row in rows(&page, heading).filter(|row| row[0].starts_with("MESH_")) {
            let value = match row[0].as_str() {
                "MESH_MAGIC" => format!("UINT64_C({})", row[1]),
                name if name.ends_with("_EXTENSION") => format!("{:?}", row[1]),
                _ => row[1].clone(),
            };
            assert_eq!(
                on_page.insert(row[0].clone(), value),
                None,
                "{} stands twice",
                row[0]
            );
        }
    }
    assert_eq!(on_page, defined, "the page (left) and the header (right)");
}

#[test]
fn the_page_has_the_first_size_of_each_struct() {
    let (page, header) = (page(), header());
    let structs = structs(&header);
    // Such as `#define MESH_WORK_SIZE_1_0 mesh_end_of(mesh_work, origin)`.
    let defined: BTreeMap<String, (String, usize)> = header
        .lines()
        .filter_map(|line| line.strip_prefix("#define "))
        .filter_map(|line| line.split_once(" mesh_end_of("))
        .filter(|(constant, _)| constant.starts_with("MESH_"))
        .map(|(constant, behind)| {
            let (name, last) = behind.trim_end_matches(')').split_once(", ").expect("a field");
            let (_, fields) = structs.get(name).expect("a struct");
            let last = fields.iter().find(|field| field.name == last).expect("a field");
            (constant.to_owned(), (name.to_owned(), last.offset + last.size))
        })
        .collect();
    assert_eq!(
        defined.len() + 1,
        structs.len(),
        "all structs but `mesh_slice` have one"
    );
    let on_page = rows(&page, "### First sizes")
        .map(|row| (row[1].clone(), (row[0].clone(), row[2].parse().expect("a size"))))
        .collect();
    assert_eq!(defined, on_page, "the header (left) and the page (right)");
}

#[test]
fn the_page_has_each_function_with_its_arguments() {
    let (page, header) = (page(), header());
    let mut on_page: BTreeMap<String, String> = BTreeMap::new();
    // Functions of a second version have the names of the first.
    for (heading, version) in [
        ("## Functions of the host", ""),
        ("## Extensions", ""),
        ("### Requests that name their call", "2 "),
    ] {
        for row in rows(&page, heading).filter(|row| !row[0].starts_with("MESH_")) {
            let name = format!("{version}{}", row[0]);
            on_page.insert(name, format!("const void *context, {}", row[1]));
        }
    }
    for row in rows(&page, "## Functions of the library") {
        let (_, arguments) = row[1].split_once('(').expect("a signature");
        on_page.insert(row[0].clone(), arguments.trim_end_matches(')').to_owned());
    }
    let mut in_header = BTreeMap::new();
    for text in header.split("typedef struct ").skip(1) {
        let (title, body) = text.split_once('{').expect("a struct has a body");
        let version = if title.contains("_2_") { "2 " } else { "" };
        let body = body.split('}').next().expect("it ends");
        for declaration in body.split(';').map(joined) {
            let Some((_, behind)) = declaration.split_once("(*") else {
                continue;
            };
            let (name, arguments) = behind.split_once(")(").expect("a function");
            // The library's own look-up of extensions shares its name with the host's.
            if arguments != "mesh_slice name)" {
                let name = format!("{version}{name}");
                in_header.insert(name, arguments.trim_end_matches(')').to_owned());
            }
        }
    }
    assert_eq!(on_page, in_header, "the page (left) and the header (right)");
}
