//! Every way in which a swap can go, taken to its end in a world that is nothing but a few flags.

use super::*;

/// The effects of the steps, as far as callers could notice.
#[derive(Clone, Debug, Default)]
struct World {
    new_loaded: bool,
    old_loaded: bool,
    /// The new version serves.
    switched: bool,
    /// Calls of whoever serves wait.
    held: bool,
    /// The old version has answered all its calls, or was made to.
    drained: bool,
    /// The old version may still take a state over.
    may_be_overwritten: bool,
    /// The steps that were done, for messages.
    way: Vec<(Step, Outcome)>,
}

impl World {
    fn take(&mut self, step: Step, outcome: Outcome) {
        self.way.push((step, outcome));
        let done = outcome == Outcome::Done;
        match step {
            Step::Create => self.new_loaded = done,
            Step::Quiet => {
                assert!(!self.switched, "{:?}", self.way);
                self.held = true;
            }
            Step::Snapshot | Step::Restore => assert!(self.held && !self.switched, "{:?}", self.way),
            Step::Start | Step::Health => assert!(self.new_loaded && !self.switched, "{:?}", self.way),
            Step::Switch => {
                assert!(self.new_loaded && !self.switched, "{:?}", self.way);
                (self.switched, self.held) = (true, false);
            }
            Step::Probation => assert!(self.switched && !self.held && self.old_loaded, "{:?}", self.way),
            Step::Drain => self.drained = true,
            Step::Unload => {
                assert!(self.switched && self.drained, "{:?}", self.way);
                self.old_loaded = false;
            }
            Step::Reopen => {
                assert!(self.held && !self.switched, "{:?}", self.way);
                self.held = false;
            }
            Step::ReopenNew => {
                assert!(self.held && self.switched, "{:?}", self.way);
                assert!(self.may_be_overwritten, "{:?}", self.way);
                self.held = false;
            }
            Step::UnloadOld => {
                assert!(self.switched && !self.held, "{:?}", self.way);
                self.old_loaded = false;
            }
            Step::Discard | Step::UnloadNew => {
                assert!(
                    !self.switched,
                    "a version that serves is unloaded: {:?}",
                    self.way
                );
                self.new_loaded = false;
            }
            Step::QuietBack => {
                assert!(self.switched, "{:?}", self.way);
                self.held = true;
            }
            Step::SnapshotBack => assert!(self.held && self.switched, "{:?}", self.way),
            Step::RestoreBack => {
                assert!(self.held && self.switched, "{:?}", self.way);
                self.may_be_overwritten = outcome == Outcome::UnderWay;
            }
            Step::SwitchBack => {
                assert!(!self.may_be_overwritten, "{:?}", self.way);
                assert!(
                    self.switched && self.old_loaded && !self.drained,
                    "{:?}",
                    self.way
                );
                (self.switched, self.held) = (false, false);
            }
        }
    }
}

/// Steps that cannot fail.
fn outcomes(step: Step) -> &'static [Outcome] {
    match step {
        Step::Switch | Step::SwitchBack => &[Outcome::Done],
        Step::Snapshot
        | Step::Restore
        | Step::Start
        | Step::Health
        | Step::SnapshotBack
        | Step::RestoreBack => &[Outcome::Done, Outcome::Failed, Outcome::UnderWay],
        _ => &[Outcome::Done, Outcome::Failed],
    }
}

fn explore(machine: Machine, world: World, ends: &mut Vec<(Ending, World)>) {
    assert!(world.way.len() < 20, "no end: {:?}", world.way);
    match machine.next() {
        Next::End(ending) => ends.push((ending, world)),
        Next::Step(step) => {
            for outcome in outcomes(step) {
                let (mut machine, mut world) = (machine, world.clone());
                world.take(step, *outcome);
                machine.advance(*outcome);
                explore(machine, world, ends);
            }
        }
    }
}

#[test]
fn every_way_ends_with_one_version_that_serves() {
    let mut ways = 0;
    for flags in 0..8 {
        let kind = Kind {
            hands_over: flags & 1 != 0,
            hands_back: flags & 2 != 0,
            replaces: flags & 4 != 0,
        };
        if !kind.replaces && (kind.hands_over || kind.hands_back) {
            continue;
        }
        let world = World {
            old_loaded: kind.replaces,
            ..World::default()
        };
        let mut ends = Vec::new();
        explore(Machine::new(kind), world, &mut ends);
        for (ending, world) in &ends {
            assert!(!world.held, "calls wait for ever: {:?}", world.way);
            let expected = match ending {
                Ending::Replaced | Ending::NotRolledBack => (true, true, false),
                Ending::Refused | Ending::RolledBack => (false, false, kind.replaces),
            };
            let found = (world.switched, world.new_loaded, world.old_loaded);
            assert_eq!(found, expected, "{ending:?} {:?}", world.way);
            let failed_before = world
                .way
                .iter()
                .filter(|(step, _)| !matches!(step, Step::Drain | Step::Unload))
                .any(|(_, outcome)| *outcome != Outcome::Done);
            assert_eq!(
                failed_before,
                *ending != Ending::Replaced,
                "a failure leads back, and nothing else does: {:?}",
                world.way
            );
        }
        ways += ends.len();
    }
    assert!(ways > 60, "{ways} ways");
}

#[test]
fn the_steps_of_a_successful_swap_come_in_their_order() {
    let mut machine = Machine::new(Kind {
        hands_over: true,
        hands_back: true,
        replaces: true,
    });
    let mut way = Vec::new();
    while let Next::Step(step) = machine.next() {
        way.push(step);
        machine.advance(Outcome::Done);
    }
    assert_eq!(
        way,
        [
            Step::Create,
            Step::Quiet,
            Step::Snapshot,
            Step::Restore,
            Step::Start,
            Step::Health,
            Step::Switch,
            Step::Probation,
            Step::Drain,
            Step::Unload
        ]
    );
    assert_eq!(machine.next(), Next::End(Ending::Replaced));
}
