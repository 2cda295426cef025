//! The rights of users at present, and what they decide.
//!
//! Enters: who asks, an action and a path. Leaves: yes or no. Guarantees: rights are compiled when they are first needed. A
//! change of a user or a group counts for the next question. Somebody whose profile has permissions of its own has these
//! and no others, and acts for nobody else.

use super::directory::{Group, User};
use super::permission::{Access, Action, Decision, Facts, LookupPermission, Table, lookup_allows};
use super::{ADMIN, DELEGATES, POWERFUL, Security};
use mesh_session::Login;
use mesh_wire::address::{EVENTS, REQUESTS, RESPONSES};
use mesh_wire::origin::Origin;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};

/// The rights that were compiled from users and groups. They hold until one of these changes.
#[derive(Default)]
pub(super) struct Compiled {
    /// By the name of the user: the user's own, and those in sessions of profiles with permissions of their own.
    users: HashMap<Arc<str>, Vec<Arc<UserAccess>>>,
    /// Users of the same groups share the larger part.
    groups: BTreeMap<Vec<Arc<str>>, Arc<Table>>,
}

/// Why something is refused to a session of a profile with permissions of its own, as real servers say it.
pub const LIMITED: &str = "token permissions limited";

/// The rights of one user at present.
pub struct UserAccess {
    access: Access,
    lookups: Vec<LookupPermission>,
    user: Arc<User>,
    /// The profile whose permissions these are, where they are not the user's own.
    profile: Option<Arc<str>>,
}

/// Why something is not done on behalf of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotOnBehalf {
    /// The caller may not act for anybody.
    NoDelegate,
    /// There is no user of that name.
    NoSuchUser,
    /// Not for this user, or the user may not do it either.
    NotPermitted,
}

impl UserAccess {
    /// Whether nothing is denied.
    pub fn is_everything(&self) -> bool {
        self.access.is_everything()
    }

    /// The user.
    pub fn user(&self) -> &Arc<User> {
        &self.user
    }

    /// Whether these are the permissions of a profile, and not the user's own.
    pub fn is_of_profile(&self) -> bool {
        self.profile.is_some()
    }

    /// Whether the user may act on behalf of others. Acting as somebody else would lead out of the permissions of a profile.
    fn is_delegate(&self) -> bool {
        self.profile.is_none() && (self.is_everything() || self.user.groups.contains_key(DELEGATES))
    }

    fn is_powerful(&self) -> bool {
        POWERFUL.iter().any(|group| self.user.groups.contains_key(*group))
    }

    /// Whether an action is forbidden anywhere.
    pub fn prohibits(&self, action: Action) -> bool {
        self.access.prohibits(action)
    }
}

impl Security {
    /// The own rights of a user at present; `None` when there is no such user. Those of a session are
    /// [`access_of_login`](Security::access_of_login).
    pub fn access_of_user(&self, username: &str) -> Option<Arc<UserAccess>> {
        self.access_of(username, None)
    }

    /// The rights of a session at present; `None` when its user is gone. A user of the same name who was made since is somebody
    /// else.
    pub fn access_of_login(&self, login: &Login) -> Option<Arc<UserAccess>> {
        let access = self.access_of_caller(&login.origin)?;
        (*access.user.id == *login.user_id).then_some(access)
    }

    /// The rights of somebody who calls at present; `None` where nobody has logged in, or the user is gone.
    pub fn access_of_caller(&self, caller: &Origin) -> Option<Arc<UserAccess>> {
        self.access_of(caller.username()?, caller.profile())
    }

    /// The rights at present of somebody who had these; `None` when the user is gone.
    pub fn access_again(&self, known: &UserAccess) -> Option<Arc<UserAccess>> {
        let access = self.access_of(&known.user.name, known.profile.as_deref())?;
        (access.user.id == known.user.id).then_some(access)
    }

    fn access_of(&self, username: &str, profile: Option<&str>) -> Option<Arc<UserAccess>> {
        let mut compiled = self.lock_compiled();
        let known = compiled.users.get(username);
        let known = known.and_then(|known| known.iter().find(|one| one.profile.as_deref() == profile));
        if let Some(known) = known {
            return Some(known.clone());
        }
        let user = self.directory.user(username)?;
        let access = match profile {
            None => self.compile(user, &mut compiled.groups),
            Some(profile) => self.compile_of_profile(user, profile)?,
        };
        let access = Arc::new(access);
        let known = compiled.users.entry(access.user.name.clone()).or_default();
        known.push(access.clone());
        Some(access)
    }

    /// The rights of a user in sessions of a profile with permissions of its own: these, and nothing that groups allow.
    fn compile_of_profile(&self, user: Arc<User>, profile: &str) -> Option<UserAccess> {
        let rules = self.settings.profiles.permissions(profile)?;
        Some(UserAccess {
            access: Access::with_shared(Arc::default(), [], rules, &self.facts(&user)),
            lookups: Vec::new(),
            user,
            profile: Some(profile.into()),
        })
    }

    fn compile(&self, user: Arc<User>, tables: &mut BTreeMap<Vec<Arc<str>>, Arc<Table>>) -> UserAccess {
        let names: Vec<Arc<str>> = user.groups.keys().cloned().collect();
        let groups: Vec<Arc<Group>> = names
            .iter()
            .filter_map(|name| self.directory.group(name))
            .collect();
        let is_admin = groups.iter().any(|group| *group.name == *ADMIN);
        let access = if is_admin {
            Access::everything()
        } else {
            let rules = || groups.iter().map(|group| &group.rules);
            let table = tables
                .entry(names)
                .or_insert_with(|| Arc::new(Table::of_rules(rules())))
                .clone();
            Access::with_shared(table, rules(), &user.rules, &self.facts(&user))
        };
        let lookups = groups.iter().flat_map(|group| group.lookups.iter().cloned());
        UserAccess {
            access,
            lookups: lookups.collect(),
            user,
            profile: None,
        }
    }

