//! The three kinds of patterns that the rules use.
//!
//! Enters: a pattern and a text. Leaves: whether they match. Guarantees: anchored at both ends.

/// Matches `text` against `pattern`, in which `*` stands for any characters, none included, and `\\*` for a star.
#[must_use]
pub fn text_matches(pattern: &str, text: &str) -> bool {
    let pattern = pattern.replace("\\*", "\0");
    let mut pieces: Vec<String> = pattern.split('*').map(|piece| piece.replace('\0', "*")).collect();
    let first = pieces.remove(0);
    let Some(mut rest) = text.strip_prefix(first.as_str()) else {
        return false;
    };
    let Some(last) = pieces.pop() else {
        return rest.is_empty();
    };
    for piece in pieces {
        match rest.find(&piece) {
            Some(position) => rest = &rest[position + piece.len()..],
            None => return false,
        }
    }
    rest.len() >= last.len() && rest.ends_with(&last)
}

/// Whether one of `patterns` matches; an empty list matches everything.
#[must_use]
pub fn any_text_matches(patterns: &[String], text: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| text_matches(pattern, text))
}

/// Matches the place of a field (`data.happn.name`, `0._meta.path`): `*` stands for one name, `**` for any number.
#[must_use]
pub fn field_matches(pattern: &str, field: &str) -> bool {
    let pattern: Vec<&str> = pattern.split('.').collect();
    let field: Vec<&str> = field.split('.').collect();
    segments_match(&pattern, &field)
}

fn segments_match(pattern: &[&str], field: &[&str]) -> bool {
    match pattern.split_first() {
        None => field.is_empty(),
        Some((&"**", rest)) => (0..=field.len()).any(|skipped| segments_match(rest, &field[skipped..])),
        Some((name, rest)) => field
            .split_first()
            .is_some_and(|(first, others)| (*name == "*" || name == first) && segments_match(rest, others)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, text, expected) in [
            ("modern-*", "modern-publish", true),
            ("modern-*", "era-publish", false),
            ("/c/*", "/c/", true),
            ("/c/*/d", "/c/x/y/d", true),
            ("/c/*/d", "/c/d", false),
            ("*", "", true),
            ("a", "ab", false),
            ("a*a", "a", false),
            ("*/\\*\\*", "/a/**", true),
            ("*/\\*\\*", "/a/b*", false),
        ] {
            assert_eq!(text_matches(pattern, text), expected, "{pattern} against {text}");
        }
    }

    #[test]
    fn two_stars_stand_for_any_depth_of_fields() {
        for (pattern, field, expected) in [
            ("data.id", "data.id", true),
            ("**.publicKey", "data.happn.publicKey", true),
            ("**.publicKey", "publicKey", true),
            ("data.*.id", "data.id", false),
            ("data.components.**", "data.components", true),
            ("*._meta._id", "0._meta._id", true),
        ] {
            assert_eq!(
                field_matches(pattern, field),
                expected,
                "{pattern} against {field}"
            );
        }
    }
}
