//! Credentials files, and the server that takes them.
//!
//! Enters: nothing. Leaves: the configuration of a server with an operator and an account, and credentials of users. Guarantees: all keys
//! are new.

use nkeys::KeyPair;
use serde_json::{Value, json};

/// Who signs credentials.
pub struct Account {
    key: KeyPair,
    /// The configuration of a server that takes what this account has signed.
    pub configuration: String,
}

impl Account {
    pub fn new() -> Account {
        let (operator, key) = (KeyPair::new_operator(), KeyPair::new_account());
        let of_operator = signed(
            &operator,
            &operator,
            "test",
            json!({"type": "operator", "version": 2}),
        );
        let everything = -1;
        let limits = json!({
            "subs": everything, "data": everything, "payload": everything, "imports": everything,
            "exports": everything, "wildcards": true, "conn": everything, "leaf": everything,
        });
        let of_account = json!({"type": "account", "version": 2, "limits": limits});
        let of_account = signed(&operator, &key, "test", of_account);
        let configuration = format!(
            "operator: {of_operator}\nresolver: MEMORY\nresolver_preload: {{ {}: {of_account} }}\n",
            key.public_key()
        );
        Account { key, configuration }
    }

    /// The content of a credentials file.
    pub fn credentials(&self) -> String {
        let user = KeyPair::new_user();
        let claims = json!({"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1});
        let token = signed(&self.key, &user, "test", claims);
        let seed = user.seed().expect("a new pair has a seed");
        format!(
            "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        )
    }
}

/// A token about a key, as NATS has them.
fn signed(by: &KeyPair, about: &KeyPair, name: &str, claims: Value) -> String {
    let head = json!({"typ": "JWT", "alg": "ed25519-nkey"}).to_string();
    let body = json!({
        "jti": about.public_key(), "iat": 1_700_000_000, "iss": by.public_key(), "name": name,
        "sub": about.public_key(), "nats": claims,
    });
    let text = format!(
        "{}.{}",
        base64(head.as_bytes()),
        base64(body.to_string().as_bytes())
    );
    let signature = by.sign(text.as_bytes()).expect("a new pair can sign");
    format!("{text}.{}", base64(&signature))
}

/// Base64 for addresses, without padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let byte = |place: usize| u32::from(group.get(place).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for letter in 0..=group.len() {
            let place = (bits >> (18 - 6 * letter)) & 63;
            text.push(char::from(LETTERS[place as usize]));
        }
    }
    text
}
