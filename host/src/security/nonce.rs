//! Nonces: what a client has to sign to log in with its key pair.
//!
//! What enters: public keys that ask for a nonce, and later those that bring a digest. What leaves: the nonces that were
//! given to that key and are still valid.
//! Guarantees: a nonce is good for the key that asked for it only, and only for its life; a stranger who asks with somebody
//! else's public key cannot make that one's nonce invalid; memory is bounded however many keys ask.

use super::random::{NoRandomness, random};
use super::recent::Recent;
use data_encoding::BASE64;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a nonce is valid, as in happn.
pub const LIFE: Duration = Duration::from_secs(60);

/// Keys whose nonces are remembered.
pub const KEYS: usize = 10_000;

/// 32 random bytes, to be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce([u8; 32]);

impl Nonce {
    /// The bytes themselves: what clients sign.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Base64: what is sent.
    pub fn to_base64(self) -> String {
        BASE64.encode(&self.0)
    }
}

/// The nonces that were given and are valid.
#[derive(Debug)]
pub struct Nonces {
    /// How long each is valid.
    life: Duration,
    /// By public key; the key that was given a nonce longest ago goes first.
    given: Mutex<Recent<Given>>,
}

/// What one key was given.
#[derive(Clone, Copy, Debug)]
struct Given {
    /// The last one.
    nonce: Nonce,
    /// When it was made.
    made: Instant,
    /// The one before it and when it was made: somebody may be signing it right now.
    previous: Option<(Nonce, Instant)>,
}

impl Default for Nonces {
    fn default() -> Nonces {
        Nonces::new(LIFE, KEYS)
    }
}

impl Nonces {
    /// Nonces that are valid for `life`, of at most `keys` public keys.
    pub fn new(life: Duration, keys: usize) -> Nonces {
        Nonces {
            life,
            given: Mutex::new(Recent::new(keys)),
        }
    }

    /// A nonce for the key: valid for at least half a life. In the first half of its life it is given again to whoever
    /// asks with the same key, so that a flood of requests cannot push it out.
    ///
    /// # Errors
    ///
    /// When the operating system gives no random bytes.
    pub fn issue(&self, public_key: &str, now: Instant) -> Result<Nonce, NoRandomness> {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.forget_while(|given| now.saturating_duration_since(given.made) >= self.life);
        let before = given.get(public_key).map(|given| (given.nonce, given.made));
        if let Some((nonce, made)) = before
            && now.saturating_duration_since(made) < self.life / 2
        {
            return Ok(nonce);
        }
        let nonce = Nonce(random()?);
        let entry = Given {
            nonce,
            made: now,
            previous: before,
        };
        given.put(public_key, entry);
        Ok(nonce)
    }

    /// The nonces that the key may have signed: none, one or two.
    pub fn find(&self, public_key: &str, now: Instant) -> impl Iterator<Item = Nonce> + use<> {
        let given = self
            .given
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(public_key)
            .copied();
        let life = self.life;
        given
            .into_iter()
            .flat_map(|given| [Some((given.nonce, given.made)), given.previous])
            .flatten()
            .filter(move |(_, made)| now.saturating_duration_since(*made) < life)
            .map(|(nonce, _)| nonce)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(nonces: &Nonces, public_key: &str, now: Instant) -> Vec<Nonce> {
        nonces.find(public_key, now).collect()
    }

    #[test]
    fn a_nonce_is_valid_for_its_key_for_a_minute_and_more_than_once() {
        let (nonces, start) = (Nonces::default(), Instant::now());
        let nonce = nonces.issue("key of bob", start).unwrap();
        for second in [0, 1, 59] {
            assert_eq!(
                found(&nonces, "key of bob", start + Duration::from_secs(second)),
                [nonce]
            );
        }
        assert_eq!(found(&nonces, "key of alice", start), []);
        assert_eq!(found(&nonces, "key of bob", start + LIFE), []);
    }

    #[test]
    fn what_is_sent_is_base64_of_32_bytes_that_differ_each_time() {
        let (nonces, now) = (Nonces::default(), Instant::now());
        let one = nonces.issue("one", now).unwrap();
        let other = nonces.issue("other", now).unwrap();
        assert_ne!(one, other);
        assert_eq!(BASE64.decode(one.to_base64().as_bytes()).unwrap(), one.as_bytes());
        assert_eq!(one.as_bytes().len(), 32);
    }

    #[test]
    fn others_who_ask_with_the_same_key_do_not_disturb() {
        let (nonces, start) = (Nonces::default(), Instant::now());
        let nonce = nonces.issue("key of bob", start).unwrap();
        for millisecond in 0..59_000 {
            nonces
                .issue("key of bob", start + Duration::from_millis(millisecond))
                .unwrap();
        }
        let now = start + Duration::from_secs(59);
        let valid = found(&nonces, "key of bob", now);
        assert!(valid.contains(&nonce));
        assert_eq!(valid.len(), 2);
        assert!(!found(&nonces, "key of bob", start + LIFE).contains(&nonce));
    }

    #[test]
    fn many_keys_do_not_fill_the_memory() {
        let (nonces, start) = (Nonces::new(LIFE, 100), Instant::now());
        for number in 0..1000 {
            nonces.issue(&format!("key {number}"), start).unwrap();
        }
        assert_eq!(nonces.given.lock().unwrap().len(), 100);
        assert_eq!(found(&nonces, "key 899", start), []);
        assert_eq!(found(&nonces, "key 900", start).len(), 1);
        nonces.issue("key", start + LIFE).unwrap();
        assert_eq!(nonces.given.lock().unwrap().len(), 1);
    }
}
