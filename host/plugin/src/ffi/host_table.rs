//! The functions that a library calls.
//!
//! Each one recovers the [`Bound`] behind the context pointer, copies or reads the borrowed bytes, and returns. None
//! waits, none lets a panic cross into the library.

use super::lane_thread::item;
use super::named_requests;
use super::process;
use crate::authority::Authority;
use crate::instance::{Caller, Instance, Services};
use crate::job::{Completion, Job, JobKind, Response};
use crate::wrong::Wrong;
use mesh_plugin_abi as abi;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

/// The target of a library's context pointer. Its address must not change, and it must outlive every call that
/// the library can make: until the library is unmapped, or for ever.
pub(crate) struct Bound {
    table: abi::Host,
    instance: Arc<Instance>,
    /// For lanes that the library drives: what it took last.
    taken: Box<[Mutex<Taken>]>,
}

#[derive(Default)]
struct Taken {
    jobs: Vec<Job>,
    items: Vec<abi::Work>,
}

// SAFETY: the context pointer in the table points to this very value, which is only read; the rest is `Send`.
unsafe impl Send for Bound {}
// SAFETY: everything behind a shared reference is immutable or behind a lock.
unsafe impl Sync for Bound {}

impl Bound {
    /// A table for one instance, at an address that stays.
    pub(crate) fn new(instance: Arc<Instance>) -> Box<Bound> {
        let taken = instance.lanes().iter().map(|_| Mutex::default()).collect();
        let table = abi::Host {
            struct_size: size_of::<abi::Host>() as u32,
            abi_major: abi::ABI_MAJOR,
            abi_minor: abi::ABI_MINOR,
            context: std::ptr::null(),
            complete,
            fail,
            log,
            wake,
            take,
            lane_descriptor,
            get_extension,
        };
        let mut bound = Box::new(Bound {
            table,
            instance,
            taken,
        });
        bound.table.context = (&raw const *bound).cast();
        bound
    }

    pub(super) fn table(&self) -> *const abi::Host {
        &self.table
    }

    pub(crate) fn instance(&self) -> &Arc<Instance> {
        &self.instance
    }
}

/// Runs a host function for a library: a panic ends here.
pub(super) fn guard<T>(context: *const c_void, otherwise: T, function: impl FnOnce(&Bound) -> T) -> T {
    if context.is_null() {
        return otherwise;
    }
    // A copy that the component made with `fork` has the sockets of the host, and must not answer on them.
    process::end_if_copy();
    // SAFETY: the context was made by `Bound::new`, and by its promise it is alive while the library can call.
    let bound = unsafe { &*context.cast::<Bound>() };
    catch_unwind(AssertUnwindSafe(|| function(bound))).unwrap_or(otherwise)
}

/// The bytes behind a slice that a library passed. One of a length that no object can have counts as empty, and the log says so.
pub(super) fn bytes<'a>(bound: &Bound, slice: abi::Slice) -> &'a [u8] {
    if !slice.is_possible() {
        tracing::warn!(
            component = bound.instance.identity().component,
            "the component passed a slice of {} bytes, which no object can have: it counts as empty",
            slice.length
        );
    }
    // SAFETY: by contract the slice is readable for the time of the call, and the callers below keep nothing longer.
    unsafe { slice.as_bytes() }
}

/// As [`bytes`], as text; what is no UTF-8 becomes the empty text.
fn text<'a>(bound: &Bound, slice: abi::Slice) -> &'a str {
    std::str::from_utf8(bytes(bound, slice)).unwrap_or_default()
}

/// The error for the caller when a component answers with a slice that no object can be.
const IMPOSSIBLE: &[u8] =
    br#"[{"message":"the component answered with a result of an impossible length","name":"Error"}]"#;

fn caller(bound: &Bound, lane: u32, token: abi::Token) -> Caller {
    Caller {
        instance: bound.instance.clone(),
        lane,
        token,
        authority: Authority::default(),
        request: None,
    }
}

