//! Something that a connection looks after, and for which it is woken while it sleeps.
//!
//! Enters: changes by any thread, and the looks of the connection. Leaves: wakes. Guarantees: what was changed is seen by a look that
//! goes on, or by one for which the connection is woken; a connection that looks is not woken.
//!
//! `tests/simulation/tests/sleep/main.rs` tries all orders in which threads can take these steps.

use super::sync::{AtomicWaker, Mutex, MutexGuard};
use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;
use std::task::Waker;

/// A value that is looked after, and the task that does.
#[derive(Debug)]
pub(super) struct Attended<T> {
    state: Mutex<State<T>>,
    /// The task of the connection.
    waker: AtomicWaker,
}

#[derive(Debug)]
struct State<T> {
    /// The connection is looking and needs no waking.
    is_attended: bool,
    value: T,
}

/// The right to look and to change.
pub(super) struct Guard<'a, T>(MutexGuard<'a, State<T>>);

impl<T> Attended<T> {
    pub(super) fn new(value: T) -> Attended<T> {
        Attended {
            state: Mutex::new(State {
                is_attended: false,
                value,
            }),
            waker: AtomicWaker::new(),
        }
    }

    /// For changes of which the connection need not know, or for those that [`Attended::release`] follows.
    pub(super) fn lock(&self) -> Guard<'_, T> {
        Guard(self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The connection begins to look: from here on changes need not wake it.
    pub(super) fn attend(&self) -> Guard<'_, T> {
        let mut guard = self.lock();
        guard.0.is_attended = true;
        guard
    }

    /// Ends a change, and wakes the connection unless it is looking.
    pub(super) fn release(&self, guard: Guard<'_, T>) {
        let is_attended = guard.0.is_attended;
        drop(guard);
        if !is_attended {
            self.waker.wake();
        }
    }

    /// Ends a change of which the connection has to know even if it has looked at it already.
    pub(super) fn insist(&self, mut guard: Guard<'_, T>) {
        guard.0.is_attended = false;
        self.release(guard);
    }

    /// The connection sleeps from here on, where it may: `permit` looks for what was changed meanwhile, and says so.
    pub(super) fn leave(&self, waker: &Waker, permit: impl FnOnce(&mut T) -> bool) -> bool {
        self.waker.register(waker);
        let mut guard = self.lock();
        let may_sleep = permit(&mut guard);
        if may_sleep {
            guard.0.is_attended = false;
        }
        may_sleep
    }

    /// The connection sleeps, and is woken for nothing but what insists.
    pub(super) fn ignore(&self, waker: &Waker) -> Guard<'_, T> {
        self.waker.register(waker);
        self.lock()
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0.value
    }
}
