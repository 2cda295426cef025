//! The order of frames, in every schedule that the seeds give.

use super::calculator;
use crate::testing::{Client, Outcome, TestComponent, World, Written, is_event, setting};
use mesh_wire::protocol::Dialect;
use serde_json::{Value, json};

/// Where in the order of writing this frame stands.
fn place(history: &[Written], client: Client, is_meant: impl Fn(&Value) -> bool) -> Option<usize> {
    history
        .iter()
        .position(|written| written.client == client && is_meant(&written.frame))
}

#[test]
fn a_set_is_answered_behind_its_publications() {
    for seed in 0..80 {
        let mut world = World::new(seed);
        let [publisher, one, other] = [0; 3].map(|_| world.connect(Dialect::Happn4));
        for client in [one, other] {
            world.listen(client, "/rooms/*");
        }
        let sets: Vec<(u64, u64)> = (0..5)
            .map(|number| {
                let request = setting(
                    &format!("/rooms/{number}"),
                    &json!({"number": number}),
                    &json!({}),
                );
                (number, world.send(publisher, &request))
            })
            .collect();
        world.settle();
        let history = world.take_all();
        for (number, event) in sets {
            let answer = place(&history, publisher, |frame| frame["_meta"]["eventId"] == event);
            for client in [one, other] {
                let heard = place(&history, client, |frame| frame["data"]["number"] == number);
                assert!(
                    heard.is_some() && heard < answer,
                    "{}: {heard:?}, {answer:?}",
                    world.place()
                );
            }
        }
    }
}

#[test]
fn two_that_publish_to_each_other_are_both_answered_behind_their_publications() {
    for seed in 0..60 {
        let mut world = World::new(seed);
        let clients = [0; 2].map(|_| world.connect(Dialect::Happn4));
        clients
            .iter()
            .for_each(|client| drop(world.listen(*client, "/rooms/*")));
        let mut sets = Vec::new();
        for number in 0..6_usize {
            let from = clients[number % 2];
            let request = setting("/rooms/1", &json!({"number": number}), &json!({}));
            sets.push((number, world.send(from, &request)));
        }
        world.settle();
        let history = world.take_all();
        for (number, event) in sets {
            let [own, other] = [number % 2, 1 - number % 2].map(|place| clients[place]);
            let answer = place(&history, own, |frame| {
                frame["_meta"]["type"] == "response" && frame["_meta"]["eventId"] == event
            });
            for client in [own, other] {
                let heard = place(&history, client, |frame| {
                    is_event(frame) && frame["data"]["number"] == number
                });
                assert!(
                    heard.is_some() && heard < answer,
                    "{}: {heard:?}, {answer:?}",
                    world.place()
                );
            }
        }
    }
}

#[test]
fn a_subscriber_that_reads_nothing_holds_up_no_answer() {
    for seed in 0..50 {
        let mut world = World::new(seed);
        let [publisher, slow] = [0; 2].map(|_| world.connect(Dialect::Happn4));
        world.listen(slow, "/rooms/1");
        world.stall(slow);
        for number in 0..3 {
            let answer = world.set(publisher, "/rooms/1", &json!({"number": number}));
            assert_eq!(answer["_meta"]["status"], "ok", "{}", world.place());
        }
        assert_eq!(world.events(slow).len(), 0);
        world.resume(slow);
        world.settle();
        let heard: Vec<Value> = world
            .events(slow)
            .iter()
            .map(|event| event["data"]["number"].clone())
            .collect();
        assert_eq!(heard, [0, 1, 2], "{}", world.place());
    }
}

#[test]
fn all_subscribers_hear_the_events_of_one_publisher_in_its_order() {
    for seed in 0..60 {
        let mut world = World::new(seed);
        let [publisher, one, other] =
            [Dialect::Happn4, Dialect::Happn1, Dialect::Happn2].map(|dialect| world.connect(dialect));
        for client in [one, other] {
            world.listen(client, "/rooms/1");
        }
        for number in 0..10 {
            world.send(
                publisher,
                &setting("/rooms/1", &json!({"number": number}), &json!({})),
            );
        }
        world.settle();
        for client in [one, other] {
            let heard = world.events(client);
            let numbers: Vec<u64> = heard
                .iter()
                .filter_map(|event| event["data"]["number"].as_u64())
                .collect();
            assert_eq!(numbers, (0..10).collect::<Vec<_>>(), "{}", world.place());
        }
    }
}

