//! Which file of the process an address lies in.
//!
//! Enters: addresses and names. Leaves: the mapped file. Guarantees: only the list of files is read, under a lock
//! that the dynamic loader holds for moments. A constructor that hangs keeps nobody waiting here. `dladdr` would wait
//! for it.

use std::ffi::{CStr, OsStr, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A file that is mapped into the process, from its first loaded address to behind its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    start: usize,
    end: usize,
}

impl Object {
    /// The file that an address lies in.
    pub(crate) fn of(address: usize) -> Option<Object> {
        find(|_, object| object.contains(address))
    }

    /// The file that was loaded under this name.
    pub(crate) fn named(path: &Path) -> Option<Object> {
        find(|name, _| name.to_bytes() == path.as_os_str().as_encoded_bytes())
    }

    /// The files that were loaded from below a folder.
    pub(crate) fn below(folder: &Path) -> Vec<Object> {
        let mut objects = Vec::new();
        find(|name, object| {
            if Path::new(OsStr::from_bytes(name.to_bytes())).starts_with(folder) {
                objects.push(*object);
            }
            false
        });
        objects
    }

    /// Whether an address lies in it.
    pub(crate) fn contains(&self, address: usize) -> bool {
        (self.start..self.end).contains(&address)
    }
}

/// Whether an address lies in the host's own executable.
pub(crate) fn is_hosts_own(address: usize) -> bool {
    static START: AtomicUsize = AtomicUsize::new(0);
    static END: AtomicUsize = AtomicUsize::new(0);
    if END.load(Ordering::Acquire) == 0 {
        let Some(own) = Object::of(is_hosts_own as *const c_void as usize) else {
            return false;
        };
        START.store(own.start, Ordering::Relaxed);
        END.store(own.end, Ordering::Release);
    }
    (START.load(Ordering::Relaxed)..END.load(Ordering::Acquire)).contains(&address)
}

/// The callback of the C library for each file.
struct Search<'a> {
    matches: &'a mut dyn FnMut(&CStr, &Object) -> bool,
    found: Option<Object>,
}

fn find(mut matches: impl FnMut(&CStr, &Object) -> bool) -> Option<Object> {
    let mut search = Search {
        matches: &mut matches,
        found: None,
    };
    // SAFETY: `look` is called with this very pointer, only during this call.
    unsafe { libc::dl_iterate_phdr(Some(look), (&raw mut search).cast()) };
    search.found
}

unsafe extern "C" fn look(info: *mut libc::dl_phdr_info, _: usize, search: *mut c_void) -> c_int {
    // SAFETY: `find` passes a `Search` that lives for the call, and nobody else has it.
    let search = unsafe { &mut *search.cast::<Search<'_>>() };
    // SAFETY: the C library passes a description that lives for the call.
    let info = unsafe { &*info };
    if info.dlpi_phdr.is_null() || info.dlpi_name.is_null() {
        return 0;
    }
    // SAFETY: the C library says that so many headers are there.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    let base = info.dlpi_addr as usize;
    let loaded = headers.iter().filter(|header| header.p_type == libc::PT_LOAD);
    let (mut start, mut end) = (usize::MAX, 0);
    for header in loaded {
        let begin = base.wrapping_add(header.p_vaddr as usize);
        start = start.min(begin);
        end = end.max(begin.wrapping_add(header.p_memsz as usize));
    }
    // SAFETY: the name ends with zero.
    let name = unsafe { CStr::from_ptr(info.dlpi_name) };
    let object = Object { start, end };
    if (search.matches)(name, &object) {
        search.found = Some(object);
        return 1;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_the_executable_is_the_hosts_own_and_one_of_the_c_library_is_not() {
        assert!(is_hosts_own(is_hosts_own as *const c_void as usize));
        assert!(!is_hosts_own(libc::dladdr as *const c_void as usize));
        assert!(!is_hosts_own(0));
        let c_library = Object::of(libc::getpid as *const c_void as usize).unwrap();
        assert!(c_library.contains(libc::getpid as *const c_void as usize));
        assert_eq!(Object::of(1), None);
    }
}