    fn facts<'a>(&'a self, user: &'a User) -> Facts<'a> {
        Facts {
            username: &user.name,
            custom_data: user.custom_data.as_ref(),
            server_name: &self.settings.name,
        }
    }

    /// Whether somebody may do something. `path` is that of [`checked_path`](crate::permission::checked_path). A version in the name
    /// of a component is none of the permission's business.
    pub fn allows(&self, who: &UserAccess, action: Action, path: &str) -> bool {
        let path = &*without_version(path);
        match who.access.decide(action, path) {
            Decision::Allowed => true,
            Decision::Prohibited => false,
            Decision::Silent => {
                let tables = self.directory.tables();
                let facts = self.facts(&who.user);
                lookup_allows(&who.lookups, &tables, action, path, &facts)
            }
        }
    }

    /// Whether something is forbidden to somebody, whatever allows it.
    pub fn prohibits(&self, who: &UserAccess, action: Action, path: &str) -> bool {
        who.access.decide(action, &without_version(path)) == Decision::Prohibited
    }

    /// Whether somebody may ask for a path, which may be a wildcard. Where permissions are nested a part of what `/path/**`
    /// reaches is enough; what must be left out then is [`Hidden`](crate::Hidden).
    pub fn lets_ask(&self, who: &UserAccess, action: Action, path: &str) -> bool {
        self.allows(who, action, path) || self.allows_part(who, action, path)
    }

    /// Whether somebody may do something with a part of what a path reaches.
    fn allows_part(&self, who: &UserAccess, action: Action, path: &str) -> bool {
        let is_nested = self.settings.allow_nested_permissions
            && matches!(action, Action::Get | Action::On)
            && is_nested(path);
        let path = &*without_version(path);
        is_nested
            && who.access.decide(action, path) != Decision::Prohibited
            && who.access.allows_below(action, path)
    }

    /// Whether a subscription may reach more than its user may hear, although it was allowed.
    pub fn hears_in_part(&self, path: &str) -> bool {
        self.settings.allow_nested_permissions && is_nested(path)
    }

    /// The rights of a user on whose behalf another acts, when the other is entitled to that (docs/mesh-protocol.md
    /// 2.8). It is decided as the other's own request. Delegates do not become administrators that way.
    ///
    /// # Errors
    ///
    /// Why it is not done.
    pub fn on_behalf_of(
        &self,
        own: &UserAccess,
        name: &str,
        action: Action,
        path: &str,
    ) -> Result<Arc<UserAccess>, NotOnBehalf> {
        if !own.is_delegate() {
            return Err(NotOnBehalf::NoDelegate);
        }
        let other = self.access_of_user(name).ok_or(NotOnBehalf::NoSuchUser)?;
        let may = own.is_everything() || !other.is_powerful();
        if !may || !self.lets_ask(&other, action, path) {
            return Err(NotOnBehalf::NotPermitted);
        }
        Ok(other)
    }

    /// The user that somebody asks to act for. Acting for the administrator, or for oneself, is acting as oneself.
    pub fn acts_for<N: AsRef<str>>(name: Option<N>, own: &str) -> Option<N> {
        name.filter(|name| name.as_ref() != ADMIN && name.as_ref() != own)
    }

    /// To be called after users were changed, and before anybody is told so.
    pub fn users_changed<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        let mut compiled = self.lock_compiled();
        for name in names {
            compiled.users.remove(name);
        }
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// To be called after a group or a table was changed, and before anybody is told so.
    pub fn groups_changed(&self) {
        *self.lock_compiled() = Compiled::default();
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    fn lock_compiled(&self) -> MutexGuard<'_, Compiled> {
        self.compiled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a path is one of those that reach all that is below another one.
fn is_nested(path: &str) -> bool {
    let above = path.strip_suffix("**");
    above.is_some_and(|above| (above.is_empty() || above.ends_with('/')) && !above.contains('*'))
}

/// The same path without what follows an `@` in the name of the component: `/_events/D/calc@1/key` is `/_events/D/calc/key`.
fn without_version(path: &str) -> Cow<'_, str> {
    let folders = [REQUESTS, RESPONSES, EVENTS];
    let Some(folder) = folders.iter().find(|folder| path.starts_with(**folder)) else {
        return Cow::Borrowed(path);
    };
    let below = &path[folder.len()..];
    let Some(start) = below.find('/').map(|slash| folder.len() + slash + 1) else {
        return Cow::Borrowed(path);
    };
    let name = path[start..].split('/').next().unwrap_or_default();
    match name.find('@') {
        None => Cow::Borrowed(path),
        Some(at) => Cow::Owned(format!("{}{}", &path[..start + at], &path[start + name.len()..])),
    }
}

#[cfg(test)]
mod path_tests {
    use super::*;

    #[test]
    fn versions_are_no_part_of_what_is_permitted() {
        for (path, expected) in [
            (
                "/_exchange/requests/D/calc@1/add",
                "/_exchange/requests/D/calc/add",
            ),
            (
                "/_exchange/responses/D/calc@1.2.3/add/S/*",
                "/_exchange/responses/D/calc/add/S/*",
            ),
            ("/_events/D/calc@^1/a/b@c", "/_events/D/calc/a/b@c"),
            ("/_events/D/calc/a@b", "/_events/D/calc/a@b"),
            ("/_events/D@x/calc", "/_events/D@x/calc"),
            ("/_events/D", "/_events/D"),
            ("/data/D/calc@1", "/data/D/calc@1"),
        ] {
            assert_eq!(without_version(path), expected, "{path}");
        }
    }
}
