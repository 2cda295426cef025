//! Names of users and groups: which are the same, and which nobody can tell apart by looking.
//!
//! Enters: names. Leaves: the form in which a name is kept, or why it is refused. Guarantees: the names that the host
//! itself uses are compared letter by letter, whatever is configured.

use super::{ADMIN, ANONYMOUS};
use mesh_store::PathPattern;
use std::borrow::Cow;

/// How names of users are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// Letter by letter.
    #[default]
    Exact,
    /// Letters of any size are the same.
    AnyCase,
}

impl Names {
    /// The form in which a new name is kept.
    pub fn canonical(self, name: &str) -> Cow<'_, str> {
        let is_own = [ADMIN, ANONYMOUS].contains(&name);
        match self {
            Names::AnyCase if !is_own => Cow::Owned(name.to_lowercase()),
            Names::AnyCase | Names::Exact => Cow::Borrowed(name),
        }
    }

    /// Whether two names are those of one user.
    pub fn are_same(self, one: &str, other: &str) -> bool {
        self.canonical(one) == self.canonical(other)
    }

    /// Whether a pattern fits a name: a `*` in it is any text.
    pub fn fits(self, pattern: &str, name: &str) -> bool {
        PathPattern::new(&self.canonical(pattern)).matches(&self.canonical(name))
    }

    /// Whether a name could be taken for one that the host itself uses.
    pub fn is_reserved_look_alike(self, name: &str) -> bool {
        let in_small = |text: &str| text.to_lowercase();
        let is_like = |own: &&str| in_small(own) == in_small(name) && **own != *name;
        self == Names::AnyCase && [ADMIN, ANONYMOUS].iter().any(is_like)
    }
}

/// Whether a name has letters that cannot be seen: people would take it for another name.
pub fn has_invisible_letters(name: &str) -> bool {
    let is_joiner = |letter: char| matches!(letter, '\u{200c}' | '\u{200d}');
    // Joiners are part of words in some scripts, and of emoji; nothing is joined at an end.
    let at_an_end = |letter: char| letter.is_whitespace() || is_joiner(letter);
    name.starts_with(at_an_end)
        || name.ends_with(at_an_end)
        || name
            .chars()
            .any(|letter| letter.is_control() || (is_format(letter) && !is_joiner(letter)))
}

/// Names are no longer than this.
pub const LONGEST_NAME: usize = 256;

/// Whether somebody may have this name.
pub fn is_username(name: &str) -> bool {
    let is_plain = !name.contains(['/', '*']) && !name.contains(":nogroups") && !has_invisible_letters(name);
    !name.is_empty() && name.len() <= LONGEST_NAME && is_plain && ![ADMIN, ANONYMOUS].contains(&name)
}

/// Characters that shape a text and are not seen themselves.
fn is_format(letter: char) -> bool {
    matches!(letter,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_any_size_are_the_same_where_that_is_wanted() {
        assert!(Names::AnyCase.are_same("Bob", "bOB"));
        assert!(!Names::Exact.are_same("Bob", "bOB"));
        assert_eq!(Names::AnyCase.canonical("Bob"), "bob");
        assert_eq!(Names::Exact.canonical("Bob"), "Bob");
        assert_eq!(Names::AnyCase.canonical("ÄRGER"), "ärger");
    }

    #[test]
    fn patterns_fit_names_of_any_size_where_these_are_the_same() {
        for (pattern, name, exact, any_case) in [
            ("bob", "bob", true, true),
            ("bob", "bobby", false, false),
            ("*@staff.example", "bob@staff.example", true, true),
            ("*@staff.example", "bob@STAFF.example", false, true),
            ("*@staff.example", "bob@staff.example.org", false, false),
            ("_ADMIN", "_admin", false, false),
            ("*", "_ADMIN", true, true),
        ] {
            assert_eq!(Names::Exact.fits(pattern, name), exact, "{pattern} {name}");
            assert_eq!(Names::AnyCase.fits(pattern, name), any_case, "{pattern} {name}");
        }
    }

    #[test]
    fn names_of_the_host_are_compared_letter_by_letter() {
        for names in [Names::Exact, Names::AnyCase] {
            for own in [ADMIN, ANONYMOUS] {
                assert_eq!(names.canonical(own), own);
                assert!(!names.are_same(own, &own.to_lowercase()));
                assert!(!names.is_reserved_look_alike(own));
            }
        }
        assert!(Names::AnyCase.is_reserved_look_alike("_Admin"));
        assert!(Names::AnyCase.is_reserved_look_alike("_anonymous"));
        assert!(!Names::Exact.is_reserved_look_alike("_Admin"));
    }

    #[test]
    fn invisible_characters_are_found() {
        for name in [
            " bob",
            "bob ",
            "\tbob",
            "bob\n",
            "bob\u{0}",
            "b\u{0}ob",
            "\u{a0}bob",
            "bob\u{3000}",
            "bo\u{200b}b",
            "\u{feff}bob",
            "bob\u{200d}",
            "b\u{202e}ob",
            "bob\u{e0041}",
            "\u{2003}",
        ] {
            assert!(has_invisible_letters(name), "{name:?}");
        }
        for name in ["bob", "bo b", "b.o-b@x", "Bob", "نامه\u{200c}ای", "👩\u{200d}🚀"] {
            assert!(!has_invisible_letters(name), "{name:?}");
        }
    }
}
