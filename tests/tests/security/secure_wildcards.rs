//! Wildcards reach what the user may have, document by document and event by event, also where somebody else asks for the user.
//!
//! Each promise is tried with two users, and with an administrator and a delegate who act for them.

use mesh_tests::secure::{
    ADMIN, Client, DIALECTS, PASSWORD, error, host, is_denied, is_first_generation, is_ok,
};
use serde_json::{Value, json};

/// The permissions of users who may do everything with `/docs/…` but for one document.
fn all_but_one(prohibited: &str) -> Value {
    json!({"/docs/*": {"actions": ["*"]}, prohibited: {"prohibit": ["*"]}})
}

/// A host with `bob` and `eve`, who are prohibited a document each, and the delegate `del`, who may do nothing.
async fn mesh(overrides: &[&str]) -> (mesh_tests::host::Host, Client) {
    let host = host(overrides);
    let mut admin = Client::admin(&host).await;
    admin
        .add_member("bob", "right", "Bobs", all_but_one("/docs/bob"))
        .await;
    admin
        .add_member("eve", "right", "Eves", all_but_one("/docs/eve"))
        .await;
    let delegate = json!({"username": "del", "password": "right", "groups": {"_MESH_DELEGATE": true}});
    admin.security("upsertUser", json!([delegate])).await;
    (host, admin)
}

async fn write(admin: &mut Client, paths: &[&str]) {
    for path in paths {
        assert!(is_ok(&admin.set(path, json!({"path": path})).await));
    }
}

fn asking(action: &str, path: &str, options: Value) -> Value {
    json!({"action": action, "path": path, "options": options})
}

/// The paths of documents in an answer, sorted.
pub(super) fn paths(answer: &Value) -> Vec<String> {
    let items = answer.as_array().or_else(|| answer["data"].as_array());
    let items = items.into_iter().flatten();
    let found = items.filter_map(|item| item["_meta"]["path"].as_str().or_else(|| item["path"].as_str()));
    let mut found: Vec<String> = found.map(str::to_owned).collect();
    found.sort();
    found
}

/// The documents that events were about.
async fn heard(client: &mut Client) -> Vec<String> {
    let frames = client.pushed().await;
    let events = frames.iter().filter(|frame| frame["_meta"]["type"] == "data");
    let mut heard: Vec<String> = events
        .filter_map(|event| event["data"]["path"].as_str().map(str::to_owned))
        .collect();
    heard.sort();
    heard
}

#[tokio::test]
async fn a_wildcard_for_somebody_else_keeps_to_that_users_prohibitions() {
    let (host, mut admin) = mesh(&[]).await;
    // The delegate itself is prohibited what both users may have.
    let own = json!({"data": {"/docs/1": {"prohibit": ["*"]}}});
    admin.security("addUserPermissions", json!(["del", own])).await;
    for dialect in DIALECTS {
        for (actor, password) in [(ADMIN, PASSWORD), ("del", "right")] {
            let mut actor = Client::enter(host.addr(), dialect, actor, password).await;
            for (user, other) in [("bob", "eve"), ("eve", "bob")] {
                write(&mut admin, &["/docs/1", "/docs/bob", "/docs/eve"]).await;
                let theirs = format!("/docs/{other}");
                let secret = format!("/docs/{user}");
                let options = || json!({"onBehalfOf": user});
                let got = actor.request(asking("get", "/docs/*", options())).await;
                assert_eq!(
                    paths(&got),
                    ["/docs/1".to_owned(), theirs.clone()],
                    "{dialect}: {got}"
                );
                let mut sorted = options();
                sorted["options"] = json!({"sort": {"path": 1}});
                sorted["criteria"] = json!({"path": {"$exists": true}});
                let got = actor.request(asking("get", "/docs/*", sorted)).await;
                assert_eq!(
                    paths(&got),
                    ["/docs/1".to_owned(), theirs.clone()],
                    "{dialect}: {got}"
                );
                if !is_first_generation(dialect) {
                    let mut criteria = options();
                    criteria["criteria"] = json!({"path": secret});
                    let counted = actor.request(asking("count", "/docs/*", criteria)).await;
                    assert_eq!(counted["data"]["value"], 0, "{counted}");
                }
                let mut initial = options();
                initial["initialCallback"] = true.into();
                let subscribed = actor.request(asking("on", "/ALL@/docs/*", initial)).await;
                assert_eq!(
                    paths(&subscribed),
                    ["/docs/1".to_owned(), theirs.clone()],
                    "{subscribed}"
                );
                let ended = actor.request(asking("off", "/ALL@/docs/*", json!({}))).await;
                assert!(is_ok(&ended), "{ended}");
                let removed = actor.request(asking("remove", "/docs/*", options())).await;
                assert_eq!(removed["data"]["removed"], 2, "{dialect}: {removed}");
                assert_eq!(paths(&admin.get("/docs/*").await), [secret]);
            }
        }
    }
}

