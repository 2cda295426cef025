//! Numbers and JSON text as JavaScript writes them.
//!
//! Clients of a mesh are JavaScript programs, which know one kind of number. A component's answer is therefore
//! written as `JSON.stringify` would: `3`, not `3.0`.

use serde::Serialize;
use serde_json::ser::Formatter;
use std::io::{self, Write};

/// The largest power of two below which every whole number is exactly itself.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A number as JavaScript's `String(number)` gives it.
///
/// ```
/// use mesh_plugin_sdk::javascript::number_to_text;
/// assert_eq!(number_to_text(3.0), "3");
/// assert_eq!(number_to_text(0.5), "0.5");
/// assert_eq!(number_to_text(1e21), "1e+21");
/// assert_eq!(number_to_text(1.5e-7), "1.5e-7");
/// ```
pub fn number_to_text(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    if number == 0.0 {
        return "0".to_owned();
    }
    digits_to_text(&format!("{number:e}"))
}

/// Turns the shortest digits in Rust's scientific form, such as `-1.25e-7`, into JavaScript's form.
fn digits_to_text(scientific: &str) -> String {
    let (sign, scientific) = match scientific.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", scientific),
    };
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits: String = mantissa.chars().filter(|&character| character != '.').collect();
    // The names of ECMAScript's Number::toString: k digits, the point after n of them.
    let (k, n) = (digits.len() as i32, exponent + 1);
    if k <= n && n <= 21 {
        format!("{sign}{digits}{}", "0".repeat((n - k) as usize))
    } else if 0 < n && n <= 21 {
        let (whole, fraction) = digits.split_at(n as usize);
        format!("{sign}{whole}.{fraction}")
    } else if -6 < n && n <= 0 {
        format!("{sign}0.{}{digits}", "0".repeat(-n as usize))
    } else {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        format!(
            "{sign}{first}{point}{rest}e{}{}",
            if exponent < 0 { '-' } else { '+' },
            exponent.abs()
        )
    }
}

/// Writes compact JSON text as `JSON.stringify` would.
///
/// # Errors
///
/// When the value cannot be written as JSON, such as a map whose keys are no texts.
pub fn to_text<T: Serialize + ?Sized>(value: &T) -> Result<String, serde_json::Error> {
    let mut text = Vec::new();
    write(&mut text, value)?;
    String::from_utf8(text).map_err(|error| serde_json::Error::io(io::Error::other(error)))
}

/// Appends compact JSON text to `text`.
pub(crate) fn write<T: Serialize + ?Sized>(text: &mut Vec<u8>, value: &T) -> Result<(), serde_json::Error> {
    value.serialize(&mut serde_json::Serializer::with_formatter(
        text,
        JavaScriptFormatter,
    ))
}

struct JavaScriptFormatter;

impl Formatter for JavaScriptFormatter {
    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        if value.fract() == 0.0 && value.abs() < EXACT {
            return self.write_i64(writer, value as i64);
        }
        writer.write_all(number_to_text(value).as_bytes())
    }

    fn write_f32<W: ?Sized + Write>(&mut self, writer: &mut W, value: f32) -> io::Result<()> {
        if value.fract() == 0.0 && f64::from(value.abs()) < EXACT {
            return self.write_i64(writer, value as i64);
        }
        writer.write_all(digits_to_text(&format!("{value:e}")).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_look_as_in_javascript() {
        for (number, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (123456789.0, "123456789"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.25e25, "1.25e+25"),
            (0.000001, "0.000001"),
            (0.0000001, "1e-7"),
            (0.1 + 0.2, "0.30000000000000004"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(number_to_text(number), text);
        }
    }

    #[test]
    fn json_looks_as_in_javascript() {
        assert_eq!(
            to_text(&json!([3.0, 2.25, -0.0, 1e21, 7])).unwrap(),
            "[3,2.25,0,1e+21,7]"
        );
        assert_eq!(to_text(&[0.5f32, 2.0, 0.1]).unwrap(), "[0.5,2,0.1]");
        assert_eq!(to_text(&f64::NAN).unwrap(), "null");
        assert_eq!(to_text("é\u{1}\n\"/").unwrap(), "\"é\\u0001\\n\\\"/\"");
    }
}
