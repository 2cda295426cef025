//! The matching rules of both generations (docs/protocol.md 6.3 and 6.4), one pattern and one path at a time.
//!
//! The first generation matches text. The literal part up to the first `*` must begin the path, the rest is found in
//! order, and the end is open. Later ones match segments: `*` is one segment, `**` at the end is one to `depth`
//! segments.
//!
//! Enters: the pattern of a subscription and the dialect of its session, then paths. Leaves: whether a path matches.
//! Guarantees: no input panics, and comparing allocates nothing but for letters that are not ASCII.

use crate::address::RESPONSES;
use crate::protocol::{Dialect, Matching};

/// How many segments a `**` reaches when the client names no depth.
pub const DEFAULT_DEPTH: u32 = 5;

/// A segment that stands for any.
pub const ANY: &str = "*";

/// A subscription's pattern, taken apart by the rules of its session's generation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// `*`: every path.
    Everything,
    /// No wildcard, later generations. Without a leading slash.
    Exact(Box<str>),
    /// No wildcard, first generation: in lower case, since letter case does not count there.
    ExactText(Box<str>),
    /// First generation: the literal beginning, and the texts that must follow in order.
    Text {
        /// The path begins with this.
        prefix: Box<str>,
        /// These follow, each behind the one before.
        parts: Box<[Box<str>]>,
    },
    /// Later generations: its segments, a slash behind each of them; `*` is any.
    Segments(Box<str>),
    /// Later generations: as [`Pattern::Segments`], then one or more segments, as many as the subscription's depth.
    Deep(Box<str>),
    /// `/_exchange/responses/…/*` of a later generation: everything below, at any depth (docs/protocol.md 11).
    Below(Box<str>),
}

impl Pattern {
    /// Takes a pattern apart by the rules of this dialect.
    pub fn parse(text: &str, dialect: Dialect) -> Pattern {
        Pattern::matched(text, dialect.matching())
    }

    /// Takes a pattern apart that is matched in this way.
    pub fn matched(text: &str, matching: Matching) -> Pattern {
        if text == "*" {
            return Pattern::Everything;
        }
        match matching {
            Matching::Text => parse_text(text),
            Matching::Segments => parse_segments(text),
        }
    }

    /// Whether its text behind a `*` has to be looked for in each path that begins like it: no table finds it.
    pub fn is_searched(&self) -> bool {
        matches!(self, Pattern::Text { parts, .. } if !parts.is_empty())
    }

    /// Whether the pattern matches; for [`Pattern::Deep`] whether it does when its depth suffices.
    pub fn matches(&self, path: &str) -> bool {
        match self {
            Pattern::Everything => true,
            Pattern::Exact(exact) => **exact == *without_slash(path),
            Pattern::ExactText(exact) => is_in_lower_case(path, exact),
            Pattern::Text { prefix, parts } => path
                .strip_prefix(&**prefix)
                .is_some_and(|rest| follow(rest, parts)),
            Pattern::Segments(pattern) => {
                let mut segments = without_slash(path).split('/');
                parts_of(pattern).all(|part| fits(part, segments.next())) && segments.next().is_none()
            }
            Pattern::Deep(_) => self.depth_of(path).is_some(),
            Pattern::Below(prefix) => path.starts_with(&**prefix),
        }
    }

    /// For [`Pattern::Deep`]: how many segments of `path` the `**` stands for. `None` when the part before it does
    /// not match, or nothing is left for it.
    pub fn depth_of(&self, path: &str) -> Option<u32> {
        let Pattern::Deep(pattern) = self else { return None };
        let mut segments = without_slash(path).split('/');
        if !parts_of(pattern).all(|part| fits(part, segments.next())) {
            return None;
        }
        u32::try_from(segments.count()).ok().filter(|depth| *depth > 0)
    }

    /// Whether some path that begins with `prefix` (which ends with a slash) could match.
    pub fn may_match_below(&self, prefix: &str) -> bool {
        let overlaps = |literal: &str| literal.starts_with(prefix) || prefix.starts_with(literal);
        match self {
            Pattern::Everything => true,
            Pattern::Exact(exact) => exact.starts_with(without_slash(prefix)),
            Pattern::ExactText(exact) => exact.starts_with(&prefix.to_lowercase()),
            Pattern::Text { prefix: literal, .. } => overlaps(literal),
            Pattern::Below(literal) => overlaps(literal),
            Pattern::Segments(pattern) => {
                let fixed = without_slash(prefix).trim_end_matches('/').split('/');
                parts_of(pattern).count() > fixed.clone().count()
                    && fixed
                        .zip(parts_of(pattern))
                        .all(|(segment, part)| fits(part, Some(segment)))
            }
            Pattern::Deep(pattern) => without_slash(prefix)
                .trim_end_matches('/')
                .split('/')
                .zip(parts_of(pattern))
                .all(|(segment, part)| fits(part, Some(segment))),
        }
    }
}

/// Whether a path in lower case is this text. Some letters have another length in lower case.
fn is_in_lower_case(path: &str, lower: &str) -> bool {
    match path.is_ascii() {
        true => path.eq_ignore_ascii_case(lower),
        false => path.to_lowercase() == *lower,
    }
}

/// The path without one leading slash, which later generations do not count.
pub fn without_slash(path: &str) -> &str {
    path.strip_prefix('/').unwrap_or(path)
}

/// Whether `parts` are found in `rest`, each behind the one before. The end is open, so the first find is as good as
/// any.
pub fn follow(mut rest: &str, parts: &[Box<str>]) -> bool {
    parts.iter().all(|part| match rest.find(&**part) {
        Some(position) => {
            rest = &rest[position + part.len()..];
            true
        }
        None => false,
    })
}

