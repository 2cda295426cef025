//! The contract between the host and a component library, as plain C data.
//!
//! Enters and leaves: `#[repr(C)]` structs, function pointers and UTF-8 JSON bytes; nothing of Rust's own ABI.
//! The same contract for C is `include/mesh_plugin.h`; the two are kept equal by a test.
//!
//! Guarantees every party gives:
//!
//! * **Growth.** Majors must match. A minor version only appends fields. Every struct says its own size at its head
//!   ([`Component`] behind its magic number; [`Slice`] is frozen for ever). Sizes only grow, and none is below that of
//!   the version that brought the struct, such as [`WORK_SIZE_1_0`]. A reader uses a field only when it lies inside the
//!   size that the writer gave: see [`Given`]. Items of an array lie one behind the other, each as long as its size
//!   says: see [`Items`]. Functions that a call's answer does not need are in an extension. It is asked for by name
//!   ([`Host::get_extension`], [`Component::get_extension`]), and valid for as long as the table it was asked from.
//! * **Memory.** Every [`Slice`] is borrowed for the duration of the call it is passed to. Where a field says
//!   *static*, it is borrowed for as long as the library is loaded. A side that keeps bytes copies them. Nobody frees
//!   memory that somebody else allocated.
//! * **Threads.** The host runs library code only on *lanes*: operating system threads that belong to one loaded
//!   version and end before it is unloaded. `dlopen` constructors, [`Vtable::create`] and [`Vtable::destroy`] run on
//!   lane 0; `dlclose` destructors run on a thread made for the unloading. Host functions may be called from any thread, never block, and never call back into the library on the
//!   caller's stack.
//! * **Requests.** A function that takes a lane and a token is answered on that lane with that token. A lane that does
//!   not exist is never answered.
//! * **Completion.** A token is completed exactly once, from any thread. Tokens are generation-checked numbers: a
//!   late or second completion is counted and ignored.
//! * **Panics and exceptions** must not cross a function of this contract.

#![no_std]

use core::ffi::c_void;

mod extensions;
mod growth;
mod requests;
mod status;
mod work;

pub use extensions::{
    DATA_EXTENSION, DELEGATION_EXTENSION, DataExtension, DelegationExtension, EVENTS_EXTENSION,
    EXCHANGE_EXTENSION, EventsExtension, ExchangeExtension, HTTP_EXTENSION, HttpExtension, TIMER_EXTENSION,
    TimerExtension,
};
pub use growth::{
    COMPONENT_SIZE_1_0, DATA_2_EXTENSION_SIZE_1_3, DATA_EXTENSION_SIZE_1_0, DELEGATION_EXTENSION_SIZE_1_1,
    EVENTS_2_EXTENSION_SIZE_1_3, EVENTS_EXTENSION_SIZE_1_0, EXCHANGE_2_EXTENSION_SIZE_1_3,
    EXCHANGE_EXTENSION_SIZE_1_0, Field, Given, Growing, HOST_SIZE_1_0, HTTP_EXTENSION_SIZE_1_2, Items,
    LaterField, REQUEST_SIZE_1_3, StructError, StructErrorKind, TIMER_2_EXTENSION_SIZE_1_3,
    TIMER_EXTENSION_SIZE_1_0, VTABLE_SIZE_1_0, WORK_SIZE_1_0,
};
pub use requests::{
    DATA_2_EXTENSION, Data2Extension, EVENTS_2_EXTENSION, EXCHANGE_2_EXTENSION, Events2Extension,
    Exchange2Extension, Request, RequestStatus, TIMER_2_EXTENSION, Timer2Extension,
};
pub use status::{Level, Status};
pub use work::{Work, WorkKind};

/// First field of [`Component`]: the bytes `MESHPLUG`, read as a little-endian number.
pub const MAGIC: u64 = u64::from_le_bytes(*b"MESHPLUG");

/// Major version of this contract. A host loads only libraries of the same major version.
pub const ABI_MAJOR: u16 = 1;

/// Minor version of this contract. It grows when fields are appended.
pub const ABI_MINOR: u16 = 3;

/// Name of the one symbol that a component library exports, an [`EntryFunction`].
pub const ENTRY_SYMBOL: &str = "mesh_component_entry";

/// Returns the library's static description of itself. Must have no side effects.
pub type EntryFunction = unsafe extern "C" fn() -> *const Component;

/// A number that stands for one thing awaiting completion. Zero is never a valid token.
pub type Token = u64;

/// Borrowed bytes. Text is UTF-8 without a terminating zero. `data` may be null only when `length` is 0.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Slice {
    /// First byte.
    pub data: *const u8,
    /// Number of bytes.
    pub length: usize,
}

impl Slice {
    /// The empty slice.
    pub const EMPTY: Slice = Slice {
        data: core::ptr::null(),
        length: 0,
    };

    /// Borrows `bytes` without a lifetime: the contract of the function it is passed to says how long it must live.
    pub const fn new(bytes: &[u8]) -> Slice {
        Slice {
            data: bytes.as_ptr(),
            length: bytes.len(),
        }
    }

    /// Whether there can be an object of that length: at most `isize::MAX` bytes. A longer one is a negative number that was cast.
    pub const fn is_possible(self) -> bool {
        self.length <= isize::MAX as usize
    }

    /// The bytes behind the slice.
    ///
    /// # Safety
    ///
    /// `data` must point to `length` initialised bytes that stay unchanged for `'a`, or `length` must be 0.
    pub const unsafe fn as_bytes<'a>(self) -> &'a [u8] {
        if self.length == 0 || self.data.is_null() || !self.is_possible() {
            return &[];
        }
        // SAFETY: the caller vouches for pointer, length and lifetime; what is null, empty or impossible was handled above.
        unsafe { core::slice::from_raw_parts(self.data, self.length) }
    }
}

