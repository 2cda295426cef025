//! Wildcards of `get` and `remove` (docs/protocol.md 6.2): `*` is any run of characters, slashes included; both ends are
//! anchored.

/// A path that may contain `*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathPattern<'a> {
    text: &'a str,
    literal: &'a str,
}

impl<'a> PathPattern<'a> {
    /// Reads a path.
    pub fn new(text: &'a str) -> PathPattern<'a> {
        let literal = text.split('*').next().unwrap_or_default();
        PathPattern { text, literal }
    }

    /// Whether there is a `*` in it.
    pub fn has_wildcard(&self) -> bool {
        self.literal.len() < self.text.len()
    }

    /// The text as given.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The beginning of every matching path.
    pub fn literal(&self) -> &'a str {
        self.literal
    }

    /// Whether `path` matches. Takes time in proportion to the product of both lengths at worst.
    pub fn matches(&self, path: &str) -> bool {
        if !self.has_wildcard() {
            return path == self.text;
        }
        let Some(mut rest) = path.strip_prefix(self.literal) else {
            return false;
        };
        // Behind the literal beginning comes a `*`, so the first part is empty and can be left out.
        let mut parts = self.text[self.literal.len() + 1..].split('*');
        let Some(last) = parts.next_back() else {
            return true;
        };
        for part in parts {
            match rest.find(part) {
                Some(position) => rest = &rest[position + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_anchored_and_stars_match_anything() {
        for (pattern, hits, misses) in [
            ("/a/*", vec!["/a/", "/a/b", "/a/b/c"], vec!["/a", "/b"]),
            ("*", vec!["", "/a"], vec![]),
            ("**", vec!["", "/a"], vec![]),
            (
                "/g/*/1",
                vec!["/g/x/1", "/g/x/y/1", "/g/1/1"],
                vec!["/g/1", "/g/x/1/sub"],
            ),
            ("*/1", vec!["/1", "/x/1"], vec!["/1/2"]),
            ("/a*b*c", vec!["/abc", "/axbxbxc"], vec!["/ab", "/acb"]),
            ("/a", vec!["/a"], vec!["/a/", "/b"]),
        ] {
            let pattern = PathPattern::new(pattern);
            hits.iter()
                .for_each(|path| assert!(pattern.matches(path), "{pattern:?} {path}"));
            misses
                .iter()
                .for_each(|path| assert!(!pattern.matches(path), "{pattern:?} {path}"));
        }
    }
}
