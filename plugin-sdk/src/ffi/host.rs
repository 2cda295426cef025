//! The host's functions, safe to call.

use super::current;
use crate::work::WorkItem;
use mesh_plugin_abi::{self as abi, Slice, Token};
use std::ffi::c_void;

/// The host of one instance. Valid until the instance was destroyed, which is why nothing of a component may run then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Host {
    pub(super) table: &'static abi::Host,
    pub(super) exchange: Option<&'static abi::ExchangeExtension>,
    pub(super) events: Option<&'static abi::EventsExtension>,
    pub(super) data: Option<&'static abi::DataExtension>,
    pub(super) timer: Option<&'static abi::TimerExtension>,
    pub(super) delegation: Option<&'static abi::DelegationExtension>,
    http: Option<&'static abi::HttpExtension>,
    pub(super) named: NamedRequests,
}

/// The extensions whose requests name the call that they are made for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct NamedRequests {
    pub(super) exchange: Option<&'static abi::Exchange2Extension>,
    pub(super) events: Option<&'static abi::Events2Extension>,
    pub(super) data: Option<&'static abi::Data2Extension>,
    pub(super) timer: Option<&'static abi::Timer2Extension>,
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
            named: NamedRequests::default(),
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
        // SAFETY: as above.
        host.named.exchange = unsafe { host.extension(abi::EXCHANGE_2_EXTENSION) };
        // SAFETY: as above.
        host.named.events = unsafe { host.extension(abi::EVENTS_2_EXTENSION) };
        // SAFETY: as above.
        host.named.data = unsafe { host.extension(abi::DATA_2_EXTENSION) };
        // SAFETY: as above.
        host.named.timer = unsafe { host.extension(abi::TIMER_2_EXTENSION) };
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

    /// Runs a piece of the component's code with this host as the one that the thread's log lines go to.
    pub(crate) fn enter<T>(&self, code: impl FnOnce() -> T) -> T {
        let before = current::set_current_host(Some(*self));
        let outcome = code();
        current::set_current_host(before);
        outcome
    }
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
