//! A host table whose functions are a Rust object: the host of components under test.

use super::{Asking, Host, MadeFor};
use mesh_plugin_abi::{self as abi, RequestStatus, Slice, Token};
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The functions of a host, in safe types.
pub(crate) trait HostServices: Send + Sync {
    fn complete(&self, token: Token, status: i32, payload: &[u8]);
    fn fail(&self, message: &str);
    fn log(&self, level: i32, target: &str, message: &str);
    fn wake(&self, lane: u32);
    fn call(
        &self,
        asking: Asking,
        component: &str,
        method: &str,
        range: &str,
        arguments: &[u8],
    ) -> Result<Token, i32>;
    fn emit(&self, made_for: MadeFor, key: &str, data: &[u8], options: &[u8]) -> Result<(), i32>;
    fn subscribe(&self, asking: Asking, component: &str, key: &str, range: &str) -> Result<(), i32>;
    fn unsubscribe(&self, token: Token) -> Result<(), i32>;
    fn data_set(&self, asking: Asking, path: &str, value: &[u8]) -> Result<Token, i32>;
    fn data_get(&self, asking: Asking, path: &str) -> Result<Token, i32>;
    fn data_remove(&self, asking: Asking, path: &str) -> Result<Token, i32>;
    fn after(&self, asking: Asking, milliseconds: u64) -> Result<Token, i32>;
    fn cancel(&self, id: Token) -> Result<(), i32>;
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

/// Asks for something that is taken or not. Returns its status and its number, if it has one.
fn ask(
    context: *const c_void,
    request: *const abi::Request,
    function: impl FnOnce(&dyn HostServices, Asking) -> Result<Token, i32>,
) -> (i32, Token) {
    // SAFETY: the SDK passes null or a request of its own version, which lives for the call.
    let asking = unsafe { request.as_ref() }.map_or(Asking::without_reply(MadeFor::Component), |request| {
        let made_for = match (request.call, request.event) {
            (0, 0) => MadeFor::Component,
            (0, event) => MadeFor::Event(event),
            (call, _) => MadeFor::Call(call),
        };
        Asking {
            lane: request.lane,
            token: request.token,
            made_for,
        }
    });
    let mut outcome = Err(RequestStatus::FAILED);
    with(context, |services| outcome = function(services, asking));
    match outcome {
        Ok(id) => (RequestStatus::TAKEN, id),
        Err(status) => (status, 0),
    }
}

/// As [`ask`], for what is answered later.
fn ask_for_reply(
    context: *const c_void,
    request: *const abi::Request,
    id: *mut Token,
    function: impl FnOnce(&dyn HostServices, Asking) -> Result<Token, i32>,
) -> i32 {
    let (status, number) = ask(context, request, function);
    if !id.is_null() {
        // SAFETY: the SDK passes a place to write a number to.
        unsafe { id.write(number) };
    }
    status
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
        abi::EXCHANGE_2_EXTENSION => (&raw const EXCHANGE).cast(),
        abi::EVENTS_2_EXTENSION => (&raw const EVENTS).cast(),
        abi::DATA_2_EXTENSION => (&raw const DATA).cast(),
        abi::TIMER_2_EXTENSION => (&raw const TIMER).cast(),
        abi::HTTP_EXTENSION => (&raw const HTTP).cast(),
        _ => std::ptr::null(),
    }
}

static EXCHANGE: abi::Exchange2Extension = abi::Exchange2Extension {
    struct_size: size_of::<abi::Exchange2Extension>() as u32,
    reserved: 0,
    call,
    cancel,
};
static EVENTS: abi::Events2Extension = abi::Events2Extension {
    struct_size: size_of::<abi::Events2Extension>() as u32,
    reserved: 0,
    emit,
    subscribe,
    unsubscribe,
};
static DATA: abi::Data2Extension = abi::Data2Extension {
    struct_size: size_of::<abi::Data2Extension>() as u32,
    reserved: 0,
    set: data_set,
    get: data_get,
    remove: data_remove,
    cancel,
};
static TIMER: abi::Timer2Extension = abi::Timer2Extension {
    struct_size: size_of::<abi::Timer2Extension>() as u32,
    reserved: 0,
    after,
    cancel,
};

static HTTP: abi::HttpExtension = abi::HttpExtension {
    struct_size: size_of::<abi::HttpExtension>() as u32,
    reserved: 0,
    respond,
};

#[allow(clippy::too_many_arguments)] // The ABI's own shape.
unsafe extern "C" fn call(
    context: *const c_void,
    request: *const abi::Request,
    component: Slice,
    method: Slice,
    range: Slice,
    arguments: Slice,
    _timeout_milliseconds: u32,
    id: *mut Token,
) -> i32 {
    ask_for_reply(context, request, id, |services, asking| {
        services.call(
            asking,
            text(component),
            text(method),
            text(range),
            bytes(arguments),
        )
    })
}

unsafe extern "C" fn cancel(context: *const c_void, id: Token) -> i32 {
    ask(context, std::ptr::null(), |services, _| {
        services.cancel(id).map(|()| 0)
    })
    .0
}

unsafe extern "C" fn emit(
    context: *const c_void,
    request: *const abi::Request,
    key: Slice,
    data: Slice,
    options: Slice,
) -> i32 {
    let emitted = ask(context, request, |services, asking| {
        let emitted = services.emit(asking.made_for, text(key), bytes(data), bytes(options));
        emitted.map(|()| 0)
    });
    emitted.0
}

unsafe extern "C" fn subscribe(
    context: *const c_void,
    request: *const abi::Request,
    component: Slice,
    key: Slice,
    range: Slice,
) -> i32 {
    let subscribed = ask(context, request, |services, asking| {
        let subscribed = services.subscribe(asking, text(component), text(key), text(range));
        subscribed.map(|()| 0)
    });
    subscribed.0
}

unsafe extern "C" fn unsubscribe(context: *const c_void, subscription: Token) -> i32 {
    let ended = ask(context, std::ptr::null(), |services, _| {
        services.unsubscribe(subscription).map(|()| 0)
    });
    ended.0
}

unsafe extern "C" fn data_set(
    context: *const c_void,
    request: *const abi::Request,
    path: Slice,
    value: Slice,
    _options: Slice,
    id: *mut Token,
) -> i32 {
    ask_for_reply(context, request, id, |services, asking| {
        services.data_set(asking, text(path), bytes(value))
    })
}

unsafe extern "C" fn data_get(
    context: *const c_void,
    request: *const abi::Request,
    path: Slice,
    _options: Slice,
    id: *mut Token,
) -> i32 {
    ask_for_reply(context, request, id, |services, asking| {
        services.data_get(asking, text(path))
    })
}

unsafe extern "C" fn data_remove(
    context: *const c_void,
    request: *const abi::Request,
    path: Slice,
    _options: Slice,
    id: *mut Token,
) -> i32 {
    ask_for_reply(context, request, id, |services, asking| {
        services.data_remove(asking, text(path))
    })
}

unsafe extern "C" fn after(
    context: *const c_void,
    request: *const abi::Request,
    milliseconds: u64,
    id: *mut Token,
) -> i32 {
    ask_for_reply(context, request, id, |services, asking| {
        services.after(asking, milliseconds)
    })
}

unsafe extern "C" fn respond(context: *const c_void, token: Token, status: u32, headers: Slice, body: Slice) {
    with(context, |services| {
        services.respond(token, status, bytes(headers), bytes(body))
    });
}
