//! Calls, from a client to a component and back.

use super::{DIALECTS, calculator};
use crate::testing::{Outcome, TestComponent, World, setting};
use mesh_wire::address::{REQUESTS, RESPONSES};
use mesh_wire::protocol::Dialect;
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn each_call_is_answered_once_in_every_schedule() {
    for seed in 0..40 {
        let mut world = World::new(seed);
        world.start(calculator());
        let clients = DIALECTS.map(|dialect| world.connect(dialect));
        clients.iter().for_each(|client| world.expect_answers(*client));
        let mut calls = Vec::new();
        for number in 0..4 {
            for client in clients {
                let call = json!({"args": [number, 100]});
                calls.push((client, number, world.begin_call(client, "calc/add", &call)));
            }
        }
        world.settle();
        for (client, number, address) in calls {
            let answers = world.answers(client, &address);
            let expected = json!({"status": "ok", "args": [null, number + 100]});
            assert_eq!(answers, [expected], "{}", world.place());
        }
        assert_eq!(world.waiting_calls(), 0);
    }
}

#[test]
fn a_call_is_acknowledged_before_it_is_answered() {
    for seed in 0..40 {
        let mut world = World::new(seed);
        world.start(calculator());
        let client = world.connect(Dialect::Happn4);
        world.expect_answers(client);
        world.begin_call(client, "calc/add", &json!({"args": [1, 2]}));
        world.settle();
        let kinds: Vec<Value> = world
            .take(client)
            .iter()
            .map(|frame| frame["_meta"]["type"].clone())
            .collect();
        assert_eq!(kinds, ["response", "data"], "{}", world.place());
    }
}

#[test]
fn an_unknown_component_is_named_in_each_dialect() {
    for dialect in DIALECTS {
        let mut world = World::new(1);
        world.start(calculator());
        let client = world.connect(dialect);
        world.expect_answers(client);
        let answer = world.call(client, "nobody/add", &json!({"args": []}));
        let message = "Call to unconfigured component: [nobody.add]";
        assert_eq!(
            answer,
            json!({"args": [{"message": message, "name": "bad endpoint"}]}),
            "{dialect:?}"
        );
    }
}

#[test]
fn a_path_that_is_no_method_of_this_mesh_is_named_by_its_last_two_segments() {
    for path in ["Other/calc/add", "TestNode/more/calc/add", "calc/add"] {
        let mut world = World::new(1);
        world.start(calculator());
        let client = world.connect(Dialect::Happn4);
        world.expect_answers(client);
        let address = format!("{RESPONSES}{}/TestNode/calc/add/1", world.session(client).id());
        let call = json!({"args": [1, 2], "callbackAddress": address});
        world.send(
            client,
            &setting(&format!("{REQUESTS}{path}"), &call, &json!({"noStore": true})),
        );
        world.settle();
        let message = "Call to unconfigured component: [calc.add]";
        let expected = json!({"args": [{"message": message, "name": "bad endpoint"}]});
        assert_eq!(world.answers(client, &address), [expected], "{path}");
    }
}

#[test]
fn an_unknown_method_is_named_in_each_dialect() {
    for dialect in DIALECTS {
        let mut world = World::new(1);
        world.start(calculator());
        let client = world.connect(dialect);
        world.expect_answers(client);
        let answer = world.call(client, "calc/divide", &json!({"args": []}));
        let error = json!({"message": "Call to unconfigured method [calc.divide()]", "name": "Error"});
        assert_eq!(
            answer,
            json!({"status": "failed", "args": [error]}),
            "{dialect:?}"
        );
    }
}

#[test]
fn an_unknown_version_is_named_beside_those_that_are_there_in_each_dialect() {
    for dialect in DIALECTS {
        let mut world = World::new(1);
        world.start(calculator());
        let client = world.connect(dialect);
        world.expect_answers(client);
        let answer = world.call(client, "calc/add", &json!({"args": [], "version": "^2.0.0"}));
        let message = "Call to unconfigured method [calc.add]: request version [^2.0.0] does not match component version [1.2.0]";
        assert_eq!(
            answer,
            json!({"status": "failed", "args": [{"message": message, "name": "Error"}]}),
            "{dialect:?}"
        );
    }
}

#[test]
fn a_call_in_another_domain_finds_no_component() {
    let mut world = World::new(1);
    world.start(calculator());
    let client = world.connect(Dialect::Happn4);
    world.expect_answers(client);
    let address = format!("/_exchange/responses/{}/1", world.session(client).id());
    let call = json!({"args": [1, 2], "callbackAddress": address});
    world.set(client, "/_exchange/requests/Elsewhere/calc/add", &call);
    let answers = world.answers(client, &address);
    assert_eq!(answers[0]["args"][0]["name"], "bad endpoint");
}

#[test]
fn the_error_of_a_method_is_the_answer() {
    let mut world = World::new(1);
    world.start(TestComponent::new("sad", "1.0.0").method("fail", |_| Outcome::Error("no luck".to_owned())));
    let client = world.connect(Dialect::Happn4);
    world.expect_answers(client);
    let answer = world.call(client, "sad/fail", &json!({"args": []}));
    assert_eq!(
        answer,
        json!({"status": "error", "args": [{"message": "no luck", "name": "Error"}]})
    );
}