#[test]
fn all_subscribers_see_two_publishers_in_the_same_order() {
    for seed in 0..60 {
        let mut world = World::new(seed);
        let [first, second, one, other] = [0; 4].map(|_| world.connect(Dialect::Happn4));
        for client in [one, other] {
            world.listen(client, "/rooms/1");
        }
        for number in 0..5 {
            for publisher in [first, second] {
                world.send(
                    publisher,
                    &setting("/rooms/1", &json!({"number": number}), &json!({})),
                );
            }
        }
        world.settle();
        let [one, other] = [one, other].map(|client| {
            let heard = world.events(client);
            heard
                .iter()
                .map(|event| event["_meta"]["publicationId"].clone())
                .collect::<Vec<_>>()
        });
        assert_eq!(one.len(), 10);
        assert_eq!(one, other, "{}", world.place());
    }
}

#[test]
fn an_answer_of_a_component_leaves_behind_the_events_that_it_emitted_before() {
    for seed in 0..80 {
        let mut world = World::new(seed);
        world.start(TestComponent::new("bell", "1.0.0").method("ring", |call| {
            call.emit("rung", &call.arguments[0]);
            call.emit("echoed", &call.arguments[0]);
            Outcome::Result(call.arguments[0].clone())
        }));
        let [caller, one, other] = [0; 3].map(|_| world.connect(Dialect::Happn4));
        world.expect_answers(caller);
        for client in [caller, one, other] {
            world.listen(client, "/_events/World/bell/*");
        }
        let calls: Vec<(u64, String)> = (0..4)
            .map(|number| {
                let call = json!({"args": [{"number": number}]});
                (number, world.begin_call(caller, "bell/ring", &call))
            })
            .collect();
        world.settle();
        let history = world.take_all();
        for (number, address) in calls {
            let action = format!("/SET@{address}");
            let answer = place(&history, caller, |frame| frame["_meta"]["action"] == *action);
            for (client, key) in [
                (caller, "rung"),
                (one, "rung"),
                (one, "echoed"),
                (other, "echoed"),
            ] {
                let action = format!("/SET@/_events/World/bell/{key}");
                let heard = place(&history, client, |frame| {
                    frame["_meta"]["action"] == *action && frame["data"]["number"] == number
                });
                assert!(
                    heard.is_some() && heard < answer,
                    "{}: {heard:?}, {answer:?}",
                    world.place()
                );
            }
        }
    }
}

#[test]
fn requests_of_one_client_are_answered_in_the_order_in_which_they_came() {
    for seed in 0..50 {
        let mut world = World::new(seed);
        world.start(calculator());
        let [client, other] = [0; 2].map(|_| world.connect(Dialect::Happn4));
        world.expect_answers(client);
        world.listen(other, "*");
        let mut events = Vec::new();
        for number in 0..3 {
            let path = format!("/rooms/{number}");
            events.push(world.send(client, &setting(&path, &json!({}), &json!({}))));
            events.push(world.send(client, &json!({"action": "get", "path": path})));
            world.begin_call(client, "calc/add", &json!({"args": [1, 2]}));
            events.push(world.send(client, &json!({"action": "on", "path": format!("/ALL@{path}")})));
            events.push(world.send(client, &json!({"action": "count", "path": "/rooms/*"})));
        }
        world.settle();
        let frames = world.take(client);
        let answered = frames.iter().filter(|frame| frame["_meta"]["type"] == "response");
        let answered = answered.filter_map(|frame| frame["_meta"]["eventId"].as_u64());
        let answered: Vec<u64> = answered.filter(|event| events.contains(event)).collect();
        assert_eq!(answered, events, "{}", world.place());
    }
}

#[test]
fn the_same_seed_gives_the_same_schedule() {
    let history = |seed| {
        let mut world = World::new(seed);
        world.start(calculator());
        let clients = [0; 3].map(|_| world.connect(Dialect::Happn4));
        for client in clients {
            world.expect_answers(client);
            world.listen(client, "/rooms/*");
            world.send(client, &setting("/rooms/1", &json!({}), &json!({})));
            world.begin_call(client, "calc/add", &json!({"args": [1, 2]}));
        }
        world.take_all();
        world.settle();
        let order: Vec<(Client, Value)> = world
            .take_all()
            .into_iter()
            .map(|written| (written.client, written.frame["_meta"]["type"].clone()))
            .collect();
        order
    };
    assert_eq!(history(11), history(11));
    assert!((0..20).any(|seed| history(seed) != history(11)));
}
