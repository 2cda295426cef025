//! Several components that check passwords, each for users of its own.
//!
//! Enters: logins in a mesh with two of them, over websockets and HTTP. Leaves: who checked which user. Guarantees: a client
//! chooses only what is offered, and never for a user whom somebody knows already.

use mesh_tests::host::{Folder, Host, mesh};
use mesh_tests::http;
use mesh_tests::secure::{Client, DIALECTS, is_first_generation, is_ok};
use serde_json::{Value, json};

/// The password that both components take for right.
const WORD: &str = "open sesame";

const MESH: &str = r#"
name = "TestNode"
[happn]
secure = true
[security]
admin_password = "happn"
[[security.providers]]
component = "staff"
users = ["*@staff.example"]
[[security.providers]]
users = ["service-*"]
[[security.providers]]
component = "partners"
[[components]]
name = "staff"
library = "fixture-doorman"
[[components]]
name = "partners"
library = "fixture-doorman"
"#;

async fn start() -> (Host, Folder, Client) {
    let folder = Folder::new("providers");
    let host = Host::start(&folder.write("mesh.toml", MESH), &[]);
    let admin = Client::admin(&host).await;
    (host, folder, admin)
}

/// Logs in, and says who checked it: nothing where nobody let it in.
async fn checked_by(host: &Host, dialect: &str, credentials: Value) -> Option<Value> {
    let mut client = Client::open(host.addr(), dialect).await;
    let answer = client.login_with(credentials).await;
    is_ok(&answer).then(|| answer["data"]["authType"].clone())
}

#[tokio::test]
async fn the_name_says_who_checks_a_password() {
    let (host, _folder, mut admin) = start().await;
    let none = json!({});
    admin.add_member("local", "kept here", "G", none.clone()).await;
    admin.add_member("service-1", "kept here", "G", none).await;
    for dialect in DIALECTS {
        let by = |name: &str, password: &str| {
            let credentials = json!({"username": name, "password": password});
            checked_by(&host, dialect, credentials)
        };
        let word = |word: &str| match is_first_generation(dialect) {
            true => Some(Value::Null),
            false => Some(json!(word)),
        };
        assert_eq!(by("ann@staff.example", WORD).await, word("staff"));
        assert_eq!(by("ann@staff.example", "wrong").await, None);
        assert_eq!(by("local", "kept here").await, word("default"));
        assert_eq!(by("local", WORD).await, None);
        assert_eq!(by("service-1", "kept here").await, word("default"));
        assert_eq!(by("nobody", WORD).await, None);
        assert_eq!(by("_ADMIN", "happn").await, word("happn"));
        assert_eq!(by("_ADMIN", WORD).await, None);
    }
    let shown = admin.security("getUser", json!(["ann@staff.example"])).await;
    assert_eq!(shown["authType"], "staff", "{shown}");
}

#[tokio::test]
async fn a_client_chooses_for_names_that_nobody_knows() {
    let (host, _folder, mut admin) = start().await;
    admin.add_member("local", "kept here", "G", json!({})).await;
    let by = |name: &str, chosen: &str| {
        let credentials = json!({"username": name, "password": WORD, "authType": chosen});
        checked_by(&host, "happn_4", credentials)
    };
    assert_eq!(by("bea", "partners").await, Some(json!("partners")));
    assert_eq!(by("carl", "staff").await, None, "staff is for its own users");
    assert_eq!(by("carl", "nobody").await, None);
    assert_eq!(by("local", "partners").await, None, "another one has that name");
    assert_eq!(by("_ADMIN", "partners").await, None);
    assert_eq!(by("dora@staff.example", "partners").await, Some(json!("staff")));
    assert_eq!(by("service-2", "partners").await, None);

    // Afterwards nobody has to choose, and nobody can.
    let plain = json!({"username": "bea", "password": WORD});
    assert_eq!(checked_by(&host, "happn_3", plain).await, Some(json!("partners")));
    assert_eq!(by("bea", "staff").await, Some(json!("partners")));

    for (name, chosen, status) in [("eve", "partners", 200), ("fay", "staff", 401)] {
        let query = format!("/auth/login?username={name}&password=open%20sesame&authType={chosen}");
        let answer = http::get(host.addr(), &query);
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
    }
}

#[tokio::test]
async fn an_administrator_says_who_checks_a_user() {
    let (host, _folder, mut admin) = start().await;
    admin.add_member("gus", "kept here", "G", json!({})).await;
    let login = |password: &str| {
        let credentials = json!({"username": "gus", "password": password});
        checked_by(&host, "happn_4", credentials)
    };
    assert_eq!(login("kept here").await, Some(json!("default")));
    for (field, right, wrong) in [
        ("partners", WORD, "kept here"),
        ("staff", WORD, "kept here"),
        ("happn", "kept here", WORD),
    ] {
        let user = json!({"username": "gus", "authType": field});
        admin.security("upsertUser", json!([user])).await;
        assert_eq!(login(right).await, Some(json!(field)));
        assert_eq!(login(wrong).await, None, "{field}");
    }
}

#[tokio::test]
async fn a_provider_that_is_no_component_is_named() {
    for (line, said) in [
        (
            "component = \"nobody\"",
            "`nobody`, which is to check passwords, is no component",
        ),
        (
            "component = \"happn\"",
            "`happn`, which is to check passwords, means the host",
        ),
        ("", "names neither a component nor users"),
    ] {
        let folder = Folder::new("providers-wrong");
        let text = format!(
            "name = \"x\"\n[happn]\nsecure = true\n[security]\nadmin_password = \"happn\"\n\
             [[security.providers]]\n{line}\n"
        );
        let file = folder.write("mesh.toml", &text);
        let file = file.to_str().expect("names of temporary folders are text");
        let ended = mesh(&["run", "--set", "happn.port=0", "--config", file]);
        assert_eq!(ended.code, 78, "{}", ended.err);
        assert!(ended.err.contains(said), "{}", ended.err);
    }
}