#[tokio::test]
async fn a_merge_for_somebody_else_shows_what_that_user_may_read() {
    let (host, mut admin) = mesh(&[]).await;
    let writers = json!({"/w/*": {"actions": ["set"]}});
    admin.add_member("pen", "right", "Writers", writers).await;
    for dialect in DIALECTS {
        for (actor, password) in [(ADMIN, PASSWORD), ("del", "right")] {
            let mut actor = Client::enter(host.addr(), dialect, actor, password).await;
            assert!(is_ok(&admin.set("/w/1", json!({"secret": "S"})).await));
            let merge = json!({"action": "set", "path": "/w/1", "data": {"mine": 1},
                "options": {"merge": true, "onBehalfOf": "pen"}});
            let merged = actor.request(merge).await;
            assert!(is_ok(&merged), "{merged}");
            assert!(!merged.to_string().contains("secret"), "{dialect}: {merged}");
            if !is_first_generation(dialect) {
                let count = json!({"action": "set", "path": "/w/gauge", "data": "g", "options": {"increment": 1, "onBehalfOf": "pen"}});
                assert!(is_ok(&admin.request(count.clone()).await));
                let counted = actor.request(count).await;
                assert!(is_ok(&counted) && counted["data"]["gauge"].is_null(), "{counted}");
            } else {
                let tag =
                    json!({"action": "set", "path": "/w/1", "options": {"tag": "t", "onBehalfOf": "pen"}});
                assert!(is_denied(&actor.request(tag).await));
            }
        }
    }
}

#[tokio::test]
async fn a_subscription_for_somebody_else_hears_what_that_user_may_hear() {
    let (host, mut admin) = mesh(&[]).await;
    let all = ["/docs/1", "/docs/bob", "/docs/eve", "/docs/own"];
    for dialect in DIALECTS {
        let mut delegate = Client::enter(host.addr(), dialect, "del", "right").await;
        let mut boss = Client::enter(host.addr(), dialect, ADMIN, PASSWORD).await;
        for actor in [&mut delegate, &mut boss] {
            let asked = asking("on", "/ALL@/docs/*", json!({"onBehalfOf": "bob", "refCount": 1}));
            assert!(is_ok(&actor.request(asked).await), "{dialect}");
        }
        assert!(is_denied(&delegate.on("/ALL@/docs/*").await));
        write(&mut admin, &all).await;
        assert_eq!(
            heard(&mut delegate).await,
            ["/docs/1", "/docs/eve", "/docs/own"],
            "{dialect}"
        );
        assert_eq!(
            heard(&mut boss).await,
            ["/docs/1", "/docs/eve", "/docs/own"],
            "{dialect}"
        );
        // A second user on the same channel, and the administrator itself: what one of them may hear is heard once.
        let asked = asking("on", "/ALL@/docs/*", json!({"onBehalfOf": "eve", "refCount": 1}));
        assert!(is_ok(&delegate.request(asked).await));
        assert!(is_ok(&boss.on("/ALL@/docs/*").await));
        write(&mut admin, &all).await;
        assert_eq!(heard(&mut delegate).await, all, "{dialect}");
        assert_eq!(heard(&mut boss).await, all, "{dialect}");
        // A prohibition counts at once.
        let more = json!(["bob", {"data": {"/docs/own": {"prohibit": ["on"]}}}]);
        admin.security("addUserPermissions", more).await;
        let more = json!(["eve", {"data": {"/docs/own": {"prohibit": ["on"]}}}]);
        admin.security("addUserPermissions", more.clone()).await;
        write(&mut admin, &all).await;
        assert_eq!(heard(&mut delegate).await, all[..3], "{dialect}");
        assert_eq!(heard(&mut boss).await, all, "{dialect}");
        for user in ["bob", "eve"] {
            let less = json!([user, {"data": {"/docs/own": {"prohibit": ["on"]}}}]);
            admin.security("removeUserPermissions", less).await;
        }
    }
}

