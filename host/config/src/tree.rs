//! The configuration as a tree in which each value knows where it came from.
//!
//! Enters: TOML text. Leaves: a [`Node`] tree with the location of each key and value, in the order of the file, and
//! one diagnostic for each broken line. Guarantees: never fails as a whole. A tree is returned only when it holds
//! what the file says (a file with syntax errors other than a repeated key gives none).

use std::collections::HashSet;
use std::ops::Range;

use toml::Spanned as TomlSpanned;
use toml::de::{DeTable, DeValue};

use super::error::{Diagnostic, ErrorKind};
use super::keys::KEYS;
use super::source::{Location, Source};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) at: Location,
    pub(super) value: Value,
}

/// A TOML value.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    /// The number, or `None` when it is too large for any use here, and the way it was written.
    Integer(Option<i128>, String),
    /// As it was written, without underscores.
    Float(String),
    Boolean(bool),
    /// A date, a time, or both, as TOML writes them.
    Date(String),
    Array(Vec<Node>),
    Table(Vec<Entry>),
}

/// A key of a table and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_at: Location,
    pub(super) node: Node,
}

impl Value {
    /// The type in words, with its article.
    pub(super) fn type_in_words(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(..) => "an integer",
            Self::Float(_) => "a float",
            Self::Boolean(_) => "a boolean",
            Self::Date(_) => "a date",
            Self::Array(_) => "an array",
            Self::Table(_) => "a table",
        }
    }

    /// The type and, where it is short, the value.
    pub(super) fn in_words(&self) -> String {
        match self {
            Self::Text(text) => format!("the string {}", quoted(text)),
            Self::Integer(_, written) => format!("the integer {}", shown(written)),
            Self::Float(written) => format!("the float {}", shown(written)),
            Self::Boolean(value) => format!("the boolean {value}"),
            Self::Date(written) => format!("the date {written}"),
            Self::Array(_) | Self::Table(_) => self.type_in_words().to_owned(),
        }
    }
}

/// Text in double quotes, cut to a readable length, with control characters escaped.
pub(super) fn quoted(text: &str) -> String {
    format!("{:?}", shortened(text))
}

/// Text without quotes, cut to a readable length, with control characters escaped.
pub(super) fn shown(text: &str) -> String {
    shortened(text).escape_debug().to_string()
}

fn shortened(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_owned(),
    }
}

/// The tree of the file, and its syntax errors.
pub(super) fn parse(source: &Source) -> (Option<Node>, Vec<Diagnostic>) {
    let (table, mut errors) = DeTable::parse_recoverable(source.text());
    let usable = errors.iter().all(|error| is_repeated_key(error.message()));
    let end = source.text().len();
    errors.sort_by_key(|error| error.span().map_or(end, |span| span.start));

    let mut lines = HashSet::new();
    let mut diagnostics = Vec::new();
    for error in errors {
        let span = error.span().unwrap_or(end..end);
        let at = visible(source.text(), span);
        // A line broken once breaks again further on; only the first says what is wrong.
        if lines.insert(source.line_number(at)) {
            diagnostics.push(syntax_error(source, error.message(), at));
        }
    }
    let root = Node {
        at: Location::File { start: 0, end: 0 },
        value: table_value(table.get_ref(), &|span| Location::File {
            start: span.start,
            end: span.end,
        }),
    };
    (usable.then_some(root), diagnostics)
}

/// A parsed TOML value as a node; `place` turns its byte range into a location.
pub(super) fn node(value: &TomlSpanned<DeValue<'_>>, place: &dyn Fn(Range<usize>) -> Location) -> Node {
    let at = place(value.span());
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(integer) => {
            let number = i128::from_str_radix(integer.as_str(), integer.radix()).ok();
            Value::Integer(number, integer.to_string())
        }
        DeValue::Float(float) => Value::Float(float.as_str().to_owned()),
        DeValue::Boolean(value) => Value::Boolean(*value),
        DeValue::Datetime(date) => Value::Date(date.to_string()),
        DeValue::Array(items) => Value::Array(items.iter().map(|item| node(item, place)).collect()),
        DeValue::Table(table) => table_value(table, place),
    };
    Node { at, value }
}

fn table_value(table: &DeTable<'_>, place: &dyn Fn(Range<usize>) -> Location) -> Value {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let entries = entries.into_iter().map(|(key, value)| Entry {
        key: key.get_ref().to_string(),
        key_at: place(key.span()),
        node: node(value, place),
    });
    Value::Table(entries.collect())
}

