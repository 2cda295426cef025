//! Lookup tables: permissions that depend on a list of paths which changes while everything else stays.
//!
//! Enters: tables, and permissions of groups that refer to them (`{regex, actions, table, path}`); later actions and
//! paths that no other permission is about. Leaves: yes or no. Guarantees: text from the asked path can never become
//! a wildcard or a template. Expressions run in linear time and are limited in size. One that cannot be compiled is
//! refused before it is stored.

use super::actions::{Action, Actions};
use super::entry::Words;
use super::error::{PermissionError, shown};
use super::pattern::{LONGEST_PATH, covers, literal_beginning};
use super::template::{Facts, try_fill};
use mesh_wire::address::{EVENTS, REQUESTS, RESPONSES};
use mesh_wire::query::compile_with_groups;
use regex::{Captures, Regex};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;

/// How many paths a table may have.
const MOST_PATHS: usize = 100_000;
/// Longer names of tables are refused, in bytes.
const LONGEST_NAME: usize = 512;

/// A named set of paths, which are kept without a leading slash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LookupTable {
    paths: BTreeSet<Box<str>>,
}

impl LookupTable {
    /// Reads `{"name": …, "paths": […]}`, as clients give it.
    ///
    /// # Errors
    ///
    /// When there is no usable name, or a path is not a text or too long.
    pub fn from_value(value: &Value) -> Result<(String, LookupTable), PermissionError> {
        let wrong = |what: &str| PermissionError::LookupTable(what.to_owned());
        let name = value.get("name").and_then(Value::as_str);
        let name = name.ok_or_else(|| wrong("the name is missing"))?;
        check_name(name).map_err(PermissionError::LookupTable)?;
        let mut table = LookupTable::default();
        match value.get("paths") {
            None | Some(Value::Null) => {}
            Some(Value::Array(paths)) => {
                for path in paths {
                    let path = path.as_str().ok_or_else(|| wrong("a path is not a text"))?;
                    table.insert(path)?;
                }
            }
            Some(_) => return Err(wrong("the paths are not a list")),
        }
        Ok((name.to_owned(), table))
    }

    /// Adds a path.
    ///
    /// # Errors
    ///
    /// When it is empty or too long, or the table is full.
    pub fn insert(&mut self, path: &str) -> Result<(), PermissionError> {
        let path = without_slash(path);
        if path.is_empty() {
            return Err(PermissionError::EmptyPath);
        }
        if path.len() > LONGEST_PATH {
            return Err(PermissionError::LongPath);
        }
        if self.paths.len() >= MOST_PATHS && !self.paths.contains(path) {
            let message = format!("more than {MOST_PATHS} paths");
            return Err(PermissionError::LookupTable(message));
        }
        self.paths.insert(path.into());
        Ok(())
    }

    /// Takes a path away; whether it was there.
    pub fn remove(&mut self, path: &str) -> bool {
        self.paths.remove(without_slash(path))
    }

    /// All paths, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(AsRef::as_ref)
    }

    /// Whether a path is in it. A `*` stands for any text here: only the one who wrote the permission can have put it in.
    fn admits(&self, pattern: &str) -> bool {
        let pattern = without_slash(pattern);
        match literal_beginning(pattern) {
            None => self.paths.contains(pattern),
            Some(beginning) => self
                .paths
                .range::<str, _>((Bound::Included(beginning), Bound::Unbounded))
                .take_while(|path| path.starts_with(beginning))
                .any(|path| covers(pattern, path)),
        }
    }
}

/// The rights of a group where a path is in a table.
#[derive(Clone, Debug)]
pub struct LookupPermission {
    source: String,
    regex: Regex,
    actions: Actions,
    /// The same, as they are shown.
    words: Words,
    table: String,
    path: String,
}

/// The compiled expression follows from its source, and the order of the words says nothing.
impl PartialEq for LookupPermission {
    fn eq(&self, other: &LookupPermission) -> bool {
        self.source == other.source
            && self.actions == other.actions
            && self.table == other.table
            && self.path == other.path
    }
}

impl LookupPermission {
    /// Reads `{"regex": …, "actions": […], "table": …, "path": …}`.
    ///
    /// # Errors
    ///
    /// When something is missing or wrong, or the expression is none that can be run safely.
    pub fn from_value(value: &Value) -> Result<LookupPermission, PermissionError> {
        let mut words = Words::NONE;
        let list = value.get("actions").and_then(Value::as_array);
        for word in list.ok_or_else(|| wrong("actions is not a list"))? {
            let word = word.as_str().ok_or_else(|| wrong("an action is not a text"))?;
            let known = Actions::of_word(word);
            words = words.with(known.ok_or_else(|| wrong(format!("unknown action: {}", shown(word))))?);
        }
        LookupPermission::new(text(value, "regex")?.to_owned(), words, value)
    }

