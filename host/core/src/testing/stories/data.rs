//! Documents: what is stored, what is found, and what a new subscription finds there already.

use super::DIALECTS;
use crate::testing::{World, is_event, paths, setting};
use mesh_wire::protocol::Dialect;
use serde_json::{Value, json};

fn world_with_rooms() -> World {
    let mut world = World::new(1);
    let writer = world.connect(Dialect::Happn4);
    for number in [1, 2, 3] {
        world.set(writer, &format!("/rooms/{number}"), &json!({"number": number}));
    }
    world.set(writer, "/halls/1", &json!({}));
    world
}

#[test]
fn a_subscription_is_answered_with_the_documents_that_are_there() {
    for dialect in DIALECTS {
        let mut world = world_with_rooms();
        let client = world.connect(dialect);
        let answer = world.listen_with(client, "/rooms/*", &json!({"initialCallback": true}));
        let found = answer["data"].as_array().unwrap();
        let mut found = paths(found);
        found.sort();
        assert_eq!(found, ["/rooms/1", "/rooms/2", "/rooms/3"], "{dialect:?}");
        assert_eq!(world.events(client).len(), 0);
        world.set(client, "/rooms/4", &json!({}));
        assert_eq!(world.events(client).len(), 1, "{dialect:?}: it goes on listening");
    }
}

#[test]
fn clients_of_the_first_generation_get_each_document_as_an_event_before_the_answer() {
    let mut world = world_with_rooms();
    let client = world.connect(Dialect::Happn1);
    let request = json!({"action": "on", "path": "/ALL@/rooms/*", "options": {"initialEmit": true}});
    let event = world.send(client, &request);
    world.settle();
    let frames = world.take(client);
    assert_eq!(frames.len(), 4);
    let pushed: Vec<Value> = frames[..3]
        .iter()
        .map(|frame| frame["data"]["number"].clone())
        .collect();
    assert_eq!(pushed, [1, 2, 3]);
    assert!(
        frames[..3]
            .iter()
            .all(|frame| is_event(frame) && frame["_meta"]["channel"] == "/ALL@/rooms/*")
    );
    assert_eq!(frames[3]["_meta"]["eventId"], event);
    assert_eq!(frames[3]["data"].as_array().map(Vec::len), Some(3));
}

#[test]
fn a_wildcard_finds_what_is_below_it_in_the_order_of_paths() {
    for dialect in DIALECTS {
        let mut world = world_with_rooms();
        let client = world.connect(dialect);
        assert_eq!(
            world.paths_of(client, "/rooms/*"),
            ["/rooms/1", "/rooms/2", "/rooms/3"],
            "{dialect:?}"
        );
        assert_eq!(world.paths_of(client, "/nothing/*"), [] as [&str; 0]);
    }
}

#[test]
fn a_merge_keeps_the_fields_that_it_does_not_name() {
    let mut world = World::new(1);
    let client = world.connect(Dialect::Happn4);
    world.set(client, "/rooms/1", &json!({"kept": 1, "changed": 1}));
    world.request(
        client,
        &setting("/rooms/1", &json!({"changed": 2}), &json!({"merge": true})),
    );
    let found = world.request(client, &json!({"action": "get", "path": "/rooms/1"}));
    assert_eq!(found["data"], json!({"kept": 1, "changed": 2}));
}

#[test]
fn increments_of_several_clients_all_count() {
    for seed in 0..20 {
        let mut world = World::new(seed);
        let clients = [0; 3].map(|_| world.connect(Dialect::Happn4));
        for client in clients {
            for _ in 0..5 {
                world.send(
                    client,
                    &setting("/gauges", &json!("visits"), &json!({"increment": 2})),
                );
            }
        }
        world.settle();
        let found = world.request(clients[0], &json!({"action": "get", "path": "/gauges"}));
        assert_eq!(found["data"]["visits"]["value"], 30, "{}: {found}", world.place());
    }
}

#[test]
fn a_path_with_a_star_cannot_be_set_by_later_generations() {
    for dialect in DIALECTS {
        let mut world = World::new(1);
        let client = world.connect(dialect);
        let answer = world.set(client, "/rooms/*", &json!({}));
        let expected = if dialect.checks_path_characters() {
            "error"
        } else {
            "ok"
        };
        assert_eq!(answer["_meta"]["status"], expected, "{dialect:?}");
    }
}

#[test]
fn frames_that_are_no_request_change_nothing_and_end_nothing() {
    let mut world = World::new(1);
    let client = world.connect(Dialect::Happn4);
    for text in ["", "42", "[]", "{", "null", "\"primus::pong::1\""] {
        world.send_text(client, text);
    }
    world.settle();
    assert_eq!(world.take(client), [] as [Value; 0]);
    let answer = world.request(client, &json!({"action": 5}));
    assert_eq!(answer["_meta"]["status"], "error");
    let answer = world.request(client, &json!({"action": "dance"}));
    assert_eq!(answer["_meta"]["status"], "ok");
}

#[test]
fn many_documents_are_removed_at_once_and_published_once() {
    let mut world = World::new(1);
    let [client, other] = [0; 2].map(|_| world.connect(Dialect::Happn4));
    for number in 0..200 {
        world.send(
            client,
            &setting(&format!("/many/{number}"), &json!({}), &json!({})),
        );
    }
    world.settle();
    world.listen(other, "/many/*");
    let answer = world.request(client, &json!({"action": "remove", "path": "/many/*"}));
    assert_eq!(answer["data"], json!({"removed": 200}));
    assert_eq!(world.events(other).len(), 1);
    assert_eq!(world.paths_of(client, "/many/*"), [] as [&str; 0]);
}
