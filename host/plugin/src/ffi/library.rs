//! A shared library in memory, and the functions it offers.

use super::interpose::Object;
use super::{believed, process};
use crate::{LoadError, LoadErrorKind};
use libloading::os::unix::{Library as Handle, RTLD_LOCAL, RTLD_NOW, Symbol};
use mesh_plugin_abi::{self as abi, Given, StructError, StructErrorKind, field};
use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::path::Path;

/// An open library.
///
/// Must be opened on the thread that will run the library's lane 0, since opening runs its
/// constructors. [`Library::close`] alone closes it, whatever turns out to be wrong with it later. A library that is
/// merely dropped stays in memory, since nobody has looked whether its code still runs.
pub(crate) struct Library {
    handle: ManuallyDrop<Handle>,
    /// Where it lies in memory.
    object: Object,
    /// Where it and the libraries that it brings along lie.
    group: Vec<Object>,
}

/// A library that was found to be a component of this ABI.
#[derive(Clone, Copy)]
pub(crate) struct ComponentTable {
    /// Readable while the library is open.
    component: Given<'static, abi::Component>,
    /// Where the description lies.
    address: usize,
    functions: Functions,
}

/// The functions of a library, checked to be there.
#[derive(Clone, Copy)]
pub(crate) struct Functions {
    pub(super) create:
        unsafe extern "C" fn(*const abi::Host, abi::Slice, abi::Slice, *mut *mut c_void) -> i32,
    pub(super) work: Option<unsafe extern "C" fn(*mut c_void, u32, *const abi::Work, usize)>,
    pub(super) run: Option<unsafe extern "C" fn(*mut c_void, u32)>,
    pub(super) destroy: unsafe extern "C" fn(*mut c_void),
}

impl Functions {
    /// Whether the library drives its lanes itself.
    pub(crate) fn drives_lanes(&self) -> bool {
        self.run.is_some()
    }

    /// Where they lie; 0 for one that is not there.
    pub(crate) fn addresses(&self) -> [usize; 4] {
        [
            self.create as usize,
            self.work.map_or(0, |work| work as usize),
            self.run.map_or(0, |run| run as usize),
            self.destroy as usize,
        ]
    }
}

// SAFETY: the handle may be used from any thread; which thread runs the library's code is decided by the lanes.
unsafe impl Send for Library {}
/// A library's description, unchecked.
pub(crate) struct Description<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) version: &'a [u8],
    pub(crate) sdk: &'a [u8],
    pub(crate) descriptor: &'a [u8],
}

impl Library {
    /// Opens a library, which runs its constructors. `mark` is the folder of all that comes along, or the path itself. `shown`
    /// names it in errors.
    pub(crate) fn open(path: &Path, mark: &Path, shown: &str) -> Result<Library, LoadError> {
        // SAFETY: opening runs the library's constructors. The file is a private copy that was checked to be whole;
        // that its code is trusted is the operator's decision, stated in the documentation.
        let opened = unsafe { Handle::open(Some(path), RTLD_NOW | RTLD_LOCAL) };
        process::end_if_copy();
        let handle = opened.map_err(|error| {
            let staged = path.to_string_lossy();
            let reason = innermost(&error)
                .replace(&format!("{staged}: "), "")
                .replace(&*staged, shown);
            LoadError::new(
                LoadErrorKind::Linking,
                format!("{shown} cannot be loaded: {reason}{}", help(&reason, path)),
            )
        })?;
        let handle = ManuallyDrop::new(handle);
        let Some(object) = Object::named(path) else {
            // It stays in memory: where it lies is not known, and so neither is whether its code still runs.
            return Err(LoadError::new(
                LoadErrorKind::Linking,
                format!("{shown} cannot be loaded: the dynamic linker does not say where it lies in memory"),
            ));
        };
        let group = if mark == path {
            vec![object]
        } else {
            Object::below(mark)
        };
        Ok(Library {
            handle,
            object,
            group,
        })
    }

    /// Checks that it is a component of this ABI. `shown` names it in errors.
    pub(crate) fn component(&self, shown: &str) -> Result<ComponentTable, LoadError> {
        let no_component = |what: String| {
            LoadError::new(
                LoadErrorKind::NotAComponent,
                format!("{shown} is no component: {what}"),
            )
        };
        // SAFETY: a symbol of this name has this type by the contract of the ABI; nothing else exports the name.
        let found: Result<Symbol<abi::EntryFunction>, _> = unsafe { self.handle.get(abi::ENTRY_SYMBOL) };
        let Ok(entry) = found else {
            return Err(no_component(format!(
                "it does not export the function `{}`",
                abi::ENTRY_SYMBOL
            )));
        };
        // SAFETY: the entry function takes nothing and has no side effects by contract.
        let component = unsafe { entry() };
        process::end_if_copy();
        if component.is_null() || !component.is_aligned() {
            return Err(no_component(
                "its entry function returned no description".to_owned(),
            ));
        }
        if !believed::has_head(component) {
            return Err(no_component(
                "its entry function returned a pointer to memory that cannot be read".to_owned(),
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
        // SAFETY: its head was found to be there, and begins as every description does.
        unsafe { believed::check(component, shown)? };
        // SAFETY: it is there, aligned, and begins as every description does. It stays while the library is open.
        unsafe { check(component, shown) }
    }

    /// The description of a component of this library. The bytes live as long as the library.
    pub(crate) fn description<'a>(&'a self, table: &ComponentTable) -> Description<'a> {
        // SAFETY: the four slices are static bytes by contract, and the library is open for as long as `self` is lent.
        let bytes = |slice: abi::Slice| unsafe { slice.as_bytes() };
        Description {
            name: bytes(table.component.get(field!(abi::Component, name))),
            version: bytes(table.component.get(field!(abi::Component, version))),
            sdk: bytes(table.component.get(field!(abi::Component, sdk))),
            descriptor: bytes(table.component.get(field!(abi::Component, descriptor))),
        }
    }

    /// Where it lies in memory.
    pub(crate) fn object(&self) -> &Object {
        &self.object
    }

    /// Where it and the libraries that it brings along lie in memory.
    pub(crate) fn group(&self) -> &[Object] {
        &self.group
    }

    /// Closes the library. Runs its destructors on the calling thread.
    pub(crate) fn close(self) -> Result<(), String> {
        let closed = ManuallyDrop::into_inner(self.handle).close();
        process::end_if_copy();
        closed.map_err(|error| innermost(&error))
    }
}

impl ComponentTable {
    /// The library's functions. They may be called while the library is open.
    pub(crate) fn functions(&self) -> Functions {
        self.functions
    }

