//! Timers of the process, and whose they are.
//!
//! Enters: timers that are made and deleted. Leaves: the C library's own results, and how many timers an owner has.
//! Guarantees: a timer belongs to the owner of the thread that made it. The memory is bounded by the timers that there are.

use super::threads::Owner;
use super::{Object, Original};
use std::ffi::c_int;
use std::sync::{Mutex, MutexGuard, PoisonError};

type Create = unsafe extern "C" fn(libc::clockid_t, *mut libc::sigevent, *mut libc::timer_t) -> c_int;
type Delete = unsafe extern "C" fn(libc::timer_t) -> c_int;

static CREATE: Original = Original::new(c"timer_create");
static DELETE: Original = Original::new(c"timer_delete");
static TIMERS: Mutex<Vec<Timer>> = Mutex::new(Vec::new());

struct Timer {
    /// As the C library names it.
    number: usize,
    owner: Owner,
    /// The function that is called on a thread of its own; 0 where there is a signal instead.
    function: usize,
}

/// The part of `sigevent` that says which function is called (`SIGEV_THREAD`). The C library's header has it so.
#[repr(C)]
struct Event {
    value: usize,
    signal: c_int,
    kind: c_int,
    function: usize,
}

pub(super) fn prepare() {
    CREATE.get();
    DELETE.get();
}

/// How many timers of an owner, or with a function in one of these libraries, are still there.
pub(crate) fn timers_of(owner: Owner, libraries: &[Object]) -> usize {
    let is_theirs = |timer: &&Timer| {
        timer.owner == owner || libraries.iter().any(|library| library.contains(timer.function))
    };
    timers().iter().filter(is_theirs).count()
}

/// How many timers of an owner call a function of this library, or send a signal.
pub(crate) fn timers_begun_in(owner: Owner, library: &Object) -> usize {
    let is_its_own =
        |timer: &&Timer| library.contains(timer.function) || (timer.owner == owner && timer.function == 0);
    timers().iter().filter(is_its_own).count()
}

fn timers() -> MutexGuard<'static, Vec<Timer>> {
    TIMERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As POSIX says; remembers whose the timer is.
///
/// # Safety
///
/// As for the C library's function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timer_create(
    clock: libc::clockid_t,
    event: *mut libc::sigevent,
    number: *mut libc::timer_t,
) -> c_int {
    let original = CREATE.get();
    if original.is_null() {
        return -1;
    }
    // SAFETY: the symbol of this name in the C library has this signature.
    let create: Create = unsafe { std::mem::transmute(original) };
    // SAFETY: the caller keeps the contract of the C library's function.
    let result = unsafe { create(clock, event, number) };
    if result == 0 {
        // SAFETY: null, or an event that lives for the call; `Event` is its beginning.
        let function = unsafe { event.cast::<Event>().as_ref() }
            .filter(|event| event.kind == libc::SIGEV_THREAD)
            .map_or(0, |event| event.function);
        let timer = Timer {
            // SAFETY: on success the C library has stored the timer there.
            number: unsafe { *number }.addr(),
            owner: Owner::of_this_thread(),
            function,
        };
        timers().push(timer);
    }
    result
}

/// As POSIX says; forgets the timer.
///
/// # Safety
///
/// As for the C library's function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timer_delete(number: libc::timer_t) -> c_int {
    // Forgotten first: the number may be given out again the moment it is deleted.
    timers().retain(|timer| timer.number != number.addr());
    let original = DELETE.get();
    if original.is_null() {
        return -1;
    }
    // SAFETY: the symbol of this name in the C library has this signature.
    let delete: Delete = unsafe { std::mem::transmute(original) };
    // SAFETY: the caller keeps the contract of the C library's function.
    unsafe { delete(number) }
}
