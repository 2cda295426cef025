//! A host table whose functions are a Rust object: the host of components under test.

use super::Host;
use mesh_plugin_abi::{self as abi, Slice, Token};
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The functions of a host, in safe types.
pub(crate) trait HostServices: Send + Sync {
    fn complete(&self, token: Token, status: i32, payload: &[u8]);
    fn fail(&self, message: &str);
    fn log(&self, level: i32, target: &str, message: &str);
    fn wake(&self, lane: u32);
    fn call(&self, token: Token, component: &str, method: &str, range: &str, arguments: &[u8]);
    fn emit(&self, key: &str, data: &[u8], options: &[u8]);
    fn subscribe(&self, token: Token, component: &str, key: &str, range: &str);
    fn unsubscribe(&self, token: Token);
    fn data_set(&self, token: Token, path: &str, value: &[u8]);
    fn data_get(&self, token: Token, path: &str);
    fn data_remove(&self, token: Token, path: &str);
    fn after(&self, token: Token, milliseconds: u64);
    fn act_for(&self, call: Token);
    fn respond(&self, token: Token, status: u32, headers: &[u8], body: &[u8]);
}

/// Makes a host of `services`. It lives as long as the process, since a component's code may keep it for as long.
pub(crate) fn host_for_tests<S: HostServices + 'static>(services: S) -> (Host, &'static S) {
    let services: &'static S = Box::leak(Box::new(services));
    let object: &'static dyn HostServices = services;
    let context: &'static &'static dyn HostServices = Box::leak(Box::new(object));
    let table: &'static abi::Host = Box::leak(Box::new(abi::Host {
        struct_size: size_of::<abi::Host>() as u32,
        abi_major: abi::ABI_MAJOR,
        abi_minor: abi::ABI_MINOR,
        context: std::ptr::from_ref(context).cast(),
        complete,
        fail,
        log,
        wake,
        take,
        lane_descriptor,
        get_extension,
    }));
    // SAFETY: the table was leaked.
    let host = unsafe { Host::from_table(table) };
    match host {
        Ok(host) => (host, services),
        Err(reason) => unreachable!("the table is of this version: {reason}"),
    }
}

