//! Passwords as they are stored, and whether one is right.
//!
//! Enters: passwords, and texts that the store holds for them. Leaves: texts to be stored, and verdicts. Guarantees:
//! new texts are argon2id in the PHC form. The pbkdf2 texts of happn verify and are called outdated. A stored text that
//! would cost more than a second or two, or that cannot be read, is never right. Comparisons take constant time.
//!
//! Both functions keep a core busy for some ten milliseconds: [`super::passwords::Passwords`] calls them on threads
//! of their own.

use super::random::{NoRandomness, random};
use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use data_encoding::HEXLOWER_PERMISSIVE;
use ring::pbkdf2;
use std::num::NonZeroU32;
use thiserror::Error;

/// Memory that one hash takes, in KiB: with [`ROUNDS`] and [`LANES`] what OWASP recommends for argon2id.
pub const MEMORY_KIB: u32 = 19 * 1024;

/// How often the memory is passed over.
pub const ROUNDS: u32 = 2;

/// How many threads could work on one hash.
pub const LANES: u32 = 1;

/// The longest password, in bytes.
pub const LONGEST: usize = 1024;

/// Bytes of a new salt, and of the hash.
const SALT_LENGTH: usize = 16;
const HASH_LENGTH: usize = 32;

/// The most that a stored text may ask for: memory, and memory times rounds, in KiB.
const MOST_MEMORY_KIB: u32 = 128 * 1024;
const MOST_ARGON2_WORK_KIB: u64 = 1024 * 1024;

/// The most rounds of a hash function that a stored pbkdf2 text may ask for.
const MOST_PBKDF2_WORK: u64 = 1_000_000;

/// Bytes of keys and salts of pbkdf2 that are believed.
const PBKDF2_LENGTHS: std::ops::RangeInclusive<usize> = 16..=128;

/// glibc maps allocations above 32 MiB into memory of their own, whatever came before, and unmaps them when they are freed.
/// Smaller ones may stay with the process for ever. Pages that are not touched cost nothing.
const SMALLEST_ALLOCATION: usize = 33 * 1024;

/// Why there is no hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PasswordError {
    /// There is nothing to make a salt from.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// Longer than [`LONGEST`].
    #[error("a password has at most {LONGEST} bytes")]
    TooLong,
    /// The algorithm refused its input.
    #[error("the password cannot be hashed: {0}")]
    Algorithm(#[from] argon2::Error),
}

/// Whether a password is the one that was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is not, or nothing readable was stored.
    Wrong,
    /// It is.
    Right {
        /// The stored text protects the password less well than a new one would.
        outdated: bool,
    },
}

/// Memory for argon2 to work in, to be used many times.
#[derive(Default)]
pub struct Workspace(Vec<Block>);

impl Workspace {
    /// Gives the memory back.
    pub fn clear(&mut self) {
        self.0 = Vec::new();
    }

    /// Whether it holds no memory.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn blocks(&mut self, count: usize) -> &mut [Block] {
        if self.0.len() < count {
            // Before there are others: not both at once.
            self.clear();
            self.0.reserve_exact(count.max(SMALLEST_ALLOCATION));
            self.0.resize(count, Block::new());
        }
        &mut self.0[..count]
    }
}

/// A text to be stored for the password.
///
/// # Errors
///
/// When the password is too long, or there are no random bytes.
pub fn hash(password: &str) -> Result<String, PasswordError> {
    hash_in(&mut Workspace::default(), password)
}

/// As [`hash`], in memory that is there already.
///
/// # Errors
///
/// As [`hash`].
pub fn hash_in(workspace: &mut Workspace, password: &str) -> Result<String, PasswordError> {
    if password.len() > LONGEST {
        return Err(PasswordError::TooLong);
    }
    let salt = random::<SALT_LENGTH>()?;
    let params = Params::new(MEMORY_KIB, ROUNDS, LANES, Some(HASH_LENGTH))?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut output = [0; HASH_LENGTH];
    let blocks = workspace.blocks(argon2.params().block_count());
    argon2.hash_password_into_with_memory(password.as_bytes(), &salt, &mut output, blocks)?;
    let text = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(argon2.params()).map_err(|_| argon2::Error::OutputTooLong)?,
        salt: Some(Salt::new(&salt).map_err(|_| argon2::Error::SaltTooShort)?),
        hash: Some(Output::new(&output).map_err(|_| argon2::Error::OutputTooLong)?),
    };
    Ok(text.to_string())
}

