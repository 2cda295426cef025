//! Requests through the functions that a library calls.

use super::*;
use crate::emitter::Emitter;
use crate::instance::Instance;
use crate::job::{Completion, Job, JobKind};
use crate::lane::{Lane, Limits};
use crate::no_services::{Nobody, identity};
use crate::{Services, Status};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Services that write down what they are asked for, and keep it.
#[derive(Default)]
struct Writes {
    asked: Mutex<Vec<String>>,
    callers: Mutex<Vec<Caller>>,
}

impl Writes {
    fn note(&self, what: String, caller: Option<Caller>) -> Result<(), Wrong> {
        self.asked.lock().unwrap().push(what);
        self.callers.lock().unwrap().extend(caller);
        Ok(())
    }
}

impl Services for Writes {
    fn emit(&self, _: &Emitter, key: &str, _: &[u8], _: &[u8]) -> Result<(), Wrong> {
        self.note(format!("emit {key}"), None)
    }
    fn call(
        &self,
        caller: Caller,
        component: &str,
        method: &str,
        range: &str,
        _: &[u8],
        _: u32,
    ) -> Result<(), Wrong> {
        self.note(format!("call {component}.{method} {range}"), Some(caller))
    }
    fn subscribe(&self, _: Caller, component: &str, key: &str, _: &str) -> Result<(), Wrong> {
        self.note(format!("subscribe {component} {key}"), None)
    }
    fn unsubscribe(&self, instance: &Arc<Instance>, token: u64) -> Result<(), Wrong> {
        instance
            .remove_interest(token)
            .then_some(())
            .ok_or(Wrong::Unknown)
    }
    fn data_set(&self, caller: Caller, path: &str, _: &[u8], _: &[u8]) -> Result<(), Wrong> {
        self.note(format!("set {path}"), Some(caller))
    }
    fn data_get(&self, caller: Caller, path: &str) -> Result<(), Wrong> {
        self.note(format!("get {path}"), Some(caller))
    }
    fn data_remove(&self, caller: Caller, path: &str) -> Result<(), Wrong> {
        self.note(format!("remove {path}"), Some(caller))
    }
    fn after(&self, caller: Caller, milliseconds: u64) -> Result<(), Wrong> {
        self.note(format!("after {milliseconds}"), Some(caller))
    }
}

struct Library {
    services: Arc<Writes>,
    bound: Box<Bound>,
}

impl Library {
    fn new() -> Library {
        let limits = Limits {
            bytes: 10_000,
            calls_of_each: 10,
            lanes: 1,
        };
        let services = Arc::new(Writes::default());
        let lane = Arc::new(Lane::new(0, limits, None));
        let instance = Instance::new(identity(1), Box::new([lane]), services.clone());
        Library {
            services,
            bound: Bound::new(Arc::new(instance)),
        }
    }

    fn context(&self) -> *const c_void {
        (&raw const *self.bound).cast()
    }

    /// A call that the library works on.
    fn serve(&self) -> u64 {
        let lane = &self.bound.instance().lanes()[0];
        let deadline = Instant::now() + Duration::from_secs(60);
        drop(
            lane.submit(Job::new(JobKind::Call, 0), Box::new(Nobody), deadline)
                .ok()
                .unwrap(),
        );
        let mut jobs = Vec::new();
        assert!(lane.wait(&mut jobs));
        jobs[0].token
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.services.asked.lock().unwrap())
    }

    fn call(&self, request: &abi::Request, parts: [&str; 4]) -> (i32, u64) {
        let [component, method, range, arguments] = parts.map(slice);
        let mut id = 99;
        // SAFETY: the context is that of a living table, and all that is passed lives for the call.
        let status = unsafe {
            (EXCHANGE.call)(
                self.context(),
                request,
                component,
                method,
                range,
                arguments,
                0,
                &mut id,
            )
        };
        (status, id)
    }

    fn emit(&self, request: &abi::Request, parts: [&str; 3]) -> i32 {
        let [key, data, options] = parts.map(slice);
        // SAFETY: as above.
        unsafe { (EVENTS.emit)(self.context(), request, key, data, options) }
    }

    fn subscribe(&self, request: &abi::Request, parts: [&str; 3]) -> i32 {
        let [component, key, range] = parts.map(slice);
        // SAFETY: as above.
        unsafe { (EVENTS.subscribe)(self.context(), request, component, key, range) }
    }

    fn set(&self, request: &abi::Request, parts: [&str; 3]) -> i32 {
        let [path, value, options] = parts.map(slice);
        // SAFETY: as above; a null number is allowed.
        unsafe {
            (DATA.set)(
                self.context(),
                request,
                path,
                value,
                options,
                std::ptr::null_mut(),
            )
        }
    }

    fn cancel(&self, id: u64) -> i32 {
        // SAFETY: as above.
        unsafe { (DATA.cancel)(self.context(), id) }
    }
}