    /// Reads `{"component", "event", "table", "path"}`: subscribing to an event of a component.
    ///
    /// # Errors
    ///
    /// As [`LookupPermission::from_value`]. Component and event may be expressions, to capture parts of the path.
    pub fn of_event(value: &Value, domain: &str) -> Result<LookupPermission, PermissionError> {
        let (component, event) = (text(value, "component")?, text(value, "event")?);
        let source = format!("^{EVENTS}{}/{component}/{event}", regex::escape(domain));
        LookupPermission::new(source, Actions::of(Action::On).into(), value)
    }

    /// Reads `{"component", "method", "table", "path"}`: asking a method, and hearing its answers.
    ///
    /// # Errors
    ///
    /// As [`LookupPermission::from_value`]. Component and method may be expressions, to capture parts of the path.
    pub fn of_method(value: &Value, domain: &str) -> Result<[LookupPermission; 2], PermissionError> {
        let (component, method) = (text(value, "component")?, text(value, "method")?);
        let domain = regex::escape(domain);
        let source = |folder: &str| format!("^{folder}{domain}/{component}/{method}");
        let set = Words::from(Actions::of(Action::Set));
        Ok([
            LookupPermission::new(source(REQUESTS), set, value)?,
            LookupPermission::new(source(RESPONSES), set.with(Actions::of(Action::On)), value)?,
        ])
    }

    fn new(source: String, words: Words, value: &Value) -> Result<LookupPermission, PermissionError> {
        let (table, path) = (text(value, "table")?, text(value, "path")?);
        check_name(table).map_err(PermissionError::Lookup)?;
        let regex = compile_with_groups(&source).map_err(|error| wrong(error.to_string()))?;
        Ok(LookupPermission {
            source,
            regex,
            actions: words.actions(),
            words,
            table: table.to_owned(),
            path: path.to_owned(),
        })
    }

    /// As stored and shown.
    pub fn to_value(&self) -> Value {
        let actions: Vec<_> = self.words.iter().collect();
        json!({"regex": self.source, "actions": actions, "table": self.table, "path": self.path})
    }

    /// The table that it looks into.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Whether the path that follows from the asked one is in the table.
    fn allows(
        &self,
        action: Action,
        path: &str,
        facts: &Facts<'_>,
        tables: &HashMap<String, LookupTable>,
    ) -> bool {
        if !self.actions.admits(action) {
            return false;
        }
        let Some((table, captures)) = tables.get(&self.table).zip(self.regex.captures(path)) else {
            return false;
        };
        let texts = |name: &str| match name.strip_prefix('$') {
            Some(number) => Some(vec![captured(&captures, number)?.into()]),
            None => facts.texts(name),
        };
        let paths = try_fill(&self.path, texts).unwrap_or_default();
        paths.iter().any(|path| table.admits(path))
    }
}

/// Whether one of the permissions of a user's groups allows an action, by what is in the tables now.
///
/// Ask only where [`super::Access::decide`] is silent.
pub fn lookup_allows<'a>(
    permissions: impl IntoIterator<Item = &'a LookupPermission>,
    tables: &HashMap<String, LookupTable>,
    action: Action,
    path: &str,
    facts: &Facts<'_>,
) -> bool {
    permissions
        .into_iter()
        .any(|permission| permission.allows(action, path, facts, tables))
}

/// A part of the asked path. One with a `*` is none: who asks must not choose what to be compared with.
fn captured<'p>(captures: &Captures<'p>, number: &str) -> Option<&'p str> {
    let part = captures.get(number.parse().ok()?)?.as_str();
    (!part.contains('*')).then_some(part)
}

fn without_slash(path: &str) -> &str {
    path.strip_prefix('/').unwrap_or(path)
}

fn wrong(what: impl Into<String>) -> PermissionError {
    PermissionError::Lookup(what.into())
}

fn text<'v>(value: &'v Value, key: &str) -> Result<&'v str, PermissionError> {
    let text = value.get(key).and_then(Value::as_str);
    let text = text.filter(|text| !text.is_empty() && text.len() <= LONGEST_PATH);
    text.ok_or_else(|| wrong(format!("{key} is missing, too long or not a text")))
}

