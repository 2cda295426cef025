//! The functions that a library calls to ask for something, where each request names the call that it is made for.
//!
//! Enters: a request as the library describes it, and borrowed bytes. Leaves: what is wrong with it, or a reply later.
//! Guarantees: each function says at once whether the request was taken. One that names a call which the instance does not
//! work on is never served. None waits, none lets a panic cross into the library.

use super::host_table::{Bound, bytes, guard};
use crate::authority::MadeFor;
use crate::instance::{Asked, Caller};
use crate::wrong::Wrong;
use mesh_plugin_abi::{self as abi, Given, RequestStatus, field};
use mesh_wire::traceparent::Traceparent;
use serde_json::{Map, Value};
use std::ffi::c_void;

pub(super) static EXCHANGE: abi::Exchange2Extension = abi::Exchange2Extension {
    struct_size: size_of::<abi::Exchange2Extension>() as u32,
    reserved: 0,
    call,
    cancel,
};
pub(super) static EVENTS: abi::Events2Extension = abi::Events2Extension {
    struct_size: size_of::<abi::Events2Extension>() as u32,
    reserved: 0,
    emit,
    subscribe,
    unsubscribe,
};
pub(super) static DATA: abi::Data2Extension = abi::Data2Extension {
    struct_size: size_of::<abi::Data2Extension>() as u32,
    reserved: 0,
    set,
    get,
    remove,
    cancel,
};
pub(super) static TIMER: abi::Timer2Extension = abi::Timer2Extension {
    struct_size: size_of::<abi::Timer2Extension>() as u32,
    reserved: 0,
    after,
    cancel,
};

/// Runs a host function for a library that is told at once what is wrong.
fn checked(context: *const c_void, function: impl FnOnce(&Bound) -> Result<(), Wrong>) -> i32 {
    guard(context, RequestStatus::FAILED, |bound| {
        let outcome = match bound.instance().has_ended() {
            true => Err(Wrong::Ended),
            false => function(bound),
        };
        match outcome {
            Ok(()) => RequestStatus::TAKEN,
            // A component that cancels cannot know whether the reply is on its way.
            Err(Wrong::Unknown) => RequestStatus::UNKNOWN,
            Err(wrong) => {
                let component = &bound.instance().identity().component;
                tracing::debug!(component, "a request of the component was refused: {wrong}");
                wrong.status()
            }
        }
    })
}

/// A request as the library describes it.
fn described(bound: &Bound, request: *const abi::Request) -> Result<Asked, Wrong> {
    // SAFETY: by contract it is null or such a struct, which the library lends for the time of the call.
    let request = unsafe { Given::read(request) }.map_err(|_| Wrong::Struct)?;
    let (call, event) = (
        request.get(field!(abi::Request, call)),
        request.get(field!(abi::Request, event)),
    );
    let made_for = match (call, event) {
        (0, 0) => MadeFor::Component,
        (call, 0) => MadeFor::Call(call),
        (0, event) => MadeFor::Event(event),
        _ => return Err(Wrong::Call),
    };
    let trace = match strict(
        bound,
        request.get(field!(abi::Request, traceparent)),
        Wrong::Trace,
    )? {
        "" => None,
        text => Some(Traceparent::parse(text).ok_or(Wrong::Trace)?),
    };
    Ok(Asked {
        lane: request.get(field!(abi::Request, lane)),
        token: request.get(field!(abi::Request, token)),
        made_for,
        trace,
    })
}

/// The text behind a slice, which must be text.
fn strict<'a>(bound: &Bound, slice: abi::Slice, wrong: Wrong) -> Result<&'a str, Wrong> {
    match slice.is_possible() {
        true => std::str::from_utf8(bytes(bound, slice)).map_err(|_| wrong),
        false => Err(wrong),
    }
}

/// A name, a key or a path: a text that is not empty.
fn name<'a>(bound: &Bound, slice: abi::Slice) -> Result<&'a str, Wrong> {
    let text = strict(bound, slice, Wrong::Name)?;
    if text.is_empty() {
        return Err(Wrong::Name);
    }
    Ok(text)
}

/// JSON, which is read where it is used.
fn json<'a>(bound: &Bound, slice: abi::Slice) -> Result<&'a [u8], Wrong> {
    strict(bound, slice, Wrong::Json).map(str::as_bytes)
}

/// Options: nothing, or an object. The members that have a meaning have a value of their type, or null.
fn options<'a>(bound: &Bound, slice: abi::Slice) -> Result<&'a [u8], Wrong> {
    let text = strict(bound, slice, Wrong::Options)?;
    if text.is_empty() {
        return Ok(&[]);
    }
    let members: Map<String, Value> = serde_json::from_str(text).map_err(|_| Wrong::Options)?;
    let is_text = |value: &Value| value.is_string();
    let are_right = members.iter().all(|(name, value)| match name.as_str() {
        "noStore" | "noPublish" => value.is_boolean() || value.is_null(),
        "targetClients" => match value {
            Value::Array(sessions) => sessions.iter().all(is_text),
            session => is_text(session) || session.is_null(),
        },
        _ => true,
    });
    are_right.then_some(text.as_bytes()).ok_or(Wrong::Options)
}

