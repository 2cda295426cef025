//! Rights that an administrator takes away are gone at once: for the next request, the next call and the next event.
//!
//! Enters: changes of users and groups while sessions of all four dialects are connected. Leaves: what these
//! sessions are answered, what they hear, and how they are told. Guarantees: see the names of the tests. "At once" means: by
//! the time that the administrator has the answer; nothing here waits for time to pass.

use mesh_tests::host::Host;
use mesh_tests::secure::{Client, DIALECTS, error, host, is_denied, is_first_generation, is_ok};
use serde_json::{Value, json};

/// Sessions of bob in all dialects, who may use `/open/*`, and is listening to it, and to an answer of `calc/add`.
pub(super) struct Story {
    pub(super) host: Host,
    pub(super) admin: Client,
    pub(super) sessions: Vec<Client>,
}

impl Story {
    pub(super) async fn begin() -> Story {
        let host = host(&[]);
        let mut admin = Client::admin(&host).await;
        let methods = json!({"/TestNode/calc/add": {"authorized": true}});
        let data = json!({"/open/*": {"actions": ["get", "set", "on", "remove"]}});
        let group = json!({"name": "G", "permissions": {"methods": methods, "data": data}});
        admin.security("addGroup", json!([group])).await;
        let bob = json!({"username": "bob", "password": "old", "groups": {"G": true}});
        admin.security("upsertUser", json!([bob])).await;
        let mut sessions = Vec::new();
        for dialect in DIALECTS {
            let mut session = Client::enter(host.addr(), dialect, "bob", "old").await;
            assert!(is_ok(&session.on("/ALL@/open/*").await));
            assert!(is_ok(&session.get("/open/1").await));
            assert_eq!(session.call("calc/add", json!([1, 2])).await, Ok(vec![json!(3)]));
            sessions.push(session);
        }
        let mut story = Story {
            host,
            admin,
            sessions,
        };
        assert_eq!(story.heard().await, vec![1; 4], "everybody hears before");
        story
    }

    /// How many events each session hears when something happens. Other frames are left out.
    pub(super) async fn heard(&mut self) -> Vec<usize> {
        assert!(is_ok(&self.admin.set("/open/1", json!({"n": 1})).await));
        let mut heard = Vec::new();
        for session in &mut self.sessions {
            let pushed = session.pushed().await;
            let events = pushed.iter().filter(|frame| frame["_meta"]["type"] == "data");
            heard.push(events.count());
        }
        heard
    }

    /// Nobody reads, writes, calls, subscribes or hears any more.
    async fn expect_nothing(&mut self) {
        assert_eq!(self.heard().await, vec![0; 4], "nobody hears");
        for session in &mut self.sessions {
            let dialect = session.dialect().to_owned();
            for request in [
                json!({"action": "get", "path": "/open/1"}),
                json!({"action": "set", "path": "/open/1", "data": {"mine": true}}),
                json!({"action": "remove", "path": "/open/1"}),
                json!({"action": "on", "path": "/SET@/open/1", "options": {"initialCallback": true}}),
            ] {
                let answer = session.request(request).await;
                assert!(is_denied(&answer), "{dialect}: {answer}");
            }
            if !is_first_generation(&dialect) {
                let counted = session
                    .request(json!({"action": "count", "path": "/open/*"}))
                    .await;
                assert!(is_denied(&counted), "{dialect}: {counted}");
            }
            let called = session.call("calc/add", json!([1, 2])).await;
            assert_eq!(called.unwrap_err()["message"], "unauthorized", "{dialect}");
        }
        assert_eq!(
            self.admin.get("/open/1").await["data"]["n"],
            1,
            "nothing was written"
        );
    }

    /// The message to each session about the change: none before happn_3.
    async fn told(&mut self) -> Vec<Vec<Value>> {
        let mut told = Vec::new();
        for session in &mut self.sessions {
            let pushed = session.pushed().await;
            let notices = pushed
                .into_iter()
                .filter(|frame| frame["_meta"]["type"] == "system");
            told.push(notices.collect());
        }
        told
    }

    /// Sessions of happn_3 and happn_4 were told of this change, and the others of nothing.
    async fn expect_told(&mut self, what: &str) {
        for (dialect, told) in DIALECTS.iter().zip(self.told().await) {
            if *dialect < "happn_3" {
                assert!(told.is_empty(), "{dialect} was told {told:?}");
                continue;
            }
            let [notice] = &told[..] else {
                panic!("{dialect} was told {told:?} of {what}");
            };
            assert_eq!(notice["eventKey"], "security-data-changed");
            assert_eq!(notice["data"]["whatHappnd"], what, "{notice}");
            assert!(notice["data"]["changedData"].is_object(), "{notice}");
            assert_eq!(notice["protocol"], **dialect, "{notice}");
        }
    }
}