fn slice(text: &str) -> abi::Slice {
    abi::Slice::new(text.as_bytes())
}

fn request() -> abi::Request {
    abi::Request {
        struct_size: size_of::<abi::Request>() as u32,
        lane: 0,
        call: 0,
        event: 0,
        token: 7,
        traceparent: abi::Slice::EMPTY,
    }
}

#[test]
fn each_fault_is_told_at_once_and_nothing_is_asked_for() {
    let library = Library::new();
    let good = ["other", "method", "^1.0.0", "[]"];
    let served = library.serve();
    let unknown = served + 1;
    for (request, wrong) in [
        (
            abi::Request {
                call: unknown,
                ..request()
            },
            RequestStatus::NO_CALL,
        ),
        (
            abi::Request {
                event: unknown,
                ..request()
            },
            RequestStatus::NO_CALL,
        ),
        (
            abi::Request {
                call: served,
                event: unknown,
                ..request()
            },
            RequestStatus::NO_CALL,
        ),
        (abi::Request { lane: 1, ..request() }, RequestStatus::NO_LANE),
        (
            abi::Request {
                token: 0,
                ..request()
            },
            RequestStatus::BAD_TOKEN,
        ),
        (
            abi::Request {
                traceparent: slice("00-1-2-3"),
                ..request()
            },
            RequestStatus::BAD_TRACEPARENT,
        ),
        (
            abi::Request {
                struct_size: 47,
                ..request()
            },
            RequestStatus::BAD_STRUCT,
        ),
    ] {
        assert_eq!(library.call(&request, good), (wrong, 0), "{request:?}");
    }
    // SAFETY: null is what the host looks for first.
    let missing = unsafe {
        let (nothing, null) = (abi::Slice::EMPTY, std::ptr::null());
        (DATA.get)(
            library.context(),
            null,
            slice("path"),
            nothing,
            std::ptr::null_mut(),
        )
    };
    assert_eq!(missing, RequestStatus::BAD_STRUCT);
    for (parts, wrong) in [
        (["", "method", "", "[]"], RequestStatus::BAD_NAME),
        (["other", "", "", "[]"], RequestStatus::BAD_NAME),
    ] {
        assert_eq!(library.call(&request(), parts), (wrong, 0), "{parts:?}");
    }
    for (parts, wrong) in [
        (["", "1", ""], RequestStatus::BAD_NAME),
        (["path", "1", "[]"], RequestStatus::BAD_OPTIONS),
        (["path", "1", "{"], RequestStatus::BAD_OPTIONS),
        (["path", "1", r#"{"noStore":1}"#], RequestStatus::BAD_OPTIONS),
        (
            ["path", "1", r#"{"targetClients":[1]}"#],
            RequestStatus::BAD_OPTIONS,
        ),
    ] {
        assert_eq!(library.set(&request(), parts), wrong, "{parts:?}");
        assert_eq!(library.emit(&request(), parts), wrong, "{parts:?}");
    }
    assert_eq!(
        library.subscribe(&request(), ["other", "", ""]),
        RequestStatus::BAD_NAME
    );
    let bytes = abi::Slice::new(b"\xff");
    // SAFETY: as above.
    let status = unsafe { (EVENTS.emit)(library.context(), &request(), bytes, bytes, bytes) };
    assert_eq!(status, RequestStatus::BAD_NAME);
    assert_eq!(library.asked(), [""; 0]);
    assert_eq!(library.bound.instance().requests(), 0);
}

#[test]
fn a_range_or_json_that_is_no_text_is_wrong_and_does_not_count_as_empty() {
    let library = Library::new();
    let bad = abi::Slice::new(b"\xff");
    for (range, arguments, wrong) in [
        (bad, slice("[]"), RequestStatus::BAD_RANGE),
        (slice(""), bad, RequestStatus::BAD_JSON),
    ] {
        // SAFETY: the context is that of a living table, and all that is passed lives for the call.
        let status = unsafe {
            let (context, request) = (library.context(), request());
            let (component, method) = (slice("other"), slice("method"));
            (EXCHANGE.call)(
                context,
                &request,
                component,
                method,
                range,
                arguments,
                0,
                std::ptr::null_mut(),
            )
        };
        assert_eq!(status, wrong);
    }
    assert_eq!(library.asked(), [""; 0]);
}

#[test]
fn good_requests_are_handed_on_with_the_number_that_cancels_them() {
    let library = Library::new();
    let for_call = abi::Request {
        call: library.serve(),
        ..request()
    };
    let (status, id) = library.call(&for_call, ["other", "method", "^1.0.0", "[]"]);
    assert_eq!(status, RequestStatus::TAKEN);
    assert_ne!(id, 0);
    assert_eq!(
        library.set(&for_call, ["path", "1", r#"{"noStore":true,"later":1}"#]),
        0
    );
    assert_eq!(
        library.emit(&for_call, ["key", "", r#"{"targetClients":["a"]}"#]),
        0
    );
    assert_eq!(library.subscribe(&for_call, ["other", "key", ""]), 0);
    assert_eq!(library.bound.instance().requests(), 2);
    let asked = library.asked();
    assert_eq!(
        asked,
        [
            "call other.method ^1.0.0",
            "set path",
            "emit key",
            "subscribe other key"
        ]
    );
    assert_eq!(library.cancel(id), RequestStatus::TAKEN);
    assert_eq!(library.cancel(id), RequestStatus::UNKNOWN);
    assert_eq!(library.cancel(0), RequestStatus::UNKNOWN);
    assert_eq!(library.cancel(u64::MAX), RequestStatus::UNKNOWN);
    // SAFETY: as above.
    let unknown = unsafe { (EVENTS.unsubscribe)(library.context(), 12) };
    assert_eq!(unknown, RequestStatus::UNKNOWN);
    assert_eq!(library.bound.instance().requests(), 1);
}

#[test]
fn nothing_is_asked_for_a_call_that_is_over_nor_by_an_instance_that_has_ended() {
    let library = Library::new();
    let token = library.serve();
    let for_call = abi::Request {
        call: token,
        ..request()
    };
    let given = Completion {
        status: Status::OK,
        payload: b"[]",
    };
    library.bound.instance().complete(token, given);
    assert_eq!(library.emit(&for_call, ["key", "", ""]), RequestStatus::NO_CALL);
    assert_eq!(library.set(&for_call, ["path", "", ""]), RequestStatus::NO_CALL);
    assert_eq!(
        library.subscribe(&for_call, ["other", "key", ""]),
        RequestStatus::NO_CALL
    );
    library.bound.instance().end();
    assert_eq!(library.emit(&request(), ["key", "", ""]), RequestStatus::ENDED);
    assert_eq!(library.set(&request(), ["path", "", ""]), RequestStatus::ENDED);
    assert_eq!(library.cancel(1), RequestStatus::ENDED);
    // The first versions of the extensions have no way to say so, and do nothing.
    // SAFETY: the table is a part of what `bound` points to, and is not changed.
    let table = unsafe { &*library.bound.table() };
    // SAFETY: the context is that of the table, and the name lives for the call.
    let found = unsafe { (table.get_extension)(table.context, slice(abi::EVENTS_EXTENSION)) };
    // SAFETY: by the contract this name stands for this table, which is static.
    let events = unsafe { &*found.cast::<abi::EventsExtension>() };
    // SAFETY: the context is that of the table, and all that is passed lives for the call.
    unsafe { (events.emit)(table.context, slice("key"), slice("1"), abi::Slice::EMPTY) };
    assert_eq!(library.asked(), [""; 0]);
}
