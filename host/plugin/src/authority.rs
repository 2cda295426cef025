//! With whose rights a component asks the host for something.
//!
//! Enters: the call that a thread of the component says it works on. Leaves: the caller of that call, as long as the
//! call is to be answered. Guarantees: a thread speaks for one instance at a time, so that the token of another
//! instance never stands for a call of this one. The memory of a thread needs no destructor, and so never keeps a
//! library in memory.

use bytes::Bytes;
use std::cell::Cell;

/// With whose rights a component asks for something.
#[derive(Clone, Debug, Default)]
pub enum Authority {
    /// Its own: it may do everything.
    #[default]
    Component,
    /// Those of the caller of one of its calls: the call's origin, a JSON object.
    Caller(Bytes),
    /// Those of a caller who waits no more, or never was.
    Gone,
}

/// The call that a thread works on, as it declares.
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
