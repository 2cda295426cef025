//! Users: made, changed, listed, deleted.
//!
//! Enters: users as clients write them. Leaves: users without passwords and hashes. Guarantees: a change counts when it is
//! answered; only administrators make administrators, and nobody changes the one of the configuration.

use super::failure::Failure;
use super::{Request, Results, Write, shapes};
use mesh_core::gate::change_own;
use mesh_core::mesh::Concerned;
use mesh_security::directory::{RemovedUser, Saved, own_fields};
use mesh_security::permission::{Front, Holder, Purpose, from_mesh};
use mesh_security::{ADMIN, ANONYMOUS, GUESTS, LONGEST_NAME, POWERFUL, User, is_username};
use mesh_store::PathPattern;
use mesh_wire::protocol::DocumentMeta;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Request<'_> {
    pub(super) async fn add_user(&self) -> Results {
        let given = self.object(0, "user")?;
        let name = self.username(given)?;
        if self.security.directory().user(&name).is_some() {
            return Err(exists(&name));
        }
        let (_, shown) = self.write_user(given, &name, Write::New, &[]).await?;
        Ok(vec![shown])
    }

    pub(super) async fn update_user(&self) -> Results {
        let given = self.object(0, "user")?;
        let name = self.username(given)?;
        let (_, shown) = self.write_user(given, &name, Write::Merge, &[]).await?;
        Ok(vec![shown])
    }

    pub(super) async fn upsert_user(&self) -> Results {
        let given = self.object(0, "user")?;
        let write = Write::replacing_if(self.option(1, "overwriteMemberships"));
        let groups = memberships_of(given)?;
        let (saved, _) = self
            .write_user(given, &self.username(given)?, write, &groups)
            .await?;
        Ok(vec![shapes::whole_user(&saved, &self.kept_order()(&saved.rules))])
    }

    /// Merges what is given into what there is. Returns the user, and what is told of it: with the permissions that were given.
    async fn write_user(
        &self,
        given: &Map<String, Value>,
        name: &str,
        write: Write,
        groups: &[Membership],
    ) -> Result<(Arc<User>, Value), Failure> {
        if name == ADMIN {
            return Err(Failure::plain("updates to the _ADMIN user are forbidden"));
        }
        self.check_power_over(name)?;
        let text = |key: &str| match given.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
            Some(_) => Err(Failure::plain(format!(
                "validation failure: {key} must be a text"
            ))),
        };
        let (password, public_key) = (text("password")?, text("publicKey")?);
        let rules = match given.get("permissions") {
            None | Some(Value::Null) => None,
            Some(permissions) => Some(self.rules_of(permissions)?),
        };
        for membership in groups.iter().filter(|membership| membership.is_linked) {
            self.check_link(&membership.group)?;
        }
        let hash = match password {
            Some(password) => Some(self.security.hash(self.caller.shown(), password).await?),
            None => None,
        };
        let has_new_password = hash.is_some();
        let (earlier, saved) = {
            let change = self.security.directory().change();
            // The user may have become an administrator while the password was hashed.
            self.check_power_over(name)?;
            for membership in groups.iter().filter(|membership| membership.is_linked) {
                self.check_link(&membership.group)?;
            }
            let before = self.security.directory().user(name);
            if write == Write::New && before.is_some() {
                return Err(exists(name));
            }
            let mut user = match &before {
                Some(before) => User::clone(before),
                None if hash.is_none() && public_key.is_none() => {
                    return Err(Failure::plain(
                        "validation failure: no password or publicKey specified for a new user",
                    ));
                }
                None => User {
                    name: name.into(),
                    id: uuid::Uuid::new_v4().to_string(),
                    groups: BTreeMap::from([(GUESTS.into(), Default::default())]),
                    ..User::default()
                },
            };
            if before.is_some() && (has_new_password || public_key.is_some()) {
                user.tokens_valid_from = self.security.tokens_valid_from_now();
            }
            user.password = hash.or(user.password);
            user.public_key = public_key.or(user.public_key);
            if let Some(custom_data) = given.get("custom_data") {
                user.custom_data = Some(custom_data.clone()).filter(|data| !data.is_null());
            }
            user.fields.extend(own_fields(given.clone()));
            if let Some(rules) = &rules {
                user.rules.merge(rules, Front::Newer)?;
            }
            if write == Write::Replace {
                let listed = |group: &str| {
                    let mut linked = groups.iter().filter(|membership| membership.is_linked);
                    linked.any(|membership| membership.group == group)
                };
                user.groups.retain(|group, _| listed(group));
            }
            for Membership { group, is_linked } in groups {
                match is_linked {
                    true => drop(user.groups.entry(group.as_str().into()).or_default()),
                    false => drop(user.groups.remove(group.as_str())),
                }
            }
            let earlier = before.map(|before| before.groups.clone()).unwrap_or_default();
            (
                earlier,
                change.put_user(user).map_err(|error| self.not_kept(error))?,
            )
        };
        let mut published = shapes::user(&saved.value);
        published["permissions"] = rules.unwrap_or_default().to_value();
        published["_meta"] = shapes::meta(&shapes::user_path(name), saved.value.meta);
        self.user_changed(&saved, &earlier, &published);
        if has_new_password && write != Write::New {
            let by = self.caller.shown();
            tracing::info!(target: "audit", event = "password", user = name, by, "password set");
        }
        self.kept(saved.commit).await?;
        Ok((saved.value, published))
    }

    /// Lets a changed user count. A new password from an administrator is good for a login.
    fn user_changed(
        &self,
        saved: &Saved<Arc<User>>,
        earlier: &BTreeMap<Arc<str>, DocumentMeta>,
        published: &Value,
    ) {
        let user = &saved.value;
        let name = user.name.clone();
        self.audit("upsert-user", &name);
        let concerned = [name];
        let tell = |what: &str, published: &Value| {
            self.mesh
                .security_changed(Concerned::Users(&concerned), what, published);
        };
        let mut whole = published.clone();
        whole["groups"] = shapes::groups_of(user);
        tell("upsert-user", &whole);
        for (group, since) in user
            .groups
            .iter()
            .filter(|(group, _)| !earlier.contains_key(*group))
        {
            tell("link-group", &shapes::link(&user.name, group, *since));
        }
        for group in earlier.keys().filter(|group| !user.groups.contains_key(*group)) {
            let rules = self.security.directory().group(group);
            let rules = rules
                .map(|group| group.rules.to_value())
                .unwrap_or_else(|| json!({}));
            let path = shapes::link_path(&user.name, group);
            tell("unlink-group", &json!({"path": path, "permissions": rules}));
        }
    }

    /// Only the password: templates of permissions read `custom_data`, which is for others to give.
    pub(super) async fn update_own_user(&self) -> Results {
        let given = self.object(0, "user")?;
        let name = self.username(given)?;
        if self.caller.username() != Some(name.as_str()) {
            return Err(Failure::plain("attempt to update someone else's user details"));
        }
        let text = |key: &str| given.get(key).and_then(Value::as_str).map(str::to_owned);
        if let Some(password) = text("password") {
            let old = text("oldPassword").ok_or_else(|| Failure::plain("missing oldPassword parameter"))?;
            let changed = change_own(self.mesh, &name, old, password).await;
            changed.map_err(|error| match error.message() {
                "Invalid old password" => Failure::plain("old password incorrect"),
                _ => error.into(),
            })?;
        }
        Ok(vec![shapes::user(&*self.existing_user(&name)?)])
    }

    pub(super) async fn change_password(&self) -> Results {
        let text = |position: usize| self.arguments.get(position).and_then(Value::as_str);
        let (Some(old), Some(new)) = (text(0), text(1)) else {
            return Err(Failure::plain("Bad Password Arguments"));
        };
        let caller = self
            .caller
            .username()
            .ok_or_else(|| Failure::plain("only users have passwords"))?;
        change_own(self.mesh, caller, old.to_owned(), new.to_owned()).await?;
        Ok(vec![Value::Null])
    }

    pub(super) async fn delete_user(&self) -> Results {
        let name = self
            .user_name(0)
            .ok()
            .filter(|name| !name.is_empty())
            .ok_or_else(|| Failure::plain("user is null or not an object"))?;
        if [ADMIN, ANONYMOUS].contains(&&*name) {
            return Err(Failure::plain(format!(
                "unable to delete a user with the reserved name: {name}"
            )));
        }
        self.check_power_over(&name)?;
        let saved = {
            let change = self.security.directory().change();
            self.check_power_over(&name)?;
            change.remove_user(&name, self.security.tokens_valid_from_now())
        };
        let saved = saved.map_err(|error| {
            self.end_sessions_of(&name);
            self.not_kept(error)
        })?;
        let RemovedUser { own, below: tree } = saved.value;
        let path = shapes::user_path(&name);
        // Documents below it are counted with it, as real servers do.
        let shown = json!({
            "obj": shapes::removed(own, &path),
            "tree": shapes::removed(tree, &format!("{path}/*")),
        });
        self.audit("delete-user", &name);
        let ended: Arc<str> = name.as_str().into();
        self.mesh
            .security_changed(Concerned::Users(&[ended]), "delete-user", &shown);
        self.end_sessions_of(&name);
        self.kept(saved.commit).await?;
        Ok(vec![shown])
    }

    fn end_sessions_of(&self, name: &str) {
        let reason = "security directory update: user deleted";
        self.mesh
            .end_sessions(reason, |_, login| *login.username == *name);
    }

    pub(super) fn get_user(&self) -> Results {
        let Ok(name) = self.name(0) else {
            return Err(Failure::plain("getUser method expects a userName argument"));
        };
        let with_groups = self
            .arguments
            .get(1)
            .and_then(|options| options.get("includeGroups"))
            .is_none_or(super::is_truthy);
        let user = self.security.directory().user(&name);
        Ok(vec![user.map_or(Value::Null, |user| {
            let mut shown = shapes::whole_user(&user, &self.kept_order()(&user.rules));
            if let (Value::Object(fields), false) = (&mut shown, with_groups) {
                fields.remove("groups");
            }
            shown
        })])
    }

    pub(super) fn list_users(&self) -> Results {
        let names = self.security.settings().names;
        let pattern = self.pattern();
        let pattern = names.canonical(&pattern);
        let pattern = PathPattern::new(&pattern);
        let users = self.security.directory().users();
        let found = users
            .iter()
            .filter(|user| pattern.matches(&names.canonical(&user.name)));
        self.select(1, found.map(|user| shapes::user(user)).collect())
    }

    pub(super) fn list_users_by_group(&self) -> Results {
        let users = self.members()?;
        self.select(1, users.iter().map(|user| shapes::user(user)).collect())
    }

    pub(super) fn list_user_names_by_group(&self) -> Results {
        let users = self.members()?;
        let names: Vec<&str> = users.iter().map(|user| &*user.name).collect();
        Ok(vec![json!(names)])
    }

    fn members(&self) -> Result<Vec<Arc<User>>, Failure> {
        let group = self.group_asked_for()?;
        let names = self.security.directory().members(&group);
        let users = names
            .iter()
            .filter_map(|name| self.security.directory().user(name));
        Ok(users.collect())
    }

    pub(super) async fn change_user_permissions(&self, purpose: Purpose) -> Results {
        let name = self.user_name(0)?;
        self.check_power_over(&name)?;
        let permissions = self.arguments.get(1).unwrap_or(&Value::Null);
        let rules = from_mesh(permissions, self.mesh.domain(), purpose, Holder::User)?;
        let saved = {
            let change = self.security.directory().change();
            self.check_power_over(&name)?;
            let mut user = User::clone(&*self.existing_user(&name)?);
            match purpose {
                Purpose::Remove => user.rules.remove(&rules),
                Purpose::Add | Purpose::Define => user.rules.merge(&rules, Front::Older)?,
            }
            change.put_user(user).map_err(|error| self.not_kept(error))?
        };
        let mut published = shapes::user(&saved.value);
        published["permissions"] = shapes::changed(&rules, purpose);
        published["groups"] = shapes::groups_of(&saved.value);
        self.audit("user permissions", &name);
        self.mesh.security_changed(
            Concerned::Users(std::slice::from_ref(&saved.value.name)),
            "upsert-user",
            &published,
        );
        self.kept(saved.commit).await?;
        Ok(vec![published])
    }

    fn rules_of(&self, permissions: &Value) -> Result<mesh_security::permission::Rules, Failure> {
        Ok(from_mesh(
            permissions,
            self.mesh.domain(),
            Purpose::Define,
            Holder::User,
        )?)
    }

    /// The name of a user that is given, as it is kept.
    fn username(&self, given: &Map<String, Value>) -> Result<String, Failure> {
        let name = given.get("username").and_then(Value::as_str).unwrap_or_default();
        let directory = self.security.directory();
        // A user whose name only other or earlier hosts allow can still be changed.
        match directory.user(name) {
            Some(user) if name != ANONYMOUS => Ok(user.name.to_string()),
            Some(_) | None => {
                check_username(name)?;
                if self.security.settings().names.is_reserved_look_alike(name) {
                    return Err(Failure::validation(
                        "validation error: this username is one that the host itself uses, in other letters",
                    ));
                }
                Ok(directory.name_of(name))
            }
        }
    }

    /// A user who must exist.
    pub(super) fn existing_user(&self, name: &str) -> Result<Arc<User>, Failure> {
        let user = self.security.directory().user(name);
        user.ok_or_else(|| Failure::plain(format!("User {name} does not exist in the system")))
    }

    /// Only administrators change what administrators are.
    pub(super) fn check_power_over(&self, name: &str) -> Result<(), Failure> {
        let user = self.security.directory().user(name);
        let is_powerful =
            user.is_some_and(|user| POWERFUL.iter().any(|group| user.groups.contains_key(*group)));
        if is_powerful && !self.is_admin() {
            return Err(Failure::denied("only administrators change administrators"));
        }
        Ok(())
    }

    /// Whether the caller may make somebody a member of a group.
    pub(super) fn check_link(&self, group: &str) -> Result<(), Failure> {
        if self.security.directory().group(group).is_none() {
            return Err(Failure::plain(format!("group with name {group} does not exist")));
        }
        if POWERFUL.contains(&group) && !self.is_admin() {
            return Err(Failure::denied("only administrators make administrators"));
        }
        Ok(())
    }
}

