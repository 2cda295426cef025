//! Memory that a library speaks of, looked at before it is believed.
//!
//! Enters: addresses from a library. Leaves: whether they can be read, or called. Guarantees: an address that nobody has
//! mapped is an answer here, and no crash. Where the system does not tell, everything counts as good.

use std::ffi::c_void;
use std::ptr;

/// So much is looked at in one go.
const PART: usize = 64 * 1024;

/// Whether so many bytes can be read there.
pub(super) fn is_readable(address: *const c_void, length: usize) -> bool {
    let mut part = vec![0_u8; PART.min(length)];
    let mut done = 0;
    while done < length {
        let count = PART.min(length - done);
        let into = libc::iovec {
            iov_base: part.as_mut_ptr().cast(),
            iov_len: count,
        };
        let from = libc::iovec {
            iov_base: address.wrapping_byte_add(done).cast_mut(),
            iov_len: count,
        };
        let own = std::process::id() as libc::pid_t;
        // SAFETY: `into` is memory to write to. The system itself checks what `from` says, and copies from it.
        let copied = unsafe { libc::process_vm_readv(own, &into, 1, &from, 1, 0) };
        match usize::try_from(copied) {
            Ok(copied) if copied == count => done += count,
            Ok(_) => return false,
            Err(_) => return std::io::Error::last_os_error().raw_os_error() != Some(libc::EFAULT),
        }
    }
    true
}

/// So many blocks of each length are taken by [`reuse_freed`].
const BLOCKS: usize = 16;

/// Takes blocks of these lengths from the C library, writes to them and gives them back. Memory that somebody on this thread has freed
/// before is most likely among them, and is something else afterwards.
pub(crate) fn reuse_freed(lengths: impl Iterator<Item = usize>) {
    for length in lengths {
        let mut blocks = [ptr::null_mut::<c_void>(); BLOCKS];
        for block in &mut blocks {
            // SAFETY: the block is asked for, and given back below.
            *block = unsafe { libc::malloc(length) };
            if !block.is_null() {
                // SAFETY: the block has that length, and nobody else knows it.
                unsafe { ptr::write_bytes(block.cast::<u8>(), 0xA5, length) };
            }
        }
        for block in blocks {
            // SAFETY: it is null, or was taken above and not given back yet.
            unsafe { libc::free(block) };
        }
    }
}

/// Whether there is code at an address.
pub(super) fn is_code(address: usize) -> bool {
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else {
        return true;
    };
    maps.lines().any(|line| {
        let mut words = line.split_whitespace();
        let range = words.next().and_then(|range| range.split_once('-'));
        let may = words.next().unwrap_or_default();
        let number = |text| usize::from_str_radix(text, 16).unwrap_or_default();
        may.contains('x') && range.is_some_and(|(start, end)| (number(start)..number(end)).contains(&address))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_nobody_has_mapped_cannot_be_read() {
        let own = vec![7_u8; 3 * PART];
        assert!(is_readable(own.as_ptr().cast(), own.len()));
        assert!(!is_readable(ptr::without_provenance(8), 1));
        assert!(!is_readable(own.as_ptr().cast(), usize::MAX / 2));
    }

    #[test]
    fn memory_that_was_freed_is_something_else_afterwards() {
        for length in [40, 104, 2000] {
            // SAFETY: malloc takes any length.
            let freed = unsafe { libc::malloc(length) };
            // SAFETY: the block has that length.
            unsafe { ptr::write_bytes(freed.cast::<u8>(), 7, length) };
            // SAFETY: it was taken above.
            unsafe { libc::free(freed) };
            reuse_freed([length].into_iter());
            let mut now = vec![0_u8; length];
            let own = std::process::id() as libc::pid_t;
            let into = libc::iovec {
                iov_base: now.as_mut_ptr().cast(),
                iov_len: length,
            };
            let from = libc::iovec {
                iov_base: freed,
                iov_len: length,
            };
            // SAFETY: the system checks what `from` says, and copies from it.
            let copied = unsafe { libc::process_vm_readv(own, &into, 1, &from, 1, 0) };
            assert_eq!(copied, length as isize);
            // The C library keeps notes of its own at the beginning.
            assert!(now[16..].iter().all(|byte| *byte != 7), "{length}");
        }
    }

    #[test]
    fn a_function_is_code_and_a_value_is_not() {
        let value = 7_u8;
        assert!(is_code(is_code as *const c_void as usize));
        assert!(!is_code((&raw const value).addr()));
        assert!(!is_code(0));
    }
}
