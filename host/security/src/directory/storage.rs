//! Where users and groups stand in the store (docs/protocol.md 9.2): as later generations keep them, read also as the first
//! generation kept them.
//!
//! Enters: values of the directory. Leaves: documents below [`ROOT`], and the same values again. Guarantees: what
//! belongs to a user or group is removed before its own document is, so that nobody of the same name inherits it. No
//! two permissions share a document; what both allows and prohibits an action prohibits it, before and after a
//! restart.

use super::{Group, RemovedGroup, RemovedUser, Saved, State, User};
use crate::permission::{Actions, Holder, LookupPermission, LookupTable, Permission, Rules, Words, Written};
use mesh_store::{Commit, PathPattern, Store, StoreError};
use mesh_wire::protocol::DocumentMeta;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Everything that has to do with security is below this path.
pub const ROOT: &str = mesh_store::RESERVED;
/// The secret that tokens are signed with.
pub const TOKEN_SECRET: &str = "/_SYSTEM/_SECURITY/SESSION_TOKEN_SECRET";

/// No token was issued later than what this document says.
pub const TOKENS_ISSUED: &str = "/_SYSTEM/_SECURITY/TOKENS_ISSUED";
/// Tokens that are older than what this document says belong to nobody who was made since.
const USERS_REMOVED: &str = "USERS_REMOVED";

const USER: &str = "_USER/";
const GROUP: &str = "_GROUP/";
const PERMISSIONS: &str = "_PERMISSIONS/";
const OF_USER: &str = "_USER/";
const MEMBERSHIP: &str = "/_USER_GROUP/";
const TABLE: &str = "_LOOKUP_TABLE/";
const LOOKUPS: &str = "_LOOKUP_PERMISSIONS/";
/// No group has this name: its permissions would stand where those of users do.
pub const RESERVED_GROUP: &str = "_USER";
/// Fields with a meaning. Nobody else's are called `__proto__`, which clients would take for something else.
const KNOWN: [&str; 12] = [
    "username",
    "userid",
    "name",
    "password",
    "oldPassword",
    TOKENS_VALID_FROM,
    "publicKey",
    "custom_data",
    "permissions",
    "groups",
    "_meta",
    "__proto__",
];
/// Tokens of a user that are older do not hold.
const TOKENS_VALID_FROM: &str = "_tokensValidFrom";
/// Which word of its list a permission is, from 1 on. Only lists that are not sorted say so.
const PLACE: &str = "place";
/// Stands for `*` in the path of a document.
const WILDCARD: &str = "{{w}}";

pub(super) fn read(store: &dyn Store) -> State {
    let all = format!("{ROOT}*");
    let mut found = Found::default();
    store.scan(&PathPattern::new(&all), &mut |path, document| {
        let rest = path.strip_prefix(ROOT).unwrap_or_default();
        if let Ok(Value::Object(data)) = serde_json::from_str(&document.data) {
            found.take(rest, data, document.meta);
        }
        true
    });
    found.into_state()
}

#[derive(Default)]
struct Found {
    users: BTreeMap<String, User>,
    groups: BTreeMap<String, Group>,
    memberships: Vec<(String, String, DocumentMeta)>,
    permissions: Vec<FoundPermission>,
    of_users: BTreeMap<String, Rules>,
    of_groups: BTreeMap<String, Rules>,
    lookups: BTreeMap<String, Vec<LookupPermission>>,
    tables: HashMap<String, LookupTable>,
    users_removed: u64,
}

/// A word of a list whose other words are in other documents.
struct FoundPermission {
    place: u64,
    word: String,
    of_user: bool,
    holder: String,
    path: String,
    permission: Permission,
}

