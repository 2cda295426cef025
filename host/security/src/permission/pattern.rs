//! The paths of permissions, in which `*` is any run of characters.
//!
//! Enters: a pattern as stored, a path as asked for. Leaves: whether the pattern covers the path. Guarantees: both
//! ends are anchored. Letters are compared as they are. A `*` in the path is a character like others. The time grows
//! with the length of both and not faster, whatever they contain.

use super::error::PermissionError;

/// Longer paths are refused, in bytes: no request can have one.
pub const LONGEST_PATH: usize = 8192;

/// The text that real servers write in place of `*` in their stores.
const RESERVED: &str = "{{w}}";

/// The beginning of every path that the pattern covers: the text before the first `*`. `None` when there is no `*`.
pub fn literal_beginning(pattern: &str) -> Option<&str> {
    memchr::memchr(b'*', pattern.as_bytes()).map(|star| &pattern[..star])
}

/// Whether the pattern covers the path.
///
/// Each part between stars is searched behind the one before it and taken where it is found first. A later place
/// could only leave less for the parts that follow. So no character of the path is looked at again for an earlier
/// part.
pub fn covers(pattern: &str, path: &str) -> bool {
    let Some(beginning) = literal_beginning(pattern) else {
        return pattern == path;
    };
    let Some(mut rest) = path.strip_prefix(beginning) else {
        return false;
    };
    let mut parts = pattern[beginning.len() + 1..].split('*');
    let Some(end) = parts.next_back() else {
        return true;
    };
    for part in parts {
        match rest.find(part) {
            Some(place) => rest = &rest[place + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(end)
}

/// Whether a path may be that of a permission.
///
/// # Errors
///
/// When it is empty, too long, or contains the text that real servers cannot store.
pub fn check_path(path: &str) -> Result<(), PermissionError> {
    if path.is_empty() {
        Err(PermissionError::EmptyPath)
    } else if path.len() > LONGEST_PATH {
        Err(PermissionError::LongPath)
    } else if path.contains(RESERVED) {
        Err(PermissionError::ReservedPath)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_run_of_characters_and_both_ends_count() {
        for (pattern, path) in [
            ("/a", "/a"),
            ("*", ""),
            ("*", "/any/thing"),
            ("/a/*", "/a/"),
            ("/a/*", "/a/b/c"),
            ("/a/*/d", "/a/b/c/d"),
            ("/a/*/*", "/a//"),
            ("*d", "/a/d"),
            ("/a**d", "/ad"),
            ("/a*b*c", "/abbcbc"),
            ("/ü*ü", "/üxü"),
        ] {
            assert!(covers(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("/a", "/a/b"),
            ("/a", "/A"),
            ("/a/*", "/a"),
            ("/a/*", "/A/b"),
            ("/a/*", "/x/a/b"),
            ("/a/*/d", "/a/b/d/e"),
            ("/a/*/d", "/a/d"),
            ("/a*a", "/a"),
            ("/books/*", "/bxxxks/1"),
            ("/a.b*", "/axb"),
            ("", "/a"),
        ] {
            assert!(!covers(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn a_star_that_is_asked_for_is_only_a_character() {
        assert!(covers("/open/*", "/open/*"));
        assert!(covers("/open/*", "/open/op*"));
        assert!(!covers("/open/*", "/*"));
        assert!(!covers("/open/*", "/op*"));
        assert!(!covers("/exact", "/exac*"));
    }

    #[test]
    fn patterns_that_go_back_and_forth_elsewhere_are_answered_here() {
        let pattern = "*a".repeat(LONGEST_PATH / 2);
        let path = "a".repeat(LONGEST_PATH / 2 - 1);
        assert!(!covers(&pattern, &path));
        assert!(covers(&pattern, &format!("{path}a")));
        let pattern = format!("*{}b", "a".repeat(4000));
        assert!(!covers(&pattern, &"a".repeat(8000)));
    }

    #[test]
    fn paths_that_cannot_be_permissions_are_named() {
        assert_eq!(check_path("/a/*"), Ok(()));
        assert_eq!(check_path(""), Err(PermissionError::EmptyPath));
        assert_eq!(check_path("/a/{{w}}"), Err(PermissionError::ReservedPath));
        assert_eq!(
            check_path(&"a".repeat(LONGEST_PATH + 1)),
            Err(PermissionError::LongPath)
        );
        assert_eq!(
            PermissionError::ReservedPath.to_string(),
            "invalid permission path, cannot contain special string {{w}}"
        );
    }
}
