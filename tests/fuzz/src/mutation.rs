//! New inputs from old ones.
//!
//! Enters: seeds, and numbers from a seed. Leaves: inputs that look like the seeds and differ from them. Guarantees: the same
//! numbers give the same inputs; no input is longer than the limit.

use crate::corpus::Seed;
use mesh_choices::Choices;
use std::collections::BTreeSet;

/// Most changes of one input.
const MOST_CHANGES: usize = 6;
/// Words of the seeds that are longer are not put elsewhere.
const LONGEST_WORD: usize = 24;
/// Bytes at which parsers decide.
const TELLING: &[u8] = b"\0\n\r\t \"'\\/*{}[]()<>:,;=@#$%^~|&.-+0129aAzZ_\x7f\x80\xc3\xff";
/// Numbers at which programs decide.
const NUMBERS: [&str; 14] = [
    "0",
    "-1",
    "1",
    "127",
    "128",
    "255",
    "256",
    "65535",
    "65536",
    "2147483648",
    "4294967296",
    "9007199254740992",
    "18446744073709551615",
    "1e309",
];

/// Makes inputs from seeds.
pub(crate) struct Mutations<'s> {
    seeds: &'s [Seed],
    /// Pieces of the seeds that mean something to a parser.
    words: Vec<&'s [u8]>,
    choices: Choices,
    longest: usize,
}

impl<'s> Mutations<'s> {
    pub(crate) fn new(seeds: &'s [Seed], seed: u64, longest: usize) -> Mutations<'s> {
        let mut words = BTreeSet::new();
        for seed in seeds {
            let is_letter =
                |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'-' | b'.');
            for word in seed.bytes.split(|byte| !is_letter(byte)) {
                if (2..=LONGEST_WORD).contains(&word.len()) {
                    words.insert(word);
                }
            }
        }
        words.extend(NUMBERS.map(str::as_bytes));
        Mutations {
            seeds,
            words: words.into_iter().collect(),
            choices: Choices::new(seed),
            longest,
        }
    }

    /// The next input.
    pub(crate) fn next(&mut self) -> Vec<u8> {
        let mut bytes = self.choices.pick(self.seeds).bytes.clone();
        for _ in 0..=self.choices.below(MOST_CHANGES) {
            self.change(&mut bytes);
        }
        bytes.truncate(self.longest);
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let place = self.choices.below(bytes.len() + 1);
        match self.choices.below(12) {
            0 => {
                if let Some(byte) = bytes.get_mut(place) {
                    *byte ^= 1 << self.choices.below(8);
                }
            }
            1 => {
                if let Some(byte) = bytes.get_mut(place) {
                    *byte = self.choices.below(256) as u8;
                }
            }
            2 => {
                let telling = *self.choices.pick(TELLING);
                if let Some(byte) = bytes.get_mut(place) {
                    *byte = telling;
                }
            }
            3 => bytes.insert(place, *self.choices.pick(TELLING)),
            4 => {
                let end = self.end_of_piece(bytes, place);
                bytes.drain(place..end);
            }
            5 => bytes.truncate(place),
            6 | 7 => {
                let word = *self.choices.pick(&self.words);
                bytes.splice(place..place, word.iter().copied());
            }
            8 => {
                let word = *self.choices.pick(&self.words);
                let end = self.end_of_piece(bytes, place).min(place + word.len());
                bytes.splice(place..end, word.iter().copied());
            }
            9 => {
                let end = self.end_of_piece(bytes, place);
                let piece = bytes[place..end].to_vec();
                let copies = 1 + self.choices.below(3) * self.choices.below(8);
                bytes.splice(end..end, piece.repeat(copies));
            }
            10 => {
                let other = &self.choices.pick(self.seeds).bytes;
                let from = self.choices.below(other.len() + 1);
                let end = self.end_of_piece(other, from);
                let piece = other[from..end].to_vec();
                bytes.splice(place..place, piece);
            }
            _ => {
                // The beginning of one, and the end of another.
                let other = &self.choices.pick(self.seeds).bytes;
                let from = self.choices.below(other.len() + 1);
                bytes.truncate(place);
                bytes.extend_from_slice(&other[from..]);
            }
        }
        bytes.truncate(self.longest);
    }

    /// Where a piece of no certain length ends that begins at a place.
    fn end_of_piece(&mut self, bytes: &[u8], place: usize) -> usize {
        let most = if self.choices.one_in(4) { bytes.len() } else { 16 };
        (place + self.choices.below(most + 1)).min(bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(seed: u64) -> Vec<Vec<u8>> {
        let seeds = ["{\"action\":\"get\"}", "/a/*/b", ""].map(|text| Seed {
            name: text.to_owned(),
            bytes: text.as_bytes().to_vec(),
        });
        let mut mutations = Mutations::new(&seeds, seed, 40);
        (0..500).map(|_| mutations.next()).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_inputs() {
        assert_eq!(inputs(3), inputs(3));
        assert_ne!(inputs(3), inputs(4));
    }

    #[test]
    fn inputs_differ_and_obey_the_limit() {
        let inputs = inputs(5);
        assert!(inputs.iter().all(|input| input.len() <= 40));
        let different: BTreeSet<_> = inputs.iter().collect();
        assert!(different.len() > 400, "{}", different.len());
    }
}
