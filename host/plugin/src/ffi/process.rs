//! The process itself: its end, its signals, its descriptors.

use std::mem::MaybeUninit;

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

/// For each signal from 1 on, the address of its handler.
pub(crate) fn signal_handlers() -> Vec<usize> {
    (1..=SIGNALS)
        .map(|signal| {
            let mut action = MaybeUninit::<libc::sigaction>::zeroed();
            // SAFETY: nothing is set; `action` is a place to write to.
            let result = unsafe { libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) };
            // SAFETY: zeroed bytes are a valid action, and so is what the C library wrote.
            let action = unsafe { action.assume_init() };
            if result == 0 { action.sa_sigaction } else { 0 }
        })
        .collect()
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