/// The segments of a [`Pattern::Segments`] or [`Pattern::Deep`].
pub fn parts_of(pattern: &str) -> impl Iterator<Item = &str> {
    pattern.split_terminator('/')
}

fn fits(part: &str, segment: Option<&str>) -> bool {
    segment.is_some_and(|segment| part == ANY || part == segment)
}

fn parse_text(text: &str) -> Pattern {
    let mut pieces = text.split('*');
    let prefix = pieces.next().unwrap_or_default();
    if prefix.len() == text.len() {
        return Pattern::ExactText(text.to_lowercase().into());
    }
    Pattern::Text {
        prefix: prefix.into(),
        parts: pieces.filter(|part| !part.is_empty()).map(Into::into).collect(),
    }
}

fn parse_segments(text: &str) -> Pattern {
    if let Some(below) = text.strip_suffix('*')
        && below.starts_with(RESPONSES)
        && below.ends_with('/')
        && !below.contains('*')
    {
        return Pattern::Below(below.into());
    }
    let bare = without_slash(text);
    if let Some(front) = bare
        .strip_suffix("**")
        .filter(|front| front.is_empty() || front.ends_with('/'))
    {
        return Pattern::Deep(front.into());
    }
    // A star inside a segment is no wildcard here. It can still be met literally only by a path with a star in it.
    if bare.split('/').any(|segment| segment == ANY) {
        return Pattern::Segments(format!("{bare}/").into());
    }
    Pattern::Exact(bare.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(dialect: Dialect, pattern: &str, hits: &[&str], misses: &[&str]) {
        let pattern = Pattern::parse(pattern, dialect);
        for path in hits {
            assert!(pattern.matches(path), "{pattern:?} {path}");
        }
        for path in misses {
            assert!(!pattern.matches(path), "{pattern:?} {path}");
        }
    }

    #[test]
    fn patterns_match_as_in_the_first_generation() {
        let first = |pattern, hits: &[&str], misses: &[&str]| check(Dialect::Happn1, pattern, hits, misses);
        first("/a/b", &["/a/b", "/A/b"], &["/a/b/c", "a/b"]);
        first("/a/*", &["/a/", "/a/b", "/a/b/c"], &["/a", "/b/a/"]);
        first("/a/*/c", &["/a/b/c", "/a/b/c/d", "/a/x/y/c"], &["/a/b/d"]);
        first("/a/b*", &["/a/b", "/a/bx", "/a/b/c/d"], &["/a/x"]);
        first("*b*", &["/abc"], &["/ac"]);
        first("*/b/c", &["/x/b/c", "/a/b/c/d"], &["/b/x/c"]);
        first("/a/***", &["/a/b"], &["/b"]);
        first("*", &["", "/x"], &[]);
    }

    #[test]
    fn a_letter_of_another_length_in_lower_case_is_the_same_letter() {
        for (pattern, path) in [
            ("/İ", "/İ"),
            ("/İ", "/i\u{307}"),
            ("/\u{212a}", "/k"),
            ("/k", "/\u{212a}"),
        ] {
            check(Dialect::Happn1, pattern, &[path], &["/x"]);
        }
    }

    #[test]
    fn later_generations() {
        let modern = |pattern, hits: &[&str], misses: &[&str]| check(Dialect::Happn4, pattern, hits, misses);
        modern("/a/b", &["/a/b", "a/b"], &["/A/b", "/a/b/c"]);
        modern("/a/*", &["/a/b", "/a/", "a/b"], &["/a/b/c", "/a", "/b/a"]);
        modern("/a/*/c", &["/a/b/c"], &["/a/b/c/d", "/a/c"]);
        modern("/a/b*", &[], &["/a/bx", "/a/b"]);
        modern("/*", &["/a"], &["/a/b"]);
        modern("*/*", &["/a/b"], &["/a"]);
        modern("/a/**", &["/a/b", "/a/b/c/d"], &["/a", "/b/a"]);
        modern("**", &["/a", "/a/b"], &[]);
        modern(
            "/_exchange/responses/S/*",
            &["/_exchange/responses/S/D/c/m/1"],
            &["/_exchange/responses/T/D/c/m/1"],
        );
    }

    #[test]
    fn two_stars_match_to_their_depth() {
        let pattern = Pattern::parse("/a/*/**", Dialect::Happn4);
        assert_eq!(pattern.depth_of("/a/b/c"), Some(1));
        assert_eq!(pattern.depth_of("/a/b/c/d"), Some(2));
        assert_eq!(pattern.depth_of("/a/b"), None);
    }

    #[test]
    fn patterns_that_overlap_a_prefix_are_found() {
        let below = "/_exchange/requests/";
        for (dialect, text, expected) in [
            (Dialect::Happn4, "*", true),
            (Dialect::Happn4, "/**", true),
            (Dialect::Happn4, "/_exchange/*/a", true),
            (Dialect::Happn4, "/_exchange/responses/S/*", false),
            (Dialect::Happn4, "/_exchange/requests/D/c/m", true),
            (Dialect::Happn4, "/_events/**", false),
            (Dialect::Happn4, "/*", false),
            (Dialect::Happn1, "/_ex*", true),
            (Dialect::Happn1, "/_exchange/requests/D/*", true),
            (Dialect::Happn1, "/_events/*", false),
        ] {
            assert_eq!(
                Pattern::parse(text, dialect).may_match_below(below),
                expected,
                "{text}"
            );
        }
    }
}
