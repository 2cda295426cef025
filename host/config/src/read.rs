//! Taking typed values out of the tree and collecting what is wrong with them.
//!
//! Enters: tables of the tree. Leaves: values in their Rust types, with the default where a key is missing or wrong,
//! and the list of mistakes. Guarantees: a wrong value never stops the reading of the rest. Every key that is not
//! asked for is reported as unknown, so what the parser knows and what it reads cannot differ.

use super::error::{Diagnostic, ErrorKind};
use super::keys::{KEYS, Limits};
use super::source::{Location, Source, Spanned};
use super::suggest;
use super::tree::{Entry, Node, Value, quoted, shown};

/// Collects mistakes while sections are read.
pub(super) struct Reader<'a> {
    pub(super) source: &'a Source,
    mistakes: Vec<Mistake>,
}

/// A diagnostic and the place by which it is sorted.
struct Mistake {
    at: Location,
    diagnostic: Diagnostic,
}

/// A table that is being read.
pub(super) struct Section<'a> {
    /// Empty for the top level, else the dotted key of the section.
    name: &'static str,
    /// Where a key missing from this table is reported.
    pub(super) at: Location,
    entries: &'a [Entry],
    asked: Vec<&'static str>,
}

/// Unknown keys of one section that are named one by one.
const MOST_UNKNOWN_KEYS: usize = 20;
/// Sections of which there may be several.
pub(crate) const REPEATED: [&str; 5] = [
    "components",
    "security.profiles",
    "security.providers",
    "web.routes",
    "web.folders",
];

/// The line that a section starts with.
fn header(section: &str) -> String {
    if REPEATED.contains(&section) {
        format!("[[{section}]]")
    } else {
        format!("[{section}]")
    }
}

impl<'a> Section<'a> {
    pub(super) fn new(name: &'static str, at: Location, entries: &'a [Entry]) -> Self {
        Self {
            name,
            at,
            entries,
            asked: Vec::new(),
        }
    }

    /// The value of a key; notes that the key is known.
    pub(super) fn take(&mut self, key: &'static str) -> Option<&'a Node> {
        self.asked.push(key);
        self.entries
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| &entry.node)
    }

    /// The section in words, to follow a key: ` in [happn]`, or nothing at the top level.
    fn place(&self) -> String {
        match self.name {
            "" => String::new(),
            name => format!(" in {}", header(name)),
        }
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: &'a Source) -> Self {
        Self {
            source,
            mistakes: Vec::new(),
        }
    }

    pub(super) fn report(
        &mut self,
        kind: ErrorKind,
        at: Location,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        self.mistakes.push(Mistake {
            at,
            diagnostic: self.source.diagnostic(kind, at, message, help),
        });
    }

    /// All mistakes: those in the file in its order, then those in overrides.
    pub(super) fn into_mistakes(mut self) -> Vec<Diagnostic> {
        self.mistakes.sort_by_key(|mistake| match mistake.at {
            Location::Default => (0, 0),
            Location::File { start, .. } => (1, start),
            Location::Override(index) => (2, index),
        });
        self.mistakes
            .into_iter()
            .map(|mistake| mistake.diagnostic)
            .collect()
    }

    /// A string that may be missing.
    pub(super) fn text(&mut self, section: &mut Section<'a>, key: &'static str) -> Option<Spanned<String>> {
        let node = section.take(key)?;
        match &node.value {
            Value::Text(text) => Some(Spanned::new(text.clone(), node.at)),
            other => {
                let help = self.quoting_help(section, key, other, node.at);
                self.wrong_type(section, key, node, "a string", help);
                None
            }
        }
    }

    /// A string that must be given.
    pub(super) fn required_text(
        &mut self,
        section: &mut Section<'a>,
        key: &'static str,
        example: &str,
    ) -> Option<Spanned<String>> {
        let text = self.text(section, key);
        if text.is_none() {
            self.require(section, key, &format!("\"{example}\""));
        }
        text
    }

    /// Reports a key that is not there; `example` is a value that it may have.
    fn require(&mut self, section: &Section<'a>, key: &'static str, example: &str) {
        if section.entries.iter().any(|entry| entry.key == key) {
            return;
        }
        let message = format!("missing key `{key}`{}", section.place());
        let help = Some(format!("add a line such as `{key} = {example}`"));
        let mut diagnostic = self
            .source
            .diagnostic(ErrorKind::MissingKey, section.at, message, help);
        if section.name.is_empty() {
            // The first line of the file is not what is wrong.
            diagnostic.excerpt = None;
        }
        self.mistakes.push(Mistake {
            at: section.at,
            diagnostic,
        });
    }

