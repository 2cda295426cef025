//! In which order the actions of permissions are shown: as two generations of real servers show them.
//!
//! Enters: changes of a group by an administrator of either generation. Leaves: answers, events, and what is shown
//! before and after a restart. Guarantees: the expected answers are those of happner-2 3.1.2 and 13.1.1 to the same
//! calls.

use mesh_tests::host::{Folder, Host, repository};
use mesh_tests::secure::{ADMIN, Client, PASSWORD, host};
use serde_json::{Value, json};

/// Permissions on one web route.
fn route(actions: Value) -> Value {
    json!({"web": {"/web/page": {"authorized": true, "actions": actions}}})
}

/// The actions of this route in a group that was answered.
fn actions(group: &Value) -> &Value {
    &group["permissions"]["web"]["web/page"]["actions"]
}

/// The actions of this route in the event that tells of a change, which is the only one that has come.
async fn told(listener: &mut Client) -> Value {
    let pushed = listener.pushed().await;
    let events = pushed.iter().filter(|frame| {
        let path = frame["_meta"]["path"].as_str().unwrap_or_default();
        path.starts_with("/_events/TestNode/security/")
    });
    let events: Vec<&Value> = events.collect();
    let [event] = events[..] else {
        panic!("not one event: {events:?}");
    };
    let group = event["data"].get("obj").unwrap_or(&event["data"]);
    group["permissions"]["/@HTTP/web/page"]["actions"].clone()
}

#[tokio::test]
async fn events_and_answers_of_changes_keep_the_order_in_which_actions_were_given() {
    let host = host(&[]);
    let mut listener = Client::admin(&host).await;
    listener.on("/ALL@/_events/TestNode/security/*").await;
    for (name, dialect) in [("first", "happn_1.3.0"), ("later", "happn_4")] {
        let mut admin = Client::enter(host.addr(), dialect, ADMIN, PASSWORD).await;
        admin.security("attachToSecurityChanges", json!([])).await;
        let given = json!(["put", "get", "delete"]);
        let group = json!({"name": name, "permissions": route(given.clone())});
        let answer = admin.security("addGroup", json!([group])).await;
        assert_eq!(*actions(&answer), given, "{dialect}");
        assert_eq!(told(&mut listener).await, given, "{dialect}");

        let given = json!(["head", "get", "post"]);
        admin
            .security("addGroupPermissions", json!([name, route(given.clone())]))
            .await;
        assert_eq!(told(&mut listener).await, given, "{dialect}");

        let given = json!(["post", "get"]);
        admin
            .security("removeGroupPermissions", json!([name, route(given.clone())]))
            .await;
        assert_eq!(told(&mut listener).await, given, "{dialect}");

        let given = json!(["put", "delete", "head"]);
        let group = json!({"name": name, "permissions": route(given.clone())});
        let answer = admin.security("upsertGroup", json!([group])).await;
        assert_eq!(*actions(&answer), given, "{dialect}");
        assert_eq!(told(&mut listener).await, given, "{dialect}");

        let given = json!({"username": name, "password": "x", "permissions": route(json!(["put", "get"]))});
        admin.security("addUser", json!([given])).await;
        let pushed = listener.pushed().await;
        let user = pushed.iter().find(|frame| frame["data"]["username"] == name);
        let rules = &user.expect("an event tells of the user")["data"]["permissions"];
        assert_eq!(
            rules["/@HTTP/web/page"]["actions"],
            json!(["put", "get"]),
            "{dialect}"
        );
    }
}

#[tokio::test]
async fn groups_are_shown_as_given_to_the_first_generation_and_sorted_to_later_ones() {
    let folder = Folder::new("actions");
    let start = || {
        let store = format!("store.path=\"{}\"", folder.path().join("store.redb").display());
        let settings = ["happn.secure=true", "security.admin_password=happn", &store];
        Host::start(&repository().join("tests/conformance/mesh.toml"), &settings)
    };
    let mut host = start();
    let mut first = Client::enter(host.addr(), "happn_1.3.0", ADMIN, PASSWORD).await;
    let mut later = Client::admin(&host).await;
    let group = |actions: Value| json!([{"name": "G", "permissions": route(actions)}]);
    let change = |actions: Value| json!(["G", route(actions)]);
    for (method, arguments, kept) in [
        (
            "addGroup",
            group(json!(["put", "get", "delete"])),
            vec!["put", "get", "delete"],
        ),
        (
            "addGroupPermissions",
            change(json!(["head", "get", "post"])),
            vec!["put", "get", "delete", "head", "post"],
        ),
        (
            "removeGroupPermissions",
            change(json!(["get"])),
            vec!["put", "delete", "head", "post"],
        ),
        (
            "addGroupPermissions",
            change(json!(["get"])),
            vec!["put", "delete", "head", "post", "get"],
        ),
        (
            "upsertGroup",
            group(json!(["head", "get", "put", "post", "delete"])),
            vec!["head", "get", "put", "post", "delete"],
        ),
    ] {
        let answer = first.security(method, arguments).await;
        assert_eq!(*actions(&answer), json!(kept), "{method}");
        let mut sorted = kept.clone();
        sorted.sort_unstable();
        for restarts in [false, true] {
            if restarts {
                assert!(host.stop().success());
                host = start();
                first = Client::enter(host.addr(), "happn_1.3.0", ADMIN, PASSWORD).await;
                later = Client::admin(&host).await;
            }
            for (client, shown) in [(&mut first, &kept), (&mut later, &sorted)] {
                let found = client.security("getGroup", json!(["G"])).await;
                assert_eq!(*actions(&found), json!(shown), "{method}");
                let list = client.security("listGroups", json!(["G"])).await;
                assert_eq!(*actions(&list[0]), json!(shown), "{method}");
            }
        }
    }
    for (client, shown) in [
        (first, ["head", "get", "put", "post", "delete"]),
        (later, ["delete", "get", "head", "post", "put"]),
    ] {
        let mut client = client;
        let deleted = client.security("deleteGroup", json!([{"name": "G"}])).await;
        let rules = &deleted["obj"]["permissions"]["/@HTTP/web/page"];
        assert_eq!(rules["actions"], json!(shown));
        client
            .security("addGroup", group(json!(["head", "get", "put", "post", "delete"])))
            .await;
    }
}

#[tokio::test]
async fn lookup_permissions_keep_the_order_in_which_their_actions_were_given() {
    let host = host(&[]);
    let mut admin = Client::admin(&host).await;
    admin
        .security("addGroup", json!([{"name": "G", "permissions": {}}]))
        .await;
    let permission =
        json!({"regex": "^/d/(.*)", "actions": ["set", "on", "get"], "table": "T", "path": "{{$1}}"});
    admin
        .security("upsertLookupPermission", json!(["G", permission]))
        .await;
    let of_method = json!({"component": "calc", "method": "add", "table": "T", "path": "{{$1}}"});
    admin
        .security("upsertExchangeLookupPermission", json!(["G", of_method]))
        .await;
    let found = admin.security("fetchLookupPermissions", json!(["G"])).await;
    assert_eq!(found[0], permission);
    assert_eq!(found[1]["actions"], json!(["set"]));
    assert_eq!(found[2]["actions"], json!(["set", "on"]));

    // The same actions in another order are the same permission.
    let same = json!({"regex": "^/d/(.*)", "actions": ["get", "on", "set"], "table": "T", "path": "{{$1}}"});
    admin.security("removeLookupPermission", json!(["G", same])).await;
    let left = admin.security("fetchLookupPermissions", json!(["G"])).await;
    assert_eq!(left.as_array().map(Vec::len), Some(2), "{left}");
}
