//! The identity of a session, or of a token's holder, in a secure mesh, and its time.
//!
//! Enters: a login that was found to be right. Leaves: its user, rights and limits, for those who ask. Guarantees: a
//! login that has expired never comes back.

use mesh_wire::origin::Origin;
use serde_json::value::RawValue;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a login holds (docs/protocol.md 9.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// From the login on.
    pub ttl: Option<Duration>,
    /// Without a request.
    pub inactivity: Option<Duration>,
    /// So many requests.
    pub usage_limit: Option<u64>,
}

/// Why a login does not hold any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// Its time is over.
    Elapsed,
    /// Nothing was asked for too long.
    Inactive,
    /// Too much was asked.
    UsedUp,
    /// Its token or its session was revoked.
    Revoked,
}

/// The facts that a login is made from: see the fields of [`Login`].
#[derive(Clone, Debug)]
pub struct LoginFacts<'a> {
    /// The user's name.
    pub username: &'a str,
    /// Differs when a user of the same name is made again.
    pub user_id: &'a str,
    /// The session's id.
    pub session_id: &'a str,
    /// The session that the token was made for.
    pub parent_id: &'a str,
    /// The token that the client shows later.
    pub token: String,
    /// Milliseconds since 1970.
    pub timestamp: u64,
    /// How long it holds.
    pub policy: Policy,
    /// The profile whose permissions hold in the place of those of the user, where it has some.
    pub permissions_of: Option<&'a Arc<str>>,
}

/// A user at the other end.
#[derive(Debug)]
pub struct Login {
    /// The user's name.
    pub username: Box<str>,
    /// Differs when a user of the same name is made again.
    pub user_id: Box<str>,
    /// The session's id, in the token too.
    pub session_id: Box<str>,
    /// The session that the token was made for: this one, or the one whose token was used to log in.
    pub parent_id: Box<str>,
    /// The token that the client shows later.
    pub token: Box<str>,
    /// The facts that components learn of the caller.
    pub origin: Origin,
    /// Milliseconds since 1970.
    pub timestamp: u64,
    /// How long it holds.
    pub policy: Policy,
    /// The client's `info`: a JSON object.
    pub info: Option<Box<RawValue>>,
    /// Whether its connection has TLS.
    pub is_encrypted: bool,
    began: Instant,
    usage: Arc<Usage>,
}

/// The requests with a token, of all who showed it.
#[derive(Debug)]
pub struct Usage {
    began: Instant,
    /// How long nothing had been asked for when it began.
    idle: Duration,
    /// Milliseconds from `began` to the last request, and one; 0 before the first.
    last: AtomicU64,
    requests: AtomicU64,
}

impl Usage {
    /// That of a token with which nothing was asked for `idle` now.
    pub fn new(now: Instant, idle: Duration) -> Usage {
        Usage {
            began: now,
            idle,
            last: AtomicU64::new(0),
            requests: AtomicU64::new(0),
        }
    }

    /// How long nothing was asked for.
    pub fn idle(&self, now: Instant) -> Duration {
        let since = now.saturating_duration_since(self.began);
        match self.last.load(Ordering::Relaxed) {
            0 => since + self.idle,
            last => since.saturating_sub(Duration::from_millis(last - 1)),
        }
    }

    /// Notes that somebody is there.
    pub fn touch(&self, now: Instant) {
        let since = now.saturating_duration_since(self.began);
        self.last
            .fetch_max(since.as_millis() as u64 + 1, Ordering::Relaxed);
    }

    /// Whether a policy lets more be asked for.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn check(&self, policy: &Policy, now: Instant) -> Result<(), Expiry> {
        // The request that was refused for being too many is counted, too.
        let requests = self.requests.load(Ordering::Relaxed);
        if policy.usage_limit.is_some_and(|limit| requests > limit) {
            return Err(Expiry::UsedUp);
        }
        match policy.inactivity {
            Some(most) if self.idle(now) >= most => Err(Expiry::Inactive),
            _ => Ok(()),
        }
    }
}

