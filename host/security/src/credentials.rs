//! Credentials of a login, and the client that offers them.
//!
//! Enters: a request to log in, over a websocket or HTTP. Leaves: one kind of credentials, and the circumstances of
//! the login. Guarantees: the same words mean the same, whichever way they come; what a client says of itself is
//! bounded.

use super::ANONYMOUS;
use super::token::TokenKind;
use mesh_wire::protocol::{Dialect, json};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::net::IpAddr;

/// A client's `info` is kept up to this length.
const LONGEST_INFO: usize = 8 * 1024;

/// The credentials of a login.
pub enum Credentials {
    /// A name and a password.
    Password {
        /// The name.
        username: String,
        /// The password.
        password: String,
        /// Who is to check it, where the client says so.
        chosen: Option<String>,
    },
    /// Being nobody in particular: [`ANONYMOUS`], with or without a password.
    Anonymous,
    /// A token of an earlier login.
    Token(String),
    /// A signed nonce.
    Digest {
        /// The name.
        username: String,
        /// The key that is said to be the user's.
        public_key: String,
        /// The signature.
        digest: String,
    },
    /// Nothing that could be right.
    Nothing,
}

/// The fields of a request to log in.
#[derive(Default)]
pub struct Offer {
    /// The name.
    pub username: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// A token of an earlier login.
    pub token: Option<String>,
    /// A public key.
    pub public_key: Option<String>,
    /// A nonce, signed with it.
    pub digest: Option<String>,
    /// Who is to check the password.
    pub auth_type: Option<String>,
}

impl From<Offer> for Credentials {
    fn from(offer: Offer) -> Credentials {
        if let Some(token) = offer.token {
            return Credentials::Token(token);
        }
        let Some(username) = offer.username else {
            return Credentials::Nothing;
        };
        if username == ANONYMOUS {
            return Credentials::Anonymous;
        }
        match (offer.password, offer.public_key.zip(offer.digest)) {
            (_, Some((public_key, digest))) => Credentials::Digest {
                username,
                public_key,
                digest,
            },
            (Some(password), None) => Credentials::Password {
                username,
                password,
                chosen: offer.auth_type,
            },
            (None, None) => Credentials::Nothing,
        }
    }
}

impl Credentials {
    /// The name that is offered.
    pub fn username(&self) -> Option<&str> {
        match self {
            Credentials::Password { username, .. } | Credentials::Digest { username, .. } => Some(username),
            Credentials::Anonymous => Some(ANONYMOUS),
            Credentials::Token(_) | Credentials::Nothing => None,
        }
    }

    /// A word for the log.
    pub(super) fn method(&self) -> &'static str {
        match self {
            Credentials::Password { .. } => "password",
            Credentials::Anonymous => "anonymous",
            Credentials::Token(_) => "token",
            Credentials::Digest { .. } => "digest",
            Credentials::Nothing => "nothing",
        }
    }
}

/// The client that offers them.
#[derive(Clone, Debug)]
pub struct Client {
    /// Where it is.
    pub address: IpAddr,
    /// How it is connected.
    pub kind: TokenKind,
    /// Whether its connection has TLS.
    pub is_encrypted: bool,
    /// Its `info`.
    pub info: Info,
    /// The dialect that it speaks.
    pub dialect: Dialect,
    /// The session that is to be logged in.
    pub session_id: String,
}

/// A client's own statements: the `info` of a login.
#[derive(Clone, Debug, Default)]
pub struct Info {
    /// A JSON object.
    text: Option<Box<RawValue>>,
    is_browser: bool,
}

impl Info {
    /// The `info` of a login. A value that is no object says nothing; of one that is too long only counts whether it
    /// is a browser.
    pub fn of(raw: Option<&RawValue>) -> Info {
        let Some(raw) = raw.filter(|raw| raw.get().starts_with('{')) else {
            return Info::default();
        };
        #[derive(Deserialize)]
        struct Said<'a> {
            #[serde(borrow, rename = "_browser")]
            browser: Option<&'a RawValue>,
        }
        let said = serde_json::from_str::<Said>(raw.get()).ok();
        Info {
            text: (raw.get().len() <= LONGEST_INFO).then(|| raw.to_owned()),
            is_browser: said.and_then(|said| said.browser).is_some_and(json::is_truthy),
        }
    }

    /// Whether the client says that it is a browser: it logs in as one then, for a shorter time.
    pub fn is_browser(&self) -> bool {
        self.is_browser
    }

    /// The object, where there is one.
    pub fn value(&self) -> Option<Value> {
        let text = self.text.as_ref()?;
        serde_json::from_str(text.get()).ok()
    }

    /// The object as it was sent.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref().map(RawValue::get)
    }

    /// The same, to be kept.
    pub fn into_text(self) -> Option<Box<RawValue>> {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(offer: Offer) -> &'static str {
        Credentials::from(offer).method()
    }

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn credentials_are_of_one_kind() {
        let bob = || Offer {
            username: text("bob"),
            ..Offer::default()
        };
        assert_eq!(kind(bob()), "nothing");
        assert_eq!(kind(Offer::default()), "nothing");
        let password = text("secret");
        assert_eq!(kind(Offer { password, ..bob() }), "password");
        let token = text("a.b.c");
        assert_eq!(kind(Offer { token, ..bob() }), "token");
        let signed = Offer {
            password: text("secret"),
            public_key: text("key"),
            digest: text("signature"),
            ..bob()
        };
        assert_eq!(kind(signed), "digest");
        for password in [None, text(""), text("anonymous"), text("anything")] {
            let anonymous = Offer {
                username: text(ANONYMOUS),
                password,
                ..Offer::default()
            };
            assert_eq!(kind(anonymous), "anonymous");
        }
    }

    #[test]
    fn the_info_of_a_client_is_bounded() {
        let of = |text: &str| Info::of(Some(&RawValue::from_string(text.to_owned()).unwrap()));
        assert!(of(r#"{"_browser":1}"#).is_browser());
        assert!(!of(r#"{"_browser":false,"a":1}"#).is_browser());
        assert_eq!(of(r#"{"a":1}"#).value(), Some(serde_json::json!({"a": 1})));
        for odd in ["[]", "null", "7", r#""text""#] {
            assert!(of(odd).value().is_none() && !of(odd).is_browser());
        }
        let long = of(&format!(
            r#"{{"_browser":true,"a":"{}"}}"#,
            "x".repeat(LONGEST_INFO)
        ));
        assert!(long.is_browser() && long.value().is_none());
    }
}