/// Moves an empty span off the end of the file and of line endings, back to the text it is about.
fn visible(text: &str, span: Range<usize>) -> Location {
    let mut start = span.start;
    if span.is_empty() {
        let before = text.get(..start).unwrap_or(text);
        if start >= text.len() || text[before.len()..].starts_with(['\n', '\r']) {
            start = before.trim_end_matches(['\n', '\r']).len();
        }
    }
    Location::File {
        start,
        end: span.end.max(start),
    }
}

fn is_repeated_key(message: &str) -> bool {
    message.starts_with("duplicate key")
}

/// Says a TOML error in plain words, with the likely meaning of the line.
fn syntax_error(source: &Source, message: &str, at: Location) -> Diagnostic {
    let (start, end) = match at {
        Location::File { start, end } => (start, end),
        _ => (0, 0),
    };
    let found = source.text().get(start..end).unwrap_or_default();
    let after = source.text().get(start..).unwrap_or_default();
    let line = source.line_at(start);
    let help = |text: &str| Some(text.to_owned());
    let mut at = at;
    let (wrong, help) = if is_repeated_key(message) {
        let of_component = KEYS
            .iter()
            .any(|key| key.section == "components" && key.name == found);
        let wrong = format!("key `{}` is given twice in one table", shown(found));
        (
            wrong,
            help(if of_component {
                "a second component starts with its own line `[[components]]`"
            } else {
                "keep one of the two"
            }),
        )
    } else if found == ":" {
        (
            "unexpected `:`".to_owned(),
            help("a key and its value are joined by `=`, as in `key = value`"),
        )
    } else if message.starts_with("key with no value") {
        (
            "a key without `=` and a value".to_owned(),
            help("write `key = value`"),
        )
    } else if message.starts_with("missing escaped value") {
        let wrong = "this is not an escape in a string".to_owned();
        (
            wrong,
            help("write `\\\\` for a backslash, or put the text in single quotes"),
        )
    } else if is_open_string(message) && (after.is_empty() || after.starts_with(['\n', '\r'])) {
        (
            "the string is not closed".to_owned(),
            help("end it with the quote it starts with"),
        )
    } else if is_bare_value(message) && found.is_empty() && !line.contains(['"', '\'']) {
        ("no value after `=`".to_owned(), None)
    } else if is_bare_value(message) {
        let secret = source.is_secret(at);
        if let Some(whole) = whole_value(source, start) {
            at = whole;
        }
        let text = "text stands in double quotes, numbers and `true` or `false` without";
        (
            "this is not a TOML value".to_owned(),
            if secret { help(text) } else { bare_value_help(line) },
        )
    } else {
        (format!("not valid TOML: {message}"), None)
    };
    source.diagnostic(ErrorKind::Syntax, at, wrong, help)
}

fn is_open_string(message: &str) -> bool {
    message.starts_with("invalid") && message.contains("string, expected")
}

/// The whole value of a line `key = value`, of which the TOML parser may have disliked only a part.
fn whole_value(source: &Source, offset: usize) -> Option<Location> {
    let line = source.line_at(offset);
    let line_start = source.line_start(offset);
    let equals = line.find('=')?;
    let value = line[equals + 1..].split('#').next()?;
    let start = line_start + equals + 1 + (value.len() - value.trim_start().len());
    let end = start + value.trim().len();
    let plain = !value.contains(['[', '{', ',', '"', '\'']) && (start..=end).contains(&offset);
    plain.then_some(Location::File { start, end })
}

fn is_bare_value(message: &str) -> bool {
    [
        "string values must be quoted",
        "invalid boolean",
        "invalid float",
        "invalid integer",
        "invalid date",
    ]
    .iter()
    .any(|start| message.starts_with(start))
}

fn bare_value_help(line: &str) -> Option<String> {
    let (key, value) = line.split_once('=')?;
    let (key, value) = (key.trim(), value.split('#').next()?.trim());
    let bare = !value.is_empty() && value.chars().all(|letter| !letter.is_control() && letter != '"');
    let key = &shown(key);
    let help = match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => format!("write `{key} = true`"),
        "false" | "no" | "off" => format!("write `{key} = false`"),
        _ if bare && !value.contains(['\\', '{', '[', '\'', '“', '”']) => {
            format!("text stands in double quotes: `{key} = \"{value}\"`")
        }
        _ => "text stands in double quotes, numbers and `true` or `false` without".to_owned(),
    };
    Some(help)
}
