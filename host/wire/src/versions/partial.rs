//! Versions that may be incomplete, as npm writes them inside ranges: `1`, `1.2`, `1.2.x`, `1.2.3-beta+build`, `*`.
//!
//! Enters: the text of one such version. Leaves: a [`Partial`] and the limits that it stands for. Guarantees: it
//! accepts the texts that npm accepts, before numbers are compared to their limit.

use semver::{BuildMetadata, Prerelease};

/// The three numbers of a version.
pub(super) type Numbers = [u64; 3];

/// A version, or the set of versions that agree on the numbers that are given.
///
/// Nothing follows a number that is missing: `1.x.3` is read as `1`.
#[derive(Debug)]
pub(super) struct Partial {
    /// Numbers beyond `u64` are held as its maximum, which is above any limit too.
    pub(super) major: Option<u64>,
    pub(super) minor: Option<u64>,
    pub(super) patch: Option<u64>,
    /// Empty unless all three numbers are given.
    pub(super) prerelease: Prerelease,
    /// The length of the text up to the build metadata.
    pub(super) length_without_build: usize,
}

impl Partial {
    /// Reads all of `text`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (version, build) = split_tail(text, '+');
        let (core, prerelease) = split_tail(version, '-');

        let mut parts = core.split('.').map(part);
        let major = parts.next()??;
        let minor = parts.next().map_or(Some(Part::Missing), |part| part)?;
        let patch = parts.next().map_or(Some(Part::Missing), |part| part)?;
        if parts.next().is_some() || (patch == Part::Missing && (build.is_some() || prerelease.is_some())) {
            return None;
        }
        if build.is_some_and(|build| build.is_empty() || BuildMetadata::new(build).is_err()) {
            return None;
        }
        let prerelease = match prerelease {
            None => Prerelease::EMPTY,
            Some("") => return None,
            Some(prerelease) => Prerelease::new(prerelease).ok()?,
        };

        let major = major.number();
        let minor = major.and(minor.number());
        let patch = minor.and(patch.number());
        Some(Self {
            major,
            minor,
            patch,
            prerelease: if patch.is_some() {
                prerelease
            } else {
                Prerelease::EMPTY
            },
            length_without_build: version.len(),
        })
    }

    /// Whether all three numbers are given.
    pub(super) fn is_complete(&self) -> bool {
        self.patch.is_some()
    }

    /// The lowest numbers in the set.
    pub(super) fn floor(&self) -> Numbers {
        [self.major, self.minor, self.patch].map(Option::unwrap_or_default)
    }

    /// The lowest numbers above those that agree on major and, if it is given, minor.
    pub(super) fn ceiling(&self) -> Numbers {
        let [major, minor, _] = self.floor();
        if self.minor.is_some() {
            next_minor(major, minor)
        } else {
            next_major(major)
        }
    }

    /// The lowest numbers above those that are compatible: that agree up to the first number that is not 0.
    pub(super) fn compatible_ceiling(&self) -> Numbers {
        match (self.floor(), self.minor, self.patch) {
            ([0, 0, patch], Some(_), Some(_)) => [0, 0, patch.saturating_add(1)],
            ([0, minor, _], Some(_), _) => next_minor(0, minor),
            ([major, _, _], _, _) => next_major(major),
        }
    }
}

fn next_major(major: u64) -> Numbers {
    [major.saturating_add(1), 0, 0]
}

fn next_minor(major: u64, minor: u64) -> Numbers {
    [major, minor.saturating_add(1), 0]
}

/// One of the texts between the dots.
#[derive(PartialEq)]
enum Part {
    Missing,
    /// `x`, `X` or `*`.
    Wildcard,
    Number(u64),
}

impl Part {
    fn number(&self) -> Option<u64> {
        match self {
            Part::Missing | Part::Wildcard => None,
            Part::Number(number) => Some(*number),
        }
    }
}

/// Reads a wildcard, or a number without leading zeros.
fn part(text: &str) -> Option<Part> {
    match text.as_bytes() {
        [b'x' | b'X' | b'*'] => Some(Part::Wildcard),
        [b'0'] => Some(Part::Number(0)),
        [b'1'..=b'9', ..] if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(Part::Number(text.parse().unwrap_or(u64::MAX)))
        }
        _ => None,
    }
}

/// Splits `text` at the first `mark`, which belongs to neither half.
fn split_tail(text: &str, mark: char) -> (&str, Option<&str>) {
    match text.split_once(mark) {
        Some((head, tail)) => (head, Some(tail)),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(text: &str) -> Option<[Option<u64>; 3]> {
        Partial::parse(text).map(|partial| [partial.major, partial.minor, partial.patch])
    }

    #[test]
    fn numbers_after_a_wildcard_are_dropped() {
        assert_eq!(numbers("1.2.3"), Some([Some(1), Some(2), Some(3)]));
        assert_eq!(numbers("1.X"), Some([Some(1), None, None]));
        assert_eq!(numbers("1.*.3"), Some([Some(1), None, None]));
        assert_eq!(numbers("x.1.2"), Some([None, None, None]));
        assert_eq!(
            numbers("1.99999999999999999999"),
            Some([Some(1), Some(u64::MAX), None])
        );
    }

    #[test]
    fn a_tail_needs_three_parts() {
        let prerelease = |text| Partial::parse(text).map(|partial| partial.prerelease.to_string());
        assert_eq!(prerelease("1.2.3-a.1+b-c").as_deref(), Some("a.1"));
        assert_eq!(prerelease("1.2.3+b-c").as_deref(), Some(""));
        assert_eq!(prerelease("1.2.x-a").as_deref(), Some(""));
        for text in [
            "1.2-a",
            "1+b",
            "1.2.3-",
            "1.2.3+",
            "1.2.3-01",
            "1.2.3-a..b",
            "1.2.3+b+c",
            "1.2.3.4",
        ] {
            assert!(Partial::parse(text).is_none(), "{text}");
        }
        for text in ["", ".", "1.", ".1", "01", "1.02", "xx", "1.2.3 ", "١"] {
            assert!(Partial::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn ceilings_are_the_next_versions() {
        let ceilings = |text| {
            let partial = Partial::parse(text).unwrap();
            (partial.ceiling(), partial.compatible_ceiling())
        };
        assert_eq!(ceilings("1"), ([2, 0, 0], [2, 0, 0]));
        assert_eq!(ceilings("1.2"), ([1, 3, 0], [2, 0, 0]));
        assert_eq!(ceilings("1.2.3"), ([1, 3, 0], [2, 0, 0]));
        assert_eq!(ceilings("0"), ([1, 0, 0], [1, 0, 0]));
        assert_eq!(ceilings("0.0"), ([0, 1, 0], [0, 1, 0]));
        assert_eq!(ceilings("0.2.3"), ([0, 3, 0], [0, 3, 0]));
        assert_eq!(ceilings("0.0.3"), ([0, 1, 0], [0, 0, 4]));
    }
}
