//! Digests: a nonce signed with a client's key pair, instead of a password.
//!
//! Enters: a public key, the nonce's bytes, and what the client made of them, each as text from the network.
//! Leaves: whether the signature is the key's. That the key is the user's is for others to say.
//! Guarantees: both generations' forms; keys that are too weak, texts that are too long and everything unreadable are
//! refused; nothing panics.
//!
//! | generation | public key | signature |
//! |---|---|---|
//! | 1.x to 3.x | base64 of a compressed point of secp256k1 | ECDSA, the nonce taken as the hash; DER in base64 |
//! | later | PEM of an RSA key, 1024 to 8192 bits | PKCS#1 v1.5 with SHA-256 over the nonce; base64 |

use data_encoding::BASE64;
use k256::ecdsa::signature::hazmat::PrehashVerifier;
use k256::ecdsa::{Signature, VerifyingKey};
use ring::signature::{RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, UnparsedPublicKey};

/// The longest public key that is looked at: one of 8192 bits has some 1,500 letters.
pub const LONGEST_PUBLIC_KEY: usize = 4096;

/// The longest digest that is looked at: one of 8192 bits has 1,368 letters.
const LONGEST_DIGEST: usize = 2048;

/// How many bytes a nonce has.
const NONCE_LENGTH: usize = 32;

/// How many bytes a compressed point has.
const POINT_LENGTH: usize = 33;

/// The labels of a key in PEM: `RSA PUBLIC KEY` is PKCS#1, `PUBLIC KEY` is the form that names its algorithm.
const PEM_LABELS: [(&str, &str); 2] = [
    ("-----BEGIN RSA PUBLIC KEY-----", "-----END RSA PUBLIC KEY-----"),
    ("-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----"),
];

/// The algorithm `rsaEncryption` with its empty parameters, in DER.
const RSA_ENCRYPTION: [u8; 13] = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1, 5, 0];

/// Tags of DER.
const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;

/// Whether a key and a digest are short enough to be right.
pub fn is_worth_a_look(public_key: &str, digest: &str) -> bool {
    public_key.len() <= LONGEST_PUBLIC_KEY && digest.len() <= LONGEST_DIGEST
}

/// Whether `digest` is the signature that the owner of `public_key` made of the nonce.
pub fn verify(public_key: &str, nonce: &[u8], digest: &str) -> bool {
    if !is_worth_a_look(public_key, digest) || nonce.len() != NONCE_LENGTH {
        return false;
    }
    let Ok(signature) = BASE64.decode(digest.trim().as_bytes()) else {
        return false;
    };
    match rsa_key(public_key) {
        Some(key) => UnparsedPublicKey::new(&RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, key)
            .verify(nonce, &signature)
            .is_ok(),
        None => verify_ecdsa(public_key, nonce, &signature).is_some(),
    }
}

/// Whether a text is a public key that signatures can be checked with.
pub fn is_public_key(text: &str) -> bool {
    let point = || BASE64.decode(text.trim().as_bytes()).ok();
    let is_point =
        |point: &Vec<u8>| point.len() == POINT_LENGTH && VerifyingKey::from_sec1_bytes(point).is_ok();
    text.len() <= LONGEST_PUBLIC_KEY && (rsa_key(text).is_some() || point().as_ref().is_some_and(is_point))
}

fn verify_ecdsa(public_key: &str, nonce: &[u8], signature: &[u8]) -> Option<()> {
    let point = BASE64.decode(public_key.trim().as_bytes()).ok()?;
    if point.len() != POINT_LENGTH {
        return None;
    }
    let key = VerifyingKey::from_sec1_bytes(&point).ok()?;
    // The library wants the smaller one of the two signatures that each signature stands for; the real server does not.
    let signature = Signature::from_der(signature).ok()?.normalize_s();
    key.verify_prehash(nonce, &signature).ok()
}

/// The RSA key in a PEM text, as PKCS#1 in DER; nothing if it is another text.
fn rsa_key(pem: &str) -> Option<Vec<u8>> {
    let pem = pem.trim();
    let body = PEM_LABELS
        .iter()
        .find_map(|(begin, end)| pem.strip_prefix(begin)?.strip_suffix(end))?;
    let body: Vec<u8> = body.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let der = BASE64.decode(&body).ok()?;
    Some(named_rsa_key(&der).map(<[u8]>::to_vec).unwrap_or(der))
}

/// The PKCS#1 part of `SEQUENCE { SEQUENCE { rsaEncryption }, BIT STRING }`.
fn named_rsa_key(der: &[u8]) -> Option<&[u8]> {
    let (named, behind) = element(SEQUENCE, der)?;
    let (algorithm, named) = element(SEQUENCE, named)?;
    let (key, behind_key) = element(BIT_STRING, named)?;
    if !behind.is_empty() || !behind_key.is_empty() || algorithm != RSA_ENCRYPTION {
        return None;
    }
    match key {
        [0, key @ ..] => Some(key),
        _ => None,
    }
}

/// The content of the element that the bytes begin with, and what follows it.
fn element(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, content) = match bytes {
        [first, 0x82, high, low, rest @ ..] if *first == tag => {
            (usize::from(*high) << 8 | usize::from(*low), rest)
        }
        [first, 0x81, length, rest @ ..] if *first == tag => (usize::from(*length), rest),
        [first, length @ 0..=0x7f, rest @ ..] if *first == tag => (usize::from(*length), rest),
        _ => return None,
    };
    content.split_at_checked(length)
}

#[cfg(test)]
mod tests;