fn with(context: *const c_void, function: impl FnOnce(&dyn HostServices)) {
    // SAFETY: the context is the leaked reference of `host_for_tests`.
    let services = unsafe { &*context.cast::<&'static dyn HostServices>() };
    let _ = catch_unwind(AssertUnwindSafe(|| function(*services)));
}

fn bytes<'a>(slice: Slice) -> &'a [u8] {
    // SAFETY: by contract the slice is readable for the time of the call, and services keep nothing longer.
    unsafe { slice.as_bytes() }
}

fn text<'a>(slice: Slice) -> &'a str {
    std::str::from_utf8(bytes(slice)).unwrap_or_default()
}

unsafe extern "C" fn complete(context: *const c_void, token: Token, status: i32, payload: Slice) {
    with(context, |services| {
        services.complete(token, status, bytes(payload))
    });
}

unsafe extern "C" fn fail(context: *const c_void, message: Slice) {
    with(context, |services| services.fail(text(message)));
}

unsafe extern "C" fn log(context: *const c_void, level: i32, target: Slice, message: Slice) {
    with(context, |services| {
        services.log(level, text(target), text(message))
    });
}

unsafe extern "C" fn wake(context: *const c_void, lane: u32) {
    with(context, |services| services.wake(lane));
}

unsafe extern "C" fn take(_context: *const c_void, _lane: u32, _items: *mut *const abi::Work) -> i64 {
    -1
}

unsafe extern "C" fn lane_descriptor(_context: *const c_void, _lane: u32) -> i32 {
    -1
}

unsafe extern "C" fn get_extension(_context: *const c_void, name: Slice) -> *const c_void {
    match text(name) {
        abi::EXCHANGE_EXTENSION => (&raw const EXCHANGE).cast(),
        abi::EVENTS_EXTENSION => (&raw const EVENTS).cast(),
        abi::DATA_EXTENSION => (&raw const DATA).cast(),
        abi::TIMER_EXTENSION => (&raw const TIMER).cast(),
        abi::DELEGATION_EXTENSION => (&raw const DELEGATION).cast(),
        abi::HTTP_EXTENSION => (&raw const HTTP).cast(),
        _ => std::ptr::null(),
    }
}

static EXCHANGE: abi::ExchangeExtension = abi::ExchangeExtension {
    struct_size: size_of::<abi::ExchangeExtension>() as u32,
    reserved: 0,
    call,
};
static EVENTS: abi::EventsExtension = abi::EventsExtension {
    struct_size: size_of::<abi::EventsExtension>() as u32,
    reserved: 0,
    emit,
    subscribe,
    unsubscribe,
};
static DATA: abi::DataExtension = abi::DataExtension {
    struct_size: size_of::<abi::DataExtension>() as u32,
    reserved: 0,
    set: data_set,
    get: data_get,
    remove: data_remove,
};
static TIMER: abi::TimerExtension = abi::TimerExtension {
    struct_size: size_of::<abi::TimerExtension>() as u32,
    reserved: 0,
    after,
};
static DELEGATION: abi::DelegationExtension = abi::DelegationExtension {
    struct_size: size_of::<abi::DelegationExtension>() as u32,
    reserved: 0,
    act_for,
};

static HTTP: abi::HttpExtension = abi::HttpExtension {
    struct_size: size_of::<abi::HttpExtension>() as u32,
    reserved: 0,
    respond,
};

#[allow(clippy::too_many_arguments)] // The ABI's own shape.
unsafe extern "C" fn call(
    context: *const c_void,
    _lane: u32,
    token: Token,
    component: Slice,
    method: Slice,
    range: Slice,
    arguments: Slice,
    _timeout_milliseconds: u32,
) {
    with(context, |services| {
        services.call(
            token,
            text(component),
            text(method),
            text(range),
            bytes(arguments),
        )
    });
}

unsafe extern "C" fn emit(context: *const c_void, key: Slice, data: Slice, options: Slice) {
    with(context, |services| {
        services.emit(text(key), bytes(data), bytes(options))
    });
}

unsafe extern "C" fn subscribe(
    context: *const c_void,
    _lane: u32,
    subscription: Token,
    component: Slice,
    key: Slice,
    range: Slice,
) {
    with(context, |services| {
        services.subscribe(subscription, text(component), text(key), text(range))
    });
}

unsafe extern "C" fn unsubscribe(context: *const c_void, subscription: Token) {
    with(context, |services| services.unsubscribe(subscription));
}

unsafe extern "C" fn data_set(
    context: *const c_void,
    _lane: u32,
    token: Token,
    path: Slice,
    value: Slice,
    _options: Slice,
) {
    with(context, |services| {
        services.data_set(token, text(path), bytes(value))
    });
}

unsafe extern "C" fn data_get(
    context: *const c_void,
    _lane: u32,
    token: Token,
    path: Slice,
    _options: Slice,
) {
    with(context, |services| services.data_get(token, text(path)));
}

unsafe extern "C" fn data_remove(
    context: *const c_void,
    _lane: u32,
    token: Token,
    path: Slice,
    _options: Slice,
) {
    with(context, |services| services.data_remove(token, text(path)));
}

unsafe extern "C" fn after(context: *const c_void, _lane: u32, token: Token, milliseconds: u64) {
    with(context, |services| services.after(token, milliseconds));
}

unsafe extern "C" fn act_for(context: *const c_void, call: Token) {
    with(context, |services| services.act_for(call));
}

unsafe extern "C" fn respond(context: *const c_void, token: Token, status: u32, headers: Slice, body: Slice) {
    with(context, |services| {
        services.respond(token, status, bytes(headers), bytes(body))
    });
}
