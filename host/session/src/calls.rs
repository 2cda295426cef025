//! Pending calls of one caller, so that nobody takes all that a lane can hold.
//!
//! Enters: calls as they are taken and as they end. Leaves: how many there are, and how large they are together.
//! Guarantees: one atomic step for each call that begins or ends, and no lock.

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

/// The calls that a caller has pending at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Calls.
    pub calls: usize,
    /// Their bytes.
    pub bytes: usize,
}

impl Share {
    /// The pending calls.
    pub fn held(&self) -> Held {
        let both = self.0.load(Ordering::Relaxed);
        Held {
            calls: (both / CALL) as usize,
            bytes: (both % CALL) as usize,
        }
    }

    /// Counts a call of so many bytes.
    pub fn take(&self, bytes: u32) {
        self.0.fetch_add(CALL + u64::from(bytes), Ordering::Relaxed);
    }

    /// Counts a call no more that was counted with so many bytes.
    pub fn give_back(&self, bytes: u32) {
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

#[cfg(test)]
mod tests {
    use super::*;

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
