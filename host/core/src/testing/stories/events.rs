//! Events, from who publishes to who subscribed.

use super::DIALECTS;
use crate::testing::{Outcome, TestComponent, World, paths, setting};
use mesh_wire::protocol::Dialect;
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn an_event_reaches_subscribers_and_nobody_else() {
    for dialect in DIALECTS {
        let mut world = World::new(1);
        let [publisher, hears, other, silent] = [0; 4].map(|_| world.connect(dialect));
        world.listen(hears, "/rooms/1");
        world.listen(other, "/rooms/2");
        world.set(publisher, "/rooms/1", &json!({"people": 3}));
        let heard = world.events(hears);
        assert_eq!(heard.len(), 1, "{dialect:?}");
        assert_eq!(heard[0]["data"], json!({"people": 3}));
        assert_eq!(heard[0]["_meta"]["channel"], "/ALL@/rooms/1");
        for client in [publisher, other, silent] {
            assert_eq!(world.events(client), [] as [Value; 0], "{dialect:?}");
        }
    }
}

#[test]
fn an_event_of_a_component_reaches_its_subscribers() {
    let mut world = World::new(1);
    world.start(TestComponent::new("bell", "1.0.0").method("ring", |call| {
        call.emit("rung", &call.arguments);
        Outcome::Result(Value::Null)
    }));
    let [caller, hears, other] = [0; 3].map(|_| world.connect(Dialect::Happn4));
    world.expect_answers(caller);
    world.listen(hears, "/_events/World/bell/*");
    world.listen(other, "/_events/World/horn/*");
    world.call(caller, "bell/ring", &json!({"args": ["twice"]}));
    let heard = world.events(hears);
    assert_eq!(paths(&heard), ["/_events/World/bell/rung"]);
    assert_eq!(heard[0]["_meta"]["componentVersion"], "1.0.0");
    assert_eq!(world.events(other).len() + world.events(caller).len(), 0);
}

#[test]
fn an_event_for_named_sessions_reaches_them_alone() {
    let mut world = World::new(1);
    let [publisher, named, other] = [0; 3].map(|_| world.connect(Dialect::Happn4));
    for client in [named, other] {
        world.listen(client, "/rooms/1");
    }
    let options = json!({"targetClients": [world.session(named).id()]});
    world.request(publisher, &setting("/rooms/1", &json!({}), &options));
    assert_eq!(world.events(named).len(), 1);
    assert_eq!(world.events(other).len(), 0);
}

#[test]
fn an_event_for_an_unknown_session_reaches_nobody_else() {
    for (targets, expected) in [
        (json!([]), 0),
        (json!([5, null]), 0),
        (json!({"id": "somebody"}), 0),
        (json!("nobody"), 0),
        (json!("NAMED"), 1),
        (json!(["NAMED", null, 7]), 1),
    ] {
        let mut world = World::new(1);
        let [publisher, named, other] = [0; 3].map(|_| world.connect(Dialect::Happn4));
        for client in [named, other] {
            world.listen(client, "/rooms/1");
        }
        let id = world.session(named).id().to_owned();
        let targets = targets.to_string().replace("NAMED", &id);
        let targets: Value = serde_json::from_str(&targets).unwrap();
        world.request(
            publisher,
            &setting("/rooms/1", &json!({}), &json!({"targetClients": targets})),
        );
        assert_eq!(world.events(named).len(), expected, "{targets}");
        assert_eq!(world.events(other).len(), 0, "{targets}");
    }
}

#[test]
fn an_event_that_stays_on_the_node_does_not_reach_other_nodes() {
    let mut world = World::new(1);
    let [publisher, client, node] = [0; 3].map(|_| world.connect(Dialect::Happn4));
    let login = json!({"action": "login", "data": {"info": {"clusterName": "ours"}}});
    world.request(node, &login);
    for one in [client, node] {
        world.listen(one, "/rooms/1");
    }
    for no_cluster in [true, false] {
        let options = json!({"noCluster": no_cluster});
        world.request(publisher, &setting("/rooms/1", &json!({}), &options));
        assert_eq!(world.events(client).len(), 1);
        assert_eq!(world.events(node).len(), usize::from(!no_cluster));
    }
}

#[test]
fn a_change_that_is_not_to_be_published_is_stored_in_silence() {
    let mut world = World::new(1);
    let [publisher, other] = [0; 2].map(|_| world.connect(Dialect::Happn4));
    world.listen(other, "/rooms/*");
    let answer = world.request(
        publisher,
        &setting("/rooms/1", &json!({"a": 1}), &json!({"noPublish": true})),
    );
    assert_eq!(answer["_meta"]["published"], false);
    assert_eq!(world.events(other).len(), 0);
    assert_eq!(world.paths_of(other, "/rooms/*"), ["/rooms/1"]);
}

