//! Limits of a user who manages users and groups, and is no administrator; and what names of nobody
//! do to somebody.
//!
//! Enters: calls of the component `security`. Leaves: answers, and memberships as they are afterwards. Guarantees:
//! each refusal is followed by a look at what it should have protected.

use mesh_tests::secure::{Client, error, host, is_ok};
use serde_json::{Value, json};

async fn groups_of(admin: &mut Client, user: &str) -> Value {
    let shown = admin.security("getUser", json!([user])).await;
    let names = shown["groups"].as_object().into_iter().flatten();
    names.map(|(name, _)| json!(name)).collect()
}

#[tokio::test]
async fn a_manager_of_groups_links_nothing_to_administrators() {
    let host = host(&[]);
    let mut admin = Client::admin(&host).await;
    let manager = json!({"name": "Managers", "permissions": {"methods": {"/TestNode/security/*": {"authorized": true}}}});
    admin.security("addGroup", json!([manager])).await;
    let strict = json!({"name": "Strict", "permissions": {"data": {"/*": {"prohibit": ["*"]}}}});
    admin.security("addGroup", json!([strict])).await;
    for (name, groups) in [
        ("max", json!({"Managers": true})),
        ("boss", json!({"_MESH_ADM": true})),
        ("bob", json!({})),
    ] {
        let user = json!({"username": name, "password": "right", "groups": groups});
        admin.security("upsertUser", json!([user])).await;
    }
    let mut max = Client::enter(host.addr(), "happn_4", "max", "right").await;
    for user in ["boss", "_ADMIN"] {
        let before = groups_of(&mut admin, user).await;
        for (method, arguments) in [
            ("linkGroupName", json!(["Strict", {"username": user}])),
            ("linkGroup", json!([{"name": "Strict"}, {"username": user}])),
            ("associateGroups", json!([{"username": user}, ["Strict"], []])),
            ("unlinkGroupName", json!(["_MESH_GST", {"username": user}])),
            ("unlinkGroups", json!([["_MESH_GST"], {"username": user}])),
        ] {
            let error = max
                .call(&format!("security/{method}"), arguments)
                .await
                .unwrap_err();
            assert_eq!(error["code"], 403, "{method} {user}: {error}");
        }
        assert_eq!(groups_of(&mut admin, user).await, before, "{user}");
    }
    max.security("linkGroupName", json!(["Strict", {"username": "bob"}]))
        .await;
    assert!(groups_of(&mut admin, "bob").await.to_string().contains("Strict"));
}

