//! Profiles with permissions of their own: what a session or a token of such a profile is good for.
//!
//! Enters: a user with wide rights and a group of delegates, logged in under a profile with a few permissions, over
//! websockets and HTTP. Leaves: what is allowed and refused. Guarantees: the permissions of the profile hold in the place of
//! the user's; no other login with the token, no component and no other user leads out of them.

use super::secure_wildcards::paths;
use mesh_tests::host::{Folder, Host, mesh as command};
use mesh_tests::http;
use mesh_tests::secure::{ADMIN, Client, DIALECTS, error, is_denied, is_ok};
use serde_json::{Value, json};

/// Kiosks say so in their `info`. `/lent/{{user.username}}/*` and the methods of `back` are not the user's own.
const MESH: &str = r#"
name = "TestNode"
[happn]
secure = true
[swap]
watch = false
[security]
admin_password = "happn"
authority_delegation = true

[[security.profiles]]
name = "kiosks"
info = { device = "kiosk" }
[security.profiles.permissions]
"/open/*" = { actions = ["get", "on", "remove"], prohibit = ["remove"] }
"/open/secret" = { prohibit = ["*"] }
"/lent/{{user.username}}/*" = { actions = ["*"] }
"/_data/front/open/*" = { actions = ["get"] }
"/_exchange/requests/TestNode/front/*" = { actions = ["set"] }
"/_exchange/responses/TestNode/front/*" = { actions = ["on"] }
"/_exchange/requests/TestNode/back/who" = { actions = ["set"] }
"/_exchange/requests/TestNode/security/*" = { actions = ["set"] }
"/_exchange/responses/TestNode/security/*" = { actions = ["on"] }
"/_events/TestNode/front/heard" = { actions = ["on"] }
"/_events/TestNode/back/open" = { actions = ["on"] }

[[components]]
name = "front"
library = "fixture-delegate"
[[components]]
name = "back"
library = "fixture-delegate"
"#;

async fn mesh() -> (Host, Folder, Client) {
    let folder = Folder::new("profile-permissions");
    let file = folder.write("mesh.toml", MESH);
    let host = Host::start(&file, &[]);
    let mut admin = Client::admin(&host).await;
    let group = json!({"name": "wide", "permissions": {
        "methods": {"/front/*": {"authorized": true}, "/back/forward": {"authorized": true}},
        "data": {
            "/open/*": {"actions": ["*"]}, "/own/*": {"actions": ["*"]}, "/_data/front/*": {"actions": ["*"]},
        },
    }});
    admin.security("upsertGroup", json!([group])).await;
    let user =
        json!({"username": "bob", "password": "right", "groups": {"wide": true, "_MESH_DELEGATE": true}});
    admin.security("upsertUser", json!([user])).await;
    let other = json!({"username": "amy", "password": "right", "groups": {"wide": true}});
    admin.security("upsertUser", json!([other])).await;
    for path in [
        "/open/1",
        "/open/secret",
        "/own/1",
        "/lent/bob/1",
        "/_data/front/open/1",
        "/_data/front/shut/1",
    ] {
        assert!(is_ok(&admin.set(path, json!({"text": path})).await));
    }
    (host, folder, admin)
}

async fn kiosk(host: &Host, dialect: &str) -> (Client, Value) {
    let mut client = Client::open(host.addr(), dialect).await;
    let login = json!({"username": "bob", "password": "right", "info": {"device": "kiosk"}});
    let answer = client.login_with(login).await;
    assert!(is_ok(&answer), "{answer}");
    let token = answer["data"]["token"].clone();
    (client, token)
}

/// Only what the profile allows is allowed.
async fn assert_limited(client: &mut Client) {
    assert!(is_ok(&client.get("/open/1").await));
    assert!(
        is_ok(&client.set("/lent/bob/1", json!({"n": 1})).await),
        "although it is not the user's"
    );
    let all = client.get("/open/*").await;
    assert_eq!(paths(&all), ["/open/1"], "without what is prohibited: {all}");
    for refused in [
        client.get("/own/1").await,
        client.get("/open/secret").await,
        client.set("/open/1", json!({})).await,
        client.remove("/open/1").await,
        client.set("/lent/amy/1", json!({})).await,
        client.on("/ALL@/own/*").await,
        client.on("*").await,
        client.get("*").await,
    ] {
        assert!(is_denied(&refused), "{refused}");
        assert_eq!(
            error(&refused)["reason"],
            "token permissions limited",
            "{refused}"
        );
    }
}

