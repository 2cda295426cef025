//! Swaps under random schedules keep their promises.
//!
//! Enters: a list of seeds; `MESH_TESTS_LONG=1` for all of them, `MESH_TESTS_SEED=N` for one, `MESH_TESTS_SEED=N..M` for some. Leaves: for
//! a promise that did not hold, the seed and the command that plays it again.

mod orders;

use mesh_choices::Seeds;
use mesh_deploy::swap::Ending;
use std::collections::HashMap;
use std::ops::Range;

/// Stories of the plain form, as many as fit into some seconds.
const PLAIN: Range<u64> = 0..800;
/// Stories of the long form.
const LONG: Range<u64> = 0..100_000;

#[test]
fn swaps_keep_their_promises_under_random_schedules() {
    let seeds = Seeds::of_environment(PLAIN, LONG);
    let mut endings: HashMap<Ending, usize> = HashMap::new();
    for seed in seeds.range.clone() {
        match mesh_simulation::play(seed) {
            Ok(ended) => ended
                .into_iter()
                .for_each(|ending| *endings.entry(ending).or_default() += 1),
            Err(faults) => panic!(
                "seed {seed}:\n  {}\nagain: MESH_TESTS_SEED={seed} cargo test --workspace --test hand_over",
                faults.join("\n  ")
            ),
        }
    }
    println!("seeds {:?}: {endings:?}", seeds.range);
    if !seeds.are_chosen {
        for ending in [
            Ending::Replaced,
            Ending::Refused,
            Ending::RolledBack,
            Ending::NotRolledBack,
        ] {
            assert!(endings.contains_key(&ending), "no swap ended as {ending:?}");
        }
    }
}
