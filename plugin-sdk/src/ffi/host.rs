//! The host's functions, safe to call.

use super::current;
use crate::work::WorkItem;
use mesh_plugin_abi::{self as abi, Slice, Token};
use std::ffi::c_void;

/// The host of one instance. Valid until the instance was destroyed, which is why nothing of a component may run then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Host {
    table: &'static abi::Host,
    exchange: Option<&'static abi::ExchangeExtension>,
    events: Option<&'static abi::EventsExtension>,
    data: Option<&'static abi::DataExtension>,
    timer: Option<&'static abi::TimerExtension>,
    delegation: Option<&'static abi::DelegationExtension>,
    http: Option<&'static abi::HttpExtension>,
}

impl Host {
    /// Looks at a host table. `None` when it is null, of another major version, or smaller than this SDK needs.
    ///
    /// # Safety
    ///
    /// `table` must be null or point to a host table that stays valid until the instance made with it was destroyed.
    pub(super) unsafe fn from_table(table: *const abi::Host) -> Option<Host> {
        // SAFETY: the caller vouches for the pointer, and every version of the table begins with its size.
        if unsafe { size_at(table.cast()) } < size_of::<abi::Host>() {
            return None;
        }
        // SAFETY: not null, as large as the struct, and valid for as long as the caller vouches for.
        let table = unsafe { &*table };
        if table.abi_major != abi::ABI_MAJOR {
            return None;
        }
        let mut host = Host {
            table,
            exchange: None,
            events: None,
            data: None,
            timer: None,
            delegation: None,
            http: None,
        };
        // SAFETY: the extension of this name begins with its size and is this struct.
        host.exchange = unsafe { host.extension(abi::EXCHANGE_EXTENSION) };
        // SAFETY: as above.
        host.events = unsafe { host.extension(abi::EVENTS_EXTENSION) };
        // SAFETY: as above.
        host.data = unsafe { host.extension(abi::DATA_EXTENSION) };
        // SAFETY: as above.
        host.timer = unsafe { host.extension(abi::TIMER_EXTENSION) };
        // SAFETY: as above.
        host.delegation = unsafe { host.extension(abi::DELEGATION_EXTENSION) };
        // SAFETY: as above.
        host.http = unsafe { host.extension(abi::HTTP_EXTENSION) };
        Some(host)
    }