/// Whether the password is the one that was stored as this text.
pub fn verify(password: &str, stored: &str) -> Verdict {
    match Stored::parse(stored) {
        Some(stored) => stored.verify(&mut Workspace::default(), password),
        None => Verdict::Wrong,
    }
}

/// A stored text that was understood.
pub(super) enum Stored {
    /// `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`.
    Argon2 {
        argon2: Box<Argon2<'static>>,
        salt: Salt,
        hash: Output,
        outdated: bool,
    },
    /// `pbkdf2$10000$key$salt$sha512`, key and salt in hex.
    Pbkdf2 {
        algorithm: pbkdf2::Algorithm,
        rounds: NonZeroU32,
        key: Vec<u8>,
        salt: Vec<u8>,
    },
}

impl Stored {
    /// Nothing if the text cannot be read or would cost too much.
    pub fn parse(text: &str) -> Option<Stored> {
        if text.starts_with('$') {
            Stored::parse_argon2(text)
        } else {
            Stored::parse_pbkdf2(text)
        }
    }

    fn parse_argon2(text: &str) -> Option<Stored> {
        let text = PasswordHash::new(text).ok()?;
        let algorithm = Algorithm::new(text.algorithm).ok()?;
        let version = text.version.map_or(Ok(Version::V0x10), Version::try_from).ok()?;
        let params = Params::try_from(&text).ok()?;
        let (salt, hash) = (text.salt?, text.hash?);
        let work = u64::from(params.m_cost()) * u64::from(params.t_cost());
        if params.m_cost() > MOST_MEMORY_KIB || work > MOST_ARGON2_WORK_KIB {
            return None;
        }
        let outdated = algorithm != Algorithm::Argon2id
            || version != Version::V0x13
            || params.m_cost() < MEMORY_KIB
            || params.t_cost() < ROUNDS
            || salt.len() < SALT_LENGTH
            || hash.len() < HASH_LENGTH;
        let argon2 = Box::new(Argon2::new(algorithm, version, params));
        Some(Stored::Argon2 {
            argon2,
            salt,
            hash,
            outdated,
        })
    }

    fn parse_pbkdf2(text: &str) -> Option<Stored> {
        let mut parts = text.split('$');
        let (name, rounds, key, salt) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        // The oldest texts do not name their hash function.
        let digest = parts.next().unwrap_or("sha1");
        let (algorithm, digest_length) = match digest {
            "sha1" => (pbkdf2::PBKDF2_HMAC_SHA1, 20),
            "sha256" => (pbkdf2::PBKDF2_HMAC_SHA256, 32),
            "sha384" => (pbkdf2::PBKDF2_HMAC_SHA384, 48),
            "sha512" => (pbkdf2::PBKDF2_HMAC_SHA512, 64),
            _ => return None,
        };
        let rounds: NonZeroU32 = rounds.parse().ok()?;
        let key = HEXLOWER_PERMISSIVE.decode(key.as_bytes()).ok()?;
        let salt = HEXLOWER_PERMISSIVE.decode(salt.as_bytes()).ok()?;
        let work = u64::from(rounds.get()) * key.len().div_ceil(digest_length) as u64;
        if name != "pbkdf2"
            || parts.next().is_some()
            || !PBKDF2_LENGTHS.contains(&key.len())
            || !PBKDF2_LENGTHS.contains(&salt.len())
            || work > MOST_PBKDF2_WORK
        {
            return None;
        }
        Some(Stored::Pbkdf2 {
            algorithm,
            rounds,
            key,
            salt,
        })
    }

