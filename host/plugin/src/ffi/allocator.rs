//! Giving memory back that the C library keeps for later.
//!
//! Enters: nothing. Leaves: pages that nobody uses, back to the operating system. Guarantees: nothing that is in use
//! is touched; where the C library is not glibc nothing happens.

/// Gives back what can be given back. Takes milliseconds where there is much, and holds the allocator's locks meanwhile.
pub fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `malloc_trim` takes a number, has no preconditions, and may be called from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}
