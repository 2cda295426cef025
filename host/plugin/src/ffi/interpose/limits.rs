//! Limits of the process, which belong to the host.
//!
//! Why: a limit that a component lowers counts for the whole process. With too few descriptors the host takes no connection any
//! more, also not that of an operator who wants to swap the component. Later nobody could tell who has lowered it: an
//! operator may do so from outside.
//!
//! Enters: new limits. Leaves: for a thread of a component a refusal, which is remembered; for all others the C library's own
//! results. Guarantees: no thread of a component changes a limit of this process through the C library. A process that the
//! component has made with `fork` may change its own.

use super::Original;
use super::threads::Owner;
use crate::ffi::own_state;
use libc::{pid_t, rlimit64};
use std::ffi::{c_int, c_uint};
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

type Set = unsafe extern "C" fn(c_uint, *const rlimit64) -> c_int;
type SetAndGet = unsafe extern "C" fn(pid_t, c_uint, *const rlimit64, *mut rlimit64) -> c_int;

// The names without a number mean the same struct on 64-bit machines.
const _: () = assert!(size_of::<libc::rlimit>() == size_of::<rlimit64>());

static SET: Original = Original::new(c"setrlimit");
static SET_64: Original = Original::new(c"setrlimit64");
static SET_AND_GET: Original = Original::new(c"prlimit");
static SET_AND_GET_64: Original = Original::new(c"prlimit64");

static REFUSED: Mutex<Vec<RefusedLimit>> = Mutex::new(Vec::new());
/// The process whose limits are the host's; a copy of it has another number.
static PROCESS: AtomicI32 = AtomicI32::new(0);

/// A limit that a component wanted to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RefusedLimit {
    owner: Owner,
    pub(crate) name: &'static str,
}

pub(super) fn prepare() {
    for original in [&SET, &SET_64, &SET_AND_GET, &SET_AND_GET_64] {
        original.get();
    }
    PROCESS.store(this_process(), Ordering::Relaxed);
}

/// The refusals that nobody has taken. Each owner and limit is there once.
pub(crate) fn refused_limits() -> Vec<RefusedLimit> {
    refused().clone()
}

/// Takes the names of the limits that an owner wanted to change.
pub(crate) fn take_refused_limits(owner: Owner) -> Vec<&'static str> {
    let mut refused = refused();
    let taken = refused.extract_if(.., |one| one.owner == owner);
    taken.map(|one| one.name).collect()
}

fn refused() -> MutexGuard<'static, Vec<RefusedLimit>> {
    REFUSED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn this_process() -> pid_t {
    // SAFETY: getpid has no conditions.
    unsafe { libc::getpid() }
}

/// Whether this thread must not set that limit, which is then remembered.
///
/// # Safety
///
/// `wanted` is null or can be read.
unsafe fn refuses(process: pid_t, resource: c_uint, wanted: *const rlimit64) -> bool {
    let (owner, own) = (Owner::of_this_thread(), this_process());
    if owner == Owner::HOST || own != PROCESS.load(Ordering::Relaxed) || (process != 0 && process != own) {
        return false;
    }
    // SAFETY: the caller says so.
    let (Some(wanted), Some(name)) = (unsafe { wanted.as_ref() }, own_state::limit_name(resource)) else {
        return false;
    };
    let mut now = MaybeUninit::<rlimit64>::zeroed();
    // SAFETY: `now` is a place to write to.
    unsafe { libc::getrlimit64(resource, now.as_mut_ptr()) };
    // SAFETY: zeroed bytes are a valid limit, and so is what the system wrote.
    let now = unsafe { now.assume_init() };
    if (now.rlim_cur, now.rlim_max) == (wanted.rlim_cur, wanted.rlim_max) {
        return false;
    }
    let mut refused = refused();
    let refusal = RefusedLimit { owner, name };
    if !refused.contains(&refusal) {
        refused.push(refusal);
    }
    true
}

/// The result of a call that is not allowed.
fn not_permitted() -> c_int {
    // SAFETY: the function has no conditions.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: the place is that of this thread.
    unsafe { *place = libc::EPERM };
    -1
}

/// # Safety
///
/// As for `setrlimit`.
unsafe fn set(original: &Original, resource: c_uint, wanted: *const rlimit64) -> c_int {
    let original = original.get();
    // SAFETY: the caller keeps the contract of the C library's function, so the limit is null or can be read.
    if original.is_null() || unsafe { refuses(0, resource, wanted) } {
        return not_permitted();
    }
    // SAFETY: the symbol of this name in the C library has this signature.
    let set: Set = unsafe { std::mem::transmute(original) };
    // SAFETY: the caller keeps the contract of the C library's function.
    unsafe { set(resource, wanted) }
}

