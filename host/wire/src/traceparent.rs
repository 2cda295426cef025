//! The trace that a call belongs to, as the W3C writes it.
//!
//! Enters: the text of a header, or what a component says. Leaves: the same text, or nothing. Guarantees: a text that is
//! kept has the form of version 00, so it needs no escapes and has always the same length.

use std::fmt;

/// The length of the text in version 00.
const LENGTH: usize = 55;

/// A `traceparent` of version 00: `00-<trace>-<parent>-<flags>`, in small hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Traceparent([u8; LENGTH]);

impl Traceparent {
    /// The trace in this text. `None` when it is none of version 00, or names no trace or no parent.
    ///
    /// ```
    /// use mesh_wire::traceparent::Traceparent;
    ///
    /// let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    /// assert_eq!(Traceparent::parse(text).unwrap().as_str(), text);
    /// assert!(Traceparent::parse("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01").is_none());
    /// ```
    pub fn parse(text: &str) -> Option<Traceparent> {
        let bytes: [u8; LENGTH] = text.as_bytes().try_into().ok()?;
        let (trace, parent, flags) = (&bytes[3..35], &bytes[36..52], &bytes[53..]);
        let is_hexadecimal = |part: &[u8]| part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let is_some = |part: &[u8]| is_hexadecimal(part) && part.iter().any(|byte| *byte != b'0');
        let has_dashes = bytes.starts_with(b"00-") && bytes[35] == b'-' && bytes[52] == b'-';
        (has_dashes && is_some(trace) && is_some(parent) && is_hexadecimal(flags))
            .then_some(Traceparent(bytes))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Traceparent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_texts_of_version_00_are_traces() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(
            Traceparent::parse(good).map(|trace| trace.as_str().to_owned()),
            Some(good.to_owned())
        );
        for bad in [
            "",
            "00",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
            "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 ",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333é-1",
        ] {
            assert!(Traceparent::parse(bad).is_none(), "{bad}");
        }
    }
}
