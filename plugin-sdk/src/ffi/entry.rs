//! Entry points of the library: its description and its functions.

use super::host::{Host, work_items};
use crate::component::Component;
use crate::instance::Instance;
use crate::logging;
use mesh_plugin_abi::{self as abi, Slice, Status};
use std::ffi::c_void;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The static description of a component's library. Used by the code that `#[component]` writes.
pub const fn component<C: Component>() -> abi::Component {
    abi::Component {
        magic: abi::MAGIC,
        struct_size: size_of::<abi::Component>() as u32,
        abi_major: abi::ABI_MAJOR,
        abi_minor: abi::ABI_MINOR,
        minimum_host_abi_minor: 0,
        reserved: [0; 3],
        sdk: Slice::new(concat!("rust ", env!("CARGO_PKG_VERSION")).as_bytes()),
        name: Slice::new(C::NAME.as_bytes()),
        version: Slice::new(C::VERSION.as_bytes()),
        descriptor: Slice::new(C::DESCRIPTOR.as_bytes()),
        vtable: &Functions::<C>::TABLE,
        get_extension: None,
    }
}

struct Functions<C>(PhantomData<C>);

impl<C: Component> Functions<C> {
    const TABLE: abi::Vtable = abi::Vtable {
        struct_size: size_of::<abi::Vtable>() as u32,
        reserved: 0,
        create: Some(create::<C>),
        work: Some(work::<C>),
        run: Self::RUN,
        destroy: Some(destroy::<C>),
    };

    #[cfg(feature = "tokio")]
    const RUN: Option<unsafe extern "C" fn(*mut c_void, u32)> = if C::TOKIO { Some(run::<C>) } else { None };
    #[cfg(not(feature = "tokio"))]
    const RUN: Option<unsafe extern "C" fn(*mut c_void, u32)> = None;
}

/// The bytes of a slice, for the time of a call.
fn bytes<'a>(slice: Slice) -> &'a [u8] {
    // SAFETY: by contract the slice is readable for the time of the call, and nobody below keeps it longer.
    unsafe { slice.as_bytes() }
}

unsafe extern "C" fn create<C: Component>(
    host: *const abi::Host,
    info: Slice,
    config: Slice,
    instance: *mut *mut c_void,
) -> i32 {
    // SAFETY: by contract the table stays valid until `destroy` has returned.
    let host = match unsafe { Host::from_table(host) } {
        Ok(host) => host,
        Err(reason) => {
            // No function of the host can be called.
            eprintln!("component {} {}: {reason}", C::NAME, C::VERSION);
            return Status::ERROR;
        }
    };
    logging::install(&host);
    let made = catch_unwind(AssertUnwindSafe(|| {
        host.enter(|| Instance::<C>::create(host, bytes(info), bytes(config)))
    }))
    .unwrap_or_else(|panic| {
        super::set_current_host(None);
        Err(crate::guard::panic_error(&*panic, C::NAME, "create"))
    });
    match made {
        Ok(made) => {
            // SAFETY: the host passed a place to write the instance to.
            unsafe { instance.write(Box::into_raw(Box::new(made)).cast()) };
            Status::OK
        }
        Err(error) => {
            host.fail(&error.to_string());
            logging::uninstall(&host);
            Status::ERROR
        }
    }
}

/// The instance behind a pointer of the host's.
///
/// # Safety
///
/// The pointer must come from `create::<C>` and not have been destroyed.
unsafe fn instance_of<'a, C: Component>(instance: *mut c_void) -> Option<&'a Instance<C>> {
    // SAFETY: the caller vouches for the pointer; an instance is only ever shared.
    unsafe { instance.cast::<Instance<C>>().as_ref() }
}

unsafe extern "C" fn work<C: Component>(
    instance: *mut c_void,
    lane: u32,
    items: *const abi::Work,
    count: usize,
) {
    // SAFETY: the host passes what `create` gave it.
    let Some(instance) = (unsafe { instance_of::<C>(instance) }) else {
        return;
    };
    // SAFETY: the host passes so many items, which live for this call.
    let items = unsafe { work_items(instance.host(), items, count) };
    // Calls and handlers have guards of their own: what ends here is a panic while a panic's payload was dropped.
    let _ = catch_unwind(AssertUnwindSafe(|| instance.work(lane, items)));
}

#[cfg(feature = "tokio")]
unsafe extern "C" fn run<C: Component>(instance: *mut c_void, lane: u32) {
    // SAFETY: the host passes what `create` gave it.
    let Some(instance) = (unsafe { instance_of::<C>(instance) }) else {
        return;
    };
    let _ = catch_unwind(AssertUnwindSafe(|| crate::tokio_lane::run(instance, lane)));
}

unsafe extern "C" fn destroy<C: Component>(instance: *mut c_void) {
    if instance.is_null() {
        return;
    }
    // SAFETY: the host passes what `create` gave it, for the last time.
    let instance = unsafe { Box::from_raw(instance.cast::<Instance<C>>()) };
    let host = instance.host();
    // The author's `Drop` runs in here, too: a panic of it must not reach the host, and is logged by the hook.
    let ended = catch_unwind(AssertUnwindSafe(|| {
        host.enter(move || {
            instance.destroy();
            drop(instance);
        });
    }));
    if let Err(panic) = ended {
        // A payload may panic again when it is dropped.
        std::mem::forget(panic);
    }
    super::set_current_host(None);
    logging::uninstall(&host);
}
