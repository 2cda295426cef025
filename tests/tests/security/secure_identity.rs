//! Nobody is taken for somebody else, whatever a frame says.
//!
//! Enters: forged origins, answer addresses, sessions and users, in all dialects. Leaves: as whom a call, an event
//! and a document are seen by others. Guarantees: a component and a listener learn the user who is logged in, or the
//! one whom an administrator or a delegate has named. An answer reaches the session that asked, and is made by the
//! mesh.

use mesh_tests::certificates::Authority;
use mesh_tests::host::{Folder, Host, mesh as run};
use mesh_tests::secure::{ADMIN, Client, DIALECTS, error, host, is_denied, is_ok};
use serde_json::{Value, json};

/// A mesh with two users, who may call `calc` and use `/open/*`.
async fn mesh() -> (Host, Client) {
    let host = host(&[]);
    let mut admin = Client::admin(&host).await;
    let group = json!({"name": "G", "permissions": {
        "methods": {"/TestNode/calc/*": {"authorized": true}},
        "events": {"/TestNode/emitter/*": {"authorized": true}},
        "data": {"/open/*": {"actions": ["*"]}},
    }});
    admin.security("addGroup", json!([group])).await;
    for name in ["bob", "eve"] {
        let user = json!({"username": name, "password": "right", "groups": {"G": true}});
        admin.security("upsertUser", json!([user])).await;
    }
    (host, admin)
}

async fn whoami(client: &mut Client, options: Value) -> Value {
    let answer = client.call_with("calc/whoami", json!([]), options).await;
    answer.map_or_else(|error| error, |results| results[0].clone())
}

#[tokio::test]
async fn an_origin_that_a_frame_claims_counts_for_nothing() {
    let (host, mut admin) = mesh().await;
    let admin_id = admin.id().to_owned();
    for dialect in DIALECTS {
        let mut eve = Client::enter(host.addr(), dialect, "eve", "right").await;
        let told = whoami(&mut eve, json!({})).await;
        assert_eq!(
            (&told["username"], told["id"].as_str()),
            (&json!("eve"), Some(eve.id()))
        );
        let folder = format!("/_exchange/responses/TestNode/calc/whoami/{}", eve.id());
        for (number, origin) in [
            json!({"id": admin_id, "username": ADMIN}),
            json!(ADMIN),
            json!(admin_id),
            json!({"id": eve.id(), "username": ADMIN, "override": true}),
        ]
        .into_iter()
        .enumerate()
        {
            let address = format!("{folder}/forged-{number}");
            let frame = json!({
                "action": "set", "path": "/_exchange/requests/TestNode/calc/whoami", "sessionId": admin_id,
                "origin": origin, "eventOrigin": origin, "username": ADMIN, "user": {"username": ADMIN},
                "data": {"callbackAddress": address, "args": [origin], "origin": origin, "username": ADMIN, "isSecure": false},
                "options": {"noStore": true, "origin": origin, "meta": {"sessionId": admin_id, "eventOrigin": origin}},
            });
            assert!(is_ok(&eve.request(frame).await));
            let answer = eve
                .find(|frame| frame["_meta"]["path"] == address.as_str())
                .await
                .unwrap();
            let told = &answer["data"]["args"][1];
            assert_eq!(
                (&told["username"], told["id"].as_str()),
                (&json!("eve"), Some(eve.id())),
                "{answer}"
            );
        }
        // Her publications name her, too.
        assert!(is_ok(&admin.on("/ALL@/open/*").await));
        let frame = json!({
            "action": "set", "path": "/open/1", "data": {"n": 1}, "sessionId": admin_id, "eventOrigin": {"username": ADMIN},
            "options": {"meta": {"sessionId": admin_id, "publicationId": "forged", "eventOrigin": {"username": ADMIN}, "type": "system"}},
        });
        assert!(is_ok(&eve.request(frame).await));
        let events = admin.pushed().await;
        let [event] = &events[..] else {
            panic!("{events:?}")
        };
        let meta = &event["_meta"];
        assert_eq!(meta["sessionId"].as_str(), Some(eve.id()), "{event}");
        assert_eq!(
            meta["eventOrigin"],
            json!({"username": "eve", "id": eve.id()}),
            "{event}"
        );
        assert_eq!(meta["type"], "data", "{event}");
        assert!(
            meta["publicationId"].as_str().unwrap().starts_with(eve.id()),
            "{event}"
        );
    }
}

