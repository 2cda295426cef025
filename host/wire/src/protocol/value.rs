//! The value rule of `set` (docs/protocol.md 5.1): a plain object is taken as it is, without its own `_meta`; anything else
//! becomes `{"value":…}`.

use super::MergeRule;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

/// The document for a value that was sent. Where none was sent, it has no fields.
pub fn document(value: Option<&RawValue>) -> Cow<'_, str> {
    let Some(text) = value.map(RawValue::get) else {
        return Cow::Borrowed("{}");
    };
    if !text.starts_with('{') {
        return Cow::Owned(format!(r#"{{"value":{text}}}"#));
    }
    if may_have_meta(text) {
        Cow::Owned(without_meta(text))
    } else {
        Cow::Borrowed(text)
    }
}

/// As [`document`], but keeps an object's own `_meta`, as values that are not stored do.
pub fn unstored_document(value: Option<&RawValue>) -> Cow<'_, str> {
    match value.map(RawValue::get) {
        Some(text) if text.starts_with('{') => Cow::Borrowed(text),
        _ => document(value),
    }
}

/// The sent value, as subscriptions with the option `merge` see it: not wrapped, an object without its own `_meta`.
pub fn sent(value: Option<&RawValue>) -> Cow<'_, str> {
    match value.map_or("null", RawValue::get) {
        text if text.starts_with('{') && may_have_meta(text) => Cow::Owned(without_meta(text)),
        text => Cow::Borrowed(text),
    }
}

/// Cheap and never wrong in the direction that matters: an escaped underscore counts as well.
fn may_have_meta(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memmem::find(bytes, b"_meta").is_some() || memchr::memmem::find(bytes, b"\\u").is_some()
}

/// The fields of an object in their order.
struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    fn read(text: &'a str) -> Option<Fields<'a>> {
        serde_json::from_str(text).ok()
    }

    fn write(self) -> String {
        let mut out = String::from("{");
        for (key, value) in self.0 {
            if out.len() > 1 {
                out.push(',');
            }
            super::json::write_string(&mut out, &key);
            out.push(':');
            out.push_str(value.get());
        }
        out.push('}');
        out
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;
        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Fields<'de>, M::Error> {
                let mut fields = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    fields.push((Cow::Owned(key), map.next_value()?));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(FieldsVisitor)
    }
}

/// An object without its own `_meta`.
pub fn without_meta(text: &str) -> String {
    let Some(mut fields) = Fields::read(text) else {
        return text.to_owned();
    };
    fields.0.retain(|(key, _)| key != "_meta");
    fields.write()
}

/// The document that the option `merge` makes of what is stored and a new document: the fields of both, the new ones
/// winning (docs/protocol.md 5.1.1), unless the rule says otherwise.
pub fn merged(stored: &str, new: &str, rule: MergeRule) -> String {
    let (Some(stored), Some(new)) = (Fields::read(stored), Fields::read(new)) else {
        return new.to_owned();
    };
    let (mut base, over) = match rule {
        MergeRule::NullKeeps => (new, stored),
        MergeRule::NullReplaces => (stored, new),
    };
    let mut known: HashMap<Cow<'_, str>, usize> = HashMap::new();
    for (position, (key, _)) in base.0.iter().enumerate() {
        known.insert(key.clone(), position);
    }
    for (key, value) in over.0 {
        match known.get(&key).map(|position| &mut base.0[*position].1) {
            // Here the stored document is laid over the new one.
            Some(kept) if rule == MergeRule::NullKeeps => {
                if kept.get() == "null" {
                    *kept = value;
                }
            }
            Some(replaced) => *replaced = value,
            None => {
                known.insert(key.clone(), base.0.len());
                base.0.push((key, value));
            }
        }
    }
    base.write()
}

/// A document with one gauge moved by `step`, and the gauge's new value (docs/protocol.md 5.1.4). A gauge that is not there
/// begins at 0.
///
/// # Errors
///
/// When the field is there and no gauge, or the sum is no number that JSON can hold.
pub fn incremented(stored: Option<&str>, gauge: &str, step: f64) -> Result<(String, String), String> {
    #[derive(serde::Deserialize)]
    struct Gauge {
        value: f64,
    }
    let mut fields = stored.and_then(Fields::read).unwrap_or(Fields(Vec::new()));
    let position = fields.0.iter().rposition(|(key, _)| key == gauge);
    let before = match position.map(|position| fields.0[position].1.get()) {
        None | Some("null") => 0.0,
        Some(field) => {
            serde_json::from_str::<Gauge>(field)
                .map_err(|_| format!("the field {gauge} is no counter"))?
                .value
        }
    };
    let sum = before + step;
    if !sum.is_finite() {
        return Err(format!("the counter {gauge} would be larger than any number"));
    }
    let value = sum.to_string();
    let field =
        RawValue::from_string(format!(r#"{{"value":{value}}}"#)).map_err(|error| error.to_string())?;
    match position {
        Some(position) => fields.0[position].1 = &field,
        None => fields.0.push((Cow::Borrowed(gauge), &field)),
    }
    Ok((fields.write(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        document(Some(serde_json::from_str(text).unwrap())).into_owned()
    }

    #[test]
    fn objects_stay_and_the_rest_is_wrapped() {
        for same in ["{}", r#"{"a":{"_x":1}}"#, r#"{"value":{"value":1}}"#] {
            assert_eq!(of(same), same);
        }
        for (sent, stored) in [
            ("5", r#"{"value":5}"#),
            ("null", r#"{"value":null}"#),
            ("[1,2]", r#"{"value":[1,2]}"#),
            ("\"t\"", r#"{"value":"t"}"#),
        ] {
            assert_eq!(of(sent), stored);
        }
        assert_eq!(document(None), "{}");
    }

    #[test]
    fn own_meta_is_dropped_at_the_top_only() {
        assert_eq!(
            of(r#"{"a":1,"_meta":{"x":1},"b":{"_meta":2}}"#),
            r#"{"a":1,"b":{"_meta":2}}"#
        );
        assert_eq!(of(r#"{"\u005fmeta":1,"b":2}"#), r#"{"b":2}"#);
        assert_eq!(of(r#"{"_meta":1}"#), "{}");
    }

    #[test]
    fn merging_by_each_rule() {
        let stored = r#"{"a":1,"b":{"x":1},"c":3}"#;
        let new = r#"{"d":4,"b":null,"a":2}"#;
        assert_eq!(
            merged(stored, new, MergeRule::NullReplaces),
            r#"{"a":2,"b":null,"c":3,"d":4}"#
        );
        assert_eq!(
            merged(stored, new, MergeRule::NullKeeps),
            r#"{"d":4,"b":{"x":1},"a":2,"c":3}"#
        );
    }

    #[test]
    fn gauges_are_incremented() {
        assert_eq!(
            incremented(None, "counter", 1.0),
            Ok((r#"{"counter":{"value":1}}"#.to_owned(), "1".to_owned()))
        );
        assert_eq!(
            incremented(Some(r#"{"a":1,"up":{"value":2.5}}"#), "up", -4.0),
            Ok((r#"{"a":1,"up":{"value":-1.5}}"#.to_owned(), "-1.5".to_owned()))
        );
        assert!(incremented(Some(r#"{"up":"x"}"#), "up", 1.0).is_err());
        assert!(incremented(Some(r#"{"up":{"value":1e308}}"#), "up", 1e308).is_err());
    }
}