    /// Where the description lies.
    pub(crate) fn address(&self) -> usize {
        self.address
    }

    /// Where the table of functions lies.
    pub(crate) fn address_of_functions(&self) -> usize {
        self.component.get(field!(abi::Component, vtable)).addr()
    }

    /// The numbers in the description: versions of the ABI.
    pub(crate) fn numbers(&self) -> [u16; 3] {
        [
            self.component.get(field!(abi::Component, abi_major)),
            self.abi_minor(),
            self.component.get(field!(abi::Component, minimum_host_abi_minor)),
        ]
    }

    /// The minor version of the ABI that the library was built for.
    pub(crate) fn abi_minor(&self) -> u16 {
        self.component.get(field!(abi::Component, abi_minor))
    }
}

/// Checks version, sizes and functions of a component.
///
/// # Safety
///
/// `component` points to a description of some version of the ABI, which [`ComponentTable`] may keep.
unsafe fn check(component: *const abi::Component, shown: &str) -> Result<ComponentTable, LoadError> {
    let address = component.addr();
    // SAFETY: magic, size and both versions are at the same place in every description there will ever be.
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
    let unreadable = |what: &str, error: StructError| match error.kind() {
        StructErrorKind::Missing => wrong(&format!("its {what} is missing")),
        StructErrorKind::TooShort => wrong(&format!(
            "its {what} is shorter than the first version of the ABI: {error}"
        )),
        StructErrorKind::Misplaced | StructErrorKind::Uneven => {
            wrong(&format!("its {what} cannot be read: {error}"))
        }
    };
    // SAFETY: a description of this major version says its size. It is static and never changes.
    let component: Given<'static, abi::Component> =
        unsafe { Given::read(component) }.map_err(|error| unreadable("description", error))?;
    let needed = component.get(field!(abi::Component, minimum_host_abi_minor));
    if needed > abi::ABI_MINOR {
        return Err(abi_error(format!(
            "{shown} needs a host with plugin ABI {}.{needed} or newer, this host speaks {}.{}",
            abi::ABI_MAJOR,
            abi::ABI_MAJOR,
            abi::ABI_MINOR
        )));
    }
    let table = component.get(field!(abi::Component, vtable));
    // SAFETY: null, or a table of this major version, which says its size. It is static and never changes.
    let table: Given<'static, abi::Vtable> =
        unsafe { Given::read(table) }.map_err(|error| unreadable("table of functions", error))?;
    let (create, destroy) = (
        table.get(field!(abi::Vtable, create)),
        table.get(field!(abi::Vtable, destroy)),
    );
    let (Some(create), Some(destroy)) = (create, destroy) else {
        return Err(wrong("its functions `create` and `destroy` must both be there"));
    };
    let (work, run) = (
        table.get(field!(abi::Vtable, work)),
        table.get(field!(abi::Vtable, run)),
    );
    if work.is_none() && run.is_none() {
        return Err(wrong("one of its functions `work` and `run` must be there"));
    }
    let functions = Functions {
        create,
        work,
        run,
        destroy,
    };
    Ok(ComponentTable {
        component,
        address,
        functions,
    })
}

/// The help for a failure of the dynamic linker, where that is known.
fn help(reason: &str, path: &Path) -> String {
    let is_in_noexec_folder = || {
        let about = path.parent().and_then(|folder| rustix::fs::statvfs(folder).ok());
        about.is_some_and(|about| about.f_flag.contains(rustix::fs::StatVfsMountFlags::NOEXEC))
    };
    if reason.contains("failed to map segment") && is_in_noexec_folder() {
        let folder = path.parent().unwrap_or(path).display();
        return format!(
            ". The folder {folder}, which libraries are copied to, is mounted noexec: let XDG_RUNTIME_DIR or TMPDIR name another one"
        );
    }
    if reason.contains("static TLS") {
        return ". Room for its thread-locals of the initial-exec kind has run out: restart the host, or build the library with \
                -ftls-model=global-dynamic"
            .to_owned();
    }
    String::new()
}

/// The text of the dynamic linker itself.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
