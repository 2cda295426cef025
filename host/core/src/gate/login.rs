//! The requests of a secure mesh: login, nonces, and what users do to their own sessions (docs/protocol.md 3.5, 3.9, 9.4).
//!
//! Enters: requests of a session, logged in or not. Leaves: answers. Guarantees: before a login nothing is done but
//! what leads to one. While a password is being checked the session's next requests wait, and nobody else's.

use super::Gate;
use super::guard::unauthorized;
use super::handshake::read_object;
use crate::mesh::{Concerned, Mesh};
use mesh_security::{Accepted, Client, Credentials, Denied, Info, Offer, Security, TokenKind, User};
use mesh_session::{Expiry, Session};
use mesh_store::StoreError;
use mesh_wire::protocol::{
    Action, Dialect, ExpiredLogin, Frame, LoginUser, Parsed, Request, Response, WireError, json,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::sync::Arc;

/// The fields of a login's `data`. Other types than text count as absent.
#[derive(Deserialize, Default)]
struct Offered<'a> {
    #[serde(borrow)]
    username: Option<&'a RawValue>,
    #[serde(borrow)]
    password: Option<&'a RawValue>,
    #[serde(borrow)]
    token: Option<&'a RawValue>,
    #[serde(borrow, rename = "publicKey")]
    public_key: Option<&'a RawValue>,
    #[serde(borrow)]
    digest: Option<&'a RawValue>,
    #[serde(borrow, rename = "authType")]
    auth_type: Option<&'a RawValue>,
    #[serde(borrow)]
    info: Option<&'a RawValue>,
}

impl Offered<'_> {
    fn credentials(&self) -> Credentials {
        let text = |raw: Option<&RawValue>| raw.and_then(json::as_text).map(String::from);
        Credentials::from(Offer {
            username: text(self.username),
            password: text(self.password),
            token: text(self.token),
            public_key: text(self.public_key),
            digest: text(self.digest),
            auth_type: text(self.auth_type),
        })
    }
}

impl Gate {
    /// Works off a request of a session in a secure mesh.
    pub(super) fn answer_securely(&mut self, action: Action, request: &Request<'_>, frame: &Frame) {
        let dialect = self.session.dialect();
        match action {
            Action::ConfigureSession => self.configure(request),
            Action::Describe => self.describe(request),
            Action::Login => self.log_in(request, frame),
            Action::RequestNonce => self.give_nonce(request),
            // Clients leave by it after a refused login, too, and one that is revoked.
            Action::Disconnect => self.disconnect(request, frame),
            _ if !self.is_let_in() => {
                let response = Response::to(dialect, action, request);
                self.send(response.error(&unauthorized()));
            }
            // These requests are checked and counted where they are decided.
            Action::Get => self.get(request, frame),
            Action::Set => self.set(request, frame),
            Action::Remove => self.remove(request, frame),
            Action::On => self.on(request, frame),
            Action::Count if dialect.has_count() => self.count(request, frame),
            _ if self.refuses_expired(action, request) => {}
            Action::Off => self.off(request),
            Action::Acknowledge => self.acknowledge(request),
            Action::RevokeToken if dialect.has_requests_about_login() => {
                self.revoke_own(request, action, frame)
            }
            Action::RevokeSession => self.revoke_own(request, action, frame),
            Action::DisconnectChildSessions if dialect.has_requests_about_login() => {
                self.end_children(request)
            }
            Action::ChangePassword if dialect.has_requests_about_login() => {
                self.change_password(request, frame)
            }
            _ => {
                let response = Response::to(dialect, action, request);
                self.send(response.data("null"));
            }
        }
    }

    /// Answers a request whose login does not hold any more.
    fn refuses_expired(&mut self, action: Action, request: &Request<'_>) -> bool {
        let Err(error) = self.check_holds() else {
            return false;
        };
        let response = Response::to(self.session.dialect(), action, request);
        self.send(response.error(&error));
        true
    }

