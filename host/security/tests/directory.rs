//! Users and groups are read from the store as they were written.
//!
//! Enters: users and groups with fields that applications keep. Leaves: the same, from a directory that was opened
//! anew. Guarantees: fields with a meaning are not among those that are kept for others.

use mesh_security::directory::own_fields;
use mesh_security::{Directory, Group, User};
use mesh_store::MemoryStore;
use serde_json::{Value, json};
use std::sync::Arc;

fn fields(value: Value) -> serde_json::Map<String, Value> {
    own_fields(value.as_object().expect("an object").clone())
}

#[test]
fn fields_that_applications_keep_survive() {
    let store = Arc::new(MemoryStore::default());
    let directory = Directory::open(store.clone());
    let group = Group {
        name: "red".into(),
        fields: fields(json!({"name": "other", "description": "of the group"})),
        ..Group::default()
    };
    let user = User {
        name: "bob".into(),
        id: "1".to_owned(),
        fields: fields(json!({"username": "eve", "password": "shown", "nickname": ["bobby"]})),
        ..User::default()
    };
    directory.change().put_group(group).expect("memory takes it");
    directory.change().put_user(user).expect("memory takes it");

    let read = Directory::open(store);
    let group = read.group("red").expect("the group is there");
    assert_eq!(
        Value::from(group.fields.clone()),
        json!({"description": "of the group"})
    );
    let user = read.user("bob").expect("the user is there");
    assert_eq!(Value::from(user.fields.clone()), json!({"nickname": ["bobby"]}));
    assert_eq!((&*user.id, &user.password), ("1", &None));
}

#[test]
fn fields_with_a_meaning_are_none_of_an_application() {
    let given = json!({
        "username": 1, "userid": 1, "name": 1, "password": 1, "oldPassword": 1, "publicKey": 1,
        "custom_data": 1, "permissions": 1, "groups": 1, "_meta": 1, "__proto__": 1, "description": 1,
    });
    assert_eq!(Value::from(fields(given)), json!({"description": 1}));
}
