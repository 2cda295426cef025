//! Whether an answer is what a real server answers.
//!
//! Enters: two answers in the words of the corpus. Leaves: differences with their places. Guarantees: a field that
//! neither generation has is a difference, and so is one that is missing; the order of events is none.

use serde_json::{Map, Value};

/// Something that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where: names and positions with dots between them.
    pub place: String,
    /// The difference at this place.
    pub change: Change,
}

/// The kinds of differences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The host has a field that no real server has.
    Extra(String),
    /// The host lacks a field.
    Missing(String),
    /// The host has another value.
    Value {
        /// The real server's answer.
        real: String,
        /// The host's answer.
        ours: String,
    },
}

/// Compares an answer to that of a real server. Fields that it adds must be those of the `other` generation.
pub fn differences(real: &Value, other: Option<&Value>, ours: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare("", real, other, ours, &mut found);
    found
}

fn compare(place: &str, real: &Value, other: Option<&Value>, ours: &Value, found: &mut Vec<Difference>) {
    match (real, ours) {
        (Value::Object(real), Value::Object(ours)) => {
            objects(place, real, other.and_then(Value::as_object), ours, found);
        }
        (Value::Array(reals), Value::Array(all)) if reals.len() == all.len() => {
            let name = place.rsplit('.').next().unwrap_or_default();
            let (reals, all) = match name {
                "events" => (sorted(reals), sorted(all)),
                _ => (reals.clone(), all.clone()),
            };
            for (at, (real, ours)) in reals.iter().zip(&all).enumerate() {
                let others = other.and_then(Value::as_array).map(|others| match name {
                    "events" => sorted(others),
                    _ => others.clone(),
                });
                let other = others.as_ref().and_then(|others| others.get(at));
                compare(&below(place, &at.to_string()), real, other, ours, found);
            }
        }
        _ if real == ours => {}
        _ => found.push(Difference {
            place: place.to_owned(),
            change: Change::Value {
                real: real.to_string(),
                ours: ours.to_string(),
            },
        }),
    }
}

fn objects(
    place: &str,
    real: &Map<String, Value>,
    other: Option<&Map<String, Value>>,
    ours: &Map<String, Value>,
    found: &mut Vec<Difference>,
) {
    for (key, value) in real {
        let place = below(place, key);
        let Some(our) = ours.get(key) else {
            found.push(Difference {
                place,
                change: Change::Missing(value.to_string()),
            });
            continue;
        };
        compare(&place, value, other.and_then(|other| other.get(key)), our, found);
    }
    for (key, our) in ours.iter().filter(|(key, _)| !real.contains_key(*key)) {
        let place = below(place, key);
        match other.and_then(|other| other.get(key)) {
            Some(other) => compare(&place, other, None, our, found),
            None => found.push(Difference {
                place,
                change: Change::Extra(our.to_string()),
            }),
        }
    }
}

fn sorted(items: &[Value]) -> Vec<Value> {
    let mut sorted = items.to_vec();
    // Of two events of one name the paths in them tell which comes first.
    sorted.sort_by_cached_key(|item| match item {
        Value::Array(event) => format!("{} {}", event[0], path_in(&event[1])),
        other => other.to_string(),
    });
    sorted
}

fn path_in(value: &Value) -> String {
    value["_meta"]["path"]
        .as_str()
        .or_else(|| value["path"].as_str())
        .unwrap_or_default()
        .to_owned()
}

fn below(place: &str, name: &str) -> String {
    match place {
        "" => name.to_owned(),
        _ => format!("{place}.{name}"),
    }
}

/// Replaces what differs from run to run, as the corpus has it.
pub fn stable(value: &Value) -> Value {
    replaced(value, "")
}

fn replaced(value: &Value, key: &str) -> Value {
    match (key, value) {
        ("headers", _) => "<headers>".into(),
        ("url" | "upgradeUrl", _) => "<url>".into(),
        ("msgCount", _) => "<count>".into(),
        (_, Value::Array(items)) => items.iter().map(|item| replaced(item, "")).collect(),
        (_, Value::Object(entries)) => {
            let entries = entries
                .iter()
                .map(|(name, item)| (words(name), replaced(item, name)));
            Value::Object(entries.collect())
        }
        (_, Value::Number(number)) if number.as_f64().is_some_and(|number| number > 1.6e12) => {
            "<time>".into()
        }
        (_, Value::Number(_)) if key.to_ascii_lowercase().ends_with("port") => "<port>".into(),
        (_, Value::String(text)) => words(text).into(),
        _ => value.clone(),
    }
}

/// Replaces tokens and identifiers in a text.
fn words(text: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(length) = token_length(rest) {
            result.push_str("<token>");
            rest = &rest[length..];
        } else if is_uuid(rest.as_bytes()) {
            result.push_str("<uuid>");
            rest = &rest[36..];
        } else {
            result.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    result
}

fn token_length(text: &str) -> Option<usize> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !text.starts_with("eyJ") {
        return None;
    }
    let end = text.bytes().position(|byte| !is_part(byte) && byte != b'.');
    let token = &text[..end.unwrap_or(text.len())];
    (token.split('.').filter(|part| !part.is_empty()).count() == 3).then_some(token.len())
}

fn is_uuid(text: &[u8]) -> bool {
    text.len() >= 36
        && text[..36].iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(byte),
        })
}
