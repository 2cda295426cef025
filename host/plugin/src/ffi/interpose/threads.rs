//! The threads of the process, and whose they are.
//!
//! Enters: threads that are made. Leaves: how many of them run for an owner. Guarantees: a thread belongs to the
//! owner of the thread that made it, in whichever library its first function lies. It belongs to the host where that
//! function is the host's. The memory is bounded by the threads that run. A thread counts until the system says that
//! it is gone.

use super::keys::pthread_key_create;
use super::objects::is_hosts_own;
use super::{Object, Original};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

// Ends of threads by `pthread_exit` and cancellation unwind through the first function.
type StartRoutine = extern "C-unwind" fn(*mut c_void) -> *mut c_void;
type ThreadCreate = unsafe extern "C" fn(
    *mut libc::pthread_t,
    *const libc::pthread_attr_t,
    StartRoutine,
    *mut c_void,
) -> c_int;

static CREATE: Original = Original::new(c"pthread_create");
static THREADS: Mutex<Threads> = Mutex::new(Threads {
    known: BTreeMap::new(),
    ended: VecDeque::new(),
    starting: BTreeMap::new(),
});

/// How often it is looked for a moment in which no thread is on its way to its first function.
const LOOKS: usize = 200;
/// So many ended threads are looked at whenever another one ends.
const FORGOTTEN_AT_ONCE: usize = 2;

/// For whom a thread works: the host, or one load of a library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner(u64);

thread_local! {
    static OWNER: Cell<u64> = const { Cell::new(0) };
}

impl Owner {
    pub(crate) const HOST: Owner = Owner(0);