/// As [`caller`], for what is decided by whose rights the thread asks with.
fn acting_caller(bound: &Bound, lane: u32, token: abi::Token) -> Caller {
    Caller {
        authority: bound.instance.authority(),
        ..caller(bound, lane, token)
    }
}

unsafe extern "C" fn complete(context: *const c_void, token: abi::Token, status: i32, payload: abi::Slice) {
    guard(context, (), |bound| {
        let given = bytes(bound, payload);
        let given = match payload.is_possible() {
            true => Completion {
                status,
                payload: given,
            },
            false => Completion {
                status: abi::Status::ERROR,
                payload: IMPOSSIBLE,
            },
        };
        bound.instance.complete(token, given);
    });
}

unsafe extern "C" fn fail(context: *const c_void, message: abi::Slice) {
    guard(context, (), |bound| {
        bound
            .instance
            .set_failure(&String::from_utf8_lossy(bytes(bound, message)))
    });
}

unsafe extern "C" fn log(context: *const c_void, level: i32, target: abi::Slice, message: abi::Slice) {
    guard(context, (), |bound| {
        let component = &bound.instance.identity().component;
        let (part, message) = (
            text(bound, target),
            String::from_utf8_lossy(bytes(bound, message)),
        );
        match level {
            abi::Level::ERROR => tracing::error!(target: "component", component, part, "{message}"),
            abi::Level::WARN => tracing::warn!(target: "component", component, part, "{message}"),
            abi::Level::INFO => tracing::info!(target: "component", component, part, "{message}"),
            abi::Level::DEBUG => tracing::debug!(target: "component", component, part, "{message}"),
            _ => tracing::trace!(target: "component", component, part, "{message}"),
        }
    });
}

unsafe extern "C" fn wake(context: *const c_void, lane: u32) {
    guard(context, (), |bound| {
        bound.instance.push(lane, Job::new(JobKind::Wake, 0))
    });
}

unsafe extern "C" fn take(context: *const c_void, lane: u32, items: *mut *const abi::Work) -> i64 {
    guard(context, -1, |bound| {
        let (Some(queue), Some(taken)) = (bound.instance.lane(lane), bound.taken.get(lane as usize)) else {
            return -1;
        };
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        let Taken { jobs, items: views } = &mut *taken;
        queue.worked_off(jobs.len());
        jobs.clear();
        if !queue.poll(jobs) {
            return -1;
        }
        views.clear();
        views.extend(jobs.iter().map(item));
        if !items.is_null() {
            // SAFETY: the library passed a place to write a pointer to.
            unsafe { items.write(views.as_ptr()) };
        }
        views.len() as i64
    })
}

unsafe extern "C" fn lane_descriptor(context: *const c_void, lane: u32) -> i32 {
    guard(context, -1, |bound| {
        bound.instance.lane(lane).map_or(-1, |lane| lane.descriptor())
    })
}

