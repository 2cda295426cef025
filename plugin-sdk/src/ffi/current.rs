//! Which host the code on this thread runs for.
//!
//! A plain number per thread, without a destructor: nothing of it is left behind when the library is unloaded.

use super::Host;
use std::cell::Cell;

thread_local! {
    static CURRENT: Cell<Option<Host>> = const { Cell::new(None) };
    static MARK: u8 = const { 0 };
}

/// The host for which this thread runs component code just now.
pub(crate) fn current_host() -> Option<Host> {
    CURRENT.get()
}

/// Says for which host this thread runs component code, and returns what was said before.
pub(crate) fn set_current_host(host: Option<Host>) -> Option<Host> {
    CURRENT.replace(host)
}

/// A number that no other living thread has, and that is not 0.
pub(crate) fn thread_mark() -> usize {
    MARK.with(|mark| std::ptr::from_ref(mark).addr())
}