#[tokio::test]
async fn the_permissions_of_a_profile_hold_in_the_place_of_those_of_the_user() {
    let (host, _folder, _admin) = mesh().await;
    for dialect in DIALECTS {
        let (mut limited, _) = kiosk(&host, dialect).await;
        assert_limited(&mut limited).await;
        // The same user, and the same connection, without the profile.
        let mut wide = Client::enter(host.addr(), dialect, "bob", "right").await;
        assert!(is_ok(&wide.get("/own/1").await));
        assert!(is_denied(&wide.get("/lent/bob/1").await));
        assert!(is_ok(&limited.login("bob", "right").await));
        assert!(is_ok(&limited.get("/own/1").await), "{dialect}");
    }
}

#[tokio::test]
async fn an_administrator_in_such_a_session_is_none() {
    let (host, _folder, _admin) = mesh().await;
    for dialect in DIALECTS {
        let mut client = Client::open(host.addr(), dialect).await;
        let login = json!({"username": ADMIN, "password": "happn", "info": {"device": "kiosk"}});
        assert!(is_ok(&client.login_with(login).await));
        assert!(is_denied(&client.get("/own/1").await));
        assert!(is_ok(&client.get("/open/1").await));
        // The profile lets it call the component, which asks who may make administrators.
        let user = json!({"username": "eve", "password": "right", "groups": {"_ADMIN": true}});
        let refused = client.call("security/upsertUser", json!([user])).await;
        assert!(refused.is_err(), "{dialect}: {refused:?}");
    }
}