/// # Safety
///
/// As for `prlimit`.
unsafe fn set_and_get(
    original: &Original,
    process: pid_t,
    resource: c_uint,
    wanted: *const rlimit64,
    before: *mut rlimit64,
) -> c_int {
    let original = original.get();
    // SAFETY: the caller keeps the contract of the C library's function, so the limit is null or can be read.
    if original.is_null() || unsafe { refuses(process, resource, wanted) } {
        return not_permitted();
    }
    // SAFETY: the symbol of this name in the C library has this signature.
    let set: SetAndGet = unsafe { std::mem::transmute(original) };
    // SAFETY: the caller keeps the contract of the C library's function.
    unsafe { set(process, resource, wanted, before) }
}

/// As POSIX says; a component is not permitted.
///
/// # Safety
///
/// As for the C library's function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn setrlimit(resource: c_uint, wanted: *const rlimit64) -> c_int {
    // SAFETY: the caller keeps the contract.
    unsafe { set(&SET, resource, wanted) }
}

/// As [`setrlimit`].
///
/// # Safety
///
/// As for the C library's function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn setrlimit64(resource: c_uint, wanted: *const rlimit64) -> c_int {
    // SAFETY: the caller keeps the contract.
    unsafe { set(&SET_64, resource, wanted) }
}

/// As Linux says; a component is not permitted to change a limit of this process.
///
/// # Safety
///
/// As for the C library's function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn prlimit(
    process: pid_t,
    resource: c_uint,
    wanted: *const rlimit64,
    before: *mut rlimit64,
) -> c_int {
    // SAFETY: the caller keeps the contract.
    unsafe { set_and_get(&SET_AND_GET, process, resource, wanted, before) }
}

/// As [`prlimit`].
///
/// # Safety
///
/// As for the C library's function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn prlimit64(
    process: pid_t,
    resource: c_uint,
    wanted: *const rlimit64,
    before: *mut rlimit64,
) -> c_int {
    // SAFETY: the caller keeps the contract.
    unsafe { set_and_get(&SET_AND_GET_64, process, resource, wanted, before) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ptr;

    const NONE: rlimit64 = rlimit64 {
        rlim_cur: 0,
        rlim_max: 0,
    };

    fn open_files() -> rlimit64 {
        let mut now = NONE;
        // SAFETY: `now` is a place to write to.
        assert_eq!(unsafe { libc::getrlimit64(libc::RLIMIT_NOFILE, &mut now) }, 0);
        now
    }

    /// The result of each of the functions.
    fn try_to_set(limit: &rlimit64) -> [c_int; 5] {
        // SAFETY: getpid has no conditions.
        let own = unsafe { libc::getpid() };
        // SAFETY: the limit lives for the call.
        let set = unsafe { setrlimit(libc::RLIMIT_NOFILE, limit) };
        // SAFETY: as above.
        let set_64 = unsafe { setrlimit64(libc::RLIMIT_NOFILE, limit) };
        // SAFETY: as above, and nothing is asked for.
        let set_here = unsafe { prlimit(0, libc::RLIMIT_NOFILE, limit, ptr::null_mut()) };
        // SAFETY: as above.
        let set_own = unsafe { prlimit(own, libc::RLIMIT_NOFILE, limit, ptr::null_mut()) };
        // SAFETY: as above.
        let set_own_64 = unsafe { prlimit64(own, libc::RLIMIT_NOFILE, limit, ptr::null_mut()) };
        [set, set_64, set_here, set_own, set_own_64]
    }

    #[test]
    fn the_thread_of_a_component_lowers_no_limit_and_one_of_the_host_may() {
        prepare();
        let before = open_files();
        let lower = rlimit64 {
            rlim_cur: before.rlim_cur - 1,
            ..before
        };
        let owner = Owner::new();
        let of_a_component = move || {
            owner.enter();
            assert_eq!(try_to_set(&lower), [-1; 5]);
            assert_eq!(std::io::Error::last_os_error().raw_os_error(), Some(libc::EPERM));
            // The limit as it is, and a look at it.
            assert_eq!(try_to_set(&before), [0; 5]);
            let mut seen = NONE;
            // SAFETY: nothing is set, and `seen` is a place to write to.
            let looked = unsafe { prlimit(0, libc::RLIMIT_NOFILE, ptr::null(), &mut seen) };
            assert_eq!((looked, seen.rlim_cur), (0, before.rlim_cur));
        };
        std::thread::spawn(of_a_component).join().unwrap();
        assert_eq!(take_refused_limits(owner), ["RLIMIT_NOFILE"], "once");
        assert!(take_refused_limits(owner).is_empty());
        assert_eq!(open_files().rlim_cur, before.rlim_cur);
        assert_eq!(try_to_set(&lower), [0; 5]);
        assert_eq!(open_files().rlim_cur, lower.rlim_cur);
        assert_eq!(try_to_set(&before), [0; 5]);
    }
}