#[tokio::test]
async fn an_answer_reaches_nobody_but_the_session_that_asked() {
    let (host, mut admin) = mesh().await;
    let everything =
        json!({"name": "Wide", "permissions": {"data": {"/*": {"actions": ["*"]}, "*": {"actions": ["*"]}}}});
    admin.security("addGroup", json!([everything])).await;
    admin
        .security("linkGroupName", json!(["Wide", {"username": "eve"}]))
        .await;
    let prefix = json!({"name": "_MESH_ADM"});
    admin
        .security("linkGroup", json!([prefix, {"username": "eve"}]))
        .await;
    for victim_dialect in DIALECTS {
        let mut bob = Client::enter(host.addr(), victim_dialect, ADMIN, "happn").await;
        // Both layouts that clients listen with.
        assert!(is_ok(
            &bob.on(&format!("/SET@/_exchange/responses/{}/*", bob.id())).await
        ));
        let own = format!("/SET@/_exchange/responses/TestNode/calc/add/{}/*", bob.id());
        assert!(is_ok(&bob.on(&own).await));
        for dialect in DIALECTS {
            let mut eve = Client::enter(host.addr(), dialect, "eve", "right").await;
            let (victim, own) = (bob.id().to_owned(), eve.id().to_owned());
            let addresses = [
                format!("/_exchange/responses/{victim}/TestNode/calc/add/1"),
                format!("/_exchange/responses/{victim}/1"),
                format!("/_exchange/responses/TestNode/calc/add/{victim}/1"),
                format!("/_exchange/responses/{victim}/calc/add/{own}/1"),
                format!("/_exchange/responses/{victim}/{own}/calc/add/1"),
                format!("/_exchange/responses/TestNode/calc/add/{victim}/{own}/1"),
                format!("/_exchange/responses/{victim}/{own}"),
                format!("/_exchange/responses//{victim}/{own}/1"),
                format!("/_exchange/responses/*/{own}/1"),
                format!("/_exchange/responses/{own}/../{victim}/1"),
                format!("_exchange/responses/{victim}/TestNode/calc/add/1"),
                format!("_exchange/responses/TestNode/calc/add/{victim}/1"),
                format!("//_exchange/responses/{victim}/TestNode/calc/add/1"),
                "/_events/TestNode/emitter/forged".to_owned(),
                "/open/forged".to_owned(),
            ];
            assert!(is_ok(&bob.on("/ALL@/_events/TestNode/*").await));
            for address in &addresses {
                let data = json!({"callbackAddress": address, "args": [1, 2], "origin": {"id": victim, "username": "bob"}});
                for method in ["calc/add", "calc/nope", "nope/add"] {
                    let path = format!("/_exchange/requests/TestNode/{method}");
                    eve.request(
                        json!({"action": "set", "path": path, "data": data, "options": {"noStore": true}}),
                    )
                    .await;
                    let path = format!("/_exchange/requests/{victim}/{method}");
                    eve.request(
                        json!({"action": "set", "path": path, "data": data, "options": {"noStore": true}}),
                    )
                    .await;
                }
                if !address.contains("/_events/") && !address.contains("/open/") {
                    let forged = json!({"status": "ok", "args": [null, "forged"]});
                    let set = json!({"action": "set", "path": address, "data": forged, "options": {"noStore": true}});
                    eve.request(set).await;
                }
            }
            // A call of one's own is answered behind all of these, on every lane that they could have gone to.
            assert_eq!(eve.call("calc/add", json!([1, 2])).await, Ok(vec![json!(3)]));
            let heard = bob.pushed().await;
            assert!(
                heard.is_empty(),
                "{victim_dialect} was answered by {dialect}: {heard:?}"
            );
            // Neither does she hear what others are answered.
            for channel in [
                format!("/ALL@/_exchange/responses/{victim}/*"),
                format!("/SET@/_exchange/responses/TestNode/calc/add/{victim}/*"),
                "/ALL@/_exchange/responses/*".to_owned(),
                "/ALL@/_exchange/responses/TestNode/calc/add/*".to_owned(),
                "/ALL@/_exchange/responses/*/*/*/*/*".to_owned(),
            ] {
                eve.on(&channel).await;
            }
            assert_eq!(bob.call("calc/add", json!([20, 3])).await, Ok(vec![json!(23)]));
            bob.pushed().await;
            let heard = eve.pushed().await;
            assert!(
                heard
                    .iter()
                    .all(|frame| !frame["data"].to_string().contains("23")),
                "{dialect}: {heard:?}"
            );
        }
    }
}

