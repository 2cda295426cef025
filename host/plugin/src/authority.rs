//! For which call a component asks the host for something, and with whose rights.
//!
//! Enters: the call that a thread of the component says it works on. Leaves: that call and its caller, as long as
//! the call is to be answered. Guarantees: a thread speaks for one instance at a time, so that the token of another
//! instance never stands for a call of this one; what is remembered of a thread needs no destructor, and so never keeps a
//! library in memory.

use super::chain::Began;
use mesh_wire::origin::Origin;
use mesh_wire::traceparent::Traceparent;
use std::cell::Cell;
use std::time::{Duration, Instant};

/// For which call a component asks for something, and with whose rights.
#[derive(Clone, Debug, Default)]
pub struct Authority {
    /// With whose rights it is done.
    pub rights: Rights,
    /// The call that it is done for, where the component says so.
    pub call: Option<ServedCall>,
    /// When the chain of calls began that the call belongs to, where the request itself names the call.
    pub chain: Option<Began>,
    /// The trace that a called component learns of.
    pub trace: Option<Traceparent>,
}

/// For what a request is made, as it says itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MadeFor {
    /// For the component itself.
    Component,
    /// For a call with this token.
    Call(u64),
    /// For an event of the subscription with this token.
    Event(u64),
}

/// A call that a component works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServedCall {
    /// The number that the component completes it by.
    pub token: u64,
    /// Until when its caller waits; nothing where nobody does any more, or ever did.
    pub deadline: Option<Instant>,
}

/// With whose rights a component asks for something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Rights {
    /// Its own: it may do everything.
    #[default]
    Component,
    /// Those of the caller of one of its calls.
    Caller(Origin),
    /// Those of a caller who waits no more, or never was.
    Gone,
}

/// A call that the component works on.
#[derive(Clone, Debug)]
pub(super) struct Served {
    /// Who called, where that is remembered.
    pub(super) origin: Option<Origin>,
    /// Until when somebody waits.
    pub(super) deadline: Instant,
    /// When the chain of calls began that it belongs to.
    pub(super) began: Began,
    /// The trace that it belongs to.
    pub(super) trace: Option<Traceparent>,
}

/// The caller of a call that is not answered yet.
#[derive(Clone, Debug)]
pub(super) struct WaitingCaller {
    /// Who it is.
    pub(super) origin: Origin,
    /// Until when it waits.
    pub(super) deadline: Instant,
}

impl Authority {
    /// For the call of this token, whose caller is looked for.
    pub(super) fn for_call(token: u64, caller: Option<WaitingCaller>) -> Authority {
        let deadline = caller.as_ref().map(|caller| caller.deadline);
        Authority {
            rights: caller.map_or(Rights::Gone, |caller| Rights::Caller(caller.origin)),
            call: Some(ServedCall { token, deadline }),
            ..Authority::default()
        }
    }

    /// For the call of this token, which the component works on. The caller's rights count where the component delegates.
    pub(super) fn for_served(token: u64, served: Served, delegates: bool) -> Authority {
        let rights = match (delegates, served.origin) {
            (false, _) => Rights::Component,
            (true, Some(origin)) => Rights::Caller(origin),
            (true, None) => Rights::Gone,
        };
        Authority {
            rights,
            call: Some(ServedCall {
                token,
                deadline: Some(served.deadline),
            }),
            chain: Some(served.began),
            trace: served.trace,
        }
    }

    /// As long as this, or as long as somebody waits for the call, where the request itself names it.
    pub fn bounded(&self, timeout: Duration, now: Instant) -> Duration {
        match (self.chain, self.call.and_then(|call| call.deadline)) {
            (Some(_), Some(deadline)) => timeout.min(deadline.saturating_duration_since(now)),
            _ => timeout,
        }
    }
}

/// The call that a thread works on, as it says itself.
#[derive(Clone, Copy)]
struct Work {
    /// The number of the instance that said so; 0 is nobody's.
    instance: u64,
    /// The token of the call.
    call: u64,
}

thread_local! {
    static WORK: Cell<Work> = const { Cell::new(Work { instance: 0, call: 0 }) };
}

/// Notes for which call of an instance this thread asks from now on; 0 for none.
pub(super) fn act_for(instance: u64, call: u64) {
    let instance = if call == 0 { 0 } else { instance };
    WORK.set(Work { instance, call });
}

/// For which call of this instance the thread asks; `None` when the instance asks for itself.
pub(super) fn acting_for(instance: u64) -> Option<u64> {
    let work = WORK.get();
    (work.instance == instance).then_some(work.call)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_speaks_for_one_call_of_one_instance() {
        assert_eq!(acting_for(7), None);
        act_for(7, 42);
        assert_eq!((acting_for(7), acting_for(8)), (Some(42), None));
        std::thread::scope(|scope| {
            scope.spawn(|| assert_eq!(acting_for(7), None));
        });
        act_for(8, 43);
        assert_eq!((acting_for(7), acting_for(8)), (None, Some(43)));
        act_for(8, 0);
        assert_eq!(acting_for(8), None);
    }
}
