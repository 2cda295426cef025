//! Users and groups as results show them (docs/mesh-protocol.md 7.4), and the lists that are asked for with criteria.
//!
//! Enters: values of the directory. Leaves: JSON without hashes. Guarantees: a list is what its criteria, order and
//! limits ask for, by the rules of `get`.

use super::failure::Failure;
use super::{Request, Results, is_truthy};
use mesh_security::directory::ROOT;
use mesh_security::permission::{Purpose, Rules, to_mesh};
use mesh_security::{Group, User};
use mesh_store::Document;
use mesh_wire::protocol::{Dialect, DocumentMeta};
use mesh_wire::query::Query;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// Where the document of a user is said to be.
pub(super) fn user_path(name: &str) -> String {
    format!("{ROOT}_USER/{name}")
}

/// Where the document of a group is said to be.
pub(super) fn group_path(name: &str) -> String {
    format!("{ROOT}_GROUP/{name}")
}

/// Where a membership is said to be.
pub(super) fn link_path(user: &str, group: &str) -> String {
    format!("{}/_USER_GROUP/{group}", user_path(user))
}

/// A membership, as those who listen and those who ask learn of it.
pub(super) fn link(user: &str, group: &str, since: DocumentMeta) -> Value {
    let mut shown = meta(&link_path(user, group), since);
    if let Value::Object(fields) = &mut shown {
        fields.remove("_id");
    }
    json!({ "_meta": shown })
}

/// `_meta` of a document.
pub(super) fn meta(path: &str, meta: DocumentMeta) -> Value {
    json!({"created": meta.created, "modified": meta.modified, "path": path, "_id": path})
}

/// The public fields of a user.
pub(super) fn user(user: &User) -> Value {
    let mut shown = Value::Object(user.fields.clone());
    shown["username"] = (&*user.name).into();
    shown["userid"] = user.id.as_str().into();
    if let Some(custom_data) = &user.custom_data {
        shown["custom_data"] = custom_data.clone();
    }
    if let Some(public_key) = &user.public_key {
        shown["publicKey"] = public_key.as_str().into();
    }
    shown
}

/// The same with groups and permissions, which are the user's in the order that is wanted.
pub(super) fn whole_user(of: &User, rules: &Rules) -> Value {
    let mut shown = user(of);
    shown["permissions"] = to_mesh(rules);
    shown["groups"] = groups_of(of);
    shown
}

/// The memberships of a user.
pub(super) fn groups_of(of: &User) -> Value {
    let groups = of.groups.iter().map(|(group, since)| {
        let link = link_path(&of.name, group);
        (
            group.to_string(),
            json!({"data": {}, "_meta": meta(&link, *since)}),
        )
    });
    Value::Object(groups.collect())
}

/// A group with its permissions in the form of the mesh, in the order that is wanted.
pub(super) fn group(group: &Group, rules: &Rules) -> Value {
    let mut shown = bare_group(group);
    shown["permissions"] = to_mesh(rules);
    shown
}

/// A group without its permissions.
pub(super) fn bare_group(group: &Group) -> Value {
    let mut shown = Value::Object(group.fields.clone());
    shown["name"] = (&*group.name).into();
    if let Some(custom_data) = &group.custom_data {
        shown["custom_data"] = custom_data.clone();
    }
    shown
}

/// Permissions that were changed, as events tell of them.
pub(super) fn changed(rules: &Rules, purpose: Purpose) -> Value {
    let mut shown = rules.to_value();
    if let (Value::Object(entries), Purpose::Add | Purpose::Remove) = (&mut shown, purpose) {
        let removed = purpose == Purpose::Remove;
        entries
            .values_mut()
            .for_each(|entry| entry["remove"] = removed.into());
    }
    shown
}

/// How many documents were removed.
pub(super) fn removed(count: u64, path: &str) -> Value {
    json!({"data": {"removed": count}, "_meta": {"timestamp": mesh_store::now(), "path": path}})
}

impl Request<'_> {
    /// Permissions as those who ask for them see them. Some expect lists of actions as they were given, others
    /// each action by itself, sorted.
    pub(super) fn kept_order(&self) -> impl for<'r> Fn(&'r Rules) -> Cow<'r, Rules> {
        let keeps_lists = self.mesh.dialect_of(&self.origin).keeps_order_of_permissions();
        move |rules| match keeps_lists {
            true => Cow::Borrowed(rules),
            false => Cow::Owned(rules.sorted()),
        }
    }

    /// Whether a name is asked for: the pattern gets a star at its end where it has none.
    pub(super) fn pattern(&self) -> String {
        let pattern = match self.arguments.first() {
            None | Some(Value::Null) => "*".to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        match pattern.ends_with('*') {
            true => pattern,
            false => format!("{pattern}*"),
        }
    }

    /// The part of a list that the options at a position ask for: `criteria`, `sort`, `skip`, `limit`, `count`.
    pub(super) fn select(&self, position: usize, all: Vec<Value>) -> Results {
        let options = self.arguments.get(position).and_then(Value::as_object);
        let Some(options) = options.filter(|options| !options.is_empty()) else {
            return Ok(vec![Value::Array(all)]);
        };
        let mut query = Map::new();
        if let Some(criteria) = options.get("criteria") {
            query.insert("criteria".to_owned(), criteria.clone());
        }
        let arrangement = ["sort", "skip", "limit"].into_iter().filter_map(|key| {
            let value = options.get(key)?;
            Some((key.to_owned(), value.clone()))
        });
        query.insert("options".to_owned(), Value::Object(arrangement.collect()));
        let found = chosen(&query, all)?;
        if options.get("count").is_some_and(is_truthy) {
            return Ok(vec![json!({ "value": found.len() })]);
        }
        Ok(vec![Value::Array(found)])
    }

    /// The elements of a list that fulfil the criteria at a position.
    pub(super) fn filter(&self, position: usize, all: Vec<Value>) -> Results {
        match self.arguments.get(position) {
            Some(Value::Object(criteria)) if !criteria.is_empty() => {
                let query = Map::from_iter([("criteria".to_owned(), Value::Object(criteria.clone()))]);
                Ok(vec![Value::Array(chosen(&query, all)?)])
            }
            _ => Ok(vec![Value::Array(all)]),
        }
    }
}

fn chosen(query: &Map<String, Value>, all: Vec<Value>) -> Result<Vec<Value>, Failure> {
    let text = serde_json::to_string(query).unwrap_or_default();
    let raw: Option<&RawValue> = serde_json::from_str(&text).ok();
    let query =
        Query::read(raw, Dialect::OF_COMPONENTS).map_err(|error| Failure::plain(error.to_string()))?;
    let mut found = Vec::new();
    for (position, value) in all.iter().enumerate() {
        let document = Document {
            data: value.to_string().into(),
            meta: DocumentMeta::default(),
            modified_by: None,
        };
        found.extend(query.select(format!("{position:09}").into(), document));
    }
    query.arrange(&mut found);
    let places = found.iter().filter_map(|found| found.path.parse::<usize>().ok());
    Ok(places.filter_map(|place| all.get(place).cloned()).collect())
}
