//! A line of the log that no host wants costs nothing: it is not even put together.
//!
//! Enters: `info` as hosts write it, with the level of their log or without. Leaves: how often values were formatted.
//! Guarantees: these tests have a process of their own, since the level belongs to the process.

use mesh_plugin_sdk::abi::{self, Slice, Status, Work, WorkKind};
use mesh_plugin_sdk::prelude::*;
use std::ffi::c_void;
use std::fmt;
use std::ptr;
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, PoisonError};

/// How often a value was put into a line.
static FORMATTED: AtomicUsize = AtomicUsize::new(0);
/// How many lines the host got.
static LOGGED: AtomicUsize = AtomicUsize::new(0);
/// One test at a time.
static ALONE: Mutex<()> = Mutex::new(());

struct Costly;

impl fmt::Display for Costly {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        FORMATTED.fetch_add(1, Ordering::Relaxed);
        formatter.write_str("costly")
    }
}

#[derive(Default)]
struct Chatty;

#[component(name = "chatty", version = "1.0.0")]
impl Chatty {
    fn chat(&self) {
        log::error!("{Costly}");
        log::warn!("{Costly}");
        log::info!("{Costly}");
        log::debug!("{Costly}");
        log::trace!("{Costly}");
    }

    fn trace(&self) {
        #[cfg(feature = "tracing")]
        {
            tracing::error!("{Costly}");
            tracing::warn!("{Costly}");
            tracing::info!("{Costly}");
            tracing::debug!("{Costly}");
            tracing::trace!("{Costly}");
        }
    }
}

unsafe extern "C" fn complete(_: *const c_void, _: u64, status: i32, _: Slice) {
    assert_eq!(status, Status::OK);
}

unsafe extern "C" fn fail(_: *const c_void, _: Slice) {}

unsafe extern "C" fn log(_: *const c_void, _: i32, _: Slice, _: Slice) {
    LOGGED.fetch_add(1, Ordering::Relaxed);
}

unsafe extern "C" fn wake(_: *const c_void, _: u32) {}

unsafe extern "C" fn take(_: *const c_void, _: u32, _: *mut *const Work) -> i64 {
    -1
}

unsafe extern "C" fn lane_descriptor(_: *const c_void, _: u32) -> i32 {
    -1
}

unsafe extern "C" fn get_extension(_: *const c_void, _: Slice) -> *const c_void {
    ptr::null()
}

/// Calls a method in a host that says this of itself. Returns how many lines were put together, and how many the host got.
fn lines_of(method: &'static str, info: &str) -> (usize, usize) {
    let host = abi::Host {
        struct_size: size_of::<abi::Host>() as u32,
        abi_major: abi::ABI_MAJOR,
        abi_minor: abi::ABI_MINOR,
        context: ptr::null(),
        complete,
        fail,
        log,
        wake,
        take,
        lane_descriptor,
        get_extension,
    };
    let component = mesh_plugin_sdk::generated::description::<Chatty>();
    // SAFETY: the vtable is static by contract.
    let vtable: &'static abi::Vtable = unsafe { &*component.vtable };
    let mut instance = ptr::null_mut();
    let (info, config) = (Slice::new(info.as_bytes()), Slice::new(b"{}"));
    // SAFETY: the host outlives the instance, and the slices live for the call.
    let status = unsafe { vtable.create.unwrap()(&host, info, config, &mut instance) };
    assert_eq!(status, Status::OK);
    FORMATTED.store(0, Ordering::Relaxed);
    LOGGED.store(0, Ordering::Relaxed);
    let item = Work {
        struct_size: size_of::<Work>() as u32,
        kind: WorkKind::CALL,
        token: 1,
        status: 0,
        deadline_milliseconds: 1000,
        method: u32::MAX,
        reserved: 0,
        target: Slice::new(method.as_bytes()),
        payload: Slice::new(b"[]"),
        origin: Slice::EMPTY,
    };
    // SAFETY: the instance is alive, and the item lives for the call.
    unsafe { vtable.work.unwrap()(instance, 0, &item, 1) };
    let lines = (FORMATTED.load(Ordering::Relaxed), LOGGED.load(Ordering::Relaxed));
    // SAFETY: the instance is alive, for the last time.
    unsafe { vtable.destroy.unwrap()(instance) };
    lines
}

fn a_line_is_put_together_when_the_host_wants_it(method: &'static str) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for (level, lines) in [
        ("off", 0),
        ("error", 1),
        ("warn", 2),
        ("info", 3),
        ("debug", 4),
        ("trace", 5),
        ("info", 3),
    ] {
        let info = json!({"lanes": 1, "logLevel": level}).to_string();
        assert_eq!(lines_of(method, &info), (lines, lines), "{method} at {level}");
    }
    // A host of ABI 1.2 does not say it, and a later one may have more words.
    for info in [r#"{"lanes":1}"#, r#"{"lanes":1,"logLevel":"everything"}"#, ""] {
        assert_eq!(
            lines_of(method, info),
            (4, 4),
            "{method} in a host that says {info}"
        );
    }
}

#[test]
#[cfg(feature = "log")]
fn a_record_of_log_is_put_together_when_the_host_wants_it() {
    a_line_is_put_together_when_the_host_wants_it("chat");
}

#[test]
#[cfg(feature = "tracing")]
fn an_event_of_tracing_is_put_together_when_the_host_wants_it() {
    a_line_is_put_together_when_the_host_wants_it("trace");
}
