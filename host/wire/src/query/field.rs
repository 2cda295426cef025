//! The names by which queries mean parts of a document (docs/protocol.md 5.2), and how each generation finds them.

use super::json::{Json, MISSING, index};
use super::{QueryError, QueryErrorKind, Rules};
use std::borrow::Cow;

/// A name with more parts is refused: looking it up takes one call per part.
const MOST_PARTS: usize = 64;

/// The meaning of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Path,
    Created,
    Modified,
    /// A name for what no document has.
    Absent,
    /// Inside the data, one step after the other.
    Data(Box<[Box<str>]>),
}

/// A document, ready for look-ups.
#[derive(Clone, Copy)]
pub(super) struct Record<'r, 'a> {
    pub(super) path: &'r Json<'a>,
    pub(super) created: &'r Json<'a>,
    pub(super) modified: &'r Json<'a>,
    pub(super) data: &'r Json<'a>,
}

impl<'r, 'a> Record<'r, 'a> {
    /// The same document with an element of an array in place of its data.
    pub(super) fn inside<'e>(&self, element: &'e Json<'a>) -> Record<'e, 'a>
    where
        'r: 'e,
    {
        Record {
            data: element,
            ..*self
        }
    }
}

impl Field {
    /// Reads a name of `criteria`, `fields` or `sort`.
    pub(super) fn read(name: &str, rules: Rules) -> Result<Field, QueryError> {
        match rules {
            Rules::First => match name {
                "_id" | "path" => Ok(Field::Path),
                "_meta.created" => Ok(Field::Created),
                "_meta.modified" => Ok(Field::Modified),
                "_meta" => Ok(Field::Absent),
                _ => Field::data(name),
            },
            Rules::Later => match name.strip_prefix("_meta.").unwrap_or(name) {
                "path" => Ok(Field::Path),
                "created" => Ok(Field::Created),
                "modified" => Ok(Field::Modified),
                "_id" | "timestamp" | "createdBy" | "modifiedBy" => Ok(Field::Absent),
                _ if name == "_meta" => Ok(Field::Absent),
                _ => Field::data(
                    name.strip_prefix("data.")
                        .or_else(|| name.strip_prefix("_data."))
                        .unwrap_or(name),
                ),
            },
        }
    }

    /// A name inside the data, or inside an element of an array there.
    pub(super) fn data(name: &str) -> Result<Field, QueryError> {
        let parts: Box<[Box<str>]> = name.split('.').take(MOST_PARTS + 1).map(Into::into).collect();
        if parts.len() > MOST_PARTS {
            return Err(QueryError::new(
                QueryErrorKind::TooLarge,
                format!("a field's name must not have more than {MOST_PARTS} parts"),
            ));
        }
        Ok(Field::Data(parts))
    }

    /// The key at the top of the data that this field is under.
    pub(super) fn top(&self) -> Option<&str> {
        match self {
            Field::Data(parts) => parts.first().map(|part| &**part),
            _ => None,
        }
    }

    fn of_meta<'r, 'a>(&self, record: &Record<'r, 'a>) -> &'r Json<'a> {
        match self {
            Field::Path => record.path,
            Field::Created => record.created,
            Field::Modified => record.modified,
            Field::Absent | Field::Data(_) => &MISSING,
        }
    }

    /// First generation: the value. Behind an array comes an element, if the name says which, or an array of what all
    /// elements have there.
    pub(super) fn collect<'r, 'a>(&self, record: &Record<'r, 'a>) -> Cow<'r, Json<'a>> {
        match self {
            Field::Data(parts) => collect(record.data, parts),
            _ => Cow::Borrowed(self.of_meta(record)),
        }
    }

    /// Later generations: whether the test holds for the value. Behind an array it is enough that it holds for one of
    /// the elements.
    pub(super) fn any<'r, 'a>(
        &self,
        record: &Record<'r, 'a>,
        test: &mut dyn FnMut(&'r Json<'a>) -> bool,
    ) -> bool {
        match self {
            Field::Data(parts) => any(record.data, parts, test),
            _ => test(self.of_meta(record)),
        }
    }

