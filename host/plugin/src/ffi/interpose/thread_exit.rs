//! Destructors of the host's own thread-locals.
//!
//! Why: the C library registers each under the lock of the dynamic loader. A thread of the host that uses a thread-local for the
//! first time would wait there for a library whose constructor hangs.
//!
//! Enters: destructors of thread-locals. Leaves: those of libraries, to the C library; the host's own are kept in a list
//! for each thread. Guarantees: each destructor runs once, when its thread ends, the last one registered first.

use super::Original;
use super::keys::pthread_key_create;
use super::objects::is_hosts_own;
use std::ffi::{c_int, c_void};
use std::sync::OnceLock;

type Destructor = unsafe extern "C" fn(*mut c_void);
type Register = unsafe extern "C" fn(Destructor, *mut c_void, *mut c_void) -> c_int;

static REGISTER: Original = Original::new(c"__cxa_thread_atexit_impl");

/// The destructors of one thread.
type List = Vec<(Destructor, *mut c_void)>;

pub(super) fn prepare() {
    REGISTER.get();
    key();
}

/// The key under which each thread keeps its list; `None` where there are no keys left.
fn key() -> Option<libc::pthread_key_t> {
    static KEY: OnceLock<Option<libc::pthread_key_t>> = OnceLock::new();
    *KEY.get_or_init(|| {
        let mut key = 0;
        // SAFETY: `key` is a place to write to, and `run` may be called with what is kept under the key.
        let result = unsafe { pthread_key_create(&mut key, Some(run)) };
        (result == 0).then_some(key)
    })
}

/// Registers a destructor for the end of the thread.
///
/// # Safety
///
/// As for the C library's function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __cxa_thread_atexit_impl(
    destructor: Destructor,
    object: *mut c_void,
    library: *mut c_void,
) -> c_int {
    // Compilers name an object by any address in it. The standard library does not use that of the executable's mark.
    let is_own = is_hosts_own(library.addr());
    if let (true, Some(key)) = (is_own, key()) {
        // SAFETY: the key exists until the process ends.
        let mut list = unsafe { libc::pthread_getspecific(key) }.cast::<List>();
        if list.is_null() {
            list = Box::into_raw(Box::<List>::default());
            // SAFETY: as above.
            if unsafe { libc::pthread_setspecific(key, list.cast()) } != 0 {
                // SAFETY: the box was just made and nobody else knows it.
                drop(unsafe { Box::from_raw(list) });
                return libc::ENOMEM;
            }
        }
        // SAFETY: only this thread has its list, and nobody holds a reference to it: `run` takes items out one by one.
        unsafe { (*list).push((destructor, object)) };
        return 0;
    }
    let original = REGISTER.get();
    if original.is_null() {
        return libc::ENOSYS;
    }
    // SAFETY: the symbol of this name in the C library has this signature.
    let register: Register = unsafe { std::mem::transmute(original) };
    // SAFETY: the caller keeps the contract of the C library's function.
    unsafe { register(destructor, object, library) }
}

/// Runs the destructors of a thread that ends. Those that they register in turn come in the next round of the C library, or here.
unsafe extern "C" fn run(list: *mut c_void) {
    let list = list.cast::<List>();
    if let Some(key) = key() {
        // The C library has taken the list out. It is put back so that destructors can register others.
        // SAFETY: the key exists until the process ends.
        unsafe { libc::pthread_setspecific(key, list.cast()) };
        // SAFETY: only this thread has its list, and no reference outlives this line.
        while let Some((destructor, object)) = unsafe { (*list).pop() } {
            // SAFETY: the code that registered the destructor promised that it may be called with this when the thread ends.
            unsafe { destructor(object) };
        }
        // SAFETY: as above.
        unsafe { libc::pthread_setspecific(key, std::ptr::null()) };
    }
    // SAFETY: the box was made by the function above, and nobody knows it any more.
    drop(unsafe { Box::from_raw(list) });
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::sync::{Arc, Mutex};

    struct Ends(Arc<Mutex<Vec<&'static str>>>, &'static str);

    impl Drop for Ends {
        fn drop(&mut self) {
            self.0.lock().unwrap().push(self.1);
            if self.1 == "first" {
                // A destructor that uses a thread-local for the first time registers another.
                SECOND.with(|second| *second.borrow_mut() = Some(Ends(self.0.clone(), "second")));
            }
        }
    }

    thread_local! {
        static FIRST: RefCell<Option<Ends>> = const { RefCell::new(None) };
        static SECOND: RefCell<Option<Ends>> = const { RefCell::new(None) };
        static PLAIN: Cell<u32> = const { Cell::new(0) };
    }

    #[test]
    fn thread_locals_are_dropped_once_when_their_thread_ends_those_made_meanwhile_too() {
        let ended = Arc::new(Mutex::new(Vec::new()));
        let inside = ended.clone();
        std::thread::spawn(move || {
            PLAIN.set(1);
            FIRST.with(|first| *first.borrow_mut() = Some(Ends(inside, "first")));
        })
        .join()
        .unwrap();
        assert_eq!(*ended.lock().unwrap(), ["first", "second"]);
    }

    #[test]
    fn destructors_of_the_hosts_own_thread_locals_are_kept_in_its_own_list() {
        std::thread::spawn(|| {
            SECOND.with(|_| ());
            let key = super::key().unwrap();
            // SAFETY: the key exists until the process ends.
            assert!(!unsafe { libc::pthread_getspecific(key) }.is_null());
        })
        .join()
        .unwrap();
    }
}
