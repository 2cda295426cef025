//! Users of a world that is secure.
//!
//! Enters: names and permissions. Leaves: users in the directory, and tokens that let them in. Guarantees: a token saves the
//! time that a password takes; a user has a password only where a test gives it one.

use super::World;
use crate::mesh::Concerned;
use mesh_security::permission::{Holder, Rules};
use mesh_security::token::{Claims, Tokens};
use mesh_security::{ADMIN, Audited, Names, Profiles, Security, Settings, TokenKind, User};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The secret that signs tokens.
pub(super) const SECRET: &[u8] = b"a secret of at least 32 bytes, for tests";

/// The parts that the security of a world is made of.
pub(super) fn settings(name: &str) -> Settings {
    Settings {
        name: name.to_owned(),
        domain: name.to_owned(),
        allow_anonymous: false,
        admin_over_network: true,
        http_logout: false,
        lock_token_to_user: false,
        allow_nested_permissions: false,
        login_attempts: 4,
        lockout: Duration::from_secs(600),
        profiles: Profiles::new(&[], Names::Exact).expect("there are no operators"),
        names: Names::Exact,
        audited: Audited::default(),
    }
}

impl World {
    /// Adds a user with these permissions, by path: `{"/data/*": {"actions": ["get"], "prohibit": ["set"]}}`.
    ///
    /// # Panics
    ///
    /// When the world is not secure, or the permissions are none.
    pub fn add_user(&mut self, name: &str, permissions: &Value) {
        self.put(User {
            name: name.into(),
            id: format!("id of {name}"),
            rules: rules(permissions),
            ..User::default()
        });
    }

    /// Gives a user a password.
    ///
    /// # Panics
    ///
    /// When there is no such user.
    pub fn set_password(&mut self, name: &str, password: &str) {
        let hashed = self.block_on(self.security().hash(ADMIN, password.to_owned()));
        let hash = hashed.unwrap_or_else(|error| panic!("{error}"));
        self.put(User {
            password: Some(hash),
            ..User::clone(&self.user(name))
        });
    }

    /// Gives a user other permissions, and lets those who are connected know.
    ///
    /// # Panics
    ///
    /// When there is no such user, or the permissions are none.
    pub fn change_permissions(&mut self, name: &str, permissions: &Value) {
        self.put(User {
            rules: rules(permissions),
            ..User::clone(&self.user(name))
        });
        let names: [Arc<str>; 1] = [name.into()];
        self.mesh()
            .security_changed(Concerned::Users(&names), "upsert-user", &json!({}));
    }

    /// A token that lets a user in.
    pub(super) fn token(&self, name: &str) -> String {
        let id = uuid::Uuid::new_v4().to_string();
        let claims = Claims {
            parent_id: id.clone(),
            id,
            username: name.to_owned(),
            userid: self.user(name).id.clone(),
            kind: TokenKind::Stateful,
            timestamp: mesh_store::now(),
            order: None,
            origin: self.mesh().name().to_owned(),
            browser: false,
            expires: None,
            address: None,
            facts: BTreeMap::new(),
        };
        let issued = Tokens::new(SECRET).and_then(|tokens| tokens.issue(&claims));
        issued.unwrap_or_else(|error| panic!("{error}"))
    }

    fn user(&self, name: &str) -> Arc<User> {
        let known = self.security().directory().user(name);
        known.unwrap_or_else(|| panic!("there is no user {name}"))
    }

    fn put(&self, user: User) {
        let name = user.name.clone();
        let saved = self.security().directory().change().put_user(user);
        assert!(saved.is_ok(), "the user {name} was not stored");
        self.security().users_changed([&*name]);
    }

    fn security(&self) -> &Security {
        let Some(security) = self.mesh().security() else {
            panic!("this world is not secure")
        };
        security
    }
}

fn rules(permissions: &Value) -> Rules {
    let read = Rules::from_value(permissions, Holder::User);
    read.unwrap_or_else(|error| panic!("{permissions}: {error}"))
}
