//! Grants and prohibitions of one group or user, path by path, in the form in which they are stored.
//!
//! Enters: JSON `{"/path/*": {"actions": ["get"], "prohibit": ["set"]}}`, changes to it. Leaves: the same, sorted by
//! path, with words in the order in which they were given. Guarantees: a path occurs once, and grants or forbids something;
//! nothing unknown gets in.

use super::actions::Actions;
use super::entry::{Front, Words, Written};
use super::error::{PermissionError, shown};
use super::pattern::check_path;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// How many paths one group or user may have.
pub const MOST_PATHS: usize = 20_000;

/// Whose permissions these are: part of the text of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A group's.
    Group,
    /// A user's own.
    User,
    /// Those of the sessions of a profile.
    Profile,
}

impl fmt::Display for Holder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Holder::Group => "group",
            Holder::User => "user",
            Holder::Profile => "profile",
        })
    }
}

/// The permissions of one group, or of one user alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    paths: BTreeMap<Arc<str>, Written>,
}

impl Rules {
    /// No permissions.
    pub fn new() -> Rules {
        Rules::default()
    }

    /// Reads permissions as they are stored, and as users of the happn protocol write them. `null` is none.
    ///
    /// # Errors
    ///
    /// When something is not a permission; all that is wrong is named.
    pub fn from_value(value: &Value, holder: Holder) -> Result<Rules, PermissionError> {
        let entries = match value {
            Value::Null => return Ok(Rules::new()),
            Value::Object(entries) => entries,
            _ => return Err(PermissionError::invalid(holder, vec!["not an object".to_owned()])),
        };
        let mut reading = Reading::new(holder);
        for (path, entry) in entries {
            let actions = entry.get("actions");
            let prohibit = entry.get("prohibit");
            reading.entry(path, actions, prohibit);
        }
        reading.finish()
    }

    /// As shown, sorted by path.
    pub fn to_value(&self) -> Value {
        let entries = self
            .iter()
            .map(|(path, entry)| (path.to_string(), entry.to_value()));
        Value::Object(entries.collect())
    }

    /// The same with sorted words.
    #[must_use]
    pub fn sorted(&self) -> Rules {
        let sorted = self.iter().map(|(path, entry)| (path.clone(), entry.sorted()));
        Rules {
            paths: sorted.collect(),
        }
    }

    /// Adds a permission to what the path has; nothing is taken away.
    pub fn add(&mut self, path: impl Into<Arc<str>>, permission: impl Into<Written>) {
        let permission = permission.into();
        if !permission.is_empty() {
            let entry = self.paths.entry(path.into()).or_default();
            *entry = entry.joined(permission);
        }
    }

    /// Writes other permissions over these. Where both speak of an action, the other ones count.
    ///
    /// # Errors
    ///
    /// When there would be too many paths; then nothing is changed.
    pub fn merge(&mut self, newer: &Rules, front: Front) -> Result<(), PermissionError> {
        let added = newer.paths.keys().filter(|path| !self.paths.contains_key(*path));
        if self.paths.len() + added.count() > MOST_PATHS {
            return Err(PermissionError::TooManyPaths);
        }
        for (path, permission) in &newer.paths {
            let entry = self.paths.entry(path.clone()).or_default();
            *entry = entry.overwritten_by(*permission, front);
        }
        Ok(())
    }

    /// Takes permissions away. `*` takes all actions of its path.
    pub fn remove(&mut self, taken: &Rules) {
        for (path, permission) in &taken.paths {
            if let Some(entry) = self.paths.get_mut(path) {
                *entry = entry.without(permission.meaning());
                if entry.is_empty() {
                    self.paths.remove(path);
                }
            }
        }
    }

    /// The grants and prohibitions of one path, as written.
    pub fn get(&self, path: &str) -> Option<Written> {
        self.paths.get(path).copied()
    }

    /// All paths, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, Written)> {
        self.paths.iter().map(|(path, permission)| (path, *permission))
    }

    /// How many paths there are.
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }
}