impl Found {
    fn take(&mut self, path: &str, mut data: Map<String, Value>, meta: DocumentMeta) {
        if let Some(rest) = path.strip_prefix(USER) {
            match rest.split_once(MEMBERSHIP) {
                Some((user, group)) => self.memberships.push((user.to_owned(), group.to_owned(), meta)),
                None => {
                    // The folder of somebody's memberships is nobody.
                    if !rest.ends_with(MEMBERSHIP.trim_end_matches('/')) {
                        self.users.insert(rest.to_owned(), user(rest, data, meta));
                    }
                }
            }
        } else if let Some(name) = path.strip_prefix(GROUP) {
            if name == RESERVED_GROUP {
                tracing::warn!("the group {name} is left out: permissions of users are kept under this name");
                return;
            }
            if let Some(permissions) = data.remove("permissions") {
                let rules = self.of_groups.entry(name.to_owned()).or_default();
                add_all(rules, name, &first_generation(permissions));
            }
            let group = Group {
                name: name.into(),
                custom_data: data.remove("custom_data").filter(|data| !data.is_null()),
                fields: own_fields(data),
                meta,
                ..Group::default()
            };
            self.groups.insert(name.to_owned(), group);
        } else if let Some(rest) = path.strip_prefix(PERMISSIONS) {
            let (of_user, rest) = match rest.strip_prefix(OF_USER) {
                Some(rest) => (true, rest),
                None => (false, rest),
            };
            let name = rest.split('/').next().unwrap_or_default();
            let text = |key: &str| data.get(key).and_then(Value::as_str);
            let word = text("action").and_then(|word| Some((word, Actions::of_word(word)?)));
            let (Some(path), Some((word, actions))) = (text("path"), word) else {
                tracing::warn!("a permission of {name} cannot be read and is left out");
                return;
            };
            let permission = match data.get("authorized") {
                Some(Value::Bool(false)) => Permission::prohibit(actions),
                _ => Permission::allow(actions),
            };
            self.permissions.push(FoundPermission {
                place: data.get(PLACE).and_then(Value::as_u64).unwrap_or_default(),
                word: word.to_owned(),
                of_user,
                holder: name.to_owned(),
                path: path.replace(WILDCARD, "*"),
                permission,
            });
        } else if let Some(name) = path.strip_prefix(LOOKUPS) {
            let list = data.remove("permissions").unwrap_or_default();
            let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
            let readable = list
                .iter()
                .filter_map(|value| LookupPermission::from_value(value).ok());
            self.lookups.insert(name.to_owned(), readable.collect());
        } else if path == USERS_REMOVED {
            self.users_removed = data
                .get(TOKENS_VALID_FROM)
                .and_then(Value::as_u64)
                .unwrap_or_default();
        } else if let Some(name) = path.strip_prefix(TABLE)
            && let Ok((_, table)) = LookupTable::from_value(&Value::Object(data))
        {
            self.tables.insert(name.to_owned(), table);
        }
    }

    fn into_state(mut self) -> State {
        self.permissions
            .sort_by(|one, other| (one.place, &one.word).cmp(&(other.place, &other.word)));
        for found in self.permissions {
            let holders = match found.of_user {
                true => &mut self.of_users,
                false => &mut self.of_groups,
            };
            let rules = holders.entry(found.holder).or_default();
            rules.add(found.path, found.permission);
        }
        for (user, group, meta) in self.memberships {
            if let Some(user) = self.users.get_mut(&user) {
                user.groups.insert(group.into(), meta);
            }
        }
        for (name, user) in &mut self.users {
            user.rules = unambiguous(&self.of_users.remove(name).unwrap_or_default());
        }
        for (name, group) in &mut self.groups {
            group.rules = unambiguous(&self.of_groups.remove(name).unwrap_or_default());
            group.lookups = self.lookups.remove(name).unwrap_or_default();
        }
        let users = self.users.into_values();
        let groups = self.groups.into_values();
        State {
            users: users.map(|user| (user.name.clone(), Arc::new(user))).collect(),
            groups: groups
                .map(|group| (group.name.clone(), Arc::new(group)))
                .collect(),
            tables: Arc::new(self.tables),
            unkept_tables: HashMap::new(),
            users_removed: self.users_removed,
        }
    }
}

/// Permissions as the first generation kept them: with the dots of paths written another way.
fn first_generation(permissions: Value) -> Value {
    match permissions {
        Value::Object(entries) => entries
            .into_iter()
            .map(|(path, entry)| (path.replace("\\u002e", "."), entry))
            .collect(),
        other => other,
    }
}

fn add_all(rules: &mut Rules, holder: &str, permissions: &Value) {
    match Rules::from_value(permissions, Holder::Group) {
        Ok(found) => found
            .iter()
            .for_each(|(path, permission)| rules.add(path.clone(), permission)),
        Err(error) => tracing::warn!("permissions of {holder} cannot be read and are left out: {error}"),
    }
}

/// The same without what is allowed and prohibited at once: prohibitions win, and a document says one thing.
fn unambiguous(rules: &Rules) -> Rules {
    let mut clear = Rules::new();
    for (path, permission) in rules.iter() {
        let prohibited = permission.prohibited.actions();
        let allowed = permission.allowed.without(prohibited);
        clear.add(
            path.clone(),
            Written {
                allowed,
                ..permission
            },
        );
    }
    clear
}

