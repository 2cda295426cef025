//! Starting a secure mesh, and starting it again after it was killed.
//!
//! Enters: configurations with and without a password, a store, `kill -9`. Leaves: exit codes, words, and what users
//! may do afterwards. Guarantees: an answer to an administrator holds after a kill that follows at once.

use mesh_tests::host::{Folder, Host, executable, mesh};
use mesh_tests::secure::{ADMIN, Client, DIALECTS, error, is_denied, is_ok};
use serde_json::json;
use std::path::Path;
use std::process::{Command, Stdio};

const SECURE: &str = "name = \"TestNode\"\n[happn]\nsecure = true\n";

#[test]
fn a_secure_mesh_needs_a_password() {
    let folder = Folder::new("password");
    let file = folder.write("mesh.toml", SECURE);
    for (text, about) in [
        (SECURE.to_owned(), "MESH_ADMIN_PASSWORD"),
        (
            format!("{SECURE}[security]\nadmin_password = \"\"\n"),
            "admin_password",
        ),
        (
            format!("{SECURE}[security]\nadmin_password = 7\n"),
            "admin_password",
        ),
        (
            format!("{SECURE}[security]\nadmin_password = \"x\"\ntoken_secret = \"a-short-secret\"\n"),
            "32 bytes",
        ),
    ] {
        std::fs::write(&file, &text).unwrap();
        let ended = Command::new(executable())
            .args(["run", "--set", "happn.port=0", "--config"])
            .arg(&file)
            .env_remove("MESH_ADMIN_PASSWORD")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(78), "{text}: {said}");
        assert!(said.contains(about), "{text}: {said}");
        assert!(!said.contains("a-short-secret"), "{said}");
        assert!(ended.stdout.is_empty(), "it never says that it is ready");
    }
    // An empty variable is none.
    std::fs::write(&file, SECURE).unwrap();
    let ended = Command::new(executable())
        .args(["run", "--set", "happn.port=0", "--config"])
        .arg(&file)
        .env("MESH_ADMIN_PASSWORD", "")
        .output()
        .unwrap();
    assert_eq!(
        ended.status.code(),
        Some(78),
        "{}",
        String::from_utf8_lossy(&ended.stderr)
    );
}

#[tokio::test]
async fn the_password_may_come_from_the_environment() {
    let folder = Folder::new("environment");
    let file = folder.write("mesh.toml", SECURE);
    let host = Host::start_with(&file, &[], |command| {
        command.env("MESH_ADMIN_PASSWORD", "from outside");
    });
    Client::enter(host.addr(), "happn_4", ADMIN, "from outside").await;
    let mut stranger = Client::open(host.addr(), "happn_4").await;
    for guess in ["happn", "", "***", "from outside "] {
        assert!(!is_ok(&stranger.login(ADMIN, guess).await), "{guess}");
    }
    assert!(!host.log().contains("from outside"));
}

fn start(file: &Path, store: &Path, password: &str) -> Host {
    let store = format!("store.path={}", store.display());
    let password = format!("security.admin_password={password}");
    Host::start(file, &[&store, &password])
}

