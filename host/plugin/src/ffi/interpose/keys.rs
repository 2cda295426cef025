//! Thread keys, and who made them.
//!
//! Enters: keys that are made and deleted. Leaves: the C library's own results. Guarantees: the keys of a library are
//! known by their destructors; a key without one is never released for somebody else.

use super::{Object, Original};
use std::ffi::{c_int, c_void};
use std::sync::{Mutex, MutexGuard, PoisonError};

type Destructor = Option<unsafe extern "C" fn(*mut c_void)>;
type KeyCreate = unsafe extern "C" fn(*mut libc::pthread_key_t, Destructor) -> c_int;
type KeyDelete = unsafe extern "C" fn(libc::pthread_key_t) -> c_int;

/// As many keys as Linux gives a process.
const KEYS: usize = 1024;

static CREATE: Original = Original::new(c"pthread_key_create");
static DELETE: Original = Original::new(c"pthread_key_delete");
static MADE: Mutex<[Option<Key>; KEYS]> = Mutex::new([None; KEYS]);

#[derive(Clone, Copy)]
struct Key {
    number: libc::pthread_key_t,
    destructor: usize,
}

pub(super) fn prepare() {
    CREATE.get();
    DELETE.get();
}

/// How many keys are in use that were made through this module.
pub fn keys_in_use() -> usize {
    made().iter().flatten().count()
}

/// Frees the keys whose destructor lies in one of these libraries. Call it when no thread that ran the library's code is left, and before
/// they are closed. Returns how many there were.
pub(crate) fn release_keys(libraries: &[Object]) -> usize {
    let made: Vec<Key> = made().iter().flatten().copied().collect();
    let owned = made.into_iter().filter(|key| {
        key.destructor != 0 && libraries.iter().any(|library| library.contains(key.destructor))
    });
    // SAFETY: the key was made by the library and never deleted (deleted keys leave the list), and by the caller's
    // word no thread is left that could use it.
    owned
        .map(|key| unsafe { pthread_key_delete(key.number) })
        .filter(|result| *result == 0)
        .count()
}

fn made() -> MutexGuard<'static, [Option<Key>; KEYS]> {
    MADE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As POSIX says; remembers the key and its destructor.
///
/// # Safety
///
/// As for the C library's function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pthread_key_create(key: *mut libc::pthread_key_t, destructor: Destructor) -> c_int {
    let original = CREATE.get();
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
        if let Some(free) = made().iter_mut().find(|slot| slot.is_none()) {
            *free = Some(entry);
        }
    }
    result
}

/// As C11 says; the C library makes such keys without asking for the function above.
///
/// # Safety
///
/// As for the C library's function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tss_create(key: *mut libc::pthread_key_t, destructor: Destructor) -> c_int {
    const ERROR: c_int = 2;
    // SAFETY: the caller keeps the contract of the C library's function, whose keys are the same.
    match unsafe { pthread_key_create(key, destructor) } {
        0 => 0,
        _ => ERROR,
    }
}

/// As C11 says.
///
/// # Safety
///
/// As for the C library's function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tss_delete(key: libc::pthread_key_t) {
    // SAFETY: as above.
    unsafe { pthread_key_delete(key) };
}

/// As POSIX says; forgets the key.
///
/// # Safety
///
/// As for the C library's function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pthread_key_delete(key: libc::pthread_key_t) -> c_int {
    // Forgotten first: the number may be given out again the moment it is deleted.
    for slot in made()
        .iter_mut()
        .filter(|slot| slot.is_some_and(|known| known.number == key))
    {
        *slot = None;
    }
    let original = DELETE.get();
    if original.is_null() {
        return libc::EINVAL;
    }
    // SAFETY: the symbol of this name in the C library has this signature.
    let delete: KeyDelete = unsafe { std::mem::transmute(original) };
    // SAFETY: the caller keeps the contract of the C library's function.
    unsafe { delete(key) }
}
