//! How JavaScript, and the stores of both generations written in it, compare values.
//!
//! The first generation's store compares like with like and knows an order of types for sorting. The later one has one
//! total order for everything, in which texts that look like numbers are numbers and a missing value comes first.

use super::json::Json;
use std::borrow::Cow;
use std::cmp::Ordering;

/// Equality of values, whole arrays and objects included. A missing value equals nothing.
pub(super) fn equal(left: &Json<'_>, right: &Json<'_>) -> bool {
    match (left, right) {
        (Json::Null, Json::Null) => true,
        (Json::Bool(left), Json::Bool(right)) => left == right,
        (Json::Number(left), Json::Number(right)) => left == right,
        (Json::Text(left), Json::Text(right)) => left == right,
        (Json::Array(left), Json::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal(left, right))
        }
        (Json::Object(left), Json::Object(right)) => {
            // Sorting first, since two large objects must not cost the product of their sizes.
            let (left, right) = (sorted(left), sorted(right));
            left.len() == right.len()
                && left
                    .iter()
                    .zip(&right)
                    .all(|((left_key, left), (right_key, right))| left_key == right_key && equal(left, right))
        }
        _ => false,
    }
}

fn sorted<'v, 'a>(entries: &'v [(Cow<'a, str>, Json<'a>)]) -> Vec<(&'v str, &'v Json<'a>)> {
    let mut entries: Vec<_> = entries.iter().map(|(key, value)| (&**key, value)).collect();
    entries.sort_by(|(left, _), (right, _)| compare_texts(left, right));
    entries
}

/// Texts in the order of their UTF-16 units.
pub(super) fn compare_texts(left: &str, right: &str) -> Ordering {
    if left.is_ascii() && right.is_ascii() {
        left.cmp(right)
    } else {
        left.encode_utf16().cmp(right.encode_utf16())
    }
}

/// First generation, `$lt` and its like: numbers with numbers, texts with texts, and nothing else.
pub(super) fn compare_alike(left: &Json<'_>, right: &Json<'_>) -> Option<Ordering> {
    match (left, right) {
        (Json::Number(left), Json::Number(right)) => left.partial_cmp(right),
        (Json::Text(left), Json::Text(right)) => Some(compare_texts(left, right)),
        _ => None,
    }
}

/// First generation, sorting: by type, then by value.
pub(super) fn compare_by_type(left: &Json<'_>, right: &Json<'_>) -> Ordering {
    fn rank(value: &Json<'_>) -> u8 {
        match value {
            Json::Missing => 0,
            Json::Null => 1,
            Json::Number(_) => 2,
            Json::Text(_) => 3,
            Json::Bool(_) => 4,
            Json::Array(_) => 5,
            Json::Object(_) => 6,
        }
    }
    match (left, right) {
        (Json::Number(left), Json::Number(right)) => left.total_cmp(right),
        (Json::Text(left), Json::Text(right)) => compare_texts(left, right),
        (Json::Bool(left), Json::Bool(right)) => left.cmp(right),
        (Json::Array(left), Json::Array(right)) => {
            compare_all(left.iter().zip(right)).then(left.len().cmp(&right.len()))
        }
        (Json::Object(left), Json::Object(right)) => {
            let (left, right) = (sorted(left), sorted(right));
            let pairs = left
                .iter()
                .zip(&right)
                .map(|((_, left), (_, right))| (*left, *right));
            compare_all(pairs).then(left.len().cmp(&right.len()))
        }
        _ => rank(left).cmp(&rank(right)),
    }
}

