//! Versions and ranges of versions.
//!
//! Enters: a range, a version, and another range, a line each. Checked:
//! - A range shows the text that it was read from, and is read from it again.
//! - The prepared answer is the one of [`coerced_satisfies`].
//! - A single comparator with an operator means what the crate `semver` says, for full versions.
//! - `a || b` admits what one of both admits, and `a b` what both admit.
//! - Each version admits itself, and `>=` admits every later release.

use crate::{Input, Target};
use mesh_wire::versions::{ComponentVersion, Range, RequestedRange, coerce, coerced_satisfies};
use semver::{Version, VersionReq};

/// Versions and ranges of versions.
pub const RANGES: Target = Target {
    name: "ranges",
    run,
    inputs: 20_000,
    longest: 512,
};

fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (Some(range), Some(version), Some(other)) = (input.line(), input.line(), input.line()) else {
        return;
    };
    coercion_is_plain(version);
    let parsed = Range::parse(range);
    if let Ok(parsed) = &parsed {
        assert_eq!(parsed.as_str(), range);
        assert_eq!(parsed.to_string(), range);
        assert_eq!(parsed.as_str().parse().as_ref(), Ok(parsed));
    }
    let Ok(component) = ComponentVersion::parse(version) else {
        // The clients' own answer is still to be had.
        let _ = coerced_satisfies(version, range);
        return;
    };
    a_version_is_what_it_says(&component, version);
    let requested = RequestedRange::from(range);
    let admits = requested.admits(&component);
    assert_eq!(admits, coerced_satisfies(version, range), "{range:?} {version:?}");
    assert_eq!(requested.range().is_ok(), parsed.is_ok());
    let Ok(parsed) = parsed else { return };
    agrees_with_semver(range, &parsed, component.exact());
    if let Ok(other) = Range::parse(other) {
        joined(&parsed, &other, component.exact());
    }
}

fn coercion_is_plain(text: &str) {
    if let Some(found) = coerce(text) {
        assert!(found.pre.is_empty() && found.build.is_empty(), "{text:?}");
        let again = coerce(&found.to_string());
        assert_eq!(again.as_ref(), Some(&found), "{text:?}");
    }
}

fn a_version_is_what_it_says(component: &ComponentVersion, text: &str) {
    assert_eq!(component.text(), text);
    assert_eq!(component.exact().to_string(), text);
    assert!(component.coerced().pre.is_empty());
    assert!(
        RequestedRange::from(text).admits(component),
        "{text:?} does not admit itself"
    );
    let from = Range::parse(&format!(">={text}")).expect("each version can be a limit");
    let exact = component.exact();
    assert!(from.satisfied_by(exact), "{text:?}");
    let later = Version::new(exact.major, exact.minor, exact.patch.saturating_add(1));
    assert!(from.satisfied_by(&later), "{text:?}");
    let before = Range::parse(&format!("<{text}")).expect("each version can be a limit");
    assert!(
        !before.satisfied_by(exact) && !before.satisfied_by(&later),
        "{text:?}"
    );
}

/// Both languages mean the same by one operator and one full version.
fn agrees_with_semver(text: &str, range: &Range, version: &Version) {
    let operand = text.trim_start_matches(['^', '~', '>', '<', '=']);
    let operator = &text[..text.len() - operand.len()];
    let is_known = matches!(operator, "^" | "~" | ">" | ">=" | "<" | "<=" | "=");
    if !is_known || Version::parse(operand).is_err() {
        return;
    }
    let Ok(theirs) = VersionReq::parse(text) else {
        return;
    };
    assert_eq!(
        range.satisfied_by(version),
        theirs.matches(version),
        "{text:?} {version}"
    );
}

fn joined(one: &Range, other: &Range, version: &Version) {
    let (admits_one, admits_other) = (one.satisfied_by(version), other.satisfied_by(version));
    if let Ok(either) = Range::parse(&format!("{one}||{other}")) {
        assert_eq!(
            either.satisfied_by(version),
            admits_one || admits_other,
            "{either} {version}"
        );
    }
    let is_plain = |range: &Range| !range.as_str().contains(['|']) && !range.as_str().contains(" - ");
    // A prerelease is admitted by all comparators together.
    if version.pre.is_empty() && is_plain(one) && is_plain(other) {
        let both = format!("{} {}", one.as_str().trim(), other.as_str().trim());
        if let Ok(both) = Range::parse(&both) {
            assert_eq!(
                both.satisfied_by(version),
                admits_one && admits_other,
                "{both:?} {version}"
            );
        }
    }
}