#[tokio::test]
async fn a_group_that_is_deleted_gives_nothing_any_more() {
    let mut story = Story::begin().await;
    story.admin.security("deleteGroup", json!([{"name": "G"}])).await;
    story.expect_told("delete-group").await;
    story.expect_nothing().await;
}

#[tokio::test]
async fn a_member_who_is_unlinked_has_nothing_any_more() {
    let mut story = Story::begin().await;
    story
        .admin
        .security("unlinkGroupName", json!(["G", {"username": "bob"}]))
        .await;
    story.expect_told("unlink-group").await;
    story.expect_nothing().await;
    story
        .admin
        .security("linkGroupName", json!(["G", {"username": "bob"}]))
        .await;
    story.expect_told("link-group").await;
    assert_eq!(
        story.heard().await,
        vec![0; 4],
        "a subscription that is gone stays so"
    );
    for session in &mut story.sessions {
        assert!(is_ok(&session.on("/ALL@/open/*").await));
        assert!(is_ok(&session.get("/open/1").await));
    }
    assert_eq!(story.heard().await, vec![1; 4]);
}

#[tokio::test]
async fn permissions_of_a_group_come_and_go() {
    let mut story = Story::begin().await;
    let only_on = json!(["G", {"data": {"/open/*": {"actions": ["on"]}}}]);
    story
        .admin
        .security("removeGroupPermissions", only_on.clone())
        .await;
    story.expect_told("upsert-group").await;
    assert_eq!(story.heard().await, vec![0; 4], "`on` was taken");
    for session in &mut story.sessions {
        assert!(is_denied(&session.on("/ALL@/open/*").await));
        assert!(is_ok(&session.get("/open/1").await), "`get` was not");
    }
    story.admin.security("addGroupPermissions", only_on).await;
    story.expect_told("upsert-group").await;
    for session in &mut story.sessions {
        assert!(is_ok(&session.on("/ALL@/open/*").await));
        assert!(is_denied(&session.get("/more/1").await));
    }
    let more = json!(["G", {"data": {"/more/*": {"actions": ["get"]}}}]);
    story.admin.security("addGroupPermissions", more).await;
    for session in &mut story.sessions {
        assert!(
            is_ok(&session.get("/more/1").await),
            "what is given counts at once, too"
        );
    }
    // A prohibition of another group outweighs all of it.
    let never = json!([{"name": "Never", "permissions": {"data": {"/open/*": {"authorized": false, "actions": ["*"]}}}}]);
    story.admin.security("upsertGroup", never).await;
    story
        .admin
        .security("linkGroupName", json!(["Never", {"username": "bob"}]))
        .await;
    assert_eq!(story.heard().await, vec![0; 4]);
    for session in &mut story.sessions {
        assert!(is_denied(&session.get("/open/1").await));
    }
}

#[tokio::test]
async fn permissions_of_a_user_come_and_go() {
    let mut story = Story::begin().await;
    let own = json!(["bob", {"data": {"/own/*": {"actions": ["get", "on"]}}}]);
    story.admin.security("addUserPermissions", own.clone()).await;
    story.expect_told("upsert-user").await;
    for session in &mut story.sessions {
        assert!(is_ok(&session.get("/own/1").await));
        assert!(is_ok(&session.on("/SET@/own/1").await));
    }
    story.admin.security("removeUserPermissions", own).await;
    story.admin.set("/own/1", json!({"n": 1})).await;
    for session in &mut story.sessions {
        let pushed = session.pushed().await;
        assert!(
            pushed.iter().all(|frame| frame["_meta"]["type"] != "data"),
            "{pushed:?}"
        );
        assert!(is_denied(&session.get("/own/1").await));
    }
}

#[tokio::test]
async fn a_user_who_is_deleted_is_disconnected() {
    let mut story = Story::begin().await;
    story
        .admin
        .security("deleteUser", json!([{"username": "bob"}]))
        .await;
    let reason = "security directory update: user deleted";
    for session in &mut story.sessions {
        let dialect = session.dialect().to_owned();
        let frames = session.until_end().await;
        let ended: Vec<&Value> = frames
            .iter()
            .filter(|frame| frame["eventKey"] == "server-side-disconnect")
            .collect();
        let [ended] = &ended[..] else {
            panic!("{dialect} was told {frames:?}");
        };
        assert_eq!(ended["_meta"]["type"], "system");
        if is_first_generation(&dialect) {
            assert_eq!(ended["data"], reason);
            assert_eq!(
                frames.last(),
                Some(*ended),
                "its clients would take more for a broken frame"
            );
        } else {
            assert_eq!(ended["data"], json!({"reason": reason}));
            assert_eq!(frames.last(), Some(&json!("primus::server::close")), "{frames:?}");
        }
    }
    let mut stranger = Client::open(story.host.addr(), "happn_4").await;
    assert_eq!(
        error(&stranger.login("bob", "old").await)["message"],
        "Invalid credentials"
    );
}