#[tokio::test]
async fn a_subscription_for_somebody_else_ends_with_that_users_right() {
    let (host, mut admin) = mesh(&[]).await;
    for dialect in DIALECTS {
        for round in 0..4 {
            let mut delegate = Client::enter(host.addr(), dialect, "del", "right").await;
            for user in ["bob", "eve"] {
                let asked = asking("on", "/ALL@/docs/*", json!({"onBehalfOf": user, "refCount": 1}));
                assert!(is_ok(&delegate.request(asked).await), "{dialect} {round}");
            }
            // Events that both may hear, one for bob alone, and one for eve alone.
            let all = ["/docs/1", "/docs/bob", "/docs/eve"];
            write(&mut admin, &all).await;
            assert_eq!(heard(&mut delegate).await, all);
            match round {
                0 => {
                    let unlinked = json!(["Bobs", {"username": "bob"}]);
                    admin.security("unlinkGroupName", unlinked.clone()).await;
                    admin.security("linkGroupName", unlinked).await;
                }
                1 => {
                    let less = json!(["Bobs", {"data": {"/docs/*": {}}}]);
                    admin.security("removeGroupPermissions", less).await;
                    let more = json!(["Bobs", {"data": {"/docs/*": {"actions": ["*"]}}}]);
                    admin.security("addGroupPermissions", more).await;
                }
                2 => {
                    // A user of the same name is somebody else.
                    admin.security("deleteUser", json!([{"username": "bob"}])).await;
                    admin
                        .add_member("bob", "right", "Bobs", all_but_one("/docs/bob"))
                        .await;
                }
                _ => {
                    let unlinked = json!(["_MESH_DELEGATE", {"username": "del"}]);
                    admin.security("unlinkGroupName", unlinked.clone()).await;
                    admin.security("linkGroupName", unlinked).await;
                }
            }
            write(&mut admin, &all).await;
            // Eve's stays, unless the delegate was none any more.
            let expected: &[&str] = if round == 3 { &[] } else { &all[..2] };
            assert_eq!(heard(&mut delegate).await, expected, "{dialect} {round}");
        }
    }
}

#[tokio::test]
async fn nobody_listens_for_administrators_and_delegates() {
    let (host, mut admin) = mesh(&[]).await;
    let other =
        json!({"username": "del2", "password": "right", "groups": {"_MESH_DELEGATE": true, "Bobs": true}});
    admin.security("upsertUser", json!([other])).await;
    for dialect in DIALECTS {
        let mut delegate = Client::enter(host.addr(), dialect, "del", "right").await;
        let asked = asking("on", "/ALL@/docs/*", json!({"onBehalfOf": "del2"}));
        assert!(is_denied(&delegate.request(asked).await));
        // A new administrator is not listened for any more.
        let asked = asking("on", "/ALL@/docs/*", json!({"onBehalfOf": "eve"}));
        assert!(is_ok(&delegate.request(asked).await));
        let linked = json!(["_MESH_DELEGATE", {"username": "eve"}]);
        admin.security("linkGroupName", linked.clone()).await;
        write(&mut admin, &["/docs/1"]).await;
        assert_eq!(heard(&mut delegate).await, [""; 0]);
        admin.security("unlinkGroupName", linked).await;
    }
}

