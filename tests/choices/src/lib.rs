//! Numbers from a seed, for the tests of all crates, and the seeds that a test plays.
//!
//! Enters: a seed. Leaves: numbers that look like chance. Guarantees: the same seed gives the same numbers, on each machine.

#![forbid(unsafe_code)]

mod seeds;

pub use seeds::Seeds;

/// Choices that follow from a seed.
#[derive(Clone, Debug)]
pub struct Choices(u64);

impl Choices {
    /// Those of this seed.
    pub fn new(seed: u64) -> Choices {
        Choices(seed)
    }

    /// Any number. These are the steps of splitmix64.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below a limit; 0 where the limit is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.number() % limit.max(1) as u64) as usize
    }

    /// True in one of so many cases.
    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    /// One of a list, which must not be empty.
    ///
    /// # Panics
    ///
    /// When the list is empty.
    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, share: u32) -> bool {
        self.below(100) < share as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_each_time() {
        let numbers = |seed| {
            let mut choices = Choices::new(seed);
            (0..100).map(|_| choices.below(1000)).collect::<Vec<_>>()
        };
        assert_eq!(numbers(7), numbers(7));
        assert_ne!(numbers(7), numbers(8));
        assert!(numbers(7).iter().all(|number| *number < 1000));
    }

    #[test]
    fn a_share_of_nothing_and_of_everything_is_exact() {
        let mut choices = Choices::new(1);
        assert!((0..1000).all(|_| !choices.percent(0) && choices.percent(100)));
    }
}
