//! Which requests leave a line in the log, besides logins and denials.
//!
//! Enters: paths of requests that are allowed. Leaves: lines of the target `audit`. Guarantees: a wildcard that
//! reaches a path that is audited is audited, too. The data of a request is in no line. Without configured paths
//! nothing is looked at.

use super::permission::Action;
use mesh_store::PathPattern;
use mesh_wire::protocol::json;

/// The configured paths.
#[derive(Clone, Debug, Default)]
pub struct Audited(Vec<Box<str>>);

/// The principal.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// The name of the user.
    pub user: &'a str,
    /// The id of the session.
    pub session: &'a str,
    /// Another user, for whom it is done.
    pub on_behalf_of: Option<&'a str>,
}

impl Audited {
    /// These paths; a `*` is any text.
    pub fn new(paths: &[String]) -> Audited {
        Audited(paths.iter().map(|path| path.as_str().into()).collect())
    }

    /// Whether requests of this path are audited.
    fn holds(&self, path: &str) -> bool {
        let is_wildcard = path.contains('*');
        self.0.iter().any(|pattern| match is_wildcard {
            true => meet(pattern, path),
            false => PathPattern::new(pattern).matches(path),
        })
    }

    /// Notes a request that is allowed.
    pub fn note(&self, action: Action, path: &str, who: Asking<'_>) {
        if self.0.is_empty() || !self.holds(path) {
            return;
        }
        let on_behalf_of = who.on_behalf_of.unwrap_or_default();
        tracing::info!(
            target: "audit", event = "request", user = who.user, session = who.session, on_behalf_of,
            action = action.word(), path = &*json::shorten(path), "allowed"
        );
    }
}

/// Whether there is a text that both are patterns of.
fn meet(pattern: &str, path: &str) -> bool {
    let (pattern, path) = (pattern.as_bytes(), path.as_bytes());
    // Whether the rest of the path from each position on and the rest of the pattern meet; the pattern is walked from its end.
    let mut meets = vec![false; path.len() + 1];
    for column in (0..=path.len()).rev() {
        meets[column] = column == path.len() || (path[column] == b'*' && meets[column + 1]);
    }
    for letter in pattern.iter().rev() {
        let mut diagonal = meets[path.len()];
        meets[path.len()] = *letter == b'*' && diagonal;
        for column in (0..path.len()).rev() {
            let below = meets[column];
            meets[column] = match (*letter, path[column]) {
                (b'*', _) | (_, b'*') => below || meets[column + 1],
                (one, other) => one == other && diagonal,
            };
            diagonal = below;
        }
    }
    meets[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_meet_where_one_text_fits_both() {
        for (pattern, path, expected) in [
            ("/x/*", "/x/1", true),
            ("/x/*", "/x/", true),
            ("/x/*", "/x", false),
            ("/x/*", "/y/1", false),
            ("/x/1", "/x/*", true),
            ("/x/1", "*", true),
            ("/x/*", "/*", true),
            ("/x/*/a", "/x/1/*", true),
            ("/x/*/a", "/x/1/b", false),
            ("/a*b", "/a*c", false),
            ("/a*b", "/a*cb", true),
            ("*", "/anything", true),
            ("/x", "/x", true),
            ("/x", "/xy", false),
            ("", "*", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(meet(pattern, path), expected, "{pattern} {path}");
            assert_eq!(meet(path, pattern), expected, "{path} {pattern}");
        }
    }

    #[test]
    fn without_paths_nothing_is_audited() {
        assert!(!Audited::default().holds("/x"));
        assert!(Audited::new(&["/x/*".to_owned(), "/y".to_owned()]).holds("/y"));
    }
}
