//! Which frames wait for which: an answer leaves behind the publications of what it answers, on whatever connections
//! they go out.
//!
//! Enters: one [`InFlight`] per publication, and an [`After`] with the answer. Each recipient's queue holds a copy of
//! the first until its connection has tried to write the frame. Leaves: whether the answer may be written, and the
//! waking of who waits for that. Guarantees: a publication counts as tried when the last copy is dropped, so a
//! recipient that is slow, closed or gone holds up nobody. Two connections never wait for each other, because a frame
//! waits only for frames that were pushed before it.

use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::Waker;

/// One publication, until each of its recipients has tried to write it.
#[derive(Clone, Debug, Default)]
pub struct InFlight(Arc<Flight>);

/// The condition that a frame waits for.
#[derive(Clone, Debug)]
pub struct After(Weak<Flight>);

#[derive(Debug, Default)]
struct Flight {
    awaited: Mutex<Awaited>,
}

#[derive(Debug, Default)]
struct Awaited {
    /// The tasks that are woken at its end.
    wakers: Vec<Waker>,
    /// The condition that ends no sooner.
    later: Vec<InFlight>,
}

impl InFlight {
    /// The frames that wait for it.
    pub fn after(&self) -> After {
        After(Arc::downgrade(&self.0))
    }
}

impl After {
    /// Whether nothing is left to wait for.
    pub fn is_over(&self) -> bool {
        self.is_over_but_for(&[])
    }

    /// Whether nothing is left to wait for but these.
    pub fn is_over_but_for(&self, own: &[InFlight]) -> bool {
        let own = own
            .iter()
            .filter(|own| Arc::as_ptr(&own.0) == self.0.as_ptr())
            .count();
        if self.0.strong_count() > own {
            return false;
        }
        // Writes from before the last copy was dropped come before those from now.
        fence(Ordering::Acquire);
        true
    }

    /// Wakes a task when nothing is left to wait for, be that now.
    pub fn wake(&self, waker: &Waker) {
        // While this copy is there it has not ended; where it is the last one, dropping it wakes.
        if let Some(flight) = self.0.upgrade() {
            let mut awaited = flight.awaited.lock().unwrap_or_else(PoisonError::into_inner);
            if !awaited.wakers.iter().any(|other| other.will_wake(waker)) {
                awaited.wakers.push(waker.clone());
            }
        } else {
            waker.wake_by_ref();
        }
    }

    /// Waits for this publication, for which nobody else waits yet, and for an earlier one.
    pub fn and_before(self, earlier: After) -> After {
        let Some(before) = earlier.0.upgrade() else {
            return self;
        };
        let Some(own) = self.0.upgrade() else {
            return earlier;
        };
        let mut awaited = before.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        awaited.later.push(InFlight(own));
        drop(awaited);
        self
    }

    /// Waits for both.
    pub fn both(first: After, second: After) -> After {
        let (Some(one), Some(other)) = (first.0.upgrade(), second.0.upgrade()) else {
            return if first.is_over() { second } else { first };
        };
        if Arc::ptr_eq(&one, &other) {
            return first;
        }
        let later = InFlight::default();
        for flight in [one, other] {
            let mut awaited = flight.awaited.lock().unwrap_or_else(PoisonError::into_inner);
            awaited.later.push(later.clone());
        }
        later.after()
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let awaited = self.awaited.get_mut().unwrap_or_else(PoisonError::into_inner);
        let mut wakers = std::mem::take(&mut awaited.wakers);
        // One after the other: each of these may be what still others wait for, and the stack is not made for long rows.
        let mut later = std::mem::take(&mut awaited.later);
        while let Some(next) = later.pop() {
            if let Some(mut ended) = Arc::into_inner(next.0) {
                let awaited = ended.awaited.get_mut().unwrap_or_else(PoisonError::into_inner);
                wakers.append(&mut awaited.wakers);
                later.append(&mut awaited.later);
            }
        }
        wakers.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn the_last_recipient_ends_the_waiting() {
        let (woken, publication) = (Arc::new(Woken::default()), InFlight::default());
        let after = publication.after();
        let copy = publication.clone();
        drop(publication);
        after.wake(&woken.clone().into());
        after.wake(&woken.clone().into());
        assert!(!after.is_over());
        assert!(after.is_over_but_for(std::slice::from_ref(&copy)));
        drop(copy);
        assert!(after.is_over());
        assert_eq!(woken.0.load(Ordering::Relaxed), 1, "however often it asked");
        after.wake(&woken.clone().into());
        assert_eq!(woken.0.load(Ordering::Relaxed), 2, "there is nothing to wait for");
    }

    #[test]
    fn two_conditions_are_waited_for_in_either_order() {
        for (first_ends_first, chained) in [(true, false), (false, false), (true, true), (false, true)] {
            let woken = Arc::new(Woken::default());
            let (one, other) = (InFlight::default(), InFlight::default());
            let both = match chained {
                false => After::both(one.after(), other.after()),
                true => other.after().and_before(one.after()),
            };
            both.wake(&woken.clone().into());
            let (sooner, later) = if first_ends_first {
                (one, other)
            } else {
                (other, one)
            };
            drop(sooner);
            assert!(!both.is_over());
            assert_eq!(woken.0.load(Ordering::Relaxed), 0);
            drop(later);
            assert!(both.is_over());
            assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        }
    }

    #[test]
    fn a_long_chain_of_waits_ends_without_a_deep_stack() {
        let first = InFlight::default();
        let mut last = first.after();
        let mut others = Vec::new();
        for _ in 0..200_000 {
            let other = InFlight::default();
            last = After::both(last, other.after());
            others.push(other);
        }
        others.clear();
        assert!(!last.is_over());
        drop(first);
        assert!(last.is_over());
    }
}