#[tokio::test]
async fn initial_values_are_what_the_user_may_read_and_no_more_than_a_get_gives() {
    let (host, mut admin) = mesh(&["happn.outbound_queue_bytes=65536"]).await;
    let rights = json!({"/open*": {"actions": ["get", "on"]}, "/large/*": {"actions": ["get", "on"]}, "/heard/*": {"actions": ["on"]},
        "/docs/*": {"actions": ["get", "on"]}, "/docs/unread": {"prohibit": ["get"]}, "/docs/unheard": {"prohibit": ["on"]}});
    admin.add_member("ann", "right", "Anns", rights).await;
    write(
        &mut admin,
        &[
            "/secret/1",
            "/heard/1",
            "/docs/1",
            "/docs/unread",
            "/docs/unheard",
        ],
    )
    .await;
    for number in 0..30 {
        let data = json!({"path": "large", "text": "x".repeat(4000)});
        assert!(is_ok(&admin.set(&format!("/large/{number}"), data).await));
    }
    for dialect in DIALECTS {
        let mut ann = Client::enter(host.addr(), dialect, "ann", "right").await;
        for option in ["initialCallback", "initialEmit"] {
            let options = || json!({option: true, "refCount": 1});
            let refused = ann.request(asking("on", "/ALL@/large/*", options())).await;
            let message = error(&refused)["message"].as_str().unwrap_or_default().to_owned();
            assert!(
                message.contains("ask for fewer documents at once"),
                "{dialect}: {refused}"
            );
            // Nothing is left of it.
            write(&mut admin, &["/large/new"]).await;
            assert_eq!(heard(&mut ann).await, [""; 0], "{dialect}");
            let denied = ann.request(asking("on", "/ALL@/heard/*", options())).await;
            assert!(is_denied(&denied), "{dialect}: {denied}");
            // The word in front of the `@` is covered by a permission, and is none that events have.
            for channel in ["/open@/secret/*", "/open@/secret/1", "/openALL@/secret/*"] {
                let answer = ann.request(asking("on", channel, options())).await;
                assert!(
                    !answer.to_string().contains("/secret/1\""),
                    "{dialect} {channel}: {answer}"
                );
            }
            let subscribed = ann.request(asking("on", "/ALL@/docs/*", options())).await;
            assert_eq!(paths(&subscribed), ["/docs/1"], "{dialect}: {subscribed}");
            ann.pushed().await;
            ann.request(asking("off", "/ALL@/docs/*", json!({}))).await;
        }
        assert!(is_ok(&ann.on("/ALL@/heard/*").await));
    }
}

#[tokio::test]
async fn a_sibling_is_written_where_its_own_path_is_allowed() {
    let (host, mut admin) = mesh(&[]).await;
    let rights = json!({"/in": {"actions": ["set"]}, "/in/*": {"prohibit": ["*"]}, "/out*": {"actions": ["set"]}, "/alone": {"actions": ["set"]}});
    for user in ["ann", "ian"] {
        admin.add_member(user, "right", "Siblings", rights.clone()).await;
        let mut client = Client::enter(host.addr(), "happn_1.3.0", user, "right").await;
        let sibling = |path: &str| json!({"action": "set", "path": path, "data": {"v": 1}, "options": {"set_type": "sibling"}});
        assert!(is_ok(&client.request(sibling("/out")).await));
        for path in ["/in", "/alone", "/_SYSTEM/_SECURITY", "/_SYSTEM/_SECURITY/"] {
            assert!(is_denied(&client.request(sibling(path)).await), "{path}");
        }
    }
    assert_eq!(paths(&admin.get("/in*").await), [""; 0]);
    assert_eq!(paths(&admin.get("/out/*").await).len(), 2);
}