#[tokio::test]
async fn a_token_is_good_for_no_more_wherever_it_is_shown() {
    let (host, _folder, _admin) = mesh().await;
    for dialect in DIALECTS {
        let (_limited, token) = kiosk(&host, dialect).await;
        let mut again = Client::open(host.addr(), dialect).await;
        let answer = again
            .login_with(json!({"token": token, "info": {"device": "none"}}))
            .await;
        assert!(is_ok(&answer), "{answer}");
        assert_limited(&mut again).await;
        let call = |method: &str| {
            let path = format!(
                "/rest/method/{method}?happn_token={}",
                token.as_str().expect("a text")
            );
            let headers = ["Content-Type: application/json"];
            http::ask(host.addr(), "POST", &path, &headers, br#"{"parameters":{}}"#)
        };
        let allowed = call("back/who");
        assert_eq!(allowed.json()["data"], "bob", "{}", allowed.text());
        let refused = call("back/forward");
        assert_eq!(refused.status, 403, "{}", refused.text());
        assert_eq!(refused.json()["message"], "token permissions limited");
        assert_eq!(refused.json()["error"]["message"], "Access denied");
    }
}

#[tokio::test]
async fn acting_for_another_user_leads_out_of_nothing() {
    let (host, _folder, _admin) = mesh().await;
    for dialect in DIALECTS {
        let mut wide = Client::enter(host.addr(), dialect, "bob", "right").await;
        let (mut limited, token) = kiosk(&host, dialect).await;
        for path in ["/own/1", "/open/1"] {
            let request = json!({"action": "get", "path": path, "options": {"onBehalfOf": "amy"}});
            assert!(is_ok(&wide.request(request.clone()).await), "bob is a delegate");
            assert!(is_denied(&limited.request(request).await), "{dialect} {path}");
        }
        let path = format!(
            "/rest/method/back/who?happn_token={}",
            token.as_str().expect("a text")
        );
        let headers = ["Content-Type: application/json"];
        let body = br#"{"parameters":{},"as":"amy"}"#;
        let refused = http::ask(host.addr(), "POST", &path, &headers, body);
        assert_eq!(refused.status, 403, "{}", refused.text());
    }
}

#[tokio::test]
async fn a_component_that_asks_for_such_a_caller_gets_no_more() {
    let (host, _folder, mut admin) = mesh().await;
    for dialect in DIALECTS {
        let (mut limited, _) = kiosk(&host, dialect).await;
        let mut wide = Client::enter(host.addr(), dialect, "amy", "right").await;
        // Two components in a row carry it along.
        let nested = json!(["front", "read", ["shut/1"]]);
        for (method, arguments) in [
            ("front/read", json!(["shut/1"])),
            ("front/write", json!(["open/1", {"n": 1}])),
            ("front/forward", json!(["back", "forward", nested])),
            ("front/forward", json!(["front", "forward", nested])),
        ] {
            let refused = limited.call(method, arguments.clone()).await;
            assert!(refused.is_err(), "{dialect} {method}({arguments}): {refused:?}");
        }
        let read = limited.call("front/read", json!(["open/1"])).await;
        assert!(read.is_ok(), "{read:?}");
        let who = limited.call("front/forward", json!(["back", "who", []])).await;
        assert_eq!(who.expect("the profile allows it")[0], "bob");
        assert!(wide.call("front/read", json!(["shut/1"])).await.is_ok());
        let refused = wide.call("front/forward", json!(["back", "who", []])).await;
        assert!(refused.is_err(), "the user may not: {refused:?}");

        // A subscription of the component for the caller hears what the profile allows.
        assert!(is_ok(&admin.on("/ALL@/_events/TestNode/front/heard").await));
        limited
            .call("front/listen", json!(["back", "*"]))
            .await
            .expect("it is called");
        limited
            .call("front/listen", json!(["back", "open"]))
            .await
            .expect("it is called");
        for key in ["shut", "open"] {
            admin
                .call("back/announceItself", json!([key]))
                .await
                .expect("it is announced");
        }
        let heard = admin
            .find(|frame| frame["data"]["path"].is_string())
            .await
            .expect("it is heard");
        assert_eq!(heard["data"]["path"], "/_events/TestNode/back/open");
    }
}

#[tokio::test]
async fn a_change_of_the_user_widens_nothing_and_its_end_ends_all() {
    let (host, _folder, mut admin) = mesh().await;
    for (number, dialect) in DIALECTS.iter().enumerate() {
        let (mut limited, _) = kiosk(&host, dialect).await;
        assert!(is_ok(&limited.on("/ALL@/open/*").await));
        let more =
            json!({"name": "wide", "permissions": {"data": {format!("/more/{number}"): {"actions": ["*"]}}}});
        admin.security("upsertGroup", json!([more])).await;
        assert_limited(&mut limited).await;
        assert!(is_denied(&limited.get(&format!("/more/{number}")).await));
        for path in ["/own/1", "/open/secret", "/open/1"] {
            admin.set(path, json!({"round": number})).await;
        }
        let heard = limited
            .find(|frame| frame["data"]["round"] == number)
            .await
            .expect("it is heard");
        assert!(heard.to_string().contains("/open/1"), "{heard}");
    }
    let (mut limited, _) = kiosk(&host, "happn_1.3.0").await;
    admin.security("deleteUser", json!([{"username": "bob"}])).await;
    limited.until_end().await;
}

#[test]
fn permissions_that_cannot_be_read_are_refused_with_their_place() {
    let folder = Folder::new("profile-permissions-mistakes");
    let one = "name = \"n\"\n[happn]\nsecure = true\n[security]\nadmin_password = \"happn\"\n[[security.profiles]]\n";
    for (entry, words) in [
        (
            "name = \"a\"\npermissions = { \"/a\" = { actions = [\"take\"] } }",
            "take",
        ),
        ("name = \"a\"\npermissions = [\"/a\"]", "must be a table"),
        (
            "name = \"a\"\npermissions = {}\n[[security.profiles]]\nname = \"a\"",
            "two profiles are named \"a\"",
        ),
    ] {
        let file = folder.write("mesh.toml", &format!("{one}{entry}\n"));
        let checked = command(&["check", "--config", file.to_str().expect("a text")]);
        let said = checked.out + &checked.err;
        assert!(checked.code != 0 && said.contains(words), "{entry}: {said}");
        assert!(said.contains("mesh.toml:") && said.contains("help: "), "{said}");
    }
}
