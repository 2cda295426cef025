//! Tokens at work: who shows one, whether it holds, and what a login with it is.
//!
//! Enters: tokens, and users who were found to be who they say. Leaves: logins. Guarantees: a token holds no longer
//! than it says, than its profile says, and than its user has the password that it was given for. Showing it renews
//! nothing. A token that was issued before a change of the password never holds after it. One that was issued
//! afterwards does. The clock of the host may do anything meanwhile.

use super::accounts::Accepted;
use super::credentials::Client;
use super::denied::Denied;
use super::directory::User;
use super::profiles::{Circumstances, Held, admits, policy_of};
use super::token::{Claims, TokenKind};
use super::{ANONYMOUS, Security};
use mesh_config::ProfileConfig;
use mesh_session::{Expiry, Login, LoginFacts, Usage};
use mesh_store::now;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// By so much the clocks of hosts with the same secret may differ, in milliseconds.
const LEEWAY: u64 = 60_000;

impl Security {
    pub(super) fn login_by_token(&self, token: &str, client: &Client) -> Result<Accepted, Denied> {
        let (user, claims, profile) = self.check_token(token, client.address)?;
        if !profile.token_logins {
            return Err(Denied::TokenLogins);
        }
        let is_of_http = claims.kind != client.kind && claims.kind == TokenKind::Stateless;
        if is_of_http && !client.dialect.takes_tokens_of_http() {
            return Err(Denied::TokenKind);
        }
        self.accept(user, Some((token, &claims)), client)
    }

    /// A client that shows a token over HTTP.
    ///
    /// # Errors
    ///
    /// Why it does not hold.
    pub fn holder_of(&self, token: &str, address: IpAddr) -> Result<Accepted, Denied> {
        let (user, claims, profile) = self.check_token(token, address)?;
        let login = Login::new(LoginFacts {
            username: &user.name,
            user_id: &user.id,
            session_id: &claims.id,
            parent_id: &claims.parent_id,
            token: token.to_owned(),
            timestamp: claims.timestamp,
            policy: policy_of(&profile),
            permissions_of: profile.permissions(),
        });
        let usage = self.usage_of(&claims, &profile);
        Ok(Accepted {
            login: Arc::new(login.sharing(usage)),
            user,
        })
    }

    /// The requests with a token until now.
    fn usage_of(&self, claims: &Claims, profile: &ProfileConfig) -> Arc<Usage> {
        let policy = policy_of(profile);
        self.usages
            .of(&claims.id, age_of(claims), &policy, Instant::now())
    }

    fn check_token(&self, token: &str, address: IpAddr) -> Result<(Arc<User>, Claims, Held<'_>), Denied> {
        let claims = self.tokens.read(token).map_err(|_| Denied::Token)?;
        if claims.username == ANONYMOUS && !self.settings.allow_anonymous {
            return Err(Denied::Anonymous);
        }
        self.check_admin(&claims.username, address)?;
        if self.is_revoked(&claims.id) {
            return Err(Denied::Revoked(claims.id));
        }
        // It would hold longer than it says, and be younger than passwords that are given until then.
        if claims.timestamp > now().saturating_add(LEEWAY) {
            return Err(Denied::Future);
        }
        let user = self.directory.user(&claims.username).ok_or(Denied::Credentials)?;
        if self.settings.lock_token_to_user && user.id != claims.userid {
            return Err(Denied::OtherUser(claims.username));
        }
        // A new password is often a sign that somebody else had the old one, and so perhaps a token. A user who was made again is
        // somebody else.
        if claims.issued() < user.tokens_valid_from {
            return Err(match user.id == claims.userid {
                true => Denied::Outdated,
                false => Denied::OtherUser(claims.username),
            });
        }
        self.issued.note(claims.issued());
        if claims
            .address
            .is_some_and(|locked| locked != address.to_canonical())
        {
            return Err(Denied::TokenAddress);
        }
        let profile = self.settings.profiles.of(shown_by(&user, &claims));
        if profile.lock_token_to_origin && claims.origin != self.settings.name {
            return Err(Denied::TokenOrigin);
        }
        // Today's profile may shorten a token's life, and does not bring one back.
        let has_ended = claims.expires.is_some_and(|expires| expires <= now());
        if has_ended || profile.ttl.is_some_and(|ttl| age_of(&claims) >= ttl) {
            return Err(Denied::Expired(Expiry::Elapsed));
        }
        let usage = self.usage_of(&claims, &profile);
        usage
            .check(&policy_of(&profile), Instant::now())
            .map_err(Denied::Expired)?;
        if !admits(&profile, address.to_canonical()) {
            return Err(Denied::Address);
        }
        Ok((user, claims, profile))
    }