#[tokio::test]
async fn an_added_unauthorized_entry_grants_nothing() {
    let (host, mut admin) = mesh(&[]).await;
    let no = json!({"authorized": false});
    let change = json!({"methods": {"/calc/add": no}, "events": {"/emitter/x": no}, "web": {"/web/page": {"authorized": false, "actions": ["get"]}}});
    admin
        .security("addGroupPermissions", json!(["Bobs", change]))
        .await;
    admin.security("addUserPermissions", json!(["eve", change])).await;
    for dialect in DIALECTS {
        for user in ["bob", "eve"] {
            let mut client = Client::enter(host.addr(), dialect, user, "right").await;
            assert!(
                client.call("calc/add", json!([1, 2])).await.is_err(),
                "{dialect} {user}"
            );
            assert!(is_denied(&client.on("/ALL@/_events/TestNode/emitter/x").await));
        }
    }
    // The prohibition outweighs what another group allows, until it is withdrawn.
    let all = json!({"name": "All", "permissions": {"methods": {"/calc/*": {"authorized": true}}}});
    admin.security("addGroup", json!([all])).await;
    admin
        .security("linkGroupName", json!(["All", {"username": "bob"}]))
        .await;
    let mut bob = Client::enter(host.addr(), "happn_4", "bob", "right").await;
    assert!(bob.call("calc/add", json!([1, 2])).await.is_err());
    let yes = json!({"methods": {"/calc/add": {"authorized": true}}});
    admin.security("addGroupPermissions", json!(["Bobs", yes])).await;
    assert_eq!(bob.call("calc/add", json!([1, 2])).await, Ok(vec![json!(3)]));
    for misspelled in [
        json!({"method": {"/calc/add": {}}}),
        json!({"methods": {"/calc/add": {"authorised": false}}}),
        json!({"events": {"/emitter/x": {"prohibit": ["on"]}}}),
        json!({"events": {"/emitter/x": {"authorized": "false"}}}),
    ] {
        for (method, name) in [("addGroupPermissions", "Bobs"), ("addUserPermissions", "eve")] {
            let done = admin
                .call(&format!("security/{method}"), json!([name, misspelled]))
                .await;
            assert!(done.is_err(), "{method} {misspelled}: {done:?}");
        }
    }
}

