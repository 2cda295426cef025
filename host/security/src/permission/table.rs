//! Permissions in a form in which a decision is cheap.
//!
//! Enters: paths of permissions, filled in. Leaves: their decision about an action on a path. Guarantees: the answer
//! takes into account every path that covers the one asked for. Paths without `*` cost one look into a map, however
//! many there are. Of those with `*` only those are compared whose text before the first `*` begins the asked path.

use super::actions::{Action, Actions};
use super::entry::Permission;
use super::pattern::{covers, literal_beginning};
use super::rules::Rules;
use super::template::is_template;
use std::collections::HashMap;
use std::sync::Arc;

/// The decision of permissions about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Something forbids it. Nothing else counts.
    Prohibited,
    /// Something allows it, and nothing forbids it.
    Allowed,
    /// No permission is about it.
    Silent,
}

impl Decision {
    /// The decision of two sources of permissions together.
    #[must_use]
    pub fn and(self, other: Decision) -> Decision {
        match (self, other) {
            (Decision::Prohibited, _) | (_, Decision::Prohibited) => Decision::Prohibited,
            (Decision::Allowed, _) | (_, Decision::Allowed) => Decision::Allowed,
            (Decision::Silent, Decision::Silent) => Decision::Silent,
        }
    }
}

/// A path with `*`, and what it grants and forbids.
#[derive(Debug)]
struct Wildcard {
    pattern: Arc<str>,
    permission: Permission,
}

/// Compiled permissions. Immutable once made, to be shared between sessions.
#[derive(Debug, Default)]
pub struct Table {
    exact: HashMap<Arc<str>, Permission>,
    /// By the text before the first `*`.
    wildcards: HashMap<Box<str>, Vec<Wildcard>>,
    /// The lengths of these texts, ascending, each once.
    lengths: Vec<usize>,
    /// Every action that any path mentions: what is not in it needs no search.
    mentioned: Actions,
    /// Every action that any path forbids.
    prohibited: Actions,
}

impl Table {
    /// Compiles what groups or users grant and forbid, without the paths that are templates.
    pub fn of_rules<'a>(rules: impl IntoIterator<Item = &'a Rules>) -> Table {
        let all = rules.into_iter().flat_map(Rules::iter);
        let fixed = all.filter(|(path, _)| !is_template(path));
        Table::new(fixed.map(|(path, permission)| (path.clone(), permission.meaning())))
    }

    /// Compiles paths. One that occurs more than once means all that is said of it.
    pub fn new(entries: impl IntoIterator<Item = (Arc<str>, Permission)>) -> Table {
        let mut table = Table::default();
        let mut wildcards = HashMap::<Arc<str>, Permission>::new();
        for (path, permission) in entries {
            table.mentioned = table
                .mentioned
                .union(permission.allowed)
                .union(permission.prohibited);
            table.prohibited = table.prohibited.union(permission.prohibited);
            let kind = match literal_beginning(&path) {
                None => &mut table.exact,
                Some(_) => &mut wildcards,
            };
            let entry = kind.entry(path).or_default();
            *entry = entry.union(permission);
        }
        for (pattern, permission) in wildcards {
            let beginning = literal_beginning(&pattern).unwrap_or_default();
            if let Err(place) = table.lengths.binary_search(&beginning.len()) {
                table.lengths.insert(place, beginning.len());
            }
            let alike = match table.wildcards.get_mut(beginning) {
                Some(alike) => alike,
                None => table.wildcards.entry(beginning.into()).or_default(),
            };
            alike.push(Wildcard { pattern, permission });
        }
        table
    }

    /// Whether an action is forbidden anywhere.
    pub fn prohibits(&self, action: Action) -> bool {
        self.prohibited.admits(action)
    }

    /// The decision about an action on a path.
    pub fn decide(&self, action: Action, path: &str) -> Decision {
        if !self.mentioned.admits(action) {
            return Decision::Silent;
        }
        let mut decision = Decision::Silent;
        if let Some(permission) = self.exact.get(path) {
            decision = said(*permission, action);
        }
        for length in &self.lengths {
            if *length > path.len() || decision == Decision::Prohibited {
                break;
            }
            let Some(alike) = path
                .get(..*length)
                .and_then(|beginning| self.wildcards.get(beginning))
            else {
                continue;
            };
            for Wildcard { pattern, permission } in alike {
                let says = said(*permission, action);
                // Patterns that would not change the decision need not be compared.
                if decision.and(says) != decision && covers(pattern, path) {
                    decision = says;
                }
            }
        }
        decision
    }

    /// Whether a path allows an action below `beginning`, and `holds` when all permissions are asked for it. Looks at every
    /// path.
    pub fn any_allowed_below(&self, action: Action, beginning: &str, holds: impl Fn(&str) -> bool) -> bool {
        if !self.mentioned.admits(action) {
            return false;
        }
        let allows = |permission: Permission| said(permission, action) == Decision::Allowed;
        let exact = self.exact.iter();
        let mut exact =
            exact.filter(|(path, permission)| allows(**permission) && path.starts_with(beginning));
        let wildcards = self
            .wildcards
            .iter()
            .filter(|(literal, _)| literal.starts_with(beginning) || beginning.starts_with(&***literal));
        let mut wildcards = wildcards
            .flat_map(|(_, alike)| alike)
            .filter(|one| allows(one.permission));
        exact.any(|(path, _)| holds(path)) || wildcards.any(|one| holds(&one.pattern))
    }

    /// How many paths there are.
    pub fn len(&self) -> usize {
        self.exact.len() + self.wildcards.values().map(Vec::len).sum::<usize>()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.wildcards.is_empty()
    }
}