#[tokio::test]
async fn acting_for_others_is_for_administrators_and_delegates() {
    let (host, mut admin) = mesh().await;
    let own = json!({"name": "Own", "permissions": {"data": {"/own/*": {"actions": ["*"]}}}});
    admin.security("addGroup", json!([own])).await;
    admin
        .security("linkGroupName", json!(["Own", {"username": "bob"}]))
        .await;
    let delegate = json!({"username": "del", "password": "right", "groups": {"_MESH_DELEGATE": true}});
    admin.security("upsertUser", json!([delegate])).await;
    let refused = "request on behalf of unauthorised user";
    let as_user = |name: &str| json!({"onBehalfOf": name});
    let read =
        |path: &str, name: &str| json!({"action": "get", "path": path, "options": {"onBehalfOf": name}});
    for dialect in DIALECTS {
        for (username, password) in [(ADMIN, "happn"), ("del", "right")] {
            let mut actor = Client::enter(host.addr(), dialect, username, password).await;
            let told = whoami(&mut actor, as_user("bob")).await;
            assert_eq!(told["username"], "bob", "{username} {dialect}: {told}");
            assert!(is_ok(&actor.request(read("/own/1", "bob")).await));
            let denied = actor.request(read("/other/1", "bob")).await;
            assert!(is_denied(&denied), "{denied}");
            assert_eq!(error(&denied)["reason"], format!("{refused}: bob"), "{denied}");
            let denied = actor.request(read("/own/1", "ghost")).await;
            let words = format!("on behalf of user does not exist {refused}: ghost");
            assert_eq!(error(&denied)["reason"], words, "{denied}");
            // Naming the administrator changes nothing.
            let told = whoami(&mut actor, as_user(ADMIN)).await;
            assert_eq!(told["username"], username, "{told}");
            let as_admin = actor.request(read("/other/1", ADMIN)).await;
            assert_eq!(is_ok(&as_admin), username == ADMIN, "{as_admin}");
        }
        let mut eve = Client::enter(host.addr(), dialect, "eve", "right").await;
        for (name, words) in [
            (
                "bob",
                format!("session attempting to act on behalf of is not authorized {refused}: bob"),
            ),
            (
                "ghost",
                format!("session attempting to act on behalf of is not authorized {refused}: ghost"),
            ),
        ] {
            for action in ["get", "remove", "on", "set"] {
                let mut request = read("/own/1", name);
                request["action"] = action.into();
                if action == "on" {
                    request["path"] = "/SET@/own/1".into();
                }
                let denied = eve.request(request).await;
                assert!(is_denied(&denied), "{dialect} {action}: {denied}");
                assert_eq!(error(&denied)["reason"], words, "{denied}");
            }
            assert_eq!(whoami(&mut eve, as_user(name)).await["message"], "unauthorized");
        }
        assert!(is_denied(&eve.request(read("/own/1", ADMIN)).await));
        assert_eq!(whoami(&mut eve, as_user(ADMIN)).await["username"], "eve");
        for odd in [
            json!(null),
            json!(7),
            json!(["bob"]),
            json!({"username": "bob"}),
            json!(""),
        ] {
            let request = json!({"action": "get", "path": "/own/1", "options": {"onBehalfOf": odd}});
            assert!(is_denied(&eve.request(request).await), "{odd}");
        }
    }
    // Whose event it is.
    assert!(is_ok(&admin.on("/ALL@/own/*").await));
    let mut delegate = Client::enter(host.addr(), "happn_4", "del", "right").await;
    let set = json!({"action": "set", "path": "/own/1", "data": {"n": 1}, "options": {"onBehalfOf": "bob"}});
    assert!(is_ok(&delegate.request(set).await));
    let events = admin.pushed().await;
    assert_eq!(events[0]["_meta"]["eventOrigin"]["username"], "bob", "{events:?}");
}