/// Takes a request that is answered later. Its number is written behind `id` before anybody can answer.
fn answered(
    context: *const c_void,
    request: *const abi::Request,
    id: *mut abi::Token,
    ask: impl FnOnce(&Bound, Caller) -> Result<(), Wrong>,
) -> i32 {
    let tell = |number| {
        if !id.is_null() {
            // SAFETY: the library passed a place to write a number to, for the time of the call.
            unsafe { id.write(number) };
        }
    };
    tell(0);
    checked(context, |bound| {
        let caller = bound.instance().begin(&described(bound, request)?)?;
        let number = caller.request;
        if let Some(number) = number {
            tell(number.get());
        }
        let outcome = ask(bound, caller);
        if let (Err(_), Some(number)) = (outcome, number) {
            bound.instance().withdraw(number);
            tell(0);
        }
        outcome
    })
}

#[allow(clippy::too_many_arguments)] // The ABI's own shape.
unsafe extern "C" fn call(
    context: *const c_void,
    request: *const abi::Request,
    component: abi::Slice,
    method: abi::Slice,
    range: abi::Slice,
    arguments: abi::Slice,
    timeout_milliseconds: u32,
    id: *mut abi::Token,
) -> i32 {
    answered(context, request, id, |bound, caller| {
        let (component, method) = (name(bound, component)?, name(bound, method)?);
        let range = strict(bound, range, Wrong::Range)?;
        let arguments = json(bound, arguments)?;
        let services = bound.instance().services();
        services.call(caller, component, method, range, arguments, timeout_milliseconds)
    })
}

unsafe extern "C" fn cancel(context: *const c_void, id: abi::Token) -> i32 {
    checked(context, |bound| bound.instance().cancel(id))
}

unsafe extern "C" fn emit(
    context: *const c_void,
    request: *const abi::Request,
    key: abi::Slice,
    data: abi::Slice,
    options_given: abi::Slice,
) -> i32 {
    checked(context, |bound| {
        let instance = bound.instance();
        let asked = described(bound, request)?;
        instance.authority_for(asked.made_for)?;
        let (key, data) = (name(bound, key)?, json(bound, data)?);
        let options = options(bound, options_given)?;
        instance.services().emit(instance.emitter(), key, data, options)
    })
}

unsafe extern "C" fn subscribe(
    context: *const c_void,
    request: *const abi::Request,
    component: abi::Slice,
    key: abi::Slice,
    range: abi::Slice,
) -> i32 {
    checked(context, |bound| {
        let caller = bound.instance().listener(&described(bound, request)?)?;
        let (component, key) = (name(bound, component)?, name(bound, key)?);
        let range = strict(bound, range, Wrong::Range)?;
        bound
            .instance()
            .services()
            .subscribe(caller, component, key, range)
    })
}

unsafe extern "C" fn unsubscribe(context: *const c_void, subscription: abi::Token) -> i32 {
    checked(context, |bound| {
        let instance = bound.instance();
        instance.services().unsubscribe(instance, subscription)
    })
}

unsafe extern "C" fn set(
    context: *const c_void,
    request: *const abi::Request,
    path: abi::Slice,
    value: abi::Slice,
    options_given: abi::Slice,
    id: *mut abi::Token,
) -> i32 {
    answered(context, request, id, |bound, caller| {
        let (path, value) = (name(bound, path)?, json(bound, value)?);
        let options = options(bound, options_given)?;
        bound.instance().services().data_set(caller, path, value, options)
    })
}

unsafe extern "C" fn get(
    context: *const c_void,
    request: *const abi::Request,
    path: abi::Slice,
    options_given: abi::Slice,
    id: *mut abi::Token,
) -> i32 {
    answered(context, request, id, |bound, caller| {
        let path = name(bound, path)?;
        options(bound, options_given)?;
        bound.instance().services().data_get(caller, path)
    })
}

unsafe extern "C" fn remove(
    context: *const c_void,
    request: *const abi::Request,
    path: abi::Slice,
    options_given: abi::Slice,
    id: *mut abi::Token,
) -> i32 {
    answered(context, request, id, |bound, caller| {
        let path = name(bound, path)?;
        options(bound, options_given)?;
        bound.instance().services().data_remove(caller, path)
    })
}

unsafe extern "C" fn after(
    context: *const c_void,
    request: *const abi::Request,
    milliseconds: u64,
    id: *mut abi::Token,
) -> i32 {
    answered(context, request, id, |bound, caller| {
        bound.instance().services().after(caller, milliseconds)
    })
}

#[cfg(test)]
mod tests;
