//! JavaScript's `+` on JSON values.

use mesh_plugin_sdk::javascript::number_to_text;
use mesh_plugin_sdk::prelude::*;

/// `a + b`: a concatenation if either is text, or becomes text, as arrays and objects do; the sum otherwise.
pub(crate) fn add(a: &Value, b: &Value) -> Value {
    match (as_number(a), as_number(b)) {
        (Some(a), Some(b)) => json!(a + b),
        _ => Value::String(as_text(a) + &as_text(b)),
    }
}

/// The number that stands for a value in a sum; `None` where the value stands for a text.
fn as_number(value: &Value) -> Option<f64> {
    match value {
        Value::Null => Some(0.0),
        Value::Bool(value) => Some(f64::from(u8::from(*value))),
        Value::Number(number) => number.as_f64(),
        Value::String(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn as_text(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number_to_text(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => text.clone(),
        Value::Array(values) => {
            let texts: Vec<String> = values
                .iter()
                .map(|value| {
                    if value.is_null() {
                        String::new()
                    } else {
                        as_text(value)
                    }
                })
                .collect();
            texts.join(",")
        }
        Value::Object(_) => "[object Object]".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_added_as_javascript_does() {
        for (a, b, sum) in [
            (json!(1), json!(2), json!(3.0)),
            (json!(0.1), json!(0.2), json!(0.30000000000000004)),
            (json!("a"), json!("b"), json!("ab")),
            (json!("a"), json!(1), json!("a1")),
            (json!(0.5), json!("b"), json!("0.5b")),
            (json!(1e21), json!(""), json!("1e+21")),
            (json!("n"), json!(null), json!("nnull")),
            (json!(null), json!(true), json!(1.0)),
            (json!([1, null, [2, 3]]), json!(1), json!("1,,2,31")),
            (json!({"a": 1}), json!(1), json!("[object Object]1")),
        ] {
            assert_eq!(add(&a, &b), sum, "{a} + {b}");
        }
    }
}