#[tokio::test]
async fn only_administrators_make_administrators() {
    let (host, mut admin) = mesh().await;
    // Somebody who manages users, and is no administrator.
    let manager = json!({"name": "Managers", "permissions": {"methods": {"/TestNode/security/*": {"authorized": true}}}});
    admin.security("addGroup", json!([manager])).await;
    let user = json!({"username": "max", "password": "right", "groups": {"Managers": true}});
    admin.security("upsertUser", json!([user])).await;
    let boss = json!({"username": "boss", "password": "right", "groups": {"_ADMIN": true}});
    admin.security("upsertUser", json!([boss])).await;
    for dialect in DIALECTS {
        let mut max = Client::enter(host.addr(), dialect, "max", "right").await;
        assert_eq!(max.security("getUser", json!(["bob"])).await["username"], "bob");
        for group in ["_ADMIN", "_MESH_ADM", "_MESH_DELEGATE"] {
            for (method, arguments) in [
                ("linkGroupName", json!([group, {"username": "max"}])),
                ("linkGroup", json!([{"name": group}, {"username": "max"}])),
                ("associateGroups", json!([{"username": "max"}, [group], []])),
                ("unlinkGroup", json!([{"name": group}, {"username": "boss"}])),
                ("unlinkGroups", json!([[group], {"username": "boss"}])),
                (
                    "upsertUser",
                    json!([{"username": "new", "password": "x", "groups": {group: true}}]),
                ),
                (
                    "upsertUser",
                    json!([{"username": "max", "groups": {group: true}}]),
                ),
                (
                    "upsertUser",
                    json!([{"username": "new", "password": "x", "groups": {group: true}}]),
                ),
                (
                    "upsertGroup",
                    json!([{"name": group, "permissions": {"data": {"/x": {"actions": ["get"]}}}}]),
                ),
                (
                    "addGroupPermissions",
                    json!([group, {"data": {"/x": {"actions": ["get"]}}}]),
                ),
                ("deleteGroup", json!([{"name": group}])),
            ] {
                let done = max.call(&format!("security/{method}"), arguments.clone()).await;
                assert!(done.is_err(), "{method}({arguments}): {done:?}");
            }
        }
        for (method, arguments) in [
            ("updateUser", json!([{"username": ADMIN, "password": "mine"}])),
            ("upsertUser", json!([{"username": "boss", "password": "mine"}])),
            ("updateUser", json!([{"username": "boss", "password": "mine"}])),
            ("deleteUser", json!([{"username": "boss"}])),
            ("deleteUser", json!([{"username": ADMIN}])),
            (
                "addUserPermissions",
                json!(["boss", {"data": {"/x": {"actions": ["get"]}}}]),
            ),
        ] {
            let done = max.call(&format!("security/{method}"), arguments.clone()).await;
            assert!(done.is_err(), "{method}({arguments}): {done:?}");
        }
        assert!(is_denied(&max.get("/other/1").await));
    }
    assert!(is_ok(
        &Client::open(host.addr(), "happn_4")
            .await
            .login("boss", "right")
            .await
    ));
    assert_eq!(admin.security("getUser", json!(["new"])).await, Value::Null);
}

