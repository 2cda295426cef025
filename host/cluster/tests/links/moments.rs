//! How soon something is noticed, in simulated time, with the default times.
//!
//! Enters: a cluster of three in which nothing else goes wrong. Leaves: the moment of a verdict. Guarantees: the limits are those that
//! users are promised.

use crate::nats::Time;
use crate::world::{Later, MILLISECOND, SECOND, World, name};
use mesh_cluster::link::{Class, Limits};
use mesh_cluster::presence::{Settings, Verdict};

/// Three nodes that know each other. All calls of the first one go to the second.
fn three(seed: u64) -> World {
    let mut world = World::new(seed, 3, Settings::default(), Limits::default());
    for of in 0..3 {
        let incarnation = world.incarnation(1_000);
        world.start(of, incarnation);
    }
    world.advance(2 * SECOND);
    world
}

fn verdict(world: &World, of: usize, about: usize) -> Option<Verdict> {
    let presence = world.processes[of].member.presence();
    presence.verdict(&name(about)).map(|(_, verdict)| verdict)
}

/// The time until one node has this verdict about another one.
fn until(world: &mut World, of: usize, about: usize, wanted: Verdict) -> Time {
    let began = world.now;
    while verdict(world, of, about) != Some(wanted) {
        assert!(world.now < began + 60 * SECOND, "{wanted} does not come");
        world.advance(world.now + MILLISECOND);
    }
    world.now - began
}

fn call(world: &mut World) {
    for _ in 0..200 {
        world.send(0, 1, None, 100);
    }
    world.processes[0].member.expect_answers(&name(1), true);
    world.run(0);
}

fn assert_no_faults(world: &World) {
    assert_eq!(world.ledger.faults, [] as [String; 0]);
}

#[test]
fn a_killed_node_with_calls_in_flight_is_lost_after_two_and_a_half_seconds() {
    for seed in 0..20 {
        let mut world = three(seed);
        call(&mut world);
        world.advance(world.now + seed * MILLISECOND);
        world.kill(1);
        let killed = world.now;
        assert!(until(&mut world, 0, 1, Verdict::Away) <= 400 * MILLISECOND);
        until(&mut world, 0, 1, Verdict::Lost);
        let time = world.now - killed;
        assert!(time <= 2_500 * MILLISECOND, "seed {seed}: {time}");
        assert_eq!(world.ledger.open_calls(world.mark(0)), []);
        assert_no_faults(&world);
    }
}

#[test]
fn a_stopped_node_gets_no_calls_after_three_and_a_half_seconds_and_is_lost_after_ten() {
    for seed in 0..20 {
        let mut world = three(seed);
        call(&mut world);
        world.stop(1);
        let stopped = world.now;
        assert!(until(&mut world, 0, 1, Verdict::Suspect) <= 3_500 * MILLISECOND);
        until(&mut world, 0, 1, Verdict::Lost);
        let time = world.now - stopped;
        assert!(
            (9 * SECOND..=10_500 * MILLISECOND).contains(&time),
            "seed {seed}: {time}"
        );
        // It takes nothing of what was voided, although all of that is in its socket.
        let before = world.ledger.delivered;
        world.go_on(1, 0);
        world.advance(world.now + 5 * SECOND);
        assert_eq!(world.ledger.delivered, before);
        assert_eq!(verdict(&world, 0, 1), Some(Verdict::Alive));
        assert_no_faults(&world);
    }
}

#[test]
fn a_node_that_joins_is_known_by_all_in_half_a_second() {
    for seed in 0..20 {
        let mut world = three(seed);
        let incarnation = world.incarnation(1_001);
        let began = world.now;
        world.start(3, incarnation);
        for of in 0..3 {
            until(&mut world, of, 3, Verdict::Alive);
            until(&mut world, 3, of, Verdict::Alive);
        }
        let time = world.now - began;
        assert!(time <= 500 * MILLISECOND, "seed {seed}: {time}");
        assert_no_faults(&world);
    }
}

#[test]
fn a_server_that_crashes_loses_nothing_and_nobody() {
    for seed in 0..20 {
        let mut world = three(seed);
        for round in 0..6 {
            for _ in 0..50 {
                world.send(0, 1, None, 100);
                world.send(0, 2, Some(Class::Event), 100);
                world.send(1, 0, Some(Class::Kept), 2_000);
            }
            (0..3).for_each(|place| world.run(place));
            let server = round % 3;
            for connection in world.nats.crash(server) {
                world.after(5 * MILLISECOND, Later::Noticed(connection, Vec::new()));
            }
            world.advance(world.now + 2 * SECOND);
            world.nats.start(server);
            for of in 0..3 {
                for about in (0..3).filter(|about| *about != of) {
                    assert_eq!(verdict(&world, of, about), Some(Verdict::Alive), "seed {seed}");
                }
            }
        }
        assert_eq!(world.ledger.delivered, 6 * 150);
        assert_no_faults(&world);
    }
}
