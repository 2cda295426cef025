//! Effects of a change of users, groups or tokens on connected sessions (docs/protocol.md 9.9, docs/mesh-protocol.md
//! 7.5).
//!
//! Enters: whom a change concerns, and what it was. Leaves: subscriptions that are not allowed any more are gone,
//! sessions that have lost their right are closed, and subscribers of such changes get them. Guarantees: all of that
//! has happened when the change is answered.

use super::exchange::MESH_USER;
use super::publishing::Own;
use super::services::event_path;
use super::{Mesh, Reach};
use mesh_security::permission::{Action, checked_path};
use mesh_security::{Extent, Hidden, OTHERS, Security, UserAccess};
use mesh_session::pubsub::EVERYTHING;
use mesh_session::{Audience, Expiry, Login, Principal, Session};
use mesh_store::{Commit, StoreError};
use mesh_wire::origin::Origin;
use mesh_wire::protocol::{Dialect, ExpiredLogin, json, security_notice};
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock};
use tokio::sync::oneshot;

/// Whom a change of the directory concerns.
#[derive(Clone, Copy, Debug)]
pub enum Concerned<'a> {
    /// These users.
    Users(&'a [Arc<str>]),
    /// These users, because of a group or a table.
    Members(&'a [Arc<str>]),
}

impl Mesh {
    /// The name that documents of the mesh itself and of its components carry; none where there are no users.
    pub fn own_name(&self) -> Option<&'static Arc<str>> {
        static NAME: LazyLock<Arc<str>> = LazyLock::new(|| MESH_USER.into());
        self.security().map(|_| &*NAME)
    }

    /// The security of the mesh, where there is one.
    pub fn security(&self) -> Option<&Security> {
        self.security.as_deref()
    }

    /// The part of a wildcard's documents that is hidden from a user: [`Hidden::from_user`].
    pub fn hidden_from(&self, access: &Arc<UserAccess>, action: Action, extent: Extent) -> Option<Hidden> {
        Hidden::from_user(self.security.as_ref()?, access, action, extent)
    }

    /// The runtime for timers and slow work of the mesh.
    pub fn runtime(&self) -> &tokio::runtime::Handle {
        &self.runtime
    }

    /// Waits until a write survives.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub async fn committed(&self, commit: Commit) -> Result<(), StoreError> {
        if commit == Commit::Done {
            return Ok(());
        }
        let (sender, outcome) = oneshot::channel();
        let then = Box::new(move |outcome| drop(sender.send(outcome)));
        self.store.when_committed(commit, then);
        // The engine answers every commit, or has ended with the host.
        outcome.await.unwrap_or(Ok(()))
    }

    /// Lets a change of the directory count for everybody whom it concerns. `what` and `data` are told to their clients, and
    /// to those who listen to the component `security`.
    pub fn security_changed(&self, concerned: Concerned<'_>, what: &str, data: &Value) {
        let Some(security) = self.security() else { return };
        let names = match concerned {
            Concerned::Users(names) => {
                security.users_changed(names.iter().map(|name| &**name));
                names
            }
            Concerned::Members(names) => {
                security.groups_changed();
                names
            }
        };
        let notice = json!({"whatHappnd": what, "changedData": data}).to_string();
        for (session, login) in self.logged_in() {
            let access = || security.access_of_login(&login);
            let is_concerned = |username: &str| names.iter().any(|name| **name == *username);
            if !is_concerned(&login.username) {
                let concerned = session.principals();
                if concerned.iter().any(|one| is_concerned(one.username())) {
                    self.review_principals(&session, access().as_ref(), |one| is_concerned(one.username()));
                }
                continue;
            }
            self.review_subscriptions(&session, access().as_ref());
            if session.dialect().tells_security_changes() {
                session
                    .outbound()
                    .push(security_notice(session.dialect(), &notice));
            }
        }
        if security.activity().security_events.is_on() {
            self.publish_security(what, data);
        }
    }

    /// Takes a session's token away, for everybody who does that; it is remembered for no longer than the token holds, where that
    /// is known. Those who listen are told; the sessions are to be
    /// [expelled](Mesh::expel_sessions_of) afterwards.
    ///
    /// # Errors
    ///
    /// When the store cannot write; the session is revoked all the same, until the host stops.
    pub fn revoke_session(
        &self,
        (session_id, token): (&str, Option<&str>),
        reason: &str,
        by: &str,
    ) -> Result<Commit, StoreError> {
        let Some(security) = self.security() else {
            return Ok(Commit::Done);
        };
        let outcome = security.revoke(session_id, token, reason);
        tracing::info!(target: "audit", event = "token-revoked", about = session_id, by, reason = &*json::shorten(reason), "token revoked");
        if security.activity().security_events.is_on() {
            let told = json!({"id": session_id, "reason": reason, "timestamp": mesh_store::now(), "ttl": 0});
            self.publish_security("token-revoked", &told);
        }
        outcome
    }

    /// Expels the sessions of a token that was taken away, and those that were logged in with it.
    pub fn expel_sessions_of(&self, session_id: &str) {
        self.expel_sessions(session_id, None);
    }

    /// The same. The session that asked for it hears and may do nothing more, but stays open to say that it leaves.
    pub fn expel_sessions_of_all_but(&self, session_id: &str, leaving: &Session) {
        self.expel_sessions(session_id, Some(leaving.number()));
    }

    fn expel_sessions(&self, session_id: &str, leaving: Option<u64>) {
        for (session, login) in self.logged_in() {
            if *login.session_id != *session_id && *login.parent_id != *session_id {
                continue;
            }
            if leaving == Some(session.number()) {
                self.silence(&session);
            } else {
                self.expel(&session, Expiry::Revoked.reason());
            }
        }
    }

    /// Lets a session hear nothing more, and cost no more than one without a login.
    fn silence(&self, session: &Session) {
        self.subscriptions().unsubscribe_all(session.number());
        if session.is_admitted() {
            self.sessions().withdraw(session);
        }
    }

    /// Ends the sessions that `ends` wants ended.
    pub fn end_sessions(&self, reason: &str, ends: impl Fn(&Session, &Login) -> bool) {
        for (session, login) in self.logged_in() {
            if ends(&session, &login) {
                session.end_because(reason);
            }
        }
    }

    /// Ends the sessions whose time is over. To be called about once a second.
    pub(super) fn end_expired(&self, now: std::time::Instant) {
        let Some(security) = self.security() else { return };
        security.tell_of_refusals(now);
        security.tidy(now, || {
            let logins = self.logged_in().into_iter();
            let ids = logins.flat_map(|(_, login)| [login.session_id.clone(), login.parent_id.clone()]);
            ids.collect()
        });
        for (session, login) in self.logged_in() {
            let Err(expiry) = login.check(now) else { continue };
            let stays = session.dialect().expired_login() == ExpiredLogin::StaysOpen;
            if !stays && !session.outbound().is_closing() {
                tracing::info!(target: "audit", event = "expiry", user = &*login.username, session = session.id(), reason = expiry.reason(), "session ended");
            }
            self.expel(&session, expiry.reason());
        }
    }

    /// Lets a session that has lost its right hear nothing more. Some are disconnected; others are told when they
    /// ask for something.
    pub fn expel(&self, session: &Session, reason: &str) {
        match session.dialect().expired_login() {
            ExpiredLogin::StaysOpen => self.silence(session),
            ExpiredLogin::Ends => {
                self.subscriptions().unsubscribe_all(session.number());
                if !session.outbound().is_closing() {
                    session.end_because(reason);
                }
            }
        }
    }

    /// Lets a login count: nothing stays of what a former user of the connection listened to and the new one may not hear.
    /// Publishes the login to all who subscribed to logins.
    pub fn session_began(&self, session: &Session) {
        if let (Some(security), Some(login)) = (self.security(), session.login()) {
            let access = security.access_of_login(&login);
            self.review_subscriptions(session, access.as_ref());
        }
        self.tell_of_session("connect", session);
    }

    /// Tells who wants to know that a session has ended: once, however often it is said.
    pub fn session_ended(&self, session: &Session) {
        if let Some(security) = self.security() {
            security.activity().forget(session);
            self.tell_of_session("disconnect", session);
            session.set_login(None);
        }
    }

    fn tell_of_session(&self, what: &str, session: &Session) {
        let watched = self
            .security()
            .is_some_and(|security| security.activity().session_events.is_on());
        if let (true, Some(login)) = (watched, session.login()) {
            self.publish_security(what, &self.describe_session(session, &login));
        }
    }

    /// A session as administrators see it: without its token.
    pub fn describe_session(&self, session: &Session, login: &Login) -> Value {
        let peer = session.peer();
        let limit = |limit: Option<std::time::Duration>| limit.map(|limit| limit.as_millis() as u64);
        let policy = json!({
            "ttl": limit(login.policy.ttl).unwrap_or(0),
            "inactivity_threshold": limit(login.policy.inactivity),
        });
        let protocol = session.dialect().listed_as();
        let mut user = json!({"username": &*login.username, "userid": &*login.user_id, "permissions": {}});
        let known = self
            .security()
            .and_then(|security| security.directory().user(&login.username));
        let known = known.filter(|known| *known.id == *login.user_id);
        let auth_type = self.security().zip(known.as_ref());
        let auth_type = auth_type.map_or(OTHERS, |(security, known)| security.auth_type(known));
        if let Some(known) = &known {
            let groups = known.groups.keys();
            user["groups"] = groups
                .map(|group| (group.to_string(), json!({"data": {}})))
                .collect();
            if let Some(custom_data) = &known.custom_data {
                user["custom_data"] = custom_data.clone();
            }
        }
        let info: Option<Value> = login
            .info
            .as_ref()
            .and_then(|info| serde_json::from_str(info.get()).ok());
        let says = |key: &str| info.as_ref().and_then(|info| info.get(key)) == Some(&Value::Bool(true));
        let mut shown = json!({
            "id": session.id(), "type": 1, "timestamp": login.timestamp, "parentId": &*login.parent_id,
            "policy": {"0": policy, "1": policy}, "protocol": protocol, "origin": self.name(),
            "address": {"ip": peer.ip().to_string(), "port": peer.port(), "secure": login.is_encrypted},
            "sourceAddress": peer.ip().to_string(), "sourcePort": peer.port(), "intraProc": false,
            "encrypted": login.is_encrypted, "isEncrypted": false, "browser": says("_browser"),
            "happn": {"name": self.name(), "secure": true}, "authType": auth_type,
            "user": user,
        });
        if let Some(info) = info {
            shown["info"] = info;
        }
        shown
    }

    /// The dialect of the session that a call comes from.
    pub fn dialect_of(&self, origin: &Origin) -> Dialect {
        let session = origin.id().and_then(|id| self.sessions().find(id));
        session.map_or(Dialect::OF_COMPONENTS, |session| session.dialect())
    }

    /// All sessions of users.
    pub fn logged_in(&self) -> Vec<(Arc<Session>, Arc<Login>)> {
        let sessions = self.sessions().all().into_iter();
        sessions
            .filter_map(|session| {
                let login = session.login()?;
                Some((session, login))
            })
            .collect()
    }

    /// The events among the subscribed ones that a user may hear: no audience where that is all of them. Without a
    /// user it is nothing.
    pub fn audience_of(&self, access: Option<&Arc<UserAccess>>) -> Option<Audience> {
        let security = self.security.as_ref()?;
        let Some(access) = access else {
            return Some(Audience::nobody());
        };
        if access.is_everything() {
            return None;
        }
        let is_strict = access.prohibits(Action::On);
        let (security, access) = (security.clone(), access.clone());
        Some(Audience::new(is_strict, move |path| {
            security.allows(&access, Action::On, path)
        }))
    }

    /// Ends the subscriptions that a user may not have, and those that are for others who may not have them. Notes the
    /// events of the rest that may not be heard.
    fn review_subscriptions(&self, session: &Session, own: Option<&Arc<UserAccess>>) {
        session.set_audience(self.audience_of(own));
        self.review_principals(session, own, |_| true);
        let Some(security) = self.security() else { return };
        // One that is heard in part stays, as on real servers: the part may grow again.
        let may = |path: &str| {
            own.is_some_and(|own| security.hears_in_part(path) || security.lets_ask(own, Action::On, path))
        };
        for (channel, principal) in self.subscriptions().channels_of(session.number()) {
            if principal.is_none() && !may(listened_path(&channel)) {
                self.subscriptions()
                    .unsubscribe_for(session.number(), &channel, None);
            }
        }
    }

    /// Does the same for those of a session's subscriptions alone that are for others. `own` are the rights of the session's
    /// user, who must be entitled to act for them.
    fn review_principals(
        &self,
        session: &Session,
        own: Option<&Arc<UserAccess>>,
        is_meant: impl Fn(&Principal) -> bool,
    ) {
        let Some(security) = self.security() else { return };
        let principals = session.principals().into_iter();
        let principals: Vec<Arc<Principal>> = principals.filter(|one| is_meant(one)).collect();
        if principals.is_empty() {
            return;
        }
        for principal in &principals {
            // A user of the same name who was made since is somebody else.
            let access = security.access_of_user(principal.username());
            let access = access.filter(|access| access.user().id == *principal.user_id());
            principal.set_audience(self.audience_of(access.as_ref()));
        }
        for (channel, principal) in self.subscriptions().channels_of(session.number()) {
            let meant = principal.filter(|one| principals.iter().any(|other| Arc::ptr_eq(one, other)));
            let Some(principal) = meant else { continue };
            let path = listened_path(&channel);
            let outcome = own.map(|own| security.on_behalf_of(own, principal.username(), Action::On, path));
            let may = matches!(outcome, Some(Ok(other)) if other.user().id == *principal.user_id());
            if !may {
                self.subscriptions()
                    .unsubscribe_for(session.number(), &channel, Some(&principal));
            }
        }
    }

    /// Tells those who listen to the component `security`.
    pub fn publish_security(&self, what: &str, data: &Value) {
        let (path, data) = (event_path(self.domain(), "security", what), data.to_string());
        self.publish_own(Own::new(&path, &data), Reach::Subscribers);
    }
}

/// The path that a channel's permission is about. Later generations listen to everything with a bare star.
fn listened_path(channel: &str) -> &str {
    match channel {
        EVERYTHING => "*",
        channel => checked_path(channel),
    }
}