#[tokio::test]
async fn a_manager_of_users_takes_no_token_of_administrators() {
    let host = host(&[]);
    let mut admin = Client::admin(&host).await;
    let manager = json!({"name": "Managers", "permissions": {"methods": {"/TestNode/security/*": {"authorized": true}}}});
    admin.security("addGroup", json!([manager])).await;
    for (name, groups) in [
        ("max", json!({"Managers": true})),
        ("boss", json!({"_MESH_ADM": true})),
        ("bob", json!({})),
    ] {
        let user = json!({"username": name, "password": "right", "groups": groups});
        admin.security("upsertUser", json!([user])).await;
    }
    let mut max = Client::enter(host.addr(), "happn_4", "max", "right").await;
    for (name, password, may) in [
        ("boss", "right", false),
        ("_ADMIN", "happn", false),
        ("bob", "right", true),
    ] {
        let mut other = Client::open(host.addr(), "happn_4").await;
        let token = other.login(name, password).await["data"]["token"].clone();
        let id = other.id().to_owned();
        for (method, arguments) in [
            ("revokeToken", json!([token, "because"])),
            ("restoreToken", json!([token])),
            ("revokeSession", json!([id, "because"])),
            ("restoreSession", json!([id])),
        ] {
            // Revoking the token of bob ends his session, some time after the answer.
            if may && method.ends_with("Session") {
                continue;
            }
            let outcome = max.call(&format!("security/{method}"), arguments).await;
            match may {
                true => assert!(outcome.is_ok(), "{name} {method}: {outcome:?}"),
                false => assert_eq!(outcome.unwrap_err()["code"], 403, "{name} {method}"),
            }
        }
        let mut again = Client::open(host.addr(), "happn_4").await;
        assert!(is_ok(&again.login_with(json!({"token": token})).await), "{name}");
    }
    let own = max.login("max", "right").await["data"]["token"].clone();
    assert!(
        admin
            .call("security/revokeToken", json!([own, "test"]))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn names_that_people_would_take_for_another_are_refused() {
    let host = host(&[]);
    let mut admin = Client::admin(&host).await;
    for name in [
        " bob",
        "bob ",
        "\tbob",
        "bob\u{0}",
        "b\u{0}ob",
        "\u{a0}bob",
        "bob\u{200b}",
        "bo\u{feff}b",
    ] {
        for (method, argument) in [
            ("addUser", json!({"username": name, "password": "right"})),
            ("upsertUser", json!({"username": name, "password": "right"})),
            ("addGroup", json!({"name": name, "permissions": {}})),
            ("upsertGroup", json!({"name": name, "permissions": {}})),
        ] {
            let refused = admin.call(&format!("security/{method}"), json!([argument])).await;
            assert_eq!(
                refused.unwrap_err()["name"],
                "ValidationError",
                "{method} {name:?}"
            );
        }
        let mut nobody = Client::open(host.addr(), "happn_4").await;
        assert!(!is_ok(&nobody.login(name, "right").await));
    }
    let user = json!({"username": "bo b", "password": "right"});
    admin.security("addUser", json!([user])).await;
}

#[tokio::test]
async fn letters_of_any_size_are_the_same_where_that_is_wanted() {
    let host = host(&[
        "security.case_insensitive_usernames=true",
        "security.lockout_seconds=600",
    ]);
    let mut admin = Client::admin(&host).await;
    admin
        .add_member(
            "Bob",
            "right",
            "G",
            json!({"/home/{{user.username}}/*": {"actions": ["*"]}}),
        )
        .await;
    let shown = admin.security("getUser", json!(["BOB"])).await;
    assert_eq!(shown["username"], "bob", "as happn-3 13.12.1 keeps it: {shown}");
    for name in ["bob", "Bob", "BOB"] {
        let mut bob = Client::enter(host.addr(), "happn_4", name, "right").await;
        assert!(is_ok(&bob.set("/home/bob/1", json!({"n": 1})).await), "{name}");
    }
    let taken = json!([{"username": "bOB", "password": "other"}]);
    assert!(admin.call("security/addUser", taken).await.is_err());
    for name in ["_admin", "_Anonymous"] {
        let alike = json!([{"username": name, "password": "right"}]);
        assert!(admin.call("security/addUser", alike).await.is_err(), "{name}");
    }
    let mut stranger = Client::open(host.addr(), "happn_4").await;
    for name in ["bob", "Bob", "BOB", "bOb"] {
        assert!(!is_ok(&stranger.login(name, "wrong").await));
    }
    let locked = stranger.login("boB", "right").await;
    assert_eq!(error(&locked)["message"], "Account locked out", "{locked}");
    let mut bystander = Client::open(host.addr(), "happn_4").await;
    assert!(!is_ok(&bystander.login("_admin", "happn").await));
    let groups = json!(["G", {"username": "BoB"}]);
    admin.security("unlinkGroupName", groups).await;
    assert!(!groups_of(&mut admin, "bob").await.to_string().contains("\"G\""));
    admin.security("deleteUser", json!([{"username": "BOB"}])).await;
    assert!(admin.security("getUser", json!(["bob"])).await.is_null());
}

#[tokio::test]
async fn deleting_nobody_removes_nothing_and_user_is_no_group() {
    let host = host(&[]);
    let mut admin = Client::admin(&host).await;
    admin
        .add_member("carol", "right", "Team", json!({"/team/*": {"actions": ["*"]}}))
        .await;
    for name in ["carol/_USER_GROUP", "carol/_USER_GROUP/Team", "nobody"] {
        let removed = admin.security("deleteUser", json!([{"username": name}])).await;
        assert_eq!(removed["obj"]["data"]["removed"], 0, "{name}: {removed}");
        assert_eq!(removed["tree"]["data"]["removed"], 0, "{name}: {removed}");
    }
    let mut carol = Client::enter(host.addr(), "happn_4", "carol", "right").await;
    assert!(is_ok(&carol.set("/team/1", json!({"n": 1})).await));
    let group = json!({"name": "_USER", "permissions": {}});
    let error = admin.call("security/addGroup", json!([group])).await.unwrap_err();
    assert_eq!(error["name"], "ValidationError", "{error}");
}
