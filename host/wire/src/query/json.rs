//! JSON as queries see it: numbers are doubles, as in JavaScript, and text is borrowed where it can be.

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// A value, or the absence of one.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json<'a> {
    /// There is nothing: JavaScript's `undefined`. Never read from JSON.
    Missing,
    Null,
    Bool(bool),
    Number(f64),
    Text(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

/// The target of a look-up when there is nothing.
pub(super) static MISSING: Json<'static> = Json::Missing;

impl<'a> Json<'a> {
    /// The value of a key; of repeated keys the last one counts.
    pub(super) fn key(&self, name: &str) -> &Json<'a> {
        match self {
            Json::Object(entries) => entries
                .iter()
                .rev()
                .find(|(key, _)| key == name)
                .map_or(&MISSING, |(_, value)| value),
            _ => &MISSING,
        }
    }

    /// As [`Json::key`]; in arrays a name that is a number means the element at that place.
    pub(super) fn key_or_index(&self, name: &str) -> &Json<'a> {
        match self {
            Json::Array(items) => index(name).and_then(|place| items.get(place)).unwrap_or(&MISSING),
            _ => self.key(name),
        }
    }

    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Json::Missing)
    }

    /// Whether JavaScript takes it for true.
    pub(super) fn is_truthy(&self) -> bool {
        match self {
            Json::Missing | Json::Null => false,
            Json::Bool(value) => *value,
            Json::Number(value) => *value != 0.0 && !value.is_nan(),
            Json::Text(value) => !value.is_empty(),
            Json::Array(_) | Json::Object(_) => true,
        }
    }

    /// About how many bytes of memory it takes beside its own size.
    pub(super) fn size(&self) -> usize {
        let of = size_of::<Json<'_>>();
        match self {
            Json::Missing | Json::Null | Json::Bool(_) | Json::Number(_) => 0,
            Json::Text(text) => text.len(),
            Json::Array(items) => items.iter().map(|item| of + item.size()).sum(),
            Json::Object(entries) => entries
                .iter()
                .map(|(key, value)| 2 * of + key.len() + value.size())
                .sum(),
        }
    }

    /// The same value, borrowing nothing.
    pub(super) fn to_static(&self) -> Json<'static> {
        match self {
            Json::Missing => Json::Missing,
            Json::Null => Json::Null,
            Json::Bool(value) => Json::Bool(*value),
            Json::Number(value) => Json::Number(*value),
            Json::Text(text) => Json::Text(Cow::Owned(text.to_string())),
            Json::Array(items) => Json::Array(items.iter().map(Json::to_static).collect()),
            Json::Object(entries) => Json::Object(
                entries
                    .iter()
                    .map(|(key, value)| (Cow::Owned(key.to_string()), value.to_static()))
                    .collect(),
            ),
        }
    }
}

/// The place in an array that JavaScript means by this key: digits without leading zeros.
pub(super) fn index(name: &str) -> Option<usize> {
    let canonical = name == "0" || !name.starts_with(['0', '+', '-']);
    name.parse().ok().filter(|_| canonical)
}

impl<'de: 'a, 'a> Deserialize<'de> for Json<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Json::Number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Json::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Json::Number(value))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut sequence: S) -> Result<Self::Value, S::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element()? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut entries = Vec::new();
        while let Some(Key(key)) = map.next_key()? {
            entries.push((key, map.next_value()?));
        }
        Ok(Json::Object(entries))
    }
}

/// A key, borrowed unless it has escapes.
pub(super) struct Key<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

/// Reads those entries of an object whose keys are wanted, given in order, and skips the others without building them.
pub(super) fn read_entries<'a>(text: &'a str, wanted: &[Box<str>]) -> Json<'a> {
    struct Wanted<'w>(&'w [Box<str>]);

    impl<'de> DeserializeSeed<'de> for Wanted<'_> {
        type Value = Json<'de>;

        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
            deserializer.deserialize_map(self)
        }
    }

    impl<'de> Visitor<'de> for Wanted<'_> {
        type Value = Json<'de>;

        fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
            formatter.write_str("an object")
        }

        fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
            let mut entries = Vec::with_capacity(self.0.len());
            while let Some(Key(key)) = map.next_key()? {
                if self.0.binary_search_by(|name| (**name).cmp(&*key)).is_ok() {
                    entries.push((key, map.next_value()?));
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(Json::Object(entries))
        }
    }

    let mut deserializer = serde_json::Deserializer::from_str(text);
    // A document that cannot be read (nested deeper than 127 levels where it matters) has no fields.
    Wanted(wanted)
        .deserialize(&mut deserializer)
        .unwrap_or(Json::Missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_wanted_entries_are_parsed() {
        let deep = format!(
            r#"{{"deep":{}{},"n":1,"s":"a\n","n":2}}"#,
            "[".repeat(5000),
            "]".repeat(5000)
        );
        let read = read_entries(&deep, &["n".into(), "s".into()]);
        assert_eq!(*read.key("n"), Json::Number(2.0));
        assert_eq!(*read.key("s"), Json::Text("a\n".into()));
        assert!(read.key("deep").is_missing());
        assert!(read_entries(&deep, &["deep".into()]).is_missing());
    }

    #[test]
    fn indexes_of_arrays_are_parsed() {
        for (name, expected) in [
            ("0", Some(0)),
            ("12", Some(12)),
            ("01", None),
            ("-1", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(index(name), expected, "{name}");
        }
    }
}
