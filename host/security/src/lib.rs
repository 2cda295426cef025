//! Secure mode: who may log in, who is who, and who may do what (docs/protocol.md 9, docs/mesh-protocol.md 7); and the
//! certificates of TLS ([`tls`]).
//!
//! Enters: credentials, tokens, requests with their paths, changes to users and groups, certificate files. Leaves: logins,
//! decisions (allowed, or denied and why), and the identity that TLS connections show.
//!
//! Guarantees:
//! - Nothing is allowed that no permission names, and a prohibition outweighs every permission.
//! - A change counts for the next request of everybody whom it concerns.
//! - Passwords are hashed on threads of their own, in fair turns, so guessing keeps nobody else out.
//! - No password, hash, secret or token is in a log, an error or a listing.

#![forbid(unsafe_code)]

mod accounts;
mod activity;
mod admission;
mod audited;
mod credentials;
mod denied;
pub mod digest;
pub mod directory;
#[cfg(test)]
mod full_disk;
mod hidden;
mod issued;
mod local;
pub mod lockout;
mod metrics;
mod names;
pub mod nonce;
pub mod password;
pub mod passwords;
pub mod permission;
mod principal;
mod profiles;
mod provider;
mod providers;
mod random;
mod recent;
mod refusals;
mod revocations;
mod setup;
#[cfg(test)]
mod tests;
pub mod tls;
pub mod token;
mod turns;
mod usages;

pub use accounts::Accepted;
pub use activity::{Activity, Switch};
pub use audited::{Asking, Audited};
pub use credentials::{Client, Credentials, Info, Offer};
pub use denied::Denied;
pub use directory::{Directory, Group, User};
pub use hidden::{Extent, Hidden};
pub use names::{LONGEST_NAME, Names, has_invisible_letters, is_username};
pub use passwords::{HashError, Passwords};
pub use principal::WebPrincipal;
pub use profiles::{ProfileError, Profiles};
pub use provider::{Answer, Answering, Person, Provider, Question};
pub use providers::{Assignment, Checker, HOST, OTHERS, Providers};
pub use revocations::{Revocation, RevokedToken};
pub use setup::{Administrator, OpenError, Settings};
pub use token::TokenKind;

use lockout::Lockout;
use mesh_store::{Commit, StoreError, now};
use mesh_wire::address::{EVENTS, REQUESTS, RESPONSES};
use nonce::Nonces;
use permission::{Access, Action, Decision, Facts, LookupPermission, Table, lookup_allows};
use revocations::Revocations;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use token::Tokens;
use usages::Usages;

/// The administrator: may do everything.
pub const ADMIN: &str = "_ADMIN";
/// The name of users who log in without being known.
pub const ANONYMOUS: &str = "_ANONYMOUS";
/// The group that every user is a member of.
pub const GUESTS: &str = "_MESH_GST";
/// Members may act on behalf of others.
pub const DELEGATES: &str = "_MESH_DELEGATE";
/// Members may use all of the mesh.
pub const MESH_ADMINS: &str = "_MESH_ADM";
/// Groups that make their members administrators of something.
pub const POWERFUL: [&str; 3] = [ADMIN, MESH_ADMINS, DELEGATES];

/// How often revocations are looked through.
const TIDYING: Duration = Duration::from_secs(60);

/// The security of one mesh.
pub struct Security {
    settings: Settings,
    directory: Directory,
    passwords: Passwords,
    tokens: Tokens,
    nonces: Nonces,
    lockout: Lockout,
    refusals: refusals::Refusals,
    revocations: Revocations,
    usages: Usages,
    issued: issued::Issued,
    /// Who checks passwords, where that is not the host alone.
    providers: OnceLock<Providers>,
    /// When revocations that have no use any more were forgotten last.
    tidied: Mutex<Option<Instant>>,
    activity: Activity,
    /// Counts changes of users and groups. It is remembered together with each decision.
    generation: AtomicU64,
    compiled: Mutex<Compiled>,
    /// Users who are changing their password.
    changing: Mutex<HashSet<Arc<str>>>,
}

/// The rights that were compiled from users and groups. They hold until one of these changes.
#[derive(Default)]
struct Compiled {
    users: HashMap<Arc<str>, Arc<UserAccess>>,
    /// Users of the same groups share the larger part.
    groups: BTreeMap<Vec<Arc<str>>, Arc<Table>>,
}

/// The rights of one user at present.
pub struct UserAccess {
    access: Access,
    lookups: Vec<LookupPermission>,
    user: Arc<User>,
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