    /// Whether the login still holds, for requests that need no permission.
    fn check_holds(&mut self) -> Result<(), WireError> {
        let (Some(security), Some(login)) = (self.mesh.security(), self.session.login()) else {
            return Ok(());
        };
        let is_revoked = security.is_revoked(&login.session_id) || security.is_revoked(&login.parent_id);
        let expiry = match login.check(self.now) {
            _ if is_revoked => Expiry::Revoked,
            Ok(()) => return Ok(()),
            Err(expiry) => expiry,
        };
        let dialect = self.session.dialect();
        if dialect.expired_login() == ExpiredLogin::Ends {
            // The answer goes first.
            self.ends_with = Some(expiry.reason());
        }
        Err(Denied::of_request(expiry, &login.session_id, dialect))
    }

    fn give_nonce(&mut self, request: &Request<'_>) {
        let response = Response::to(self.session.dialect(), Action::RequestNonce, request);
        let key = read_object::<Offered<'_>>(request)
            .public_key
            .and_then(json::as_text);
        let nonce = match (&key, self.mesh.security()) {
            (Some(key), Some(security)) => security.nonce(key),
            _ => None,
        };
        self.send(match (key, nonce) {
            (None, _) => response.error(&WireError::plain("no public key with request")),
            (Some(_), None) => response.error(&WireError::system("no nonce can be made")),
            (Some(_), Some(nonce)) => response.data(&json!({ "nonce": nonce }).to_string()),
        });
    }

    /// Checks credentials elsewhere; the session's next requests wait for the answer.
    fn log_in(&mut self, request: &Request<'_>, frame: &Frame) {
        let offered: Offered<'_> = read_object(request);
        let credentials = offered.credentials();
        let dialect = self.session.dialect();
        let client = Client {
            address: self.session.peer().ip(),
            kind: TokenKind::Stateful,
            is_encrypted: self.info.encrypted,
            info: Info::of(offered.info),
            dialect,
            session_id: self.session.id().to_owned(),
        };
        let is_forwarded = self.info.is_forwarded;
        self.forget_decisions();
        let (mesh, session, frame) = (self.mesh.clone(), self.session.clone(), frame.clone());
        let answer = self.login_answer(request);
        self.elsewhere(async move {
            let security = mesh.security()?;
            let outcome = tokio::select! {
                outcome = security.login_from(credentials, &client, is_forwarded) => outcome,
                // A session that has gone keeps no place in the queue.
                () = session.ended() => return None,
            };
            Some(answer_to(
                &frame,
                Action::Login,
                dialect,
                |response| match &outcome {
                    Err(denied) => Err(denied.to_wire(dialect)),
                    Ok(accepted) => {
                        session.set_login(Some(accepted.login.clone()));
                        mesh.session_began(&session);
                        Ok(response.data(&login_data(&answer, security, accepted, dialect)))
                    }
                },
            ))
        });
    }

    /// Runs something that waits, and sends what comes of it before any later answer.
    fn elsewhere(&mut self, work: impl Future<Output = Option<Frame>> + Send + 'static) {
        self.session.hold_requests();
        let (session, runtime) = (self.session.clone(), self.mesh.runtime().clone());
        runtime.spawn(async move {
            /// Requests go on whatever happens to the work.
            struct Held(Arc<Session>, Option<Frame>);
            impl Drop for Held {
                fn drop(&mut self) {
                    self.0.go_on_with(self.1.take());
                }
            }
            let mut held = Held(session, None);
            held.1 = work.await;
        });
    }

    /// Ends the tokens of the session. That is answered when it survives.
    fn revoke_own(&mut self, request: &Request<'_>, action: Action, frame: &Frame) {
        let dialect = self.session.dialect();
        let Some(login) = self.session.login() else {
            let response = Response::to(dialect, action, request);
            return self.send(response.error(&WireError::plain("invalid session token")));
        };
        let (mesh, session, frame) = (self.mesh.clone(), self.session.clone(), frame.clone());
        self.elsewhere(async move {
            let by = &*login.username;
            let own = (&*login.parent_id, Some(&*login.token));
            let revoked = mesh.revoke_session(own, "revoked by its owner", by);
            let outcome = match revoked {
                Ok(commit) => mesh.committed(commit).await,
                Err(error) => Err(error),
            };
            let answer = answer_to(&frame, action, dialect, |response| match outcome {
                Ok(()) => Ok(response.data("null")),
                Err(error) => Err(WireError::system(error.to_string())),
            });
            // The answer goes before the sessions end.
            session.outbound().push(answer);
            // Where it cannot be kept it counts all the same, until the host stops.
            match action {
                // Published clients send `disconnect` next, and wait for its answer.
                Action::RevokeSession => mesh.expel_sessions_of_all_but(&login.parent_id, &session),
                _ => mesh.expel_sessions_of(&login.parent_id),
            }
            None
        });
    }