/// Whether somebody may have this name.
fn check_username(name: &str) -> Result<(), Failure> {
    if name.is_empty() {
        return Err(Failure::plain("validation failure: no username specified"));
    }
    if name.contains(":nogroups") {
        let message = "validation failure: username cannot contain the ':nogroups' directive";
        return Err(Failure::plain(message));
    }
    if name == ANONYMOUS {
        let message = "validation failure: username cannot be reserved name _ANONYMOUS";
        return Err(Failure::plain(message));
    }
    if name != ADMIN && !is_username(name) {
        return Err(Failure::validation(format!(
            "validation error: usernames have at most {LONGEST_NAME} bytes, cannot contain a forward slash /, *, control \
             characters or invisible ones, and cannot begin or end with white space"
        )));
    }
    Ok(())
}

/// A statement about one group of a user.
struct Membership {
    group: String,
    /// The user is to be in it; otherwise it is not to be.
    is_linked: bool,
}

/// The statements about the groups of a user.
fn memberships_of(given: &Map<String, Value>) -> Result<Vec<Membership>, Failure> {
    match given.get("groups") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Object(groups)) => {
            let groups = groups.iter().map(|(group, linked)| Membership {
                group: group.clone(),
                is_linked: super::is_truthy(linked),
            });
            Ok(groups.collect())
        }
        Some(_) => Err(Failure::plain("validation failure: groups must be an object")),
    }
}

fn exists(name: &str) -> Failure {
    Failure::plain(format!(
        "validation failure: user by the name {name} already exists"
    ))
}
