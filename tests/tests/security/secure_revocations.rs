//! Tokens and sessions that are revoked end at once, and with them all that came with them.
//!
//! Enters: revocations by an administrator and by owners while sessions of all four dialects are connected. Leaves: the answers
//! that these sessions get, and how they end. Guarantees: see the names of the tests.

use super::secure_changes::Story;
use mesh_tests::secure::{Client, DIALECTS, error, is_denied, is_first_generation, is_ok};
use serde_json::json;

#[tokio::test]
async fn a_token_that_an_administrator_revokes_is_worth_nothing() {
    let mut story = Story::begin().await;
    for dialect in DIALECTS {
        let first = is_first_generation(dialect);
        let mut own = Client::open(story.host.addr(), dialect).await;
        let token = own.login("bob", "old").await["data"]["token"].clone();
        assert!(is_ok(&own.on("/ALL@/open/*").await));
        let mut child = Client::open(story.host.addr(), dialect).await;
        assert!(is_ok(&child.login_with(json!({"token": token})).await));
        assert!(is_ok(&child.on("/ALL@/open/*").await));
        match first {
            true => {
                story
                    .admin
                    .security("revokeSession", json!([{"id": own.id()}, "test"]))
                    .await
            }
            false => story.admin.security("revokeToken", json!([token, "test"])).await,
        };
        story.admin.set("/open/1", json!({"n": 1})).await;
        for session in [&mut own, &mut child] {
            if first {
                assert!(session.pushed().await.is_empty(), "{dialect} hears");
                let answer = session.get("/open/1").await;
                assert!(is_denied(&answer), "{answer}");
                let reason = error(&answer)["reason"].as_str().unwrap_or_default();
                assert!(reason.ends_with("has been revoked"), "{answer}");
                assert!(is_denied(&session.on("/ALL@/open/*").await));
            } else {
                let frames = session.until_end().await;
                assert_eq!(frames.len(), 2, "{dialect}: {frames:?}");
                assert_eq!(frames[0]["data"], json!({"reason": "token-revoked"}));
                assert_eq!(frames[1], "primus::server::close");
            }
        }
        let mut late = Client::open(story.host.addr(), dialect).await;
        let refused = late.login_with(json!({"token": token})).await;
        assert_eq!(error(&refused)["code"], 403, "{refused}");
        assert!(
            error(&refused)["message"]
                .as_str()
                .unwrap()
                .ends_with("has been revoked")
        );
        let by_password = late.login("bob", "old").await;
        assert!(
            is_ok(&by_password),
            "the password is another matter: {by_password}"
        );
    }
    assert_eq!(
        story.heard().await,
        vec![5; 4],
        "other sessions of the user go on"
    );
    story
        .admin
        .security("activateSessionManagement", json!([false]))
        .await;
    let revoked = story
        .admin
        .call("security/listRevokedSessions", json!([]))
        .await
        .unwrap();
    assert_eq!(revoked[0].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn revoking_a_session_that_came_with_a_token_revokes_the_token() {
    let mut story = Story::begin().await;
    for dialect in DIALECTS {
        let mut own = Client::open(story.host.addr(), dialect).await;
        let token = own.login("bob", "old").await["data"]["token"].clone();
        let mut child = Client::open(story.host.addr(), dialect).await;
        assert!(is_ok(&child.login_with(json!({"token": token})).await));
        let id = child.id().to_owned();
        story
            .admin
            .security("revokeSession", json!([{"id": id}, "test"]))
            .await;
        let mut late = Client::open(story.host.addr(), dialect).await;
        let refused = late.login_with(json!({"token": token})).await;
        assert_eq!(error(&refused)["code"], 403, "{refused}");
        if is_first_generation(dialect) {
            assert!(is_denied(&child.get("/open/1").await));
            assert!(is_denied(&own.get("/open/1").await));
        } else {
            let frames = child.until_end().await;
            assert_eq!(frames[0]["data"], json!({"reason": "token-revoked"}));
            assert_eq!(own.until_end().await, frames);
        }
    }
}

#[tokio::test]
async fn an_owner_revokes_the_own_token() {
    let mut story = Story::begin().await;
    for dialect in DIALECTS {
        let first = is_first_generation(dialect);
        let mut own = Client::open(story.host.addr(), dialect).await;
        let token = own.login("bob", "old").await["data"]["token"].clone();
        assert!(is_ok(&own.on("/ALL@/open/*").await));
        let action = if first { "revoke-session" } else { "revoke-token" };
        assert!(is_ok(&own.request(json!({"action": action})).await));
        story.admin.set("/open/1", json!({"n": 1})).await;
        if first {
            assert!(own.pushed().await.is_empty(), "{dialect} hears");
            assert!(is_denied(&own.get("/open/1").await));
        } else {
            let frames = own.until_end().await;
            assert_eq!(
                frames[0]["data"],
                json!({"reason": "token-revoked"}),
                "{frames:?}"
            );
            assert_eq!(frames[1..], [json!("primus::server::close")]);
        }
        let mut late = Client::open(story.host.addr(), dialect).await;
        assert_eq!(
            error(&late.login_with(json!({"token": token})).await)["code"],
            403
        );
        if first {
            // The action of another generation is none in this one.
            let ignored = late.request(json!({"action": "revoke-token"})).await;
            assert!(is_denied(&ignored), "{ignored}");
        }
    }
    assert_eq!(story.heard().await.len(), 4);
}

#[tokio::test]
async fn sessions_that_were_logged_in_with_a_token_can_be_ended_with_it() {
    let mut story = Story::begin().await;
    for dialect in &DIALECTS[1..] {
        let mut own = Client::open(story.host.addr(), dialect).await;
        let token = own.login("bob", "old").await["data"]["token"].clone();
        let mut child = Client::open(story.host.addr(), dialect).await;
        let answer = child.login_with(json!({"token": token})).await;
        assert_eq!(answer["data"]["parentId"], own.id(), "{answer}");
        assert!(is_ok(
            &own.request(json!({"action": "disconnect-child-sessions"})).await
        ));
        let frames = child.until_end().await;
        assert_eq!(
            frames[0]["data"],
            json!({"reason": "token-revoked"}),
            "{frames:?}"
        );
        assert!(is_ok(&own.get("/open/1").await), "its own session goes on");
    }
    assert_eq!(story.heard().await, vec![1; 4], "and so do all others");
}
