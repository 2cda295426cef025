//! Clusters under random schedules keep their promises.
//!
//! Enters: a list of seeds; `MESH_TESTS_LONG=1` for all of them, `MESH_TESTS_SEED=N` for one, `MESH_TESTS_SEED=N..M` for some. Leaves: for
//! a promise that did not hold, the seed and the command that plays it again. Guarantees: the members are the crate's own code; played
//! are servers, clocks and processes, on one thread. The same seed plays the same story.
//!
//! Promises that are looked at after each story:
//! - Messages arrive in order and once. None is lost while both incarnations live, but for events that were dropped and told.
//! - A call that was voided or withdrawn is not delivered afterwards. One that was never taken was not delivered before either.
//! - Each call gets one notice in the end. Nothing waits for ever.
//! - The age of a call is right within a lease, and never too large.
//! - Each verdict is one that its rule allows. Nobody is judged by one that is alone. In the end those that live see each other alive.
//! - No message of a replaced incarnation counts. Of each name at most one process stays.
//! - No link holds more than its limits.

mod judge;
mod ledger;
mod moments;
mod nats;
mod process;
mod story;
mod world;

use mesh_choices::Seeds;
use std::ops::{AddAssign, Range};

/// Stories of the plain form, as many as fit into some seconds.
const PLAIN: Range<u64> = 0..200;
/// Stories of the long form.
const LONG: Range<u64> = 0..100_000;

/// How often things happened, so that a story in which nothing happens is noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Happened {
    pub(crate) delivered: u64,
    pub(crate) voided: u64,
    pub(crate) dropped: u64,
    pub(crate) resent: u64,
    pub(crate) doubled: u64,
    pub(crate) late: u64,
    pub(crate) lost: u64,
    pub(crate) away: u64,
    pub(crate) forgotten: u64,
    pub(crate) fenced: u64,
    pub(crate) refused_names: u64,
    pub(crate) left: u64,
    pub(crate) alone: u64,
}

impl AddAssign for Happened {
    fn add_assign(&mut self, other: Happened) {
        self.delivered += other.delivered;
        self.voided += other.voided;
        self.dropped += other.dropped;
        self.resent += other.resent;
        self.doubled += other.doubled;
        self.late += other.late;
        self.lost += other.lost;
        self.away += other.away;
        self.forgotten += other.forgotten;
        self.fenced += other.fenced;
        self.refused_names += other.refused_names;
        self.left += other.left;
        self.alone += other.alone;
    }
}

#[test]
fn clusters_keep_their_promises_under_random_schedules() {
    let seeds = Seeds::of_environment(PLAIN, LONG);
    let mut happened = Happened::default();
    for seed in seeds.range.clone() {
        match story::play(seed) {
            Ok(of_story) => happened += of_story,
            Err(faults) => panic!(
                "seed {seed}:\n  {}\nagain: MESH_TESTS_SEED={seed} cargo test -p mesh-cluster --test links",
                faults.join("\n  ")
            ),
        }
    }
    println!("seeds {:?}: {happened:?}", seeds.range);
    if !seeds.are_chosen {
        let all = [
            happened.delivered,
            happened.voided,
            happened.dropped,
            happened.resent,
            happened.doubled,
            happened.late,
            happened.lost,
            happened.away,
            happened.forgotten,
            happened.fenced,
            happened.refused_names,
            happened.left,
            happened.alone,
        ];
        assert!(
            all.iter().all(|count| *count > 0),
            "something never happened: {happened:?}"
        );
    }
}

#[test]
fn a_seed_plays_the_same_story_each_time() {
    assert_eq!(story::play(3), story::play(3));
}
