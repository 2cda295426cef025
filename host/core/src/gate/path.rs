//! Paths as requests name them (docs/protocol.md 6.1 and 12.4).
//!
//! Enters: requests. Leaves: their paths, or the error that names what is wrong. Guarantees: a path that leaves here has
//! only characters that the dialect allows.

use mesh_wire::protocol::{Dialect, Request, WireError};
use std::borrow::Cow;

/// Longer paths are refused: 8 KiB.
const LONGEST: usize = 8192;
/// Paths with more segments are refused.
const MOST_SEGMENTS: usize = 512;

/// The path of a `get` or an `off`: any text.
pub(super) fn any<'a>(request: &Request<'a>) -> Result<Cow<'a, str>, WireError> {
    let path = request
        .path_text()
        .ok_or_else(|| WireError::path_is_no_text(request.path.map(|path| path.get().trim_matches('"'))))?;
    check_size(&path)?;
    Ok(path)
}

/// Checks a path that a part of the host looks for, on a client's behalf.
///
/// # Errors
///
/// When it is too long to be looked for.
pub fn check_size(path: &str) -> Result<(), WireError> {
    if path.len() > LONGEST || memchr::memchr_iter(b'/', path.as_bytes()).count() > MOST_SEGMENTS {
        return Err(WireError::plain(format!(
            "Bad path, it must not be longer than {LONGEST} bytes or have more than {MOST_SEGMENTS} segments"
        )));
    }
    Ok(())
}

/// The path of a `set`, `remove` or `on`: later generations allow only some characters.
pub(super) fn checked<'a>(request: &Request<'a>, dialect: Dialect) -> Result<Cow<'a, str>, WireError> {
    let path = any(request)?;
    check_characters(&path, dialect)?;
    Ok(path)
}

fn check_characters(path: &str, dialect: Dialect) -> Result<(), WireError> {
    if dialect.checks_path_characters() && (path.is_empty() || !path.chars().all(is_allowed)) {
        return Err(WireError::path_has_bad_characters());
    }
    Ok(())
}

/// Checks a path that a part of the host removes, on a client's behalf.
///
/// # Errors
///
/// When a client could not remove it.
pub fn check_path(path: &str, dialect: Dialect) -> Result<(), WireError> {
    check_size(path)?;
    check_characters(path, dialect)
}

/// Checks that a path that is written to is one path.
///
/// # Errors
///
/// When it has a wildcard in it, in a dialect in which it must not.
pub fn check_literal(path: &str, dialect: Dialect) -> Result<(), WireError> {
    if dialect.checks_path_characters() && path.contains('*') {
        return Err(WireError::plain(
            "Bad path, if the action is 'set' the path cannot contain the * wildcard character",
        ));
    }
    Ok(())
}

fn is_allowed(character: char) -> bool {
    character.is_ascii_alphanumeric()
        || "/(){}+=&:%@._*-".contains(character)
        || character.is_whitespace()
        || character == '\u{feff}'
}