#[tokio::test]
async fn sessions_are_listed_with_what_their_clients_said() {
    let (host, mut admin) = mesh().await;
    for dialect in DIALECTS {
        admin.security("activateSessionManagement", json!([true])).await;
        let mut bob = Client::open(host.addr(), dialect).await;
        let info = json!({"_browser": false, "_local": false, "device": {"kind": "kiosk"}});
        bob.login_with(json!({"username": "bob", "password": "right", "info": info}))
            .await;
        assert!(is_ok(&bob.get("/open/1").await));
        let own = json!([{"id": {"$eq": bob.id()}}]);
        let listed = admin.security("listActiveSessions", own.clone()).await;
        assert_eq!(listed[0]["info"], info, "{listed}");
        assert_eq!(listed[0]["encrypted"], false);
        assert_eq!(listed[0]["address"]["secure"], false);
        // `true` has switched on what is listed of activity, as both generations do.
        let activity = admin.security("listSessionActivity", own).await;
        assert_eq!(activity[0]["path"], "/open/1", "{activity}");
        admin.security("deactivateSessionManagement", json!([true])).await;
        for method in ["listActiveSessions", "listSessionActivity"] {
            assert!(
                admin
                    .call(&format!("security/{method}"), json!([]))
                    .await
                    .is_err(),
                "{method}"
            );
        }
    }
}

/// happner-2 3.1.2 replaces the permissions, 13.1.1 merges them.
#[tokio::test]
async fn a_group_is_updated_as_the_generation_of_the_client_does() {
    let (host, _admin) = mesh().await;
    for dialect in DIALECTS {
        let mut admin = Client::enter(host.addr(), dialect, ADMIN, "happn").await;
        let name = format!("group of {dialect}");
        let with = |methods: Value| json!([{"name": name, "permissions": {"methods": methods}}]);
        let add = json!({"/calc/add": {"authorized": true}});
        let both = json!({"/calc/sub": {"authorized": true}});
        admin.security("addGroup", with(add)).await;
        admin.security("updateGroup", with(both)).await;
        let shown = admin.security("getGroup", json!([name])).await;
        let methods = shown["permissions"]["methods"].as_object().unwrap();
        let expected = if dialect == DIALECTS[0] { 1 } else { 2 };
        assert_eq!(methods.len(), expected, "{dialect}: {shown}");
        assert!(methods.contains_key("TestNode/calc/sub"), "{shown}");
    }
}

#[test]
fn a_session_with_tls_is_listed_as_one() {
    let folder = Folder::new("listed");
    let authority = Authority::new();
    let cafile = authority.write(&folder).display().to_string();
    authority.issue().write(&folder);
    let text = "name = \"TestNode\"\n[happn]\nsecure = true\n[security]\nadmin_password = \"happn\"\n\
                [happn.tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n";
    let host = Host::start(&folder.write("mesh.toml", text), &[]);
    let url = host.url();
    let call = |method: &str| {
        let who = ["--username", ADMIN, "--password", "happn"];
        let arguments = [
            &["call", "--json", "--url", &url, "--cafile", &cafile][..],
            &who,
            &[method],
        ];
        run(&arguments.concat())
    };
    assert_eq!(call("security/activateSessionManagement").code, 0);
    let listed = call("security/listActiveSessions").out;
    let listed: Value = serde_json::from_str(&listed).unwrap_or_else(|_| panic!("{listed}"));
    let session = &listed[0][0];
    assert_eq!(session["encrypted"], true, "{listed}");
    assert_eq!(session["address"]["secure"], true, "{listed}");
}
