//! Logging in: from credentials to a login, or to why not.
//!
//! What enters: credentials, and where they come from. What leaves: a login with its token. Guarantees: an unknown user and a
//! wrong password are answered alike, after the same time; every attempt is in the log, without anything secret.

use super::denied::Denied;
use super::directory::User;
use super::password::Verdict;
use super::passwords::{HashError, Refused, Signed};
use super::profiles::{admits, policy_of};
use super::token::{Claims, TokenKind};
use super::{ADMIN, ANONYMOUS, Security};
use crate::config::ProfileConfig;
use crate::session::{Lapse, Login, Usage};
use crate::store::now;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// The password that clients send for [`ANONYMOUS`].
const ANONYMOUS_PASSWORD: &str = "anonymous";

/// What somebody offers.
pub enum Credentials {
    /// A name and a password.
    Password {
        /// The name.
        username: String,
        /// The password.
        password: String,
    },
    /// A token of an earlier login.
    Token(String),
    /// A signed nonce.
    Digest {
        /// The name.
        username: String,
        /// The key that is said to be the user's.
        public_key: String,
        /// The signature.
        digest: String,
    },
    /// Nothing that could be right.
    Nothing,
}

/// Who offers it.
#[derive(Clone, Debug)]
pub struct Client {
    /// Where it is.
    pub address: IpAddr,
    /// How it is connected.
    pub kind: TokenKind,
    /// Whether it says that it is a browser.
    pub is_browser: bool,
    /// Whether it speaks the first generation of the protocol.
    pub is_first_generation: bool,
    /// The session that is to be logged in.
    pub session_id: String,
}

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
        let (name, method) = match &credentials {
            Credentials::Password { username, .. } => (Some(username.clone()), "password"),
            Credentials::Token(_) => (None, "token"),
            Credentials::Digest { username, .. } => (Some(username.clone()), "digest"),
            Credentials::Nothing => (None, "nothing"),
        };
        let outcome = match credentials {
            Credentials::Password { username, password } => {
                self.login_by_password(username, password, client).await
            }
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
                let user = name.as_deref().map(shortened).unwrap_or_default();
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
        client: &Client,
    ) -> Result<Accepted, Denied> {
        if username == ANONYMOUS {
            if !self.settings.allow_anonymous {
                return Err(Denied::Anonymous);
            }
            let user = self.directory.user(ANONYMOUS);
            return match user.filter(|_| password == ANONYMOUS_PASSWORD) {
                Some(user) => self.accept(user, None, client),
                None => Err(Denied::Credentials),
            };
        }
        self.check_admin(&username, client.address)?;
        if self.lockout.remaining(&username, Instant::now()).is_some() {
            return Err(Denied::Locked);
        }
        let user = self.directory.user(&username);
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

    /// Says that there are too many attempts, when it is time. What was wrong has counted by then.
    async fn refuse(&self, username: &str, refused: Refused) -> Denied {
        if refused.counts {
            let _ = self.judge(username, false);
        }
        let _busy = refused.wait().await;
        Denied::Busy
    }

    /// Notes an attempt.
    fn judge(&self, username: &str, is_right: bool) -> Result<(), Denied> {
        self.lockout
            .judge(username, is_right, Instant::now())
            .map_err(|refusal| match refusal {
                super::lockout::Refusal::Wrong => Denied::Credentials,
                super::lockout::Refusal::Locked { .. } => Denied::Locked,
            })
    }

    fn check_admin(&self, username: &str, address: IpAddr) -> Result<(), Denied> {
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

    fn login_by_token(&self, token: &str, client: &Client) -> Result<Accepted, Denied> {
        let (user, claims, profile) = self.check_token(token, client.address)?;
        if !profile.token_logins {
            return Err(Denied::TokenLogins);
        }
        // The first generation has always taken both.
        if claims.kind != client.kind && claims.kind == TokenKind::Stateless && !client.is_first_generation {
            return Err(Denied::TokenKind);
        }
        self.accept(user, Some((token, &claims)), client)
    }

    /// Who shows a token over HTTP.
    ///
    /// # Errors
    ///
    /// Why it does not hold.
    pub fn holder_of(&self, token: &str, address: IpAddr) -> Result<Accepted, Denied> {
        let (user, claims, profile) = self.check_token(token, address)?;
        let login = Login::new(
            (&user.name, &user.id),
            (&claims.id, &claims.parent_id),
            token.to_owned(),
            claims.timestamp,
            policy_of(&profile),
        );
        let usage = self.usage_of(&claims, &profile);
        Ok(Accepted {
            login: Arc::new(login.sharing(usage)),
            user,
        })
    }

    /// What was asked for with a token until now.
    fn usage_of(&self, claims: &Claims, profile: &ProfileConfig) -> Arc<Usage> {
        let policy = policy_of(profile);
        self.usages
            .of(&claims.id, age_of(claims), &policy, Instant::now())
    }

    fn check_token(
        &self,
        token: &str,
        address: IpAddr,
    ) -> Result<(Arc<User>, Claims, ProfileConfig), Denied> {
        let claims = self.tokens.read(token).map_err(|_| Denied::Token)?;
        if claims.origin != self.settings.name {
            return Err(Denied::Token);
        }
        if claims.username == ANONYMOUS && !self.settings.allow_anonymous {
            return Err(Denied::Anonymous);
        }
        self.check_admin(&claims.username, address)?;
        if self.is_revoked(&claims.id) {
            return Err(Denied::Revoked(claims.id));
        }
        let user = self.directory.user(&claims.username).ok_or(Denied::Credentials)?;
        if user.id != claims.userid {
            return Err(Denied::OtherUser(claims.username));
        }
        // A new password is often a sign that somebody else had the old one, and so perhaps a token.
        if claims.timestamp < user.tokens_valid_from {
            return Err(Denied::Outdated);
        }
        if claims
            .address
            .is_some_and(|locked| locked != address.to_canonical())
        {
            return Err(Denied::TokenAddress);
        }
        let profile = self
            .settings
            .profiles
            .of(&user, claims.kind, claims.browser)
            .clone();
        // What the profile says today may shorten a token's life, and does not bring one back.
        let has_ended = claims.expires.is_some_and(|expires| expires <= now());
        if has_ended || profile.ttl.is_some_and(|ttl| age_of(&claims) >= ttl) {
            return Err(Denied::Lapsed(Lapse::Expired));
        }
        let usage = self.usage_of(&claims, &profile);
        usage
            .check(&policy_of(&profile), Instant::now())
            .map_err(Denied::Lapsed)?;
        if !admits(&profile, address.to_canonical()) {
            return Err(Denied::Address);
        }
        Ok((user, claims, profile))
    }

    /// Makes a login. Whoever shows a token keeps it: another one would hold longer than its profile says, and would outlive its
    /// revocation.
    fn accept(
        &self,
        user: Arc<User>,
        shown: Option<(&str, &Claims)>,
        client: &Client,
    ) -> Result<Accepted, Denied> {
        self.check_admin(&user.name, client.address)?;
        let is_browser = client.is_browser || shown.is_some_and(|(_, claims)| claims.browser);
        let profile = self.settings.profiles.of(&user, client.kind, is_browser);
        let address = client.address.to_canonical();
        if !admits(profile, address) {
            return Err(Denied::Address);
        }
        let timestamp = now();
        let mut policy = policy_of(profile);
        let (token, parent) = match shown {
            Some((token, claims)) => {
                // The login ends when the token does: showing a token again and again renews nothing.
                let of_token = self.settings.profiles.of(&user, claims.kind, claims.browser).ttl;
                let of_claims = claims
                    .expires
                    .map(|expires| Duration::from_millis(expires.saturating_sub(claims.timestamp)));
                let shortest = policy.ttl.into_iter().chain(of_token).chain(of_claims).min();
                policy.ttl = shortest.map(|ttl| ttl.saturating_sub(age_of(claims)));
                (token.to_owned(), &claims.id)
            }
            None => {
                let claims = Claims {
                    id: client.session_id.clone(),
                    username: user.name.to_string(),
                    userid: user.id.clone(),
                    kind: client.kind,
                    parent_id: client.session_id.clone(),
                    timestamp,
                    origin: self.settings.name.clone(),
                    browser: is_browser,
                    expires: profile
                        .ttl
                        .map(|ttl| timestamp.saturating_add(ttl.as_millis() as u64)),
                    address: profile.lock_token_to_address.then_some(address),
                };
                // Only a name longer than a token may be could make this fail.
                let token = self.tokens.issue(&claims).map_err(|_| Denied::Credentials)?;
                (token, &client.session_id)
            }
        };
        // Whoever logs in is active.
        let age = shown.map_or(Duration::ZERO, |(_, claims)| age_of(claims));
        let usage = self.usages.of(parent, age, &policy, Instant::now());
        usage.touch(Instant::now());
        let login = Login::new(
            (&user.name, &user.id),
            (&client.session_id, parent),
            token,
            timestamp,
            policy,
        )
        .sharing(usage);
        Ok(Accepted {
            login: Arc::new(login.from_browser(client.is_browser)),
            user,
        })
    }

    /// Checks the password of a user who is logged in and wants another one. Whoever found the session open is no better
    /// guesser than a stranger: wrong ones count as at a login.
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

/// How long ago a token was made.
fn age_of(claims: &Claims) -> Duration {
    Duration::from_millis(now().saturating_sub(claims.timestamp))
}

fn tell_of_untold(count: u64) {
    if count > 0 {
        tracing::warn!(target: "audit", event = "login", count, "more logins were refused, without a line of their own");
    }
}

/// A name for the log: whoever logs in may have typed anything.
fn shortened(name: &str) -> String {
    name.chars().take(64).flat_map(char::escape_debug).collect()
}
