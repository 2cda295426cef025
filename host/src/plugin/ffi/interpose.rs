//! Three functions of the C library, defined here so that libraries loaded later call these instead.
//!
//! Why: each copy of Rust's standard library allocates one `pthread_key` and never frees it, which ends the process
//! at the 1023rd library; and a library may be unmapped only when no thread of its own runs any more. So the host
//! remembers which library made each key and each thread. The symbols must be exported by the executable (the build
//! script sees to it); [`is_active`] says whether that worked.

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

type Destructor = Option<unsafe extern "C" fn(*mut c_void)>;
type StartRoutine = extern "C" fn(*mut c_void) -> *mut c_void;
type KeyCreate = unsafe extern "C" fn(*mut libc::pthread_key_t, Destructor) -> c_int;
type KeyDelete = unsafe extern "C" fn(libc::pthread_key_t) -> c_int;
type ThreadCreate = unsafe extern "C" fn(
    *mut libc::pthread_t,
    *const libc::pthread_attr_t,
    StartRoutine,
    *mut c_void,
) -> c_int;

/// As many keys as Linux gives a process.
const KEYS: usize = 1024;

#[derive(Clone, Copy)]
struct Key {
    number: libc::pthread_key_t,
    destructor: usize,
}

static KEYS_MADE: Mutex<[Option<Key>; KEYS]> = Mutex::new([None; KEYS]);
static THREADS: Mutex<Vec<Thread>> = Mutex::new(Vec::new());

struct Thread {
    serial: u64,
    library: usize,
    /// 0 until the thread runs.
    id: libc::pid_t,
    finished: bool,
}

/// Start of the library that `address` lies in, or 0.
pub(in crate::plugin) fn library_of(address: *const c_void) -> usize {
    let mut about = libc::Dl_info {
        dli_fname: ptr::null(),
        dli_fbase: ptr::null_mut(),
        dli_sname: ptr::null(),
        dli_saddr: ptr::null_mut(),
    };
    // SAFETY: dladdr only compares the address with the list of libraries and fills `about`.
    let found = unsafe { libc::dladdr(address, &mut about) };
    if found == 0 { 0 } else { about.dli_fbase as usize }
}

/// Whether libraries loaded by this process reach the functions of this module.
pub fn is_active() -> bool {
    let ours: [(&std::ffi::CStr, *const c_void); 2] = [
        (c"pthread_key_create", pthread_key_create as *const c_void),
        (c"pthread_create", pthread_create as *const c_void),
    ];
    ours.iter().all(|(name, address)| {
        // SAFETY: the name ends with zero; the symbol is only compared, not called.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
        ptr::eq(found, *address)
    })
}

/// How many keys are in use that were made through this module.
pub fn keys_in_use() -> usize {
    keys().iter().flatten().count()
}

/// Frees the keys whose destructor lies in the library that starts at `library`. Call it when no thread that ran the
/// library's code is left, and before the library is closed. Returns how many there were.
pub(in crate::plugin) fn release_keys(library: usize) -> usize {
    let candidates: Vec<Key> = keys().iter().flatten().copied().collect();
    let owned = candidates
        .into_iter()
        .filter(|key| library_of(key.destructor as *const c_void) == library);
    // SAFETY: the key was made by the library and never deleted (deleted keys leave the list), and by the caller's
    // word no thread is left that could use it.
    owned
        .map(|key| unsafe { pthread_key_delete(key.number) })
        .filter(|result| *result == 0)
        .count()
}

/// How many threads that the library started are still there.
pub(in crate::plugin) fn threads_of(library: usize) -> usize {
    let mut threads = threads();
    threads.retain(|thread| !(thread.finished && is_gone(thread.id)));
    threads.iter().filter(|thread| thread.library == library).count()
}

fn is_gone(id: libc::pid_t) -> bool {
    !std::path::Path::new(&format!("/proc/self/task/{id}")).exists()
}

fn keys() -> MutexGuard<'static, [Option<Key>; KEYS]> {
    KEYS_MADE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn threads() -> MutexGuard<'static, Vec<Thread>> {
    THREADS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The C library's own function of this name.