#[test]
fn a_removal_is_an_event_of_its_own_kind() {
    let mut world = World::new(1);
    let [publisher, all, sets] = [0; 3].map(|_| world.connect(Dialect::Happn4));
    world.set(publisher, "/rooms/1", &json!({}));
    world.listen(all, "/rooms/*");
    world.request(sets, &json!({"action": "on", "path": "/SET@/rooms/*"}));
    let answer = world.request(publisher, &json!({"action": "remove", "path": "/rooms/1"}));
    assert_eq!(answer["data"], json!({"removed": 1}));
    assert_eq!(world.events(sets).len(), 0);
    let heard = world.events(all);
    assert_eq!(heard[0]["_meta"]["action"], "/REMOVE@/rooms/1");
}

#[test]
fn a_subscription_that_was_ended_hears_nothing_more() {
    for dialect in DIALECTS {
        let mut world = World::new(1);
        let [publisher, other] = [0; 2].map(|_| world.connect(dialect));
        world.listen(other, "/rooms/1");
        world.request(other, &json!({"action": "off", "path": "/ALL@/rooms/1"}));
        world.set(publisher, "/rooms/1", &json!({}));
        assert_eq!(world.events(other).len(), 0, "{dialect:?}");
        assert_eq!(world.mesh().subscriptions().count(), 0);
    }
}

#[test]
fn a_client_that_has_gone_leaves_no_subscription() {
    for dialect in DIALECTS {
        let mut world = World::new(1);
        let [publisher, goes, stays] = [0; 3].map(|_| world.connect(dialect));
        for path in ["/rooms/1", "/rooms/*", "*"] {
            world.listen(goes, path);
        }
        world.listen(stays, "/rooms/1");
        world.disconnect(goes);
        assert_eq!(world.mesh().subscriptions().count(), 1, "{dialect:?}");
        assert_eq!(world.mesh().sessions().count(), 2);
        let answer = world.set(publisher, "/rooms/1", &json!({}));
        assert_eq!(answer["_meta"]["status"], "ok");
        assert_eq!(world.events(stays).len(), 1);
        assert_eq!(world.take(goes), [] as [Value; 0]);
    }
}

#[test]
fn a_publisher_hears_when_all_recipients_have_acknowledged() {
    for seed in 0..20 {
        let mut world = World::new(seed);
        let [publisher, one, other] = [0; 3].map(|_| world.connect(Dialect::Happn4));
        for client in [one, other] {
            world.listen(client, "/rooms/1");
        }
        let options = json!({"consistency": 3});
        world.request(publisher, &setting("/rooms/1", &json!({}), &options));
        for client in [one, other] {
            assert_eq!(world.take(publisher), [] as [Value; 0], "{}", world.place());
            let heard = world.events(client);
            let id = &heard[0]["_meta"]["publicationId"];
            world.request(client, &json!({"action": "ack", "data": id}));
        }
        let told = world.take(publisher);
        assert_eq!(told.len(), 1, "{}", world.place());
        assert_eq!(told[0]["result"]["acknowledged"], 2);
    }
}

#[test]
fn a_publisher_hears_of_acknowledgements_that_are_missing_when_time_is_over() {
    let mut world = World::new(1);
    let [publisher, deaf] = [0; 2].map(|_| world.connect(Dialect::Happn4));
    world.listen(deaf, "/rooms/1");
    world.request(
        publisher,
        &setting("/rooms/1", &json!({}), &json!({"consistency": 3})),
    );
    world.pass(Duration::from_millis(4_999));
    assert_eq!(world.take(publisher), [] as [Value; 0]);
    world.pass(Duration::from_millis(1));
    let told = world.take(publisher);
    assert_eq!(told[0]["error"], "unacknowledged publication");
    assert_eq!(told[0]["result"]["acknowledged"], 0);
}

#[test]
fn a_subscriber_that_reads_nothing_is_closed_when_its_queue_is_full() {
    let mut world = World::new(1);
    let [publisher, slow, fast] = [0; 3].map(|_| world.connect(Dialect::Happn4));
    for client in [slow, fast] {
        world.listen(client, "/rooms/1");
    }
    world.stall(slow);
    let value = json!({"text": "x".repeat(100_000)});
    for _ in 0..12 {
        let answer = world.set(publisher, "/rooms/1", &value);
        assert_eq!(answer["_meta"]["status"], "ok");
    }
    assert!(world.has_ended(slow));
    assert_eq!(world.events(fast).len(), 12);
    assert_eq!(world.mesh().sessions().slow_consumers(), 1);
    assert_eq!(world.mesh().subscriptions().count(), 1);
}
