//! The last notes about names that strangers choose.
//!
//! Enters: names of any length, each with a note. Leaves: the notes. Guarantees: never more than a fixed number of
//! entries of a fixed size. The one that was noted longest ago goes first. The memory of many entries is given back
//! when they are gone.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;

/// A map that forgets its oldest entries.
#[derive(Debug)]
pub(super) struct Recent<V> {
    /// Names are kept as 64 bits under a key that nobody knows: long ones cost nothing, and nobody can make two names meet.
    hasher: RandomState,
    /// The notes, each with its position in `order`.
    entries: HashMap<u64, (u64, V)>,
    /// The names by the order in which they were noted.
    order: BTreeMap<u64, u64>,
    /// The next position in `order`.
    next: u64,
    /// How many entries there may be.
    limit: usize,
}

impl<V> Recent<V> {
    /// A map of at most `limit` entries.
    pub fn new(limit: usize) -> Recent<V> {
        Recent {
            hasher: RandomState::new(),
            entries: HashMap::new(),
            order: BTreeMap::new(),
            next: 0,
            limit,
        }
    }

    /// The last note about the name.
    pub fn get(&self, name: &str) -> Option<&V> {
        self.entries
            .get(&self.hasher.hash_one(name))
            .map(|(_, value)| value)
    }

    /// Notes `value` about the name, which is the youngest from now on.
    pub fn put(&mut self, name: &str, value: V) {
        let name = self.hasher.hash_one(name);
        if let Some((position, _)) = self.entries.insert(name, (self.next, value)) {
            self.order.remove(&position);
        }
        self.order.insert(self.next, name);
        self.next += 1;
        if self.entries.len() > self.limit {
            self.remove_oldest();
        }
    }

    /// Forgets the name.
    pub fn remove(&mut self, name: &str) {
        if let Some((position, _)) = self.entries.remove(&self.hasher.hash_one(name)) {
            self.order.remove(&position);
        }
    }

    /// Forgets entries, the oldest first, up to the first one that is not `stale`.
    pub fn forget_while(&mut self, stale: impl Fn(&V) -> bool) {
        while let Some((_, name)) = self.order.first_key_value()
            && self.entries.get(name).is_none_or(|(_, value)| stale(value))
        {
            self.remove_oldest();
        }
        // Not at each entry that goes: the table is copied when it shrinks.
        if self.entries.len() < self.entries.capacity() / 8 {
            self.entries.shrink_to(self.entries.len() * 2);
        }
    }

    /// How many entries there are.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        debug_assert_eq!(self.entries.len(), self.order.len());
        self.entries.len()
    }

    /// How many entries there is memory for.
    #[cfg(test)]
    pub fn capacity(&self) -> usize {
        self.entries.capacity()
    }

    fn remove_oldest(&mut self) {
        if let Some((_, name)) = self.order.pop_first() {
            self.entries.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_note_goes_first() {
        let mut recent = Recent::new(2);
        recent.put("first", 1);
        recent.put("second", 2);
        recent.put("first", 3);
        recent.put("third", 4);
        assert_eq!(recent.get("first"), Some(&3));
        assert_eq!(recent.get("second"), None);
        assert_eq!(recent.get("third"), Some(&4));
        assert_eq!(recent.len(), 2);
    }

    #[test]
    fn memory_of_many_names_returns_when_they_are_forgotten() {
        let mut recent = Recent::new(10_000);
        for number in 0..10_000 {
            recent.put(&format!("name {number}"), number);
        }
        assert!(recent.capacity() >= 10_000);
        recent.forget_while(|number| *number < 9_990);
        assert_eq!(recent.len(), 10);
        assert!(
            recent.capacity() < 100,
            "room for {} entries is left",
            recent.capacity()
        );
        assert_eq!(recent.get("name 9995"), Some(&9995));
        recent.remove("name 9995");
        assert_eq!(recent.get("name 9995"), None);
        assert_eq!(recent.len(), 9);
    }
}
