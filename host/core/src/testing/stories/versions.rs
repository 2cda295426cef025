//! Which version of a component answers.

use super::version;
use crate::mesh::StartProgress;
use crate::testing::{Client, Outcome, TestComponent, World, paths};
use mesh_wire::protocol::Dialect;
use serde_json::{Value, json};

fn world_with(versions: &[&'static str]) -> (World, Client) {
    let mut world = World::new(3);
    versions.iter().for_each(|text| world.start(version(text)));
    let client = world.connect(Dialect::Happn4);
    world.expect_answers(client);
    (world, client)
}

fn answering(world: &mut World, client: Client, range: &Value) -> Value {
    let mut answer = world.call(client, "clock/version", &json!({"args": [], "version": range}));
    answer["args"][1].take()
}

#[test]
fn a_range_chooses_the_highest_version_inside_it() {
    let (mut world, client) = world_with(&["1.2.0", "2.0.0", "1.10.0", "1.9.9", "3.0.0-beta.1"]);
    for (range, expected) in [
        ("^1.0.0", "1.10.0"),
        ("~1.9.0", "1.9.9"),
        ("1.2.0", "1.2.0"),
        (">=1.0.0 <2.0.0", "1.10.0"),
        ("^1.9.0 || ^2.0.0", "2.0.0"),
        ("3.0.0-beta.1", "3.0.0-beta.1"),
        ("*", "2.0.0"),
    ] {
        assert_eq!(answering(&mut world, client, &json!(range)), expected, "{range}");
    }
}

#[test]
fn without_a_range_the_highest_release_answers() {
    let (mut world, client) = world_with(&["1.2.0", "3.0.0-beta.1", "2.0.0"]);
    assert_eq!(answering(&mut world, client, &Value::Null), "2.0.0");
}

#[test]
fn a_version_that_is_no_text_matches_nothing() {
    let (mut world, client) = world_with(&["1.2.0"]);
    let answer = world.call(
        client,
        "clock/version",
        &json!({"args": [], "version": {"major": 1}}),
    );
    assert_eq!(answer["status"], "failed");
}

#[test]
fn a_client_stays_on_the_line_that_was_advertised_to_it() {
    let (mut world, client) = world_with(&["1.2.0"]);
    world.mesh().publish_description(StartProgress::Ready).unwrap();
    let read = json!({"action": "get", "path": "/mesh/schema/description"});
    world.request(client, &read);
    world.start(version("2.0.0"));
    assert_eq!(answering(&mut world, client, &Value::Null), "1.2.0");
    let newcomer = world.connect(Dialect::Happn4);
    world.expect_answers(newcomer);
    world.mesh().publish_description(StartProgress::Ready).unwrap();
    world.request(newcomer, &read);
    assert_eq!(answering(&mut world, newcomer, &Value::Null), "2.0.0");
}

#[test]
fn a_name_may_carry_a_range() {
    let (mut world, client) = world_with(&["1.2.0", "2.0.0"]);
    let answer = world.call(client, "clock@1/version", &json!({"args": []}));
    assert_eq!(answer["args"][1], "1.2.0");
}

#[test]
fn a_listener_with_a_range_hears_the_events_of_versions_inside_it() {
    let mut world = World::new(3);
    for version in ["1.2.0", "2.0.0"] {
        world.start(TestComponent::new("bell", version).method("ring", move |call| {
            call.emit("rung", &json!({"by": version}));
            Outcome::Result(Value::Null)
        }));
    }
    let client = world.connect(Dialect::Happn4);
    let picky = world.connect(Dialect::Happn4);
    world.expect_answers(client);
    let options = json!({"meta": {"componentVersion": "^1.0.0"}});
    world.listen_with(picky, "/_events/World/bell/rung", &options);
    for range in ["^1.0.0", "^2.0.0"] {
        world.call(client, "bell/ring", &json!({"args": [], "version": range}));
    }
    let heard = world.events(picky);
    assert_eq!(paths(&heard), ["/_events/World/bell/rung"]);
    assert_eq!(heard[0]["data"]["by"], "1.2.0");
}
