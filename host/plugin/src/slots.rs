//! Calls that wait for completion, under generation-checked tokens.

/// Things waiting, each under a number that is never valid again once it was used.
#[derive(Debug)]
pub(super) struct Slots<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    occupied: usize,
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

impl<T> Slots<T> {
    pub(super) fn new() -> Slots<T> {
        Slots {
            slots: Vec::new(),
            free: Vec::new(),
            occupied: 0,
        }
    }

    /// Keeps `content`; gives it back when all slots are taken.
    pub(super) fn insert(&mut self, content: T) -> Result<Ticket, T> {
        let position = match self.free.pop() {
            Some(position) => position,
            None if self.slots.len() < CAPACITY => {
                self.slots.push(Slot {
                    generation: 0,
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
}
