//! A range of versions, prepared for comparison.
//!
//! Enters: the text of a range in npm's syntax. Leaves: a [`Range`], or a [`RangeError`] that says what is
//! wrong. Guarantees: comparing allocates nothing, and follows node-semver, including its rule that a prerelease only
//! satisfies comparators that name a prerelease of the same version.

use std::{fmt, str::FromStr};

use semver::{Version, VersionReq};
use thiserror::Error;

use super::{ComponentVersion, MAX_NUMBER, MAX_RANGE_LENGTH, MAX_VERSION_LENGTH, npm};

/// A range of versions in npm's syntax, such as `^1.2.0 || 3.x`.
///
/// ```
/// use mesh_wire::versions::Range;
/// use semver::Version;
///
/// let range = Range::parse("1.2 - 2.3 || ~4.1.0-beta")?;
/// assert!(range.satisfied_by(&Version::new(2, 3, 9)));
/// assert!(range.satisfied_by(&Version::parse("4.1.0-rc.1").unwrap()));
/// assert!(!range.satisfied_by(&Version::new(3, 0, 0)));
/// # Ok::<(), mesh_wire::versions::RangeError>(())
/// ```
///
/// Two ranges are equal if they are written alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Range {
    text: Box<str>,
    /// The range holds if one of these does; each is reduced to `=`, `<`, `<=`, `>` and `>=` of full versions.
    alternatives: Box<[VersionReq]>,
}

impl Range {
    /// Reads a range.
    ///
    /// # Errors
    ///
    /// If npm would call the range invalid, or if it is longer than [`MAX_RANGE_LENGTH`].
    pub fn parse(text: &str) -> Result<Self, RangeError> {
        if text.len() > MAX_RANGE_LENGTH {
            return Err(RangeError {
                kind: RangeErrorKind::TooLong { length: text.len() },
            });
        }
        let alternatives = npm::alternatives(text).map_err(|kind| RangeError { kind })?;
        Ok(Self {
            text: text.into(),
            alternatives,
        })
    }

    /// Whether `version` satisfies the range, by the strict rule: this is `satisfies` of node-semver.
    ///
    /// A prerelease satisfies the range only if one of the comparators that it meets together names a prerelease of
    /// the same major, minor and patch. Build metadata is ignored.
    #[must_use]
    pub fn satisfied_by(&self, version: &Version) -> bool {
        self.alternatives
            .iter()
            .any(|comparators| comparators.matches(version))
    }

    /// Whether a request for this range may be answered by a component of this version. This is `coercedSatisfies` of
    /// `happner-semver`, which accepts the very text of the version, or else ignores its prerelease.
    #[must_use]
    pub fn admits(&self, version: &ComponentVersion) -> bool {
        *self.text == *version.text() || self.satisfied_by(version.coerced())
    }

    /// The range as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Range {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.text)
    }
}

impl FromStr for Range {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// A text that is not a range.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("invalid version range: {kind}")]
pub struct RangeError {
    kind: RangeErrorKind,
}

impl RangeError {
    /// The fault of the text.
    #[must_use]
    pub fn kind(&self) -> &RangeErrorKind {
        &self.kind
    }
}

/// The ways in which a text fails to be a range.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RangeErrorKind {
    /// The text is longer than [`MAX_RANGE_LENGTH`].
    #[error("it has {length} bytes, more than {MAX_RANGE_LENGTH}")]
    TooLong {
        /// The length of the text in bytes.
        length: usize,
    },
    /// A version in it is longer than [`MAX_VERSION_LENGTH`].
    #[error("it contains a version longer than {MAX_VERSION_LENGTH} bytes")]
    VersionTooLong,
    /// A number in it, or the number after that where one is needed as a limit, is larger than [`MAX_NUMBER`].
    #[error("it contains or implies a number above {MAX_NUMBER}")]
    NumberTooLarge,
    /// A part of it is not a comparator.
    #[error("{comparator:?} is not a comparator such as \"^1.2.0\", \">=1.2\" or \"1.x\"")]
    InvalidComparator {
        /// The part, after white space was removed as far as it has no meaning.
        comparator: Box<str>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(text: &str) -> RangeErrorKind {
        Range::parse(text).expect_err(text).kind().clone()
    }

    #[test]
    fn a_range_shows_the_text_as_written() {
        let range = Range::parse(" ^1.0.0  ||v2 ").unwrap();
        assert_eq!(range.as_str(), " ^1.0.0  ||v2 ");
        assert_eq!(range.to_string(), range.as_str());
        assert_eq!(range, " ^1.0.0  ||v2 ".parse().unwrap());
        assert_ne!(range, Range::parse("^1.0.0||v2").unwrap());
    }

    #[test]
    fn a_prerelease_is_admitted_by_its_plain_version_or_by_its_own_text() {
        let version = ComponentVersion::parse("1.2.3-prerelease-1").unwrap();
        let strict = |range: &str| Range::parse(range).unwrap().satisfied_by(version.exact());
        let admits = |range: &str| Range::parse(range).unwrap().admits(&version);
        assert!(!strict("^1.0.0") && admits("^1.0.0"));
        assert!(!strict("*") && admits("*"));
        assert!(strict("1.2.3-prerelease-1") && admits("1.2.3-prerelease-1"));
        assert!(strict(">=1.2.3-prerelease-0 <1.2.3") && !admits(">=1.2.3-prerelease-0 <1.2.3"));
    }

    #[test]
    fn the_kind_of_an_error_tells_what_is_wrong() {
        assert_eq!(
            kind_of("^1.0.0 latest"),
            RangeErrorKind::InvalidComparator {
                comparator: "latest".into()
            }
        );
        assert_eq!(kind_of("^9007199254740991.0.0"), RangeErrorKind::NumberTooLarge);
        assert_eq!(
            kind_of(&" ".repeat(5000)),
            RangeErrorKind::TooLong { length: 5000 }
        );
        assert_eq!(
            kind_of(&format!("1.0.0-{}", "a".repeat(251))),
            RangeErrorKind::VersionTooLong
        );
        let message = Range::parse("1.0.0\u{7}").unwrap_err().to_string();
        assert_eq!(
            message,
            r#"invalid version range: "1.0.0\u{7}" is not a comparator such as "^1.2.0", ">=1.2" or "1.x""#
        );
    }
}
