//! A shared library in memory, and the functions it offers.

use crate::plugin::{LoadError, LoadErrorKind};
use libloading::os::unix::{Library as Handle, RTLD_LOCAL, RTLD_NOW, Symbol};
use mesh_plugin_abi as abi;
use std::ffi::c_void;
use std::mem::{ManuallyDrop, offset_of};
use std::path::Path;

/// An open library whose entry function was called.
///
/// Must be opened on the thread that will run the library's lane 0, since opening runs its constructors.
pub(in crate::plugin) struct Library {
    /// Closed by [`Library::close`] alone: a library that is merely dropped stays, since nobody has looked whether its
    /// code still runs.
    handle: ManuallyDrop<Handle>,
    component: *const abi::Component,
    functions: Functions,
}

/// The functions of a library, checked to be there.
#[derive(Clone, Copy)]
pub(in crate::plugin) struct Functions {
    pub(super) create:
        unsafe extern "C" fn(*const abi::Host, abi::Slice, abi::Slice, *mut *mut c_void) -> i32,
    pub(super) work: Option<unsafe extern "C" fn(*mut c_void, u32, *const abi::Work, usize)>,
    pub(super) run: Option<unsafe extern "C" fn(*mut c_void, u32)>,
    pub(super) destroy: unsafe extern "C" fn(*mut c_void),
}

impl Functions {
    /// Whether the library drives its lanes itself.
    pub(in crate::plugin) fn drives_lanes(&self) -> bool {
        self.run.is_some()
    }
}

// SAFETY: the handle and the static description may be used from any thread; which thread runs the library's code is
// decided by the lanes.
unsafe impl Send for Library {}

/// What a library says of itself, unchecked.
pub(in crate::plugin) struct Description<'a> {
    pub(in crate::plugin) name: &'a [u8],
    pub(in crate::plugin) version: &'a [u8],
    pub(in crate::plugin) sdk: &'a [u8],
    pub(in crate::plugin) descriptor: &'a [u8],
}

impl Library {
    /// Opens a library and checks that it is a component of this ABI. `shown` names it in errors.
    pub(in crate::plugin) fn open(path: &Path, shown: &str) -> Result<Library, LoadError> {
        // SAFETY: opening runs the library's constructors. The file is a private copy that was checked to be whole;
        // that its code is trusted is the operator's decision, stated in the documentation.
        let opened = unsafe { Handle::open(Some(path), RTLD_NOW | RTLD_LOCAL) };
        let handle = opened.map_err(|error| {
            let staged = path.to_string_lossy();
            let reason = innermost(&error)
                .replace(&format!("{staged}: "), "")
                .replace(&*staged, shown);
            LoadError::new(
                LoadErrorKind::Linking,
                format!("{shown} cannot be loaded: {reason}"),
            )
        })?;
        let no_component = |what: String| {
            LoadError::new(
                LoadErrorKind::NotAComponent,
                format!("{shown} is no component: {what}"),
            )
        };
        // SAFETY: a symbol of this name has this type by the contract of the ABI; nothing else exports the name.
        let found: Result<Symbol<abi::EntryFunction>, _> = unsafe { handle.get(abi::ENTRY_SYMBOL) };
        let Ok(entry) = found else {
            return Err(no_component(format!(
                "it does not export the function `{}`",
                abi::ENTRY_SYMBOL
            )));
        };
        // SAFETY: the entry function takes nothing and has no side effects by contract.
        let component = unsafe { entry() };
        if component.is_null() || !component.is_aligned() {
            return Err(no_component(
                "its entry function returned no description".to_owned(),
            ));
        }
        // SAFETY: `magic` and `struct_size` are the first fields of every description there will ever be.
        let magic = unsafe { (*component).magic };
        if magic != abi::MAGIC {
            return Err(no_component(format!(
                "its description does not begin with {:#018x}",
                abi::MAGIC
            )));
        }
        let functions = check(component, shown)?;
        Ok(Library {
            handle: ManuallyDrop::new(handle),
            component,
            functions,
        })
    }

    /// What the library says of itself. The bytes live as long as the library.
    pub(in crate::plugin) fn description(&self) -> Description<'_> {
        // SAFETY: `open` has checked magic, major version and size; the struct is static and immutable.
        let component = unsafe { &*self.component };
        Description {
            // SAFETY: the four slices are static bytes by contract.
            name: unsafe { component.name.as_bytes() },
            // SAFETY: as above.
            version: unsafe { component.version.as_bytes() },
            // SAFETY: as above.
            sdk: unsafe { component.sdk.as_bytes() },
            // SAFETY: as above.
            descriptor: unsafe { component.descriptor.as_bytes() },
        }
    }

    /// The library's functions. They may be called while this value lives.
    pub(in crate::plugin) fn functions(&self) -> Functions {
        self.functions
    }

    /// Where the library starts in memory.
    pub(in crate::plugin) fn base(&self) -> usize {
        super::interpose::library_of(self.component.cast())
    }

    /// Closes the library. Runs its destructors on the calling thread.
    pub(in crate::plugin) fn close(self) -> Result<(), String> {
        ManuallyDrop::into_inner(self.handle)
            .close()
            .map_err(|error| innermost(&error))
    }
}

fn check(component: *const abi::Component, shown: &str) -> Result<Functions, LoadError> {
    // SAFETY: these three fields are at the same place in every version of the description.
    let size = unsafe { (*component).struct_size } as usize;
    // SAFETY: as above.
    let major = unsafe { (*component).abi_major };
    // SAFETY: as above.
    let minor = unsafe { (*component).abi_minor };
    let abi_error = |what: String| LoadError::new(LoadErrorKind::AbiVersion, what);
    if major != abi::ABI_MAJOR {
        let (host, cure) = (abi::ABI_MAJOR, "rebuild the component with the SDK of this host");
        return Err(abi_error(format!(
            "{shown} was built for plugin ABI {major}.{minor}, this host speaks {host}.{}: {cure}",
            abi::ABI_MINOR
        )));
    }
    let wrong = |what: &str| LoadError::new(LoadErrorKind::Description, format!("{shown}: {what}"));
    if size < size_of::<abi::Component>() {
        return Err(wrong(
            "its description is shorter than the first version of the ABI",
        ));
    }
    // SAFETY: the struct is at least as long as the one compiled in here, and static.
    let component = unsafe { &*component };
    if component.minimum_host_abi_minor > abi::ABI_MINOR {
        return Err(abi_error(format!(
            "{shown} needs a host with plugin ABI {}.{} or newer, this host speaks {}.{}",
            abi::ABI_MAJOR,
            component.minimum_host_abi_minor,
            abi::ABI_MAJOR,
            abi::ABI_MINOR
        )));
    }
    if component.vtable.is_null() {
        return Err(wrong("its table of functions is missing"));
    }
    // SAFETY: `struct_size` is the first field of every table there will ever be.
    let table_size = unsafe { (*component.vtable).struct_size } as usize;
    if table_size < offset_of!(abi::Vtable, destroy) + size_of::<usize>() {
        return Err(wrong(
            "its table of functions is shorter than the first version of the ABI",
        ));
    }
    // SAFETY: the table is at least as long as the one compiled in here, and static.
    let table = unsafe { &*component.vtable };
    let (Some(create), Some(destroy)) = (table.create, table.destroy) else {
        return Err(wrong("its functions `create` and `destroy` must both be there"));
    };
    if table.work.is_none() && table.run.is_none() {
        return Err(wrong("one of its functions `work` and `run` must be there"));
    }
    Ok(Functions {
        create,
        work: table.work,
        run: table.run,
        destroy,
    })
}

/// The text of the dynamic linker itself.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
