//! How a played version behaves.
//!
//! Enters: choices. Leaves: what a version does with each order, and how often it misbehaves.

use mesh_choices::Choices;
use std::time::Duration;

/// The way in which a version obeys an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Duty {
    /// At once.
    Well,
    /// After a while.
    Slowly(Duration),
    /// It says that it cannot.
    Fails,
}

/// The behaviour of one version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Temper {
    pub(crate) creation: Duration,
    pub(crate) refuses_creation: bool,
    pub(crate) start: Duty,
    pub(crate) snapshot: Duty,
    pub(crate) restore: Duty,
    pub(crate) health: Duty,
    pub(crate) stop: Duty,
    /// In percent of calls.
    pub(crate) panics: u32,
    /// In percent of calls.
    pub(crate) errors: u32,
    /// Jobs that keep their lane busy for long, in percent.
    pub(crate) hangs: u32,
    /// Jobs behind which the library leaves its lane, in percent.
    pub(crate) leaves: u32,
    /// The form in which it writes its state; none for one without state.
    pub(crate) schema: Option<u32>,
    /// Whether it reads the forms of all versions, or only its own and older ones.
    pub(crate) reads_all: bool,
}

impl Temper {
    /// A version that does all as it should.
    pub(crate) fn good(schema: Option<u32>) -> Temper {
        Temper {
            creation: Duration::ZERO,
            refuses_creation: false,
            start: Duty::Well,
            snapshot: Duty::Well,
            restore: Duty::Well,
            health: Duty::Well,
            stop: Duty::Well,
            panics: 0,
            errors: 0,
            hangs: 0,
            leaves: 0,
            schema,
            reads_all: true,
        }
    }

    /// A version that takes over and is rolled back.
    pub(crate) fn that_panics(choices: &mut Choices, schema: Option<u32>) -> Temper {
        Temper {
            panics: 20,
            hangs: *choices.pick(&[0, 0, 2]),
            snapshot: Temper::any(choices, schema).snapshot,
            ..Temper::good(schema)
        }
    }

    /// Some version. Each fault is rare, so that most stories get far.
    pub(crate) fn any(choices: &mut Choices, schema: Option<u32>) -> Temper {
        let mut duty = || match choices.below(12) {
            0 => Duty::Fails,
            1 | 2 => Duty::Slowly(Duration::from_millis(choices.below(30) as u64)),
            3 => Duty::Slowly(Duration::from_millis(choices.below(400) as u64)),
            _ => Duty::Well,
        };
        let (start, snapshot, restore, health, stop) = (duty(), duty(), duty(), duty(), duty());
        let mut rarely = |one_in, share| match choices.one_in(one_in) {
            true => share,
            false => 0,
        };
        let (panics, errors, hangs, leaves) = (rarely(8, 10), rarely(6, 40), rarely(5, 4), rarely(16, 2));
        Temper {
            creation: Duration::from_millis(choices.below(20) as u64),
            refuses_creation: choices.one_in(16),
            start,
            snapshot,
            restore,
            health,
            stop,
            panics,
            errors,
            hangs,
            leaves,
            schema,
            reads_all: !choices.one_in(4),
        }
    }
}
