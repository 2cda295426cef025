//! A library's description, looked at before it is believed.
//!
//! Enters: the pointer that an entry function returned. Leaves: one sentence about what cannot be used. Guarantees: what is
//! not mapped, too long to be told, or no code is refused, and nothing of it crashes the process.

use super::memory::{is_code, is_readable};
use crate::{LoadError, LoadErrorKind};
use mesh_plugin_abi as abi;
use std::mem::offset_of;

/// Magic, size and versions: they are at the same place in every description there will ever be.
const HEAD: usize = offset_of!(abi::Component, sdk);
/// No description of any version is longer.
const LONGEST: usize = 4096;
/// Bytes that a name, a version and the text about the SDK may have.
const LONGEST_NAME: usize = 64 * 1024;
/// Bytes that a descriptor may have: each client gets it.
const LONGEST_DESCRIPTOR: usize = 4 << 20;

/// Whether the beginning of a description can be read.
pub(super) fn has_head(component: *const abi::Component) -> bool {
    is_readable(component.cast(), HEAD)
}

/// Looks at the rest. A mistake that can be read is left to who reads it.
///
/// # Safety
///
/// The head can be read, and begins as every description does.
pub(super) unsafe fn check(component: *const abi::Component, shown: &str) -> Result<(), LoadError> {
    let wrong = |what: String| {
        Err(LoadError::new(
            LoadErrorKind::Description,
            format!("{shown}: {what}"),
        ))
    };
    // SAFETY: by the caller's word.
    let size = unsafe { (*component).struct_size } as usize;
    // SAFETY: as above.
    let major = unsafe { (*component).abi_major };
    if major != abi::ABI_MAJOR || size < abi::COMPONENT_SIZE_1_0 {
        return Ok(());
    }
    if !is_readable(component.cast(), size.min(LONGEST)) {
        return wrong("its description is not as long as it says of itself".to_owned());
    }
    let text = |offset: usize| {
        let place = component.wrapping_byte_add(offset).cast::<abi::Slice>();
        // SAFETY: the fields of the first version lie inside of what can be read.
        unsafe { place.read() }
    };
    let texts = [
        ("name", text(offset_of!(abi::Component, name)), LONGEST_NAME),
        ("version", text(offset_of!(abi::Component, version)), LONGEST_NAME),
        ("sdk", text(offset_of!(abi::Component, sdk)), LONGEST_NAME),
        (
            "descriptor",
            text(offset_of!(abi::Component, descriptor)),
            LONGEST_DESCRIPTOR,
        ),
    ];
    // SAFETY: as above.
    let table = unsafe { (*component).vtable };
    for (what, text, longest) in texts {
        if text.length > longest {
            return wrong(format!(
                "its {what} has {} bytes, and may have {longest}",
                text.length
            ));
        }
        if text.length > 0 && !is_readable(text.data.cast(), text.length) {
            return wrong(format!(
                "its {what} points to memory that cannot be read: it must be static data of the library"
            ));
        }
    }
    if table.is_null() || !table.is_aligned() {
        return Ok(());
    }
    if !is_readable(table.cast(), size_of::<u32>()) {
        return wrong(
            "its table of functions is in memory that cannot be read: it must be static data of the library"
                .to_owned(),
        );
    }
    // SAFETY: the size is the first field of every table there will ever be.
    let size = unsafe { (*table).struct_size } as usize;
    if size < abi::VTABLE_SIZE_1_0 {
        return Ok(());
    }
    if !is_readable(table.cast(), size.min(LONGEST)) {
        return wrong("its table of functions is not as long as it says of itself".to_owned());
    }
    let functions = [
        ("create", offset_of!(abi::Vtable, create)),
        ("work", offset_of!(abi::Vtable, work)),
        ("run", offset_of!(abi::Vtable, run)),
        ("destroy", offset_of!(abi::Vtable, destroy)),
    ];
    for (name, offset) in functions {
        let place = table.wrapping_byte_add(offset).cast::<usize>();
        // SAFETY: the fields of the first version lie inside of what can be read, and an absent function is 0.
        let address = unsafe { place.read() };
        if address != 0 && !is_code(address) {
            return wrong(format!(
                "its table of functions names for `{name}` an address at which there is no code"
            ));
        }
    }
    Ok(())
}
