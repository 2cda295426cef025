//! Versions and the ranges that ask for them: the one place that turns npm range syntax into [`semver`] types.
//!
//! Enters: the version of a component as its author wrote it ([`ComponentVersion`]). Also the range of a call or a
//! subscription as a client wrote it ([`Range`]). [`RequestedRange`] is for places where a malformed text must stay
//! an answer and not an error. Leaves: one question answered, "does this range admit this version?".
//!
//! Guarantees:
//! - The answer is the one that the clients themselves compute, with node-semver 5.3 and the coercion that
//!   `happner-semver` adds to it. A corpus of several thousand answers of those packages is part of the tests.
//! - No input panics. Parsing takes time proportional to the length of the text, which is limited.
//! - A prepared range answers for a prepared version without allocating.
//!
//! The two languages differ more than they look: npm reads `1.2.3` as exactly that version and Cargo as `^1.2.3`. Npm
//! separates comparators by spaces and Cargo by commas; `||`, hyphen ranges, `v1.2.3` and the empty range exist in
//! npm alone. Once a range is reduced to plain comparators (`>=1.2.0 <2.0.0`) they agree, including the rule for
//! prereleases. So a [`Range`] is a list of [`semver::VersionReq`] and the comparison itself is that crate's.

mod advertised;
mod coercion;
mod component_version;
mod npm;
mod partial;
mod range;
mod requested_range;
mod version_filter;

pub use advertised::{Advertised, Line};
pub use coercion::{coerce, coerced_satisfies};
pub use component_version::{ComponentVersion, VersionError, VersionErrorKind};
pub use range::{Range, RangeError, RangeErrorKind};
pub use requested_range::RequestedRange;
pub use version_filter::VersionFilter;

/// The largest number that a version may contain: npm computes with doubles, and refuses what they cannot count.
pub const MAX_NUMBER: u64 = (1 << 53) - 1;

/// The longest version in bytes, also inside a range.
pub const MAX_VERSION_LENGTH: usize = 256;

/// The longest range in bytes.
///
/// npm limits each version inside a range ([`MAX_VERSION_LENGTH`]) but not the range, so a long list of alternatives
/// is legitimate. This limit only bounds the work that a hostile text can cause.
pub const MAX_RANGE_LENGTH: usize = 4096;
