//! Several worlds, each pair of them joined by a line.
//!
//! Enters: texts that one world sends to another. Leaves: the texts that have arrived. Guarantees: one seed decides about all
//! lines and all worlds.

use super::link::{End, Faults, Link};
use super::world::World;
use std::collections::BTreeMap;
use std::ops::{Index, IndexMut};

/// Several worlds.
pub struct Worlds {
    worlds: Vec<World>,
    /// By the places of both ends, the lower one, which is the left end, first.
    links: BTreeMap<[usize; 2], Link<String>>,
}

impl Worlds {
    /// So many worlds, each joined with each other.
    pub fn new(seed: u64, count: usize, faults: Faults) -> Worlds {
        let mut links = BTreeMap::new();
        for left in 0..count {
            for right in left + 1..count {
                let number = (left * count + right) as u64;
                links.insert([left, right], Link::new(seed ^ (number << 32), faults));
            }
        }
        let worlds = (0..count as u64).map(|number| World::new(seed ^ (number << 48)));
        Worlds {
            worlds: worlds.collect(),
            links,
        }
    }

    /// Sends a text from one world to another.
    pub fn send(&mut self, from: usize, to: usize, text: String) {
        let (link, end) = self.link(from, to);
        link.send(end, text);
    }

    /// The events that have arrived at a world from another one.
    pub fn receive(&mut self, at: usize, from: usize) -> Vec<String> {
        let (link, end) = self.link(at, from);
        link.receive(end)
    }

    /// Cuts the line between two worlds.
    pub fn cut(&mut self, one: usize, other: usize) {
        self.link(one, other).0.cut();
    }

    /// Joins the line between two worlds again.
    pub fn mend(&mut self, one: usize, other: usize) {
        self.link(one, other).0.mend();
    }

    /// Lets each world come to rest, and time pass on all lines.
    pub fn tick(&mut self) {
        self.worlds.iter_mut().for_each(World::settle);
        self.links.values_mut().for_each(Link::tick);
    }

    /// The line between two worlds, and the end at which the first of them is.
    fn link(&mut self, at: usize, other: usize) -> (&mut Link<String>, End) {
        let end = if at < other { End::Left } else { End::Right };
        match self.links.get_mut(&[at.min(other), at.max(other)]) {
            Some(link) => (link, end),
            None => panic!("no line joins {at} and {other}"),
        }
    }
}

impl Index<usize> for Worlds {
    type Output = World;

    fn index(&self, place: usize) -> &World {
        &self.worlds[place]
    }
}

impl IndexMut<usize> for Worlds {
    fn index_mut(&mut self, place: usize) -> &mut World {
        &mut self.worlds[place]
    }
}