#[tokio::test]
async fn users_groups_and_tokens_survive_a_kill() {
    let folder = Folder::new("survive");
    let file = folder.write("mesh.toml", SECURE);
    let store = folder.path().join("data.store");
    let mut host = start(&file, &store, "first");
    let mut admin = Client::enter(host.addr(), "happn_4", ADMIN, "first").await;
    admin
        .add_member("bob", "right", "G", json!({"/open/*": {"actions": ["*"]}}))
        .await;
    admin
        .add_member("eve", "right", "H", json!({"/h/*": {"actions": ["*"]}}))
        .await;
    admin
        .add_member("gone", "right", "H", json!({"/h/*": {"actions": ["*"]}}))
        .await;
    let own = json!(["bob", {"data": {"/own/*": {"actions": ["get"]}}}]);
    admin.security("addUserPermissions", own).await;
    admin.security("deleteUser", json!([{"username": "gone"}])).await;
    admin
        .security(
            "updateUser",
            json!([{"username": "bob", "custom_data": {"a": 1}}]),
        )
        .await;
    let mut tokens = Vec::new();
    for dialect in DIALECTS {
        let mut kept = Client::open(host.addr(), dialect).await;
        let token = kept.login("bob", "right").await["data"]["token"].clone();
        let mut revoked = Client::open(host.addr(), dialect).await;
        let other = revoked.login("bob", "right").await["data"]["token"].clone();
        admin.security("revokeToken", json!([other, "test"])).await;
        tokens.push((dialect, token, other));
    }
    admin
        .security("unlinkGroupName", json!(["H", {"username": "eve"}]))
        .await;
    drop(host); // This is a kill -9, right behind the last answer.

    for round in 0..2 {
        host = start(&file, &store, "first");
        for (dialect, kept, revoked) in &tokens {
            let mut bob = Client::open(host.addr(), dialect).await;
            let answer = bob.login_with(json!({"token": kept})).await;
            assert!(is_ok(&answer), "{round} {dialect}: {answer}");
            assert_eq!(answer["data"]["user"]["custom_data"], json!({"a": 1}));
            assert!(is_ok(&bob.set("/open/1", json!({"round": round})).await));
            assert!(is_ok(&bob.get("/own/1").await));
            assert!(is_denied(&bob.get("/h/1").await));
            let mut late = Client::open(host.addr(), dialect).await;
            let refused = late.login_with(json!({"token": revoked})).await;
            assert!(
                error(&refused)["message"]
                    .as_str()
                    .unwrap()
                    .ends_with("has been revoked"),
                "{refused}"
            );
            let mut eve = Client::enter(host.addr(), dialect, "eve", "right").await;
            assert!(is_denied(&eve.get("/h/1").await), "what was taken away stays so");
            assert!(!is_ok(&eve.login("gone", "right").await));
        }
        drop(host);
    }

    host = start(&file, &store, "second");
    let mut admin = Client::open(host.addr(), "happn_4").await;
    assert!(
        !is_ok(&admin.login(ADMIN, "first").await),
        "the password is that of the file"
    );
    assert!(is_ok(&admin.login(ADMIN, "second").await));
    let users = admin.security("listUsers", json!(["*"])).await;
    let names: Vec<&str> = users
        .as_array()
        .unwrap()
        .iter()
        .map(|user| user["username"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["_ADMIN", "bob", "eve"]);
    // Another secret makes all tokens worthless, and nothing else.
    drop(host);
    let secret = "security.token_secret=0123456789abcdef0123456789abcdef";
    let path = format!("store.path={}", store.display());
    let host = Host::start(&file, &[&path, "security.admin_password=second", secret]);
    let mut bob = Client::open(host.addr(), "happn_4").await;
    let refused = bob.login_with(json!({"token": tokens[3].1})).await;
    assert_eq!(
        error(&refused)["message"],
        "Invalid credentials: invalid session token",
        "{refused}"
    );
    assert!(is_ok(&bob.login("bob", "right").await));
    assert!(!host.log().contains("0123456789abcdef"));
}

#[tokio::test]
async fn without_a_store_nothing_outlives_the_mesh() {
    let folder = Folder::new("memory");
    let file = folder.write("mesh.toml", SECURE);
    let host = Host::start(&file, &["security.admin_password=x"]);
    let mut admin = Client::open(host.addr(), "happn_4").await;
    let token = admin.login(ADMIN, "x").await["data"]["token"].clone();
    drop(host);
    let host = Host::start(&file, &["security.admin_password=x"]);
    let mut admin = Client::open(host.addr(), "happn_4").await;
    let refused = admin.login_with(json!({"token": token})).await;
    assert_eq!(
        error(&refused)["message"],
        "Invalid credentials: invalid session token",
        "{refused}"
    );
}

#[tokio::test]
async fn the_store_of_an_open_mesh_can_be_made_secure() {
    let folder = Folder::new("secured");
    let file = folder.write("mesh.toml", "name = \"TestNode\"\n");
    let store = folder.path().join("data.store");
    let path = format!("store.path={}", store.display());
    let host = Host::start(&file, &[&path]);
    let mut anybody = Client::open(host.addr(), "happn_4").await;
    assert!(is_ok(&anybody.login_with(json!({})).await));
    assert!(is_ok(&anybody.set("/old/1", json!({"n": 1})).await));
    for planted in [
        "/_SYSTEM/_SECURITY/_USER/eve",
        "/_SYSTEM/_SECURITY/SESSION_TOKEN_SECRET",
    ] {
        let set = anybody
            .set(planted, json!({"username": "eve", "secret": "0".repeat(64)}))
            .await;
        assert!(!is_ok(&set), "an open mesh keeps the place free: {set}");
    }
    drop(host);
    let host = start(&file, &store, "x");
    let secure = mesh(&["describe", "--url", &host.url(), "--json"]);
    assert_eq!(
        secure.code, 0,
        "it was not asked to be secure yet: {}",
        secure.err
    );
    drop(host);
    let host = Host::start(&file, &[&path, "happn.secure=true", "security.admin_password=x"]);
    let mut admin = Client::enter(host.addr(), "happn_4", ADMIN, "x").await;
    assert_eq!(admin.get("/old/1").await["data"]["n"], 1);
    assert!(!is_ok(
        &Client::open(host.addr(), "happn_4").await.login("eve", "").await
    ));
}

#[tokio::test]
async fn a_key_is_enough_for_the_administrator() {
    let folder = Folder::new("key");
    // A key of tests/corpus/digest.
    let rows = std::fs::read_to_string(mesh_tests::host::repository().join("tests/corpus/digest/rows.jsonl"));
    let row: serde_json::Value = serde_json::from_str(rows.unwrap().lines().next().unwrap()).unwrap();
    let key = row["publicKey"].as_str().unwrap();
    let with = |key: &str| format!("{SECURE}[security]\nadmin_public_key = {}\n", json!(key));
    let file = folder.write("mesh.toml", &with(key));
    let host = Host::start(&file, &[]);
    for dialect in DIALECTS {
        let mut stranger = Client::open(host.addr(), dialect).await;
        for guess in ["happn", "", key] {
            assert!(!is_ok(&stranger.login(ADMIN, guess).await), "{guess}");
        }
    }
    drop(host);
    // A password may stand beside the key.
    let file = folder.write("mesh.toml", &format!("{}admin_password = \"first\"\n", with(key)));
    let host = Host::start(&file, &[]);
    for dialect in DIALECTS {
        let mut admin = Client::open(host.addr(), dialect).await;
        assert!(is_ok(&admin.login(ADMIN, "first").await), "{dialect}");
    }
    folder.write("mesh.toml", &with("no key"));
    let finished = mesh(&["run", "--config", &file.display().to_string()]);
    assert!(
        format!("{finished:?}").contains("admin_public_key"),
        "{finished:?}"
    );
}

#[tokio::test]
async fn users_who_differ_in_the_size_of_letters_stop_a_start_where_it_does_not_count() {
    let folder = Folder::new("letters");
    let file = folder.write("mesh.toml", SECURE);
    let store = folder.path().join("data.store");
    let host = start(&file, &store, "first");
    let mut admin = Client::enter(host.addr(), "happn_4", ADMIN, "first").await;
    for name in ["Eve", "eve"] {
        admin.add_member(name, "right", "G", json!({})).await;
    }
    host.stop();
    let text = format!(
        "{SECURE}[security]\nadmin_password = \"first\"\ncase_insensitive_usernames = true\n[store]\npath = {}\n",
        json!(store)
    );
    let file = folder.write("mesh.toml", &text);
    let finished = mesh(&[
        "run",
        "--set",
        "happn.port=0",
        "--config",
        &file.display().to_string(),
    ]);
    assert!(
        format!("{finished:?}").contains("`Eve` and `eve`")
            || format!("{finished:?}").contains("`eve` and `Eve`"),
        "{finished:?}"
    );
}
