//! `fields` and `path_only`: which parts of a document are sent.
//!
//! Enters: the raw text of a document. Leaves: the raw text of the parts asked for, untouched, so that
//! numbers and texts are sent exactly as they were stored.

use super::field::{Field, leading_number};
use super::json::{Json, Key, index};
use super::{QueryError, QueryErrorKind, Rules};
use crate::protocol::json;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// More fields are refused: a document is looked through for each.
const MOST_FIELDS: usize = 256;
/// Longer arrays are not made for a place that was asked for by number.
const LONGEST_ARRAY: usize = 4096;

/// The parts of a document that are sent.
#[derive(Debug, Default)]
pub(super) struct Projection {
    pub(super) path: bool,
    pub(super) created: bool,
    pub(super) modified: bool,
    /// Fields inside the data, part by part.
    data: Vec<Box<[Box<str>]>>,
}

impl Projection {
    /// Nothing but the path.
    pub(super) fn path_only() -> Projection {
        Projection {
            path: true,
            ..Projection::default()
        }
    }

    /// Reads `fields`; `None` when it asks for nothing in particular.
    pub(super) fn read(fields: &Json<'_>, rules: Rules) -> Result<Option<Projection>, QueryError> {
        let mut projection = Projection {
            path: rules == Rules::First,
            ..Projection::default()
        };
        let entries = match (fields, rules) {
            (Json::Object(entries), _) => entries,
            (Json::Array(items), Rules::First) if !items.is_empty() => {
                return Err(not_included("fields must be an object"));
            }
            (_, Rules::First) => return Ok(None),
            (_, Rules::Later) => return Ok(Some(projection)),
        };
        for (name, value) in entries {
            match rules {
                Rules::First if matches!(&**name, "_id" | "_meta") => continue,
                Rules::First if *value != Json::Number(1.0) => {
                    return Err(not_included(format!(
                        "the field {} can only be given 1",
                        json::shorten(name)
                    )));
                }
                Rules::Later if *value == Json::Null => continue,
                Rules::First | Rules::Later => {}
            }
            match Field::read(name, rules)? {
                Field::Path => projection.path = true,
                Field::Created => projection.created = true,
                Field::Modified => projection.modified = true,
                Field::Absent => {}
                Field::Data(_) if projection.data.len() == MOST_FIELDS => {
                    let message = format!("a query must not ask for more than {MOST_FIELDS} fields");
                    return Err(QueryError::new(QueryErrorKind::TooLarge, message));
                }
                Field::Data(parts) => projection.data.push(parts),
            }
        }
        Ok(Some(projection))
    }

    /// The parts of `data`, as the text of an object.
    pub(super) fn apply(&self, data: &str, rules: Rules) -> String {
        if self.data.is_empty() {
            return "{}".to_owned();
        }
        let mut picked = Picked::Object(Vec::new());
        if let Ok(raw) = serde_json::from_str::<&RawValue>(data) {
            for parts in &self.data {
                let value = match rules {
                    Rules::First => collect(raw, parts, false),
                    Rules::Later => follow(raw, parts).map(|raw| Cow::Borrowed(raw.get())),
                };
                if let Some(value) = value {
                    picked.put(parts, value, rules);
                }
            }
        }
        let mut out = String::new();
        picked.write(&mut out);
        out
    }
}

fn not_included(detail: impl Into<String>) -> QueryError {
    QueryError::new(QueryErrorKind::Fields, detail)
}

/// The parts found so far.
enum Picked<'a> {
    Hole,
    Raw(Cow<'a, str>),
    Object(Vec<(&'a str, Picked<'a>)>),
    Array(Vec<Picked<'a>>),
}

impl<'a> Picked<'a> {
    fn put(&mut self, parts: &'a [Box<str>], value: Cow<'a, str>, rules: Rules) {
        let Some((first, rest)) = parts.split_first() else {
            *self = Picked::Raw(value);
            return;
        };
        match self {
            // Something larger that contains it is there already.
            Picked::Raw(_) => return,
            Picked::Object(_) | Picked::Array(_) => {}
            // Later servers make an array where the first name asked for is a place in one.
            Picked::Hole => {
                *self = match index(first) {
                    Some(place) if rules == Rules::Later && place < LONGEST_ARRAY => {
                        Picked::Array(Vec::new())
                    }
                    _ => Picked::Object(Vec::new()),
                }
            }
        }
        match self {
            Picked::Object(entries) => {
                let place = entries
                    .iter()
                    .position(|(key, _)| *key == &**first)
                    .unwrap_or_else(|| {
                        entries.push((first, Picked::Hole));
                        entries.len() - 1
                    });
                entries[place].1.put(rest, value, rules);
            }
            Picked::Array(items) => {
                let Some(place) = index(first).filter(|place| *place < LONGEST_ARRAY) else {
                    return;
                };
                while items.len() <= place {
                    items.push(Picked::Hole);
                }
                items[place].put(rest, value, rules);
            }
            Picked::Hole | Picked::Raw(_) => {}
        }
    }

    fn write(&self, out: &mut String) {
        match self {
            Picked::Hole => out.push_str("null"),
            Picked::Raw(text) => out.push_str(text),
            Picked::Object(entries) => {
                out.push('{');
                for (place, (key, value)) in entries.iter().enumerate() {
                    if place > 0 {
                        out.push(',');
                    }
                    json::write_string(out, key);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
            Picked::Array(items) => {
                out.push('[');
                for (place, item) in items.iter().enumerate() {
                    if place > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
        }
    }
}

/// Later generations: one step after the other; a number may be the place in an array.
fn follow<'a>(value: &'a RawValue, parts: &[Box<str>]) -> Option<&'a RawValue> {
    parts.iter().try_fold(value, |value, part| {
        if value.get().starts_with('[') {
            items(value)?.get(index(part)?).copied()
        } else {
            key(value, part)
        }
    })
}

/// First generation: behind an array comes an element, if the name says which, or an array of what all elements have
/// there.
fn collect<'a>(value: &'a RawValue, parts: &[Box<str>], is_element: bool) -> Option<Cow<'a, str>> {
    let Some((first, rest)) = parts.split_first() else {
        return (!is_element || json::is_truthy(value)).then(|| Cow::Borrowed(value.get()));
    };
    let next = if value.get().starts_with('[') {
        items(value)?.get(index(first)?).copied()?
    } else {
        key(value, first)?
    };
    let (Some(second), true) = (rest.first(), next.get().starts_with('[')) else {
        return collect(next, rest, false);
    };
    let items = items(next)?;
    if let Some(place) = leading_number(second) {
        let item = items.get(usize::try_from(place).ok()?)?;
        return collect(item, &rest[1..], true);
    }
    let mut out = String::from("[");
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        out.push_str(&collect(item, rest, false).unwrap_or(Cow::Borrowed("null")));
    }
    out.push(']');
    Some(Cow::Owned(out))
}

fn items(value: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(value.get()).ok()
}

/// The value of a key; of repeated keys the last one counts.
fn key<'a>(value: &'a RawValue, name: &str) -> Option<&'a RawValue> {
    if !value.get().starts_with('{') {
        return None;
    }
    let Entries(entries) = serde_json::from_str(value.get()).ok()?;
    entries
        .into_iter()
        .rev()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value)
}

struct Entries<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;
        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut entries = Vec::new();
                while let Some(Key(key)) = map.next_key()? {
                    entries.push((key, map.next_value()?));
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(EntriesVisitor)
    }
}
