//! A mesh in which users log in.

use crate::testing::{Outcome, TestComponent, World, paths};
use mesh_wire::protocol::Dialect;
use serde_json::{Value, json};

const GENERATIONS: [Dialect; 2] = [Dialect::Happn1, Dialect::Happn4];

/// Somebody may do everything below `/rooms`, but for one of them.
fn but_for_a_secret() -> Value {
    json!({
        "/rooms/*": {"actions": ["get", "set", "on", "remove"]},
        "/rooms/secret*": {"prohibit": ["get", "on", "remove"]},
    })
}

/// A world in which `ada` may do that, and `all` everything below `/rooms`.
fn world() -> World {
    let mut world = World::secure(1);
    world.add_user("ada", &but_for_a_secret());
    world.add_user(
        "all",
        &json!({"/rooms/*": {"actions": ["get", "set", "on", "remove"]}}),
    );
    world
}

#[test]
fn nothing_is_done_before_a_login() {
    let mut world = World::secure(1);
    for dialect in GENERATIONS {
        let client = world.connect(dialect);
        for request in [
            json!({"action": "get", "path": "/rooms/1"}),
            json!({"action": "set", "path": "/rooms/1", "data": {}}),
            json!({"action": "on", "path": "/ALL@/rooms/1"}),
            json!({"action": "remove", "path": "/rooms/1"}),
            json!({"action": "off", "path": "*"}),
        ] {
            let answer = world.request(client, &request);
            assert_eq!(answer["_meta"]["status"], "error", "{dialect:?}: {answer}");
        }
        assert_eq!(world.mesh().subscriptions().count(), 0);
    }
}

#[test]
fn the_right_password_lets_a_user_in_and_a_wrong_one_does_not() {
    let mut world = world();
    world.set_password("ada", "the right one");
    let client = world.connect(Dialect::Happn4);
    for (password, status) in [("a guess", "error"), ("the right one", "ok")] {
        let login = json!({"action": "login", "data": {"username": "ada", "password": password}});
        let answer = world.request(client, &login);
        assert_eq!(answer["_meta"]["status"], status);
        let answer = world.request(client, &json!({"action": "get", "path": "/rooms/1"}));
        assert_eq!(answer["_meta"]["status"], status);
    }
}

#[test]
fn a_wildcard_leaves_out_documents_of_a_prohibited_path() {
    let mut world = world();
    for dialect in GENERATIONS {
        let [all, ada] = ["all", "ada"].map(|name| world.connect_as(dialect, name));
        for path in ["/rooms/1", "/rooms/2", "/rooms/secret", "/rooms/secret/below"] {
            world.set(all, path, &json!({}));
        }
        assert_eq!(world.paths_of(all, "/rooms/*").len(), 4);
        assert_eq!(
            world.paths_of(ada, "/rooms/*"),
            ["/rooms/1", "/rooms/2"],
            "{dialect:?}"
        );
        let answer = world.listen_with(ada, "/rooms/*", &json!({"initialCallback": true}));
        let found = answer["data"].as_array().unwrap();
        assert_eq!(found.len(), 2, "{dialect:?}: {answer}");
        let answer = world.request(ada, &json!({"action": "get", "path": "/rooms/secret"}));
        assert_eq!(answer["_meta"]["status"], "error", "{dialect:?}");
        let answer = world.request(ada, &json!({"action": "remove", "path": "/rooms/*"}));
        assert_eq!(answer["data"], json!({"removed": 2}));
        assert_eq!(
            world.paths_of(all, "/rooms/*"),
            ["/rooms/secret", "/rooms/secret/below"],
            "{dialect:?}"
        );
        world.request(all, &json!({"action": "remove", "path": "/rooms/*"}));
    }
}

#[test]
fn a_count_leaves_out_documents_of_a_prohibited_path() {
    let mut world = world();
    let [all, ada] = ["all", "ada"].map(|name| world.connect_as(Dialect::Happn4, name));
    for path in ["/rooms/1", "/rooms/secret"] {
        world.set(all, path, &json!({}));
    }
    for (client, count) in [(all, 2), (ada, 1)] {
        let answer = world.request(client, &json!({"action": "count", "path": "/rooms/*"}));
        assert_eq!(answer["data"], json!({"value": count}));
    }
}