    /// One of some words; the first is the default.
    pub(super) fn choice(
        &mut self,
        section: &mut Section<'a>,
        key: &'static str,
        words: &[&'static str],
    ) -> Spanned<&'static str> {
        let default = Spanned::new(words.first().copied().unwrap_or_default(), Location::Default);
        let Some(written) = self.text(section, key) else {
            return default;
        };
        if let Some(word) = words.iter().find(|word| **word == written.value) {
            return Spanned::new(word, written.at);
        }
        let list: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
        let message = format!(
            "`{key}`{} must be one of {}, found {}",
            section.place(),
            list.join(", "),
            quoted(&written)
        );
        let help = suggest::nearest(&written, words.iter().copied())
            .map(|word| format!("did you mean `{key} = \"{word}\"`?"));
        self.report(ErrorKind::InvalidValue, written.at, message, help);
        default
    }

    /// A boolean with its default.
    pub(super) fn boolean(
        &mut self,
        section: &mut Section<'a>,
        key: &'static str,
        default: bool,
    ) -> Spanned<bool> {
        let Some(node) = section.take(key) else {
            return Spanned::new(default, Location::Default);
        };
        if let Value::Boolean(value) = node.value {
            return Spanned::new(value, node.at);
        }
        let help = match &node.value {
            Value::Text(text) if text == "true" || text == "false" => {
                format!("write `{key} = {text}`, without quotes")
            }
            _ => format!("write `{key} = true` or `{key} = false`"),
        };
        self.wrong_type(section, key, node, "a boolean", Some(help));
        Spanned::new(default, Location::Default)
    }

    /// A whole number within its limits, with its default.
    pub(super) fn integer(
        &mut self,
        section: &mut Section<'a>,
        key: &'static str,
        limits: Limits,
    ) -> Spanned<u64> {
        let default = Spanned::new(limits.default, Location::Default);
        let Some(node) = section.take(key) else {
            return default;
        };
        let Limits { min, max, .. } = limits;
        match &node.value {
            Value::Integer(number, written) => {
                let number = number.and_then(|number| u64::try_from(number).ok());
                if let Some(number) = number.filter(|number| (min..=max).contains(number)) {
                    return Spanned::new(number, node.at);
                }
                let message = format!(
                    "`{key}`{} must be from {min} to {max}, found {}",
                    section.place(),
                    shown(written)
                );
                let help = format!("without this key it is {}", limits.default);
                self.report(ErrorKind::OutOfRange, node.at, message, Some(help));
            }
            other => {
                let expected = format!("an integer from {min} to {max}");
                let help = match other {
                    Value::Text(text) if text.trim().parse::<u64>().is_ok() => {
                        Some(format!("write `{key} = {}`, without quotes", text.trim()))
                    }
                    _ => None,
                };
                self.wrong_type(section, key, node, &expected, help);
            }
        }
        default
    }

