//! What one caller has pending, so that nobody takes all that a lane can hold.
//!
//! What enters: calls as they are taken and as they end. What leaves: how many there are, and how large they are together.
//! Guarantees: one atomic step for each call that begins or ends, and no lock.

use super::job::Answer;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One call; bytes are counted below it.
const CALL: u64 = 1 << 40;

/// How many shares there are for addresses.
const ADDRESSES: usize = 256;

/// The pending calls of one caller, over all components.
#[derive(Debug, Default)]
pub struct Share(AtomicU64);

/// What a caller has pending at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Calls.
    pub calls: usize,
    /// Their bytes.
    pub bytes: usize,
}

impl Share {
    /// What is pending.
    pub fn held(&self) -> Held {
        let both = self.0.load(Ordering::Relaxed);
        Held {
            calls: (both / CALL) as usize,
            bytes: (both % CALL) as usize,
        }
    }

    fn take(&self, bytes: u32) {
        self.0.fetch_add(CALL + u64::from(bytes), Ordering::Relaxed);
    }

    fn give_back(&self, bytes: u32) {
        self.0.fetch_sub(CALL + u64::from(bytes), Ordering::Relaxed);
    }
}

/// Shares of those who call over HTTP, by address. Few of them share one, and nobody can choose with whom.
#[derive(Debug)]
pub struct AddressShares {
    shares: Box<[Arc<Share>]>,
    hasher: RandomState,
}

impl AddressShares {
    /// The share of an address.
    pub fn of(&self, address: IpAddr) -> Arc<Share> {
        let position = self.hasher.hash_one(address.to_canonical()) as usize % self.shares.len();
        self.shares[position].clone()
    }
}

impl Default for AddressShares {
    fn default() -> AddressShares {
        AddressShares {
            shares: (0..ADDRESSES).map(|_| Arc::default()).collect(),
            hasher: RandomState::new(),
        }
    }
}

/// An answer that is owed, and counted in the share of who waits for it until it is given or dropped.
pub(super) struct Owed {
    answer: Option<Box<dyn Answer>>,
    bytes: u32,
}

impl Owed {
    /// Counts a call of so many bytes.
    pub(super) fn new(answer: Box<dyn Answer>, bytes: usize) -> Owed {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        if let Some(share) = answer.share() {
            share.take(bytes);
        }
        Owed {
            answer: Some(answer),
            bytes,
        }
    }

    /// Whether nobody waits for it any more.
    pub(super) fn is_unwanted(&self) -> bool {
        self.answer.as_ref().is_some_and(|answer| answer.is_unwanted())
    }

    /// Whether the caller has gone.
    pub(super) fn is_orphaned(&self) -> bool {
        self.answer.as_ref().is_some_and(|answer| answer.is_orphaned())
    }

    /// Counts the call no more, and returns who waits.
    pub(super) fn settle(mut self) -> Option<Box<dyn Answer>> {
        self.give_back();
        self.answer.take()
    }

    fn give_back(&self) {
        if let Some(share) = self.answer.as_ref().and_then(|answer| answer.share()) {
            share.give_back(self.bytes);
        }
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::job::Abandoned;

    struct Waits(Arc<Share>);

    impl Answer for Waits {
        fn answer(self: Box<Self>, _: i32, _: &[u8]) {}
        fn abandon(self: Box<Self>, _: Abandoned) {}
        fn share(&self) -> Option<&Share> {
            Some(&self.0)
        }
    }

    #[test]
    fn a_call_counts_until_it_is_settled_or_dropped() {
        let share = Arc::new(Share::default());
        let owed = |bytes| Owed::new(Box::new(Waits(share.clone())), bytes);
        let (one, other) = (owed(300), owed(1 << 31));
        let both = Held {
            calls: 2,
            bytes: 300 + (1 << 31),
        };
        assert_eq!(share.held(), both);
        assert!(one.settle().is_some());
        assert_eq!(share.held().calls, 1);
        drop(other);
        assert_eq!(share.held(), Held { calls: 0, bytes: 0 });
    }

    #[test]
    fn an_address_has_one_share_however_it_is_written() {
        let shares = AddressShares::default();
        let of = |text: &str| shares.of(text.parse().unwrap());
        assert!(Arc::ptr_eq(&of("192.0.2.1"), &of("::ffff:192.0.2.1")));
        let others = (0..100).filter(|last| {
            let other = of(&format!("198.51.100.{last}"));
            !Arc::ptr_eq(&other, &of("192.0.2.1"))
        });
        assert!(others.count() > 80);
    }
}
