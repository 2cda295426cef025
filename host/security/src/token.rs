//! Session tokens: JSON web tokens, signed with HMAC-SHA256 and nothing else.
//!
//! Enters: claims to be signed, and texts that claim to be tokens. Leaves: three segments of base64, and the claims
//! of tokens that this host has signed. Guarantees: nothing of a text is parsed before its signature is known to be
//! right. The algorithm is not taken from the text: the header has to be the one that the host writes itself, letter
//! by letter. Signatures are compared in constant time. Whether a token has expired or was revoked is for others to
//! say.

use super::random::{NoRandomness, random};
use data_encoding::BASE64URL_NOPAD;
use ring::hmac;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::IpAddr;
use thiserror::Error;

/// The only header: what happn writes, too.
const HEADER: &str = r#"{"typ":"JWT","alg":"HS256"}"#;

/// The longest text that is looked at.
const LONGEST: usize = 8 * 1024;

/// A key shorter than what HMAC-SHA256 puts out makes signatures that can be guessed (RFC 7518, section 3.2).
pub const SHORTEST_SECRET: usize = 32;

/// How a session came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
pub enum TokenKind {
    /// By a login over HTTP.
    Stateless,
    /// By a login over a websocket.
    Stateful,
}

impl From<TokenKind> for u8 {
    fn from(kind: TokenKind) -> u8 {
        match kind {
            TokenKind::Stateless => 0,
            TokenKind::Stateful => 1,
        }
    }
}

impl TryFrom<u8> for TokenKind {
    type Error = &'static str;

    fn try_from(number: u8) -> Result<TokenKind, &'static str> {
        match number {
            0 => Ok(TokenKind::Stateless),
            1 => Ok(TokenKind::Stateful),
            _ => Err("a token's type is 0 or 1"),
        }
    }
}

/// The content of a token. The names are those of happn's sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claims {
    /// The session that the token was made for.
    pub id: String,
    /// Whose session it is.
    pub username: String,
    /// The user's own id: a user who was deleted and made again under the same name is another one.
    pub userid: String,
    /// How the session came to be.
    #[serde(rename = "type")]
    pub kind: TokenKind,
    /// The session whose token was used to log in; the session itself where a password was.
    pub parent_id: String,
    /// When it was made: milliseconds since 1970.
    pub timestamp: u64,
    /// Its place among those of its user, where the clock had gone back when it was made; otherwise `timestamp` is that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<u64>,
    /// The name of the server that made it.
    pub origin: String,
    /// Whether it was given to a browser.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub browser: bool,
    /// When it ends, where its profile had said so: milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
    /// The only address that the token may be used from, where it is locked to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The statements of its client, as far as a profile asked for them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, Value>,
}

impl Claims {
    /// Its place among the tokens of its user.
    pub fn issued(&self) -> u64 {
        self.order.unwrap_or(self.timestamp)
    }
}

/// Faults of a token or a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// Longer than any token of this host; not looked at.
    #[error("the token is longer than {LONGEST} bytes")]
    TooLong,
    /// Not three segments.
    #[error("the token does not have three segments")]
    Segments,
    /// Another algorithm than HS256, none, or another header than this host's.
    #[error("the token's header is not {HEADER}")]
    Header,
    /// Not signed with this host's secret.
    #[error("the token's signature is wrong")]
    Signature,
    /// Signed, but by something that writes other claims.
    #[error("the token does not say what a session's token says")]
    Claims,
    /// A secret of too few bytes.
    #[error("the secret is shorter than {SHORTEST_SECRET} bytes")]
    SecretTooShort,
}

/// Signs and reads tokens.
pub struct Tokens {
    key: hmac::Key,
    /// The first segment of each token.
    header: String,
}

impl Tokens {
    /// Tokens signed with the secret.
    ///
    /// # Errors
    ///
    /// When the secret is too short to protect anything.
    pub fn new(secret: &[u8]) -> Result<Tokens, TokenError> {
        if secret.len() < SHORTEST_SECRET {
            return Err(TokenError::SecretTooShort);
        }
        Ok(Tokens {
            key: hmac::Key::new(hmac::HMAC_SHA256, secret),
            header: BASE64URL_NOPAD.encode(HEADER.as_bytes()),
        })
    }