/// A name becomes a segment of a path in the store.
fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > LONGEST_NAME || name.contains(['/', '*']) {
        return Err("the name of the table is empty, too long or contains / or *".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(paths: &[&str]) -> HashMap<String, LookupTable> {
        let (name, table) = LookupTable::from_value(&json!({"name": "T1", "paths": paths})).unwrap();
        HashMap::from([(name, table)])
    }

    fn allowed(permission: Value, paths: &[&str], action: Action, path: &str) -> bool {
        let permission = LookupPermission::from_value(&permission).unwrap();
        let data = json!({"company": ["acme", "umbrella"]});
        let facts = Facts {
            username: "bob",
            custom_data: Some(&data),
            server_name: "N",
        };
        lookup_allows([&permission], &tables(paths), action, path, &facts)
    }

    #[test]
    fn a_path_is_allowed_when_what_follows_from_it_is_in_the_table() {
        let permission = json!({"regex": "^/_data/historianStore/(.*)/(.*)", "actions": ["get"], "table": "T1", "path": "device/{{$1}}/{{$2}}"});
        let asked = |action, path| allowed(permission.clone(), &["/device/a/1", "device/b/2"], action, path);
        assert!(asked(Action::Get, "/_data/historianStore/a/1"));
        assert!(asked(Action::Get, "/_data/historianStore/b/2"));
        assert!(!asked(Action::Get, "/_data/historianStore/a/2"));
        assert!(!asked(Action::Set, "/_data/historianStore/a/1"));
        assert!(!asked(Action::Get, "/x/_data/historianStore/a/1"));
    }

    #[test]
    fn facts_are_filled_in_and_a_written_star_is_a_wildcard() {
        let permission = json!({"regex": "^/d/([^/]*)$", "actions": ["*"], "table": "T1", "path": "/{{user.custom_data.company}}/*/{{$1}}"});
        let paths = ["umbrella/site/7", "other/site/8"];
        assert!(allowed(permission.clone(), &paths, Action::Set, "/d/7"));
        assert!(!allowed(permission, &paths, Action::Set, "/d/8"));
    }

    #[test]
    fn requests_cannot_contain_wildcards_or_templates() {
        let permission =
            json!({"regex": "^/d/(.*)$", "actions": ["get", "on"], "table": "T1", "path": "{{$1}}"});
        for path in [
            "/d/*",
            "/d/sec*",
            "/d/{{user.username}}",
            "/d/{{$0}}",
            "/d/",
            "/d",
        ] {
            assert!(
                !allowed(permission.clone(), &["secret", "bob"], Action::On, path),
                "{path}"
            );
        }
        assert!(allowed(permission, &["secret"], Action::On, "/d/secret"));
        let named =
            json!({"regex": "^/(?:d)/(?<device>.*)$", "actions": ["get"], "table": "T1", "path": "{{$1}}"});
        assert!(allowed(named, &["secret"], Action::Get, "/d/secret"));
        let second = json!({"regex": "^/d/(.*)$", "actions": ["get"], "table": "T1", "path": "{{$2}}"});
        assert!(!allowed(second, &["undefined"], Action::Get, "/d/1"));
    }

    #[test]
    fn permissions_that_are_wrong_are_refused_by_name() {
        let right = json!({"regex": "^/a", "actions": ["get"], "table": "T1", "path": "x"});
        let refused = |key: &str, value: Value| {
            let mut wrong = right.clone();
            wrong[key] = value;
            LookupPermission::from_value(&wrong).unwrap_err().to_string()
        };
        assert!(refused("regex", json!("(")).starts_with("lookup permission invalid:"));
        assert!(refused("regex", json!("(?=a)")).starts_with("lookup permission invalid:"));
        assert!(refused("regex", json!("((a{1000}){1000}){10}")).starts_with("lookup permission invalid:"));
        assert!(refused("regex", json!(null)).contains("regex is missing"));
        assert!(refused("actions", json!(["fly"])).contains("unknown action: fly"));
        assert!(refused("actions", json!("get")).contains("actions is not a list"));
        assert!(refused("table", json!("a/*")).contains("name of the table"));
        assert!(refused("path", json!(5)).contains("path is missing"));
        assert!(LookupPermission::from_value(&json!(null)).is_err());
        let same = LookupPermission::from_value(&right).unwrap();
        assert_eq!(same.to_value(), right);
        assert_eq!(same, LookupPermission::from_value(&same.to_value()).unwrap());
    }

    #[test]
    fn tables_keep_paths_once_and_without_slash() {
        let (name, mut table) =
            LookupTable::from_value(&json!({"name": "T1", "paths": ["/b", "a", "b"]})).unwrap();
        assert_eq!(name, "T1");
        assert_eq!(table.paths().collect::<Vec<_>>(), ["a", "b"]);
        assert!(table.remove("/a") && !table.remove("/a"));
        assert!(table.insert("/").is_err());
        for value in [
            json!(null),
            json!({}),
            json!({"name": ""}),
            json!({"name": "a/b"}),
            json!({"name": "T", "paths": "a"}),
            json!({"name": "T", "paths": [1]}),
        ] {
            assert!(LookupTable::from_value(&value).is_err(), "{value}");
        }
    }

    #[test]
    fn events_and_methods_have_a_short_form() {
        let form =
            json!({"component": "lab", "event": "(.*)", "method": "echo", "table": "T1", "path": "{{$1}}"});
        assert_eq!(
            LookupPermission::of_event(&form, "D").unwrap().to_value(),
            json!({"regex": "^/_events/D/lab/(.*)", "actions": ["on"], "table": "T1", "path": "{{$1}}"})
        );
        let [requests, responses] = LookupPermission::of_method(&form, "D").unwrap();
        assert_eq!(
            requests.to_value(),
            json!({"regex": "^/_exchange/requests/D/lab/echo", "actions": ["set"], "table": "T1", "path": "{{$1}}"})
        );
        assert_eq!(
            responses.to_value(),
            json!({"regex": "^/_exchange/responses/D/lab/echo", "actions": ["set", "on"], "table": "T1", "path": "{{$1}}"})
        );
        assert!(LookupPermission::of_event(&json!({"component": "lab"}), "D").is_err());
    }
}
