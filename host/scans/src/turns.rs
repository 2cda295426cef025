//! Whose turn it is: a queue that is fair to users and addresses, and to the sessions of each.
//!
//! Enters: pieces of work with their owners. Leaves: the one whose turn it is. Guarantees: owners take turns, however
//! much work each of them has. The pieces of one owner take turns among themselves. While what is collected holds
//! more than the limit, only the eldest collecting piece collects on, so that one of them always ends.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

/// Whose work it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// A user who has logged in, however many connections that user has.
    User(Arc<str>),
    /// Nobody in particular, at this address.
    Address(IpAddr),
    /// A component.
    Component(Arc<str>),
}

/// The memory that a piece of work uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// It holds what it finds until it ends.
    Collects,
    /// It holds next to nothing.
    Constant,
}

/// A piece of work in the queue, or taken out for its turn.
#[derive(Debug)]
pub(super) struct Entry<W> {
    pub(super) owner: Owner,
    pub(super) work: W,
    memory: Memory,
    /// Rises with each piece that comes in.
    number: u64,
    /// Bytes that it held at the end of its last turn.
    held: usize,
}

/// The queue.
#[derive(Debug)]
pub(super) struct Turns<W> {
    queues: HashMap<Owner, VecDeque<Entry<W>>>,
    /// Owners with something in their queue, the next one first.
    ring: VecDeque<Owner>,
    next_number: u64,
    /// The numbers of all pieces that collect, those that are taken out among them.
    collecting: std::collections::BTreeSet<u64>,
    /// Bytes held by all pieces.
    held: usize,
    most_held: usize,
}

impl<W> Turns<W> {
    /// An empty queue. When its pieces hold `most_held` bytes, they collect one after the other.
    pub(super) fn new(most_held: usize) -> Turns<W> {
        Turns {
            queues: HashMap::new(),
            ring: VecDeque::new(),
            next_number: 0,
            collecting: std::collections::BTreeSet::new(),
            held: 0,
            most_held,
        }
    }

    /// Whether no piece waits for a turn.
    pub(super) fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// Takes a new piece, behind all others of its owner.
    pub(super) fn add(&mut self, owner: Owner, memory: Memory, work: W) {
        let number = self.next_number;
        self.next_number += 1;
        if memory == Memory::Collects {
            self.collecting.insert(number);
        }
        self.queue(Entry {
            owner,
            work,
            memory,
            number,
            held: 0,
        });
    }

    /// Takes out the piece whose turn it is, if one may go on.
    pub(super) fn next(&mut self) -> Option<Entry<W>> {
        let eldest = match self.held >= self.most_held {
            true => self.collecting.first().copied(),
            false => None,
        };
        let may_go_on = |entry: &Entry<W>| {
            entry.memory == Memory::Constant || eldest.is_none_or(|eldest| eldest == entry.number)
        };
        for _ in 0..self.ring.len() {
            let owner = self.ring.pop_front()?;
            let Some(queue) = self.queues.get_mut(&owner) else {
                continue;
            };
            let taken = queue
                .iter()
                .position(may_go_on)
                .and_then(|place| queue.remove(place));
            match queue.is_empty() {
                true => drop(self.queues.remove(&owner)),
                false => self.ring.push_back(owner),
            }
            if taken.is_some() {
                return taken;
            }
        }
        None
    }

    /// Takes a piece back at the end of its turn, with what it holds now.
    pub(super) fn give_back(&mut self, mut entry: Entry<W>, held: usize) {
        self.held = self.held - entry.held + held;
        entry.held = held;
        self.queue(entry);
    }

    /// Forgets a piece that has ended.
    pub(super) fn end(&mut self, entry: &Entry<W>) {
        self.held -= entry.held;
        self.collecting.remove(&entry.number);
    }

    /// Takes out everything that waits.
    pub(super) fn clear(&mut self) -> Vec<Entry<W>> {
        self.ring.clear();
        let waiting: Vec<Entry<W>> = self.queues.drain().flat_map(|(_, queue)| queue).collect();
        waiting.iter().for_each(|entry| self.end(entry));
        waiting
    }

    fn queue(&mut self, entry: Entry<W>) {
        let queue = self.queues.entry(entry.owner.clone()).or_default();
        if queue.is_empty() {
            self.ring.push_back(entry.owner.clone());
        }
        queue.push_back(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> Owner {
        Owner::User(name.into())
    }

    /// Gives that many turns. Returns who had them.
    fn turns(queue: &mut Turns<&'static str>, count: usize, held: usize) -> Vec<&'static str> {
        (0..count)
            .map_while(|_| {
                let entry = queue.next()?;
                let work = entry.work;
                queue.give_back(entry, held);
                Some(work)
            })
            .collect()
    }

    #[test]
    fn owners_take_turns_however_much_each_of_them_has() {
        let mut queue = Turns::new(1000);
        for _ in 0..50 {
            queue.add(user("greedy"), Memory::Collects, "greedy");
        }
        queue.add(user("honest"), Memory::Collects, "honest");
        let had = turns(&mut queue, 20, 0);
        assert_eq!(had.iter().filter(|work| **work == "honest").count(), 10);
    }

    #[test]
    fn the_sessions_of_one_owner_take_turns() {
        let mut queue = Turns::new(1000);
        for session in ["a", "b", "c"] {
            queue.add(user("u"), Memory::Constant, session);
        }
        assert_eq!(turns(&mut queue, 6, 0), ["a", "b", "c", "a", "b", "c"]);
    }

    #[test]
    fn when_much_is_held_the_eldest_goes_on_alone_beside_those_that_hold_nothing() {
        let mut queue = Turns::new(100);
        queue.add(user("a"), Memory::Collects, "first");
        queue.add(user("b"), Memory::Collects, "second");
        queue.add(user("c"), Memory::Constant, "count");
        assert_eq!(turns(&mut queue, 3, 50), ["first", "second", "count"]);
        let mut had = turns(&mut queue, 4, 60);
        had.sort_unstable();
        assert_eq!(had, ["count", "count", "first", "first"]);
        // The eldest ends: the next one is the eldest.
        let first = loop {
            let entry = queue.next().unwrap();
            if entry.work == "first" {
                break entry;
            }
            queue.give_back(entry, 0);
        };
        queue.end(&first);
        assert!(turns(&mut queue, 4, 50).contains(&"second"));
    }

    #[test]
    fn while_the_eldest_has_its_turn_nobody_else_collects() {
        let mut queue = Turns::new(10);
        queue.add(user("a"), Memory::Collects, "first");
        queue.add(user("b"), Memory::Collects, "second");
        assert_eq!(turns(&mut queue, 1, 10), ["first"]);
        let first = queue.next().unwrap();
        assert_eq!(first.work, "first");
        assert!(queue.next().is_none());
        assert!(!queue.is_empty());
        queue.end(&first);
        assert_eq!(queue.next().unwrap().work, "second");
    }
}