    /// A token that says this.
    ///
    /// # Errors
    ///
    /// When it would be too long to be read again.
    pub fn issue(&self, claims: &Claims) -> Result<String, TokenError> {
        let claims = serde_json::to_vec(claims).map_err(|_| TokenError::Claims)?;
        let mut token = format!("{}.{}", self.header, BASE64URL_NOPAD.encode(&claims));
        let signature = hmac::sign(&self.key, token.as_bytes());
        token.push('.');
        BASE64URL_NOPAD.encode_append(signature.as_ref(), &mut token);
        if token.len() > LONGEST {
            Err(TokenError::TooLong)
        } else {
            Ok(token)
        }
    }

    /// The content of a token of this host.
    ///
    /// # Errors
    ///
    /// When it is not one.
    pub fn read(&self, token: &str) -> Result<Claims, TokenError> {
        if token.len() > LONGEST {
            return Err(TokenError::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Segments)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenError::Segments)?;
        if claims.contains('.') {
            return Err(TokenError::Segments);
        }
        if header != self.header {
            return Err(TokenError::Header);
        }
        let signature = BASE64URL_NOPAD
            .decode(signature.as_bytes())
            .map_err(|_| TokenError::Signature)?;
        hmac::verify(&self.key, signed.as_bytes(), &signature).map_err(|_| TokenError::Signature)?;
        let claims = BASE64URL_NOPAD
            .decode(claims.as_bytes())
            .map_err(|_| TokenError::Claims)?;
        serde_json::from_slice(&claims).map_err(|_| TokenError::Claims)
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Tokens")
    }
}