    /// # Safety
    ///
    /// `T` must be the struct that the contract gives this name.
    unsafe fn extension<T>(&self, name: &str) -> Option<&'static T> {
        let name = Slice::new(name.as_bytes());
        // SAFETY: the table is valid, and the name lives for the call.
        let found = unsafe { (self.table.get_extension)(self.table.context, name) };
        // SAFETY: the host gives null or an extension, and every extension begins with its size.
        if unsafe { size_at(found) } < size_of::<T>() {
            return None;
        }
        // SAFETY: not null, large enough, of the type that the caller vouches for, and as long-lived as the host.
        Some(unsafe { &*found.cast::<T>() })
    }

    /// Whether both are the same host's.
    pub(crate) fn is(&self, other: &Host) -> bool {
        std::ptr::eq(self.table, other.table)
    }

    pub(crate) fn complete(&self, token: Token, status: i32, payload: &[u8]) {
        // SAFETY: the table is valid, and the payload lives for the call.
        unsafe { (self.table.complete)(self.table.context, token, status, Slice::new(payload)) };
    }

    /// Answers a web request. A host that sends such requests knows what to do with it.
    pub(crate) fn respond(&self, token: Token, status: u32, headers: &[u8], body: &[u8]) {
        if let Some(http) = self.http {
            let (headers, body) = (Slice::new(headers), Slice::new(body));
            // SAFETY: the extension is valid, and all bytes live for the call.
            unsafe { (http.respond)(self.table.context, token, status, headers, body) };
        }
    }

    pub(crate) fn fail(&self, message: &str) {
        // SAFETY: the table is valid, and the message lives for the call.
        unsafe { (self.table.fail)(self.table.context, Slice::new(message.as_bytes())) };
    }

    pub(crate) fn log(&self, level: i32, target: &str, message: &str) {
        let (target, message) = (Slice::new(target.as_bytes()), Slice::new(message.as_bytes()));
        // SAFETY: the table is valid, and both texts live for the call.
        unsafe { (self.table.log)(self.table.context, level, target, message) };
    }

    pub(crate) fn wake(&self, lane: u32) {
        // SAFETY: the table is valid.
        unsafe { (self.table.wake)(self.table.context, lane) };
    }

    /// Fetches waiting work and hands it to `handle`. False when the lane is closed. To be called on that lane only.
    #[cfg(feature = "tokio")]
    pub(crate) fn take(
        &self,
        lane: u32,
        handle: impl FnOnce(&mut dyn Iterator<Item = WorkItem<'_>>),
    ) -> bool {
        let mut items = std::ptr::null();
        // SAFETY: the table is valid, and `items` is a place to write to.
        let count = unsafe { (self.table.take)(self.table.context, lane, &mut items) };
        let Ok(count) = usize::try_from(count) else {
            return false;
        };
        // SAFETY: the host says that so many items are there; they stay until the next `take` on this lane, which is
        // behind the end of `handle`.
        handle(&mut unsafe { work_items(items, count) });
        true
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn lane_descriptor(&self, lane: u32) -> i32 {
        // SAFETY: the table is valid.
        unsafe { (self.table.lane_descriptor)(self.table.context, lane) }
    }

    /// Asks for a call of another component. False when the host has no such thing.
    pub(crate) fn call(&self, lane: u32, token: Token, target: &CallTarget<'_>, arguments: &[u8]) -> bool {
        let Some(exchange) = self.exchange else {
            return false;
        };
        let (component, method) = (
            Slice::new(target.component.as_bytes()),
            Slice::new(target.method.as_bytes()),
        );
        let (range, arguments) = (Slice::new(target.range.as_bytes()), Slice::new(arguments));
        let (context, timeout) = (self.table.context, target.timeout_milliseconds);
        // SAFETY: the extension is valid, and all texts live for the call.
        unsafe { (exchange.call)(context, lane, token, component, method, range, arguments, timeout) };
        true
    }

    pub(crate) fn emit(&self, key: &str, data: &[u8], options: &[u8]) -> bool {
        let Some(events) = self.events else { return false };
        let (key, data, options) = (Slice::new(key.as_bytes()), Slice::new(data), Slice::new(options));
        // SAFETY: the extension is valid, and all bytes live for the call.
        unsafe { (events.emit)(self.table.context, key, data, options) };
        true
    }

    pub(crate) fn subscribe(&self, lane: u32, token: Token, component: &str, key: &str, range: &str) -> bool {
        let Some(events) = self.events else { return false };
        let (component, key) = (Slice::new(component.as_bytes()), Slice::new(key.as_bytes()));
        let range = Slice::new(range.as_bytes());
        // SAFETY: the extension is valid, and all texts live for the call.
        unsafe { (events.subscribe)(self.table.context, lane, token, component, key, range) };
        true
    }

    pub(crate) fn unsubscribe(&self, token: Token) {
        if let Some(events) = self.events {
            // SAFETY: the extension is valid.
            unsafe { (events.unsubscribe)(self.table.context, token) };
        }
    }

    pub(crate) fn data_set(&self, lane: u32, token: Token, path: &str, value: &[u8]) -> bool {
        let Some(data) = self.data else { return false };
        let (path, value) = (Slice::new(path.as_bytes()), Slice::new(value));
        // SAFETY: the extension is valid, and all bytes live for the call.
        unsafe { (data.set)(self.table.context, lane, token, path, value, Slice::EMPTY) };
        true
    }

    pub(crate) fn data_get(&self, lane: u32, token: Token, path: &str) -> bool {
        let Some(data) = self.data else { return false };
        // SAFETY: the extension is valid, and the path lives for the call.
        unsafe {
            (data.get)(
                self.table.context,
                lane,
                token,
                Slice::new(path.as_bytes()),
                Slice::EMPTY,
            )
        };
        true
    }

    pub(crate) fn data_remove(&self, lane: u32, token: Token, path: &str) -> bool {
        let Some(data) = self.data else { return false };
        // SAFETY: the extension is valid, and the path lives for the call.
        unsafe {
            (data.remove)(
                self.table.context,
                lane,
                token,
                Slice::new(path.as_bytes()),
                Slice::EMPTY,
            )
        };
        true
    }

    pub(crate) fn after(&self, lane: u32, token: Token, milliseconds: u64) -> bool {
        let Some(timer) = self.timer else { return false };
        // SAFETY: the extension is valid.
        unsafe { (timer.after)(self.table.context, lane, token, milliseconds) };
        true
    }

    /// Whether requests can be made with the rights of a caller.
    pub(crate) fn delegates(&self) -> bool {
        self.delegation.is_some()
    }

    /// Makes requests with the rights of the caller of `call`; with the component's own for 0. `requests` only asks the
    /// host for something: it must not run code of the component, which could ask for more.
    pub(crate) fn act_for<T>(&self, call: Token, requests: impl FnOnce() -> T) -> T {
        let Some(delegation) = self.delegation.filter(|_| call != 0) else {
            return requests();
        };
        // SAFETY: the extension is valid.
        unsafe { (delegation.act_for)(self.table.context, call) };
        let outcome = requests();
        // SAFETY: as above.
        unsafe { (delegation.act_for)(self.table.context, 0) };
        outcome
    }

    /// Runs a piece of the component's code with this host as the one that the thread's log lines go to.
    pub(crate) fn enter<T>(&self, code: impl FnOnce() -> T) -> T {
        let before = current::set_current_host(Some(*self));
        let outcome = code();
        current::set_current_host(before);
        outcome
    }
}

/// Which method to call, and how long to wait.
pub(crate) struct CallTarget<'a> {
    pub(crate) component: &'a str,
    pub(crate) method: &'a str,
    pub(crate) range: &'a str,
    pub(crate) timeout_milliseconds: u32,
}

