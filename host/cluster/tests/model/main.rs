//! Calls between nodes under random schedules keep their promises.
//!
//! Enters: a list of seeds; `MESH_TESTS_LONG=1` for all of them, `MESH_TESTS_SEED=N` for one, `MESH_TESTS_SEED=N..M` for some. Leaves:
//! for a promise that did not hold, the seed and the command that plays it again. Guarantees: the same seed plays the same story.

mod components;
mod host;
mod ledger;
mod world;

use mesh_choices::Seeds;
use std::collections::BTreeMap;
use std::ops::Range;
use world::World;

/// Stories of the plain form, as many as fit into some seconds.
const PLAIN: Range<u64> = 0..120;
/// Stories of the long form.
const LONG: Range<u64> = 0..100_000;

#[test]
fn calls_keep_their_promises_under_random_schedules() {
    let seeds = Seeds::of_environment(PLAIN, LONG);
    let mut endings: BTreeMap<String, usize> = BTreeMap::new();
    for seed in seeds.range.clone() {
        match World::new(seed).play() {
            Ok(ended) => ended
                .into_iter()
                .for_each(|ending| *endings.entry(ending).or_default() += 1),
            Err(fault) => panic!(
                "seed {seed}: {fault}\nagain: MESH_TESTS_SEED={seed} cargo test -p mesh-cluster --test model"
            ),
        }
    }
    println!("seeds {:?}: {endings:?}", seeds.range);
    if !seeds.are_chosen {
        for ending in [
            "answered",
            "repeated",
            "rerouted",
            "withdrawn",
            "late",
            "bad endpoint",
            "Error",
            "ServiceUnavailable",
            "Busy",
            "NodeLost",
            "TooLarge",
            "TimeoutError",
            "executed after all",
        ] {
            assert!(
                endings.contains_key(ending),
                "nothing ended with {ending}: {endings:?}"
            );
        }
    }
}
