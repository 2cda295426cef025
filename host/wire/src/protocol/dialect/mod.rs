//! The four dialects, and everything in which they differ.
//!
//! Enters: the text that a client announced (docs/protocol.md 3.2). Leaves: a [`Dialect`], and its answer to each
//! question. Guarantees: nothing outside this folder names a dialect in order to decide something; a dialect is one file here,
//! whose answers are complete; an answer costs one read of a table.

mod answers;
mod first_generation;
mod happn_2;
mod happn_3;
mod happn_4;
mod questions;

pub use answers::{
    ChannelOrder, EndNotice, ExpiredLogin, HttpRefusal, Listeners, LoginAnswer, LoginUser, Matching,
    MergeRule, QueryRules, RefusalTexts, RestFaults,
};
use questions::Answers;

/// The generation of the protocol that a session speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Dialect {
    /// Nothing announced yet, or plain `happn`: behaves as the first generation.
    #[default]
    Unconfigured,
    /// `happn_1.…` and whatever is not known.
    Happn1,
    /// `happn_2`.
    Happn2,
    /// `happn_3`.
    Happn3,
    /// `happn_4`.
    Happn4,
}

/// The answers of each dialect, in the order of [`Dialect::ALL`].
static ANSWERS: [Answers; Dialect::ALL.len()] = [
    first_generation::UNCONFIGURED,
    first_generation::ANSWERS,
    happn_2::ANSWERS,
    happn_3::ANSWERS,
    happn_4::ANSWERS,
];

impl Dialect {
    /// All of them, the oldest first.
    pub const ALL: [Dialect; 5] = [
        Dialect::Unconfigured,
        Dialect::Happn1,
        Dialect::Happn2,
        Dialect::Happn3,
        Dialect::Happn4,
    ];

    /// In which components read and write documents and events. They announce nothing, so this never changes.
    pub const OF_COMPONENTS: Dialect = Dialect::Happn4;

    /// In which requests over HTTP are answered, unless their address is known for another one
    /// ([`Dialect::is_kept_over_http`]).
    pub const OF_HTTP: Dialect = Dialect::Happn4;

    /// Chooses the dialect for the text that a client announced. A text that is not known is the first generation's.
    pub fn from_announcement(text: &str) -> Dialect {
        let named = Dialect::ALL.into_iter().find(|dialect| dialect.name() == text);
        named.unwrap_or(Dialect::Happn1)
    }

    /// The dialect with this [`Dialect::number`]; that of nothing announced where there is none.
    #[inline]
    pub fn from_number(number: u8) -> Dialect {
        Dialect::ALL.get(usize::from(number)).copied().unwrap_or_default()
    }

    /// A number to keep it by.
    #[inline]
    pub fn number(self) -> u8 {
        self as u8
    }

    #[inline]
    fn answers(self) -> &'static Answers {
        &ANSWERS[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dialect_is_found_by_its_number_and_by_its_name() {
        for (place, dialect) in Dialect::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(dialect.number()), place);
            assert_eq!(Dialect::from_number(dialect.number()), dialect);
            assert_eq!(Dialect::from_announcement(dialect.name()), dialect);
        }
        assert_eq!(
            Dialect::from_number(Dialect::ALL.len() as u8),
            Dialect::Unconfigured
        );
    }

    #[test]
    fn only_exact_texts_choose_a_later_generation() {
        for text in [
            "happn_1.3.0",
            "happn_1.1.0",
            "happn_99",
            "happn_4 ",
            "HAPPN_4",
            "",
        ] {
            assert_eq!(Dialect::from_announcement(text), Dialect::Happn1, "{text}");
        }
    }

    #[test]
    fn frames_end_with_the_name_of_their_dialect() {
        for dialect in Dialect::ALL {
            let frame = format!(r#"{{"a":1{}"#, dialect.tail());
            let frame: serde_json::Value = serde_json::from_str(&frame).unwrap();
            assert_eq!(frame["protocol"], dialect.name(), "{dialect:?}");
        }
    }

    #[test]
    fn a_client_that_announced_nothing_is_answered_as_the_first_generation() {
        let named = Answers {
            name: Dialect::Happn1.name(),
            tail: Dialect::Happn1.tail(),
            ..*Dialect::Unconfigured.answers()
        };
        assert_eq!(named, *Dialect::Happn1.answers());
    }
}
