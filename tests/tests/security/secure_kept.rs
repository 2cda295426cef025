//! Secrets of users in the host are nobody's: not the administrator's, not a component's, and not the log's.
//!
//! Enters: every way to read, write, count and listen that there is, aimed at paths below `/_SYSTEM/_SECURITY`. Also
//! a run through all of secure mode with the log at its most talkative. Leaves: answers, results, events, the log.
//! Guarantees: the searched texts are those that the store really holds, and not a guess.

use mesh_tests::control;
use mesh_tests::host::{Folder, Host, repository};
use mesh_tests::secure::{ADMIN, Client, DIALECTS, PASSWORD, host, is_denied, is_first_generation, is_ok};
use serde_json::{Value, json};

/// Paths that reach, or might reach, what is kept.
const PATHS: [&str; 16] = [
    "*",
    "/*",
    "**",
    "/**",
    "/_SYSTEM*",
    "/_SYSTEM/*",
    "/_S*",
    "*/_USER/*",
    "*_ADMIN",
    "/_SYSTEM/_SECURITY",
    "/_SYSTEM/_SECURITY/",
    "/_SYSTEM/_SECURITY/*",
    "/_SYSTEM/_SECURITY/_USER/_ADMIN",
    "/_SYSTEM/_SECURITY/_USER/*",
    "/_SYSTEM/_SECURITY/SESSION_TOKEN_SECRET",
    "_SYSTEM/_SECURITY/_USER/_ADMIN",
];

fn assert_nothing_kept(answer: &Value, what: &str) {
    let text = match answer {
        // Answers repeat the path of their request.
        Value::Array(items) => json!(items[..items.len() - 1]).to_string(),
        other => other["data"].to_string(),
    };
    for word in ["_SECURITY", "argon2", "pbkdf2", "\"secret\"", "\"password\""] {
        assert!(!text.contains(word), "{what} tells {word}: {text}");
    }
}

#[tokio::test]
async fn nobody_reads_reserved_paths_not_even_the_administrator() {
    let host = host(&[]);
    let mut admin = Client::admin(&host).await;
    admin
        .add_member(
            "bob",
            "right",
            "G",
            json!({"/*": {"actions": ["*"]}, "*": {"actions": ["*"]}}),
        )
        .await;
    admin.set("/seen/1", json!({"n": 1})).await;
    for (username, password) in [(ADMIN, PASSWORD), ("bob", "right")] {
        for dialect in DIALECTS {
            let mut reader = Client::enter(host.addr(), dialect, username, password).await;
            let all = reader.get("*").await;
            assert!(
                all.to_string().contains("/seen/1"),
                "everything else is there: {all}"
            );
            for path in PATHS {
                let asked = format!("{username} {dialect} {path}");
                let mut requests = vec![
                    json!({"action": "get", "path": path}),
                    json!({"action": "get", "path": path, "options": {"fields": {"secret": 1, "password": 1}}}),
                    json!({"action": "get", "path": path, "options": {"criteria": {"secret": {"$exists": true}}}}),
                    json!({"action": "get", "path": path, "options": {"path_only": true}}),
                    json!({"action": "get", "path": path, "options": {"sort": {"password": 1}, "limit": 10}}),
                ];
                let channels = [format!("/ALL@{path}"), format!("/SET@{path}"), path.to_owned()];
                for channel in &channels {
                    let now = json!({"initialCallback": true, "initialEmit": true});
                    requests.push(json!({"action": "on", "path": channel, "options": now}));
                }
                if !is_first_generation(dialect) {
                    requests.push(json!({"action": "count", "path": path, "options": {"criteria": {"password": {"$exists": true}}}}));
                }
                for mut request in requests {
                    let action = request["action"].clone();
                    if request.get("options").is_none() {
                        request["options"] = json!({});
                    }
                    let answer = reader.request(request).await;
                    assert_nothing_kept(&answer, &format!("{asked} {action}"));
                    if action == "count" && is_ok(&answer) {
                        assert_eq!(answer["data"]["value"], 0, "{asked}: {answer}");
                    }
                    if path.starts_with("/_SYSTEM/_SECURITY/") {
                        assert!(is_denied(&answer), "{asked} {action}: {answer}");
                    }
                }
            }
            for frame in reader.pushed().await {
                assert_nothing_kept(&frame, "an event");
            }
        }
    }
}