#[test]
fn an_answer_that_is_no_array_is_an_error() {
    let mut world = World::new(1);
    world.start(TestComponent::new("odd", "1.0.0").method("text", |_| Outcome::Bytes(b"not JSON")));
    let client = world.connect(Dialect::Happn4);
    world.expect_answers(client);
    let answer = world.call(client, "odd/text", &json!({"args": []}));
    assert_eq!(answer["status"], "error");
    assert_eq!(
        answer["args"][0]["message"],
        "odd.text gave an answer that is not a JSON array"
    );
}

#[test]
fn a_call_that_is_never_answered_ends_when_its_time_is_over() {
    let mut world = World::new(1);
    world.start(TestComponent::new("slow", "1.0.0").method("wait", |_| Outcome::Never));
    let client = world.connect(Dialect::Happn4);
    world.expect_answers(client);
    let address = world.begin_call(client, "slow/wait", &json!({"args": []}));
    world.pass(Duration::from_millis(9_999));
    assert_eq!(world.answers(client, &address), [] as [Value; 0]);
    world.pass(Duration::from_millis(10_001));
    let answers = world.answers(client, &address);
    let error = json!({"message": "slow.wait did not answer within 10000 ms", "name": "TimeoutError"});
    assert_eq!(answers, [json!({"status": "error", "args": [error]})]);
}

#[test]
fn an_answer_goes_to_its_caller_alone() {
    for dialect in DIALECTS {
        let mut world = World::new(1);
        world.start(calculator());
        let (caller, other) = (world.connect(dialect), world.connect(dialect));
        world.expect_answers(caller);
        let foreign = format!("/_exchange/responses/{}/*", world.session(caller).id());
        for path in [&*foreign, "/_exchange/responses/*", "*"] {
            world.listen(other, path);
        }
        let address = world.begin_call(caller, "calc/add", &json!({"args": [1, 2]}));
        world.settle();
        assert_eq!(world.answers(caller, &address).len(), 1);
        assert_eq!(world.answers(other, &address).len(), 0, "{dialect:?}");
    }
}

#[test]
fn an_answer_to_the_address_of_another_session_is_refused() {
    let mut world = World::new(1);
    world.start(calculator());
    let (caller, victim) = (world.connect(Dialect::Happn4), world.connect(Dialect::Happn4));
    world.expect_answers(victim);
    let address = format!("/_exchange/responses/{}/1", world.session(victim).id());
    let call = json!({"args": [1, 2], "callbackAddress": address});
    let answer = world.set(caller, "/_exchange/requests/World/calc/add", &call);
    assert_eq!(answer["_meta"]["status"], "error");
    let forged = world.set(caller, &address, &json!({"status": "ok", "args": []}));
    assert_eq!(forged["_meta"]["status"], "error");
    assert_eq!(world.take(victim), [] as [Value; 0]);
}

#[test]
fn a_component_learns_the_caller_from_the_session_and_not_from_the_request() {
    let mut world = World::new(1);
    world.start(
        TestComponent::new("who", "1.0.0").method("calls", |call| Outcome::Result(call.origin.clone())),
    );
    let client = world.connect(Dialect::Happn4);
    world.expect_answers(client);
    let call = json!({"args": [], "origin": {"id": "somebody else", "username": "_ADMIN"}});
    let answer = world.call(client, "who/calls", &call);
    assert_eq!(answer["args"][1], json!({"id": world.session(client).id()}));
}

#[test]
fn calls_of_a_client_that_has_gone_are_given_up() {
    let mut world = World::new(1);
    world.start(calculator());
    world.start(TestComponent::new("slow", "1.0.0").method("wait", |_| Outcome::Never));
    let (client, other) = (world.connect(Dialect::Happn4), world.connect(Dialect::Happn4));
    world.expect_answers(client);
    world.listen(other, "*");
    world.begin_call(client, "slow/wait", &json!({"args": []}));
    world.settle();
    assert_eq!([world.waiting_calls(), world.orphaned_calls()], [1, 0]);
    world.disconnect(client);
    assert_eq!([world.waiting_calls(), world.orphaned_calls()], [1, 1]);
    world.take_all();
    world.pass(Duration::from_secs(11));
    assert_eq!(world.waiting_calls(), 0);
    assert_eq!(world.take_all(), [], "nobody is told of it");
}

#[test]
fn a_call_without_an_address_is_acknowledged_and_reaches_no_component() {
    let mut world = World::new(1);
    world.start(calculator());
    let client = world.connect(Dialect::Happn4);
    let request = setting(
        "/_exchange/requests/World/calc/add",
        &json!({"args": [1, 2]}),
        &json!({}),
    );
    let answer = world.request(client, &request);
    assert_eq!(answer["_meta"]["status"], "ok");
    assert_eq!(world.mesh().registry().all().next().unwrap().calls().taken, 0);
}
