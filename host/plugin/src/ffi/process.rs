//! The process itself: its end, its signals, its descriptors.

use super::interpose::Owner;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

/// Signals that Linux has.
const SIGNALS: i32 = 64;
/// Signals with a name that people know, as they may stand behind a number.
const NAMES: [(i32, &str); 10] = [
    (libc::SIGHUP, "SIGHUP"),
    (libc::SIGINT, "SIGINT"),
    (libc::SIGQUIT, "SIGQUIT"),
    (libc::SIGPIPE, "SIGPIPE"),
    (libc::SIGALRM, "SIGALRM"),
    (libc::SIGTERM, "SIGTERM"),
    (libc::SIGCHLD, "SIGCHLD"),
    (libc::SIGSEGV, "SIGSEGV"),
    (libc::SIGUSR1, "SIGUSR1"),
    (libc::SIGUSR2, "SIGUSR2"),
];

/// Ends the process at once. No exit handler and no destructor of any library runs. The lock of the dynamic loader,
/// which a library may hold for ever, is not waited for.
pub fn end(code: u8) -> ! {
    // SAFETY: `_exit` has no preconditions and does not return.
    unsafe { libc::_exit(i32::from(code)) }
}

/// The status of a host that a component has ended with `exit`: that of an internal fault.
const ENDED_BY_A_COMPONENT: u8 = 70;

/// From now on an end by `exit` of a component is told on standard error, and is a failure for who supervises the host. The host
/// itself ends with [`end`].
pub fn tell_of_exits() {
    static ONCE: Once = Once::new();
    extern "C" fn tell() {
        if Owner::of_this_thread() != Owner::HOST {
            // The log may be held by a thread that is gone.
            let message =
                b"a component has called exit, which ends the host: a component must never do that\n";
            // SAFETY: the bytes live for the call, and the descriptor is that of standard error.
            let _ = unsafe { libc::write(libc::STDERR_FILENO, message.as_ptr().cast(), message.len()) };
            end(ENDED_BY_A_COMPONENT);
        }
    }
    ONCE.call_once(|| {
        // SAFETY: the function is the host's own and stays for as long as the process.
        let _ = unsafe { libc::atexit(tell) };
    });
}

/// Whether this process is a copy of the host, which a component made with `fork`.
static IS_A_COPY: AtomicBool = AtomicBool::new(false);

/// From now on a copy of this process knows that it is one.
pub(crate) fn note_copies() {
    static ONCE: Once = Once::new();
    extern "C" fn is_a_copy() {
        IS_A_COPY.store(true, Ordering::Relaxed);
    }
    ONCE.call_once(|| {
        // SAFETY: the function only sets a flag, which is allowed in the child of a process with threads.
        let _ = unsafe { libc::pthread_atfork(None, None, Some(is_a_copy)) };
    });
}

/// Ends this process when it is a copy. To be called when code of a library returns: in a copy there are no other threads, and
/// its sockets are those of the host.
pub(crate) fn end_if_copy() {
    if IS_A_COPY.load(Ordering::Relaxed) {
        end(1);
    }
}

/// Whether this process has started others that have not been waited for.
pub(crate) fn has_children() -> bool {
    let mut about = MaybeUninit::<libc::siginfo_t>::zeroed();
    let kinds = libc::WEXITED | libc::WSTOPPED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
    // SAFETY: `about` is a place to write to. No child is waited for, and none is taken away from who does.
    unsafe { libc::waitid(libc::P_ALL, 0, about.as_mut_ptr(), kinds) == 0 }
}

/// The action of the process at one signal.
#[derive(Clone, Copy)]
pub(crate) struct SignalAction(libc::sigaction);

impl SignalAction {
    /// For each signal from 1 on, what happens at it.
    pub(crate) fn all() -> Vec<SignalAction> {
        let action = |signal| {
            let mut action = MaybeUninit::<libc::sigaction>::zeroed();
            // SAFETY: nothing is set; `action` is a place to write to.
            unsafe { libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) };
            // SAFETY: zeroed bytes are a valid action, and so is what the C library may have written.
            SignalAction(unsafe { action.assume_init() })
        };
        (1..=SIGNALS).map(action).collect()
    }

    /// The action that a signal has until somebody sets one.
    pub(crate) fn of_the_system() -> SignalAction {
        // SAFETY: zeroed bytes are a valid action; that is `SIG_DFL`, without flags.
        SignalAction(unsafe { MaybeUninit::<libc::sigaction>::zeroed().assume_init() })
    }

    /// Where its handler lies; a small number where it has none.
    pub(crate) fn handler(&self) -> usize {
        self.0.sa_sigaction
    }

    /// Makes it the action at a signal.
    pub(crate) fn set(&self, signal: i32) {
        // SAFETY: the action was read from this process, so its handler is one for this signal; its library is the
        // host's or that of another component, which stays in memory while its handler is set.
        unsafe { libc::sigaction(signal, &self.0, ptr::null_mut()) };
    }
}

impl PartialEq for SignalAction {
    fn eq(&self, other: &SignalAction) -> bool {
        (self.0.sa_sigaction, self.0.sa_flags) == (other.0.sa_sigaction, other.0.sa_flags)
    }
}

/// The signals that a thread does not take.
pub(crate) struct SignalMask(libc::sigset_t);

impl SignalMask {
    /// That of this thread.
    pub(crate) fn now() -> SignalMask {
        let mut mask = MaybeUninit::<libc::sigset_t>::zeroed();
        // SAFETY: nothing is set; `mask` is a place to write to.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, ptr::null(), mask.as_mut_ptr()) };
        // SAFETY: zeroed bytes are a valid set, and so is what the C library wrote.
        SignalMask(unsafe { mask.assume_init() })
    }

    /// Makes it that of this thread.
    pub(crate) fn set(&self) {
        // SAFETY: the mask was read from a thread of this process.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, ptr::null_mut()) };
    }
}

/// The name of a signal in brackets behind a space; nothing for one that has no name that people know.
pub(crate) fn signal_name(signal: i32) -> String {
    let name = NAMES.iter().find(|(number, _)| *number == signal);
    name.map_or_else(String::new, |(_, name)| format!(" ({name})"))
}

/// Closes all descriptors but the three standard ones. To be called before this process has opened any.
pub(crate) fn close_inherited_descriptors() {
    // SAFETY: nothing in this process owns a descriptor from 3 on yet.
    let _ = unsafe { libc::close_range(3, libc::c_uint::MAX, 0) };
}