    /// Whether the password is the stored one.
    pub fn verify(&self, workspace: &mut Workspace, password: &str) -> Verdict {
        match self {
            Stored::Argon2 {
                argon2,
                salt,
                hash,
                outdated,
            } => {
                let mut output = [0; Output::MAX_LENGTH];
                let output = &mut output[..hash.len()];
                let blocks = workspace.blocks(argon2.params().block_count());
                match argon2.hash_password_into_with_memory(password.as_bytes(), salt, output, blocks) {
                    // The library compares outputs in constant time.
                    Ok(()) if Output::new(output).is_ok_and(|output| output == *hash) => {
                        Verdict::Right { outdated: *outdated }
                    }
                    _ => Verdict::Wrong,
                }
            }
            Stored::Pbkdf2 {
                algorithm,
                rounds,
                key,
                salt,
            } => match pbkdf2::verify(*algorithm, *rounds, salt, password.as_bytes(), key) {
                Ok(()) => Verdict::Right { outdated: true },
                Err(_) => Verdict::Wrong,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts that happner-2 3.1.2 and 13.1.1 stored for the password `pw`.
    const HAPPN: [&str; 2] = [
        concat!(
            "pbkdf2$10000$",
            "f1727f88cf81977c4bb1eab0c4c7682796a4370de0ed1b1887f5797168cbe4bf",
            "a6d9ceeb03cbf2849b7644f7ad0c9f681dcaa74b9b1bef207d44fe49dcb9e383$",
            "c426fcaf2e0365af6021d06b03e9c2047f07d52a871d382e80fc7b5d958133b3",
            "0320f89517c56687895cc23267a05d63246e6868d85d8dd54110f5e0cba936b9$sha512",
        ),
        concat!(
            "pbkdf2$10000$",
            "f6aaeab1007343b226fd62269d5f3b4b7405035e15e1359da7ce8d0dd2ab04ce",
            "75caa6b8e960fe074dece7b312d35fa9b57c5a42c7fe87c7ebc980589a7f34b0$",
            "8b60345433f2fe5d8a2063529d6f3be37cff85cd02a8fe388dc1bf878805f748",
            "404f146a41aaf1170ee60a081971dc9ecdba12d841df595593b514ffce8912e2$sha512",
        ),
    ];

    /// The text of a password with other parameters, as others would store it.
    fn stored(algorithm: Algorithm, memory: u32, rounds: u32, password: &str) -> String {
        let params = Params::new(memory, rounds, 1, Some(HASH_LENGTH)).unwrap();
        let argon2 = Argon2::new(algorithm, Version::V0x13, params);
        let mut output = [0; HASH_LENGTH];
        argon2
            .hash_password_into(password.as_bytes(), b"0123456789abcdef", &mut output)
            .unwrap();
        format!(
            "${}$v=19$m={memory},t={rounds},p=1$MDEyMzQ1Njc4OWFiY2RlZg${}",
            algorithm.as_str(),
            data_encoding::BASE64_NOPAD.encode(&output)
        )
    }

    #[test]
    fn a_new_text_verifies_its_password_only() {
        let text = hash("secret").unwrap();
        assert!(text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{text}");
        assert_eq!(verify("secret", &text), Verdict::Right { outdated: false });
        assert_eq!(verify("Secret", &text), Verdict::Wrong);
        assert_eq!(verify("", &text), Verdict::Wrong);
        assert_ne!(hash("secret").unwrap(), text);
        assert_eq!(hash(&"x".repeat(LONGEST + 1)), Err(PasswordError::TooLong));
    }

    #[test]
    fn a_text_of_another_program_verifies() {
        // A vector of the algorithm's reference implementation; its salt is short.
        let text = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert_eq!(verify("password", text), Verdict::Right { outdated: true });
        assert_eq!(verify("passwort", text), Verdict::Wrong);
    }

    #[test]
    fn a_text_that_happn_stored_verifies_and_is_outdated() {
        for text in HAPPN {
            assert_eq!(verify("pw", text), Verdict::Right { outdated: true });
            assert_eq!(verify("wrong", text), Verdict::Wrong);
            assert_eq!(verify("pw", &text.replace("$10000$", "$10001$")), Verdict::Wrong);
            assert_eq!(verify("pw", &text.replace("$sha512", "$sha256")), Verdict::Wrong);
        }
    }

    #[test]
    fn other_hash_functions_of_node_verify() {
        // Node: crypto.pbkdf2Sync('secret', Buffer.from('00112233445566778899aabbccddeeff', 'hex'), 1000, 16, digest).
        let salt = "00112233445566778899aabbccddeeff";
        for (digest, key) in [
            ("$sha1", "444548510ab928c189089459259d5f81"),
            ("", "444548510ab928c189089459259d5f81"),
            ("$sha256", "588372775fb38b5711b6f36b465e293d"),
            ("$sha384", "a812b9d0829c3ca7483d3996bba132d3"),
            ("$sha512", "104574dae6e595e6e59d1fba2871e71b"),
        ] {
            let text = format!("pbkdf2$1000${key}${salt}{digest}");
            assert_eq!(
                verify("secret", &text),
                Verdict::Right { outdated: true },
                "{digest}"
            );
            assert_eq!(verify("Secret", &text), Verdict::Wrong, "{digest}");
        }
    }

    #[test]
    fn weaker_parameters_are_outdated_and_stronger_ones_are_not() {
        let right = |outdated| Verdict::Right { outdated };
        for (algorithm, memory, rounds, outdated) in [
            (Algorithm::Argon2id, MEMORY_KIB, ROUNDS, false),
            (Algorithm::Argon2id, MEMORY_KIB + 1024, ROUNDS + 1, false),
            (Algorithm::Argon2id, MEMORY_KIB - 1, ROUNDS, true),
            (Algorithm::Argon2id, MEMORY_KIB, ROUNDS - 1, true),
            (Algorithm::Argon2i, MEMORY_KIB, ROUNDS, true),
            (Algorithm::Argon2d, MEMORY_KIB, ROUNDS, true),
        ] {
            let text = stored(algorithm, memory, rounds, "secret");
            assert_eq!(verify("secret", &text), right(outdated), "{text}");
        }
    }

    #[test]
    fn texts_that_would_cost_too_much_are_refused_unread() {
        let (key, salt) = ("ab".repeat(64), "cd".repeat(64));
        for text in [
            format!("pbkdf2$2147483648${key}${salt}$sha512"),
            format!("pbkdf2$1000001${key}${salt}$sha512"),
            format!("pbkdf2$1000000${}${salt}$sha1", "ab".repeat(128)),
            format!("pbkdf2$10000${}${salt}$sha512", "ab".repeat(129)),
            "$argon2id$v=19$m=4294967295,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc".into(),
            "$argon2id$v=19$m=19456,t=4294967295,p=1$MDEyMzQ1Njc4OWFiY2RlZg$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
                .into(),
        ] {
            assert!(Stored::parse(&text).is_none(), "{text}");
        }
    }

    #[test]
    fn texts_that_cannot_be_read_are_never_right() {
        let (key, salt) = ("ab".repeat(64), "cd".repeat(64));
        for text in [
            String::new(),
            "secret".into(),
            "$".into(),
            "$argon2id$".into(),
            "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg".into(),
            "$scrypt$ln=16,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc".into(),
            "pbkdf2".into(),
            format!("pbkdf2$0${key}${salt}$sha512"),
            format!("pbkdf2$-1${key}${salt}$sha512"),
            format!("pbkdf2$10000$$${salt}$sha512"),
            format!("pbkdf2$10000${key}$$sha512"),
            format!("pbkdf2$10000$xyz${salt}$sha512"),
            format!("pbkdf2$10000${key}${salt}$md5"),
            format!("pbkdf2$10000${key}${salt}$sha512$"),
            format!("scrypt$10000${key}${salt}$sha512"),
        ] {
            assert_eq!(verify("", &text), Verdict::Wrong, "{text}");
            assert_eq!(verify("secret", &text), Verdict::Wrong, "{text}");
        }
    }
}