/// happn-3 13.12.1 with `allowNestedPermissions` answers the requests below as expected here, with two exceptions. It
/// counts all documents for everybody, and sends all of them as initial values.
#[tokio::test]
async fn nested_permissions_reach_allowed_documents_below_a_path() {
    let (host, mut admin) = mesh(&["security.allow_nested_permissions=true"]).await;
    let both = json!({"actions": ["get", "on"]});
    let rights = json!({"/t/path/1": both, "/t/path/2/3": both, "/t/path/4/5/6": both, "/t/path/w/*": both,
        "/t/path/w/no": {"prohibit": ["get", "on"]}, "/t/path/read": {"actions": ["get"]}, "/t/path/heard": {"actions": ["on"]}});
    admin.add_member("ann", "right", "Anns", rights.clone()).await;
    let all = [
        "/t/path/1",
        "/t/path/2/3",
        "/t/path/2/4",
        "/t/path/4/5/6",
        "/t/path/heard",
        "/t/path/new",
        "/t/path/read",
        "/t/path/w/a",
        "/t/path/w/no",
        "/t/path/w/x/y",
        "/t/secret",
    ];
    write(&mut admin, &all).await;
    let common = [
        "/t/path/1",
        "/t/path/2/3",
        "/t/path/4/5/6",
        "/t/path/w/a",
        "/t/path/w/x/y",
    ];
    let with = |path: &'static str| {
        let mut paths = [&common[..], &[path]].concat();
        paths.sort_unstable();
        paths
    };
    for dialect in DIALECTS {
        let mut ann = Client::enter(host.addr(), dialect, "ann", "right").await;
        let mut delegate = Client::enter(host.addr(), dialect, "del", "right").await;
        for path in ["/t/path/**", "/t/**"] {
            assert_eq!(
                paths(&ann.get(path).await),
                with("/t/path/read"),
                "{dialect} {path}"
            );
            let got = delegate
                .request(asking("get", path, json!({"onBehalfOf": "ann"})))
                .await;
            assert_eq!(paths(&got), with("/t/path/read"), "{dialect} {path}");
        }
        for path in ["/t/path/*", "/t/*", "/none/**", "/t/*/**", "/t/**/x", "/t/path**"] {
            assert!(is_denied(&ann.get(path).await), "{dialect} {path}");
        }
        assert_eq!(paths(&ann.get("/t/path/2/**").await), ["/t/path/2/3"]);
        assert!(is_denied(&ann.remove("/t/path/**").await));
        if !is_first_generation(dialect) {
            let counted = ann.request(asking("count", "/t/**", json!({}))).await;
            assert_eq!(counted["data"]["value"], 6, "{counted}");
        }
        for channel in ["/ALL@/t/path/*", "/ALL@/none/**"] {
            assert!(is_denied(&ann.on(channel).await), "{dialect} {channel}");
        }
        let options = json!({"depth": 9, "initialCallback": true, "refCount": 1});
        let subscribed = ann.request(asking("on", "/ALL@/t/**", options.clone())).await;
        assert_eq!(paths(&subscribed), common, "{dialect}: {subscribed}");
        let mut for_ann = options;
        for_ann["onBehalfOf"] = "ann".into();
        let subscribed = delegate.request(asking("on", "/ALL@/t/**", for_ann)).await;
        assert_eq!(paths(&subscribed), common, "{dialect}: {subscribed}");
        write(&mut admin, &all).await;
        assert_eq!(heard(&mut ann).await, with("/t/path/heard"), "{dialect}");
        assert_eq!(heard(&mut delegate).await, with("/t/path/heard"), "{dialect}");
        // The events follow the permissions.
        let new = json!(["Anns", {"data": {"/t/path/new": both}}]);
        admin.security("addGroupPermissions", new.clone()).await;
        admin
            .security(
                "removeGroupPermissions",
                json!(["Anns", {"data": {"/t/path/heard": {}}}]),
            )
            .await;
        write(&mut admin, &all).await;
        assert_eq!(heard(&mut ann).await, with("/t/path/new"), "{dialect}");
        assert_eq!(heard(&mut delegate).await, with("/t/path/new"), "{dialect}");
        let nothing = json!([{"name": "Anns", "permissions": {}}, {"overwritePermissions": true}]);
        admin.security("upsertGroup", nothing).await;
        write(&mut admin, &all).await;
        assert_eq!(heard(&mut ann).await, [""; 0], "{dialect}");
        assert!(is_denied(&ann.get("/t/**").await));
        // The own subscription hears again what is allowed again; the one for somebody else has ended.
        admin.add_member("ann", "right", "Anns", rights.clone()).await;
        write(&mut admin, &all).await;
        assert_eq!(heard(&mut ann).await, with("/t/path/heard"), "{dialect}");
        assert_eq!(heard(&mut delegate).await, [""; 0], "{dialect}");
    }
}

#[tokio::test]
async fn without_nested_permissions_a_wildcard_needs_a_permission_of_its_own() {
    let (host, mut admin) = mesh(&[]).await;
    let rights = json!({"/t/path/1": {"actions": ["get", "on"]}});
    admin.add_member("ann", "right", "Anns", rights).await;
    for dialect in DIALECTS {
        let mut ann = Client::enter(host.addr(), dialect, "ann", "right").await;
        assert!(is_denied(&ann.get("/t/path/**").await));
        assert!(is_denied(&ann.on("/ALL@/t/path/**").await));
    }
}
