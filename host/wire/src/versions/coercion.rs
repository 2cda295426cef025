//! Coercion: the plain version that npm finds in any text.
//!
//! Enters: any text. Leaves: the [`Version`] that `coerce` of `happner-semver` finds in it, if any, and the
//! verdict of its `coercedSatisfies`. Guarantees: linear time, no allocation for coercion, and the result never has a
//! prerelease or build metadata.

use semver::Version;

use super::{MAX_NUMBER, Range};

/// The longest run of digits that coercion takes for a number; a longer one is passed over.
const MAX_DIGITS: usize = 16;

/// The version contained in `text`: its first run of up to three numbers separated by dots, where missing ones are 0.
///
/// The numbers are then read strictly: a leading zero, or a number above [`MAX_NUMBER`](super::MAX_NUMBER), makes the
/// whole text uncoercible, even if a better run follows.
///
/// ```
/// use mesh_wire::versions::coerce;
/// use semver::Version;
///
/// assert_eq!(coerce("1.2.3-prerelease-1"), Some(Version::new(1, 2, 3)));
/// assert_eq!(coerce("v1.2"), Some(Version::new(1, 2, 0)));
/// assert_eq!(coerce("01.2.3"), None);
/// assert_eq!(coerce("latest"), None);
/// ```
#[must_use]
pub fn coerce(text: &str) -> Option<Version> {
    let mut rest = text.as_bytes();
    let major = loop {
        let start = rest.iter().position(u8::is_ascii_digit)?;
        let (digits, after) = split_digits(&rest[start..]);
        rest = after;
        if digits.len() <= MAX_DIGITS {
            break digits;
        }
    };
    let minor = next_part(&mut rest);
    let patch = if minor.is_some() {
        next_part(&mut rest)
    } else {
        None
    };

    Some(Version::new(
        number(major)?,
        minor.map_or(Some(0), number)?,
        patch.map_or(Some(0), number)?,
    ))
}

/// Whether a client that coerces versions takes `version` for an answer to `range`.
///
/// This is `coercedSatisfies` of `happner-semver`: identical texts match, whatever they are; otherwise the version is
/// coerced and must satisfy the range. A version that cannot be coerced, or a malformed range, does not match.
///
/// Where the same version or range is seen again, prepare them: [`RequestedRange::admits`] answers the same question.
///
/// [`RequestedRange::admits`]: super::RequestedRange::admits
#[must_use]
pub fn coerced_satisfies(version: &str, range: &str) -> bool {
    version == range
        || coerce(version)
            .is_some_and(|version| Range::parse(range).is_ok_and(|range| range.satisfied_by(&version)))
}

/// Splits the digits at the beginning of `text` from what follows them.
fn split_digits(text: &[u8]) -> (&[u8], &[u8]) {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    text.split_at(length)
}

/// Takes `.digits` from the beginning of `rest`, unless the digits are too many.
fn next_part<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (digits, after) = split_digits(rest.strip_prefix(b".")?);
    if digits.is_empty() || digits.len() > MAX_DIGITS {
        return None;
    }
    *rest = after;
    Some(digits)
}

/// Reads a number of a version strictly. At most [`MAX_DIGITS`] digits enter.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.len() > 1 && digits[0] == b'0' {
        return None;
    }
    let value = digits
        .iter()
        .fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
    (value <= MAX_NUMBER).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_run_of_numbers_counts() {
        assert_eq!(coerce("1.2.3.4"), Some(Version::new(1, 2, 3)));
        assert_eq!(coerce("release 7, 8.9"), Some(Version::new(7, 0, 0)));
        assert_eq!(coerce("1..2"), Some(Version::new(1, 0, 0)));
        assert_eq!(coerce("1.2."), Some(Version::new(1, 2, 0)));
        assert_eq!(coerce("über-2.1"), Some(Version::new(2, 1, 0)));
        assert_eq!(coerce(""), None);
    }

    #[test]
    fn a_run_of_digits_that_is_too_long_is_passed_over() {
        assert_eq!(coerce("12345678901234567.2.3"), Some(Version::new(2, 3, 0)));
        assert_eq!(coerce("1.12345678901234567.3"), Some(Version::new(1, 0, 0)));
        assert_eq!(coerce("12345678901234567"), None);
    }

    #[test]
    fn the_numbers_found_are_read_strictly() {
        assert_eq!(coerce("1.02.3 4.5.6"), None);
        assert_eq!(coerce("9007199254740991"), Some(Version::new(MAX_NUMBER, 0, 0)));
        assert_eq!(coerce("9007199254740992"), None);
    }

    #[test]
    fn identical_texts_match_whatever_they_are() {
        assert!(coerced_satisfies("garbage", "garbage"));
        assert!(coerced_satisfies("1.2.3-prerelease-1", "1.2.3-prerelease-1"));
        assert!(!coerced_satisfies("1.2.3-prerelease-1", "1.2.3-prerelease-2"));
        assert!(!coerced_satisfies("garbage", "*"));
        assert!(!coerced_satisfies("1.2.3", "garbage"));
    }
}
