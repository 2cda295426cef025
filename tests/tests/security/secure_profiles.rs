//! For how long, how often and from where somebody may be logged in: profiles, lockout, anonymous and the administrator.
//!
//! Enters: a mesh whose profiles have small limits, sessions of all four dialects. Leaves: the fate of those that
//! reach a limit, in the words of either generation. Guarantees: a limit that counts time is waited for, never
//! measured.

use mesh_tests::host::{Folder, Host};
use mesh_tests::http;
use mesh_tests::secure::{ADMIN, Client, DIALECTS, PASSWORD, error, is_denied, is_first_generation, is_ok};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(super) const MESH: &str = r#"
name = "TestNode"
[happn]
secure = true
[security]
admin_password = "happn"
lockout_seconds = 600

[[security.profiles]]
name = "short"
users = ["short"]
ttl_seconds = 1

[[security.profiles]]
name = "busy"
groups = ["busy"]
inactivity_seconds = 2

[[security.profiles]]
name = "few"
users = ["few"]
usage_limit = 3

[[security.profiles]]
name = "away"
users = ["away"]
addresses = ["10.0.0.0/8", "::1"]

[[security.profiles]]
name = "here"
users = ["here"]
addresses = ["127.0.0.0/8"]
lock_token_to_address = true

[[security.profiles]]
name = "typed"
users = ["typed"]
token_logins = false
"#;

pub(super) async fn mesh(text: &str) -> (Host, Folder, Client) {
    let folder = Folder::new("profiles");
    let file = folder.write("mesh.toml", text);
    let host = Host::start(&file, &[]);
    let mut admin = Client::admin(&host).await;
    for name in ["short", "busy", "few", "away", "here", "typed", "bob"] {
        let data = json!({"/open/*": {"actions": ["*"]}});
        admin.add_member(name, "right", name, data).await;
    }
    (host, folder, admin)
}

/// The frames that end a session of a later generation.
pub(super) fn assert_ended(frames: &[Value], reason: &str) {
    let [.., notice, close] = frames else {
        panic!("ended without a word: {frames:?}");
    };
    assert_eq!(notice["eventKey"], "server-side-disconnect", "{frames:?}");
    assert_eq!(notice["data"], json!({"reason": reason}), "{frames:?}");
    assert_eq!(*close, json!("primus::server::close"));
}