/// The size that a struct of the contract begins with; 0 for null.
///
/// # Safety
///
/// `start` must be null or point to such a struct.
unsafe fn size_at(start: *const c_void) -> usize {
    if start.is_null() {
        return 0;
    }
    // SAFETY: the caller vouches for a struct that begins with its size.
    let size = unsafe { start.cast::<u32>().read() };
    size as usize
}

/// The items behind a pointer, one after the other at the distance that the host says.
///
/// # Safety
///
/// `items` must point to `count` work items that stay as they are for `'a`.
pub(super) unsafe fn work_items<'a>(
    items: *const abi::Work,
    count: usize,
) -> impl Iterator<Item = WorkItem<'a>> {
    let first = if count == 0 { std::ptr::null() } else { items };
    // SAFETY: null, or the first item, which begins with its size.
    let distance = unsafe { size_at(first.cast()) };
    let fits = distance >= size_of::<abi::Work>();
    let count = if fits { count } else { 0 };
    (0..count).map(move |position| {
        // SAFETY: the items lie at this distance from each other, and `position` is below their number.
        let item = unsafe { items.cast::<c_void>().byte_add(position * distance) }.cast::<abi::Work>();
        // SAFETY: the item is there for `'a` and as large as the struct.
        let item: &'a abi::Work = unsafe { &*item };
        WorkItem {
            kind: item.kind,
            token: item.token,
            status: item.status,
            method: item.method,
            // SAFETY: the item's slices live as long as the item.
            target: unsafe { item.target.as_bytes() },
            // SAFETY: as above.
            payload: unsafe { item.payload.as_bytes() },
            // SAFETY: as above.
            origin: unsafe { item.origin.as_bytes() },
        }
    })
}