    /// One that never was before.
    pub(crate) fn new() -> Owner {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Owner(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// That of this thread.
    pub(crate) fn of_this_thread() -> Owner {
        Owner(OWNER.get())
    }

    /// From now on this thread runs the owner's code: what it starts is the owner's.
    pub(crate) fn enter(self) {
        OWNER.set(self.0);
    }
}

struct Threads {
    /// By the system's number.
    known: BTreeMap<libc::pid_t, Thread>,
    /// Those that have said so, the first one first. They may still run destructors.
    ended: VecDeque<libc::pid_t>,
    /// Made, and not yet running: by a number of their own.
    starting: BTreeMap<u64, Maker>,
}

/// The creator of a thread.
#[derive(Clone, Copy)]
struct Maker {
    owner: Owner,
    /// Where its first function lies.
    start: usize,
}

struct Thread {
    maker: Maker,
    has_ended: bool,
}

impl Maker {
    fn is(&self, owner: Owner, library: &Object) -> bool {
        self.owner == owner || library.contains(self.start)
    }
}

impl Threads {
    /// Forgets some of those that have ended and are gone.
    fn forget(&mut self) {
        for _ in 0..FORGOTTEN_AT_ONCE {
            let Some(id) = self.ended.pop_front() else { return };
            // Another thread may have got its number.
            if !self.known.get(&id).is_some_and(|thread| thread.has_ended) {
                continue;
            }
            if is_running(id) {
                self.ended.push_back(id);
            } else {
                self.known.remove(&id);
            }
        }
    }
}

pub(super) fn prepare() {
    CREATE.get();
    end_key();
    is_hosts_own(0);
}

/// How many threads of an owner are still there, or of any whose first function lies in the library.
pub(crate) fn threads_of(owner: Owner, library: &Object) -> usize {
    let mut threads = threads();
    threads.known.retain(|id, _| is_running(*id));
    let running = threads.known.values().map(|thread| &thread.maker);
    let starting = threads.starting.values();
    running
        .chain(starting)
        .filter(|maker| maker.is(owner, library))
        .count()
}

/// How many of the threads that are still there began with a function of the library.
pub(crate) fn threads_begun_in(library: &Object) -> usize {
    let mut threads = threads();
    threads.known.retain(|id, _| is_running(*id));
    let running = threads.known.values().map(|thread| &thread.maker);
    let makers = running.chain(threads.starting.values());
    makers.filter(|maker| library.contains(maker.start)).count()
}

/// Threads that were not made through this module, as those of timers and of `thrd_create`: nobody knows whose they are.
pub(crate) struct Strangers(BTreeSet<libc::pid_t>);

impl Strangers {
    /// Those that there are now; `None` where the system does not tell.
    pub(crate) fn now() -> Option<Strangers> {
        let main = std::process::id() as libc::pid_t;
        for _ in 0..LOOKS {
            // The list is read first: a thread of the list that was on its way to its first function may have arrived since.
            let listed: Vec<libc::pid_t> = std::fs::read_dir("/proc/self/task")
                .ok()?
                .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
                .collect();
            let threads = threads();
            if threads.starting.is_empty() {
                let is_stranger =
                    |id: &libc::pid_t| *id != main && !threads.known.contains_key(id) && is_running(*id);
                return Some(Strangers(listed.into_iter().filter(is_stranger).collect()));
            }
            drop(threads);
            std::thread::sleep(Duration::from_millis(1));
        }
        None
    }

    /// How many there are now that were not there then.
    pub(crate) fn more_than(&self, before: &Strangers) -> usize {
        self.0.difference(&before.0).count()
    }
}

fn is_running(id: libc::pid_t) -> bool {
    let process = std::process::id() as libc::pid_t;
    // SAFETY: signal 0 only asks whether there is such a thread.
    unsafe { libc::syscall(libc::SYS_tgkill, process, id, 0) == 0 }
}

fn threads() -> MutexGuard<'static, Threads> {
    THREADS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The key whose destructor says that a thread ends, however it does.
fn end_key() -> Option<libc::pthread_key_t> {
    static KEY: OnceLock<Option<libc::pthread_key_t>> = OnceLock::new();
    *KEY.get_or_init(|| {
        let mut key = 0;
        // SAFETY: `key` is a place to write to; `end` takes any value.
        let result = unsafe { pthread_key_create(&mut key, Some(end)) };
        (result == 0).then_some(key)
    })
}

unsafe extern "C" fn end(_: *mut c_void) {
    // SAFETY: gettid has no conditions.
    let id = unsafe { libc::gettid() };
    let mut threads = threads();
    if let Some(thread) = threads.known.get_mut(&id) {
        thread.has_ended = true;
        threads.ended.push_back(id);
    }
    threads.forget();
}

/// The start function of a new thread and its argument.
struct Begin {
    start: StartRoutine,
    argument: *mut c_void,
    maker: Maker,
    serial: u64,
}

extern "C-unwind" fn begin(argument: *mut c_void) -> *mut c_void {
    // SAFETY: `pthread_create` below made this box for exactly this thread.
    let begin = *unsafe { Box::from_raw(argument.cast::<Begin>()) };
    // SAFETY: gettid has no conditions.
    let id = unsafe { libc::gettid() };
    begin.maker.owner.enter();
    {
        let mut threads = threads();
        threads.starting.remove(&begin.serial);
        let thread = Thread {
            maker: begin.maker,
            has_ended: false,
        };
        threads.known.insert(id, thread);
    }
    if let Some(key) = end_key() {
        // SAFETY: the key exists until the process ends; its destructor looks at no value, but wants one that is not null.
        unsafe { libc::pthread_setspecific(key, std::ptr::without_provenance(1)) };
    }
    // Nothing that would have to be dropped is alive here: the function may end the thread without returning.
    (begin.start)(begin.argument)
}

/// As POSIX says; remembers whose the thread is.
///
/// # Safety
///
/// As for the C library's function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pthread_create(
    thread: *mut libc::pthread_t,
    attributes: *const libc::pthread_attr_t,
    start: StartRoutine,
    argument: *mut c_void,
) -> c_int {
    static SERIAL: AtomicU64 = AtomicU64::new(1);
    let original = CREATE.get();
    if original.is_null() {
        return libc::EAGAIN;
    }
    // SAFETY: the symbol of this name in the C library has this signature.
    let create: ThreadCreate = unsafe { std::mem::transmute(original) };
    let address = start as *const c_void as usize;
    // Work of the host on a library's thread is still the host's.
    let owner = if is_hosts_own(address) {
        Owner::HOST
    } else {
        Owner(OWNER.get())
    };
    let maker = Maker {
        owner,
        start: address,
    };
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    threads().starting.insert(serial, maker);
    let begin_with = Box::into_raw(Box::new(Begin {
        start,
        argument,
        maker,
        serial,
    }));
    // SAFETY: the caller keeps the contract of the C library's function; `begin` takes ownership of the box in the new thread.
    let result = unsafe { create(thread, attributes, begin, begin_with.cast()) };
    if result != 0 {
        threads().starting.remove(&serial);
        // SAFETY: no thread was made, so the box is still ours.
        drop(unsafe { Box::from_raw(begin_with) });
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_have_ended_are_forgotten_while_others_come() {
        for _ in 0..500 {
            std::thread::spawn(|| ()).join().unwrap();
        }
        // Those of other tests are among them.
        let known = threads().known.len();
        assert!(known < 200, "{known}");
    }
}
