//! Nonces: what a client has to sign to log in with its key pair.
//!
//! Enters: public keys that ask for a nonce, and later those that bring a digest. Leaves: the nonces that were given
//! to that key and are still valid. Guarantees: a nonce is good for the key that asked for it only, and only for its
//! life. Nobody who asks, with whatever keys and however often, makes another one's nonce invalid or costs memory:
//! nonces are not kept, but computed again.

use super::random::{NoRandomness, random};
use data_encoding::BASE64;
use ring::hmac;
use std::time::{Duration, Instant};

/// How long a nonce is valid at most, as in happn.
pub const LIFE: Duration = Duration::from_secs(60);

/// 32 bytes that nobody can foresee, to be signed.
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

/// Makes nonces. All that ask with the same key within half a life are given the same one.
pub struct Nonces {
    /// Nonces are what this makes of the time and a public key.
    secret: hmac::Key,
    /// The time is counted from here.
    start: Instant,
    /// How long each is valid at most.
    life: Duration,
}

impl Nonces {
    /// Nonces that are valid for half of `life` at least, and for `life` at most.
    ///
    /// # Errors
    ///
    /// When the operating system gives no random bytes.
    pub fn new(life: Duration) -> Result<Nonces, NoRandomness> {
        Ok(Nonces {
            secret: hmac::Key::new(hmac::HMAC_SHA256, &random::<32>()?),
            start: Instant::now(),
            life,
        })
    }

    /// A nonce for the key.
    pub fn issue(&self, public_key: &str, now: Instant) -> Nonce {
        self.of_half(self.half_at(now), public_key)
    }

    /// The nonces that the key may have been given and that are valid: one or two.
    pub fn find(&self, public_key: &str, now: Instant) -> impl Iterator<Item = Nonce> {
        let current = self.half_at(now);
        [Some(current), current.checked_sub(1)]
            .into_iter()
            .flatten()
            .map(move |half| self.of_half(half, public_key))
    }

    /// How many halves of a life have passed.
    fn half_at(&self, now: Instant) -> u64 {
        let passed = now.saturating_duration_since(self.start).as_millis();
        let half = (self.life / 2).as_millis().max(1);
        u64::try_from(passed / half).unwrap_or(u64::MAX)
    }

    fn of_half(&self, half: u64, public_key: &str) -> Nonce {
        let mut context = hmac::Context::with_key(&self.secret);
        context.update(&half.to_be_bytes());
        context.update(public_key.as_bytes());
        let mut nonce = [0; 32];
        nonce.copy_from_slice(context.sign().as_ref());
        Nonce(nonce)
    }
}

impl std::fmt::Debug for Nonces {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Nonces")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(nonces: &Nonces, public_key: &str, now: Instant) -> Vec<Nonce> {
        nonces.find(public_key, now).collect()
    }

    fn nonces() -> (Nonces, Instant) {
        let nonces = Nonces::new(LIFE).unwrap();
        let start = nonces.start;
        (nonces, start)
    }

    #[test]
    fn a_nonce_is_valid_for_its_key_between_half_a_minute_and_a_minute_and_more_than_once() {
        let (nonces, start) = nonces();
        for asked in [0, 29, 30, 45, 1000] {
            let asked = start + Duration::from_secs(asked);
            let nonce = nonces.issue("key of bob", asked);
            for second in [0, 1, 30] {
                let now = asked + Duration::from_secs(second);
                assert!(found(&nonces, "key of bob", now).contains(&nonce));
                assert!(!found(&nonces, "key of alice", now).contains(&nonce));
            }
            assert!(!found(&nonces, "key of bob", asked + LIFE).contains(&nonce));
        }
    }

    #[test]
    fn a_nonce_is_base64_of_32_bytes_that_differ_each_time() {
        let (nonces, start) = nonces();
        let one = nonces.issue("one", start);
        assert_ne!(one, nonces.issue("other", start));
        assert_ne!(one, nonces.issue("one", start + LIFE / 2));
        let other = Nonces::new(LIFE).unwrap();
        assert_ne!(
            one,
            other.issue("one", start),
            "a host that starts again makes others"
        );
        assert_eq!(BASE64.decode(one.to_base64().as_bytes()).unwrap(), one.as_bytes());
        assert_eq!(one.as_bytes().len(), 32);
    }

    #[test]
    fn nonces_of_others_do_not_disturb() {
        let (nonces, start) = nonces();
        let nonce = nonces.issue("key of bob", start);
        for number in 0..20_000 {
            nonces.issue(&format!("key {number}"), start);
            nonces.issue("key of bob", start + Duration::from_millis(number));
        }
        assert!(found(&nonces, "key of bob", start + Duration::from_secs(59)).contains(&nonce));
    }
}