    /// Ends the sessions that were logged in with the token of this one.
    fn end_children(&mut self, request: &Request<'_>) {
        let response = Response::to(self.session.dialect(), Action::DisconnectChildSessions, request);
        self.send(response.data("null"));
        for other in self.mesh.sessions().all() {
            let is_child = other.number() != self.session.number()
                && other
                    .login()
                    .is_some_and(|login| *login.parent_id == *self.session.id());
            if is_child {
                other.end_because("token-revoked");
            }
        }
    }

    fn disconnect(&mut self, request: &Request<'_>, frame: &Frame) {
        #[derive(Deserialize)]
        struct Asked<'a> {
            #[serde(borrow, rename = "revokeSession")]
            revoke: Option<&'a RawValue>,
        }
        let asked = request
            .options
            .and_then(|options| serde_json::from_str::<Asked>(options.get()).ok());
        let revokes = asked.and_then(|asked| asked.revoke).is_some_and(json::is_truthy);
        if revokes && self.session.login().is_some() {
            return self.revoke_own(request, Action::Disconnect, frame);
        }
        let response = Response::to(self.session.dialect(), Action::Disconnect, request);
        self.send(response.data("null"));
    }

    fn change_password(&mut self, request: &Request<'_>, frame: &Frame) {
        #[derive(Deserialize, Default)]
        struct Passwords<'a> {
            #[serde(borrow, rename = "oldPassword")]
            old: Option<&'a RawValue>,
            #[serde(borrow, rename = "newPassword")]
            new: Option<&'a RawValue>,
        }
        let asked: Passwords<'_> = read_object(request);
        let text = |raw: Option<&RawValue>| raw.and_then(json::as_text).map(String::from);
        let (old, new) = (text(asked.old), text(asked.new));
        let (mesh, session, frame) = (self.mesh.clone(), self.session.clone(), frame.clone());
        let dialect = session.dialect();
        self.elsewhere(async move {
            let outcome = match (old, new, session.login()) {
                (Some(old), Some(new), Some(login)) => change_own(&mesh, &login.username, old, new).await,
                _ => Err(WireError::system(
                    "Invalid parameters: oldPassword and newPassword required",
                )),
            };
            Some(answer_to(&frame, Action::ChangePassword, dialect, |response| {
                outcome.map(|()| response.data("null"))
            }))
        });
    }
}

/// Gives somebody who knows the old password a new one.
pub async fn change_own(mesh: &Arc<Mesh>, username: &str, old: String, new: String) -> Result<(), WireError> {
    if username == mesh_security::ADMIN {
        return Err(WireError::system("updates to the _ADMIN user are forbidden"));
    }
    let busy = || WireError::system(Denied::Busy.to_string());
    let invalid = || WireError::system("Invalid old password");
    let security = mesh.security().ok_or_else(unauthorized)?;
    let user = security.directory().user(username).ok_or_else(unauthorized)?;
    if new.is_empty() {
        return Err(WireError::system(
            "Invalid parameters: oldPassword and newPassword required",
        ));
    }
    let _alone = security.begin_password_change(&user.name).ok_or_else(busy)?;
    security
        .check_old_password(&user, old)
        .await
        .map_err(|denied| match denied {
            Denied::Credentials => invalid(),
            Denied::Locked => Denied::Locked.to_wire(Dialect::OF_COMPONENTS),
            _ => busy(),
        })?;
    let hash = security.hash(username, new).await.map_err(|_| busy())?;
    let failed = |error: StoreError| {
        // The rest of the change counts for everybody.
        let concerned = Concerned::Users(std::slice::from_ref(&user.name));
        mesh.security_changed(concerned, "not-kept", &json!({}));
        WireError::system(error.to_string())
    };
    let saved = {
        let change = security.directory().change();
        let current = security.directory().user(username);
        let current = current
            .filter(|current| current.id == user.id && current.password == user.password)
            .ok_or_else(invalid)?;
        let changed = User {
            password: Some(hash),
            tokens_valid_from: security.tokens_valid_from_now(),
            ..User::clone(&current)
        };
        change.put_user(changed).map_err(failed)?
    };
    let groups = user
        .groups
        .keys()
        .map(|group| (group.to_string(), json!({"data": {}})));
    let groups: serde_json::Map<_, _> = groups.collect();
    let mut told = json!({"username": username, "userid": user.id, "permissions": {}, "groups": groups});
    if let Some(custom_data) = &user.custom_data {
        told["custom_data"] = custom_data.clone();
    }
    mesh.security_changed(
        Concerned::Users(std::slice::from_ref(&user.name)),
        "upsert-user",
        &told,
    );
    tracing::info!(target: "audit", event = "password", user = username, "password changed by its owner");
    mesh.committed(saved.commit).await.map_err(failed)
}