/// Permissions on their way in, with all that is wrong with them.
pub(super) struct Reading {
    holder: Holder,
    rules: Rules,
    problems: Vec<String>,
    path_error: Option<PermissionError>,
}

impl Reading {
    pub(super) fn new(holder: Holder) -> Reading {
        Reading {
            holder,
            rules: Rules::new(),
            problems: Vec::new(),
            path_error: None,
        }
    }

    /// Something that is no permission.
    pub(super) fn problem(&mut self, problem: String) {
        self.problems.push(problem);
    }

    /// An entry with the lists that it has.
    pub(super) fn entry(&mut self, path: &str, actions: Option<&Value>, prohibit: Option<&Value>) {
        if actions.is_none_or(Value::is_null) && prohibit.is_none_or(Value::is_null) {
            let path = shown(path);
            self.problem(format!("missing allowed actions or prohibit rules: {path}"));
            return;
        }
        let permission = Written {
            allowed: self.words(path, actions, "action"),
            prohibited: self.words(path, prohibit, "prohibit action"),
        };
        self.permission(path, permission);
    }

    /// An entry whose actions are known. Of two that mean the same path, the last one counts.
    pub(super) fn permission(&mut self, path: &str, permission: impl Into<Written>) {
        let permission = permission.into();
        if let Err(error) = check_path(path) {
            self.path_error.get_or_insert(error);
        } else if !permission.is_empty() {
            self.rules.paths.insert(path.into(), permission);
        }
    }

    fn words(&mut self, path: &str, list: Option<&Value>, kind: &str) -> Words {
        let path = shown(path);
        let words = match list {
            None | Some(Value::Null) => return Words::NONE,
            Some(Value::Array(words)) => words,
            Some(_) => {
                self.problem(format!("not a list of {kind}s for path: {path}"));
                return Words::NONE;
            }
        };
        let mut known = Words::NONE;
        for word in words {
            match word.as_str().map(|word| (word, Actions::of_word(word))) {
                Some((_, Some(word))) => known = known.with(word),
                Some((word, None)) => {
                    let word = shown(word);
                    self.problem(format!("unknown {kind}: {word} for path: {path}"));
                }
                None => self.problem(format!("{kind} is not a text for path: {path}")),
            }
        }
        known
    }

