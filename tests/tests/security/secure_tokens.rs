//! The end of rights, and its time: passwords, tokens and their time, guesses, and cookies that browsers send by
//! themselves.
//!
//! Enters: a secure mesh, users who lose something, strangers. Leaves: refusals. Guarantees: a limit that counts time
//! is waited for, never measured.

use super::secure_profiles::{self, MESH, assert_ended};
use mesh_tests::http::ask;
use mesh_tests::secure::{Client, error, host, is_ok};
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn http(address: SocketAddr, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn token_of(address: SocketAddr, username: &str, password: &str) -> Value {
    let mut client = Client::open(address, "happn_4").await;
    client.login(username, password).await["data"]["token"].clone()
}

#[tokio::test]
async fn tokens_end_with_the_password_that_they_were_given_for() {
    let host = host(&[]);
    let mut admin = Client::admin(&host).await;
    admin
        .add_member("bob", "first", "G", json!({"/open/*": {"actions": ["*"]}}))
        .await;
    let mut own = Client::enter(host.addr(), "happn_4", "bob", "first").await;
    let before = token_of(host.addr(), "bob", "first").await;
    let set = json!([{"username": "bob", "password": "second"}]);
    admin.security("upsertUser", set).await;
    let mut late = Client::open(host.addr(), "happn_4").await;
    let refused = late.login_with(json!({"token": before})).await;
    assert_eq!(
        error(&refused)["message"],
        "token is older than the password",
        "{refused}"
    );
    assert!(is_ok(
        &late
            .login_with(json!({"token": token_of(host.addr(), "bob", "second").await}))
            .await
    ));

    // A change of one's own keeps the session that it was made in.
    let change =
        json!({"action": "change-password", "data": {"oldPassword": "second", "newPassword": "third"}});
    assert!(is_ok(&own.request(change).await));
    assert!(is_ok(&own.get("/open/1").await));
}

#[tokio::test]
async fn guesses_at_ones_own_password_are_counted() {
    let host = host(&[]);
    let mut admin = Client::admin(&host).await;
    admin
        .add_member("bob", "right", "G", json!({"/open/*": {"actions": ["*"]}}))
        .await;
    let mut session = Client::enter(host.addr(), "happn_4", "bob", "right").await;
    let mut messages = Vec::new();
    for guess in ["a", "b", "c", "d", "right"] {
        let change =
            json!({"action": "change-password", "data": {"oldPassword": guess, "newPassword": "mine"}});
        let answer = session.request(change).await;
        messages.push(error(&answer)["message"].clone());
    }
    assert_eq!(messages[..4], vec![json!("Invalid old password"); 4]);
    assert_eq!(messages[4], "Account locked out");
}

#[tokio::test]
async fn revoked_sessions_of_the_first_generation_may_only_log_in() {
    let host = host(&[]);
    let mut admin = Client::admin(&host).await;
    admin
        .add_member("bob", "right", "G", json!({"/open/*": {"actions": ["*"]}}))
        .await;
    let mut session = Client::enter(host.addr(), "happn_1.3.0", "bob", "right").await;
    assert!(is_ok(
        &session
            .request(json!({"action": "off", "path": "/ALL@/open/*"}))
            .await
    ));
    let id = session.id().to_owned();
    admin.security("revokeSession", json!([id])).await;
    for action in ["off", "revoke-session"] {
        let refused = session
            .request(json!({"action": action, "path": "/ALL@/open/*"}))
            .await;
        assert!(!is_ok(&refused), "{action}: {refused}");
    }
    assert!(is_ok(&session.request(json!({"action": "describe"})).await));

    // Given back, it is as good as before, at once.
    admin.security("restoreSession", json!([id])).await;
    assert!(is_ok(&session.get("/open/1").await));
}

#[tokio::test]
async fn pages_of_other_origins_call_nothing_with_a_cookie() {
    let host = host(&[]);
    let token = token_of(host.addr(), "_ADMIN", "happn").await;
    let token = token.as_str().unwrap();
    let path = "/rest/method/calc/add?a=1&b=2";
    let cookie = format!("Cookie: happn_token={token}\r\n");
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let address = host.addr();
    for (headers, expected) in [
        (cookie.clone(), "200"),
        (format!("{cookie}Origin: http://{address}\r\n"), "200"),
        (format!("{cookie}Origin: http://evil.example\r\n"), "403"),
        (format!("{cookie}Sec-Fetch-Site: cross-site\r\n"), "403"),
        (format!("{cookie}{bearer}Origin: http://evil.example\r\n"), "200"),
    ] {
        let answer = http(address, path, &headers).await;
        assert_eq!(answer.split(' ').nth(1), Some(expected), "{headers}{answer}");
    }
}

#[tokio::test]
async fn a_prohibited_path_has_no_other_spelling() {
    let host = host(&[]);
    let mut admin = Client::admin(&host).await;
    let data = json!({"/open/*": {"actions": ["*"]}});
    admin.add_member("bob", "right", "G", data).await;
    let web = json!([{"name": "G", "permissions": {"web": {
        "/*": {"authorized": true, "actions": ["get"]},
        "/rest/describe": {"authorized": false, "actions": ["get"]},
        "/metrics": {"authorized": false, "actions": ["get"]},
    }}}]);
    admin.security("upsertGroup", web).await;
    let token = token_of(host.addr(), "bob", "right").await;
    let bearer = format!("Authorization: Bearer {}\r\n", token.as_str().unwrap());
    for path in [
        "/rest/describe",
        "/rest/Describe",
        "/rest/describe/",
        "/TestNode/rest/describe",
        "/metrics",
        "/Metrics",
    ] {
        let answer = http(host.addr(), path, &bearer).await;
        assert_eq!(answer.split(' ').nth(1), Some("403"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_token_without_its_user_or_taken_away_is_one_without_permissions() {
    let host = host(&[]);
    let mut admin = Client::admin(&host).await;
    admin.add_member("bob", "right", "G", json!({})).await;
    let web = json!({"web": {"/calc/page": {"authorized": true, "actions": ["get"]}}});
    admin.security("addGroupPermissions", json!(["G", web])).await;
    let gone = token_of(host.addr(), "bob", "right").await;
    let revoked = token_of(host.addr(), "bob", "right").await;
    let show = async |token: &Value| {
        let bearer = format!("Authorization: Bearer {}\r\n", token.as_str().unwrap());
        let answer = http(host.addr(), "/calc/page", &bearer).await;
        answer["HTTP/1.1 ".len()..][..3].to_owned()
    };
    assert_eq!(
        show(&revoked).await,
        "404",
        "there is nothing, which bob may know"
    );
    admin.security("revokeToken", json!([revoked, "test"])).await;
    assert_eq!(show(&revoked).await, "403");
    assert_eq!(show(&gone).await, "404");
    admin.security("deleteUser", json!([{"username": "bob"}])).await;
    assert_eq!(show(&gone).await, "403");
    assert_eq!(show(&json!("not.a.token")).await, "401");
}

#[tokio::test]
async fn all_dialects_have_a_request_that_ends_the_own_token() {
    let host = host(&[]);
    let mut admin = Client::admin(&host).await;
    admin.add_member("bob", "right", "G", json!({})).await;
    for (dialect, action) in [
        ("happn_1.3.0", "revoke-session"),
        ("happn_2", "revoke-session"),
        ("happn_2", "revoke-token"),
        ("happn_4", "revoke-token"),
    ] {
        let mut session = Client::open(host.addr(), dialect).await;
        let token = session.login("bob", "right").await["data"]["token"].clone();
        assert!(
            is_ok(&session.request(json!({"action": action})).await),
            "{dialect}"
        );
        let mut next = Client::open(host.addr(), dialect).await;
        let again = next.login_with(json!({"token": token})).await;
        assert!(!is_ok(&again), "{dialect} {action}: {again}");
    }
}

#[tokio::test]
async fn a_session_that_revokes_itself_may_still_say_that_it_leaves_and_nothing_else() {
    let host = host(&[]);
    let mut admin = Client::admin(&host).await;
    let data = json!({"/open/*": {"actions": ["*"]}});
    admin.add_member("bob", "right", "G", data).await;
    for dialect in mesh_tests::secure::DIALECTS {
        let mut session = Client::open(host.addr(), dialect).await;
        let token = session.login("bob", "right").await["data"]["token"].clone();
        let mut child = Client::open(host.addr(), dialect).await;
        assert!(is_ok(&child.login_with(json!({"token": token})).await));
        assert!(is_ok(&session.on("/ALL@/open/*").await));
        assert!(is_ok(&session.request(json!({"action": "revoke-session"})).await));
        admin.set("/open/1", json!({"n": 1})).await;
        assert!(session.pushed().await.is_empty(), "{dialect} hears");
        let left = session.request(json!({"action": "disconnect"})).await;
        assert!(is_ok(&left), "{dialect}: {left}");
        assert!(!is_ok(&session.get("/open/1").await), "{dialect} reads");
        if !mesh_tests::secure::is_first_generation(dialect) {
            for ended in [&mut session, &mut child] {
                let frames = ended.until_end().await;
                assert_eq!(frames[0]["data"], json!({"reason": "token-revoked"}), "{dialect}");
            }
        }
    }
}

#[tokio::test]
async fn a_revocation_is_remembered_no_longer_than_its_token_holds() {
    let host = host(&[]);
    let mut admin = Client::admin(&host).await;
    admin.security("activateSessionManagement", json!([false])).await;
    for name in ["bob", "carol"] {
        admin.add_member(name, "right", "G", json!({})).await;
        let token = token_of(host.addr(), name, "right").await;
        admin.security("revokeToken", json!([token, name])).await;
    }
    let reasons = async |admin: &mut Client| {
        let listed = admin.call("security/listRevokedTokens", json!([])).await.unwrap();
        let listed = listed[0].as_array().unwrap().iter();
        let mut reasons: Vec<String> = listed.map(|one| one["reason"].to_string()).collect();
        reasons.sort();
        reasons.join(" ")
    };
    assert_eq!(reasons(&mut admin).await, r#""bob" "carol""#);
    admin.security("deleteUser", json!([{"username": "bob"}])).await;
    assert_eq!(reasons(&mut admin).await, r#""carol""#);
    let changed = json!([{"username": "carol", "password": "other"}]);
    admin.security("updateUser", changed).await;
    assert_eq!(reasons(&mut admin).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_whose_time_is_over_is_refused_by_its_cause_over_http() {
    let (host, _folder, _admin) = secure_profiles::mesh(MESH).await;
    let mut session = Client::open(host.addr(), "happn_4").await;
    let answer = session.login("short", "right").await;
    let token = answer["data"]["token"].as_str().unwrap().to_owned();
    assert_ended(&session.until_end().await, "token-expired");
    let bearer = format!("Authorization: Bearer {token}");
    let asked = |verb: &str, path: &str| {
        let headers = ["Content-Type: application/json", &bearer];
        ask(host.addr(), verb, path, &headers, b"{}")
    };
    // Requests over HTTP are answered in the words of the last websocket from the same address.
    for (dialect, status, refusal) in [
        (
            "happn_4",
            401,
            "authorization failed for short: expired session token",
        ),
        (
            "happn_1.3.0",
            403,
            "unauthorized access to path /@HTTP/rest/describe",
        ),
    ] {
        let _last = Client::enter(host.addr(), dialect, "bob", "right").await;
        let called = asked("POST", "/rest/method/calc/add");
        let expected =
            json!({"message": "expired session token", "data": null, "error": {"message": "Access denied"}});
        assert_eq!((called.status, called.json()), (403, expected), "{dialect}");
        let described = asked("GET", "/rest/describe");
        assert_eq!(
            (described.status, &*described.text()),
            (status, refusal),
            "{dialect}"
        );
    }
}