#[tokio::test]
async fn nobody_changes_reserved_paths_not_even_the_administrator() {
    let host = host(&[]);
    let mut admin = Client::admin(&host).await;
    let stolen = json!({"username": ADMIN, "password": "mine", "secret": "x"});
    for dialect in DIALECTS {
        let mut writer = Client::enter(host.addr(), dialect, ADMIN, PASSWORD).await;
        for path in [
            "/_SYSTEM/_SECURITY/_USER/_ADMIN",
            "/_SYSTEM/_SECURITY/SESSION_TOKEN_SECRET",
            "/_SYSTEM/_SECURITY/_USER/eve/_USER_GROUP/_ADMIN",
            "/_SYSTEM/_SECURITY/_REVOKED/x",
        ] {
            for options in [
                json!({}),
                json!({"merge": true}),
                json!({"increment": 1}),
                json!({"tag": "t"}),
                json!({"noStore": true}),
                json!({"set_type": "sibling"}),
                json!({"noPublish": true, "noDataResponse": true}),
                json!({"bulk": true}),
            ] {
                let set = json!({"action": "set", "path": path, "data": stolen, "options": options});
                let answer = writer.request(set).await;
                assert!(is_denied(&answer), "{dialect} {path} {options}: {answer}");
                assert_nothing_kept(&answer, path);
            }
            let tag = json!({"action": "set", "path": path, "data": null, "options": {"tag": "t"}});
            assert!(is_denied(&writer.request(tag).await));
            assert!(is_denied(&writer.remove(path).await));
        }
        for path in PATHS {
            let answer = writer.remove(path).await;
            assert_nothing_kept(&answer, path);
        }
        // Everybody is still there, with the same password, and the tokens hold.
        let mut again = Client::open(host.addr(), dialect).await;
        let answer = again.login(ADMIN, PASSWORD).await;
        assert!(is_ok(&answer), "{answer}");
        let mut by_token = Client::open(host.addr(), dialect).await;
        assert!(is_ok(
            &by_token
                .login_with(json!({"token": answer["data"]["token"]}))
                .await
        ));
    }
    let users = admin.security("listUsers", json!(["*"])).await;
    assert_eq!(users.as_array().unwrap().len(), 1, "{users}");
}

#[tokio::test]
async fn a_component_reaches_its_own_data_and_no_reserved_paths() {
    let host = host(&[]);
    let mut admin = Client::admin(&host).await;
    for path in [
        "/_SYSTEM/_SECURITY/_USER/_ADMIN",
        "../../_SYSTEM/_SECURITY/_USER/_ADMIN",
        "/../_SYSTEM/_SECURITY/_USER/_ADMIN",
        "//_SYSTEM/_SECURITY/_USER/_ADMIN",
        "*",
        "/*",
    ] {
        let got = admin.call("store/getData", json!([path])).await;
        let shown = format!("{got:?}");
        assert!(
            !shown.contains("password") && !shown.contains("argon2"),
            "{path}: {shown}"
        );
        let written = admin
            .call("store/setData", json!([path, {"password": "mine"}]))
            .await;
        let removed = admin.call("store/removeData", json!([path])).await;
        println!("{path}: {got:?}, {written:?}, {removed:?}");
    }
    Client::admin(&host).await;
}

/// The secrets in a store: hashes of passwords and the secret of tokens.
fn secrets_of(store: &std::path::Path) -> Vec<String> {
    let exported = mesh_tests::host::mesh(&["store", "export", "--path", store.to_str().unwrap()]);
    assert_eq!(exported.code, 0, "{}", exported.err);
    let mut secrets = Vec::new();
    for line in exported.out.lines() {
        let Ok(document) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        collect(&document, &mut secrets);
    }
    secrets
}

fn collect(value: &Value, secrets: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(text) if key == "password" || key == "secret" => {
                        secrets.push(text.clone());
                        // The salt and the hash, wherever they are cut out of it.
                        secrets.extend(text.split('$').filter(|part| part.len() > 20).map(str::to_owned));
                    }
                    other => collect(other, secrets),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, secrets)),
        _ => {}
    }
}