/// A secret for [`Tokens`] that nobody has had before.
///
/// # Errors
///
/// When the operating system gives no random bytes.
pub fn new_secret() -> Result<[u8; 64], NoRandomness> {
    random()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_choices::Choices;

    const SECRET: &[u8] = b"a secret of at least 32 bytes for tests";

    fn claims() -> Claims {
        Claims {
            id: "5f0c9f0e-3d6e-4e0b-9d4e-0f4b8e0c8a11".to_owned(),
            username: "bob".to_owned(),
            userid: "c24ac75e-00b3-4f1f-9108-fc9b568beca2".to_owned(),
            kind: TokenKind::Stateful,
            parent_id: "5f0c9f0e-3d6e-4e0b-9d4e-0f4b8e0c8a11".to_owned(),
            timestamp: 1_795_417_784_491,
            order: None,
            origin: "TestNode".to_owned(),
            browser: false,
            expires: None,
            address: None,
            facts: BTreeMap::new(),
        }
    }

    fn tokens() -> Tokens {
        Tokens::new(SECRET).unwrap()
    }

    /// A token with any header and claims, signed with the right secret.
    fn signed(header: &str, claims: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
        let text = format!(
            "{}.{}",
            BASE64URL_NOPAD.encode(header.as_bytes()),
            BASE64URL_NOPAD.encode(claims.as_bytes())
        );
        let signature = hmac::sign(&key, text.as_bytes());
        format!("{text}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
    }

    #[test]
    fn a_signed_token_is_read_again() {
        let locked = Claims {
            kind: TokenKind::Stateless,
            order: Some(1_795_417_784_493),
            expires: Some(1_795_417_784_492),
            facts: [("device".to_owned(), "kiosk".into())].into(),
            address: Some("::1".parse().unwrap()),
            ..claims()
        };
        for claims in [claims(), locked] {
            let token = tokens().issue(&claims).unwrap();
            assert_eq!(token.split('.').count(), 3);
            assert_eq!(tokens().read(&token), Ok(claims));
        }
    }

    #[test]
    fn the_signature_is_the_one_that_every_reader_of_web_tokens_expects() {
        // Node: crypto.createHmac('sha256', 'a secret of at least 32 bytes for tests')
        //   .update(base64url('{"typ":"JWT","alg":"HS256"}') + '.' + base64url('"claims"')).digest('base64url')
        let token =
            "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.ImNsYWltcyI.TY9ogP1tPCIHD2L36mL7dc3kJGRTT6IAN77Jh06caSM";
        assert_eq!(signed(HEADER, "\"claims\""), token);
        assert_eq!(tokens().read(token), Err(TokenError::Claims));
    }

    #[test]
    fn only_the_pinned_algorithm_is_read_even_under_the_right_secret() {
        let payload = serde_json::to_string(&claims()).unwrap();
        assert_eq!(tokens().read(&signed(HEADER, &payload)), Ok(claims()));
        for header in [
            r#"{"typ":"JWT","alg":"none"}"#,
            r#"{"typ":"JWT","alg":"None"}"#,
            r#"{"typ":"JWT","alg":"RS256"}"#,
            r#"{"typ":"JWT","alg":"HS512"}"#,
            r#"{"typ":"JWT","alg":"hs256"}"#,
            r#"{"typ":"JWT"}"#,
            r#"{"typ":"JWT","alg":"none","alg":"HS256"}"#,
            r#"{"typ":"JWT","alg":"HS256","crit":["exp"]}"#,
            "{}",
            "",
        ] {
            assert_eq!(
                tokens().read(&signed(header, &payload)),
                Err(TokenError::Header),
                "{header}"
            );
        }
        let unsigned = signed(r#"{"typ":"JWT","alg":"none"}"#, &payload);
        let unsigned = &unsigned[..=unsigned.rfind('.').unwrap()];
        assert_eq!(tokens().read(unsigned), Err(TokenError::Header));
    }

    #[test]
    fn a_token_with_one_changed_letter_is_refused() {
        let token = tokens().issue(&claims()).unwrap();
        for position in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[position] = if changed[position] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(tokens().read(&changed).is_err(), "{changed}");
        }
        let other = Tokens::new(b"another secret of at least 32 bytes").unwrap();
        assert_eq!(other.read(&token), Err(TokenError::Signature));
        for end in 0..token.len() {
            assert!(tokens().read(&token[..end]).is_err());
        }
    }

    #[test]
    fn signed_claims_of_something_else_are_refused() {
        for payload in [
            "",
            "null",
            "{}",
            r#""packed as happn does""#,
            r#"{"id":"a","type":2}"#,
            "[]",
        ] {
            assert_eq!(
                tokens().read(&signed(HEADER, payload)),
                Err(TokenError::Claims),
                "{payload}"
            );
        }
    }

    #[test]
    fn a_token_that_is_too_long_is_neither_read_nor_made() {
        let payload = format!(r#"{{"id":"{}"}}"#, "x".repeat(LONGEST));
        assert_eq!(tokens().read(&signed(HEADER, &payload)), Err(TokenError::TooLong));
        let long = Claims {
            username: "x".repeat(LONGEST),
            ..claims()
        };
        assert_eq!(tokens().issue(&long), Err(TokenError::TooLong));
    }

    #[test]
    fn no_text_makes_the_reader_panic() {
        let tokens = tokens();
        let token = tokens.issue(&claims()).unwrap();
        let mut choices = Choices::new(0x5eed);
        let mut below = |limit: usize| choices.below(limit);
        let pieces = [
            ".",
            "..",
            "=",
            "ü",
            "\0",
            "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9",
            "AAAA",
            "-_",
            "\u{10ffff}",
            " ",
        ];
        for _ in 0..20_000 {
            let mut text = if below(2) == 0 {
                token.clone()
            } else {
                String::new()
            };
            for _ in 0..=below(6) {
                let at = (0..=below(text.len() + 1))
                    .rev()
                    .find(|at| text.is_char_boundary(*at))
                    .unwrap();
                if below(3) == 0 {
                    text.truncate(at);
                }
                let at = at.min(text.len());
                text.insert_str(at, pieces[below(pieces.len())]);
            }
            assert!(tokens.read(&text).is_err() || text == token, "{text}");
        }
    }

    #[test]
    fn secrets_are_long_and_differ() {
        assert_ne!(new_secret().unwrap(), new_secret().unwrap());
        assert!(Tokens::new(&new_secret().unwrap()).is_ok());
        assert_eq!(Tokens::new(b"short").unwrap_err(), TokenError::SecretTooShort);
        assert!(!format!("{:?}", tokens()).contains("secret"));
    }
}
