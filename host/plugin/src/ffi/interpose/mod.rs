//! Functions of the C library, defined here so that libraries loaded later call these instead.
//!
//! Why: each copy of Rust's standard library allocates one `pthread_key` and never frees it, which ends the process
//! at the 1023rd library. A library may be unmapped only when no thread of its own runs any more. A limit that a
//! component lowers counts for the host as well. A host thread must never wait for the lock of the dynamic loader, which a library's
//! constructor may hold for ever. The symbols must be exported by the executable (the build script sees to it);
//! [`is_active`] says whether that worked.
//!
//! Enters: calls of the host and of libraries. Leaves: the C library's own results, and the knowledge which owner made
//! which key and thread, and who wanted to
//! change a limit. Guarantees: none of these functions takes the lock of the dynamic loader on a thread of the host.

mod keys;
mod limits;
mod objects;
mod thread_exit;
mod threads;
mod timers;

pub use keys::keys_in_use;
pub(crate) use keys::release_keys;
pub(crate) use limits::{RefusedLimit, refused_limits, take_refused_limits};
pub(crate) use objects::{Object, is_hosts_own};
pub(crate) use threads::{Owner, Strangers, threads_begun_in, threads_of};
pub(crate) use timers::{timers_begun_in, timers_of};

use std::ffi::{CStr, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// Whether libraries loaded by this process reach the functions of this module. Also looks up the functions behind them, so that
/// no later call has to ask the dynamic loader.
pub fn is_active() -> bool {
    let ours: [(&CStr, *const c_void); 2] = [
        (c"pthread_key_create", keys::pthread_key_create as *const c_void),
        (c"pthread_create", threads::pthread_create as *const c_void),
    ];
    let is_first = |(name, address): &(&CStr, *const c_void)| {
        // SAFETY: the name ends with zero; the symbol is only compared, not called.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
        ptr::eq(found, *address)
    };
    keys::prepare();
    threads::prepare();
    thread_exit::prepare();
    timers::prepare();
    limits::prepare();
    ours.iter().all(is_first)
}

/// A function of the C library behind one of ours, looked up once.
struct Original {
    name: &'static CStr,
    found: AtomicPtr<c_void>,
}

impl Original {
    const fn new(name: &'static CStr) -> Original {
        Original {
            name,
            found: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Its address; null where there is none.
    fn get(&self) -> *mut c_void {
        let known = self.found.load(Ordering::Relaxed);
        if !known.is_null() {
            return known;
        }
        // SAFETY: the name ends with zero; RTLD_NEXT finds the definition behind ours.
        let found = unsafe { libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr()) };
        self.found.store(found, Ordering::Relaxed);
        found
    }
}
