//! The syntax of npm's ranges, reduced to plain comparators.
//!
//! Enters: the text of a range. Leaves: for each of its alternatives a [`VersionReq`] made only of `=`, `<`, `<=`,
//! `>` and `>=` with full versions. There the evaluation of that crate and npm's are the same. Guarantees: linear
//! time; the texts accepted, and what they mean, are those of node-semver 5.3 in its default (strict) mode.
//!
//! npm has no grammar that its ranges are parsed by: it rewrites the text with regular expressions until only
//! comparators are left. Some texts are ranges only by accident of that rewriting (`1.2.3*` is `1.2.3`,
//! `~ > 1.2` is `~1.2`), others fail by it (`> = 1.2.3`, `^9007199254740991.0.0`). The steps here are the same ones in
//! the same order, because clients would disagree with a tidier reading.

use semver::{Comparator, Op, Prerelease, VersionReq};

use super::{
    MAX_NUMBER, MAX_VERSION_LENGTH, RangeErrorKind,
    partial::{Numbers, Partial},
};

/// Reads a range: alternatives separated by `||`. There is at least one.
pub(super) fn alternatives(text: &str) -> Result<Box<[VersionReq]>, RangeErrorKind> {
    text.split("||").map(alternative).collect()
}

/// Reads comparators separated by white space, or a hyphen range. Nothing at all is `*`.
fn alternative(text: &str) -> Result<VersionReq, RangeErrorKind> {
    let words: Vec<&str> = text
        .split(is_white_space)
        .filter(|word| !word.is_empty())
        .collect();
    let text = words.join(" ");
    let mut comparators = Comparators::default();
    if let Some((from, to)) = hyphen_range(&text) {
        comparators.add_lower_end(&from)?;
        comparators.add_upper_end(&to)?;
    } else {
        for word in join_operators(&text).split(' ').filter(|word| !word.is_empty()) {
            comparators.add(word)?;
        }
    }
    Ok(VersionReq {
        comparators: comparators.0,
    })
}

/// The characters that JavaScript's `\s` matches: Unicode's white space, but for two characters.
fn is_white_space(character: char) -> bool {
    match character {
        '\u{85}' => false,
        '\u{feff}' => true,
        _ => character.is_whitespace(),
    }
}

/// The characters that may stand before a version, to no effect.
const PREFIX: [char; 3] = ['v', '=', ' '];

/// One end of a hyphen range.
struct End<'a> {
    text: &'a str,
    partial: Partial,
}

impl<'a> End<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let partial = Partial::parse(text.trim_start_matches(PREFIX))?;
        Some(Self { text, partial })
    }
}

/// Reads `1.2 - 2.3.4`.
fn hyphen_range(text: &str) -> Option<(End<'_>, End<'_>)> {
    let (from, to) = text.split_once(" - ")?;
    Some((End::parse(from)?, End::parse(to)?))
}

/// Removes the space after operators. Words are separated by single spaces.
///
/// After a comparison, it is removed only where a version follows, perhaps with a prefix. A prefix may contain spaces
/// of its own, which stay and therefore separate words that have no meaning alone: `> = 1` is not `>=1`.
fn join_operators(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let space = usize::from(first == ' ');
        let (operator, after) = split_comparison(&rest[space..]);
        let operand = after.strip_prefix(' ').unwrap_or(after);
        let version = operand.trim_start_matches(PREFIX);
        if version.starts_with(|character: char| matches!(character, '0'..='9' | 'x' | 'X' | '*')) {
            // All of the version, because a `v` inside it is not a prefix. The one known text that npm splits
            // elsewhere, and so refuses, is of the form `1.2.3-1v= *`: nonsense that is read as `1.2.3-1v` here.
            let after = version.trim_start_matches(|character: char| {
                character.is_ascii_alphanumeric() || matches!(character, '.' | '*' | '-' | '+')
            });
            joined.push_str(&rest[..space + operator.len()]);
            joined.push_str(&operand[..operand.len() - after.len()]);
            rest = after;
        } else {
            let skipped = (rest.len() - version.len()).max(first.len_utf8());
            let (head, tail) = rest.split_at(skipped);
            joined.push_str(head);
            rest = tail;
        }
    }
    joined.replace("~> ", "~").replace("~ ", "~").replace("^ ", "^")
}

/// Splits `<`, `<=`, `>`, `>=`, `=` or nothing from the beginning of `text`.
fn split_comparison(text: &str) -> (&str, &str) {
    let length = match text.as_bytes() {
        [b'<' | b'>', b'=', ..] => 2,
        [b'<' | b'>' | b'=', ..] => 1,
        _ => 0,
    };
    text.split_at(length)
}

