//! Versions that a client was promised: those in the description that it has read.
//!
//! Enters: the versions that serve the components' bare names. Leaves: for a component, the line of versions
//! that the client may expect. Guarantees (docs/hot-swap.md, "Several versions"): a client that was advertised 1.x is never
//! silently answered by 2.x.

use std::collections::HashMap;
use std::fmt;

/// Versions that promise to be compatible, as npm's `^` understands it: equal up to the first number that is not 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Line {
    major: u64,
    minor: Option<u64>,
    patch: Option<u64>,
}

impl Line {
    /// The line of a version.
    pub fn of(version: &semver::Version) -> Line {
        let minor = (version.major == 0).then_some(version.minor);
        Line {
            major: version.major,
            minor,
            patch: (minor == Some(0)).then_some(version.patch),
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.major)?;
        for number in [self.minor, self.patch].into_iter().flatten() {
            write!(formatter, ".{number}")?;
        }
        Ok(())
    }
}

/// The versions in one state of the description.
#[derive(Debug, Default)]
pub struct Advertised {
    lines: HashMap<Box<str>, Line>,
}

impl Advertised {
    /// The description's versions.
    pub fn new(lines: impl IntoIterator<Item = (Box<str>, Line)>) -> Advertised {
        Advertised {
            lines: lines.into_iter().collect(),
        }
    }

    /// The versions of a component in the description; `None` when it was not there.
    pub fn line(&self, component: &str) -> Option<Line> {
        self.lines.get(component).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_the_caret() {
        let line = |text: &str| Line::of(&semver::Version::parse(text).unwrap());
        assert_eq!(line("1.2.3"), line("1.9.0-beta"));
        assert_ne!(line("1.2.3"), line("2.0.0"));
        assert_eq!(line("0.2.3"), line("0.2.9"));
        assert_ne!(line("0.2.3"), line("0.3.0"));
        assert_ne!(line("0.0.3"), line("0.0.4"));
        assert_eq!(line("1.2.3").to_string(), "1");
        assert_eq!(line("0.2.3").to_string(), "0.2");
        assert_eq!(line("0.0.3").to_string(), "0.0.3");
    }
}
