//! The range of a request, which may be malformed.
//!
//! Enters: the text that a client sent as range. Leaves: a [`RequestedRange`] that can be asked, whatever the
//! text was. Guarantees: it answers as the clients do, and keeps nothing of a text that is no range but the reason.

use super::{ComponentVersion, Range, RangeError};

/// The range of a request: a [`Range`], or a text that is none and admits nothing.
///
/// To the clients, a version answers a request for the identical text even if that is no range. This needs no case of
/// its own, because every [`ComponentVersion`] is a range too.
///
/// ```
/// use mesh_wire::versions::{ComponentVersion, RequestedRange};
///
/// let version = ComponentVersion::parse("1.2.3-beta")?;
/// assert!(RequestedRange::from("^1.0.0").admits(&version));
/// assert!(!RequestedRange::from("latest").admits(&version));
/// # Ok::<(), mesh_wire::versions::VersionError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestedRange {
    parsed: Result<Range, RangeError>,
}

impl RequestedRange {
    /// Whether the request may be answered by a component of this version. Allocates nothing.
    #[must_use]
    pub fn admits(&self, version: &ComponentVersion) -> bool {
        self.parsed.as_ref().is_ok_and(|range| range.admits(version))
    }

    /// The range.
    ///
    /// # Errors
    ///
    /// The fault of the text, if it is not a range.
    pub fn range(&self) -> Result<&Range, &RangeError> {
        self.parsed.as_ref()
    }
}

impl From<&str> for RequestedRange {
    fn from(text: &str) -> Self {
        Self {
            parsed: Range::parse(text),
        }
    }
}

impl From<Range> for RequestedRange {
    fn from(range: Range) -> Self {
        Self { parsed: Ok(range) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::versions::{RangeErrorKind, coerced_satisfies};

    #[test]
    fn a_range_admits_the_versions_of_coerced_satisfies() {
        let ranges = [
            "*",
            "",
            "^1.0.0",
            "1.2.3-beta",
            "1.2.3-alpha",
            "latest",
            "!1",
            ">=1.2.3 <2 || x",
            "2",
        ];
        for version in ["1.2.3", "1.2.3-beta", "2.0.0-beta+5", "0.1.0"] {
            let prepared = ComponentVersion::parse(version).unwrap();
            for range in ranges.into_iter().chain([version]) {
                let admits = RequestedRange::from(range).admits(&prepared);
                assert_eq!(admits, coerced_satisfies(version, range), "{version} {range:?}");
            }
        }
    }

    #[test]
    fn every_version_of_a_component_is_a_range() {
        let longest = format!("1.0.0-{}", "a".repeat(250));
        for version in [
            longest.as_str(),
            "9007199254740991.9007199254740991.9007199254740991",
            "0.0.0--+-.01",
        ] {
            let prepared = ComponentVersion::parse(version).unwrap();
            assert!(RequestedRange::from(version).admits(&prepared), "{version}");
        }
    }

    #[test]
    fn a_text_that_is_no_range_gives_the_reason() {
        let requested = RequestedRange::from("latest");
        let error = requested.range().unwrap_err();
        assert!(
            matches!(error.kind(), RangeErrorKind::InvalidComparator { comparator } if &**comparator == "latest")
        );
        let hostile = RequestedRange::from("9".repeat(1_000_000).as_str());
        assert_eq!(
            hostile.range().unwrap_err().kind(),
            &RangeErrorKind::TooLong { length: 1_000_000 }
        );
    }
}
