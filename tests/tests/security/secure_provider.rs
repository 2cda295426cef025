//! A component that checks passwords, in the place of the host.
//!
//! Enters: logins of all dialects and over HTTP, in a mesh with the fixture `doorman`, which is replaced meanwhile. Leaves: who is
//! let in, and as whom. Guarantees: the administrator always comes in; whatever is no clear yes is a refusal; no password is in the log.

use mesh_tests::control;
use mesh_tests::host::{Folder, Host};
use mesh_tests::http;
use mesh_tests::secure::{Client, DIALECTS, error, is_denied, is_first_generation, is_ok};
use serde_json::json;

const WORD: &str = "open sesame";

fn configuration(round: u32) -> String {
    format!(
        "name = \"TestNode\"\n[happn]\nsecure = true\n[swap]\nwatch = false\nprobation_ms = 0\n\
         [security]\nadmin_password = \"happn\"\nauthentication = \"doorman\"\n\
         [[components]]\nname = \"doorman\"\nlibrary = \"fixture-doorman\"\nconfig = {{ round = {round} }}\n"
    )
}

async fn mesh(overrides: &[&str]) -> (Host, Folder, Client) {
    let folder = Folder::new("provider");
    let file = folder.write("mesh.toml", &configuration(0));
    let host = Host::start(&file, overrides);
    let mut admin = Client::admin(&host).await;
    let group = json!({"name": "guests", "permissions": {"data": {"/open/*": {"actions": ["*"]}}}});
    admin.security("addGroup", json!([group])).await;
    (host, folder, admin)
}

#[tokio::test]
async fn a_component_decides_about_logins() {
    let (host, _folder, mut admin) = mesh(&["security.audit_paths=[\"/open/*\"]"]).await;
    admin
        .add_member("local", "kept here", "G", json!({"/open/*": {"actions": ["*"]}}))
        .await;
    for dialect in DIALECTS {
        let mut guest = Client::open(host.addr(), dialect).await;
        assert!(!is_ok(&guest.login("ann", "wrong").await));
        let answer = guest.login("ann", WORD).await;
        assert_eq!(answer["data"]["user"]["username"], "ann", "{answer}");
        assert_eq!(
            answer["data"]["user"]["custom_data"]["from"], "127.0.0.1",
            "{answer}"
        );
        assert!(is_ok(&guest.get("/open/1").await));
        assert!(is_denied(&guest.get("/other").await));
        let token = answer["data"]["token"].clone();
        let mut again = Client::open(host.addr(), dialect).await;
        assert!(is_ok(&again.login_with(json!({"token": token})).await));

        let mut plain = Client::open(host.addr(), dialect).await;
        assert!(is_ok(&plain.login("plain", WORD).await));
        assert!(is_denied(&plain.get("/open/1").await));

        for (name, password, message, code) in [
            ("local", "kept here", "Invalid credentials", Some(401)),
            ("denied", WORD, "Invalid credentials", Some(401)),
            (
                "broken",
                WORD,
                "logins cannot be checked at present, try again later",
                None,
            ),
            (
                "odd",
                WORD,
                "logins cannot be checked at present, try again later",
                None,
            ),
        ] {
            let refused = guest.login(name, password).await;
            assert_eq!(error(&refused)["message"], message, "{name}: {refused}");
            if let Some(code) = code {
                let code = if is_first_generation(dialect) { 403 } else { code };
                assert_eq!(error(&refused)["code"], code, "{refused}");
            }
            assert!(is_ok(&guest.get("/open/1").await), "who is in stays in");
        }
        Client::enter(host.addr(), dialect, "_ADMIN", "happn").await;
    }
    let answer = http::get(host.addr(), "/auth/login?username=ann&password=open%20sesame");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = http::get(host.addr(), "/auth/login?username=broken&password=open%20sesame");
    assert_eq!(answer.status, 503, "{}", answer.text());

    let shown = admin.security("getUser", json!(["ann"])).await;
    assert_eq!(shown["authType"], "doorman", "{shown}");
    let mut boss = Client::open(host.addr(), "happn_4").await;
    assert!(is_ok(&boss.login("boss", WORD).await));
    assert!(
        is_denied(&boss.get("/other").await),
        "a component makes no administrators"
    );
    let log = host.log();
    for said in [
        "no connection to the list of guests",
        "event=\"request\"",
        "only administrators give",
    ] {
        assert!(log.contains(said), "{said}: {log}");
    }
}

#[tokio::test]
async fn no_password_is_in_the_log() {
    let folder = Folder::new("provider-log");
    let file = folder.write("mesh.toml", &configuration(0));
    let host = Host::start_with(&file, &[], |command| {
        command.args(["--log", "trace"]);
    });
    for (name, password) in [("ann", WORD), ("ann", "a wrong guess"), ("broken", WORD)] {
        let mut guest = Client::open(host.addr(), "happn_4").await;
        guest.login(name, password).await;
    }
    let log = host.log();
    assert!(log.contains("login refused"), "{log}");
    for secret in [WORD, "a wrong guess"] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[tokio::test]
async fn logins_go_on_while_the_component_is_replaced() {
    let (host, folder, _admin) = mesh(&[]).await;
    for round in 1..4 {
        folder.write("mesh.toml", &configuration(round));
        let apply = json!({"command": "apply", "insist": false, "wait": false});
        let replies = control::send(&host, &apply);
        let applied = tokio::task::spawn_blocking(|| replies.report());
        let mut logins = tokio::task::JoinSet::new();
        for number in 0..20 {
            let (address, name) = (host.addr(), format!("guest{round}x{number}"));
            logins.spawn(async move {
                let mut guest = Client::open(address, "happn_4").await;
                let answer = guest.login(&name, WORD).await;
                assert!(is_ok(&answer), "{name}: {answer}");
            });
        }
        logins.join_all().await;
        applied.await.expect("it is applied");
    }
}

#[tokio::test]
async fn a_component_that_does_not_answer_holds_up_nobody_else() {
    let (host, _folder, _admin) = mesh(&[]).await;
    let mut waiting = Client::open(host.addr(), "happn_4").await;
    let login = json!({"action": "login", "data": {"username": "stuck", "password": WORD}});
    let number = waiting.send(login).await;
    for name in ["ann", "_ADMIN"] {
        let password = if name == "ann" { WORD } else { "happn" };
        Client::enter(host.addr(), "happn_4", name, password).await;
    }
    let refused = waiting.answer(number).await.unwrap();
    let message = "logins cannot be checked at present, try again later";
    assert_eq!(error(&refused)["message"], message, "{refused}");
}

#[test]
fn a_missing_component_stops_the_start() {
    let folder = Folder::new("provider-none");
    let text = configuration(0).replace("authentication = \"doorman\"", "authentication = \"nobody\"");
    let file = folder.write("mesh.toml", &text);
    let ended = mesh_tests::host::mesh(&["check", "--config", &file.display().to_string()]);
    assert!(format!("{ended:?}").contains("nobody"), "{ended:?}");
}
