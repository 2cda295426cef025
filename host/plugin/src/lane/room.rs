//! Whether a lane has room for a call or an event.
//!
//! Enters: the content of the lane, the part of the caller, and the new job. Leaves: yes, or the reason why not.
//! Guarantees: the queue is bounded in bytes and calls in number. A caller has no more calls pending than its share.
//! None takes more calls than half of those that are still free, nor more than twice the bytes that are still free.
//! So there is always room for one that holds little, however many take what they can. Events leave half of the queue
//! to calls.

use super::Refusal;
use crate::job::NO_PUBLISHER;
use mesh_session::Held;

/// More calls than this never wait for completion at one lane.
pub(super) const MOST_PENDING: usize = 100_000;

/// How many kinds of publishers events are counted by.
const PUBLISHERS: usize = 64;

/// The limits of one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of calls and events that wait.
    pub bytes: usize,
    /// Calls that one caller may have pending, at all components together.
    pub calls_of_each: usize,
    /// Lanes of the same instance, each with as much room: what a caller holds is spread over them.
    pub lanes: usize,
}

/// The content of a lane at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// Calls that are not answered.
    pub calls: usize,
    /// Bytes that wait.
    pub bytes: usize,
}

impl Limits {
    /// Whether a call of so many bytes can be taken from a caller that holds this much. Calls of components count for nobody.
    pub(super) fn admit(&self, load: Load, size: usize, held: Option<Held>) -> Result<(), Refusal> {
        let overflows = load.bytes > 0 && load.bytes + size > self.bytes;
        if overflows || load.calls >= MOST_PENDING {
            return Err(Refusal::Full);
        }
        let Some(held) = held else { return Ok(()) };
        let free_calls = MOST_PENDING - load.calls;
        if held.calls >= self.calls_of_each || held.calls > free_calls / 2 {
            return Err(Refusal::Share);
        }
        // Half of the queue is for whoever needs it; only behind that bytes are shared out.
        let is_crowded = load.bytes + size > self.bytes / 2;
        let free_bytes = self.bytes.saturating_sub(load.bytes);
        let held_here = held.bytes / self.lanes.max(1);
        if is_crowded && held.calls > 0 && held_here + size > free_bytes.saturating_mul(2) {
            return Err(Refusal::Share);
        }
        Ok(())
    }

    /// Whether those who have gone are worth looking for.
    pub(super) fn is_crowded(&self, load: Load) -> bool {
        load.calls > MOST_PENDING / 4 || load.bytes > self.bytes / 4
    }
}

/// The events that wait, by who published them.
#[derive(Debug)]
pub(super) struct Events {
    bytes: usize,
    by_publisher: Box<[usize; PUBLISHERS]>,
}

impl Events {
    pub(super) fn none() -> Events {
        Events {
            bytes: 0,
            by_publisher: Box::new([0; PUBLISHERS]),
        }
    }

    /// Whether an event can be taken, which is counted then.
    pub(super) fn admit(&mut self, limits: &Limits, waiting: usize, size: usize, publisher: u8) -> bool {
        let most = limits.bytes / 2;
        let overflows = waiting > 0 && waiting + size > limits.bytes;
        if overflows || (self.bytes > 0 && self.bytes + size > most) {
            return false;
        }
        let own = match publisher {
            NO_PUBLISHER => None,
            publisher => self.by_publisher.get_mut(usize::from(publisher) % PUBLISHERS),
        };
        if let Some(own) = own {
            let is_crowded = self.bytes + size > most / 2;
            if is_crowded && *own > 0 && *own + size > most.saturating_sub(self.bytes) / 2 {
                return false;
            }
            *own += size;
        }
        self.bytes += size;
        true
    }

