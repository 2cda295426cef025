//! Room for the thread-locals of libraries.
//!
//! Enters: the environment of the process. Leaves: the same program with more room, in the same process. Guarantees: it is
//! started again at most once; where that cannot be done, it goes on as it is.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// The variable that the C library reads its settings from.
const VARIABLE: &str = "GLIBC_TUNABLES";
/// The setting for thread-locals of the initial-exec kind, which libraries such as allocators have.
const RESERVE: &str = "glibc.rtld.optional_static_tls";
/// Bytes that such thread-locals of all libraries may have together. The C library's own reserve is used up after some six swaps of a
/// component that has them.
const BYTES: usize = 64 * 1024;

/// Starts this program again where the reserve was not set, since the C library reads it at the start only.
pub(super) fn make_room() {
    let tunables = std::env::var(VARIABLE).unwrap_or_default();
    if tunables.contains(RESERVE) || cfg!(not(target_env = "gnu")) {
        return;
    }
    let others = match tunables.as_str() {
        "" => String::new(),
        others => format!("{others}:"),
    };
    let mut again = Command::new("/proc/self/exe");
    if let Some(name) = std::env::args_os().next() {
        again.arg0(name);
    }
    again
        .args(std::env::args_os().skip(1))
        .env(VARIABLE, format!("{others}{RESERVE}={BYTES}"));
    // It returns only where it cannot be done.
    let _ = again.exec();
}
