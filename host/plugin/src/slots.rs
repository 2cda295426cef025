//! Calls that wait for completion, under generation-checked tokens.

use std::sync::atomic::{AtomicU32, Ordering};

/// Things waiting, each under a number that is never valid again once it was used.
#[derive(Debug)]
pub(super) struct Slots<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    occupied: usize,
    /// The generation before the first one of a new slot.
    before_first: u32,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    content: Option<T>,
}

/// Position and generation of something that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) position: u32,
    pub(super) generation: u32,
}

/// More than this many calls never wait at one lane.
pub(super) const CAPACITY: usize = 1 << 24;

/// Empty slots above this number are given back.
const SPARE: usize = 1024;

/// The distance between the first generations of two tables, so that a ticket of one is none of another.
const APART: u32 = 0x9E37_79B9;

impl<T> Default for Slots<T> {
    fn default() -> Slots<T> {
        Slots::new()
    }
}

impl<T> Slots<T> {
    pub(super) fn new() -> Slots<T> {
        static TABLES: AtomicU32 = AtomicU32::new(0);
        Slots {
            slots: Vec::new(),
            free: Vec::new(),
            occupied: 0,
            before_first: TABLES.fetch_add(1, Ordering::Relaxed).wrapping_mul(APART),
        }
    }

    /// Keeps `content`; gives it back when all slots are taken.
    pub(super) fn insert(&mut self, content: T) -> Result<Ticket, T> {
        let position = match self.free.pop() {
            Some(position) => position,
            None if self.slots.len() < CAPACITY => {
                self.slots.push(Slot {
                    generation: self.before_first,
                    content: None,
                });
                (self.slots.len() - 1) as u32
            }
            None => return Err(content),
        };
        let slot = &mut self.slots[position as usize];
        slot.generation = slot.generation.wrapping_add(1).max(1);
        slot.content = Some(content);
        self.occupied += 1;
        Ok(Ticket {
            position,
            generation: slot.generation,
        })
    }

    /// Takes out what waits under this ticket; `None` when it is not valid any more.
    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<T> {
        let slot = self.slots.get_mut(ticket.position as usize)?;
        if slot.generation != ticket.generation {
            return None;
        }
        let content = slot.content.take()?;
        self.free.push(ticket.position);
        self.occupied -= 1;
        Some(content)
    }

    /// The receiver under this ticket; `None` when it is not valid any more.
    pub(super) fn get(&self, ticket: Ticket) -> Option<&T> {
        let slot = self.slots.get(ticket.position as usize)?;
        slot.content
            .as_ref()
            .filter(|_| slot.generation == ticket.generation)
    }

    /// As [`Slots::get`], to be changed.
    pub(super) fn get_mut(&mut self, ticket: Ticket) -> Option<&mut T> {
        let slot = self.slots.get_mut(ticket.position as usize)?;
        slot.content
            .as_mut()
            .filter(|_| slot.generation == ticket.generation)
    }

    /// The ticket of what waits at a position.
    pub(super) fn ticket_at(&self, position: u32) -> Option<Ticket> {
        let slot = self.slots.get(position as usize)?;
        let generation = slot.generation;
        slot.content.as_ref().map(|_| Ticket { position, generation })
    }

    /// Gives memory back when nothing waits and there was much. Old tickets stay invalid.
    pub(super) fn shrink(&mut self) {
        if self.occupied > 0 || self.slots.len() <= SPARE {
            return;
        }
        // Behind all that were used, counted from the first one, as generations may wrap.
        let first = self.before_first;
        let used = self.slots.iter().map(|slot| slot.generation.wrapping_sub(first));
        self.before_first = first.wrapping_add(used.max().unwrap_or(0));
        self.slots = Vec::new();
        self.free = Vec::new();
    }

    /// For how much there is room without more memory.
    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        self.slots.capacity()
    }

    /// All that waits.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(|slot| slot.content.as_ref())
    }

    /// Takes out everything for which `wanted` says so.
    pub(super) fn remove_where(&mut self, mut wanted: impl FnMut(&T) -> bool) -> Vec<(Ticket, T)> {
        let mut removed = Vec::new();
        for (position, slot) in self.slots.iter_mut().enumerate() {
            if slot.content.as_ref().is_some_and(&mut wanted)
                && let Some(content) = slot.content.take()
            {
                let position = position as u32;
                self.free.push(position);
                self.occupied -= 1;
                removed.push((
                    Ticket {
                        position,
                        generation: slot.generation,
                    },
                    content,
                ));
            }
        }
        removed
    }

    pub(super) fn len(&self) -> usize {
        self.occupied
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_works_once() {
        let mut slots = Slots::new();
        let first = slots.insert("a").unwrap();
        assert_eq!(slots.get(first), Some(&"a"));
        assert_eq!(slots.remove(first), Some("a"));
        assert_eq!(slots.get(first), None);
        assert_eq!(slots.remove(first), None);
        let second = slots.insert("b").unwrap();
        assert_eq!(second.position, first.position);
        assert_eq!(slots.get(first), None);
        assert_eq!(
            slots.remove(first),
            None,
            "an old ticket does not reach what came later"
        );
        assert_eq!(
            slots.remove(Ticket {
                position: 99,
                generation: 1
            }),
            None
        );
        assert_eq!(slots.remove_where(|_| true), [(second, "b")]);
        assert_eq!(slots.len(), 0);
    }

    #[test]
    fn a_ticket_of_one_table_is_none_of_another() {
        let (mut one, mut other) = (Slots::new(), Slots::new());
        let (first, second) = (one.insert("a").unwrap(), other.insert("b").unwrap());
        assert_eq!(first.position, second.position);
        assert_eq!((one.get(second), other.get(first)), (None, None));
    }

    #[test]
    fn memory_is_given_back_and_old_tickets_stay_invalid() {
        let mut slots = Slots::new();
        let tickets: Vec<Ticket> = (0..100_000).map(|number| slots.insert(number).unwrap()).collect();
        assert!(tickets.iter().all(|ticket| slots.remove(*ticket).is_some()));
        slots.shrink();
        assert_eq!((slots.len(), slots.room()), (0, 0));
        for _ in 0..3 {
            let new = slots.insert(1).unwrap();
            assert!(tickets.iter().all(|ticket| slots.get(*ticket).is_none()));
            assert_eq!(slots.remove(new), Some(1));
        }
    }
}
