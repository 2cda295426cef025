//! The host's functions, safe to call.

use super::current;
use crate::work::WorkItem;
use mesh_plugin_abi::{self as abi, Given, Growing, Items, Level, Slice, Token, field};
use std::ffi::c_void;

/// The host of one instance. Valid until the instance was destroyed, which is why nothing of a component may run then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Host {
    table: Given<'static, abi::Host>,
    pub(super) exchange: Option<Given<'static, abi::ExchangeExtension>>,
    pub(super) events: Option<Given<'static, abi::EventsExtension>>,
    pub(super) data: Option<Given<'static, abi::DataExtension>>,
    pub(super) timer: Option<Given<'static, abi::TimerExtension>>,
    pub(super) delegation: Option<Given<'static, abi::DelegationExtension>>,
    http: Option<Given<'static, abi::HttpExtension>>,
    pub(super) named: NamedRequests,
}

/// The extensions whose requests name the call that they are made for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct NamedRequests {
    pub(super) exchange: Option<Given<'static, abi::Exchange2Extension>>,
    pub(super) events: Option<Given<'static, abi::Events2Extension>>,
    pub(super) data: Option<Given<'static, abi::Data2Extension>>,
    pub(super) timer: Option<Given<'static, abi::Timer2Extension>>,
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
            named: NamedRequests::default(),
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
        // SAFETY: as above.
        host.named.exchange = unsafe { host.extension(abi::EXCHANGE_2_EXTENSION) };
        // SAFETY: as above.
        host.named.events = unsafe { host.extension(abi::EVENTS_2_EXTENSION) };
        // SAFETY: as above.
        host.named.data = unsafe { host.extension(abi::DATA_2_EXTENSION) };
        // SAFETY: as above.
        host.named.timer = unsafe { host.extension(abi::TIMER_2_EXTENSION) };
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
    pub(super) fn context(&self) -> *const c_void {
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

    /// Runs a piece of the component's code with this host as the one that the thread's log lines go to.
    pub(crate) fn enter<T>(&self, code: impl FnOnce() -> T) -> T {
        let before = current::set_current_host(Some(*self));
        let outcome = code();
        current::set_current_host(before);
        outcome
    }
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
