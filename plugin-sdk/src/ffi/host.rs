//! The host's functions, safe to call.

use super::current;
use crate::work::WorkItem;
use mesh_plugin_abi::{self as abi, Given, Growing, Items, Level, Slice, Token, field};
use std::ffi::c_void;

/// The host of one instance. Valid until the instance was destroyed, which is why nothing of a component may run then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Host {
    table: Given<'static, abi::Host>,
    exchange: Option<Given<'static, abi::ExchangeExtension>>,
    events: Option<Given<'static, abi::EventsExtension>>,
    data: Option<Given<'static, abi::DataExtension>>,
    timer: Option<Given<'static, abi::TimerExtension>>,
    delegation: Option<Given<'static, abi::DelegationExtension>>,
    http: Option<Given<'static, abi::HttpExtension>>,
}

impl Host {
    /// Looks at a host table. The error says in a sentence why it cannot be used: it is null, shorter than in ABI 1.0, or of another
    /// major version.
    ///
    /// # Safety
    ///
    /// `table` must be null or point to a host table that stays valid until the instance made with it was destroyed.
    pub(super) unsafe fn from_table(table: *const abi::Host) -> Result<Host, String> {
        // SAFETY: the caller vouches for the pointer, and every version of the table begins with its size.
        let table: Given<'static, abi::Host> =
            unsafe { Given::read(table) }.map_err(|error| error.to_string())?;
        let major = table.get(field!(abi::Host, abi_major));
        if major != abi::ABI_MAJOR {
            return Err(format!(
                "the host speaks plugin ABI {major}, and this component was built for {}",
                abi::ABI_MAJOR
            ));
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
        // SAFETY: the extension of this name is this struct.
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
        Ok(host)
    }

    /// An extension; none where the host does not know the name, or gives a table that is shorter than its first version.
    ///
    /// # Safety
    ///
    /// `T` must be the struct that the contract gives this name.
    unsafe fn extension<T: Growing>(&self, name: &str) -> Option<Given<'static, T>> {
        let get_extension = self.table.get(field!(abi::Host, get_extension));
        // SAFETY: the table is valid, and the name lives for the call.
        let found = unsafe { get_extension(self.context(), Slice::new(name.as_bytes())) };
        // SAFETY: the host gives null or the struct that the caller vouches for, as long-lived as the host.
        unsafe { Given::read(found.cast()) }.ok()
    }

    /// The first argument of all functions of the host.
    fn context(&self) -> *const c_void {
        self.table.get(field!(abi::Host, context))
    }

    /// Whether both are the same host's.
    pub(crate) fn is(&self, other: &Host) -> bool {
        std::ptr::eq(self.table.as_ptr(), other.table.as_ptr())
    }

    pub(crate) fn complete(&self, token: Token, status: i32, payload: &[u8]) {
        let complete = self.table.get(field!(abi::Host, complete));
        // SAFETY: the table is valid, and the payload lives for the call.
        unsafe { complete(self.context(), token, status, Slice::new(payload)) };
    }

    /// Answers a web request. A host that sends such requests knows what to do with it.
    pub(crate) fn respond(&self, token: Token, status: u32, headers: &[u8], body: &[u8]) {
        if let Some(http) = self.http {
            let (headers, body) = (Slice::new(headers), Slice::new(body));
            let respond = http.get(field!(abi::HttpExtension, respond));
            // SAFETY: the extension is valid, and all bytes live for the call.
            unsafe { respond(self.context(), token, status, headers, body) };
        }
    }

    pub(crate) fn fail(&self, message: &str) {
        let fail = self.table.get(field!(abi::Host, fail));
        // SAFETY: the table is valid, and the message lives for the call.
        unsafe { fail(self.context(), Slice::new(message.as_bytes())) };
    }

    pub(crate) fn log(&self, level: i32, target: &str, message: &str) {
        let (target, message) = (Slice::new(target.as_bytes()), Slice::new(message.as_bytes()));
        let log = self.table.get(field!(abi::Host, log));
        // SAFETY: the table is valid, and both texts live for the call.
        unsafe { log(self.context(), level, target, message) };
    }

    pub(crate) fn wake(&self, lane: u32) {
        let wake = self.table.get(field!(abi::Host, wake));
        // SAFETY: the table is valid.
        unsafe { wake(self.context(), lane) };
    }