    /// Later generations, for sorting: the value, where a number may be the place in an array.
    pub(super) fn follow<'r, 'a>(&self, record: &Record<'r, 'a>) -> &'r Json<'a> {
        match self {
            Field::Data(parts) => parts
                .iter()
                .fold(record.data, |value, part| value.key_or_index(part)),
            _ => self.of_meta(record),
        }
    }
}

fn collect<'r, 'a>(value: &'r Json<'a>, parts: &[Box<str>]) -> Cow<'r, Json<'a>> {
    let Some((first, rest)) = parts.split_first() else {
        // Real servers lose a value that is not "true" at the end of a name with a place in an array, and so do we.
        return Cow::Borrowed(if value.is_truthy() { value } else { &MISSING });
    };
    if let Json::Text(text) = value {
        return Cow::Owned(if rest.is_empty() {
            part_of_text(text, first)
        } else {
            Json::Missing
        });
    }
    let next = value.key_or_index(first);
    let Some(second) = rest.first() else {
        return Cow::Borrowed(next);
    };
    let Json::Array(items) = next else {
        return collect(next, rest);
    };
    match leading_number(second) {
        Some(place) => {
            let item = usize::try_from(place).ok().and_then(|place| items.get(place));
            collect(item.unwrap_or(&MISSING), &rest[1..])
        }
        None => Cow::Owned(Json::Array(
            items
                .iter()
                .map(|item| collect(item, rest).into_owned())
                .collect(),
        )),
    }
}

fn any<'r, 'a>(value: &'r Json<'a>, parts: &[Box<str>], test: &mut dyn FnMut(&'r Json<'a>) -> bool) -> bool {
    let Some((first, rest)) = parts.split_first() else {
        return test(value);
    };
    let next = value.key_or_index(first);
    match next {
        Json::Array(items) if !rest.is_empty() => items.iter().any(|item| any(item, rest, test)),
        _ => any(next, rest, test),
    }
}

/// The properties of a text in JavaScript: a character at a place, and its length.
fn part_of_text(text: &str, name: &str) -> Json<'static> {
    match index(name) {
        Some(place) => text.chars().nth(place).map_or(Json::Missing, |character| {
            Json::Text(Cow::Owned(character.to_string()))
        }),
        None if name == "length" && !text.is_empty() => Json::Number(text.encode_utf16().count() as f64),
        None => Json::Missing,
    }
}

/// JavaScript's `parseInt`: the number that a text begins with.
pub(super) fn leading_number(text: &str) -> Option<i64> {
    let text = text.trim_start();
    let digits = text.trim_start_matches(['+', '-']);
    let end = digits
        .bytes()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(digits.len());
    if text.len() - digits.len() > 1 {
        return None;
    }
    let number: i64 = digits[..end].parse().ok()?;
    Some(if text.starts_with('-') { -number } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_meaning_of_their_generation() {
        let data = |name: &str| Field::Data(name.split('.').map(Into::into).collect());
        for (name, first, later) in [
            ("n", data("n"), data("n")),
            ("a.b", data("a.b"), data("a.b")),
            ("path", Field::Path, Field::Path),
            ("_id", Field::Path, Field::Absent),
            ("created", data("created"), Field::Created),
            ("_meta.created", Field::Created, Field::Created),
            ("_meta.path", data("_meta.path"), Field::Path),
            ("_meta.x", data("_meta.x"), data("_meta.x")),
            ("data.n", data("data.n"), data("n")),
            ("_data.n", data("_data.n"), data("n")),
            ("_meta", Field::Absent, Field::Absent),
            ("modifiedBy", data("modifiedBy"), Field::Absent),
        ] {
            assert_eq!(Field::read(name, Rules::First).unwrap(), first, "{name}");
            assert_eq!(Field::read(name, Rules::Later).unwrap(), later, "{name}");
        }
        assert!(Field::data(&".".repeat(100_000)).is_err());
    }

    #[test]
    fn leading_numbers_are_read_as_in_javascript() {
        for (text, number) in [
            ("1", Some(1)),
            ("1st", Some(1)),
            ("-1", Some(-1)),
            ("x", None),
            ("", None),
            ("--1", None),
        ] {
            assert_eq!(leading_number(text), number, "{text}");
        }
    }
}