/// The comparators that a version must meet together.
#[derive(Default)]
struct Comparators(Vec<Comparator>);

impl Comparators {
    /// Adds what `word` stands for: a caret or tilde range, an incomplete version, or a comparator of a full version.
    fn add(&mut self, word: &str) -> Result<(), RangeErrorKind> {
        if let Some(partial) = word.strip_prefix('^').and_then(parse_prefixed) {
            return self.add_between(word, &partial, partial.compatible_ceiling());
        }
        if let Some(rest) = word.strip_prefix('~')
            && let Some(partial) = parse_prefixed(rest.strip_prefix('>').unwrap_or(rest))
        {
            return self.add_between(word, &partial, partial.ceiling());
        }
        let (operator, operand) = split_comparison(word);
        match parse_prefixed(operand) {
            Some(partial) if !partial.is_complete() => self.add_incomplete(word, operator, &partial),
            Some(_) => self
                .add_complete(operator, operand)
                .unwrap_or_else(|| Err(invalid(word))),
            None => {
                let rest = without_wildcard(word).ok_or_else(|| invalid(word))?;
                let (operator, operand) = split_comparison(&rest);
                self.add_complete(operator, operand)
                    .unwrap_or_else(|| Err(invalid(word)))
            }
        }
    }

    /// Adds `>=partial <ceiling`, or nothing for a wildcard.
    fn add_between(&mut self, word: &str, partial: &Partial, ceiling: Numbers) -> Result<(), RangeErrorKind> {
        if partial.major.is_none() {
            return Ok(());
        }
        let mut prerelease = partial.prerelease.clone();
        let mut length = partial.length_without_build;
        // npm writes the lower end with one hyphen, and takes one that belongs to the prerelease for it.
        if let Some(rest) = prerelease.strip_prefix('-') {
            length -= 1;
            prerelease = match Prerelease::new(rest) {
                Ok(rest) if !rest.is_empty() => rest,
                _ => return Err(invalid(word)),
            };
        }
        if partial.is_complete() {
            check_length(length)?;
        }
        self.push(Op::GreaterEq, partial.floor(), prerelease)?;
        self.push(Op::Less, ceiling, Prerelease::EMPTY)
    }

    /// Adds a comparison with an incomplete version, which is a comparison with one end of the set.
    fn add_incomplete(
        &mut self,
        word: &str,
        operator: &str,
        partial: &Partial,
    ) -> Result<(), RangeErrorKind> {
        if partial.major.is_none() {
            return match operator {
                // Nothing is above or below everything.
                "<" | ">" => self.push(Op::Less, [0, 0, 0], Prerelease::EMPTY),
                _ => Ok(()),
            };
        }
        let (operator, numbers) = match operator {
            "<" => (Op::Less, partial.floor()),
            "<=" => (Op::Less, partial.ceiling()),
            ">" => (Op::GreaterEq, partial.ceiling()),
            ">=" => (Op::GreaterEq, partial.floor()),
            _ => return self.add_between(word, partial, partial.ceiling()),
        };
        self.push(operator, numbers, Prerelease::EMPTY)
    }

    /// Adds a comparison with a full version, if it is one.
    fn add_complete(&mut self, operator: &str, operand: &str) -> Option<Result<(), RangeErrorKind>> {
        let operator = match operator {
            "<" => Op::Less,
            "<=" => Op::LessEq,
            ">" => Op::Greater,
            ">=" => Op::GreaterEq,
            _ => Op::Exact,
        };
        let partial = Partial::parse(operand.strip_prefix('v').unwrap_or(operand))?;
        partial.is_complete().then(|| {
            check_length(operand.len())?;
            self.push(operator, partial.floor(), partial.prerelease)
        })
    }

    /// Adds the lower end of a hyphen range, which is inclusive.
    fn add_lower_end(&mut self, end: &End<'_>) -> Result<(), RangeErrorKind> {
        let partial = &end.partial;
        if partial.is_complete() {
            return self
                .add_complete(">=", end.text)
                .unwrap_or_else(|| Err(invalid(end.text)));
        }
        if partial.major.is_none() {
            return Ok(());
        }
        self.push(Op::GreaterEq, partial.floor(), Prerelease::EMPTY)
    }

    /// Adds the upper end of a hyphen range, which includes all that an incomplete version stands for.
    fn add_upper_end(&mut self, end: &End<'_>) -> Result<(), RangeErrorKind> {
        let partial = &end.partial;
        if partial.major.is_none() {
            return Ok(());
        }
        if !partial.is_complete() {
            return self.push(Op::Less, partial.ceiling(), Prerelease::EMPTY);
        }
        if partial.prerelease.is_empty() {
            return self
                .add_complete("<=", end.text)
                .unwrap_or_else(|| Err(invalid(end.text)));
        }
        // npm puts a version with a prerelease together anew, so its prefix does not matter here.
        check_length(partial.length_without_build)?;
        self.push(Op::LessEq, partial.floor(), partial.prerelease.clone())
    }

