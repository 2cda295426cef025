//! Services of a host beyond answering calls. Each extension is a struct of functions found by name.
//!
//! Every function takes the [`crate::Host::context`] first. Where a function takes a lane and a token, the outcome
//! arrives on that lane as a [`crate::WorkKind::REPLY`] with that token. The component chooses the token itself: any
//! number but 0, unique among its unanswered requests. The token of the call being worked on is a good choice. A
//! reply that is [`crate::Status::ERROR`] carries an array whose first element is an object with `message` and
//! `name`, as for calls.

use crate::{Slice, Token};
use core::ffi::c_void;

/// Name of [`ExchangeExtension`].
pub const EXCHANGE_EXTENSION: &str = "mesh.exchange/1";
/// Name of [`EventsExtension`].
pub const EVENTS_EXTENSION: &str = "mesh.events/1";
/// Name of [`DataExtension`].
pub const DATA_EXTENSION: &str = "mesh.data/1";
/// Name of [`TimerExtension`].
pub const TIMER_EXTENSION: &str = "mesh.timer/1";
/// Name of [`DelegationExtension`].
pub const DELEGATION_EXTENSION: &str = "mesh.delegation/1";
/// Name of [`HttpExtension`].
pub const HTTP_EXTENSION: &str = "mesh.http/1";

/// Calls of other components.
#[repr(C)]
#[derive(Debug)]
pub struct ExchangeExtension {
    /// Size of this struct as the host was compiled, in bytes.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// Calls `component`'s `method` with a JSON array of arguments. `range` is an npm version range, empty for any.
    /// `timeout_milliseconds` 0 means the host's own limit. The reply's payload is as for [`crate::Status`].
    pub call: unsafe extern "C" fn(
        context: *const c_void,
        lane: u32,
        token: Token,
        component: Slice,
        method: Slice,
        range: Slice,
        arguments: Slice,
        timeout_milliseconds: u32,
    ),
}

/// Publishing events, and hearing those of other components.
#[repr(C)]
#[derive(Debug)]
pub struct EventsExtension {
    /// Size of this struct as the host was compiled, in bytes.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// Publishes `data` (JSON) as the component's event `key`. `options` is a JSON object or empty: `noStore`
    /// (default true), `targetClients`. Events emitted on one thread are delivered in that order, and before the
    /// answer of a call that is completed afterwards on the same thread.
    pub emit: unsafe extern "C" fn(context: *const c_void, key: Slice, data: Slice, options: Slice),
    /// Subscribes to events `key` (wildcards `*`, and `**` at the end) of `component`, of versions inside `range`
    /// (empty for all). Events arrive on `lane` as [`crate::WorkKind::EVENT`] with `subscription` as token, chosen by
    /// the component, until [`EventsExtension::unsubscribe`].
    pub subscribe: unsafe extern "C" fn(
        context: *const c_void,
        lane: u32,
        subscription: Token,
        component: Slice,
        key: Slice,
        range: Slice,
    ),
    /// Ends a subscription. Events already on their way may still arrive.
    pub unsubscribe: unsafe extern "C" fn(context: *const c_void, subscription: Token),
}

/// The component's own data, stored under `/_data/<component>/`.
#[repr(C)]
#[derive(Debug)]
pub struct DataExtension {
    /// Size of this struct as the host was compiled, in bytes.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// Stores `value` (JSON) at `path`. The reply's payload is the stored item with its `_meta`.
    pub set: unsafe extern "C" fn(
        context: *const c_void,
        lane: u32,
        token: Token,
        path: Slice,
        value: Slice,
        options: Slice,
    ),
    /// Reads `path`. The reply's payload is the item with its `_meta`, `null` when there is none, or for a path with
    /// wildcards an array of items.
    pub get:
        unsafe extern "C" fn(context: *const c_void, lane: u32, token: Token, path: Slice, options: Slice),
    /// Removes `path`. The reply's payload is `{"removed":n}`.
    pub remove:
        unsafe extern "C" fn(context: *const c_void, lane: u32, token: Token, path: Slice, options: Slice),
}

/// Waiting without a thread.
#[repr(C)]
#[derive(Debug)]
pub struct TimerExtension {
    /// Size of this struct as the host was compiled, in bytes.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// Replies after that many milliseconds, with an empty payload.
    pub after: unsafe extern "C" fn(context: *const c_void, lane: u32, token: Token, milliseconds: u64),
}

/// Doing what a caller asked for with the rights of that caller. A host returns null for it where authority
/// delegation is off for the component. It then asks for everything as itself, as a component does that never calls
/// [`DelegationExtension::act_for`].
#[repr(C)]
#[derive(Debug)]
pub struct DelegationExtension {
    /// Size of this struct as the host was compiled, in bytes.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// From now on the calling thread's requests to the host (calls, events, data) are made for the caller of `call`.
    /// `call` is the token of a [`crate::WorkKind::CALL`] of this instance; 0 ends that. A request that the caller may
    /// not make fails with an error named `AccessDenied`, and an event is dropped. When the call was completed or
    /// given up, nothing more can be asked for its caller: that is denied, too.
    pub act_for: unsafe extern "C" fn(context: *const c_void, call: Token),
}

/// Answering requests for web routes. A host sends [`crate::WorkKind::HTTP`] only to components that name this in
/// `extensions` of their descriptor. Those of minor version 2 said so by looking it up. Since minor version 2.
#[repr(C)]
#[derive(Debug)]
pub struct HttpExtension {
    /// Size of this struct as the host was compiled, in bytes.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// Completes the [`crate::WorkKind::HTTP`] with this token. `status` is 200 to 599. `headers` is a JSON object of
    /// texts, or of arrays of texts for headers that come more than once, or empty. Those about the connection and the
    /// length of the body are the host's own and left out. `body` is any bytes.
    pub respond:
        unsafe extern "C" fn(context: *const c_void, token: Token, status: u32, headers: Slice, body: Slice),
}