unsafe extern "C" fn get_extension(context: *const c_void, name: abi::Slice) -> *const c_void {
    guard(context, std::ptr::null(), |bound| {
        let name = text(bound, name);
        bound.instance.uses().look_up(name);
        match name {
            // A component that need not say for whom it asks does not even try.
            abi::DELEGATION_EXTENSION if bound.instance.delegates() => (&raw const DELEGATION).cast(),
            abi::EXCHANGE_EXTENSION => (&raw const EXCHANGE).cast(),
            abi::EVENTS_EXTENSION => (&raw const EVENTS).cast(),
            abi::DATA_EXTENSION => (&raw const DATA).cast(),
            abi::TIMER_EXTENSION => (&raw const TIMER).cast(),
            abi::HTTP_EXTENSION => (&raw const HTTP).cast(),
            abi::EXCHANGE_2_EXTENSION => (&raw const named_requests::EXCHANGE).cast(),
            abi::EVENTS_2_EXTENSION => (&raw const named_requests::EVENTS).cast(),
            abi::DATA_2_EXTENSION => (&raw const named_requests::DATA).cast(),
            abi::TIMER_2_EXTENSION => (&raw const named_requests::TIMER).cast(),
            _ => std::ptr::null(),
        }
    })
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

/// Asks the host for something, on behalf of a component that hears of faults by the reply or not at all. Nothing is done for
/// one that has ended.
fn ask(context: *const c_void, request: impl FnOnce(&Bound, &dyn Services) -> Result<(), Wrong>) {
    guard(context, (), |bound| {
        let component = &bound.instance.identity().component;
        if bound.instance.has_ended() {
            return tracing::debug!(component, "a component that has ended asked for something");
        }
        if let Err(wrong) = request(bound, &**bound.instance.services()) {
            tracing::debug!(component, "a request of the component was refused: {wrong}");
        }
    });
}

#[allow(clippy::too_many_arguments)] // The ABI's own shape.
unsafe extern "C" fn call(
    context: *const c_void,
    lane: u32,
    token: abi::Token,
    component: abi::Slice,
    method: abi::Slice,
    range: abi::Slice,
    arguments: abi::Slice,
    timeout_milliseconds: u32,
) {
    ask(context, |bound, services| {
        services.call(
            acting_caller(bound, lane, token),
            text(bound, component),
            text(bound, method),
            text(bound, range),
            bytes(bound, arguments),
            timeout_milliseconds,
        )
    });
}

unsafe extern "C" fn emit(context: *const c_void, key: abi::Slice, data: abi::Slice, options: abi::Slice) {
    ask(context, |bound, services| {
        services.emit(
            bound.instance.emitter(),
            text(bound, key),
            bytes(bound, data),
            bytes(bound, options),
        )
    });
}

unsafe extern "C" fn subscribe(
    context: *const c_void,
    lane: u32,
    subscription: abi::Token,
    component: abi::Slice,
    key: abi::Slice,
    range: abi::Slice,
) {
    ask(context, |bound, services| {
        services.subscribe(
            acting_caller(bound, lane, subscription),
            text(bound, component),
            text(bound, key),
            text(bound, range),
        )
    });
}

unsafe extern "C" fn unsubscribe(context: *const c_void, subscription: abi::Token) {
    ask(context, |bound, services| {
        services.unsubscribe(&bound.instance, subscription)
    });
}

unsafe extern "C" fn data_set(
    context: *const c_void,
    lane: u32,
    token: abi::Token,
    path: abi::Slice,
    value: abi::Slice,
    options: abi::Slice,
) {
    ask(context, |bound, services| {
        services.data_set(
            acting_caller(bound, lane, token),
            text(bound, path),
            bytes(bound, value),
            bytes(bound, options),
        )
    });
}

unsafe extern "C" fn data_get(
    context: *const c_void,
    lane: u32,
    token: abi::Token,
    path: abi::Slice,
    _options: abi::Slice,
) {
    ask(context, |bound, services| {
        services.data_get(acting_caller(bound, lane, token), text(bound, path))
    });
}

unsafe extern "C" fn data_remove(
    context: *const c_void,
    lane: u32,
    token: abi::Token,
    path: abi::Slice,
    _options: abi::Slice,
) {
    ask(context, |bound, services| {
        services.data_remove(acting_caller(bound, lane, token), text(bound, path))
    });
}

unsafe extern "C" fn after(context: *const c_void, lane: u32, token: abi::Token, milliseconds: u64) {
    ask(context, |bound, services| {
        services.after(caller(bound, lane, token), milliseconds)
    });
}

unsafe extern "C" fn act_for(context: *const c_void, call: abi::Token) {
    guard(context, (), |bound| bound.instance.act_for(call));
}

unsafe extern "C" fn respond(
    context: *const c_void,
    token: abi::Token,
    status: u32,
    headers: abi::Slice,
    body: abi::Slice,
) {
    guard(context, (), |bound| {
        let (headers, body) = (bytes(bound, headers), bytes(bound, body));
        bound.instance.respond(
            token,
            Response {
                status,
                headers,
                body,
            },
        );
    });
}
