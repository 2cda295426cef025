//! Tokens.
//!
//! Enters: a kind (one byte) and, for it, a text or the parts of claims and changes of a token. Checked:
//! - A text that was not issued is refused, whatever it looks like.
//! - Claims that are issued are read again as they were.
//! - A token that is cut, lengthened, changed in one letter or joined from two is refused.
//! - Nobody else's secret reads a token.

use crate::{Input, Target};
use mesh_security::TokenKind;
use mesh_security::token::{Claims, TokenError, Tokens};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Tokens.
pub const TOKENS: Target = Target {
    name: "tokens",
    run,
    inputs: 20_000,
    longest: 9_000,
};

const SECRET: &[u8] = b"a secret of at least 32 bytes for tests";
const OTHER: &[u8] = b"another secret of at least 32 bytes";

fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let tokens = tokens(SECRET);
    match input.byte() % 3 {
        0 => {
            if let Some(text) = input.text() {
                strangers_are_refused(&tokens, text);
            }
        }
        1 => what_is_issued_is_read(&tokens, &mut input),
        _ => what_is_changed_is_refused(&tokens, &mut input),
    }
}

fn tokens(secret: &[u8]) -> Tokens {
    Tokens::new(secret).unwrap_or_else(|error| panic!("{error}"))
}

fn claims(username: &str, timestamp: u64) -> Claims {
    Claims {
        id: "5f0c9f0e-3d6e-4e0b-9d4e-0f4b8e0c8a11".to_owned(),
        username: username.to_owned(),
        userid: "c24ac75e-00b3-4f1f-9108-fc9b568beca2".to_owned(),
        kind: TokenKind::Stateful,
        parent_id: "5f0c9f0e-3d6e-4e0b-9d4e-0f4b8e0c8a11".to_owned(),
        timestamp,
        order: None,
        origin: "TestNode".to_owned(),
        browser: false,
        expires: None,
        address: None,
        facts: BTreeMap::new(),
    }
}

/// The only token that the seeds know of.
fn known(tokens: &Tokens) -> String {
    issue(tokens, &claims("bob", 1_795_417_784_491))
}

fn issue(tokens: &Tokens, claims: &Claims) -> String {
    tokens.issue(claims).unwrap_or_else(|error| panic!("{error}"))
}

fn strangers_are_refused(tokens: &Tokens, text: &str) {
    if let Ok(read) = tokens.read(text) {
        assert_eq!(text, known(tokens), "a forged token says {read:?}");
    }
}

fn what_is_issued_is_read(tokens: &Tokens, input: &mut Input<'_>) {
    let flags = input.byte();
    let has = |bit: u8| flags & (1 << bit) != 0;
    let (timestamp, later) = (u64::from(input.number()), u64::from(input.number()));
    let mut text = || String::from_utf8_lossy(input.until(b'\n')).into_owned();
    let claims = Claims {
        id: text(),
        username: text(),
        userid: text(),
        origin: text(),
        kind: if has(0) {
            TokenKind::Stateless
        } else {
            TokenKind::Stateful
        },
        parent_id: text(),
        timestamp: timestamp << 16,
        order: has(1).then_some(later << 20),
        browser: has(2),
        expires: has(3).then_some(later),
        address: has(4).then(|| IpAddr::from(later.to_be_bytes().map(u16::from))),
        facts: match has(5) {
            true => BTreeMap::from([(text(), text().into()), (text(), later.into())]),
            false => BTreeMap::new(),
        },
    };
    match tokens.issue(&claims) {
        Ok(token) => {
            assert_eq!(tokens.read(&token).as_ref(), Ok(&claims), "{token}");
            let others = self::tokens(OTHER).read(&token);
            assert_eq!(others, Err(TokenError::Signature), "{token}");
        }
        Err(error) => assert_eq!(error, TokenError::TooLong),
    }
}

fn what_is_changed_is_refused(tokens: &Tokens, input: &mut Input<'_>) {
    let name = match input.below(2) {
        0 => "bob",
        _ => "_ADMIN",
    };
    let good = issue(tokens, &claims(name, u64::from(input.number())));
    let other = issue(tokens, &claims("alice", u64::from(input.number())));
    let mut changed = good.clone().into_bytes();
    for _ in 0..=input.below(3) {
        let place = usize::from(input.short()) % (changed.len() + 1);
        match input.below(6) {
            0 => changed.truncate(place),
            1 => changed.insert(place, input.byte()),
            2 => {
                if let Some(byte) = changed.get_mut(place) {
                    *byte ^= 1 << input.below(8);
                }
            }
            3 => {
                if let Some(byte) = changed.get_mut(place) {
                    *byte = input.byte();
                }
            }
            4 => changed = with_part_of(&changed, &other, input.below(3)),
            _ => changed.extend_from_slice(input.until(b'\n')),
        }
    }
    let Ok(changed) = String::from_utf8(changed) else {
        return;
    };
    if changed != good && changed != other {
        let read = tokens.read(&changed);
        assert!(read.is_err(), "{changed} was made of {good}, and says {read:?}");
    }
}

/// A token with one segment of another.
fn with_part_of(token: &[u8], other: &str, place: usize) -> Vec<u8> {
    let mut segments: Vec<&[u8]> = token.split(|byte| *byte == b'.').collect();
    let theirs = other.split('.').nth(place).unwrap_or_default();
    if let Some(segment) = segments.get_mut(place) {
        *segment = theirs.as_bytes();
    }
    segments.join(&b'.')
}
