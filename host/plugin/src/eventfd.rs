//! A descriptor that becomes readable when something signals it.
//!
//! Enters: signals. Leaves: a descriptor for the loop of a component. Guarantees: nobody waits to signal it.

use rustix::event::EventfdFlags;
use std::io;
use std::os::fd::OwnedFd;

/// Makes one.
pub(crate) fn new() -> io::Result<OwnedFd> {
    Ok(rustix::event::eventfd(
        0,
        EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK,
    )?)
}

/// Makes it readable. When its counter is full it is readable already, so a failure means nothing.
pub(crate) fn signal(descriptor: &OwnedFd) {
    let _ = rustix::io::write(descriptor, &1u64.to_ne_bytes());
}
