//! The value rule of `set` (PROTOCOL.md 5.1): a plain object is taken as it is, without its own `_meta`; anything else
//! becomes `{"value":…}`.

use serde_json::value::RawValue;
use std::borrow::Cow;

/// The document for a value that was sent. `None` stands for a value that was not sent.
pub fn document(value: Option<&RawValue>) -> Cow<'_, str> {
    let text = value.map_or("null", RawValue::get);
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

/// Cheap and never wrong in the direction that matters: an escaped underscore counts as well.
fn may_have_meta(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memmem::find(bytes, b"_meta").is_some() || memchr::memmem::find(bytes, b"\\u").is_some()
}

fn without_meta(text: &str) -> String {
    struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);
    impl<'de: 'a, 'a> serde::Deserialize<'de> for Fields<'a> {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct FieldsVisitor;
            impl<'de> serde::de::Visitor<'de> for FieldsVisitor {
                type Value = Fields<'de>;
                fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
                    formatter.write_str("an object")
                }
                fn visit_map<M: serde::de::MapAccess<'de>>(
                    self,
                    mut map: M,
                ) -> Result<Fields<'de>, M::Error> {
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
    let Ok(Fields(fields)) = serde_json::from_str::<Fields>(text) else {
        return text.to_owned();
    };
    let mut out = String::with_capacity(text.len());
    out.push('{');
    for (key, value) in fields.iter().filter(|(key, _)| key != "_meta") {
        if out.len() > 1 {
            out.push(',');
        }
        super::json::write_string(&mut out, key);
        out.push(':');
        out.push_str(value.get());
    }
    out.push('}');
    out
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
        assert_eq!(document(None), r#"{"value":null}"#);
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
}