    /// Whether the user may act on behalf of others.
    fn is_delegate(&self) -> bool {
        self.is_everything() || self.user.groups.contains_key(DELEGATES)
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
    /// The parts that it was made of.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Users and groups.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The events for administrators.
    pub fn activity(&self) -> &Activity {
        &self.activity
    }

    /// Counts changes of users and groups.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The rights of a user at present; `None` when there is no such user.
    pub fn access_of(&self, username: &str) -> Option<Arc<UserAccess>> {
        let mut compiled = self.lock_compiled();
        if let Some(known) = compiled.users.get(username) {
            return Some(known.clone());
        }
        let user = self.directory.user(username)?;
        let access = Arc::new(self.compile(user, &mut compiled.groups));
        compiled.users.insert(access.user.name.clone(), access.clone());
        Some(access)
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
        }
    }

    fn facts<'a>(&'a self, user: &'a User) -> Facts<'a> {
        Facts {
            username: &user.name,
            custom_data: user.custom_data.as_ref(),
            server_name: &self.settings.name,
        }
    }

    /// Whether somebody may do something. `path` is that of [`permission::checked_path`]; a version in the name of a component
    /// is none of the permission's business.
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
    /// reaches is enough; what must be left out then is [`Hidden`].
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
        let other = self.access_of(name).ok_or(NotOnBehalf::NoSuchUser)?;
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

    /// A number to be signed by the owner of a key.
    pub fn nonce(&self, public_key: &str) -> Option<String> {
        if public_key.len() > digest::LONGEST_PUBLIC_KEY {
            return None;
        }
        Some(self.nonces.issue(public_key, Instant::now()).to_base64())
    }

    /// Takes a session's tokens away from it. With its `token` that is forgotten when the token ends.
    ///
    /// # Errors
    ///
    /// When the store cannot write; the session is revoked all the same, until the host stops.
    pub fn revoke(&self, session_id: &str, token: Option<&str>, reason: &str) -> Result<Commit, StoreError> {
        let claims = token.and_then(|token| self.tokens.read(token).ok());
        let token = claims.map(|claims| RevokedToken {
            issued: claims.issued(),
            username: claims.username,
            userid: claims.userid,
            expires: claims.expires,
        });
        let outcome = self.revocations.revoke(session_id, reason, token);
        self.generation.fetch_add(1, Ordering::AcqRel);
        outcome
    }

    /// Forgets revocations of tokens that do not hold without it either. To be called about once a second; does so once a
    /// minute. `connected` says which sessions there are, and whose tokens they were logged in with. Those of the first
    /// generation stay connected when they are revoked, and would be let in again.
    pub fn tidy(&self, now: Instant, connected: impl FnOnce() -> HashSet<Box<str>>) {
        let mut tidied = self.tidied.lock().unwrap_or_else(PoisonError::into_inner);
        if tidied.is_some_and(|last| now.saturating_duration_since(last) < TIDYING) {
            return;
        }
        *tidied = Some(now);
        drop(tidied);
        let connected = connected();
        let forgotten = self
            .revocations
            .forget(|id, token| !connected.contains(id) && self.is_over(token));
        if let Err(error) = forgotten {
            tracing::debug!("revocations are kept longer than needed: {error}");
        }
    }

    /// Whether a token does not hold any more, revoked or not: nothing of this is ever withdrawn.
    fn is_over(&self, token: &RevokedToken) -> bool {
        let valid_from = match self.directory.user(&token.username) {
            Some(user) if self.settings.lock_token_to_user && user.id != token.userid => return true,
            Some(user) => user.tokens_valid_from,
            None => self.directory.newcomers_valid_from(),
        };
        token.issued < valid_from || token.expires.is_some_and(|expires| expires <= now())
    }

    /// Gives a session its tokens back.
    ///
    /// # Errors
    ///
    /// When the store cannot write.
    pub fn restore(&self, session_id: &str) -> Result<Commit, StoreError> {
        let commit = self.revocations.restore(session_id)?;
        self.generation.fetch_add(1, Ordering::AcqRel);
        Ok(commit)
    }

    /// Whether a session's tokens were taken away.
    pub fn is_revoked(&self, session_id: &str) -> bool {
        self.revocations.is_revoked(session_id)
    }

    /// Whose token was taken away, where that is known.
    pub fn revoked_user(&self, session_id: &str) -> Option<String> {
        self.revocations.user_of(session_id)
    }

    /// All sessions whose tokens were taken away and would hold otherwise.
    pub fn revocations(&self) -> Vec<(String, Revocation)> {
        let mut all = self.revocations.all();
        all.retain(|(_, revocation)| !revocation.token.as_ref().is_some_and(|token| self.is_over(token)));
        all
    }

    /// The session that a token of this mesh was made for, and whose it is.
    pub fn session_of_token(&self, token: &str) -> Option<(String, String)> {
        let claims = self.tokens.read(token).ok()?;
        Some((claims.id, claims.username))
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