    fn push(&mut self, op: Op, numbers: Numbers, pre: Prerelease) -> Result<(), RangeErrorKind> {
        if numbers.iter().any(|number| *number > MAX_NUMBER) {
            return Err(RangeErrorKind::NumberTooLarge);
        }
        let [major, minor, patch] = numbers;
        self.0.push(Comparator {
            op,
            major,
            minor: Some(minor),
            patch: Some(patch),
            pre,
        });
        Ok(())
    }
}

/// Reads a version that may be incomplete, after any number of `v` and `=`.
fn parse_prefixed(text: &str) -> Option<Partial> {
    Partial::parse(text.trim_start_matches(PREFIX))
}

/// `word` without its first `*` and the comparison before that, if it contains one.
///
/// npm takes the stars out of what it has not recognised, and looks at the rest again: `1.2.3*` is `1.2.3`.
fn without_wildcard(word: &str) -> Option<String> {
    let (before, after) = word.split_once('*')?;
    let before = before.strip_suffix('=').unwrap_or(before);
    let before = before.strip_suffix(['<', '>']).unwrap_or(before);
    Some([before, after].concat())
}

fn check_length(length: usize) -> Result<(), RangeErrorKind> {
    if length > MAX_VERSION_LENGTH {
        Err(RangeErrorKind::VersionTooLong)
    } else {
        Ok(())
    }
}

fn invalid(comparator: &str) -> RangeErrorKind {
    RangeErrorKind::InvalidComparator {
        comparator: comparator.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows a range reduced to comparators.
    fn reduced(text: &str) -> String {
        match alternatives(text) {
            Ok(alternatives) => alternatives
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" || "),
            Err(_) => "invalid".into(),
        }
    }

    #[test]
    fn every_form_is_reduced_to_comparators() {
        for (range, comparators) in [
            ("", "*"),
            ("1.2.3", "=1.2.3"),
            ("=v1.2.3", "=1.2.3"),
            ("1.2.3+build", "=1.2.3"),
            ("1.2", ">=1.2.0, <1.3.0"),
            ("^1.2.3", ">=1.2.3, <2.0.0"),
            ("^0.0.1-a", ">=0.0.1-a, <0.0.2"),
            ("^0.x", ">=0.0.0, <1.0.0"),
            ("~>1.2", ">=1.2.0, <1.3.0"),
            (">1.x", ">=2.0.0"),
            ("<=1.2", "<1.3.0"),
            ("<1", "<1.0.0"),
            (">*", "<0.0.0"),
            (">=*", "*"),
            ("1.2 - 2.3.4", ">=1.2.0, <=2.3.4"),
            ("1.2.3 - 2", ">=1.2.3, <3.0.0"),
            ("x - 2.0.0-a", "<=2.0.0-a"),
            ("> 1.0.0\t<2.0.0 || ^ 3", ">1.0.0, <2.0.0 || >=3.0.0, <4.0.0"),
            ("||", "* || *"),
        ] {
            assert_eq!(reduced(range), comparators, "{range:?}");
        }
    }

    #[test]
    fn accidents_of_rewriting_are_kept() {
        for (range, comparators) in [
            ("1.2.3*", "=1.2.3"),
            ("*> 1.2.3", ">1.2.3"),
            ("^1.2.3--a", ">=1.2.3-a, <2.0.0"),
            ("1.2.3--a", "=1.2.3--a"),
            ("~ > 1.2", ">=1.2.0, <1.3.0"),
            ("~> >1.2", ">=1.2.0, <1.3.0"),
            ("==1.2", ">=1.2.0, <1.3.0"),
            ("1 - = 2", ">=1.0.0, <3.0.0"),
            ("> =1.2.3", ">=1.2.3"),
        ] {
            assert_eq!(reduced(range), comparators, "{range:?}");
        }
        for range in [
            "> = 1.2.3",
            "==1.2.3",
            "v 1.2.3",
            "=1.2.3 - 2",
            "1 - =2.0.0",
            "^9007199254740991",
            "|",
            "**",
        ] {
            assert_eq!(reduced(range), "invalid", "{range:?}");
        }
    }

    #[test]
    fn white_space_is_that_of_javascript() {
        assert_eq!(reduced("\u{feff}1.2.3\u{3000}\u{b}"), "=1.2.3");
        assert_eq!(reduced("1.2.3\u{85}"), "invalid");
    }
}
