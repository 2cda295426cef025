//! The version of a component, prepared for comparison.
//!
//! Enters: the version text of a component. Leaves: a [`ComponentVersion`], which keeps the text and both
//! readings of it (exact and coerced). Guarantees: every version that is accepted is one that all clients can read,
//! and that they order as the [`semver`] crate does.

use std::{fmt, str::FromStr};

use semver::{Prerelease, Version};
use thiserror::Error;

use super::{MAX_NUMBER, MAX_VERSION_LENGTH, coerce};

/// The version of a component: `MAJOR.MINOR.PATCH`, optionally with `-PRERELEASE` and `+BUILD`.
///
/// Some clients fail on anything else when they compare it to a range, so nothing else is accepted: no `v1.2.3`, no
/// `1.2`, no white space.
///
/// ```
/// use mesh_wire::versions::ComponentVersion;
///
/// let version = ComponentVersion::parse("1.2.3-beta.1")?;
/// assert_eq!(version.text(), "1.2.3-beta.1");
/// assert_eq!(version.coerced().to_string(), "1.2.3");
///
/// let error = ComponentVersion::parse("1.2").unwrap_err();
/// assert!(error.to_string().contains(r#"for example "1.2.0""#));
/// # Ok::<(), mesh_wire::versions::VersionError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ComponentVersion {
    text: Box<str>,
    exact: Version,
    coerced: Version,
}

impl ComponentVersion {
    /// Reads a version.
    ///
    /// # Errors
    ///
    /// If the text is not a version, or exceeds [`MAX_VERSION_LENGTH`] or [`MAX_NUMBER`]. The limit holds for numbers
    /// in the prerelease too, because npm loses precision in larger ones and then takes different versions for equal.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        let refuse = |kind| VersionError::new(text, kind);
        if text.len() > MAX_VERSION_LENGTH {
            return Err(refuse(VersionErrorKind::TooLong));
        }
        let exact = Version::parse(text).map_err(|error| {
            // The crate counts to `u64::MAX`, and calls what is above a syntax error.
            let kind = if text.split(['-', '+']).next().is_some_and(has_excessive_number) {
                VersionErrorKind::NumberTooLarge
            } else {
                VersionErrorKind::Malformed(error)
            };
            refuse(kind)
        })?;
        if [exact.major, exact.minor, exact.patch]
            .iter()
            .any(|number| *number > MAX_NUMBER)
            || has_excessive_number(&exact.pre)
        {
            return Err(refuse(VersionErrorKind::NumberTooLarge));
        }
        let coerced = Version::new(exact.major, exact.minor, exact.patch);
        Ok(Self {
            text: text.into(),
            exact,
            coerced,
        })
    }

    /// The version as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The version as it was written, with its prerelease and build metadata.
    #[must_use]
    pub fn exact(&self) -> &Version {
        &self.exact
    }

    /// The version as [`coerce`] reads it: without prerelease and build metadata.
    #[must_use]
    pub fn coerced(&self) -> &Version {
        &self.coerced
    }

    /// Whether the version is a prerelease.
    #[must_use]
    pub fn is_prerelease(&self) -> bool {
        self.exact.pre != Prerelease::EMPTY
    }
}

impl fmt::Display for ComponentVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.text)
    }
}

impl FromStr for ComponentVersion {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// Whether an identifier between the dots of `text` is a number above [`MAX_NUMBER`].
fn has_excessive_number(text: &str) -> bool {
    text.split('.').any(|identifier| {
        !identifier.is_empty()
            && identifier.bytes().all(|byte| byte.is_ascii_digit())
            && identifier.parse().map_or(true, |number: u64| number > MAX_NUMBER)
    })
}

/// A text that is not the version of a component. The message says which text, and what would be right.
#[derive(Debug, Error)]
#[error(
    "{shown:?} is not a component version ({kind}): write MAJOR.MINOR.PATCH, optionally followed by -PRERELEASE and +BUILD, for example \"{example}\""
)]
pub struct VersionError {
    shown: String,
    example: Version,
    kind: VersionErrorKind,
}

