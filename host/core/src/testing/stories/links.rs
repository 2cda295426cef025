//! Several meshes, and lines between them.

use crate::mesh::{Change, Publisher};
use crate::testing::{Faults, World, Worlds, setting};
use mesh_wire::protocol::{Dialect, EventAction};
use serde_json::{Value, json};

/// Sends from world 0 to world 1 what has left, and publishes there what has arrived.
fn carry(worlds: &mut Worlds) {
    worlds.tick();
    for departure in worlds[0].take_departures() {
        worlds.send(0, 1, json!([departure.path, departure.data]).to_string());
    }
    for text in worlds.receive(1, 0) {
        let parts: [String; 2] = serde_json::from_str(&text).unwrap();
        let publisher = Publisher {
            session_id: "world 0",
            event_id: "1",
            username: None,
        };
        let change = Change::new(EventAction::Set, &parts[0], &parts[1]);
        worlds[1].mesh().publish_change(&publisher, &change);
    }
    worlds.tick();
}

/// The events that a subscriber in world 1 hears of ten in world 0.
fn heard(seed: u64, faults: Faults, cut: bool) -> Vec<Value> {
    let mut worlds = Worlds::new(seed, 2, faults);
    let publisher = worlds[0].connect(Dialect::Happn4);
    let subscriber = worlds[1].connect(Dialect::Happn4);
    worlds[1].listen(subscriber, "/rooms/1");
    worlds[0].take_departures();
    for number in 0..10 {
        if cut && number == 3 {
            worlds.cut(0, 1);
        }
        if number == 6 {
            worlds.mend(0, 1);
        }
        worlds[0].send(
            publisher,
            &setting("/rooms/1", &json!({"number": number}), &json!({})),
        );
        carry(&mut worlds);
    }
    (0..=faults.latest).for_each(|_| carry(&mut worlds));
    let world: &mut World = &mut worlds[1];
    let heard = world.events(subscriber);
    heard
        .into_iter()
        .map(|mut event| event["data"]["number"].take())
        .collect()
}

#[test]
fn publications_that_leave_one_mesh_can_be_carried_to_another() {
    assert_eq!(heard(1, Faults::default(), false), (0..10).collect::<Vec<_>>());
}

#[test]
fn a_cut_line_carries_nothing_until_it_is_mended() {
    // The third was on its way.
    assert_eq!(heard(1, Faults::default(), true), [0, 1, 6, 7, 8, 9]);
}

#[test]
fn a_bad_line_does_the_same_damage_for_the_same_seed() {
    let faults = Faults {
        lost: 20,
        doubled: 20,
        latest: 3,
    };
    let first = heard(4, faults, false);
    assert_eq!(first, heard(4, faults, false));
    assert!((0..10).any(|seed| heard(seed, faults, false) != first));
}
