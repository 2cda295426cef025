//! Wildcards, options and names reach no further than permissions do.
//!
//! Enters: requests that mean more than their text. Leaves: their answers, and the events that were heard.
//! Guarantees: see the names of the tests.

use mesh_tests::host::Host;
use mesh_tests::secure::{Client, DIALECTS, error, host, is_denied, is_first_generation, is_ok, meta};
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A host on which a user has these permissions and the password `secret`.
async fn with_user(name: &str, permissions: Value) -> (Host, Client) {
    let host = host(&[]);
    let mut admin = Client::admin(&host).await;
    let group = json!({"name": format!("of {name}"), "permissions": permissions});
    admin.security("addGroup", json!([group])).await;
    let user = json!({"username": name, "password": "secret", "groups": {format!("of {name}"): true}});
    admin.security("upsertUser", json!([user])).await;
    (host, admin)
}

/// The answer to a call over REST with this token and body.
async fn call_over_rest(address: SocketAddr, method: &str, token: &Value, body: &Value) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let token = token.as_str().expect("a token");
    let body = body.to_string();
    let length = body.len();
    let head = format!("POST /rest/method/{method}?happn_token={token} HTTP/1.1\r\nHost: {address}\r\n");
    let more =
        format!("Connection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
    stream
        .write_all(format!("{head}{more}{body}").as_bytes())
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// The paths of documents that an answer lists.
fn paths(answer: &Value) -> Vec<String> {
    let items = answer.as_array().or_else(|| answer["data"].as_array());
    let named = items.into_iter().flatten().filter_map(|item| {
        let path = &item["_meta"]["path"];
        path.as_str().map(str::to_owned)
    });
    named.filter(|path| !path.is_empty()).collect()
}

/// The paths of the events that have arrived.
async fn heard(client: &mut Client) -> Vec<String> {
    let pushed = client.pushed().await;
    let events = pushed.iter().filter(|frame| frame["_meta"]["type"] == "data");
    let paths = events.filter_map(|frame| frame["_meta"]["path"].as_str());
    paths
        .map(|path| path.trim_start_matches("/SET@").to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prohibited_documents_are_not_reached_by_a_wildcard() {
    let data = json!({
        "/books/*": {"actions": ["get", "on", "remove", "set"]},
        "/books/drafts/*": {"authorized": false, "actions": ["get", "on", "remove", "set"]},
    });
    let (host, mut admin) = with_user("reader", json!({ "data": data })).await;
    for path in ["/books/1", "/books/drafts/1"] {
        assert!(is_ok(&admin.set(path, json!({"n": 1})).await));
    }
    for dialect in DIALECTS {
        let mut reader = Client::enter(host.addr(), dialect, "reader", "secret").await;
        assert!(is_denied(&reader.get("/books/drafts/1").await), "{dialect}");
        assert_eq!(paths(&reader.get("/books/*").await), ["/books/1"], "{dialect}");
        let listening =
            json!({"action": "on", "path": "/ALL@/books/*", "options": {"initialCallback": true}});
        let present = reader.request(listening).await;
        assert!(is_ok(&present), "{dialect}: {present}");
        assert_eq!(paths(&present), ["/books/1"], "{dialect}: {present}");
        reader.pushed().await;
        for path in ["/books/drafts/1", "/books/1"] {
            assert!(is_ok(&admin.set(path, json!({"n": 2})).await));
        }
        assert_eq!(heard(&mut reader).await, ["/books/1"], "{dialect}");
    }
    let mut reader = Client::enter(host.addr(), "happn_4", "reader", "secret").await;
    let counted = reader
        .request(json!({"action": "count", "path": "/books/*"}))
        .await;
    assert_eq!(counted["data"]["value"], 1, "{counted}");
    let removed = reader
        .request(json!({"action": "remove", "path": "/books/*"}))
        .await;
    assert_eq!(removed["data"]["removed"], 1, "{removed}");
    assert!(is_ok(&admin.get("/books/drafts/1").await));
    assert_eq!(paths(&admin.get("/books/*").await), ["/books/drafts/1"]);
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patterns_of_the_first_generation_reach_no_more_than_their_text() {
    let data = json!({
        "/users/*/public": {"actions": ["get", "on"]},
        "/lib/*": {"actions": ["on"]},
        "/lib/secret": {"authorized": false, "actions": ["on"]},
    });
    let (host, mut admin) = with_user("era", json!({ "data": data })).await;
    for path in ["/users/bob/private", "/users/bob/public"] {
        assert!(is_ok(&admin.set(path, json!({"n": 1})).await));
    }
    let mut era = Client::enter(host.addr(), "happn_1.3.0", "era", "secret").await;
    let listening = json!({"action": "on", "path": "/ALL@/users/*/public", "options": {"initialCallback": true, "refCount": 1}});
    let present = era.request(listening).await;
    assert_eq!(paths(&present), ["/users/bob/public"], "{present}");
    era.on("/ALL@/lib/SECRET").await;
    era.pushed().await;
    for path in ["/users/bob/public-key", "/lib/secret", "/users/bob/public"] {
        assert!(is_ok(&admin.set(path, json!({"n": 2})).await));
    }
    assert_eq!(heard(&mut era).await, ["/users/bob/public"]);
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_without_its_slash_is_another_one() {
    let data = json!({"/lib/*": {"actions": ["on"]}});
    let (host, mut admin) = with_user("reader", json!({ "data": data })).await;
    for dialect in DIALECTS {
        let mut reader = Client::enter(host.addr(), dialect, "reader", "secret").await;
        reader.on("/ALL@/lib/*").await;
        reader.on("/ALL@/lib/1").await;
        for path in ["lib/1", "/lib/1"] {
            assert!(is_ok(&admin.set(path, json!({"n": 1})).await), "{path}");
        }
        assert_eq!(heard(&mut reader).await, ["/lib/1", "/lib/1"], "{dialect}");
    }
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_in_a_name_is_no_way_around_a_prohibition() {
    let methods = json!({"/TestNode/*": {"authorized": true}, "/TestNode/calc/add": {"authorized": false}});
    let (host, _admin) = with_user("caller", json!({ "methods": methods })).await;
    for dialect in DIALECTS {
        let mut caller = Client::enter(host.addr(), dialect, "caller", "secret").await;
        for name in ["calc", "calc@1", "calc@^1.0.0"] {
            assert!(
                caller.call(&format!("{name}/add"), json!([1, 2])).await.is_err(),
                "{dialect} {name}"
            );
        }
        assert_eq!(
            caller.call("calc/echo", json!([1])).await,
            Ok(vec![json!(1)]),
            "{dialect}"
        );
    }
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_the_component_security_are_heard_and_found_by_nobody() {
    let everything = json!({"data": {"*": {"actions": ["*"]}}});
    let (host, mut admin) = with_user("watcher", everything).await;
    for dialect in DIALECTS {
        let mut watcher = Client::enter(host.addr(), dialect, "watcher", "secret").await;
        let all = if is_first_generation(dialect) {
            "/ALL@/*"
        } else {
            "/ALL@/_exchange/requests/**"
        };
        let listening = watcher.on(all).await;
        assert!(is_ok(&listening), "{dialect}: {listening}");
        let name = format!("made for {dialect}");
        let user = json!({"username": name, "password": "a very secret one"});
        admin.security("addUser", json!([user])).await;
        let pushed = watcher.pushed().await;
        assert!(
            !json!(pushed).to_string().contains("a very secret one"),
            "{dialect}: {pushed:?}"
        );
        let found = watcher.get("/_exchange/*").await;
        assert!(
            !found.to_string().contains("a very secret one"),
            "{dialect}: {found}"
        );
    }
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_to_write_does_not_allow_to_read() {
    let (host, mut admin) = with_user("writer", json!({"data": {"/box/*": {"actions": ["set"]}}})).await;
    assert!(is_ok(&admin.set("/box/1", json!({"hidden": "treasure"})).await));
    for dialect in DIALECTS {
        let mut writer = Client::enter(host.addr(), dialect, "writer", "secret").await;
        let merging =
            json!({"action": "set", "path": "/box/1", "data": {"own": dialect}, "options": {"merge": true}});
        let merged = writer.request(merging).await;
        assert!(is_ok(&merged), "{dialect}: {merged}");
        assert!(!merged.to_string().contains("treasure"), "{dialect}: {merged}");
        if is_first_generation(dialect) {
            let tagging = json!({"action": "set", "path": "/box/1", "data": null, "options": {"tag": "mine", "noPublish": true}});
            assert!(is_denied(&writer.request(tagging).await), "{dialect}");
        }
    }
    let kept = admin.get("/box/1").await;
    assert_eq!(
        (&kept["data"]["hidden"], &kept["data"]["own"]),
        (&json!("treasure"), &json!("happn_4"))
    );
    assert!(host.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delegates_do_not_become_administrators() {
    let host = host(&[]);
    let mut admin = Client::admin(&host).await;
    for (name, group) in [
        ("boss", "_ADMIN"),
        ("agent", "_MESH_DELEGATE"),
        ("small", "_MESH_GST"),
    ] {
        let user = json!({"username": name, "password": "secret", "groups": {group: true}});
        admin.security("upsertUser", json!([user])).await;
    }
    let mut agent = Client::enter(host.addr(), "happn_4", "agent", "secret").await;
    for (name, may) in [("small", true), ("boss", false)] {
        let reading =
            json!({"action": "get", "path": "/mesh/schema/description", "options": {"onBehalfOf": name}});
        let answer = agent.request(reading).await;
        assert_eq!(is_ok(&answer), may, "{name}: {}", meta(&answer));
        if !may {
            let reason = "request on behalf of unauthorised user: boss";
            assert_eq!(error(&answer)["reason"], reason);
        }
    }
    // A session that listens for others hears what these may hear.
    let granted = json!({"data": {"/small/*": {"actions": ["*"]}}});
    admin
        .security("addUserPermissions", json!(["small", granted]))
        .await;
    for (who, path, may) in [
        ("agent", "/mesh/schema/description", true),
        ("agent", "/small/1", true),
        ("agent", "/other/1", false),
        ("admin", "/small/1", true),
        ("admin", "/other/1", false),
    ] {
        let options = json!({"onBehalfOf": "small"});
        let listening = json!({"action": "on", "path": format!("/ALL@{path}"), "options": options});
        let session = if who == "agent" { &mut agent } else { &mut admin };
        let answer = session.request(listening).await;
        assert_eq!(is_denied(&answer), !may, "{who} {path}: {answer}");
    }
    admin.set("/small/1", json!({"n": 1})).await;
    assert_eq!(admin.pushed().await.len(), 1, "it hears what it asked for");

    // A call over REST goes by the same rule.
    let mut login = Client::open(host.addr(), "happn_4").await;
    let token = login.login("agent", "secret").await["data"]["token"].clone();
    let body = json!({"parameters": {}, "as": "boss"});
    let answer = call_over_rest(host.addr(), "componentName/methodName", &token, &body).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    let message = r#""message":"request on behalf of unauthorised user: boss""#;
    assert!(answer.contains(message), "{answer}");
    assert!(host.stop().success());
}

#[tokio::test]
async fn the_subscriptions_of_a_session_take_a_limited_amount_of_memory() {
    let host = host(&["happn.max_subscription_bytes=65536"]);
    let mut admin = Client::admin(&host).await;
    for user in ["bob", "eve"] {
        admin
            .add_member(user, "right", "Hearers", json!({"/docs/*": {"actions": ["on"]}}))
            .await;
    }
    for dialect in DIALECTS {
        for user in ["bob", "eve"] {
            let mut client = Client::enter(host.addr(), dialect, user, "right").await;
            let channel = |number: u32| format!("/ALL@/docs/{number}/{}", "y".repeat(4000));
            let mut made = 0;
            let refused = loop {
                let answer = client.on(&channel(made)).await;
                if !is_ok(&answer) {
                    break answer;
                }
                made += 1;
            };
            assert!((1..16).contains(&made), "{made}");
            let message = error(&refused)["message"].as_str().unwrap_or_default();
            assert!(
                message.contains("may take 65536 bytes of memory"),
                "{dialect}: {refused}"
            );
            // One that ended makes room for another, again and again.
            for number in 0..40 {
                let ended = client
                    .request(json!({"action": "off", "path": channel(number % made), "options": {}}))
                    .await;
                assert!(is_ok(&ended), "{ended}");
                assert!(
                    is_ok(&client.on(&channel(number % made)).await),
                    "{dialect} {number}"
                );
            }
        }
    }
}
