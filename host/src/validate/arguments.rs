//! Arguments that a method gets from clients who do not know it, or mean harm.
//!
//! Enters: how many parameters a method declares. Leaves: payloads, each with words for it. Guarantees: each
//! is valid JSON or empty, as is all that a serving host hands to a component.

use bytes::Bytes;

/// A payload, and the words that follow "with" in a sentence.
pub(super) struct Shape {
    pub(super) words: &'static str,
    pub(super) payload: Bytes,
}

/// A call without arguments.
pub(super) fn none() -> Shape {
    Shape {
        words: "no arguments",
        payload: Bytes::from_static(b"[]"),
    }
}

/// Everything that is odd, for a method with so many parameters.
pub(super) fn odd(parameters: usize) -> Vec<Shape> {
    let shape = |words, text: String| Shape {
        words,
        payload: Bytes::from(text),
    };
    let all = |value: &str| format!("[{}]", vec![value; parameters.max(1)].join(","));
    let text = format!("\"{}\"", "x".repeat(1 << 20));
    let depth = 10_000;
    vec![
        Shape {
            words: "an empty payload",
            payload: Bytes::new(),
        },
        shape("nulls", all("null")),
        shape("booleans", all("true")),
        shape("objects", all("{\"a\":{\"b\":[1]}}")),
        shape("arrays", all("[[],[1,\"2\",null]]")),
        shape("negative numbers", all("-1")),
        shape("fractions", all("0.5")),
        shape("numbers beyond 64 bits", all("123456789012345678901234567890")),
        shape("numbers near the limit of a double", all("1.7e308")),
        shape("empty texts", all("\"\"")),
        shape(
            "texts with control characters and escapes",
            all(r#""\u0000\n\"\\\u00e9\ud83d\ude00/../*@""#),
        ),
        shape("a text of 1 MiB", format!("[{text}]")),
        shape(
            "ten thousand arguments",
            format!("[{}]", vec!["1"; 10_000].join(",")),
        ),
        shape(
            "arguments nested ten thousand deep",
            format!("[{}{}]", "[".repeat(depth), "]".repeat(depth)),
        ),
        shape(
            "objects nested ten thousand deep",
            format!("[{}1{}]", "{\"a\":".repeat(depth), "}".repeat(depth)),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::RawValue;

    #[test]
    fn every_payload_is_what_a_host_would_hand_over() {
        for parameters in [0, 1, 5] {
            for Shape { words, payload } in odd(parameters) {
                let array = serde_json::from_slice::<Vec<&RawValue>>(&payload);
                assert!(payload.is_empty() || array.is_ok(), "{words}");
            }
        }
    }
}