    /// Makes a login. A client that shows a token keeps it: another one would hold longer than its profile says, and
    /// would outlive its revocation.
    pub(super) fn accept(
        &self,
        user: Arc<User>,
        shown: Option<(&str, &Claims)>,
        client: &Client,
    ) -> Result<Accepted, Denied> {
        self.check_admin(&user.name, client.address)?;
        let is_browser = client.info.is_browser() || shown.is_some_and(|(_, claims)| claims.browser);
        let facts = self.settings.profiles.facts_of(&client.info);
        let circumstances = Circumstances {
            user: &user,
            kind: client.kind,
            is_browser,
            facts: &facts,
        };
        let profile = self.settings.profiles.of(circumstances);
        let address = client.address.to_canonical();
        if !admits(&profile, address) {
            return Err(Denied::Address);
        }
        let timestamp = now();
        let mut policy = policy_of(&profile);
        let mut permissions_of = profile.permissions();
        let (token, parent) = match shown {
            Some((token, claims)) => {
                // The login ends when the token does: showing a token again and again renews nothing.
                let shown = self.settings.profiles.of(shown_by(&user, claims));
                // Nor does it give the session more than the token is good for.
                permissions_of = shown.permissions().or(permissions_of);
                let of_token = shown.ttl;
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
                    order: None,
                    origin: self.settings.name.clone(),
                    browser: is_browser,
                    expires: profile
                        .ttl
                        .map(|ttl| timestamp.saturating_add(ttl.as_millis() as u64)),
                    address: profile.lock_token_to_address.then_some(address),
                    facts,
                };
                let token = self.issue(&user, claims)?;
                (token, &client.session_id)
            }
        };
        // A login counts as activity.
        let age = shown.map_or(Duration::ZERO, |(_, claims)| age_of(claims));
        let usage = self.usages.of(parent, age, &policy, Instant::now());
        usage.touch(Instant::now());
        let facts = LoginFacts {
            username: &user.name,
            user_id: &user.id,
            session_id: &client.session_id,
            parent_id: parent,
            token,
            timestamp,
            policy,
            permissions_of,
        };
        let login = Login::new(facts).sharing(usage);
        Ok(Accepted {
            login: Arc::new(login.of_client(client.info.clone().into_text(), client.is_encrypted)),
            user,
        })
    }

    /// Gives a user a token, unless the user has changed since the password was found to be right.
    fn issue(&self, user: &User, mut claims: Claims) -> Result<String, Denied> {
        // A password that is changed at this moment ends the token, or is changed before it: then there is none.
        let _alone = self.directory.change();
        let current = self.directory.user(&user.name).ok_or(Denied::Credentials)?;
        if current.id != user.id || current.tokens_valid_from != user.tokens_valid_from {
            return Err(Denied::Credentials);
        }
        let place = self.issued.place(claims.timestamp, user.tokens_valid_from);
        claims.order = Some(place).filter(|place| *place != claims.timestamp);
        // Only a name, or an `info`, longer than a token may be could make this fail.
        self.tokens.issue(&claims).map_err(|_| Denied::Credentials)
    }

    /// Since when the tokens of a user hold who gets another password, or goes, now: all that there are do not hold any more. To be
    /// asked while the directory is changed.
    pub fn tokens_valid_from_now(&self) -> u64 {
        self.issued.mark(now())
    }
}

/// A token that is shown, as profiles look at it.
fn shown_by<'a>(user: &'a User, claims: &'a Claims) -> Circumstances<'a> {
    Circumstances {
        user,
        kind: claims.kind,
        is_browser: claims.browser,
        facts: &claims.facts,
    }
}

/// How long ago a token was made.
fn age_of(claims: &Claims) -> Duration {
    Duration::from_millis(now().saturating_sub(claims.timestamp))
}