#[test]
fn a_subscription_with_a_wildcard_does_not_hear_a_prohibited_path() {
    let mut world = world();
    for dialect in GENERATIONS {
        let [all, ada] = ["all", "ada"].map(|name| world.connect_as(dialect, name));
        let answer = world.listen(ada, "/rooms/*");
        assert_eq!(answer["_meta"]["status"], "ok", "{dialect:?}");
        for path in ["/rooms/secret", "/rooms/1"] {
            world.set(all, path, &json!({}));
        }
        assert_eq!(paths(&world.events(ada)), ["/rooms/1"], "{dialect:?}");
    }
}

#[test]
fn a_permission_that_is_taken_away_ends_the_subscription() {
    let mut world = world();
    for dialect in GENERATIONS {
        let [all, ada] = ["all", "ada"].map(|name| world.connect_as(dialect, name));
        world.listen(ada, "/rooms/*");
        world.change_permissions("ada", &json!({"/halls/*": {"actions": ["on"]}}));
        world.set(all, "/rooms/1", &json!({}));
        assert_eq!(world.events(ada).len(), 0, "{dialect:?}");
        assert_eq!(world.mesh().subscriptions().count(), 0, "{dialect:?}");
        let answer = world.listen(ada, "/rooms/*");
        assert_eq!(answer["_meta"]["status"], "error", "{dialect:?}");
        world.change_permissions("ada", &but_for_a_secret());
    }
}

#[test]
fn a_call_needs_a_permission_for_its_method() {
    let mut world = World::secure(1);
    let calls = json!({
        "/_exchange/requests/World/who/calls": {"actions": ["set"]},
        "/_exchange/responses/World/who/*": {"actions": ["on", "set"]},
    });
    world.add_user("ada", &calls);
    let method = |call: &crate::testing::Call<'_>| Outcome::Result(call.origin["username"].clone());
    world.start(
        TestComponent::new("who", "1.0.0")
            .method("calls", method)
            .method("hides", method),
    );
    let ada = world.connect_as(Dialect::Happn1, "ada");
    let id = world.session(ada).id().to_owned();
    let address = |method: &str| format!("/_exchange/responses/World/who/{method}/{id}/1");
    world.listen(ada, &format!("/_exchange/responses/World/who/calls/{id}/*"));
    for (method, status) in [("calls", "ok"), ("hides", "error")] {
        let call = json!({"args": [], "callbackAddress": address(method)});
        let answer = world.set(ada, &format!("/_exchange/requests/World/who/{method}"), &call);
        assert_eq!(answer["_meta"]["status"], status, "{method}: {answer}");
    }
    let answers = world.answers(ada, &address("calls"));
    assert_eq!(answers, [json!({"status": "ok", "args": [null, "ada"]})]);
}

#[test]
fn documents_of_the_directory_are_found_by_nobody() {
    let mut world = World::secure(1);
    world.add_user("curious", &json!({"*": {"actions": ["get", "on", "set"]}}));
    let client = world.connect_as(Dialect::Happn4, "curious");
    for pattern in ["*", "/_SYSTEM/*", "/_SYSTEM/_SECURITY/*"] {
        let found = world.paths_of(client, pattern);
        assert_eq!(found, [] as [&str; 0], "{pattern}");
    }
}

#[test]
fn a_request_on_behalf_of_a_value_that_is_no_name_is_refused() {
    let mut world = world();
    for dialect in GENERATIONS {
        let client = world.connect_as(dialect, "all");
        for name in [
            json!({"username": "ada"}),
            json!(["ada"]),
            json!(5),
            json!(true),
            json!(""),
        ] {
            let options = json!({"onBehalfOf": name});
            for request in [
                json!({"action": "set", "path": "/rooms/1", "data": {}, "options": options}),
                json!({"action": "get", "path": "/rooms/*", "options": options}),
                json!({"action": "on", "path": "/ALL@/rooms/*", "options": options}),
                json!({"action": "remove", "path": "/rooms/*", "options": options}),
            ] {
                let answer = world.request(client, &request);
                assert_eq!(
                    answer["_meta"]["status"], "error",
                    "{dialect:?}: {request}: {answer}"
                );
            }
        }
    }
}
