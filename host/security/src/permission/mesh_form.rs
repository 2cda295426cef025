//! Permissions as the users of the mesh write them: methods, events, web routes and data.
//!
//! Enters: `{"methods": {"/D/c/m": {"authorized": true}}, "events": …, "web": …, "data": …}`. Leaves: the rules to
//! store, and rules in this form again. Guarantees: data permissions do not name methods, events and web routes, in
//! part neither. Only one that begins with a star alone covers them, as it covers everything. An entry that is not
//! understood is refused, not ignored. Answers are never shown as something of their own.

use super::actions::{Action, Actions};
use super::entry::{Permission, Words, Written};
use super::error::{PermissionError, shown};
use super::pattern::{covers, literal_beginning};
use super::rules::{Holder, Reading, Rules};
use mesh_config::nearest;
use mesh_wire::address::{EVENTS, REQUESTS, RESPONSES};
use serde_json::{Map, Value, json};

const WEB: &str = "/@HTTP/";

/// The kinds of permissions, in the order in which they are read: of two keys that mean the same path the last one
/// counts.
const KINDS: [&str; 4] = ["data", "events", "methods", "web"];
/// The fields of an entry. Descriptions and other words of one's own mean nothing, and are let be.
const FIELDS: [&str; 3] = ["authorized", "actions", "prohibit"];

/// The use of the permissions that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// They describe a group or user: an entry that is not `authorized` forbids.
    Define,
    /// They are added to what is there: an entry that says nothing of `authorized` allows, and one that is not forbids.
    Add,
    /// They are taken from what is there. An entry without actions takes all of them.
    Remove,
}

/// Reads permissions in the form of the mesh. `null` is none.
///
/// # Errors
///
/// When an entry is no permission, or a data permission is not about data.
pub fn from_mesh(
    permissions: &Value,
    domain: &str,
    purpose: Purpose,
    holder: Holder,
) -> Result<Rules, PermissionError> {
    let empty = Map::new();
    let mut reading = Reading::new(holder);
    let kinds = match permissions {
        Value::Null => &empty,
        Value::Object(kinds) => kinds,
        _ => {
            reading.problem("not an object".to_owned());
            &empty
        }
    };
    for (key, _) in kinds {
        misspelled(key, &KINDS, "permissions", &mut reading);
    }
    for kind in KINDS {
        let entries = match kinds.get(kind) {
            None | Some(Value::Null) => continue,
            Some(Value::Object(entries)) => entries,
            Some(_) => {
                reading.problem(format!("{kind} is not an object"));
                continue;
            }
        };
        if kind == "data" && !entries.keys().all(|path| is_data(path)) {
            return Err(PermissionError::DataPath);
        }
        for (path, entry) in entries {
            let Value::Object(entry) = entry else {
                reading.problem(format!("not an object: {}", shown(path)));
                continue;
            };
            if path.is_empty() {
                return Err(PermissionError::EmptyPath);
            }
            for (key, _) in entry {
                misspelled(key, &FIELDS, path, &mut reading);
            }
            let entry = Entry {
                path,
                authorized: authorized(path, entry, &mut reading),
                actions: entry.get("actions").filter(|value| !value.is_null()),
                prohibit: entry.get("prohibit").filter(|value| !value.is_null()),
                purpose,
            };
            match kind {
                "data" => entry.data(&mut reading),
                "events" => entry.event(domain, &mut reading),
                "methods" => entry.method(domain, &mut reading),
                _ => entry.web(&mut reading),
            }
        }
    }
    reading.finish()
}

/// A word that is nearly one of those that count would count for nothing, and say nothing of it.
fn misspelled(written: &str, known: &[&str], place: &str, reading: &mut Reading) {
    if known.contains(&written) {
        return;
    }
    if let Some(nearest) = nearest(written, known.iter().copied()) {
        let (written, place) = (shown(written), shown(place));
        reading.problem(format!(
            "unknown key {written} in {place}, did you mean {nearest}?"
        ));
    }
}

/// The value of `authorized` in an entry. Nothing is allowed by a text such as "false".
fn authorized(path: &str, entry: &Map<String, Value>, reading: &mut Reading) -> Option<bool> {
    match entry.get("authorized")? {
        Value::Null => None,
        Value::Bool(value) => Some(*value),
        Value::Number(number) => Some(number.as_f64() != Some(0.0)),
        Value::String(_) | Value::Array(_) | Value::Object(_) => {
            let path = shown(path);
            reading.problem(format!("authorized must be true or false: {path}"));
            Some(false)
        }
    }
}

/// One entry of one kind.
struct Entry<'a> {
    path: &'a str,
    authorized: Option<bool>,
    actions: Option<&'a Value>,
    prohibit: Option<&'a Value>,
    purpose: Purpose,
}