#[tokio::test]
async fn a_user_who_is_made_again_is_another_user() {
    let mut story = Story::begin().await;
    let mut own = Client::open(story.host.addr(), "happn_4").await;
    let token = own.login("bob", "old").await["data"]["token"].clone();
    story
        .admin
        .security("deleteUser", json!([{"username": "bob"}]))
        .await;
    let bob = json!({"username": "bob", "password": "old", "groups": {"G": true}});
    story.admin.security("upsertUser", json!([bob])).await;
    for dialect in DIALECTS {
        let mut late = Client::open(story.host.addr(), dialect).await;
        let refused = late.login_with(json!({"token": token})).await;
        assert_eq!(error(&refused)["code"], 403, "{refused}");
        assert!(is_denied(&late.get("/open/1").await));
        assert!(is_ok(&late.login("bob", "old").await), "the new one may");
    }
}

#[tokio::test]
async fn a_password_that_is_changed_counts_at_once() {
    let mut story = Story::begin().await;
    let bob = json!([{"username": "bob", "password": "new"}]);
    story.admin.security("updateUser", bob).await;
    story.expect_told("upsert-user").await;
    for dialect in DIALECTS {
        let mut stranger = Client::open(story.host.addr(), dialect).await;
        assert!(!is_ok(&stranger.login("bob", "old").await));
        assert!(is_ok(&stranger.login("bob", "new").await));
    }
    // By its owner, from either side.
    let own = &mut story.sessions[3];
    let wrong = own
        .request(json!({"action": "change-password", "data": {"oldPassword": "old", "newPassword": "x"}}))
        .await;
    assert_eq!(error(&wrong)["message"], "Invalid old password");
    let right = own
        .request(json!({"action": "change-password", "data": {"oldPassword": "new", "newPassword": "newer"}}))
        .await;
    assert!(is_ok(&right), "{right}");
    let called = own
        .call("security/changePassword", json!(["newer", "newest"]))
        .await;
    assert!(called.is_ok(), "{called:?}");
    let other = own
        .call("security/changePassword", json!(["newer", "newest"]))
        .await;
    assert_eq!(other.unwrap_err()["message"], "Invalid old password");
    let somebody = json!([{"username": "_ADMIN", "oldPassword": "happn", "password": "x"}]);
    let other = own.call("security/updateOwnUser", somebody).await;
    assert!(
        other.unwrap_err()["message"]
            .as_str()
            .unwrap()
            .contains("someone else")
    );
    let mut stranger = Client::open(story.host.addr(), "happn_4").await;
    for (password, counts) in [("new", false), ("newer", false), ("newest", true)] {
        assert_eq!(
            is_ok(&stranger.login("bob", password).await),
            counts,
            "{password}"
        );
    }
    assert_eq!(story.heard().await, vec![1; 4], "whoever is logged in stays so");
}

#[tokio::test]
async fn subscriptions_and_changes_that_meet_leave_nothing_behind() {
    let mut story = Story::begin().await;
    let only_on = json!(["G", {"data": {"/open/*": {"actions": ["on"]}}}]);
    let address = story.host.addr();
    let eager = tokio::spawn(async move {
        let mut eager = Client::enter(address, "happn_4", "bob", "old").await;
        for round in 0..3000 {
            eager.on(&format!("/SET@/open/{}", round % 300)).await;
        }
        eager
    });
    for _ in 0..60 {
        story
            .admin
            .security("removeGroupPermissions", only_on.clone())
            .await;
        story.admin.security("addGroupPermissions", only_on.clone()).await;
    }
    story.admin.security("removeGroupPermissions", only_on).await;
    let mut eager = eager.await.unwrap();
    eager.pushed().await;
    for number in 0..300 {
        story
            .admin
            .set(&format!("/open/{number}"), json!({"n": number}))
            .await;
    }
    let heard = eager.pushed().await;
    assert!(heard.is_empty(), "{} events, {:?}", heard.len(), heard.first());
}
