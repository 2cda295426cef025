//! Groups and memberships: made, changed, listed, deleted.
//!
//! Enters: calls of administrators, and of whom they let. Leaves: groups as they are afterwards. Guarantees: a change
//! counts when it is answered, and has happened as a whole or not at all; only administrators change what makes administrators.

use super::failure::Failure;

use super::{Request, Results, Write, shapes};
use mesh_core::mesh::Concerned;
use mesh_security::directory::{RESERVED_GROUP, RemovedGroup, Saved, own_fields};
use mesh_security::permission::{Front, Holder, Purpose, Rules, from_mesh, hidden_prohibitions};
use mesh_security::{ADMIN, GUESTS, Group, LONGEST_NAME, POWERFUL, User, has_invisible_letters};
use mesh_store::PathPattern;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::sync::Arc;

/// Names of groups must not look like a part of a path of the store.
const SPECIAL: [&str; 6] = [
    "_SYSTEM",
    "_GROUP",
    "_PERMISSION",
    "_USER_GROUP",
    "_ADMIN",
    "_ANONYMOUS",
];

impl Request<'_> {
    pub(super) async fn add_group(&self) -> Results {
        let given = self.object(0, "group")?;
        let name = group_name(given.get("name"))?;
        if self.security.directory().group(&name).is_some() {
            return Err(exists(&name));
        }
        if given.get("permissions").is_none() {
            return Err(Failure::plain(
                "Cannot convert undefined or null to object: a group needs `permissions`",
            ));
        }
        let saved = self.write_group(&name, Write::New).await?;
        Ok(vec![changed(&saved)])
    }

    pub(super) async fn upsert_group(&self, write: Write) -> Results {
        let given = self.object(0, "group")?;
        let name = match given.get("name").and_then(Value::as_str) {
            Some(name) if self.security.directory().group(name).is_some() => name.to_owned(),
            _ => group_name(given.get("name"))?,
        };
        let saved = self.write_group(&name, write).await?;
        Ok(vec![changed(&saved)])
    }

    /// Merges what is given into what there is.
    async fn write_group(&self, name: &str, write: Write) -> Result<Arc<Group>, Failure> {
        let given = self.object(0, "group")?;
        self.check_power_of(name)?;
        let rules = match given.get("permissions") {
            None | Some(Value::Null) => None,
            Some(permissions) => Some(from_mesh(
                permissions,
                self.mesh.domain(),
                Purpose::Define,
                Holder::Group,
            )?),
        };
        let saved = {
            let change = self.security.directory().change();
            let before = self.security.directory().group(name);
            if write == Write::New && before.is_some() {
                return Err(exists(name));
            }
            let mut group = before.map_or_else(
                || Group {
                    name: name.into(),
                    ..Group::default()
                },
                |before| Group::clone(&before),
            );
            if let Some(custom_data) = given.get("custom_data") {
                group.custom_data = Some(custom_data.clone()).filter(|data| !data.is_null());
            }
            group.fields.extend(own_fields(given.clone()));
            match &rules {
                Some(rules) if write == Write::Replace => {
                    let hidden = hidden_prohibitions(&group.rules, rules);
                    group.rules = rules.clone();
                    group.rules.merge(&hidden, Front::Older)?;
                }
                Some(rules) => group.rules.merge(rules, Front::Newer)?,
                None => {}
            }
            change.put_group(group).map_err(|error| self.not_kept(error))?
        };
        let mut published = with_meta(shapes::bare_group(&saved.value), &saved.value);
        published["permissions"] = rules.unwrap_or_default().to_value();
        self.group_changed("upsert-group", name, &published);
        self.kept(saved.commit).await?;
        Ok(saved.value)
    }

    pub(super) async fn change_group_permissions(&self, purpose: Purpose) -> Results {
        let name = self.name(0)?;
        self.check_power_of(&name)?;
        let permissions = self.arguments.get(1).unwrap_or(&Value::Null);
        let rules = from_mesh(permissions, self.mesh.domain(), purpose, Holder::Group)?;
        let saved = {
            let change = self.security.directory().change();
            let mut group = Group::clone(&*self.existing_group(&name)?);
            match purpose {
                Purpose::Remove => group.rules.remove(&rules),
                Purpose::Add | Purpose::Define => group.rules.merge(&rules, Front::Older)?,
            }
            change.put_group(group).map_err(|error| self.not_kept(error))?
        };
        let mut published = with_meta(shapes::bare_group(&saved.value), &saved.value);
        published["permissions"] = shapes::changed(&rules, purpose);
        self.group_changed("upsert-group", &name, &published);
        self.kept(saved.commit).await?;
        Ok(vec![changed(&saved.value)])
    }

    pub(super) async fn delete_group(&self) -> Results {
        let given = self.arguments.first().unwrap_or(&Value::Null);
        let name = self.name(0).ok().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| match given {
            Value::Object(_) => Failure::plain("invalid group name: undefined"),
            _ => Failure::plain("group is null or not an object"),
        })?;
        if POWERFUL.contains(&&*name) || name == GUESTS {
            return Err(Failure::plain(format!(
                "unable to delete a group with the reserved name: {name}"
            )));
        }
        let (group, members, saved) = {
            let change = self.security.directory().change();
            let group = self.security.directory().group(&name);
            let group = group.ok_or_else(|| Failure::plain("group you are deleting does not exist"))?;
            let members = self.security.directory().members(&name);
            (group, members, change.remove_group(&name)?)
        };
        let RemovedGroup {
            own,
            links,
            permissions,
        } = saved.value;
        let mut obj = shapes::bare_group(&group);
        obj["permissions"] = self.kept_order()(&group.rules).to_value();
        let path = shapes::link_path("*", &name);
        let folder = format!("{}_PERMISSIONS/{name}/*", mesh_security::directory::ROOT);
        let shown = json!({
            "removed": own, "obj": obj,
            "links": shapes::removed(links, &path),
            "permissions": shapes::removed(permissions, &folder),
        });
        self.audit("delete-group", &name);
        self.mesh
            .security_changed(Concerned::Members(&members), "delete-group", &shown);
        self.kept(saved.commit).await?;
        Ok(vec![shown])
    }

    pub(super) fn get_group(&self) -> Results {
        let Ok(name) = self.name(0) else {
            return Err(Failure::plain("getGroup method expects a groupName argument"));
        };
        if name.is_empty() || name.contains('*') {
            return Err(Failure::plain(format!("invalid group name: {name}")));
        }
        let group = self.security.directory().group(&name);
        let kept = self.kept_order();
        let shown = |group: Arc<Group>| shapes::group(&group, &kept(&group.rules));
        Ok(vec![group.map_or(Value::Null, shown)])
    }

    pub(super) fn list_groups(&self) -> Results {
        let pattern = self.pattern();
        let pattern = PathPattern::new(&pattern);
        let skips = self.option(1, "skipPermissions");
        let kept = self.kept_order();
        let groups = self.security.directory().groups();
        let found = groups.iter().filter(|group| pattern.matches(&group.name));
        let shown = found.map(|group| match skips {
            true => shapes::group(group, &Rules::new()),
            false => shapes::group(group, &kept(&group.rules)),
        });
        self.select(1, shown.collect())
    }

    pub(super) async fn link(&self, group: String, user: String) -> Results {
        self.check_link(&group)?;
        let saved = {
            let change = self.security.directory().change();
            let found = self.user_to_link(&user)?;
            self.check_power_over(&user)?;
            let mut changed = User::clone(&found);
            changed.groups.entry(group.as_str().into()).or_default();
            change.put_user(changed).map_err(|error| self.not_kept(error))?
        };
        let since = saved.value.groups.get(group.as_str()).copied();
        let shown = shapes::link(&user, &group, since.unwrap_or_default());
        self.linked("link-group", &saved, &shown).await?;
        Ok(vec![shown])
    }

    pub(super) async fn unlink_group(&self) -> Results {
        let (group, user) = (self.name(0)?, self.user_name(1)?);
        if self.arguments.first().is_some_and(Value::is_object) {
            // Real servers tell the permissions that came with the group.
            return self.unlink(group, user, |rules| Cow::Borrowed(rules)).await;
        }
        self.unlink(group, user, self.kept_order()).await
    }

    /// Ends a membership. The event has the permissions of the group, in the order that `shown` gives them.
    pub(super) async fn unlink(
        &self,
        group: String,
        user: String,
        shown: impl Fn(&Rules) -> Cow<'_, Rules>,
    ) -> Results {
        if POWERFUL.contains(&&*group) {
            if !self.is_admin() {
                return Err(Failure::denied("only administrators change administrators"));
            }
            if user == ADMIN {
                return Err(Failure::plain("updates to the _ADMIN user are forbidden"));
            }
        }
        let rules = shown(&self.existing_group(&group)?.rules).to_value();
        let (was, saved) = {
            let change = self.security.directory().change();
            let found = self.user_to_link(&user)?;
            self.check_power_over(&user)?;
            let mut changed = User::clone(&found);
            let was = changed.groups.remove(group.as_str()).is_some();
            (
                was,
                change.put_user(changed).map_err(|error| self.not_kept(error))?,
            )
        };
        let path = shapes::link_path(&user, &group);
        let published = json!({"path": path, "permissions": rules});
        self.linked("unlink-group", &saved, &published).await?;
        Ok(vec![shapes::removed(u64::from(was), &path)])
    }

    async fn linked(&self, what: &str, saved: &Saved<Arc<User>>, published: &Value) -> Result<(), Failure> {
        let name = saved.value.name.clone();
        self.audit(what, published["path"].as_str().unwrap_or(&name));
        self.mesh
            .security_changed(Concerned::Users(&[name]), what, published);
        self.kept(saved.commit).await
    }

    pub(super) async fn associate_groups(&self) -> Results {
        let user = self.user_name(0)?;
        for group in self.names(1)? {
            self.link(group, user.clone()).await?;
        }
        for group in self.names(2)? {
            self.unlink(group, user.clone(), self.kept_order()).await?;
        }
        Ok(vec![])
    }

    pub(super) async fn unlink_groups(&self) -> Results {
        let user = self.user_name(1)?;
        for group in self.names(0)? {
            self.unlink(group, user.clone(), self.kept_order()).await?;
        }
        Ok(vec![])
    }

    /// Names in a list, which may hold objects; none where there is no list.
    fn names(&self, position: usize) -> Result<Vec<String>, Failure> {
        let list = match self.arguments.get(position) {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(list) => list.as_array().map_or(std::slice::from_ref(list), Vec::as_slice),
        };
        let names = list.iter().map(|item| {
            let name = item.get("name").unwrap_or(item).as_str();
            name.map(str::to_owned)
                .ok_or_else(|| Failure::plain("a group must be a name, or an object with one"))
        });
        names.collect()
    }

    fn user_to_link(&self, name: &str) -> Result<Arc<User>, Failure> {
        let user = self.security.directory().user(name);
        // A caller that passes a text has not got the user from here.
        let by_name = self.arguments.iter().skip(1).any(Value::is_string);
        user.ok_or_else(|| match by_name {
            true => Failure::plain(format!("user with name {name} does not exist")),
            false => Failure::plain("validation error: user does not exist or has not been saved"),
        })
    }

    /// A group that must exist.
    pub(super) fn existing_group(&self, name: &str) -> Result<Arc<Group>, Failure> {
        let group = self.security.directory().group(name);
        group.ok_or_else(|| Failure::plain(format!("group with name {name} does not exist")))
    }

    /// Only administrators change what makes administrators.
    fn check_power_of(&self, name: &str) -> Result<(), Failure> {
        if POWERFUL.contains(&name) && !self.is_admin() {
            return Err(Failure::denied("only administrators change administrators"));
        }
        Ok(())
    }

    /// Lets a changed group count for its members.
    fn group_changed(&self, what: &str, name: &str, data: &Value) {
        self.audit(what, name);
        let members = self.security.directory().members(name);
        self.mesh
            .security_changed(Concerned::Members(&members), what, data);
    }
}

