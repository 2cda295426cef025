//! The rights of a session in a secure mesh (docs/protocol.md 9.5 to 9.7).
//!
//! Enters: an action and a path. Leaves: by whose rights it is done, or the error. Guarantees: nothing is allowed to
//! a session that has not logged in, or whose login has expired. A request for somebody else is decided as that
//! user's own, and so is each document that its wildcard reaches. Decisions are remembered until a user or a group
//! changes. Nobody reaches what the directory of users keeps.

use super::Gate;
use mesh_security::directory::ROOT;
use mesh_security::permission::{Action, checked_path};
use mesh_security::{Asking, Denied, Extent, NotOnBehalf, Security, UserAccess};
use mesh_session::{Expiry, Login, Principal};
use mesh_wire::origin::Origin;
use mesh_wire::protocol::{Dialect, ExpiredLogin, WireError, json};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::sync::Arc;

pub(super) use mesh_security::Hidden;

/// Decisions remembered for each action; clients ask for the same few paths again and again.
const MOST_DECISIONS: usize = 256;
/// Longer paths are decided anew each time.
const LONGEST_KNOWN: usize = 256;

/// The decisions about a session that are remembered.
#[derive(Default)]
pub(super) struct Guard {
    /// That of the security when it was remembered.
    generation: u64,
    access: Option<Arc<UserAccess>>,
    /// Its tokens were taken away.
    is_revoked: bool,
    decisions: HashMap<Action, HashMap<Box<str>, bool>>,
}

/// As whom a request is done.
#[derive(Clone, Default)]
pub(super) struct Actor {
    /// The user's name, in a secure mesh.
    pub(super) username: Option<Arc<str>>,
    /// The facts that a component learns of the caller, where that is not the session's own user.
    pub(super) origin: Option<Origin>,
    /// The rights that decide, in a secure mesh: the session's own, or those of the user that it acts for.
    access: Option<Arc<UserAccess>>,
    /// The session acts for somebody else.
    is_other: bool,
}

impl Gate {
    /// Whether the session may ask for anything at all.
    pub(super) fn is_let_in(&self) -> bool {
        self.mesh.security().is_none() || self.session.login().is_some()
    }