    /// None waits any more.
    pub(super) fn clear(&mut self) {
        if self.bytes > 0 {
            self.bytes = 0;
            self.by_publisher.fill(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        bytes: 1 << 20,
        calls_of_each: 10_000,
        lanes: 1,
    };

    /// Lets callers take what they get, in turn, until none gets anything. Returns what each holds, and what is held.
    fn fill(callers: usize, size: usize) -> (Vec<Held>, Load) {
        let mut held = vec![Held { calls: 0, bytes: 0 }; callers];
        let mut load = Load { calls: 0, bytes: 0 };
        loop {
            let before = load.calls;
            for own in &mut held {
                if LIMITS.admit(load, size, Some(*own)).is_ok() {
                    own.calls += 1;
                    own.bytes += size;
                    load.calls += 1;
                    load.bytes += size;
                }
            }
            if load.calls == before {
                return (held, load);
            }
        }
    }

    #[test]
    fn one_caller_takes_its_share_of_calls_and_no_more() {
        let (held, load) = fill(1, 0);
        assert_eq!(held[0].calls, 10_000);
        assert_eq!(LIMITS.admit(load, 0, Some(held[0])), Err(Refusal::Share));
        assert_eq!(LIMITS.admit(load, 0, Some(Held { calls: 0, bytes: 0 })), Ok(()));
        assert_eq!(LIMITS.admit(load, 0, None), Ok(()), "components have no share");
    }

    #[test]
    fn however_many_take_what_they_can_there_is_room_for_one_that_holds_little() {
        for callers in [1, 2, 9, 10, 11, 50, 300] {
            for size in [0, 100] {
                let (_, load) = fill(callers, size);
                for calls in 0..20 {
                    let held = Held {
                        calls,
                        bytes: calls * size,
                    };
                    assert_eq!(
                        LIMITS.admit(load, size, Some(held)),
                        Ok(()),
                        "{callers} callers, {size} bytes"
                    );
                }
            }
        }
    }

    #[test]
    fn one_caller_may_fill_two_thirds_of_the_queue() {
        let (held, load) = fill(1, 1000);
        assert!(held[0].bytes > LIMITS.bytes / 3 * 2 - 2001, "{held:?}");
        assert!(load.bytes < LIMITS.bytes / 3 * 2 + 1001);
        let nothing = Held { calls: 0, bytes: 0 };
        assert_eq!(LIMITS.admit(load, LIMITS.bytes / 4, Some(nothing)), Ok(()));
        let empty = Load { calls: 0, bytes: 0 };
        assert_eq!(
            LIMITS.admit(empty, LIMITS.bytes * 2, Some(nothing)),
            Ok(()),
            "a single one always fits"
        );
    }

    #[test]
    fn a_caller_may_fill_two_thirds_of_each_of_several_lanes() {
        let lanes = 4;
        let limits = Limits { lanes, ..LIMITS };
        let mut held = Held { calls: 0, bytes: 0 };
        let mut loads = vec![Load { calls: 0, bytes: 0 }; lanes];
        let mut refused = 0;
        while refused < lanes {
            for load in &mut loads {
                match limits.admit(*load, 1000, Some(held)) {
                    Ok(()) => {
                        held = Held {
                            calls: held.calls + 1,
                            bytes: held.bytes + 1000,
                        };
                        load.calls += 1;
                        load.bytes += 1000;
                        refused = 0;
                    }
                    Err(_) => refused += 1,
                }
            }
        }
        assert!(held.bytes > lanes * (LIMITS.bytes / 3 * 2 - 5001), "{held:?}");
    }

    #[test]
    fn events_leave_room_for_calls_and_for_events_of_others() {
        let mut events = Events::none();
        let mut taken = 0;
        while events.admit(&LIMITS, taken, 100, 1) {
            taken += 100;
        }
        assert!(taken <= LIMITS.bytes / 4 + 100, "{taken}");
        let load = Load {
            calls: 0,
            bytes: taken,
        };
        assert_eq!(
            LIMITS.admit(load, 1000, Some(Held { calls: 0, bytes: 0 })),
            Ok(())
        );
        assert!(events.admit(&LIMITS, taken, 100, 2), "of another publisher");
        for publisher in 0..PUBLISHERS as u8 {
            while events.admit(&LIMITS, taken, 100, publisher) {
                taken += 100;
            }
        }
        while events.admit(&LIMITS, taken, 100, NO_PUBLISHER) {
            taken += 100;
        }
        assert!(taken <= LIMITS.bytes / 2, "{taken}");
        events.clear();
        assert!(
            events.admit(&LIMITS, 0, LIMITS.bytes * 2, 1),
            "a single one always fits"
        );
    }
}
