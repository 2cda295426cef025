//! Logging in: from credentials to a login, or to why not.
//!
//! Enters: credentials, and where they come from. Leaves: a login with its token. Guarantees: an unknown user and a
//! wrong password are answered alike, after the same time; every attempt is in the log, without anything secret.

use super::credentials::{Client, Credentials};
use super::denied::Denied;
use super::directory::User;
use super::password::Verdict;
use super::passwords::{HashError, Refused, Signed};
use super::{ADMIN, ANONYMOUS, Security};
use mesh_session::Login;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

/// Somebody who was let in.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The login.
    pub login: Arc<Login>,
    /// The user.
    pub user: Arc<User>,
}

/// Somebody's right to change a password, until it is dropped.
pub struct PasswordChange<'a> {
    security: &'a Security,
    username: Arc<str>,
}

impl Drop for PasswordChange<'_> {
    fn drop(&mut self) {
        let changing = self.security.changing.lock();
        changing
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.username);
    }
}

impl Security {
    /// Logs somebody in.
    ///
    /// # Errors
    ///
    /// Why not.
    pub async fn login(&self, credentials: Credentials, client: &Client) -> Result<Accepted, Denied> {
        let (name, method) = (credentials.username().map(shortened), credentials.method());
        let outcome = match credentials {
            Credentials::Password {
                username,
                password,
                chosen,
            } => {
                self.login_by_password(username, password, chosen.as_deref(), client)
                    .await
            }
            Credentials::Anonymous => self.login_as_nobody(client),
            Credentials::Token(token) => self.login_by_token(&token, client),
            Credentials::Digest {
                username,
                public_key,
                digest,
            } => self.login_by_digest(&username, public_key, digest, client).await,
            Credentials::Nothing => Err(Denied::Credentials),
        };
        let (address, session) = (client.address, &*client.session_id);
        match &outcome {
            Ok(accepted) => {
                let user = &*accepted.user.name;
                tracing::info!(target: "audit", event = "login", user, method, %address, session, "logged in");
            }
            Err(denied) => {
                let (is_told, untold) = self.refusals.note(denied.kind(), Instant::now());
                tell_of_untold(untold);
                if !is_told {
                    return outcome;
                }
                let user = name.unwrap_or_default();
                let reason = denied.kind();
                tracing::warn!(target: "audit", event = "login", user, method, %address, session, reason, "login refused");
            }
        }
        outcome
    }

