//! Small pieces of JSON text: writing strings and numbers, and looking at raw values without parsing them.

use serde_json::value::RawValue;
use std::borrow::Cow;

/// Appends `text` as a JSON string, quotes included. U+2028 and U+2029 are escaped, as Primus does it.
pub fn write_string(out: &mut String, text: &str) {
    out.push('"');
    write_string_content(out, text);
    out.push('"');
}

/// Appends `text` escaped for the inside of a JSON string.
pub fn write_string_content(out: &mut String, text: &str) {
    // Nearly every text goes out as it is. Looking at all of its bytes without a branch is what a compiler turns into
    // a few wide instructions. 0xe2 begins U+2028 and U+2029, among others.
    let special = |byte: &u8| *byte < b' ' || *byte == b'"' || *byte == b'\\' || *byte == 0xe2;
    if !text
        .as_bytes()
        .iter()
        .fold(false, |found, byte| found | special(byte))
    {
        return out.push_str(text);
    }
    let mut clean = 0;
    for (position, character) in text.char_indices() {
        let escape = match character {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\u{2028}' => "\\u2028",
            '\u{2029}' => "\\u2029",
            character if character < ' ' => {
                out.push_str(&text[clean..position]);
                out.push_str("\\u00");
                let number = character as u32;
                for digit in [number >> 4, number & 15] {
                    out.push(char::from_digit(digit, 16).unwrap_or('0'));
                }
                clean = position + 1;
                continue;
            }
            _ => continue,
        };
        out.push_str(&text[clean..position]);
        out.push_str(escape);
        clean = position + character.len_utf8();
    }
    out.push_str(&text[clean..]);
}

/// Appends a whole number.
pub fn write_number(out: &mut String, mut number: u64) {
    let mut digits = [0u8; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend(digits[start..].iter().map(|digit| char::from(*digit)));
}

/// The text of a raw value that is a JSON string; `None` for every other kind of value.
pub fn as_text(raw: &RawValue) -> Option<Cow<'_, str>> {
    let text = raw.get();
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str::<String>(text).ok().map(Cow::Owned)
}

/// Whether JavaScript would take the value for true: everything but `false`, `null`, `0` and `""`.
pub fn is_truthy(raw: &RawValue) -> bool {
    match raw.get() {
        "false" | "null" | "\"\"" => false,
        text => text.parse::<f64>() != Ok(0.0),
    }
}

/// At most 120 characters of a text that goes into a message.
pub fn shorten(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(120) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        let mut out = String::new();
        write_string(&mut out, text);
        out
    }

    #[test]
    fn strings_survive_a_round_trip() {
        for text in [
            "",
            "plain",
            "q\"b\\s",
            "line\nfeed\ttab\r",
            "\u{0}\u{1f}\u{7f}",
            "žluť 日本 🎉",
            "a\u{2028}b\u{2029}",
        ] {
            assert_eq!(serde_json::from_str::<String>(&written(text)).unwrap(), text);
        }
        assert_eq!(written("\u{2028}"), r#""\u2028""#);
    }

    #[test]
    fn whole_numbers_are_written_in_decimal() {
        for number in [0, 7, 10, 1_795_417_033_600, u64::MAX] {
            let mut out = String::new();
            write_number(&mut out, number);
            assert_eq!(out, number.to_string());
        }
    }

    #[test]
    fn values_are_as_true_as_in_javascript() {
        for (text, expected) in [
            ("true", true),
            ("false", false),
            ("0", false),
            ("0.0", false),
            ("-0", false),
            ("1", true),
            ("\"\"", false),
            ("\"x\"", true),
            ("{}", true),
            ("[]", true),
            ("null", false),
        ] {
            let raw: &RawValue = serde_json::from_str(text).unwrap();
            assert_eq!(is_truthy(raw), expected, "{text}");
        }
    }
}