/// The decision of a permission on its own path.
fn said(permission: Permission, action: Action) -> Decision {
    if permission.prohibited.admits(action) {
        Decision::Prohibited
    } else if permission.allowed.admits(action) {
        Decision::Allowed
    } else {
        Decision::Silent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: Permission = Permission::allow(Actions::of(Action::Get));
    const NO_GET: Permission = Permission::prohibit(Actions::of(Action::Get));

    fn table(entries: &[(&str, Permission)]) -> Table {
        Table::new(
            entries
                .iter()
                .map(|(path, permission)| ((*path).into(), *permission)),
        )
    }

    #[test]
    fn a_path_that_nobody_mentions_is_silent() {
        let table = table(&[("/a", GET), ("/b/*", GET)]);
        assert_eq!(table.decide(Action::Get, "/a"), Decision::Allowed);
        assert_eq!(table.decide(Action::Get, "/b/c"), Decision::Allowed);
        assert_eq!(table.decide(Action::Get, "/a/b"), Decision::Silent);
        assert_eq!(table.decide(Action::Set, "/a"), Decision::Silent);
        assert_eq!(table.decide(Action::Get, ""), Decision::Silent);
        assert_eq!(Table::default().decide(Action::Get, "/a"), Decision::Silent);
    }

    #[test]
    fn a_prohibition_outweighs_permissions_in_any_order_and_form() {
        let deny = |entries: &[(&str, Permission)]| {
            assert_eq!(
                table(entries).decide(Action::Get, "/a/b"),
                Decision::Prohibited,
                "{entries:?}"
            );
        };
        deny(&[("/a/b", GET), ("/a/b", NO_GET)]);
        deny(&[("/a/b", NO_GET), ("/a/*", GET), ("*", GET)]);
        deny(&[("/a/b", GET), ("/a/*", NO_GET)]);
        deny(&[("/a/*", GET), ("/*", NO_GET)]);
        deny(&[("/a/*", GET), ("/a/*b", NO_GET)]);
        deny(&[("*", Permission::allow(Actions::ANY)), ("*b", NO_GET)]);
        deny(&[("/a/b", GET), ("/*", Permission::prohibit(Actions::ANY))]);
        let elsewhere = table(&[("/a/b", GET), ("/a/c*", NO_GET)]);
        assert_eq!(elsewhere.decide(Action::Get, "/a/b"), Decision::Allowed);
    }

    #[test]
    fn a_path_may_be_cut_only_between_characters() {
        let table = table(&[("/ab*", GET), ("/ü*", GET)]);
        assert_eq!(table.decide(Action::Get, "/üx"), Decision::Allowed);
        assert_eq!(table.decide(Action::Get, "/aü"), Decision::Silent);
        assert_eq!(table.decide(Action::Get, "ü"), Decision::Silent);
    }

    #[test]
    fn decisions_are_those_of_comparing_every_pattern() {
        let words = ["", "a", "b", "ab", "*", "a*", "*b", "**"];
        let mut entries = Vec::new();
        for (place, first) in words.iter().enumerate() {
            for (other, second) in words.iter().enumerate() {
                let permission = match (place + other * 3) % 5 {
                    0 => NO_GET,
                    1 | 2 => GET,
                    _ => Permission::allow(Actions::of(Action::Set)),
                };
                entries.push((format!("/{first}/{second}"), permission));
            }
        }
        for left_out in 0..entries.len() {
            let mut some = entries.clone();
            some.retain(|(path, _)| path.len() % (2 + left_out % 5) != 0 || path.contains("/a/"));
            some.truncate(1 + left_out);
            let table = Table::new(
                some.iter()
                    .map(|(path, permission)| (path.as_str().into(), *permission)),
            );
            for path in ["/a/b", "/ab/ab", "//", "/a/", "/x/b", "/a/b/c", "/*/b", "/ab/x"] {
                for action in [Action::Get, Action::Set] {
                    let naive = some
                        .iter()
                        .filter(|(pattern, _)| covers(pattern, path))
                        .fold(Decision::Silent, |decision, (_, permission)| {
                            decision.and(said(*permission, action))
                        });
                    assert_eq!(table.decide(action, path), naive, "{path} {some:?}");
                }
            }
        }
    }
}