#[tokio::test]
async fn a_session_ends_when_its_time_is_over() {
    let (host, _folder, mut admin) = mesh(MESH).await;
    for dialect in DIALECTS {
        let mut session = Client::open(host.addr(), dialect).await;
        let answer = session.login("short", "right").await;
        assert_eq!(answer["data"]["policy"]["1"]["ttl"], 1000, "{answer}");
        let token = answer["data"]["token"].clone();
        assert!(is_ok(&session.on("/ALL@/open/*").await));
        if is_first_generation(dialect) {
            // These stay connected, and are told when they ask.
            let denied = loop {
                let answer = session.get("/open/1").await;
                if !is_ok(&answer) {
                    break answer;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            };
            assert!(is_denied(&denied), "{denied}");
            assert_eq!(error(&denied)["reason"], "expired session token");
            admin.set("/open/1", json!({"n": 1})).await;
            assert!(session.pushed().await.is_empty(), "and they hear nothing more");
            assert!(
                is_ok(&session.login("short", "right").await),
                "but may log in again"
            );
            assert!(is_ok(&session.get("/open/1").await));
        } else {
            assert_ended(&session.until_end().await, "token-expired");
        }
        let mut late = Client::open(host.addr(), dialect).await;
        let refused = late.login_with(json!({"token": token})).await;
        let code = if is_first_generation(dialect) { 403 } else { 401 };
        let expected = json!({"name": "AccessDenied", "message": "expired session token", "code": code});
        assert_eq!(*error(&refused), expected, "{dialect}: {refused}");
        let left = late.request(json!({"action": "disconnect"})).await;
        assert!(is_ok(&left), "{dialect}: {left}");
    }
}

#[tokio::test]
async fn a_session_that_asks_for_nothing_ends() {
    let (host, _folder, mut admin) = mesh(MESH).await;
    for dialect in DIALECTS {
        let mut session = Client::open(host.addr(), dialect).await;
        let answer = session.login("busy", "right").await;
        assert_eq!(
            answer["data"]["policy"]["1"]["inactivity_threshold"], 2000,
            "{answer}"
        );
        assert!(is_ok(&session.on("/ALL@/open/*").await));
        for _ in 0..6 {
            // Longer than the limit in all, and shorter in each step.
            tokio::time::sleep(Duration::from_millis(500)).await;
            assert!(is_ok(&session.get("/open/1").await), "{dialect} was busy");
        }
        if is_first_generation(dialect) {
            tokio::time::sleep(Duration::from_millis(2500)).await;
            let denied = session.get("/open/1").await;
            assert_eq!(
                error(&denied)["reason"],
                "session inactivity threshold reached",
                "{denied}"
            );
            admin.set("/open/1", json!({"n": 1})).await;
            assert!(session.pushed().await.is_empty());
        } else {
            assert_ended(&session.until_end().await, "inactivity-threshold");
        }
    }
}

#[tokio::test]
async fn a_session_makes_as_many_requests_as_it_may() {
    let (host, _folder, mut admin) = mesh(MESH).await;
    for dialect in DIALECTS {
        let mut session = Client::enter(host.addr(), dialect, "few", "right").await;
        assert!(is_ok(&session.on("/ALL@/open/*").await));
        assert!(is_ok(&session.get("/open/1").await));
        assert!(is_ok(&session.get("/open/1").await));
        let denied = session.get("/open/1").await;
        let error = error(&denied);
        assert_eq!(
            (&error["name"], &error["code"]),
            (&json!("AccessDenied"), &json!(403))
        );
        if is_first_generation(dialect) {
            assert_eq!(error["reason"], "session usage limit reached", "{denied}");
            assert!(is_denied(&session.get("/open/1").await));
            admin.set("/open/1", json!({"n": 1})).await;
            assert!(session.pushed().await.is_empty());
        } else {
            assert_eq!(error["message"], "session usage limit reached", "{denied}");
            assert_ended(&session.until_end().await, "usage-limit");
        }
    }
}

#[tokio::test]
async fn a_token_is_used_up_by_all_who_show_it() {
    let (host, _folder, _admin) = mesh(MESH).await;
    let mut session = Client::open(host.addr(), "happn_4").await;
    let token = session.login("few", "right").await["data"]["token"].clone();
    assert!(is_ok(&session.get("/open/1").await));
    let show = async || {
        let mut stream = TcpStream::connect(host.addr()).await.unwrap();
        let token = token.as_str().unwrap();
        let head = format!("GET /page?happn_token={token} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let answer = show().await;
    assert!(
        answer.starts_with("HTTP/1.1 403 "),
        "no permission, but a use: {answer}"
    );
    let mut other = Client::open(host.addr(), "happn_4").await;
    assert!(is_ok(&other.login_with(json!({"token": token})).await));
    assert!(is_ok(&other.get("/open/1").await), "the third and last");
    let answer = show().await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert!(answer.ends_with("session usage limit reached"), "{answer}");
    let mut third = Client::open(host.addr(), "happn_4").await;
    let denied = third.login_with(json!({"token": token})).await;
    assert_eq!(
        error(&denied)["message"],
        "session usage limit reached",
        "{denied}"
    );
    assert!(is_ok(&third.login("few", "right").await), "another token");
    assert!(is_ok(&third.get("/open/1").await));
}

#[tokio::test]
async fn logins_are_accepted_from_listed_addresses_only() {
    let (host, _folder, _admin) = mesh(MESH).await;
    for dialect in DIALECTS {
        let mut session = Client::open(host.addr(), dialect).await;
        let refused = session.login("away", "right").await;
        let code = if is_first_generation(dialect) { 403 } else { 401 };
        assert_eq!(
            error(&refused)["message"],
            "Source address access restricted",
            "{refused}"
        );
        assert_eq!(error(&refused)["code"], code);
        assert!(is_denied(&session.get("/open/1").await));
        let answer = session.login("here", "right").await;
        assert!(is_ok(&answer), "{answer}");
    }
}

#[tokio::test]
async fn tokens_hold_where_they_were_given_and_where_they_may_be_used() {
    let (host, _folder, _admin) = mesh(MESH).await;
    for dialect in DIALECTS {
        let first = is_first_generation(dialect);
        let mut session = Client::open(host.addr(), dialect).await;
        let token = session.login("typed", "right").await["data"]["token"].clone();
        let mut again = Client::open(host.addr(), dialect).await;
        let refused = again.login_with(json!({"token": token})).await;
        let words = "logins with this token are disallowed by policy";
        let words = if first {
            format!("invalid credentials: {words}")
        } else {
            words.to_owned()
        };
        assert_eq!(error(&refused)["message"], words.as_str(), "{refused}");
        assert_eq!(error(&refused)["code"], 403);

        let token = session.login("here", "right").await["data"]["token"].clone();
        let same_place = again.login_with(json!({"token": token})).await;
        assert!(is_ok(&same_place), "{same_place}");
        assert_eq!(same_place["data"]["user"]["username"], "here");
        assert_eq!(
            same_place["data"]["token"], token,
            "a token makes no other, which would hold for longer"
        );
        let mut broken = token.as_str().unwrap().to_owned();
        let last = if broken.pop() == Some('A') { 'B' } else { 'A' };
        broken.push(last);
        let refused = again
            .login_with(json!({"token": broken, "username": "here"}))
            .await;
        assert!(!is_ok(&refused), "a token that was touched: {refused}");
    }
    // From another address of this machine the token of `here` is worth nothing.
    let mut session = Client::open(host.addr(), "happn_4").await;
    let token = session.login("here", "right").await["data"]["token"].clone();
    let mut elsewhere = Client::open_from("127.0.0.2".parse().unwrap(), host.addr(), "happn_4").await;
    let refused = elsewhere.login_with(json!({"token": token})).await;
    assert_eq!(
        error(&refused)["message"],
        "token is locked to another address",
        "{refused}"
    );
    assert!(
        is_ok(&elsewhere.login("here", "right").await),
        "the password is another matter"
    );
}

#[tokio::test]
async fn four_wrong_passwords_lock_a_name() {
    let (host, _folder, _admin) = mesh(MESH).await;
    for (dialect, name) in DIALECTS.into_iter().zip(["bob", "here", "busy", "typed"]) {
        let mut session = Client::open(host.addr(), dialect).await;
        let unknown = format!("nobody-{dialect}");
        let (mut named, mut nobody) = (Vec::new(), Vec::new());
        for _ in 0..5 {
            named.push(error(&session.login(name, "wrong").await)["message"].clone());
            nobody.push(error(&session.login(&unknown, "wrong").await)["message"].clone());
        }
        assert_eq!(named[..4], vec![json!("Invalid credentials"); 4]);
        assert_eq!(named[4], "Account locked out");
        assert_eq!(nobody, named, "a name that nobody has is locked like others");
        let right = session.login(name, "right").await;
        assert_eq!(error(&right)["message"], "Account locked out", "{right}");
        assert_eq!(error(&right)["code"], 403, "{right}");
        assert!(is_denied(&session.get("/open/1").await));
    }
}

#[tokio::test]
async fn a_locked_name_opens_again_by_itself() {
    let lockout = MESH.replace("lockout_seconds = 600", "lockout_seconds = 1");
    let (host, _folder, _admin) = mesh(&lockout).await;
    // On a slow machine a second may pass between failures, which are forgotten then: hence until it is locked.
    loop {
        let attempts = (0..12).map(|_| async {
            let mut one = Client::open(host.addr(), "happn_4").await;
            error(&one.login("bob", "wrong").await)["message"].clone()
        });
        let messages = futures_util::future::join_all(attempts).await;
        if messages.iter().any(|message| message == "Account locked out") {
            break;
        }
    }
    let mut session = Client::open(host.addr(), "happn_4").await;
    while !is_ok(&session.login("bob", "right").await) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(is_ok(&session.get("/open/1").await));
}

#[tokio::test]
async fn a_locked_name_is_locked_for_the_right_password_too() {
    let (host, _folder, _admin) = mesh(MESH).await;
    let mut before = Client::open(host.addr(), "happn_4").await;
    let token = before.login("bob", "right").await["data"]["token"].clone();
    let mut stranger = Client::open(host.addr(), "happn_4").await;
    for _ in 0..3 {
        assert!(!is_ok(&stranger.login("bob", "wrong").await));
    }
    assert!(is_ok(&stranger.login("bob", "right").await), "three are forgiven");
    // Many at once are worth no more than the same number in a row.
    let attempts = (0..12).map(|_| async {
        let mut one = Client::open(host.addr(), "happn_4").await;
        error(&one.login("bob", "wrong").await)["message"].clone()
    });
    let messages = futures_util::future::join_all(attempts).await;
    let tried = messages
        .iter()
        .filter(|message| **message == "Invalid credentials")
        .count();
    // One that had no turn in time is answered in other words, and counts all the same. The name is locked then, as is seen below.
    let had_no_turn = messages
        .iter()
        .any(|message| message.as_str().is_some_and(|text| text.starts_with("too many")));
    assert!(tried == 4 || (tried < 4 && had_no_turn), "{messages:?}");
    for dialect in DIALECTS {
        let mut one = Client::open(host.addr(), dialect).await;
        let answer = one.login("bob", "right").await;
        assert_eq!(error(&answer)["message"], "Account locked out", "{answer}");
        assert_eq!(error(&answer)["code"], 403);
    }
    assert!(
        is_ok(&before.get("/open/1").await),
        "whoever is logged in goes on"
    );
    let by_token = stranger.login_with(json!({"token": token})).await;
    assert!(is_ok(&by_token), "a token is no guess: {by_token}");
}

/// The login of anonymous clients: 13.12.1 looks at no password.
fn anonymous() -> [Value; 3] {
    [
        json!({"username": "_ANONYMOUS"}),
        json!({"username": "_ANONYMOUS", "password": "anonymous"}),
        json!({"username": "_ANONYMOUS", "password": "anything"}),
    ]
}

#[tokio::test]
async fn anonymous_logs_in_where_the_profile_allows_it() {
    let (host, _folder, mut admin) = mesh(MESH).await;
    for dialect in DIALECTS {
        // happn-3 1.13.2 knows of nobody who is nobody; 13.12.1 says what is the matter.
        let (message, code) = match is_first_generation(dialect) {
            true => ("Invalid credentials", 403),
            false => ("Anonymous access is disabled", 401),
        };
        for credentials in anonymous() {
            let mut nobody = Client::open(host.addr(), dialect).await;
            let refused = nobody.login_with(credentials).await;
            assert_eq!(error(&refused)["message"], message, "{refused}");
            assert_eq!(error(&refused)["code"], code, "{refused}");
        }
    }
    for method in ["linkAnonymousGroup", "unlinkAnonymousGroup"] {
        let refused = admin
            .call(&format!("security/{method}"), json!(["_MESH_GST"]))
            .await;
        let error = refused.unwrap_err();
        assert_eq!(error["message"], "Anonymous access is not configured", "{error}");
    }
    let folder = Folder::new("anonymous");
    let file = folder.write(
        "mesh.toml",
        &MESH.replace("lockout", "allow_anonymous = true\nlockout"),
    );
    let host = Host::start(&file, &[]);
    let mut admin = Client::admin(&host).await;
    let open = json!([{"name": "open", "permissions": {"data": {"/open/*": {"actions": ["get"]}}}}]);
    admin.security("addGroup", open).await;
    for dialect in DIALECTS {
        let mut nobody = Client::open(host.addr(), dialect).await;
        for credentials in anonymous() {
            let answer = nobody.login_with(credentials).await;
            assert_eq!(answer["data"]["user"]["username"], "_ANONYMOUS", "{answer}");
        }
        assert!(is_denied(&nobody.get("/open/1").await));
        assert!(is_ok(&nobody.get("/mesh/schema/description").await));
        admin.security("linkAnonymousGroup", json!(["open"])).await;
        assert!(is_ok(&nobody.get("/open/1").await));
        assert!(is_denied(&nobody.set("/open/1", json!({})).await));
        admin.security("unlinkAnonymousGroup", json!(["open"])).await;
        assert!(is_denied(&nobody.get("/open/1").await));
    }
    let answer = http::get(host.addr(), "/auth/login?username=_ANONYMOUS");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = br#"{"username":"_ANONYMOUS"}"#;
    let headers = ["Content-Type: application/json"];
    let answer = http::ask(host.addr(), "POST", "/rest/login", &headers, body);
    assert!(answer.json()["data"]["token"].is_string(), "{}", answer.text());
}

#[tokio::test]
async fn the_administrator_may_be_kept_to_this_machine() {
    let folder = Folder::new("admin");
    let file = folder.write(
        "mesh.toml",
        &MESH.replace("lockout", "admin_over_network = false\nlockout"),
    );
    let host = Host::start(&file, &["happn.host=0.0.0.0"]);
    let here = std::net::SocketAddr::from(([127, 0, 0, 1], host.addr().port()));
    for dialect in DIALECTS {
        let mut admin = Client::open(here, dialect).await;
        let answer = admin.login(ADMIN, PASSWORD).await;
        assert!(is_ok(&answer), "{dialect}: {answer}");
        let token = answer["data"]["token"].clone();
        // An address of this machine that is none of the loopback, where it has one.
        let outside = std::net::UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
            socket.connect("192.0.2.1:9")?;
            socket.local_addr()
        });
        let Some(outside) = outside.ok().filter(|address| !address.ip().is_loopback()) else {
            continue;
        };
        let there = std::net::SocketAddr::new(outside.ip(), here.port());
        let mut remote = Client::open(there, dialect).await;
        for credentials in [
            json!({"username": ADMIN, "password": PASSWORD}),
            json!({"username": ADMIN, "password": "wrong"}),
            json!({"token": token}),
        ] {
            let refused = remote.login_with(credentials).await;
            let words = "use of _ADMIN credentials over the network is disabled";
            assert_eq!(error(&refused)["message"], words, "{refused}");
            assert_eq!(error(&refused)["code"], 403);
        }
    }
}

#[tokio::test]
async fn a_login_of_a_browser_expires() {
    let (host, _folder, _admin) = mesh(MESH).await;
    let mut session = Client::open(host.addr(), "happn_4").await;
    let browser = json!({"username": "bob", "password": "right", "info": {"_browser": true}});
    let answer = session.login_with(browser).await;
    let policy = &answer["data"]["policy"]["1"];
    assert_eq!(
        *policy,
        json!({"ttl": 604_800_000, "inactivity_threshold": 3_600_000}),
        "{answer}"
    );
    let answer = session.login("bob", "right").await;
    let policy = &answer["data"]["policy"]["1"];
    assert_eq!(
        *policy,
        json!({"ttl": 0, "inactivity_threshold": null}),
        "{answer}"
    );
}