fn original(name: &std::ffi::CStr, cache: &AtomicPtr<c_void>) -> *mut c_void {
    let known = cache.load(Ordering::Relaxed);
    if !known.is_null() {
        return known;
    }
    // SAFETY: the name ends with zero; RTLD_NEXT finds the definition behind ours.
    let found = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    cache.store(found, Ordering::Relaxed);
    found
}

/// As POSIX says; remembers the key and its destructor.
///
/// # Safety
///
/// As for the C library's function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pthread_key_create(key: *mut libc::pthread_key_t, destructor: Destructor) -> c_int {
    static ORIGINAL: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
    let original = original(c"pthread_key_create", &ORIGINAL);
    if original.is_null() {
        return libc::EAGAIN;
    }
    // SAFETY: the symbol of this name in the C library has this signature.
    let create: KeyCreate = unsafe { std::mem::transmute(original) };
    // SAFETY: the caller keeps the contract of the C library's function.
    let result = unsafe { create(key, destructor) };
    if result == 0 {
        // SAFETY: on success the C library has stored the key there.
        let number = unsafe { *key };
        let entry = Key {
            number,
            destructor: destructor.map_or(0, |function| function as usize),
        };
        if let Some(free) = keys().iter_mut().find(|slot| slot.is_none()) {
            *free = Some(entry);
        }
    }
    result
}

/// As POSIX says; forgets the key.
///
/// # Safety
///
/// As for the C library's function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pthread_key_delete(key: libc::pthread_key_t) -> c_int {
    static ORIGINAL: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
    // Forgotten first: the number may be given out again the moment it is deleted.
    for slot in keys()
        .iter_mut()
        .filter(|slot| slot.is_some_and(|known| known.number == key))
    {
        *slot = None;
    }
    let original = original(c"pthread_key_delete", &ORIGINAL);
    if original.is_null() {
        return libc::EINVAL;
    }
    // SAFETY: the symbol of this name in the C library has this signature.
    let delete: KeyDelete = unsafe { std::mem::transmute(original) };
    // SAFETY: the caller keeps the contract of the C library's function.
    unsafe { delete(key) }
}

struct Begin {
    start: StartRoutine,
    argument: *mut c_void,
    serial: u64,
}

extern "C" fn begin(argument: *mut c_void) -> *mut c_void {
    // SAFETY: `pthread_create` below made this box for exactly this thread.
    let begin = unsafe { Box::from_raw(argument.cast::<Begin>()) };
    // SAFETY: gettid has no conditions.
    let id = unsafe { libc::gettid() };
    for thread in threads()
        .iter_mut()
        .filter(|thread| thread.serial == begin.serial)
    {
        thread.id = id;
    }
    let result = (begin.start)(begin.argument);
    for thread in threads()
        .iter_mut()
        .filter(|thread| thread.serial == begin.serial)
    {
        thread.finished = true;
    }
    result
}

/// As POSIX says; remembers which library the thread belongs to, unless it is the host's own.
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
    static ORIGINAL: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
    static SERIAL: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let original = original(c"pthread_create", &ORIGINAL);
    if original.is_null() {
        return libc::EAGAIN;
    }
    // SAFETY: the symbol of this name in the C library has this signature.
    let create: ThreadCreate = unsafe { std::mem::transmute(original) };
    let library = library_of(start as *const c_void);
    if library == 0 || library == library_of(begin as *const c_void) {
        // SAFETY: the caller keeps the contract of the C library's function.
        return unsafe { create(thread, attributes, start, argument) };
    }
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    threads().push(Thread {
        serial,
        library,
        id: 0,
        finished: false,
    });
    let begin_with = Box::into_raw(Box::new(Begin {
        start,
        argument,
        serial,
    }));
    // SAFETY: as above; `begin` takes ownership of the box in the new thread.
    let result = unsafe { create(thread, attributes, begin, begin_with.cast()) };
    if result != 0 {
        threads().retain(|thread| thread.serial != serial);
        // SAFETY: no thread was made, so the box is still ours.
        drop(unsafe { Box::from_raw(begin_with) });
    }
    result
}