    /// Whether the session may do something. Requests on behalf of others are decided as theirs.
    pub(super) fn authorize<'r>(
        &mut self,
        action: Action,
        path: &str,
        on_behalf_of: impl FnOnce() -> Option<&'r RawValue>,
    ) -> Result<Actor, WireError> {
        let path = checked_path(path);
        if path.starts_with(ROOT) {
            return Err(unauthorized());
        }
        let mesh = self.mesh.clone();
        let Some(security) = mesh.security() else {
            return Ok(Actor::default());
        };
        let login = self.session.login().ok_or_else(unauthorized)?;
        self.refresh(security, &login);
        self.check_lapse(&login)?;
        let access = self.guard.access.clone().ok_or_else(unauthorized)?;
        let named = match on_behalf_of() {
            // Nobody is asked to act for something that is no name, least of all with wider rights of one's own.
            Some(name) => Some(
                json::as_text(name)
                    .filter(|name| !name.is_empty())
                    .ok_or_else(unauthorized)?,
            ),
            None => None,
        };
        let outcome = match Security::acts_for(named, &login.username) {
            None => self
                .may(security, &access, action, path)
                .then(|| Actor {
                    username: Some(access.user().name.clone()),
                    access: Some(access.clone()),
                    ..Actor::default()
                })
                .ok_or_else(|| denied_to(&access)),
            Some(name) => self.act_as(security, &access, &name, action, path),
        };
        security
            .activity()
            .note(&self.session, path, action, outcome.as_ref().err());
        if let Ok(actor) = &outcome {
            let on_behalf_of = actor.username.as_deref().filter(|_| actor.origin.is_some());
            let who = Asking {
                user: &login.username,
                session: self.session.id(),
                on_behalf_of,
            };
            security.settings().audited.note(action, path, who);
        } else {
            tracing::info!(
                target: "audit", event = "denied", user = &*login.username, session = self.session.id(),
                action = action.word(), path = &*json::shorten(path), "denied"
            );
        }
        outcome
    }

    /// The documents to leave out of those that a wildcard reaches. `None` where nothing is forbidden to the
    /// principal.
    pub(super) fn hidden(&self, actor: &Actor, action: Action) -> Option<Hidden> {
        self.hidden_from(actor, action, Extent::AsWritten)
    }

    /// The same for what a subscription reaches: some patterns mean more than their text says.
    pub(super) fn hidden_from_listening(
        &self,
        actor: &Actor,
        action: Action,
        dialect: Dialect,
    ) -> Option<Hidden> {
        let extent = match dialect.matching().is_open_ended() {
            true => Extent::Wider,
            false => Extent::AsWritten,
        };
        self.hidden_from(actor, action, extent)
    }

    fn hidden_from(&self, actor: &Actor, action: Action, extent: Extent) -> Option<Hidden> {
        let access = actor.access.as_ref()?;
        self.mesh.hidden_from(access, action, extent)
    }

    /// Whether whom the request is done as may do something else, too, on the same path.
    pub(super) fn may_also(&mut self, actor: &Actor, action: Action, path: &str) -> bool {
        let mesh = self.mesh.clone();
        let path = checked_path(path);
        match (mesh.security(), &actor.access) {
            (None, _) => true,
            (Some(security), Some(access)) if actor.is_other => security.lets_ask(access, action, path),
            (Some(security), Some(access)) => self.may(security, access, action, path),
            (Some(_), None) => false,
        }
    }

    /// Whether whom the request is done as may do something on a path that nobody will ask for again.
    pub(super) fn may_once(&self, actor: &Actor, action: Action, path: &str) -> bool {
        match (self.mesh.security(), &actor.access) {
            (None, _) => true,
            (Some(security), Some(access)) => {
                !path.starts_with(ROOT) && security.allows(access, action, path)
            }
            (Some(_), None) => false,
        }
    }

    /// Whether whom the request is done as is forbidden something on a path, which nobody need be allowed.
    pub(super) fn is_prohibited(&self, actor: &Actor, action: Action, path: &str) -> bool {
        match (self.mesh.security(), &actor.access) {
            (Some(security), Some(access)) => security.prohibits(access, action, path),
            _ => false,
        }
    }

    /// For whom the session listens, where that is somebody else; what this user may hear at present is what counts.
    pub(super) fn principal(&self, actor: &Actor) -> Option<Arc<Principal>> {
        let access = actor.access.as_ref().filter(|_| actor.is_other)?;
        let user = access.user();
        let principal = self.session.principal(&user.name, &user.id);
        principal.set_audience(self.mesh.audience_of(Some(access)));
        Some(principal)
    }

    /// Whether users or groups have changed since the session's last request was decided.
    pub(super) fn is_outdated(&self) -> bool {
        let current = self.mesh.security().map(Security::generation);
        current.is_some_and(|current| current != self.guard.generation)
    }

    /// Whether the session's user may do other things now than when its last request was decided. A request on behalf
    /// of somebody else is decided anew whenever anybody's rights change.
    pub(super) fn is_decided_anew(&mut self, on_behalf: bool) -> bool {
        if !self.is_outdated() {
            return false;
        }
        let mesh = self.mesh.clone();
        let (Some(security), Some(login)) = (mesh.security(), self.session.login()) else {
            return true;
        };
        let generation = security.generation();
        let now = security.access_of_login(&login);
        let is_same = match (&now, &self.guard.access) {
            (Some(now), Some(then)) => Arc::ptr_eq(now, then),
            _ => false,
        };
        let is_revoked = security.is_revoked(&login.session_id) || security.is_revoked(&login.parent_id);
        if on_behalf || !is_same || is_revoked {
            return true;
        }
        self.guard.generation = generation;
        false
    }

    fn may(&mut self, security: &Security, access: &UserAccess, action: Action, path: &str) -> bool {
        if access.is_everything() {
            return true;
        }
        let known = self.guard.decisions.entry(action).or_default();
        if let Some(decision) = known.get(path) {
            return *decision;
        }
        let decision = security.lets_ask(access, action, path);
        if path.len() <= LONGEST_KNOWN {
            if known.len() >= MOST_DECISIONS {
                known.clear();
            }
            known.insert(path.into(), decision);
        }
        decision
    }

    /// The request is done as somebody else's (docs/mesh-protocol.md 2.8).
    fn act_as(
        &self,
        security: &Security,
        own: &UserAccess,
        name: &str,
        action: Action,
        path: &str,
    ) -> Result<Actor, WireError> {
        let other = security.on_behalf_of(own, name, action, path).map_err(|why| {
            let refused = format!("request on behalf of unauthorised user: {}", json::shorten(name));
            unauthorized().because(match why {
                NotOnBehalf::NoDelegate => {
                    format!("session attempting to act on behalf of is not authorized {refused}")
                }
                NotOnBehalf::NoSuchUser => format!("on behalf of user does not exist {refused}"),
                NotOnBehalf::NotPermitted => refused,
            })
        })?;
        Ok(Actor {
            username: Some(other.user().name.clone()),
            origin: Some(Origin::of_user(self.session.id(), &other.user().name)),
            access: Some(other),
            is_other: true,
        })
    }

    /// The user's rights at present.
    fn refresh(&mut self, security: &Security, login: &Login) {
        let generation = security.generation();
        if self.guard.generation == generation && self.guard.access.is_some() {
            return;
        }
        self.guard = Guard {
            generation,
            access: security.access_of_login(login),
            is_revoked: security.is_revoked(&login.session_id) || security.is_revoked(&login.parent_id),
            decisions: HashMap::new(),
        };
    }

    fn check_lapse(&mut self, login: &Login) -> Result<(), WireError> {
        let outcome = match self.guard.is_revoked {
            true => Err(Expiry::Revoked),
            false => login.note_request(self.now),
        };
        let Err(expiry) = outcome else { return Ok(()) };
        let dialect = self.session.dialect();
        match dialect.expired_login() {
            ExpiredLogin::StaysOpen => self.mesh.subscriptions().unsubscribe_all(self.session.number()),
            // The answer goes first.
            ExpiredLogin::Ends => self.ends_with = Some(expiry.reason()),
        }
        Err(Denied::of_request(expiry, &login.session_id, dialect))
    }

    /// Forgets who was at the other end.
    pub(super) fn forget_decisions(&mut self) {
        self.guard = Guard::default();
    }
}

/// The refusal of what somebody's own rights do not allow.
fn denied_to(access: &UserAccess) -> WireError {
    match access.is_of_profile() {
        true => unauthorized().because(mesh_security::LIMITED),
        false => unauthorized(),
    }
}

pub(super) fn unauthorized() -> WireError {
    WireError::access_denied("unauthorized")
}
