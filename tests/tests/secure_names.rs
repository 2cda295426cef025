//! What somebody who manages users and groups, and is no administrator, cannot do to administrators; and what names of nobody
//! do to somebody.
//!
//! What enters: calls of the component `security`. What leaves: answers, and memberships as they are afterwards. Guarantees:
//! each refusal is followed by a look at what it should have protected.

use mesh_tests::secure::{Client, host, is_ok};
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
