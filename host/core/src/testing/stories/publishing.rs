//! Every publication passes one door.

use crate::mesh::{Concerned, StartProgress};
use crate::testing::{Departure, Kind, Outcome, TestComponent, World, setting};
use mesh_wire::protocol::Dialect;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

/// How what has left was to reach others, with its paths.
fn left(world: &mut World) -> Vec<(Kind, String)> {
    let departures = world.take_departures();
    departures.into_iter().map(|one| (one.kind, one.path)).collect()
}

fn one(kind: Kind, path: &str) -> [(Kind, String); 1] {
    [(kind, path.to_owned())]
}

#[test]
fn changes_of_clients_pass_the_hook_once_each() {
    let mut world = World::new(1);
    let client = world.connect(Dialect::Happn4);
    assert_eq!(left(&mut world), []);
    for (consistency, kind) in [
        (0, Kind::Subscribers),
        (1, Kind::Subscribers),
        (2, Kind::SubscribersSoon),
        (3, Kind::Acknowledged),
    ] {
        let options = json!({"consistency": consistency});
        world.request(client, &setting("/rooms/1", &json!({}), &options));
        assert_eq!(
            left(&mut world),
            one(kind, "/rooms/1"),
            "consistency {consistency}"
        );
    }
    world.request(
        client,
        &setting("/rooms/1", &json!("note"), &json!({"increment": 1})),
    );
    assert_eq!(left(&mut world), one(Kind::SubscribersSoon, "/rooms/1"));
    world.request(client, &json!({"action": "remove", "path": "/rooms/*"}));
    assert_eq!(left(&mut world), one(Kind::SubscribersSoon, "/rooms/*"));
}

#[test]
fn changes_that_are_not_published_do_not_leave() {
    let mut world = World::new(1);
    let client = world.connect(Dialect::Happn4);
    world.request(
        client,
        &setting("/rooms/1", &json!({}), &json!({"noPublish": true})),
    );
    world.listen_with(client, "/rooms/*", &json!({"initialCallback": true}));
    world.paths_of(client, "/rooms/*");
    assert_eq!(left(&mut world), []);
}

#[test]
fn the_hook_sees_publications_for_this_node_and_for_named_sessions() {
    let mut world = World::new(1);
    let client = world.connect(Dialect::Happn4);
    for (options, expected) in [
        (json!({}), [false, false]),
        (json!({"noCluster": true}), [true, false]),
        (json!({"targetClients": ["nobody"]}), [false, true]),
    ] {
        world.request(client, &setting("/rooms/1", &json!({}), &options));
        let departures = world.take_departures();
        let flags: Vec<[bool; 2]> = departures
            .iter()
            .map(|one: &Departure| [one.without_cluster, one.names_sessions])
            .collect();
        assert_eq!(flags, [expected], "{options}");
    }
}

#[test]
fn events_and_answers_of_components_pass_the_hook() {
    let mut world = World::new(1);
    world.start(TestComponent::new("bell", "1.0.0").method("ring", |call| {
        call.emit("rung", &json!({}));
        Outcome::Result(Value::Null)
    }));
    let client = world.connect(Dialect::Happn4);
    world.expect_answers(client);
    let address = world.begin_call(client, "bell/ring", &json!({"args": []}));
    world.settle();
    let expected = [
        (Kind::Subscribers, "/_events/World/bell/rung".to_owned()),
        (Kind::Caller, address),
    ];
    assert_eq!(left(&mut world), expected);
    let address = world.begin_call(client, "nobody/ring", &json!({"args": []}));
    world.settle();
    assert_eq!(left(&mut world), one(Kind::Caller, &address));
}

#[test]
fn a_call_that_somebody_watches_leaves_as_a_request_and_as_an_answer() {
    let mut world = World::new(1);
    world.start(super::calculator());
    let [client, watcher] = [0; 2].map(|_| world.connect(Dialect::Happn4));
    world.expect_answers(client);
    world.listen(watcher, "/_exchange/requests/World/calc/*");
    world.call(client, "calc/add", &json!({"args": [1, 2]}));
    let kinds: Vec<Kind> = left(&mut world).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [Kind::SubscribersSoon, Kind::Caller]);
    assert_eq!(world.events(watcher).len(), 1);
}

#[test]
fn the_description_and_the_configuration_pass_the_hook() {
    let mut world = World::new(1);
    world.mesh().publish_description(StartProgress::Ready).unwrap();
    world.mesh().publish_config(1).unwrap();
    let expected = ["/mesh/schema/description", "/mesh/schema/config"];
    assert_eq!(
        left(&mut world),
        expected.map(|path| (Kind::Subscribers, path.to_owned()))
    );
}

#[test]
fn changes_of_users_pass_the_hook_where_somebody_subscribed() {
    let mut world = World::secure(1);
    let names: [Arc<str>; 1] = ["ada".into()];
    let change = |world: &World| {
        let concerned = Concerned::Users(&names);
        world
            .mesh()
            .security_changed(concerned, "upsert-user", &json!({}));
    };
    change(&world);
    assert_eq!(left(&mut world), []);
    world.mesh().publish_security("upsert-user", &json!({}));
    assert_eq!(
        left(&mut world),
        one(Kind::Subscribers, "/_events/World/security/upsert-user")
    );
}

#[test]
fn no_other_part_of_the_host_hands_publications_to_the_index() {
    let host = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let doors = [
        "subscriptions().publish",
        "subscriptions.publish",
        ".publish_with(",
        ".publish_response(",
        ".recipients(",
    ];
    let mut found = Vec::new();
    for part in ["core/src", "deploy/src", "http/src", "src"] {
        let mut folders = vec![host.join(part)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|ending| ending == "rs") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    if doors.iter().any(|door| text.contains(door)) {
                        found.push(path.file_name().unwrap().to_owned());
                    }
                }
            }
        }
    }
    // The door itself, and this test.
    assert_eq!(found, ["publishing.rs", "publishing.rs"]);
}