fn user(name: &str, mut data: Map<String, Value>, meta: DocumentMeta) -> User {
    let tokens_valid_from = data.get(TOKENS_VALID_FROM).and_then(Value::as_u64);
    let mut text = |key: &str| match data.remove(key) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    User {
        name: name.into(),
        tokens_valid_from: tokens_valid_from.unwrap_or_default(),
        // Users of the first generation have none; what it was made at tells two of one name apart as well.
        id: text("userid").unwrap_or_else(|| format!("{name}-{}", meta.created)),
        password: text("password"),
        public_key: text("publicKey"),
        custom_data: data.remove("custom_data").filter(|data| !data.is_null()),
        fields: own_fields(data),
        meta,
        ..User::default()
    }
}

/// The fields that applications keep with a user or group, of all that it has. Those with a meaning are not among them.
pub fn own_fields(mut fields: Map<String, Value>) -> Map<String, Value> {
    fields.retain(|name, _| !KNOWN.contains(&name.as_str()));
    fields
}

/// Writes what differs.
pub(super) fn write_user(
    store: &dyn Store,
    before: Option<&User>,
    user: &mut User,
) -> Result<Commit, StoreError> {
    let path = format!("{ROOT}{USER}{}", user.name);
    let mut document = Value::Object(user.fields.clone());
    document["username"] = (&*user.name).into();
    document["userid"] = user.id.as_str().into();
    let optional = [
        ("password", user.password.clone().map(Value::from)),
        ("publicKey", user.public_key.clone().map(Value::from)),
        ("custom_data", user.custom_data.clone()),
        (
            TOKENS_VALID_FROM,
            (user.tokens_valid_from > 0).then(|| user.tokens_valid_from.into()),
        ),
    ];
    for (key, value) in optional {
        if let Some(value) = value {
            document[key] = value;
        }
    }
    let stored = store.set(&path, &document.to_string())?;
    user.meta = stored.document.meta;
    user.rules = unambiguous(&user.rules);
    let folder = format!("{ROOT}{PERMISSIONS}{OF_USER}{}/", user.name);
    let mut last = write_rules(store, &folder, &user.rules, stored.commit)?;
    let earlier: BTreeSet<&Arc<str>> = before.iter().flat_map(|before| before.groups.keys()).collect();
    for (group, meta) in &mut user.groups {
        if !earlier.contains(group) {
            let stored = store.set(&format!("{path}{MEMBERSHIP}{group}"), "{}")?;
            *meta = stored.document.meta;
            last = stored.commit;
        }
    }
    for group in earlier {
        if !user.groups.contains_key(group) {
            last = remove_one(store, &format!("{path}{MEMBERSHIP}{group}"))?.1;
        }
    }
    Ok(last)
}

/// Writes what differs.
pub(super) fn write_group(
    store: &dyn Store,
    before: Option<&Group>,
    group: &mut Group,
) -> Result<Commit, StoreError> {
    let path = format!("{ROOT}{GROUP}{}", group.name);
    let mut document = Value::Object(group.fields.clone());
    document["name"] = (&*group.name).into();
    if let Some(custom_data) = &group.custom_data {
        document["custom_data"] = custom_data.clone();
    }
    let stored = store.set(&path, &document.to_string())?;
    group.meta = stored.document.meta;
    group.rules = unambiguous(&group.rules);
    let folder = format!("{ROOT}{PERMISSIONS}{}/", group.name);
    let mut last = write_rules(store, &folder, &group.rules, stored.commit)?;
    let path = format!("{ROOT}{LOOKUPS}{}", group.name);
    if !group.lookups.is_empty() {
        let permissions: Vec<Value> = group.lookups.iter().map(LookupPermission::to_value).collect();
        last = store
            .set(&path, &json!({ "permissions": permissions }).to_string())?
            .commit;
    } else if before.is_some_and(|before| !before.lookups.is_empty()) {
        last = remove_one(store, &path)?.1;
    }
    Ok(last)
}

/// Makes the documents of a folder those of the rules, whatever was there. That may be as earlier hosts wrote it, or
/// nothing, where the first generation kept the rules with the group.
fn write_rules(
    store: &dyn Store,
    folder: &str,
    rules: &Rules,
    mut last: Commit,
) -> Result<Commit, StoreError> {
    let mut wanted = documents(folder, rules);
    let mut obsolete = BTreeSet::new();
    let everything = format!("{folder}*");
    store.scan(&PathPattern::new(&everything), &mut |path, document| {
        if path.starts_with(folder) {
            match wanted.get(path) {
                None => drop(obsolete.insert(path.to_owned())),
                Some(text) if **text == *document.data => drop(wanted.remove(path)),
                Some(_) => {}
            }
        }
        true
    });
    if !obsolete.is_empty() {
        let (_, commit) = store.remove(&PathPattern::new(&everything), &mut |path, _| {
            obsolete.contains(path)
        })?;
        last = commit;
    }
    for (path, text) in wanted {
        last = store.set(&path, &text)?.commit;
    }
    Ok(last)
}