    /// A table of its own, such as `[happn]`; an empty one when it is missing or is something else.
    pub(super) fn section(&mut self, parent: &mut Section<'a>, key: &'static str) -> Section<'a> {
        self.section_in(parent, key, key)
    }

    /// A table inside another; `name` is its key with that of the other in front, such as `happn.tls`.
    pub(super) fn section_in(
        &mut self,
        parent: &mut Section<'a>,
        key: &'static str,
        name: &'static str,
    ) -> Section<'a> {
        let Some(node) = parent.take(key) else {
            return Section::new(name, Location::Default, &[]);
        };
        if let Value::Table(entries) = &node.value {
            return Section::new(name, node.at, entries);
        }
        let help = format!("start it with a line `[{name}]`, its keys below");
        if key == "security" {
            let message = format!("`{key}` must be a table, found {}", node.value.type_in_words());
            self.report(ErrorKind::WrongType, node.at, message, Some(help));
        } else {
            self.wrong_type(parent, key, node, "a table", Some(help));
        }
        Section::new(name, Location::Default, &[])
    }

    pub(super) fn wrong_type(
        &mut self,
        section: &Section<'a>,
        key: &str,
        node: &Node,
        expected: &str,
        help: Option<String>,
    ) {
        let found = if section.name == "security" || self.source.is_secret(node.at) {
            node.value.type_in_words().to_owned()
        } else {
            node.value.in_words()
        };
        let message = format!("`{key}`{} must be {expected}, found {found}", section.place());
        self.report(ErrorKind::WrongType, node.at, message, help);
    }

    /// The tables of a key, each to be read as a section of this name; `example` is what one of them is called.
    pub(super) fn tables(
        &mut self,
        section: &mut Section<'a>,
        key: &'static str,
        name: &'static str,
        example: &str,
    ) -> Vec<Section<'a>> {
        let Some(node) = section.take(key) else {
            return Vec::new();
        };
        let help = || {
            Some(format!(
                "each {example} starts with a line `[[{name}]]`, its keys below"
            ))
        };
        let Value::Array(items) = &node.value else {
            self.wrong_type(section, key, node, "an array of tables", help());
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in items {
            match &item.value {
                Value::Table(entries) => tables.push(Section::new(name, item.at, entries)),
                other => {
                    let (place, found) = (section.place(), other.type_in_words());
                    let message = format!("each of `{key}`{place} must be a table, found {found}");
                    self.report(ErrorKind::WrongType, item.at, message, help());
                }
            }
        }
        tables
    }

    /// An array of strings; empty where the key is not given.
    pub(super) fn texts(&mut self, section: &mut Section<'a>, key: &'static str) -> Vec<Spanned<String>> {
        let Some(node) = section.take(key) else {
            return Vec::new();
        };
        let help = || Some(format!("write `{key} = [\"first\", \"second\"]`"));
        let Value::Array(items) = &node.value else {
            self.wrong_type(section, key, node, "an array of strings", help());
            return Vec::new();
        };
        let mut found = Vec::new();
        for item in items {
            match &item.value {
                Value::Text(text) => found.push(Spanned::new(text.clone(), item.at)),
                other => {
                    let kind = other.type_in_words();
                    let message = format!("each of `{key}` must be a string, found {kind}");
                    self.report(ErrorKind::WrongType, item.at, message, help());
                }
            }
        }
        found
    }

    /// An array of strings that must be given and must not be empty; `example` is one of its items.
    pub(super) fn required_texts(
        &mut self,
        section: &mut Section<'a>,
        key: &'static str,
        example: &str,
    ) -> Vec<Spanned<String>> {
        let example = format!("[\"{example}\"]");
        let texts = self.texts(section, key);
        self.require(section, key, &example);
        if let Some(node) = section.take(key)
            && matches!(&node.value, Value::Array(items) if items.is_empty())
        {
            let message = format!("`{key}`{} must not be empty", section.place());
            let help = Some(format!("write for example `{key} = {example}`"));
            self.report(ErrorKind::InvalidValue, node.at, message, help);
        }
        texts
    }

    /// Reports every key of the section that nothing asked for.
    pub(super) fn finish(&mut self, section: Section<'a>) {
        let mut known = section.asked.clone();
        known.sort_unstable();
        let unknown = section.entries.iter();
        let unknown: Vec<_> = unknown
            .filter(|entry| !known.contains(&entry.key.as_str()))
            .collect();
        if let Some(next) = unknown.get(MOST_UNKNOWN_KEYS) {
            let message = format!(
                "{} more unknown keys{}: this may be a file of another program",
                unknown.len() - MOST_UNKNOWN_KEYS,
                section.place()
            );
            self.report(ErrorKind::UnknownKey, next.key_at, message, None);
        }
        for entry in unknown.into_iter().take(MOST_UNKNOWN_KEYS) {
            let key = entry.key.escape_debug();
            let message = match section.place() {
                place if place.is_empty() => format!("unknown key `{key}` at the top level"),
                place => format!("unknown key `{key}`{place}"),
            };
            let elsewhere = KEYS.iter().find(|other| other.name == entry.key);
            let near = suggest::nearest(&entry.key, known.iter().copied());
            let meant = match (suggest::of_happn(&entry.key), near, elsewhere) {
                (Some(here), ..) => format!("write {here}: that says what this key says in happn. "),
                (None, Some(near), _) => format!("did you mean `{near}`? "),
                (None, None, Some(other)) => match other.section {
                    "" => format!(
                        "`{}` stands at the top, before the first `[section]`. ",
                        other.name
                    ),
                    section => format!("`{}` is a key of {}. ", other.name, header(section)),
                },
                (None, None, None) => String::new(),
            };
            let help = Some(format!("{meant}known keys: {}", known.join(", ")));
            self.report(ErrorKind::UnknownKey, entry.key_at, message, help);
        }
    }

    /// For a number or boolean where a string is wanted: the same in quotes.
    fn quoting_help(&self, section: &Section<'a>, key: &str, value: &Value, at: Location) -> Option<String> {
        let written = match value {
            _ if section.name == "security" => "…".to_owned(),
            Value::Integer(_, written) | Value::Float(written) | Value::Date(written) => shown(written),
            Value::Boolean(value) => value.to_string(),
            _ => return None,
        };
        match at {
            Location::Override(index) => {
                let path = self.source.override_text(index).split('=').next().unwrap_or(key);
                Some(format!(
                    "quote the value, and the whole for the shell: --set '{path}=\"{written}\"'"
                ))
            }
            _ => Some(format!("write `{key} = \"{written}\"`")),
        }
    }
}