impl Entry<'_> {
    /// Whether it allows, when an entry that does not say so means `otherwise`.
    fn allows(&self, otherwise: bool) -> bool {
        match self.purpose {
            Purpose::Define => self.authorized.unwrap_or(otherwise),
            Purpose::Add => self.authorized.unwrap_or(true),
            // A grant is withdrawn, whatever the other fields say.
            Purpose::Remove => true,
        }
    }

    fn fixed(&self, actions: Actions, reading: &mut Reading) -> Permission {
        if self.prohibit.is_some() {
            let path = shown(self.path);
            reading.problem(format!("prohibit is for data, write authorized: false: {path}"));
        }
        if self.allows(false) {
            Permission::allow(actions)
        } else {
            Permission::prohibit(actions)
        }
    }

    fn event(&self, domain: &str, reading: &mut Reading) {
        let path = below(EVENTS, self.path, domain);
        let permission = self.fixed(Actions::of(Action::On), reading);
        reading.permission(&path, permission);
    }

    fn method(&self, domain: &str, reading: &mut Reading) {
        let set = Actions::of(Action::Set);
        let path = below(REQUESTS, self.path, domain);
        let permission = self.fixed(set, reading);
        reading.permission(&path, permission);
        let answers = format!("{}/*", self.path.trim_end_matches(['/', '*']));
        let path = below(RESPONSES, &answers, domain);
        let both = set.union(Actions::of(Action::On));
        let permission = match self.allows(false) {
            true => Permission::allow(both),
            false => Permission::prohibit(both),
        };
        reading.permission(&path, permission);
    }

    fn web(&self, reading: &mut Reading) {
        let path = format!("/@HTTP{}", with_slash(self.path));
        let unnamed = self.actions.is_none_or(|actions| *actions == json!([]));
        let allows = self.allows(true);
        if self.purpose != Purpose::Define && unnamed && self.prohibit.is_none() {
            let permission = match allows {
                true => Permission::allow(Actions::ANY),
                false => Permission::prohibit(Actions::ANY),
            };
            reading.permission(&path, permission);
        } else {
            self.lists(&path, allows, reading);
        }
    }

    fn data(&self, reading: &mut Reading) {
        let unnamed = self.actions.is_none() && self.prohibit.is_none();
        if self.purpose == Purpose::Remove && unnamed {
            reading.permission(self.path, Permission::allow(Actions::ANY));
        } else {
            let forbids = self.purpose != Purpose::Remove && self.authorized == Some(false);
            self.lists(self.path, !forbids, reading);
        }
    }

    /// An entry with the lists that it has. Actions that are listed as allowed are forbidden where the entry is not
    /// authorized.
    fn lists(&self, path: &str, allows: bool, reading: &mut Reading) {
        if allows {
            return reading.entry(path, self.actions, self.prohibit);
        }
        let listed = [self.actions, self.prohibit].into_iter().flatten();
        let listed: Vec<&Value> = listed.collect();
        match listed[..] {
            [] => reading.entry(path, None, None),
            [only] => reading.entry(path, None, Some(only)),
            _ => {
                let items = |list: &Value| match list {
                    Value::Array(items) => items.clone(),
                    other => vec![other.clone()],
                };
                let all: Vec<Value> = listed.into_iter().flat_map(items).collect();
                reading.entry(path, None, Some(&Value::Array(all)));
            }
        }
    }
}

/// Slashes and stars in front do not hide where a path leads.
fn is_data(path: &str) -> bool {
    let bare: String = path
        .chars()
        .filter(|character| !"/*".contains(*character))
        .collect();
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    let has_star = first.contains('*') && !first.bytes().all(|byte| byte == b'*');
    let literal = literal_beginning(first).unwrap_or_default();
    let names = |other: &&str| {
        let in_part =
            has_star && (covers(first, other) || (!literal.is_empty() && other.starts_with(literal)));
        bare.starts_with(*other) || in_part
    };
    !["_exchange", "_events", "@HTTP"].iter().any(names)
}

fn with_slash(path: &str) -> String {
    if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    }
}

/// The path in a folder of the mesh, which has one folder for each domain.
fn below(folder: &str, path: &str, domain: &str) -> String {
    format!("{}{}", folder.trim_end_matches('/'), in_domain(path, domain))
}

/// The path with the domain as its first segment: `lab/echo` is `/D/lab/echo`.
fn in_domain(path: &str, domain: &str) -> String {
    let path = with_slash(path);
    let behind = path[1..].strip_prefix(domain);
    if behind.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        path
    } else {
        format!("/{domain}{path}")
    }
}

/// Rules in the form of the mesh. Prohibitions are shown for data only, answers of methods not at all.
pub fn to_mesh(rules: &Rules) -> Value {
    let mut methods = Map::new();
    let mut events = Map::new();
    let mut web = Map::new();
    let mut data = Map::new();
    let authorized = || json!({"authorized": true});
    for (path, permission) in rules.iter() {
        let allows = |action| permission.allowed.actions().contains(Actions::of(action));
        if let Some(event) = path.strip_prefix(EVENTS) {
            if allows(Action::On) {
                events.insert(event.to_owned(), authorized());
            }
        } else if let Some(method) = path.strip_prefix(REQUESTS) {
            if allows(Action::Set) {
                methods.insert(method.to_owned(), authorized());
            }
        } else if let Some(route) = path.strip_prefix(WEB) {
            if !permission.allowed.is_empty() {
                let actions: Vec<_> = permission.allowed.iter().collect();
                web.insert(route.to_owned(), json!({"authorized": true, "actions": actions}));
            }
        } else if !path.starts_with(RESPONSES) {
            data.insert(path.to_string(), permission.to_value());
        }
    }
    json!({"methods": methods, "events": events, "web": web, "data": data})
}

/// The prohibitions that [`to_mesh`] does not show, apart from what `newer` allows. A client that writes back what
/// was shown means to keep them.
pub fn hidden_prohibitions(rules: &Rules, newer: &Rules) -> Rules {
    let mut hidden = Rules::new();
    for (path, permission) in rules.iter() {
        if [EVENTS, REQUESTS, RESPONSES, WEB]
            .iter()
            .any(|folder| path.starts_with(folder))
        {
            let allowed = newer.get(path).unwrap_or_default().meaning().allowed;
            hidden.add(
                path.clone(),
                Written {
                    allowed: Words::NONE,
                    prohibited: permission.prohibited.without(allowed),
                },
            );
        }
    }
    hidden
}

#[cfg(test)]
mod tests;
