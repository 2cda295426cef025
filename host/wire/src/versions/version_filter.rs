//! Which versions of an event a subscription asks for.
//!
//! Enters: the range that a subscription names, if any. Leaves: whether an event of a version is for it. Guarantees: an event is
//! refused only where no published client would show it.

use super::{ComponentVersion, RequestedRange};

/// Which versions of an event a subscription asks for (`options.meta.componentVersion`).
#[derive(Clone, Debug, PartialEq)]
pub enum VersionFilter {
    /// Nothing was asked, or something that is no text: everything is delivered.
    Any,
    /// A range, or text that is none: then only events that carry exactly this text.
    Range(RequestedRange),
}

impl VersionFilter {
    /// Whether some published client would show an event of this version to this subscription. Old clients compare
    /// strictly, newer ones coerce, and no client may miss what it would have shown.
    pub fn admits(&self, version: &ComponentVersion) -> bool {
        match self {
            VersionFilter::Any => true,
            VersionFilter::Range(asked) => {
                asked.admits(version)
                    || asked
                        .range()
                        .is_ok_and(|range| range.satisfied_by(version.exact()))
            }
        }
    }
}