impl VersionError {
    /// How much of the text a message repeats, in characters.
    const MAX_SHOWN: usize = 64;

    fn new(text: &str, kind: VersionErrorKind) -> Self {
        let mut shown: String = text.chars().take(Self::MAX_SHOWN).collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        let example = coerce(text).unwrap_or(Version::new(1, 0, 0));
        Self { shown, example, kind }
    }

    /// The fault of the text.
    #[must_use]
    pub fn kind(&self) -> &VersionErrorKind {
        &self.kind
    }
}

/// The ways in which a text fails to be the version of a component.
#[derive(Debug, Error)]
pub enum VersionErrorKind {
    /// The text is longer than [`MAX_VERSION_LENGTH`].
    #[error("it is longer than {MAX_VERSION_LENGTH} bytes")]
    TooLong,
    /// A number in it is larger than [`MAX_NUMBER`].
    #[error("it contains a number above {MAX_NUMBER}")]
    NumberTooLarge,
    /// It does not have the form of a version.
    #[error("{0}")]
    Malformed(semver::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> VersionError {
        ComponentVersion::parse(text).expect_err(text)
    }

    #[test]
    fn both_readings_are_kept() {
        let version = ComponentVersion::parse("1.2.3-beta.1+build.5").unwrap();
        assert_eq!(version.to_string(), "1.2.3-beta.1+build.5");
        assert_eq!(version.exact().pre.as_str(), "beta.1");
        assert_eq!(version.coerced(), &Version::new(1, 2, 3));
        assert!(version.is_prerelease());
        assert!(!ComponentVersion::parse("1.2.3+build-5").unwrap().is_prerelease());
    }

    #[test]
    fn the_coerced_reading_is_what_coerce_finds() {
        for text in ["0.0.0", "1.2.3", "10.20.30-4.5+6.7", "9007199254740991.0.1-x"] {
            let version = ComponentVersion::parse(text).unwrap();
            assert_eq!(coerce(text).as_ref(), Some(version.coerced()), "{text}");
        }
    }

    #[test]
    fn versions_that_clients_cannot_read_are_refused() {
        for text in [
            "", "1", "1.2", "v1.2.3", "=1.2.3", " 1.2.3", "1.2.3 ", "01.2.3", "1.2.3-01", "1.2.3.4", "x",
        ] {
            assert!(
                matches!(error(text).kind(), VersionErrorKind::Malformed(_)),
                "{text:?}"
            );
        }
    }

    #[test]
    fn numbers_that_npm_cannot_count_are_refused() {
        for text in [
            "9007199254740992.0.0",
            "1.0.99999999999999999999999",
            "1.0.0-9007199254740992",
        ] {
            assert!(
                matches!(error(text).kind(), VersionErrorKind::NumberTooLarge),
                "{text:?}"
            );
        }
        assert!(ComponentVersion::parse("1.0.0-9007199254740991+99999999999999999999").is_ok());
        assert!(matches!(
            error(&format!("1.2.3-{}", "a".repeat(251))).kind(),
            VersionErrorKind::TooLong
        ));
        assert!(ComponentVersion::parse(&format!("1.2.3-{}", "a".repeat(250))).is_ok());
    }

    #[test]
    fn the_message_names_the_text_and_a_right_one() {
        let message = ComponentVersion::parse("v2.1").unwrap_err().to_string();
        assert!(
            message.starts_with("\"v2.1\" is not a component version ("),
            "{message}"
        );
        assert!(message.ends_with("for example \"2.1.0\""), "{message}");
        let message = ComponentVersion::parse(&"\n".repeat(10_000))
            .unwrap_err()
            .to_string();
        assert!(message.len() < 400 && !message.contains('\n'), "{message}");
    }
}
