//! Requests with gaps for numbers, so that sending one costs a few copies.
//!
//! Enters: JSON text in which [`GAP`] stands for each number. Leaves: requests. Guarantees: a character that
//! cannot occur in JSON text marks the gaps, so that no payload can be taken for one.

use std::io::Write;

/// Stands for a number. A control character, which JSON text never contains unescaped.
pub(super) const GAP: char = '\u{1}';

/// A request with gaps.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pieces: Vec<Box<[u8]>>,
}

impl Template {
    pub(super) fn new(text: &str) -> Template {
        Template {
            pieces: text.split(GAP).map(|piece| piece.as_bytes().into()).collect(),
        }
    }

    /// Appends the request; `number` says what belongs into each gap.
    pub(super) fn write(&self, out: &mut Vec<u8>, number: impl Fn(usize) -> u64) {
        for (gap, piece) in self.pieces.iter().enumerate() {
            if gap > 0 {
                // Writing to memory cannot fail.
                let _ = write!(out, "{}", number(gap - 1));
            }
            out.extend_from_slice(piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_filled_in_order() {
        let mut out = Vec::new();
        Template::new("{\"a\":\u{1},\"b\":\u{1}}").write(&mut out, |gap| 10 + gap as u64);
        assert_eq!(out, b"{\"a\":10,\"b\":11}");
    }
}