fn compare_all<'v, 'a: 'v>(pairs: impl Iterator<Item = (&'v Json<'a>, &'v Json<'a>)>) -> Ordering {
    pairs
        .map(|(left, right)| compare_by_type(left, right))
        .find(|ordering| ordering.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// Later generations: the one order in which everything has its place. Nothing and null, false, true, the empty text,
/// then what is or looks like a number, then everything else as text.
pub(super) fn compare_anything(left: &Json<'_>, right: &Json<'_>) -> Ordering {
    fn rank(value: &Json<'_>) -> u8 {
        match value {
            Json::Missing | Json::Null => 1,
            Json::Bool(false) => 3,
            Json::Bool(true) => 4,
            Json::Text(text) if text.is_empty() => 5,
            _ => 9,
        }
    }
    let ranks = (rank(left), rank(right));
    if ranks != (9, 9) {
        return ranks.0.cmp(&ranks.1);
    }
    match (numeric(left), numeric(right)) {
        (Some(left), Some(right)) => left.partial_cmp(&right).unwrap_or(Ordering::Equal),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => compare_texts(&text_of(left), &text_of(right)),
    }
}

/// JavaScript's `<` and its like: `None` when the two cannot be compared.
pub(super) fn compare_loosely(left: &Json<'_>, right: &Json<'_>) -> Option<Ordering> {
    let is_text = |value: &Json<'_>| matches!(value, Json::Text(_) | Json::Array(_) | Json::Object(_));
    if is_text(left) && is_text(right) {
        return Some(compare_texts(&text_of(left), &text_of(right)));
    }
    numeric(left)?.partial_cmp(&numeric(right)?)
}

/// JavaScript's `==`. Two arrays or objects are compared by their content, since JSON has no identity.
pub(super) fn equal_loosely(left: &Json<'_>, right: &Json<'_>) -> bool {
    let is_nothing = |value: &Json<'_>| matches!(value, Json::Missing | Json::Null);
    let is_composite = |value: &Json<'_>| matches!(value, Json::Array(_) | Json::Object(_));
    if is_nothing(left) || is_nothing(right) {
        return is_nothing(left) && is_nothing(right);
    }
    if is_composite(left) && is_composite(right) {
        return equal(left, right);
    }
    match (left, right) {
        (Json::Bool(_) | Json::Number(_), _) | (_, Json::Bool(_) | Json::Number(_)) => {
            matches!((numeric(left), numeric(right)), (Some(left), Some(right)) if left == right)
        }
        _ => text_of(left) == text_of(right),
    }
}

/// JavaScript's `Number(value)`; `None` for NaN.
pub(super) fn numeric(value: &Json<'_>) -> Option<f64> {
    match value {
        Json::Missing | Json::Object(_) => None,
        Json::Null => Some(0.0),
        Json::Bool(value) => Some(f64::from(u8::from(*value))),
        Json::Number(value) => Some(*value),
        Json::Text(text) => numeric_text(text),
        Json::Array(items) if items.len() > 1 => None,
        Json::Array(_) => numeric_text(&text_of(value)),
    }
}

fn numeric_text(text: &str) -> Option<f64> {
    let text = text.trim_matches(|character: char| character.is_whitespace() || character == '\u{feff}');
    if text.is_empty() {
        return Some(0.0);
    }
    for (prefix, radix) in [("0x", 16), ("0X", 16), ("0o", 8), ("0O", 8), ("0b", 2), ("0B", 2)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            let sum =
                |sum: f64, digit: char| Some(sum * f64::from(radix) + f64::from(digit.to_digit(radix)?));
            return (!digits.is_empty()).then(|| digits.chars().try_fold(0.0, sum))?;
        }
    }
    match text.trim_start_matches(['+', '-']) {
        "Infinity" if text.len() <= 9 => Some(if text.starts_with('-') {
            f64::NEG_INFINITY
        } else {
            f64::INFINITY
        }),
        // Rust knows more words for numbers than JavaScript does.
        digits if digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') => {
            text.parse().ok()
        }
        _ => None,
    }
}

/// JavaScript's `String(value)`.
pub(super) fn text_of<'v>(value: &'v Json<'_>) -> Cow<'v, str> {
    match value {
        Json::Missing => Cow::Borrowed("undefined"),
        Json::Null => Cow::Borrowed("null"),
        Json::Bool(value) => Cow::Borrowed(if *value { "true" } else { "false" }),
        Json::Number(value) if *value == 0.0 => Cow::Borrowed("0"),
        Json::Number(value) if value.abs() < 1e21 && value.abs() >= 1e-6 => Cow::Owned(value.to_string()),
        Json::Number(value) => Cow::Owned(exponential(*value)),
        Json::Text(text) => Cow::Borrowed(text),
        Json::Object(_) => Cow::Borrowed("[object Object]"),
        Json::Array(items) => {
            let mut out = String::new();
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                if !matches!(item, Json::Missing | Json::Null) {
                    out.push_str(&text_of(item));
                }
            }
            Cow::Owned(out)
        }
    }
}

/// `1e+21` where Rust writes `1e21`.
fn exponential(value: f64) -> String {
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json<'_> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn one_order_for_everything() {
        let ordered = [
            "null",
            "false",
            "true",
            r#""""#,
            "-1",
            "0",
            r#""0x10""#,
            "[17]",
            "1e3",
            r#""-""#,
            "[1,2]",
            r#""5a""#,
            "{}",
            r#""a""#,
            r#""é""#,
        ];
        for (left_place, left) in ordered.iter().enumerate() {
            for (right_place, right) in ordered.iter().enumerate() {
                assert_eq!(
                    compare_anything(&json(left), &json(right)),
                    left_place.cmp(&right_place),
                    "{left} {right}"
                );
            }
        }
        assert_eq!(compare_anything(&Json::Missing, &Json::Null), Ordering::Equal);
    }

    #[test]
    fn numbers_become_texts_as_in_javascript() {
        for (number, text) in [
            (1.0, "1"),
            (-0.0, "0"),
            (1.5, "1.5"),
            (1e21, "1e+21"),
            (1e-7, "1e-7"),
            (123_456_789_012_345_680_000.0, "123456789012345680000"),
        ] {
            assert_eq!(text_of(&Json::Number(number)), text);
        }
    }

    #[test]
    fn texts_become_numbers_as_in_javascript() {
        for (text, number) in [
            (" 12 ", Some(12.0)),
            ("", Some(0.0)),
            ("0x1F", Some(31.0)),
            ("1e3", Some(1000.0)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("inf", None),
            ("nan", None),
            ("1a", None),
            ("0x", None),
            (".5", Some(0.5)),
            ("--1", None),
            ("+-Infinity", None),
        ] {
            assert_eq!(numeric_text(text), number, "{text}");
        }
    }

    #[test]
    fn equality_of_objects_ignores_the_order_of_keys() {
        assert!(equal(
            &json(r#"{"a":1,"b":[{"c":2}]}"#),
            &json(r#"{"b":[{"c":2}],"a":1}"#)
        ));
        assert!(!equal(&json(r#"{"a":1}"#), &json(r#"{"a":1,"b":2}"#)));
        assert!(!equal(&Json::Missing, &Json::Missing));
    }
}