#[tokio::test]
async fn no_secret_is_in_the_log_in_the_status_or_in_a_result() {
    let folder = Folder::new("secrets");
    let store = folder.path().join("data.store");
    let own_store = format!("store.path={}", store.display());
    let config = repository().join("tests/conformance/mesh.toml");
    let settings = ["happn.secure=true", "security.allow_anonymous=true", &own_store];
    let host = Host::start_with(&config, &settings, |command| {
        command
            .env("MESH_ADMIN_PASSWORD", "admin-pass-1234567")
            .env("MESH_LOG", "trace");
    });
    let passwords = [
        "admin-pass-1234567",
        "bob-pass-1234567",
        "bob-next-1234567",
        "wrong-pass-1234567",
    ];
    let mut tokens = Vec::new();
    let mut seen = Vec::new();
    for dialect in DIALECTS {
        let mut admin = Client::open(host.addr(), dialect).await;
        tokens.push(admin.login(ADMIN, passwords[0]).await["data"]["token"].clone());
        for method in [
            "attachToSecurityChanges",
            "attachToSessionChanges",
            "activateSessionManagement",
            "activateSessionActivity",
        ] {
            admin
                .call(&format!("security/{method}"), json!([]))
                .await
                .unwrap();
        }
        assert!(is_ok(&admin.on("/ALL@*").await) || is_first_generation(dialect));
        assert!(is_ok(&admin.on("/ALL@/_events/*").await));
        let bob = format!("bob-{dialect}");
        let user = json!({"username": bob, "password": passwords[1], "custom_data": {"a": 1}});
        let group =
            json!({"name": format!("G-{dialect}"), "permissions": {"data": {"/g/*": {"actions": ["*"]}}}});
        for (method, arguments) in [
            ("addGroup", json!([group])),
            ("addUser", json!([user])),
            (
                "upsertUser",
                json!([{"username": bob, "password": passwords[1], "custom_data": {"b": 1}}]),
            ),
            ("updateUser", json!([{"username": bob, "password": passwords[1]}])),
            ("linkGroup", json!([group, {"username": bob}])),
            ("getUser", json!([bob])),
            ("listUsers", json!(["*"])),
            (
                "listUsers",
                json!(["*", {"criteria": {"password": {"$exists": true}}}]),
            ),
            ("listUsersByGroup", json!([format!("G-{dialect}")])),
            (
                "addUserPermissions",
                json!([bob, {"data": {"/own/*": {"actions": ["get"]}}}]),
            ),
        ] {
            seen.push(json!(
                admin
                    .call(&format!("security/{method}"), arguments)
                    .await
                    .unwrap()
            ));
        }
        let mut stranger = Client::open(host.addr(), dialect).await;
        assert!(!is_ok(&stranger.login(&bob, passwords[3]).await));
        let answer = stranger.login(&bob, passwords[1]).await;
        let token = answer["data"]["token"].clone();
        let mut again = Client::open(host.addr(), dialect).await;
        assert!(is_ok(&again.login_with(json!({"token": token})).await));
        let change = json!({"oldPassword": passwords[1], "newPassword": passwords[2]});
        stranger
            .request(json!({"action": "change-password", "data": change}))
            .await;
        stranger
            .call("security/changePassword", json!([passwords[1], passwords[2]]))
            .await
            .ok();
        let own = json!([{"username": bob, "oldPassword": passwords[1], "password": passwords[2]}]);
        seen.extend(
            stranger
                .call("security/updateOwnUser", own)
                .await
                .unwrap_or_default(),
        );
        again.get("/forbidden").await;
        for (method, arguments) in [
            ("listActiveSessions", json!([])),
            ("listSessionActivity", json!([])),
            ("revokeToken", json!([token, "test"])),
            ("listRevokedTokens", json!([])),
            ("listRevokedSessions", json!([])),
            ("restoreToken", json!([token])),
            ("getGroup", json!([format!("G-{dialect}")])),
            ("listGroups", json!(["*"])),
            ("getSystemPermissions", json!([])),
            ("deleteUser", json!([{"username": bob}])),
            ("deleteGroup", json!([group])),
        ] {
            let result = admin.call(&format!("security/{method}"), arguments).await;
            seen.push(json!(result.unwrap_or_else(|error| panic!("{method}: {error}"))));
        }
        seen.push(admin.get("/mesh/schema/description").await);
        // Its own call names the token that it revokes; what is published of calls is not looked at here.
        let events = admin.pushed().await.into_iter();
        let is_call = |frame: &Value| frame["_meta"]["path"].to_string().contains("/_exchange/");
        seen.extend(events.filter(|frame| !is_call(frame)));
        tokens.push(token);
    }
    seen.push(control::status(&host));
    let log = host.log();
    assert!(log.contains("login refused") && log.contains("audit"), "{log}");
    let mut secrets: Vec<String> = tokens
        .iter()
        .map(|token| token.as_str().unwrap().to_owned())
        .collect();
    secrets.extend(passwords.map(str::to_owned));
    // The store's content while users exist is read from a copy.
    let mut admin = Client::enter(host.addr(), "happn_4", ADMIN, passwords[0]).await;
    admin
        .add_member("last", passwords[1], "Last", json!({"/g/*": {"actions": ["*"]}}))
        .await;
    seen.push(admin.security("getUser", json!(["last"])).await);
    seen.push(admin.security("listUsers", json!(["*"])).await);
    drop(admin);
    assert!(host.stop().success());
    let kept = secrets_of(&store);
    assert!(
        kept.len() >= 3,
        "the store holds hashes and a secret: {}",
        kept.len()
    );
    secrets.extend(kept);
    let seen = json!(seen).to_string();
    for secret in &secrets {
        assert!(!log.contains(secret.as_str()), "the log tells {secret}");
        assert!(!seen.contains(secret.as_str()), "a result tells {secret}");
    }
    for word in ["$argon2", "pbkdf2$"] {
        assert!(!log.contains(word) && !seen.contains(word), "{word} is told");
    }
}
