//! Faults in permissions that a client wants to store. The texts are those of real servers where they have one.

use super::pattern::LONGEST_PATH;
use super::rules::{Holder, MOST_PATHS};
use thiserror::Error;

/// How many faults of one set of permissions are named. The set may come from anybody.
const SHOWN: usize = 10;
/// How much of a path is repeated in a message, in characters.
const SHOWN_OF_PATH: usize = 200;

/// Why permissions are refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PermissionError {
    /// Entries that are no permissions; all of them are named, as far as a message may be long.
    #[error("{holder} permissions invalid: {}", problems.join(","))]
    Invalid {
        /// Whose permissions these are.
        holder: Holder,
        /// The faults, entry by entry.
        problems: Vec<String>,
    },
    /// A path without a character in it.
    #[error("permission path is null")]
    EmptyPath,
    /// A path that real servers need for themselves.
    #[error("invalid permission path, cannot contain special string {{{{w}}}}")]
    ReservedPath,
    /// A path longer than any that a request can ask for.
    #[error("permission path is longer than {LONGEST_PATH} bytes")]
    LongPath,
    /// More paths than one group or user may have.
    #[error("more than {MOST_PATHS} permission paths")]
    TooManyPaths,
    /// A data permission for what belongs to methods, events and web routes.
    #[error("data permissions cannot start with /_events, /_exchange or /@HTTP")]
    DataPath,
    /// A lookup permission that lacks something, or has it in a wrong form.
    #[error("lookup permission invalid: {0}")]
    Lookup(String),
    /// A lookup table that has no name, or paths that are no texts.
    #[error("lookup table invalid: {0}")]
    LookupTable(String),
}

impl PermissionError {
    pub(super) fn invalid(holder: Holder, mut problems: Vec<String>) -> PermissionError {
        problems.truncate(SHOWN);
        PermissionError::Invalid { holder, problems }
    }
}

/// A path for a message: whole as long as it is of a common length.
pub(super) fn shown(path: &str) -> &str {
    match path.char_indices().nth(SHOWN_OF_PATH) {
        Some((end, _)) => &path[..end],
        None => path,
    }
}