/// The documents of rules, by path.
fn documents(folder: &str, rules: &Rules) -> BTreeMap<String, String> {
    let mut documents = BTreeMap::new();
    let mut add = |path: &str, words: Words, authorized: bool| {
        let is_sorted = words.is_sorted();
        for (place, action) in (1..).zip(words.iter()) {
            let mut document = json!({"action": action, "authorized": authorized, "path": path});
            if !is_sorted {
                document[PLACE] = json!(place);
            }
            documents.insert(permission_path(folder, action, path), document.to_string());
        }
    };
    for (path, permission) in rules.iter() {
        add(path, permission.allowed, true);
        add(path, permission.prohibited, false);
    }
    documents
}

/// Later generations leave the slash in front out, and would put `/a` and `a` into one document: what has none stands
/// apart.
fn permission_path(folder: &str, action: &str, path: &str) -> String {
    let (apart, path) = match path.strip_prefix('/') {
        Some(path) => ("", path),
        None => ("bare-", path),
    };
    let (action, path) = (action.replace('*', WILDCARD), path.replace('*', WILDCARD));
    format!("{folder}{apart}{action}/{path}")
}

/// Removes the document at exactly this path, whatever characters are in it.
fn remove_one(store: &dyn Store, path: &str) -> Result<(u64, Commit), StoreError> {
    store.remove(&PathPattern::new(path), &mut |found, _| found == path)
}

/// Removes the documents below a folder, whatever characters are in its name.
fn remove_below(store: &dyn Store, folder: &str) -> Result<(u64, Commit), StoreError> {
    let folder = format!("{folder}/");
    let pattern = format!("{folder}*");
    store.remove(&PathPattern::new(&pattern), &mut |found, _| {
        found.starts_with(&folder)
    })
}

/// Removes a user. `mark` stays, so that nobody of the same name takes over the tokens.
pub(super) fn remove_user(
    store: &dyn Store,
    name: &str,
    mark: u64,
) -> Result<Saved<RemovedUser>, StoreError> {
    let document = json!({ TOKENS_VALID_FROM: mark });
    store.set(&format!("{ROOT}{USERS_REMOVED}"), &document.to_string())?;
    let path = format!("{ROOT}{USER}{name}");
    remove_below(store, &format!("{ROOT}{PERMISSIONS}{OF_USER}{name}"))?;
    let (below, _) = remove_below(store, &path)?;
    let (own, commit) = remove_one(store, &path)?;
    Ok(Saved {
        value: RemovedUser { own, below },
        commit,
    })
}

/// Removes all that is said of a group in one go, so that no part of it is left when the store fails.
pub(super) fn remove_group(
    store: &dyn Store,
    name: &str,
    members: &[Arc<str>],
) -> Result<Saved<RemovedGroup>, StoreError> {
    let own = format!("{ROOT}{GROUP}{name}");
    let lookups = format!("{ROOT}{LOOKUPS}{name}");
    let folder = format!("{ROOT}{PERMISSIONS}{name}/");
    let of_members = members
        .iter()
        .map(|member| format!("{ROOT}{USER}{member}{MEMBERSHIP}{name}"));
    let memberships: BTreeSet<String> = of_members.collect();
    let mut removed = RemovedGroup::default();
    let everything = format!("{ROOT}*");
    let (_, commit) = store.remove(&PathPattern::new(&everything), &mut |path, _| {
        let count = if path == own {
            &mut removed.own
        } else if path.starts_with(&folder) {
            &mut removed.permissions
        } else if memberships.contains(path) {
            &mut removed.links
        } else {
            return path == lookups;
        };
        *count += 1;
        true
    })?;
    Ok(Saved {
        value: removed,
        commit,
    })
}

pub(super) fn write_table(store: &dyn Store, name: &str, table: &LookupTable) -> Result<Commit, StoreError> {
    let stored = store.set(
        &format!("{ROOT}{TABLE}{name}"),
        &table_value(name, table).to_string(),
    )?;
    Ok(stored.commit)
}

/// As it is stored, and shown.
pub fn table_value(name: &str, table: &LookupTable) -> Value {
    json!({"name": name, "paths": table.paths().collect::<Vec<_>>()})
}

pub(super) fn remove_table(store: &dyn Store, name: &str) -> Result<Commit, StoreError> {
    Ok(remove_one(store, &format!("{ROOT}{TABLE}{name}"))?.1)
}
