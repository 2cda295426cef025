//! Which profile a login gets: by names with patterns, and by what a client says of itself.
//!
//! Enters: logins that differ in name and `info`. Leaves: how long they hold. Guarantees: a token keeps the profile that it was
//! given under.

use super::secure_profiles::{MESH, mesh};
use mesh_tests::secure::{Client, DIALECTS};
use serde_json::json;

#[tokio::test]
async fn a_client_chooses_its_profile_by_its_info() {
    let kiosks = r#"
[[security.profiles]]
name = "kiosks"
info = { "device.kind" = ["kiosk", "terminal"], level = 3 }
ttl_seconds = 600
"#;
    let (host, _folder, _admin) = mesh(&format!("{MESH}\n{kiosks}")).await;
    for dialect in DIALECTS {
        for (info, ttl) in [
            (json!({"device": {"kind": "kiosk"}, "level": 3}), 600_000),
            (json!({"device": {"kind": "terminal"}, "level": 3.0}), 600_000),
            (json!({"device": {"kind": "phone"}, "level": 3}), 0),
            (json!({"device": {"kind": "kiosk"}}), 0),
            (json!("kiosk"), 0),
        ] {
            let mut client = Client::open(host.addr(), dialect).await;
            let login = json!({"username": "bob", "password": "right", "info": info});
            let answer = client.login_with(login).await;
            assert_eq!(answer["data"]["policy"]["1"]["ttl"], ttl, "{info}: {answer}");
        }
    }
}

#[tokio::test]
async fn operators_and_patterns_choose_a_profile_and_its_tokens_keep_it() {
    let profiles = r#"
[[security.profiles]]
name = "kiosks"
users = ["b*"]
info = { device = { "$regex" = "^kiosk-[0-9]+$" }, version = { "$gte" = 2, "$lt" = 4 } }
ttl_seconds = 600
[[security.profiles]]
name = "robins"
users = ["rob*"]
ttl_seconds = 60
"#;
    let (host, _folder, _admin) = mesh(&format!("{MESH}\n{profiles}")).await;
    for dialect in DIALECTS {
        for (info, ttl) in [
            (json!({"device": "kiosk-7", "version": 2}), 600_000),
            (json!({"device": "kiosk-7", "version": 4}), 0),
            (json!({"device": "kiosk", "version": 3}), 0),
            (json!({"version": 3}), 0),
        ] {
            let mut client = Client::open(host.addr(), dialect).await;
            let login = json!({"username": "bob", "password": "right", "info": info});
            let answer = client.login_with(login).await;
            assert_eq!(answer["data"]["policy"]["1"]["ttl"], ttl, "{info}: {answer}");
            // A client that shows the token and says nothing gets no more time than the token has.
            let mut again = Client::open(host.addr(), dialect).await;
            let shown = again.login_with(json!({"token": answer["data"]["token"]})).await;
            let ttl_again = shown["data"]["policy"]["1"]["ttl"]
                .as_u64()
                .expect("it is a number");
            assert!(ttl_again <= ttl && (ttl_again > 0) == (ttl > 0), "{shown}");
        }
    }
}