/// Answers a request whose frame was kept.
pub(super) fn answer_to(
    frame: &Frame,
    action: Action,
    dialect: Dialect,
    answer: impl FnOnce(&Response<'_>) -> Result<Frame, WireError>,
) -> Frame {
    let request = match Request::parse(frame) {
        Parsed::Request(request) => request,
        // It was one when it came.
        Parsed::OtherJson | Parsed::NotJson => Request::default(),
    };
    let response = Response::to(dialect, action, &request);
    answer(&response).unwrap_or_else(|error| response.error(&error))
}

/// The answer to a login in a secure mesh: `answer`, a JSON object of a mesh that is not secure, with the login's
/// fields added.
fn login_data(answer: &str, security: &Security, accepted: &Accepted, dialect: Dialect) -> String {
    let Accepted { login, user } = accepted;
    let limit = |limit: Option<std::time::Duration>| limit.map(|limit| limit.as_millis() as u64);
    let policy = json!({
        "ttl": limit(login.policy.ttl).unwrap_or(0),
        "inactivity_threshold": limit(login.policy.inactivity),
    });
    let mut groups: Vec<&str> = user.groups.keys().map(|name| &**name).collect();
    groups.sort_unstable();
    let mut shown = json!({ "username": &*user.name });
    if let Some(custom_data) = &user.custom_data {
        shown["custom_data"] = custom_data.clone();
    }
    let mut more = json!({
        "timestamp": login.timestamp,
        "origin": security.settings().name,
        "type": 1,
        "policy": {"0": policy, "1": policy},
        "token": &*login.token,
    });
    match dialect.login_user() {
        LoginUser::Documents => {
            if let Some(public_key) = &user.public_key {
                shown["publicKey"] = public_key.as_str().into();
            }
            let meta = |path: String, meta: mesh_wire::protocol::DocumentMeta| json!({"created": meta.created, "modified": meta.modified, "path": path.as_str(), "_id": path});
            let folder = format!("{}_USER/{}", mesh_security::directory::ROOT, user.name);
            shown["_meta"] = meta(folder.clone(), user.meta);
            let memberships = user.groups.iter().map(|(group, since)| {
                let path = format!("{folder}/_USER_GROUP/{group}");
                let membership = json!({"data": {}, "_meta": meta(path, *since)});
                (group.to_string(), membership)
            });
            shown["groups"] = Value::Object(memberships.collect());
            more["isEncrypted"] = false.into();
            more["permissionSetKey"] = format!("/{}/", groups.join("/")).into();
        }
        LoginUser::Account => {
            shown["userid"] = user.id.as_str().into();
            shown["permissions"] = json!({});
            more["cookieName"] = super::handshake::COOKIE_NAME.into();
            more["parentId"] = (*login.parent_id).into();
            let key = xxhash_rust::xxh3::xxh3_128(groups.join("/").as_bytes());
            more["permissionSetKey"] = format!("{key:032x}").into();
            more["authType"] = security.auth_type(user).into();
        }
    }
    more["user"] = shown;
    let mut all: serde_json::Map<String, Value> = serde_json::from_str(answer).unwrap_or_default();
    if let Value::Object(more) = more {
        all.extend(more);
    }
    Value::Object(all).to_string()
}