    /// How many logins were refused for each reason.
    pub fn refused_logins(&self) -> BTreeMap<&'static str, u64> {
        self.refusals.by_reason()
    }

    /// Tells how many refused logins had no line of their own. To be called about once a second.
    pub fn tell_of_refusals(&self, now: Instant) {
        tell_of_untold(self.refusals.untold(now));
    }

    async fn login_by_password(
        &self,
        username: String,
        password: String,
        chosen: Option<&str>,
        client: &Client,
    ) -> Result<Accepted, Denied> {
        self.check_admin(&username, client.address)?;
        let username = self.directory.name_of(&username);
        if self.lockout.remaining(&username, Instant::now()).is_some() {
            return Err(Denied::Locked);
        }
        let user = self.directory.user(&username);
        if let Some(provided) = self.provider_of(&username, user.as_deref(), chosen) {
            return self
                .login_by_provider(provided, username, password, chosen, client)
                .await;
        }
        let stored = user.as_ref().and_then(|user| user.password.clone());
        let who = (client.address, &*username);
        let looked = self.passwords.verify(who, password.clone(), stored.clone());
        let verdict = match looked.await {
            Ok(verdict) => verdict,
            Err(refused) => return Err(self.refuse(&username, refused).await),
        };
        let is_right = matches!(verdict, Verdict::Right { .. });
        self.judge(&username, is_right)?;
        // Deleted meanwhile, or given another password: then it is not right any more.
        let user = user.ok_or(Denied::Credentials)?;
        let current = self.directory.user(&username).filter(|now| now.id == user.id);
        let user = current
            .filter(|now| now.password == stored)
            .ok_or(Denied::Credentials)?;
        if matches!(verdict, Verdict::Right { outdated: true }) {
            self.renew_hash(&user, password).await;
        }
        let accepted = self.accept(user, None, client)?;
        self.passwords.note_login(client.address, &username);
        Ok(accepted)
    }

    /// Says that there are too many attempts, when it is time. The wrong password has counted by then.
    async fn refuse(&self, username: &str, refused: Refused) -> Denied {
        if refused.counts {
            let _ = self.judge(username, false);
        }
        let _busy = refused.wait().await;
        Denied::Busy
    }

    /// An anonymous login needs no password, and one that is sent is not looked at.
    fn login_as_nobody(&self, client: &Client) -> Result<Accepted, Denied> {
        if !self.settings.allow_anonymous {
            return Err(Denied::Anonymous);
        }
        let user = self.directory.user(ANONYMOUS).ok_or(Denied::Credentials)?;
        self.accept(user, None, client)
    }

    /// Notes an attempt.
    pub(super) fn judge(&self, username: &str, is_right: bool) -> Result<(), Denied> {
        self.lockout
            .judge(username, is_right, Instant::now())
            .map_err(|refusal| match refusal {
                super::lockout::Refusal::Wrong => Denied::Credentials,
                super::lockout::Refusal::Locked { .. } => Denied::Locked,
            })
    }

    pub(super) fn check_admin(&self, username: &str, address: IpAddr) -> Result<(), Denied> {
        let is_here = address.to_canonical().is_loopback();
        if username == ADMIN && !self.settings.admin_over_network && !is_here {
            return Err(Denied::Admin);
        }
        Ok(())
    }

    /// Replaces a hash by one that is made as hashes are made today.
    async fn renew_hash(&self, user: &User, password: String) {
        let Ok(hash) = self.passwords.hash(&user.name, password).await else {
            return;
        };
        let change = self.directory.change();
        let current = self.directory.user(&user.name);
        let Some(current) = current.filter(|current| current.password == user.password) else {
            return;
        };
        let renewed = User {
            password: Some(hash),
            ..User::clone(&current)
        };
        match change.put_user(renewed) {
            Ok(_) => {
                drop(change);
                self.users_changed([&*user.name]);
                tracing::info!(target: "audit", event = "hash", user = &*user.name, "password hash renewed");
            }
            Err(error) => tracing::warn!("a password hash could not be renewed: {error}"),
        }
    }

    async fn login_by_digest(
        &self,
        username: &str,
        public_key: String,
        digest: String,
        client: &Client,
    ) -> Result<Accepted, Denied> {
        self.check_admin(username, client.address)?;
        let username = &*self.directory.name_of(username);
        let now = Instant::now();
        if self.lockout.remaining(username, now).is_some() {
            return Err(Denied::Locked);
        }
        let user = self.directory.user(username);
        let user = user.filter(|user| user.public_key.as_ref() == Some(&public_key));
        let signed = Signed {
            nonces: self.nonces.find(&public_key, now).collect(),
            public_key,
            digest,
        };
        let who = (client.address, username);
        let looked = self.passwords.verify_signature(who, signed, user.is_some());
        let is_right = match (looked.await, &user) {
            (Ok(is_right), _) => is_right,
            (Err(refused), Some(_)) => return Err(self.refuse(username, refused).await),
            (Err(refused), None) => {
                let _busy = refused.wait().await;
                return Err(Denied::Busy);
            }
        };
        // Without the user's key nothing can be guessed. Such attempts cost next to nothing, and noting them would push out
        // what is noted of passwords.
        let user = user.ok_or(Denied::Credentials)?;
        self.judge(username, is_right)?;
        // Deleted meanwhile, or given another key: then it is not right any more.
        let current = self.directory.user(username);
        let current = current.filter(|now| now.id == user.id && now.public_key == user.public_key);
        let accepted = self.accept(current.ok_or(Denied::Credentials)?, None, client)?;
        self.passwords.note_login(client.address, username);
        Ok(accepted)
    }

    /// Checks the password of a user who is logged in and wants another one. Wrong ones count as at a
    /// login, since a stranger may sit at an open session.
    ///
    /// # Errors
    ///
    /// When it is wrong, or the name is locked.
    pub async fn check_old_password(&self, user: &User, password: String) -> Result<(), Denied> {
        if self.lockout.remaining(&user.name, Instant::now()).is_some() {
            return Err(Denied::Locked);
        }
        let stored = user.password.clone();
        let verdict = self.passwords.verify_own(&user.name, password, stored).await;
        let verdict = verdict.map_err(|_| Denied::Busy)?;
        self.judge(&user.name, matches!(verdict, Verdict::Right { .. }))
    }

    /// The right to change a password; nothing while the same user changes it already. A single user cannot fill the places of
    /// those who log in.
    pub fn begin_password_change(&self, username: &Arc<str>) -> Option<PasswordChange<'_>> {
        let mut changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        changing.insert(username.clone()).then(|| PasswordChange {
            security: self,
            username: username.clone(),
        })
    }

    /// The hash that is to be stored for a password which somebody chooses.
    ///
    /// # Errors
    ///
    /// When too many are waiting.
    pub async fn hash(&self, by: &str, password: String) -> Result<String, HashError> {
        self.passwords.hash(by, password).await
    }
}

fn tell_of_untold(count: u64) {
    if count > 0 {
        tracing::warn!(target: "audit", event = "login", count, "more logins were refused, without a line of their own");
    }
}

/// A name for the log: a client may have sent anything as a name.
fn shortened(name: &str) -> String {
    name.chars().take(64).flat_map(char::escape_debug).collect()
}