/// A group that was just changed, with actions in the order in which they were given.
fn changed(group: &Group) -> Value {
    with_meta(shapes::group(group, &group.rules), group)
}

fn with_meta(mut shown: Value, group: &Group) -> Value {
    shown["_meta"] = shapes::meta(&shapes::group_path(&group.name), group.meta);
    shown
}

/// The name of a new group.
fn group_name(given: Option<&Value>) -> Result<String, Failure> {
    let name = given.and_then(Value::as_str).unwrap_or_default();
    if name.is_empty() {
        return Err(Failure::validation("validation error: groups need a name"));
    }
    let is_special = name
        .split('/')
        .any(|segment| SPECIAL.iter().any(|special| segment.contains(special)));
    if is_special || name.contains('/') {
        return Err(Failure::validation(
            "validation error: group names cannot contain the special _SYSTEM, _GROUP, _PERMISSION, _USER_GROUP, _ADMIN, _ANONYMOUS segment or a forward slash /",
        ));
    }
    if name == RESERVED_GROUP {
        return Err(Failure::validation(
            "validation error: the group name _USER is reserved",
        ));
    }
    if name.len() > LONGEST_NAME || name.contains('*') || has_invisible_letters(name) {
        return Err(Failure::validation(format!(
            "validation error: group names have at most {LONGEST_NAME} bytes, cannot contain *, control characters or invisible \
             ones, and cannot begin or end with white space"
        )));
    }
    Ok(name.to_owned())
}

fn exists(name: &str) -> Failure {
    Failure::plain(format!(
        "validation failure: group by the name {name} already exists"
    ))
}
