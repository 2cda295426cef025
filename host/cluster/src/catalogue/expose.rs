//! Which components of other nodes clients here see and may call.
//!
//! Enters: the list of `expose` in mesh.toml. Leaves: whether a version of a component is exposed. Guarantees: an empty list
//! exposes nothing.

use mesh_wire::versions::{ComponentVersion, Range, RangeError};
use thiserror::Error;

/// The components of other nodes that are exposed: `*`, a name, or a name with a range such as `calc@^1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expose {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    /// `None` for all.
    name: Option<Box<str>>,
    range: Option<Range>,
}

impl Expose {
    /// All of them.
    pub fn all() -> Expose {
        let all = Rule {
            name: None,
            range: None,
        };
        Expose { rules: vec![all] }
    }

    /// Reads the list.
    ///
    /// # Errors
    ///
    /// When an item has no name, or its range is none.
    pub fn parse<'a>(items: impl IntoIterator<Item = &'a str>) -> Result<Expose, ExposeError> {
        let rules = items.into_iter().map(Rule::parse).collect::<Result<_, _>>()?;
        Ok(Expose { rules })
    }

    /// Whether a version of a component is exposed.
    pub fn admits(&self, name: &str, version: &ComponentVersion) -> bool {
        self.rules.iter().any(|rule| {
            rule.name.as_deref().is_none_or(|known| known == name)
                && rule.range.as_ref().is_none_or(|range| range.admits(version))
        })
    }
}

impl Rule {
    fn parse(item: &str) -> Result<Rule, ExposeError> {
        let (name, range) = match item.split_once('@') {
            Some((name, range)) => (name, Some(range)),
            None => (item, None),
        };
        if name.is_empty() || name.contains(|character: char| character == '/' || character.is_whitespace()) {
            return Err(ExposeError::Name(item.to_owned()));
        }
        let range = range.map(Range::parse).transpose();
        Ok(Rule {
            name: (name != "*").then(|| name.into()),
            range: range.map_err(|error| ExposeError::Range(item.to_owned(), error))?,
        })
    }
}

/// An item of `expose` that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ExposeError {
    /// It names no component.
    #[error("{0:?} names no component: write \"*\", a name, or a name with a range such as \"calc@^1\"")]
    Name(String),
    /// Its range is none.
    #[error("{0:?} has a wrong range: {1}")]
    Range(String, RangeError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ranges_say_what_is_exposed() {
        let admits = |items: &[&str], name: &str, version: &str| {
            let version = ComponentVersion::parse(version).unwrap();
            Expose::parse(items.iter().copied())
                .unwrap()
                .admits(name, &version)
        };
        assert!(!admits(&[], "calc", "1.0.0"));
        assert!(admits(&["*"], "calc", "1.0.0"));
        assert!(admits(&["*@^1"], "calc", "1.0.0") && !admits(&["*@^1"], "calc", "2.0.0"));
        assert!(admits(&["calc@^1", "stock"], "calc", "1.9.0"));
        assert!(!admits(&["calc@^1", "stock"], "calc", "2.0.0"));
        assert!(admits(&["calc@^1", "stock"], "stock", "7.0.0"));
        assert!(!admits(&["calc@^1", "stock"], "other", "1.0.0"));
        assert!(Expose::all().admits("calc", &ComponentVersion::parse("1.0.0-beta").unwrap()));
    }

    #[test]
    fn an_item_that_means_nothing_is_named() {
        let error = |item: &str| Expose::parse([item]).unwrap_err().to_string();
        assert!(error("").starts_with("\"\" names no component"));
        assert!(error("@^1").starts_with("\"@^1\" names no component"));
        assert!(error("a b").starts_with("\"a b\" names no component"));
        assert!(error("calc@latest").starts_with("\"calc@latest\" has a wrong range: "));
    }
}
