//! The query of a URL: names and values.
//!
//! Enters: the text behind the `?`, as it was sent. Leaves: decoded pairs in their order. Guarantees: any text
//! can be read; what is no valid escape stays as it is, and what is not UTF-8 is replaced.

use hyper::Uri;

/// A URL's path, and its query without the `?`.
pub(crate) fn split(url: &str) -> (&str, &str) {
    url.split_once('?').unwrap_or((url, ""))
}

/// The pairs of a URL's query.
pub(crate) fn of(uri: &Uri) -> Vec<(String, String)> {
    pairs(uri.query().unwrap_or_default())
}

/// The pairs of a query; a name without `=` has an empty value.
pub(crate) fn pairs(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(&name.replace('+', " ")), decode(&value.replace('+', " ")))
        })
        .collect()
}

/// The text without its `%` escapes.
pub(crate) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut position = 0;
    while let Some(&byte) = bytes.get(position) {
        let digit = |offset: usize| {
            let digit = char::from(*bytes.get(position + offset)?).to_digit(16)?;
            u8::try_from(digit).ok()
        };
        match (byte, digit(1), digit(2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                position += 3;
            }
            _ => {
                out.push(byte);
                position += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_escapes_are_decoded() {
        for (text, expected) in [
            ("plain", "plain"),
            ("%7B%22a%22%3a1%7d", r#"{"a":1}"#),
            ("%C5%BElu%C5%A5", "žluť"),
            ("100%", "100%"),
            ("%", "%"),
            ("%4", "%4"),
            ("%zz%41", "%zzA"),
            ("%ff", "\u{fffd}"),
            ("ž%41", "žA"),
        ] {
            assert_eq!(decode(text), expected);
        }
    }

    #[test]
    fn queries_are_split_into_names_and_values() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            pairs("a=1&b=x+y%2B&&c&=d&e=f=g"),
            [
                pair("a", "1"),
                pair("b", "x y+"),
                pair("c", ""),
                pair("", "d"),
                pair("e", "f=g")
            ]
        );
        assert!(pairs("").is_empty());
    }
}
