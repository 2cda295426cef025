//! Connections that nobody has logged in with yet: how many there may be, and what each may cost.
//!
//! Enters: the address of each accepted connection, and the moment when it counts no longer. Leaves: a place, or that
//! there is none. Guarantees: places are bounded together and for each address. A place that is dropped is free
//! again. Their memory together grows no further once there are more than a few hundred. Refusals are counted, and
//! reported at most once in each call of [`Admission::tell`].

use mesh_wire::network::network_of;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use thiserror::Error;

/// With more connections than this, the limits of each shrink.
const IN_FULL: usize = 512;
/// The part of a limit that is left to each however many there are.
const LEAST_PART: usize = 16;

/// How many connections there may be that nobody has logged in with.
#[derive(Clone, Copy, Debug)]
pub struct AdmissionLimits {
    /// Of all addresses together.
    pub all: usize,
    /// Of one address.
    pub per_address: usize,
}

/// Counts the connections that nobody has logged in with.
#[derive(Debug)]
pub struct Admission {
    limits: AdmissionLimits,
    /// Changed only while `by_address` is locked.
    all: AtomicUsize,
    by_address: Mutex<HashMap<IpAddr, usize>>,
    refused: AtomicU64,
    /// Those of `refused` that the log knows of.
    reported: AtomicU64,
    timed_out: AtomicU64,
}

/// There are too many connections that nobody has logged in with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("too many connections without a login")]
pub struct Crowded;

/// Counts for one connection until it is dropped.
#[derive(Debug)]
pub struct Place {
    admission: Arc<Admission>,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.admission.leave(self.address);
    }
}

impl Admission {
    /// Nobody is there.
    pub fn new(limits: AdmissionLimits) -> Arc<Admission> {
        Arc::new(Admission {
            limits,
            all: AtomicUsize::new(0),
            by_address: Mutex::default(),
            refused: AtomicU64::new(0),
            reported: AtomicU64::new(0),
            timed_out: AtomicU64::new(0),
        })
    }

    /// A place for a connection that was accepted.
    ///
    /// # Errors
    ///
    /// When there are too many, of this address or of all. That is counted.
    pub fn enter(self: &Arc<Admission>, address: IpAddr) -> Result<Place, Crowded> {
        self.take(address, self.limits).inspect_err(|_| {
            self.refused.fetch_add(1, Ordering::Relaxed);
        })
    }

    /// A place for a connection that is there already, and whose login does not hold any more.
    pub fn return_to(self: &Arc<Admission>, address: IpAddr) -> Option<Place> {
        let unlimited = AdmissionLimits {
            all: usize::MAX,
            per_address: usize::MAX,
        };
        self.take(address, unlimited).ok()
    }

    fn take(self: &Arc<Admission>, address: IpAddr, limits: AdmissionLimits) -> Result<Place, Crowded> {
        let address = network_of(address);
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if self.all.load(Ordering::Relaxed) >= limits.all {
            return Err(Crowded);
        }
        let own = by_address.entry(address).or_default();
        if *own >= limits.per_address {
            return Err(Crowded);
        }
        *own += 1;
        self.all.fetch_add(1, Ordering::Relaxed);
        Ok(Place {
            admission: self.clone(),
            address,
        })
    }

    fn leave(&self, address: IpAddr) {
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        self.all.fetch_sub(1, Ordering::Relaxed);
        if let Some(own) = by_address.get_mut(&address) {
            *own -= 1;
            if *own == 0 {
                by_address.remove(&address);
            }
        }
        if by_address.capacity() > 64 && by_address.len() * 8 < by_address.capacity() {
            by_address.shrink_to_fit();
        }
    }

    /// How much of a limit a connection gets that opens now: all of it, and less in a crowd.
    pub fn share(&self, limit: usize) -> usize {
        let all = self.count().max(1);
        let share = limit.saturating_mul(IN_FULL) / all;
        share.clamp(limit / LEAST_PART, limit)
    }

    /// How many connections there are that nobody has logged in with.
    pub fn count(&self) -> usize {
        self.all.load(Ordering::Relaxed)
    }

    /// How many were refused.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Counts one that was closed because nobody logged in.
    pub fn note_time_out(&self) {
        self.timed_out.fetch_add(1, Ordering::Relaxed);
    }

    /// How many were closed because nobody logged in.
    pub fn timed_out(&self) -> u64 {
        self.timed_out.load(Ordering::Relaxed)
    }

    /// Says in the log how many were refused since it was said last. To be called about once a second.
    pub fn tell(&self) {
        let refused = self.refused();
        let reported = self.reported.swap(refused, Ordering::Relaxed);
        if refused > reported {
            let (now, limits) = (self.count(), self.limits);
            tracing::warn!(
                "{} connections were refused: {now} are open without a login; {} may be, and {} of one address",
                refused - reported,
                limits.all,
                limits.per_address
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn places_are_bounded_together_and_for_each_address() {
        let admission = Admission::new(AdmissionLimits {
            all: 3,
            per_address: 2,
        });
        let first = admission.enter(address("10.0.0.1")).unwrap();
        let _second = admission.enter(address("::ffff:10.0.0.1")).unwrap();
        assert_eq!(admission.enter(address("10.0.0.1")).err(), Some(Crowded));
        let _other = admission.enter(address("10.0.0.2")).unwrap();
        assert_eq!(admission.enter(address("10.0.0.3")).err(), Some(Crowded));
        assert_eq!((admission.count(), admission.refused()), (3, 2));
        drop(first);
        assert!(admission.enter(address("10.0.0.3")).is_ok());
        assert_eq!(admission.count(), 2);
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let admission = Admission::new(AdmissionLimits {
            all: 9,
            per_address: 1,
        });
        let _first = admission.enter(address("2001:db8::1")).unwrap();
        assert!(admission.enter(address("2001:db8::2:3:4:5")).is_err());
        assert!(admission.enter(address("2001:db8:0:1::1")).is_ok());
    }

    #[test]
    fn addresses_without_connections_are_forgotten() {
        let admission = Admission::new(AdmissionLimits {
            all: 2000,
            per_address: 1,
        });
        let places: Vec<Place> = (0..1000_u32)
            .map(|number| admission.enter(IpAddr::from(number.to_be_bytes())).unwrap())
            .collect();
        drop(places);
        let by_address = admission.by_address.lock().unwrap();
        assert_eq!(by_address.len(), 0);
        assert!(by_address.capacity() < 100);
    }

    #[test]
    fn a_session_that_returns_is_never_refused_and_counts() {
        let admission = Admission::new(AdmissionLimits {
            all: 1,
            per_address: 1,
        });
        let _place = admission.return_to(address("10.0.0.1"));
        let _another = admission.return_to(address("10.0.0.1"));
        assert_eq!(admission.count(), 2);
        assert!(admission.enter(address("10.0.0.2")).is_err());
    }

    #[test]
    fn limits_shrink_in_a_crowd_and_never_to_nothing() {
        let admission = Admission::new(AdmissionLimits {
            all: 1 << 20,
            per_address: 1 << 20,
        });
        assert_eq!(admission.share(64 * 1024), 64 * 1024);
        let mut places = Vec::new();
        for (count, share) in [(512, 64), (1024, 32), (4096, 8), (20_000, 4)] {
            while places.len() < count {
                places.push(admission.enter(address("10.0.0.1")).unwrap());
            }
            assert_eq!(admission.share(64 * 1024), share * 1024, "{count} connections");
        }
    }
}
