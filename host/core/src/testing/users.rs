//! Users of a world that is secure.
//!
//! What enters: names and permissions. What leaves: users in the directory, all with the same password. Guarantees: that password is
//! hashed once in a process, because hashing takes its time.

use super::World;
use crate::mesh::Concerned;
use mesh_security::permission::{Holder, Rules};
use mesh_security::{ADMIN, Audited, Names, Profiles, Security, Settings, User};
use serde_json::{Value, json};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The password of all users.
pub(super) const PASSWORD: &str = "the password of all users";

/// What the security of a world is made with.
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
        profiles: Profiles::new(&[], Names::Exact),
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
        let hash = self.hash();
        let user = User {
            name: name.into(),
            id: format!("id of {name}"),
            password: Some(hash),
            rules: rules(permissions),
            ..User::default()
        };
        self.put(user);
    }

    /// Gives a user other permissions, and lets those who are connected know.
    ///
    /// # Panics
    ///
    /// When there is no such user, or the permissions are none.
    pub fn change_permissions(&mut self, name: &str, permissions: &Value) {
        let known = self.security().directory().user(name);
        let Some(known) = known else {
            panic!("there is no user {name}")
        };
        self.put(User {
            rules: rules(permissions),
            ..User::clone(&known)
        });
        let names: [Arc<str>; 1] = [name.into()];
        self.mesh()
            .security_changed(Concerned::Users(&names), "upsert-user", &json!({}));
    }

    fn put(&self, user: User) {
        let name = user.name.clone();
        let saved = self.security().directory().change().put_user(user);
        assert!(saved.is_ok(), "the user {name} was not stored");
        self.security().users_changed([&*name]);
    }

    fn hash(&self) -> String {
        static HASH: OnceLock<String> = OnceLock::new();
        let made = HASH.get_or_init(|| {
            let hashed = self.block_on(self.security().hash(ADMIN, PASSWORD.to_owned()));
            hashed.unwrap_or_else(|error| panic!("{error}"))
        });
        made.clone()
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
