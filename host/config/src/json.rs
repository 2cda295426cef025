//! Tables of any content, as JSON.
//!
//! Enters: a value of the tree. Leaves: the same as JSON; what JSON has no form for is reported to the [`Reader`]. Guarantees:
//! no message shows a secret.

use serde_json::Number;

use super::error::ErrorKind;
use super::read::Reader;
use super::tree::{Node, Value};

/// A TOML value as JSON: dates become strings, tables keep the order of the file.
pub(super) fn json(reader: &mut Reader<'_>, node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Text(text) => serde_json::Value::String(text.clone()),
        Value::Boolean(value) => serde_json::Value::Bool(*value),
        Value::Date(date) => serde_json::Value::String(date.clone()),
        Value::Array(items) => {
            serde_json::Value::Array(items.iter().map(|item| json(reader, item)).collect())
        }
        Value::Table(entries) => {
            let entries = entries
                .iter()
                .map(|entry| (entry.key.clone(), json(reader, &entry.node)));
            serde_json::Value::Object(entries.collect())
        }
        Value::Integer(number, _) => {
            let signed = number
                .and_then(|number| i64::try_from(number).ok())
                .map(Number::from);
            let unsigned = number
                .and_then(|number| u64::try_from(number).ok())
                .map(Number::from);
            number_or_report(reader, node, signed.or(unsigned), "does not fit into 64 bits")
        }
        Value::Float(written) => {
            let number = written.parse().ok().and_then(Number::from_f64);
            number_or_report(reader, node, number, "is not a number that JSON has")
        }
    }
}

fn number_or_report(
    reader: &mut Reader<'_>,
    node: &Node,
    number: Option<Number>,
    wrong: &str,
) -> serde_json::Value {
    match number {
        Some(number) => serde_json::Value::Number(number),
        None => {
            let secret = reader.source.is_secret(node.at);
            let found = if secret {
                node.value.type_in_words().to_owned()
            } else {
                node.value.in_words()
            };
            let help = Some("the value becomes JSON; write it as a string".to_owned());
            reader.report(ErrorKind::OutOfRange, node.at, format!("{found} {wrong}"), help);
            serde_json::Value::Null
        }
    }
}
