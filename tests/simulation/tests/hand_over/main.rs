//! Swaps under random schedules keep their promises.
//!
//! Enters: a list of seeds; `MESH_TESTS_LONG=1` for all of them, `MESH_TESTS_SEED` for one. Leaves: for a promise that did not hold, the
//! seed and the command that plays it again.

mod orders;

/// Stories of the plain form, as many as fit into some seconds.
const PLAIN: u64 = 800;
/// Stories of the long form.
const LONG: u64 = 100_000;

#[test]
fn swaps_keep_their_promises_under_random_schedules() {
    let seeds = match (number("MESH_TESTS_SEED"), number("MESH_TESTS_LONG")) {
        (Some(seed), _) => seed..seed + 1,
        (None, Some(1)) => 0..LONG,
        (None, _) => 0..PLAIN,
    };
    for seed in seeds {
        if let Err(faults) = mesh_simulation::play(seed) {
            panic!(
                "seed {seed}:\n  {}\nagain: MESH_TESTS_SEED={seed} cargo test --workspace --test hand_over",
                faults.join("\n  ")
            );
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}
