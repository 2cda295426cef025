//! A descriptor that becomes readable when something signals it.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Makes one, not blocking.
pub(crate) fn new() -> io::Result<OwnedFd> {
    // SAFETY: eventfd takes two numbers and touches no memory of ours.
    let descriptor = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Makes it readable. When its counter is full it is readable already, so a failure means nothing.
pub(crate) fn signal(descriptor: &OwnedFd) {
    let one = 1u64.to_ne_bytes();
    // SAFETY: `one` is eight readable bytes for the time of the call, and the descriptor is open.
    let _ = unsafe { libc::write(descriptor.as_raw_fd(), one.as_ptr().cast(), one.len()) };
}