impl Login {
    /// A login that holds from now on.
    pub fn new(facts: LoginFacts<'_>) -> Login {
        let LoginFacts {
            username,
            user_id,
            session_id,
            parent_id,
            token,
            timestamp,
            policy,
            permissions_of,
        } = facts;
        let origin = Origin::of_user(session_id, username);
        Login {
            username: username.into(),
            user_id: user_id.into(),
            session_id: session_id.into(),
            parent_id: parent_id.into(),
            token: token.into(),
            origin: match permissions_of {
                Some(profile) => origin.with_permissions_of(profile),
                None => origin,
            },
            timestamp,
            policy,
            info: None,
            is_encrypted: false,
            began: Instant::now(),
            usage: Arc::new(Usage::new(Instant::now(), Duration::ZERO)),
        }
    }

    /// The same, with what was asked for with its token before, and will be by others.
    pub fn sharing(self, usage: Arc<Usage>) -> Login {
        Login { usage, ..self }
    }

    /// The same, of a client that says this of itself, over a connection with TLS or without.
    pub fn of_client(self, info: Option<Box<RawValue>>, is_encrypted: bool) -> Login {
        Login {
            info,
            is_encrypted,
            ..self
        }
    }

    /// Notes a request.
    ///
    /// # Errors
    ///
    /// When the login has expired, or expires with this request.
    pub fn note_request(&self, now: Instant) -> Result<(), Expiry> {
        self.check(now)?;
        self.usage.touch(now);
        let requests = self.usage.requests.fetch_add(1, Ordering::Relaxed);
        match self.policy.usage_limit {
            Some(limit) if requests >= limit => Err(Expiry::UsedUp),
            _ => Ok(()),
        }
    }

    /// Whether it still holds.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn check(&self, now: Instant) -> Result<(), Expiry> {
        let since = now.saturating_duration_since(self.began);
        if self.policy.ttl.is_some_and(|ttl| since >= ttl) {
            return Err(Expiry::Elapsed);
        }
        self.usage.check(&self.policy, now)
    }
}

impl Expiry {
    /// The error when a request comes too late (docs/protocol.md 9.7).
    pub fn message(self) -> &'static str {
        match self {
            Expiry::Elapsed => "expired session token",
            Expiry::Inactive => "session inactivity threshold reached",
            Expiry::UsedUp => "session usage limit reached",
            Expiry::Revoked => "token has been revoked",
        }
    }

    /// The reason that the client gets before the socket closes (docs/protocol.md 3.8).
    pub fn reason(self) -> &'static str {
        match self {
            Expiry::Elapsed => "token-expired",
            Expiry::Inactive => "inactivity-threshold",
            Expiry::UsedUp => "usage-limit",
            Expiry::Revoked => "token-revoked",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(policy: Policy) -> Login {
        Login::new(LoginFacts {
            username: "bob",
            user_id: "u",
            session_id: "S",
            parent_id: "S",
            token: String::new(),
            timestamp: 0,
            policy,
            permissions_of: None,
        })
    }

    #[test]
    fn a_login_expires() {
        let second = Duration::from_secs(1);
        let ttl = login(Policy {
            ttl: Some(10 * second),
            ..Policy::default()
        });
        let begin = ttl.began;
        assert_eq!(ttl.note_request(begin + 9 * second), Ok(()));
        assert_eq!(ttl.note_request(begin + 10 * second), Err(Expiry::Elapsed));

        let inactive = login(Policy {
            inactivity: Some(2 * second),
            ..Policy::default()
        });
        let begin = inactive.began;
        assert_eq!(inactive.note_request(begin + second), Ok(()));
        assert_eq!(inactive.check(begin + 2 * second), Ok(()));
        assert_eq!(inactive.note_request(begin + 3 * second), Err(Expiry::Inactive));

        let used = login(Policy {
            usage_limit: Some(2),
            ..Policy::default()
        });
        let now = used.began;
        assert_eq!(used.note_request(now), Ok(()));
        assert_eq!(used.note_request(now), Ok(()));
        assert_eq!(used.check(now), Ok(()));
        assert_eq!(used.note_request(now), Err(Expiry::UsedUp));
        assert_eq!(used.check(now), Err(Expiry::UsedUp));
        assert_eq!(used.note_request(now), Err(Expiry::UsedUp));
    }
}
