//! Requests with each token. Use and idleness of profiles are about all sessions of a token, and all requests over
//! HTTP that show it.
//!
//! Enters: ids of tokens. Leaves: counters of their requests. Guarantees: a client that shows a token again, over any way,
//! goes on where the others are. A token of which nothing is known any more is as idle as it is old. Memory is
//! bounded, and only tokens that are limited take some. Counts begin anew when the host does.

use super::recent::Recent;
use mesh_session::{Policy, Usage};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Tokens whose use is remembered; of more, those that were shown longest ago begin anew.
const MOST: usize = 100_000;

/// The usage of all tokens.
#[derive(Debug)]
pub(super) struct Usages(Mutex<Recent<Known>>);

#[derive(Debug)]
struct Known {
    usage: Arc<Usage>,
    policy: Policy,
    /// When the token ends.
    ends: Option<Instant>,
}

impl Known {
    /// Whether nobody misses it: the token has ended, or will be found to be idle by its age.
    fn is_over(&self, now: Instant) -> bool {
        let is_idle = |most| self.usage.idle(now) >= most;
        let is_lost = self.policy.usage_limit.is_none() && self.policy.inactivity.is_some_and(is_idle);
        is_lost || self.ends.is_some_and(|ends| ends <= now)
    }
}

impl Default for Usages {
    fn default() -> Usages {
        Usages::new(MOST)
    }
}

impl Usages {
    fn new(limit: usize) -> Usages {
        Usages(Mutex::new(Recent::new(limit)))
    }

    /// That of a token of this age, to which a policy applies.
    pub fn of(&self, token: &str, age: Duration, policy: &Policy, now: Instant) -> Arc<Usage> {
        if policy.usage_limit.is_none() && policy.inactivity.is_none() {
            return Arc::new(Usage::new(now, age));
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.forget_while(|known| known.is_over(now));
        let usage = match known.get(token).filter(|known| !known.is_over(now)) {
            Some(known) => known.usage.clone(),
            None => Arc::new(Usage::new(now, age)),
        };
        let ends = policy
            .ttl
            .and_then(|ttl| now.checked_add(ttl.saturating_sub(age)));
        let shown = Known {
            usage: usage.clone(),
            policy: *policy,
            ends,
        };
        known.put(token, shown);
        usage
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_session::{Expiry, Login, LoginFacts};

    const SECOND: Duration = Duration::from_secs(1);

    fn shown(usage: Arc<Usage>, policy: Policy) -> Login {
        let facts = LoginFacts {
            username: "bob",
            user_id: "u",
            session_id: "S",
            parent_id: "S",
            token: String::new(),
            timestamp: 0,
            policy,
            permissions_of: None,
        };
        Login::new(facts).sharing(usage)
    }

    #[test]
    fn all_who_show_a_token_use_it_up() {
        let policy = Policy {
            usage_limit: Some(2),
            ..Policy::default()
        };
        let (usages, now) = (Usages::default(), Instant::now());
        let show = |id: &str| shown(usages.of(id, Duration::ZERO, &policy, now), policy);
        assert_eq!(show("a").note_request(now), Ok(()));
        assert_eq!(show("a").note_request(now), Ok(()));
        assert_eq!(show("b").note_request(now), Ok(()), "another token");
        assert_eq!(show("a").note_request(now), Err(Expiry::UsedUp));
        assert_eq!(show("a").check(now), Err(Expiry::UsedUp));
    }

    #[test]
    fn a_token_is_as_idle_as_all_who_show_it_and_as_it_is_old_when_nothing_is_known() {
        let policy = Policy {
            inactivity: Some(10 * SECOND),
            ..Policy::default()
        };
        let (usages, begin) = (Usages::default(), Instant::now());
        let show = |age: u32| {
            let now = begin + age * SECOND;
            let login = shown(usages.of("a", age * SECOND, &policy, now), policy);
            login.note_request(now)
        };
        for age in [0, 6, 12, 21] {
            assert_eq!(show(age), Ok(()), "{age}");
        }
        assert_eq!(show(31), Err(Expiry::Inactive));
        assert_eq!(show(32), Err(Expiry::Inactive), "it does not come back");
        let after = Usages::default();
        let usage = |age: u32| after.of("a", age * SECOND, &policy, begin);
        assert_eq!(usage(9).check(&policy, begin), Ok(()));
        let usage = after.of("b", 11 * SECOND, &policy, begin);
        assert_eq!(
            usage.check(&policy, begin),
            Err(Expiry::Inactive),
            "after a restart"
        );
    }

    #[test]
    fn memory_is_bounded_and_returns() {
        let limited = Policy {
            usage_limit: Some(2),
            ttl: Some(10 * SECOND),
            ..Policy::default()
        };
        let (usages, now) = (Usages::new(100), Instant::now());
        for number in 0..1000 {
            usages.of(&number.to_string(), Duration::ZERO, &limited, now);
            usages.of("unlimited", Duration::ZERO, &Policy::default(), now);
        }
        assert_eq!(usages.0.lock().unwrap().len(), 100);
        usages.of("later", Duration::ZERO, &limited, now + 10 * SECOND);
        assert_eq!(usages.0.lock().unwrap().len(), 1);
    }
}
