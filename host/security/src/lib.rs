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
mod rights;
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
pub use rights::{LIMITED, NotOnBehalf, UserAccess};
pub use setup::{Administrator, OpenError, Settings};
pub use token::TokenKind;

use lockout::Lockout;
use mesh_store::{Commit, StoreError, now};
use nonce::Nonces;
use revocations::Revocations;
use rights::Compiled;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
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
}
