//! The operations in flight of one round, shared by its connections.
//!
//! Enters: the requests that were sent, and the frames that arrived. Leaves: which operations may begin, and the
//! [`Record`] of the round. Guarantees: an operation ends once, when its last part has arrived or the first one says
//! that it failed. Only what arrives in the measured time is recorded.
//!
//! An operation's number says which slot it occupies (`number % slots`), and so to which connection it belongs.

use super::measure::Record;
use std::cell::{Cell, RefCell};
use std::time::Instant;
use tokio::sync::Notify;

/// The state of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Load, but nothing counts yet.
    WarmUp,
    /// Everything counts.
    Measuring,
    /// Nothing begins any more; what is in flight may still arrive.
    Draining,
}

/// A thing that arrives for an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Its event, for one subscriber.
    Delivery,
    /// Something else.
    Other,
}

/// The operations of a round.
#[derive(Debug)]
pub(super) struct Board {
    phase: Cell<Phase>,
    /// Operations in flight per connection.
    in_flight: usize,
    /// How many things must arrive for one operation.
    parts: usize,
    /// Whether each delivery is recorded, and not the operation as a whole.
    counts_deliveries: bool,
    inner: RefCell<Inner>,
    /// One per connection, for the case that its operation is completed by what another one receives.
    wakers: Vec<Notify>,
}

#[derive(Debug)]
struct Inner {
    slots: Vec<Slot>,
    /// Slots without operation, by connection.
    idle: Vec<Vec<usize>>,
    record: Record,
}

#[derive(Clone, Debug)]
struct Slot {
    number: u64,
    started: Instant,
    missing: usize,
}

impl Board {
    /// A board for `connections` that send. `deliveries` is the number of subscribers when those are what counts.
    pub(super) fn new(
        connections: usize,
        in_flight: usize,
        answers: usize,
        deliveries: Option<usize>,
    ) -> Board {
        let total = connections * in_flight;
        let started = Instant::now();
        let slots = (0..total)
            .map(|slot| Slot {
                number: slot as u64,
                started,
                missing: 0,
            })
            .collect();
        let idle = (0..connections)
            .map(|one| (one * in_flight..(one + 1) * in_flight).collect())
            .collect();
        Board {
            phase: Cell::new(Phase::WarmUp),
            in_flight,
            parts: answers + deliveries.unwrap_or(0),
            counts_deliveries: deliveries.is_some(),
            inner: RefCell::new(Inner {
                slots,
                idle,
                record: Record::new(),
            }),
            wakers: (0..connections).map(|_| Notify::new()).collect(),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase.get()
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.wakers.iter().for_each(Notify::notify_one);
    }

    /// Begins an operation on a connection that has room for one, and gives it a number.
    pub(super) fn begin(&self, connection: usize, now: Instant) -> Option<u64> {
        if self.phase() == Phase::Draining {
            return None;
        }
        let inner = &mut *self.inner.borrow_mut();
        let slot = inner.idle[connection].pop()?;
        let generation = inner.slots.len() as u64;
        let slot = &mut inner.slots[slot];
        slot.number += generation;
        slot.started = now;
        slot.missing = self.parts;
        Some(slot.number)
    }

    /// Whether a connection has nothing in flight.
    pub(super) fn is_idle(&self, connection: usize) -> bool {
        self.inner.borrow().idle[connection].len() == self.in_flight
    }

    /// Completes when something has changed for a connection that it did not see itself.
    pub(super) async fn changed(&self, connection: usize) {
        self.wakers[connection].notified().await;
    }

    /// One part of an operation has arrived.
    pub(super) fn arrived(&self, number: u64, now: Instant) {
        self.part(number, now, Part::Other);
    }

    /// The event of an operation was delivered to one subscriber.
    pub(super) fn delivered(&self, number: u64, now: Instant) {
        self.part(number, now, Part::Delivery);
    }

    fn part(&self, number: u64, now: Instant, part: Part) {
        let inner = &mut *self.inner.borrow_mut();
        let Some(position) = inner.position(number) else {
            return;
        };
        let slot = &mut inner.slots[position];
        slot.missing -= 1;
        let (started, is_complete) = (slot.started, slot.missing == 0);
        let counts = if self.counts_deliveries {
            part == Part::Delivery
        } else {
            is_complete
        };
        if counts && self.phase() == Phase::Measuring {
            inner.record.operation(now - started);
        }
        if is_complete {
            self.free(inner, position);
        }
    }

    /// An operation has failed.
    pub(super) fn failed(&self, number: u64, why: String) {
        let inner = &mut *self.inner.borrow_mut();
        let Some(position) = inner.position(number) else {
            return;
        };
        inner.slots[position].missing = 0;
        if self.phase() != Phase::WarmUp {
            inner.record.error(1, why);
        }
        self.free(inner, position);
    }

    fn free(&self, inner: &mut Inner, slot: usize) {
        let connection = slot / self.in_flight;
        inner.idle[connection].push(slot);
        self.wakers[connection].notify_one();
    }

    /// A connection broke.
    pub(super) fn broken(&self, why: String) {
        self.inner.borrow_mut().record.error(1, why);
    }

    /// Takes the record of the measured time so far.
    pub(super) fn record<T>(&self, read: impl FnOnce(&Record) -> T) -> T {
        read(&self.inner.borrow().record)
    }

    /// Ends the round: what is still in flight is lost.
    pub(super) fn finish(&self) -> Record {
        let inner = &mut *self.inner.borrow_mut();
        let lost = inner.slots.len() - inner.idle.iter().map(Vec::len).sum::<usize>();
        if lost > 0 {
            inner
                .record
                .error(lost as u64, format!("{lost} operations were never completed"));
        }
        std::mem::replace(&mut inner.record, Record::new())
    }
}

impl Inner {
    /// The slot of an operation that is in flight.
    fn position(&self, number: u64) -> Option<usize> {
        let position = usize::try_from(number % self.slots.len() as u64).ok()?;
        let slot = &self.slots[position];
        (slot.number == number && slot.missing > 0).then_some(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_counts_when_all_of_it_has_arrived() {
        let board = Board::new(1, 2, 2, None);
        board.enter(Phase::Measuring);
        let now = Instant::now();
        let (first, second) = (
            board.begin(0, now).expect("room"),
            board.begin(0, now).expect("room"),
        );
        assert!(board.begin(0, now).is_none());
        board.arrived(first, now);
        assert_eq!(board.record(|record| record.operations), 0);
        board.arrived(first, now);
        board.arrived(first, now);
        assert_eq!(board.record(|record| record.operations), 1);
        board.failed(second, "refused".to_owned());
        assert!(board.is_idle(0));
        let third = board.begin(0, now).expect("room");
        assert_ne!(third, first);
        let record = board.finish();
        assert_eq!(
            (record.operations, record.errors, record.first_error.as_deref()),
            (1, 2, Some("refused"))
        );
    }

    #[test]
    fn deliveries_count_one_by_one() {
        let board = Board::new(1, 1, 1, Some(2));
        board.enter(Phase::Measuring);
        let number = board.begin(0, Instant::now()).expect("room");
        board.delivered(number, Instant::now());
        board.arrived(number, Instant::now());
        assert!(!board.is_idle(0));
        board.delivered(number, Instant::now());
        assert!(board.is_idle(0));
        assert_eq!(board.record(|record| record.operations), 2);
    }
}