    /// Fetches waiting work and hands it to `handle`. False when the lane is closed. To be called on that lane only.
    #[cfg(feature = "tokio")]
    pub(crate) fn take(
        &self,
        lane: u32,
        handle: impl FnOnce(&mut dyn Iterator<Item = WorkItem<'_>>),
    ) -> bool {
        let mut items = std::ptr::null();
        let take = self.table.get(field!(abi::Host, take));
        // SAFETY: the table is valid, and `items` is a place to write to.
        let count = unsafe { take(self.context(), lane, &mut items) };
        let Ok(count) = usize::try_from(count) else {
            return false;
        };
        // SAFETY: the host says that so many items are there; they stay until the next `take` on this lane, which is
        // behind the end of `handle`.
        handle(&mut unsafe { work_items(*self, items, count) });
        true
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn lane_descriptor(&self, lane: u32) -> i32 {
        let lane_descriptor = self.table.get(field!(abi::Host, lane_descriptor));
        // SAFETY: the table is valid.
        unsafe { lane_descriptor(self.context(), lane) }
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
        let (context, timeout) = (self.context(), target.timeout_milliseconds);
        let call = exchange.get(field!(abi::ExchangeExtension, call));
        // SAFETY: the extension is valid, and all texts live for the call.
        unsafe { call(context, lane, token, component, method, range, arguments, timeout) };
        true
    }

    pub(crate) fn emit(&self, key: &str, data: &[u8], options: &[u8]) -> bool {
        let Some(events) = self.events else { return false };
        let (key, data, options) = (Slice::new(key.as_bytes()), Slice::new(data), Slice::new(options));
        let emit = events.get(field!(abi::EventsExtension, emit));
        // SAFETY: the extension is valid, and all bytes live for the call.
        unsafe { emit(self.context(), key, data, options) };
        true
    }

    pub(crate) fn subscribe(&self, lane: u32, token: Token, component: &str, key: &str, range: &str) -> bool {
        let Some(events) = self.events else { return false };
        let (component, key) = (Slice::new(component.as_bytes()), Slice::new(key.as_bytes()));
        let range = Slice::new(range.as_bytes());
        let subscribe = events.get(field!(abi::EventsExtension, subscribe));
        // SAFETY: the extension is valid, and all texts live for the call.
        unsafe { subscribe(self.context(), lane, token, component, key, range) };
        true
    }

    pub(crate) fn unsubscribe(&self, token: Token) {
        if let Some(events) = self.events {
            let unsubscribe = events.get(field!(abi::EventsExtension, unsubscribe));
            // SAFETY: the extension is valid.
            unsafe { unsubscribe(self.context(), token) };
        }
    }

    pub(crate) fn data_set(&self, lane: u32, token: Token, path: &str, value: &[u8]) -> bool {
        let Some(data) = self.data else { return false };
        let (path, value) = (Slice::new(path.as_bytes()), Slice::new(value));
        let set = data.get(field!(abi::DataExtension, set));
        // SAFETY: the extension is valid, and all bytes live for the call.
        unsafe { set(self.context(), lane, token, path, value, Slice::EMPTY) };
        true
    }

    pub(crate) fn data_get(&self, lane: u32, token: Token, path: &str) -> bool {
        let Some(data) = self.data else { return false };
        let get = data.get(field!(abi::DataExtension, get));
        // SAFETY: the extension is valid, and the path lives for the call.
        unsafe {
            get(
                self.context(),
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
        let remove = data.get(field!(abi::DataExtension, remove));
        // SAFETY: the extension is valid, and the path lives for the call.
        unsafe {
            remove(
                self.context(),
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
        let after = timer.get(field!(abi::TimerExtension, after));
        // SAFETY: the extension is valid.
        unsafe { after(self.context(), lane, token, milliseconds) };
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
        let act_for = delegation.get(field!(abi::DelegationExtension, act_for));
        // SAFETY: the extension is valid.
        unsafe { act_for(self.context(), call) };
        let outcome = requests();
        // SAFETY: as above.
        unsafe { act_for(self.context(), 0) };
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

/// The items behind a pointer, one after the other at the distances that they say. Ends before an item that cannot be read, with a
/// line in the log.
///
/// # Safety
///
/// `items` must point to `count` work items that stay as they are for `'a`.
pub(super) unsafe fn work_items<'a>(
    host: Host,
    items: *const abi::Work,
    count: usize,
) -> impl Iterator<Item = WorkItem<'a>> {
    // SAFETY: the caller vouches for so many items, and each says its size.
    let items: Items<'a, abi::Work> = unsafe { Items::new(items, count) };
    items.map_while(move |item| {
        let unreadable = |error| host.log(Level::ERROR, "sdk", &format!("work of the host is lost: {error}"));
        item.map(work_item).map_err(unreadable).ok()
    })
}

/// An item with its bytes in reach.
fn work_item(item: Given<'_, abi::Work>) -> WorkItem<'_> {
    // SAFETY: by contract the item's slices live as long as the item.
    let bytes = |slice: Slice| unsafe { slice.as_bytes() };
    WorkItem {
        kind: item.get(field!(abi::Work, kind)),
        token: item.get(field!(abi::Work, token)),
        status: item.get(field!(abi::Work, status)),
        method: item.get(field!(abi::Work, method)),
        target: bytes(item.get(field!(abi::Work, target))),
        payload: bytes(item.get(field!(abi::Work, payload))),
        origin: bytes(item.get(field!(abi::Work, origin))),
    }
}
