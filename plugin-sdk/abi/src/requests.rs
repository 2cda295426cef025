//! Requests that name the call they are made for. Since minor version 3.
//!
//! Each function takes the [`crate::Host::context`] first, then a [`Request`]. It returns a [`RequestStatus`] at once. After any
//! but [`RequestStatus::TAKEN`] nothing was asked for, and no reply comes. After that, the outcome arrives as a
//! [`crate::WorkKind::REPLY`], as for the first versions of these extensions, unless the component cancels the request. A
//! request is cancelled by the number that the function wrote behind `id`, which may be null.

use crate::{Slice, Token};
use core::ffi::c_void;

/// Name of [`Exchange2Extension`].
pub const EXCHANGE_2_EXTENSION: &str = "mesh.exchange/2";
/// Name of [`Events2Extension`].
pub const EVENTS_2_EXTENSION: &str = "mesh.events/2";
/// Name of [`Data2Extension`].
pub const DATA_2_EXTENSION: &str = "mesh.data/2";
/// Name of [`Timer2Extension`].
pub const TIMER_2_EXTENSION: &str = "mesh.timer/2";

/// The answer of a host, at once, to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestStatus;

impl RequestStatus {
    /// The request was taken.
    pub const TAKEN: i32 = 0;
    /// [`Request::call`] is no call, and [`Request::event`] no subscription, that this instance has; or both were given.
    pub const NO_CALL: i32 = 1;
    /// [`Request::lane`] is no lane of this instance.
    pub const NO_LANE: i32 = 2;
    /// [`Request::token`] is 0, or that of a subscription that this instance has already.
    pub const BAD_TOKEN: i32 = 3;
    /// A component, method, key or path is empty or no UTF-8 text.
    pub const BAD_NAME: i32 = 4;
    /// The range is no npm version range.
    pub const BAD_RANGE: i32 = 5;
    /// Arguments are no JSON array, or a value or the data of an event is no JSON.
    pub const BAD_JSON: i32 = 6;
    /// The options are no JSON object, or a member has a value of another type.
    pub const BAD_OPTIONS: i32 = 7;
    /// [`Request::traceparent`] is no `traceparent` of version 00.
    pub const BAD_TRACEPARENT: i32 = 8;
    /// The [`Request`] is null, or shorter than in minor version 3.
    pub const BAD_STRUCT: i32 = 9;
    /// The number is that of no request, or of no subscription, that this instance has.
    pub const UNKNOWN: i32 = 10;
    /// The caller of the call may not do that. Requests with a reply say so there.
    pub const DENIED: i32 = 11;
    /// The instance has ended.
    pub const ENDED: i32 = 12;
    /// The instance has too many requests.
    pub const FULL: i32 = 13;
    /// The host failed to do it, and its log says why.
    pub const FAILED: i32 = 14;
}

/// For what a request is made, and where its outcome arrives.
#[repr(C)]
#[derive(Debug)]
pub struct Request {
    /// Size of this struct as the library was compiled, in bytes.
    pub struct_size: u32,
    /// The lane where the reply, or the event, arrives. [`Events2Extension::emit`] does not look at it.
    pub lane: u32,
    /// The token of the [`crate::WorkKind::CALL`] or [`crate::WorkKind::HTTP`] that the request is made for. It must not be
    /// completed yet. 0 where it is made for none.
    pub call: Token,
    /// The token of the [`crate::WorkKind::EVENT`] that the request is made for: that of its subscription. 0 where it is made
    /// for none. With both fields 0 the component asks for itself.
    pub event: Token,
    /// The number that the reply, or the event, has: any but 0. [`Events2Extension::emit`] does not look at it.
    pub token: Token,
    /// The W3C trace context that a called component gets, such as that of a span of the component's own. Empty: that of the
    /// call which the request is made for.
    pub traceparent: Slice,
}

/// Calls of other components, for calls that are named.
#[repr(C)]
#[derive(Debug)]
pub struct Exchange2Extension {
    /// Size of this struct as the host was compiled, in bytes.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// As [`crate::ExchangeExtension::call`]. It takes no longer than the call that it is made for may take.
    pub call: unsafe extern "C" fn(
        context: *const c_void,
        request: *const Request,
        component: Slice,
        method: Slice,
        range: Slice,
        arguments: Slice,
        timeout_milliseconds: u32,
        id: *mut Token,
    ) -> i32,
    /// Cancels the request of this extension, or of another one here, with this number. After [`RequestStatus::TAKEN`] no
    /// reply comes. After [`RequestStatus::UNKNOWN`] the reply came or is on its way.
    pub cancel: unsafe extern "C" fn(context: *const c_void, id: Token) -> i32,
}

/// Publishing events, and hearing those of other components, for calls that are named.
#[repr(C)]
#[derive(Debug)]
pub struct Events2Extension {
    /// Size of this struct as the host was compiled, in bytes.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// As [`crate::EventsExtension::emit`].
    pub emit: unsafe extern "C" fn(
        context: *const c_void,
        request: *const Request,
        key: Slice,
        data: Slice,
        options: Slice,
    ) -> i32,
    /// As [`crate::EventsExtension::subscribe`]. [`Request::token`] is the token of the subscription.
    pub subscribe: unsafe extern "C" fn(
        context: *const c_void,
        request: *const Request,
        component: Slice,
        key: Slice,
        range: Slice,
    ) -> i32,
    /// As [`crate::EventsExtension::unsubscribe`].
    pub unsubscribe: unsafe extern "C" fn(context: *const c_void, subscription: Token) -> i32,
}

/// The component's own data, for calls that are named.
#[repr(C)]
#[derive(Debug)]
pub struct Data2Extension {
    /// Size of this struct as the host was compiled, in bytes.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// As [`crate::DataExtension::set`].
    pub set: unsafe extern "C" fn(
        context: *const c_void,
        request: *const Request,
        path: Slice,
        value: Slice,
        options: Slice,
        id: *mut Token,
    ) -> i32,
    /// As [`crate::DataExtension::get`].
    pub get: unsafe extern "C" fn(
        context: *const c_void,
        request: *const Request,
        path: Slice,
        options: Slice,
        id: *mut Token,
    ) -> i32,
    /// As [`crate::DataExtension::remove`].
    pub remove: unsafe extern "C" fn(
        context: *const c_void,
        request: *const Request,
        path: Slice,
        options: Slice,
        id: *mut Token,
    ) -> i32,
    /// As [`Exchange2Extension::cancel`]. Documents that were written stay so, and a removal that has begun goes on.
    pub cancel: unsafe extern "C" fn(context: *const c_void, id: Token) -> i32,
}

/// Waiting without a thread, for calls that are named.
#[repr(C)]
#[derive(Debug)]
pub struct Timer2Extension {
    /// Size of this struct as the host was compiled, in bytes.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// As [`crate::TimerExtension::after`].
    pub after: unsafe extern "C" fn(
        context: *const c_void,
        request: *const Request,
        milliseconds: u64,
        id: *mut Token,
    ) -> i32,
    /// As [`Exchange2Extension::cancel`].
    pub cancel: unsafe extern "C" fn(context: *const c_void, id: Token) -> i32,
}
