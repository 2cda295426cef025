//! Clients that have not logged in to a secure mesh: they can log in, and nothing else.
//!
//! Enters: raw frames of every action in every dialect, with forged sessions, and wrong logins. Leaves: answers, and
//! what a second client, who may hear everything, has heard. Guarantees: see the names of the tests.

use mesh_tests::secure::{
    ADMIN, Client, DIALECTS, PASSWORD, error, host, is_denied, is_first_generation, is_ok,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Every action that there is, and some that there are not.
const ACTIONS: [&str; 23] = [
    "get",
    "set",
    "on",
    "off",
    "remove",
    "count",
    "ack",
    "revoke-token",
    "revoke-session",
    "disconnect-child-sessions",
    "change-password",
    "emit",
    "publish",
    "subscribe",
    "increment",
    "stop",
    "find",
    "LOGIN",
    "Get",
    "",
    " get",
    "__proto__",
    "security",
];

fn request(action: &str, path: &str, forged: Option<&str>) -> Value {
    let mut request = json!({
        "action": action,
        "path": path,
        "data": {"stolen": true, "oldPassword": PASSWORD, "newPassword": "mine"},
        "options": {"noStore": false, "initialCallback": true, "initialEmit": true, "consistency": 3, "onBehalfOf": ADMIN},
    });
    if path.contains("_exchange/requests") {
        let own = forged.unwrap_or("nobody");
        request["data"] = json!({
            "callbackAddress": format!("/_exchange/responses/{own}/1"), "args": [], "origin": {"id": own, "username": ADMIN},
        });
    }
    if let Some(id) = forged {
        request["sessionId"] = id.into();
    }
    request
}

#[tokio::test]
async fn before_a_login_every_action_is_denied_and_nothing_happens() {
    let host = host(&[]);
    let mut admin = Client::admin(&host).await;
    assert!(is_ok(&admin.on("/ALL@*").await));
    let ticks = admin.call("calc/tick", json!([])).await.unwrap();
    assert!(is_ok(&admin.set("/known", json!({"kept": true})).await));
    admin.pushed().await;
    let paths = [
        "/known",
        "/new",
        "*",
        "/SET@/known",
        "/ALL@*",
        "/mesh/schema/description",
        "/_exchange/requests/TestNode/calc/tick",
        "/_SYSTEM/_SECURITY/_USER/_ADMIN",
    ];
    for dialect in DIALECTS {
        let mut stranger = Client::open(host.addr(), dialect).await;
        for forged in [None, Some(admin.id())] {
            for action in ACTIONS {
                for path in paths {
                    let answer = stranger.request(request(action, path, forged)).await;
                    assert!(
                        is_denied(&answer),
                        "{action} {path} {forged:?} in {dialect}: {answer}"
                    );
                    assert!(answer["data"].is_null(), "{answer}");
                }
            }
        }
        // Four more ways to name an action.
        for action in [json!(null), json!(7), json!(["get"]), json!({"get": 1})] {
            let mut odd = request("get", "/known", None);
            odd["action"] = action;
            let answer = stranger.request(odd).await;
            let data = &answer["data"];
            assert!(data.is_null() && !answer.to_string().contains("kept"), "{answer}");
        }
        // Clients say that they leave after a refused login, too.
        assert!(!is_ok(&stranger.login(ADMIN, "wrong").await));
        for path in paths {
            let left = stranger
                .request(request("disconnect", path, Some(admin.id())))
                .await;
            assert!(is_ok(&left) && left["data"].is_null(), "{dialect}: {left}");
        }
        let rest = stranger.pushed().await;
        assert!(rest.is_empty(), "{dialect} was sent {rest:?}");
        // The same connection can still log in, and has none of the subscriptions it asked for.
        assert!(is_ok(&stranger.login(ADMIN, PASSWORD).await));
        admin.set("/known", json!({"kept": true})).await;
        let heard = stranger.pushed().await;
        assert!(heard.is_empty(), "{dialect} heard {heard:?}");
        let own: Vec<Value> = admin.pushed().await;
        let paths: Vec<&Value> = own.iter().map(|frame| &frame["_meta"]["path"]).collect();
        assert_eq!(
            paths,
            ["/known"],
            "only what the administrator did itself is heard"
        );
    }
    assert_eq!(admin.get("/known").await["data"]["kept"], true);
    assert!(admin.get("/new").await["data"].is_null());
    let counted = admin.call("calc/tick", json!([])).await.unwrap();
    let before = ticks[0].as_u64().unwrap();
    assert_eq!(counted[0].as_u64().unwrap(), before + 1, "nobody else has called");
    // Nobody else was logged in for it, and the password is what it was.
    Client::admin(&host).await;
}

#[tokio::test]
async fn describe_and_nonces_reveal_nothing_about_users() {
    let host = host(&[]);
    for dialect in DIALECTS {
        let mut stranger = Client::open(host.addr(), dialect).await;
        let described = stranger.request(json!({"action": "describe"})).await;
        assert_eq!(described["data"]["secure"], true);
        assert_eq!(described["data"]["name"], "TestNode");
        let missing = stranger.request(json!({"action": "request-nonce"})).await;
        assert_eq!(error(&missing)["message"], "no public key with request");
        let nonce = stranger
            .request(json!({"action": "request-nonce", "data": {"publicKey": "anything"}}))
            .await;
        assert!(nonce["data"]["nonce"].is_string(), "{nonce}");
    }
}

#[tokio::test]
async fn wrong_credentials_of_every_kind_are_refused_and_the_socket_stays_open() {
    let host = host(&["security.login_attempts=1000"]);
    let mut admin = Client::admin(&host).await;
    admin
        .add_member("bob", "right", "G", json!({"/g/*": {"actions": ["*"]}}))
        .await;
    let forged = "eyJhbGciOiJub25lIn0.eyJ1c2VybmFtZSI6Il9BRE1JTiJ9.";
    let wrong = [
        json!({}),
        json!({"username": "bob"}),
        json!({"password": "right"}),
        json!({"username": "bob", "password": ""}),
        json!({"username": "bob", "password": "Right"}),
        json!({"username": "bob", "password": "right "}),
        json!({"username": "Bob", "password": "right"}),
        json!({"username": "*", "password": "right"}),
        json!({"username": "b*", "password": "right"}),
        json!({"username": "bob/_USER_GROUP/G", "password": "right"}),
        json!({"username": "", "password": ""}),
        json!({"username": "bob", "password": 7}),
        json!({"username": "bob", "password": null}),
        json!({"username": ["bob"], "password": ["right"]}),
        json!({"username": {"$ne": ""}, "password": {"$ne": ""}}),
        json!({"username": "bob", "password": {"$gt": ""}}),
        json!({"token": ""}),
        json!({"token": "garbage"}),
        json!({"token": forged}),
        json!({"token": forged, "username": "bob", "password": "right"}),
        json!({"username": "bob", "publicKey": "", "digest": "", "loginType": "digest"}),
        json!({"username": "bob", "publicKey": "k", "digest": "d", "loginType": "digest"}),
        json!({"username": "nobody", "password": "right"}),
        json!({"username": "_ANONYMOUS", "password": "anonymous"}),
        json!({"useCookie": true, "authType": "cookie"}),
    ];
    for dialect in DIALECTS {
        let code = if is_first_generation(dialect) { 403 } else { 401 };
        let mut stranger = Client::open(host.addr(), dialect).await;
        for credentials in &wrong {
            let answer = stranger.login_with(credentials.clone()).await;
            let error = error(&answer);
            assert_eq!(error["name"], "AccessDenied", "{credentials}: {answer}");
            assert_eq!(error["code"], code, "{dialect} {credentials}: {answer}");
            assert!(answer["data"].is_null(), "{answer}");
            assert!(
                is_denied(&stranger.get("/g/1").await),
                "{credentials} let somebody in"
            );
        }
        let answer = stranger.login("bob", "right").await;
        assert!(is_ok(&answer), "{answer}");
        assert_eq!(answer["data"]["user"]["username"], "bob");
        assert!(is_ok(&stranger.get("/g/1").await));
        assert!(is_denied(&stranger.get("/h/1").await));
    }
}

#[tokio::test]
async fn a_failed_login_does_not_change_the_user_of_a_session() {
    let host = host(&[]);
    let mut admin = Client::admin(&host).await;
    admin
        .add_member("bob", "right", "G", json!({"/g/*": {"actions": ["*"]}}))
        .await;
    let mut bob = Client::enter(host.addr(), "happn_4", "bob", "right").await;
    assert!(!is_ok(&bob.login(ADMIN, "wrong").await));
    assert!(is_denied(&bob.get("/h/1").await));
    assert!(is_ok(&bob.get("/g/1").await));
    // A login as another user drops the subscriptions of the former one.
    let mut changing = Client::admin(&host).await;
    assert!(is_ok(&changing.on("/ALL@/h/*").await));
    assert!(is_ok(&changing.on("/ALL@/g/*").await));
    assert!(is_ok(&changing.login("bob", "right").await));
    admin.set("/h/1", json!({"n": 1})).await;
    admin.set("/g/1", json!({"n": 1})).await;
    let heard = changing.pushed().await;
    let paths: Vec<&Value> = heard.iter().map(|frame| &frame["_meta"]["path"]).collect();
    assert_eq!(paths, ["/g/1"], "{heard:?}");
}

#[tokio::test]
async fn requests_behind_a_login_wait_for_it() {
    let host = host(&[]);
    let mut client = Client::open(host.addr(), "happn_4").await;
    let before = client
        .send(json!({"action": "set", "path": "/p/1", "data": {"n": 1}}))
        .await;
    let login = json!({"username": ADMIN, "password": PASSWORD, "info": {}});
    let login = client.send(json!({"action": "login", "data": login})).await;
    let behind = client
        .send(json!({"action": "get", "path": "/p/1", "data": null}))
        .await;
    let before = client.answer(before).await.unwrap();
    assert!(is_denied(&before), "{before}");
    assert!(is_ok(&client.answer(login).await.unwrap()));
    let behind = client.answer(behind).await.unwrap();
    assert!(is_ok(&behind) && behind["data"].is_null(), "{behind}");
}

/// The middle of what was measured.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[tokio::test]
async fn an_unknown_user_and_a_wrong_password_cannot_be_told_apart() {
    let host = host(&["security.login_attempts=1000"]);
    let mut admin = Client::admin(&host).await;
    admin
        .add_member("bob", "right", "G", json!({"/g/*": {"actions": ["*"]}}))
        .await;
    for dialect in ["happn_1.3.0", "happn_4"] {
        let mut stranger = Client::open(host.addr(), dialect).await;
        let mut times = [Vec::new(), Vec::new()];
        let mut errors = Vec::new();
        for round in 0..40 {
            for (kind, times) in times.iter_mut().enumerate() {
                let nobody = format!("nobody-{round}");
                let name = if kind == 0 { "bob" } else { &nobody };
                let begin = Instant::now();
                let answer = stranger.login(name, "wrong").await;
                times.push(begin.elapsed());
                errors.push(error(&answer).clone());
            }
        }
        assert!(errors.iter().all(|error| *error == errors[0]), "{errors:?}");
        let [known, unknown] = times.map(median);
        println!("{dialect}: a known user takes {known:?}, an unknown one {unknown:?}");
        let [shorter, longer] = if known < unknown {
            [known, unknown]
        } else {
            [unknown, known]
        };
        // Without the work of a hash the one would take a hundredth of the other.
        assert!(longer < 3 * shorter, "{known:?} and {unknown:?}");
    }
}