// SAFETY: a slice is an address and a number; what may be done with the address is the contract's business.
unsafe impl Send for Slice {}
// SAFETY: as above, sharing the address itself is harmless.
unsafe impl Sync for Slice {}

/// The description of a library. Static: it and everything it points to live as long as the library is loaded.
#[repr(C)]
#[derive(Debug)]
pub struct Component {
    /// [`MAGIC`].
    pub magic: u64,
    /// Size of this struct as the library was compiled, in bytes.
    pub struct_size: u32,
    /// [`ABI_MAJOR`] of the library.
    pub abi_major: u16,
    /// [`ABI_MINOR`] of the library.
    pub abi_minor: u16,
    /// The smallest minor version of the host that the library can work with.
    pub minimum_host_abi_minor: u16,
    /// Zero.
    pub reserved: [u16; 3],
    /// Free text naming the SDK and compiler, for people: `rust 0.1.0`.
    pub sdk: Slice,
    /// Component name, such as `calc`. mesh.toml may register the component under another one.
    pub name: Slice,
    /// Strict semantic version, such as `1.2.3`.
    pub version: Slice,
    /// JSON object describing methods, events, routes, data, state, health and extensions; see `docs/abi.md`.
    pub descriptor: Slice,
    /// The library's functions.
    pub vtable: *const Vtable,
    /// Looks up a named extension that the library offers; null when it does not know the name. May itself be null.
    pub get_extension: Option<unsafe extern "C" fn(name: Slice) -> *const c_void>,
}

// SAFETY: the struct is immutable after the library was compiled; all its pointers are to static data.
unsafe impl Sync for Component {}

/// The functions of a component library. All of them are called on lanes only.
#[repr(C)]
#[derive(Debug)]
pub struct Vtable {
    /// Size of this struct as the library was compiled, in bytes.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// `[lane 0]` Makes one instance. `host` stays valid until [`Vtable::destroy`] has returned; `info` and `config`
    /// are JSON objects. Returns [`Status::OK`] and stores the instance, or stores nothing, reports the reason with
    /// [`Host::fail`] and returns [`Status::ERROR`].
    pub create: Option<
        unsafe extern "C" fn(
            host: *const Host,
            info: Slice,
            config: Slice,
            instance: *mut *mut c_void,
        ) -> i32,
    >,
    /// `[any lane]` Handles `count` pieces of work in order. Returns soon; what takes longer is completed later. With
    /// several lanes it is called on all of them at the same time.
    pub work:
        Option<unsafe extern "C" fn(instance: *mut c_void, lane: u32, items: *const Work, count: usize)>,
    /// `[any lane]` Optional. Where present, a lane runs this function for its whole life instead of having work
    /// pushed. The library waits on [`Host::lane_descriptor`], fetches work with [`Host::take`] and returns when
    /// `take` says that the lane is closed.
    pub run: Option<unsafe extern "C" fn(instance: *mut c_void, lane: u32)>,
    /// `[lane 0]` Frees the instance. All other lanes have ended. Threads that the library started must have ended
    /// when this returns.
    pub destroy: Option<unsafe extern "C" fn(instance: *mut c_void)>,
}

/// The host's functions for one instance. Every function is thread-safe and never blocks.
#[repr(C)]
#[derive(Debug)]
pub struct Host {
    /// Size of this struct as the host was compiled, in bytes.
    pub struct_size: u32,
    /// [`ABI_MAJOR`] of the host.
    pub abi_major: u16,
    /// [`ABI_MINOR`] of the host.
    pub abi_minor: u16,
    /// Passed back as the first argument of every function below.
    pub context: *const c_void,
    /// Answers the work item with this token. `payload` by `status` is described at [`Status`].
    pub complete: unsafe extern "C" fn(context: *const c_void, token: Token, status: i32, payload: Slice),
    /// Says in one sentence why [`Vtable::create`] is about to return [`Status::ERROR`].
    pub fail: unsafe extern "C" fn(context: *const c_void, message: Slice),
    /// Writes to the host's log. `level` is a [`Level`]; `target` names the part of the component. The member `logLevel`
    /// of `info` says which levels the host writes at all.
    pub log: unsafe extern "C" fn(context: *const c_void, level: i32, target: Slice, message: Slice),
    /// Queues a work item of kind [`WorkKind::WAKE`] for a lane. Wakes asked for before the lane looked are folded
    /// into one.
    pub wake: unsafe extern "C" fn(context: *const c_void, lane: u32),
    /// `[that lane, from run]` Fetches the waiting work without blocking. Returns the number of items and stores
    /// where they are; they stay valid until the next `take` on that lane. Returns -1 when the lane is closed: the
    /// library then leaves [`Vtable::run`].
    pub take: unsafe extern "C" fn(context: *const c_void, lane: u32, items: *mut *const Work) -> i64,
    /// A descriptor (Linux eventfd) that becomes readable when the lane has work. The library reads it empty before
    /// it calls `take`. The host owns and closes it after [`Vtable::run`] has returned. -1 when there is none.
    pub lane_descriptor: unsafe extern "C" fn(context: *const c_void, lane: u32) -> i32,
    /// Looks up a named extension of the host, such as [`EXCHANGE_EXTENSION`]; null when it does not know the name. A
    /// look-up has no effect: the descriptor says which extensions a component uses.
    pub get_extension: unsafe extern "C" fn(context: *const c_void, name: Slice) -> *const c_void,
}

// SAFETY: the struct is immutable; the context pointer is only ever handed back to the host, whose functions are
// thread-safe by contract.
unsafe impl Sync for Host {}
// SAFETY: as above.
unsafe impl Send for Host {}