    /// The permissions, if all were right.
    pub(super) fn finish(self) -> Result<Rules, PermissionError> {
        if !self.problems.is_empty() {
            Err(PermissionError::invalid(self.holder, self.problems))
        } else if let Some(error) = self.path_error {
            Err(error)
        } else if self.rules.len() > MOST_PATHS {
            Err(PermissionError::TooManyPaths)
        } else {
            Ok(self.rules)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, json};

    fn rules(value: Value) -> Rules {
        Rules::from_value(&value, Holder::Group).unwrap()
    }

    fn refused(value: Value) -> String {
        Rules::from_value(&value, Holder::Group).unwrap_err().to_string()
    }

    #[test]
    fn permissions_come_back_by_path_with_words_as_given_and_without_empty_ones() {
        let read = rules(json!({
            "/b/*": {"actions": ["set", "get", "get"], "prohibit": ["remove"], "description": "d"},
            "/a": {"actions": ["*"]},
            "/nothing": {"actions": []},
        }));
        let written =
            json!({"/a": {"actions": ["*"]}, "/b/*": {"actions": ["set", "get"], "prohibit": ["remove"]}});
        assert_eq!(read.to_value().to_string(), written.to_string());
        assert_eq!(rules(written), read);
        assert!(rules(Value::Null).is_empty());
    }

    #[test]
    fn wrong_permissions_are_named_as_real_servers_do() {
        assert_eq!(
            refused(json!({"/x": {"actions": ["fly"]}, "/y": {"prohibit": ["run", "get"]}, "/z": {}})),
            "group permissions invalid: unknown action: fly for path: /x,unknown prohibit action: run for path: /y,\
             missing allowed actions or prohibit rules: /z"
        );
        let user = Rules::from_value(&json!({"/x": {"actions": ["fly"]}}), Holder::User).unwrap_err();
        assert_eq!(
            user.to_string(),
            "user permissions invalid: unknown action: fly for path: /x"
        );
        assert_eq!(
            refused(json!({"": {"actions": ["get"]}})),
            "permission path is null"
        );
        assert_eq!(
            refused(json!({"/{{w}}": {"actions": ["get"]}})),
            "invalid permission path, cannot contain special string {{w}}"
        );
    }

    #[test]
    fn hostile_values_are_refused_and_never_repeated_at_length() {
        for value in [json!("*"), json!(["/a"]), json!(5), json!(true)] {
            assert_eq!(refused(value), "group permissions invalid: not an object");
        }
        for entry in [json!(null), json!("get"), json!([]), json!({"action": ["get"]})] {
            assert!(refused(json!({ "/a": entry })).contains("missing allowed actions"));
        }
        for actions in [json!("get"), json!({"get": true}), json!(1)] {
            assert!(refused(json!({"/a": {"actions": actions}})).contains("not a list of actions"));
        }
        assert!(refused(json!({"/a": {"actions": [["get"]]}})).contains("action is not a text"));
        let many: Map<String, Value> = (0..1000)
            .map(|number| {
                (
                    format!("/{}{number}", "x".repeat(5000)),
                    json!({"actions": ["f".repeat(5000)]}),
                )
            })
            .collect();
        assert!(refused(Value::Object(many)).len() < 6000);
        // A key like any other here, whatever it means to JavaScript.
        let odd = rules(json!({"__proto__": {"actions": ["get"]}}));
        assert_eq!(odd.to_value(), json!({"__proto__": {"actions": ["get"]}}));
    }

    #[test]
    fn merging_keeps_what_is_not_mentioned_and_lets_the_newer_decide() {
        let mut group = rules(json!({"/a": {"actions": ["get", "set"], "prohibit": ["on"]}}));
        let newer = rules(json!({"/a": {"actions": ["on"], "prohibit": ["set"]}, "/b": {"actions": ["*"]}}));
        group.merge(&newer, Front::Older).unwrap();
        assert_eq!(
            group.to_value(),
            json!({"/a": {"actions": ["get", "on"], "prohibit": ["set"]}, "/b": {"actions": ["*"]}})
        );
    }

    #[test]
    fn removing_takes_actions_and_then_the_path() {
        let mut group = rules(
            json!({"/a": {"actions": ["get", "set"], "prohibit": ["on"]}, "/b": {"actions": ["get", "*"]}}),
        );
        group.remove(&rules(
            json!({"/a": {"actions": ["get", "on"]}, "/c": {"actions": ["get"]}}),
        ));
        assert_eq!(
            group.get("/a").unwrap().to_value(),
            json!({"actions": ["set"], "prohibit": ["on"]})
        );
        group.remove(&rules(
            json!({"/a": {"actions": ["*"], "prohibit": ["*"]}, "/b": {"actions": ["*"]}}),
        ));
        assert!(group.is_empty());
    }

    #[test]
    fn there_is_an_end_to_the_number_of_paths() {
        let many = |prefix: &str, count: usize| {
            let entries =
                (0..count).map(|number| (format!("/{prefix}/{number}"), json!({"actions": ["get"]})));
            Value::Object(entries.collect())
        };
        assert_eq!(
            refused(many("a", MOST_PATHS + 1)),
            "more than 20000 permission paths"
        );
        let mut group = rules(many("a", MOST_PATHS));
        group.merge(&rules(many("a", 5)), Front::Newer).unwrap();
        assert_eq!(
            group.merge(&rules(many("b", 1)), Front::Newer),
            Err(PermissionError::TooManyPaths)
        );
        assert_eq!(group.len(), MOST_PATHS);
    }
}
