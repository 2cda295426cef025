//! Tables that give memory back when what was in them is gone.
//!
//! Enters: a table from which something was taken. Leaves: the same, perhaps smaller. Guarantees: the memory of a
//! table is in proportion to what is in it, and giving back costs no more than having taken did.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};

/// Smaller tables stay as they are.
const SMALL: usize = 32;

/// Gives memory back when three quarters of it are not used.
pub(super) fn shrink<K: Eq + Hash, V, S: BuildHasher>(map: &mut HashMap<K, V, S>) {
    if map.capacity() > SMALL && map.len() < map.capacity() / 4 {
        map.shrink_to(2 * map.len());
    }
}

/// The same for a list.
pub(super) fn shrink_list<T>(list: &mut Vec<T>) {
    if list.capacity() > SMALL && list.len() < list.capacity() / 4 {
        list.shrink_to(2 * list.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_follow_what_is_in_them() {
        let mut map: HashMap<usize, usize> = (0..100_000).map(|number| (number, number)).collect();
        let mut list: Vec<usize> = (0..100_000).collect();
        for number in 0..100_000 {
            map.remove(&number);
            list.pop();
            shrink(&mut map);
            shrink_list(&mut list);
            assert!(map.capacity() <= SMALL.max(8 * map.len()), "{}", map.len());
            assert!(list.capacity() <= SMALL.max(8 * list.len()), "{}", list.len());
        }
    }
}
