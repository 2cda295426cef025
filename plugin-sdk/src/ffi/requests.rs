//! Requests to the host, safe to make.
//!
//! Enters: what is asked for, and for what. Leaves: the number that cancels the request, or why it was not taken. Guarantees:
//! with a host of minor version 3 or later each request names the call that it is made for. Older hosts know only for whom
//! a thread asks, and cannot cancel.

use super::Host;
use mesh_plugin_abi::{self as abi, Field, RequestStatus, Slice, Token, field};
use std::ffi::c_void;

/// A function of the extensions for documents that takes a path and options.
type PathFunction = unsafe extern "C" fn(*const c_void, u32, Token, Slice, Slice);
/// The same where the request names its call.
type NamedPathFunction =
    unsafe extern "C" fn(*const c_void, *const abi::Request, Slice, Slice, *mut Token) -> i32;

/// For what a request is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MadeFor {
    /// For the component itself.
    Component,
    /// For the call or web request with this token.
    Call(Token),
    /// For an event of the subscription with this token.
    Event(Token),
}

impl MadeFor {
    fn call(self) -> Token {
        match self {
            MadeFor::Call(token) => token,
            MadeFor::Component | MadeFor::Event(_) => 0,
        }
    }

    fn event(self) -> Token {
        match self {
            MadeFor::Event(token) => token,
            MadeFor::Component | MadeFor::Call(_) => 0,
        }
    }
}

/// Who asks, and where the outcome arrives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking {
    pub(crate) lane: u32,
    pub(crate) token: Token,
    pub(crate) made_for: MadeFor,
}

impl Asking {
    /// For a request without an outcome.
    pub(crate) fn without_reply(made_for: MadeFor) -> Asking {
        Asking {
            lane: 0,
            token: 0,
            made_for,
        }
    }

    fn described(&self) -> abi::Request {
        abi::Request {
            struct_size: size_of::<abi::Request>() as u32,
            lane: self.lane,
            call: self.made_for.call(),
            event: self.made_for.event(),
            token: self.token,
            traceparent: Slice::EMPTY,
        }
    }
}

/// The number of a request that was taken; `None` where the host cannot cancel.
pub(crate) type Taken = Option<Token>;

/// Why a request was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// The host has no such thing.
    Unknown,
    /// The host says what is wrong: a [`RequestStatus`].
    Refused(i32),
}

/// The method to call, and how long to wait.
pub(crate) struct CallTarget<'a> {
    pub(crate) component: &'a str,
    pub(crate) method: &'a str,
    pub(crate) range: &'a str,
    pub(crate) timeout_milliseconds: u32,
}

/// The outcome of a request that can be cancelled by `id`.
fn taken(status: i32, id: Token) -> Result<Taken, NotTaken> {
    match status {
        RequestStatus::TAKEN => Ok(Some(id)),
        status => Err(NotTaken::Refused(status)),
    }
}

impl Host {
    pub(crate) fn call(
        &self,
        asking: Asking,
        target: &CallTarget<'_>,
        arguments: &[u8],
    ) -> Result<Taken, NotTaken> {
        let (component, method) = (
            Slice::new(target.component.as_bytes()),
            Slice::new(target.method.as_bytes()),
        );
        let (range, arguments) = (Slice::new(target.range.as_bytes()), Slice::new(arguments));
        let (context, timeout) = (self.context(), target.timeout_milliseconds);
        if let Some(exchange) = self.named.exchange {
            let (request, mut id) = (asking.described(), 0);
            // SAFETY: the extension is valid, and the request, its number and all texts live for the call.
            let status = unsafe {
                (exchange.get(field!(abi::Exchange2Extension, call)))(
                    context, &request, component, method, range, arguments, timeout, &mut id,
                )
            };
            return taken(status, id);
        }
        let exchange = self.exchange.ok_or(NotTaken::Unknown)?;
        let Asking { lane, token, .. } = asking;
        self.act_for(asking, || {
            // SAFETY: the extension is valid, and all texts live for the call.
            unsafe {
                (exchange.get(field!(abi::ExchangeExtension, call)))(
                    context, lane, token, component, method, range, arguments, timeout,
                )
            };
        });
        Ok(None)
    }

    pub(crate) fn emit(
        &self,
        made_for: MadeFor,
        key: &str,
        data: &[u8],
        options: &[u8],
    ) -> Result<(), NotTaken> {
        let (key, data, options) = (Slice::new(key.as_bytes()), Slice::new(data), Slice::new(options));
        let asking = Asking::without_reply(made_for);
        if let Some(events) = self.named.events {
            let request = asking.described();
            // SAFETY: the extension is valid, and the request and all bytes live for the call.
            let status = unsafe {
                (events.get(field!(abi::Events2Extension, emit)))(
                    self.context(),
                    &request,
                    key,
                    data,
                    options,
                )
            };
            return taken(status, 0).map(drop);
        }
        let events = self.events.ok_or(NotTaken::Unknown)?;
        self.act_for(asking, || {
            // SAFETY: the extension is valid, and all bytes live for the call.
            unsafe { (events.get(field!(abi::EventsExtension, emit)))(self.context(), key, data, options) };
        });
        Ok(())
    }

    /// Subscribes. The token of who asks is that of the subscription.
    pub(crate) fn subscribe(
        &self,
        asking: Asking,
        component: &str,
        key: &str,
        range: &str,
    ) -> Result<(), NotTaken> {
        let (component, key) = (Slice::new(component.as_bytes()), Slice::new(key.as_bytes()));
        let range = Slice::new(range.as_bytes());
        if let Some(events) = self.named.events {
            let request = asking.described();
            // SAFETY: the extension is valid, and the request and all texts live for the call.
            let status = unsafe {
                (events.get(field!(abi::Events2Extension, subscribe)))(
                    self.context(),
                    &request,
                    component,
                    key,
                    range,
                )
            };
            return taken(status, 0).map(drop);
        }
        let events = self.events.ok_or(NotTaken::Unknown)?;
        let Asking { lane, token, .. } = asking;
        self.act_for(asking, || {
            // SAFETY: the extension is valid, and all texts live for the call.
            unsafe {
                (events.get(field!(abi::EventsExtension, subscribe)))(
                    self.context(),
                    lane,
                    token,
                    component,
                    key,
                    range,
                )
            };
        });
        Ok(())
    }

    pub(crate) fn unsubscribe(&self, token: Token) {
        if let Some(events) = self.named.events {
            // SAFETY: the extension is valid. That a subscription is gone already is no fault.
            let _ =
                unsafe { (events.get(field!(abi::Events2Extension, unsubscribe)))(self.context(), token) };
        } else if let Some(events) = self.events {
            // SAFETY: the extension is valid.
            unsafe { (events.get(field!(abi::EventsExtension, unsubscribe)))(self.context(), token) };
        }
    }

    /// Whether the events of a subscription can be named as what a request is made for.
    pub(crate) fn names_events(&self) -> bool {
        self.named.events.is_some()
    }

    pub(crate) fn data_set(&self, asking: Asking, path: &str, value: &[u8]) -> Result<Taken, NotTaken> {
        let (path, value) = (Slice::new(path.as_bytes()), Slice::new(value));
        if let Some(data) = self.named.data {
            let (request, mut id) = (asking.described(), 0);
            // SAFETY: the extension is valid, and the request, its number and all bytes live for the call.
            let status = unsafe {
                (data.get(field!(abi::Data2Extension, set)))(
                    self.context(),
                    &request,
                    path,
                    value,
                    Slice::EMPTY,
                    &mut id,
                )
            };
            return taken(status, id);
        }
        let data = self.data.ok_or(NotTaken::Unknown)?;
        let Asking { lane, token, .. } = asking;
        self.act_for(asking, || {
            // SAFETY: the extension is valid, and all bytes live for the call.
            unsafe {
                (data.get(field!(abi::DataExtension, set)))(
                    self.context(),
                    lane,
                    token,
                    path,
                    value,
                    Slice::EMPTY,
                )
            };
        });
        Ok(None)
    }

    pub(crate) fn data_get(&self, asking: Asking, path: &str) -> Result<Taken, NotTaken> {
        let (named, first) = (field!(abi::Data2Extension, get), field!(abi::DataExtension, get));
        self.ask_about(asking, path, named, first)
    }

    pub(crate) fn data_remove(&self, asking: Asking, path: &str) -> Result<Taken, NotTaken> {
        let (named, first) = (
            field!(abi::Data2Extension, remove),
            field!(abi::DataExtension, remove),
        );
        self.ask_about(asking, path, named, first)
    }

    /// Asks for something that has a path and nothing else, by this function of either version.
    fn ask_about(
        &self,
        asking: Asking,
        path: &str,
        named: Field<abi::Data2Extension, NamedPathFunction>,
        first: Field<abi::DataExtension, PathFunction>,
    ) -> Result<Taken, NotTaken> {
        let path = Slice::new(path.as_bytes());
        if let Some(data) = self.named.data {
            let (request, mut id) = (asking.described(), 0);
            // SAFETY: the extension is valid, and the request, its number and the path live for the call.
            let status = unsafe { (data.get(named))(self.context(), &request, path, Slice::EMPTY, &mut id) };
            return taken(status, id);
        }
        let data = self.data.ok_or(NotTaken::Unknown)?;
        let Asking { lane, token, .. } = asking;
        self.act_for(asking, || {
            // SAFETY: the extension is valid, and the path lives for the call.
            unsafe { (data.get(first))(self.context(), lane, token, path, Slice::EMPTY) };
        });
        Ok(None)
    }

    pub(crate) fn after(&self, asking: Asking, milliseconds: u64) -> Result<Taken, NotTaken> {
        if let Some(timer) = self.named.timer {
            let (request, mut id) = (asking.described(), 0);
            // SAFETY: the extension is valid, and the request and its number live for the call.
            let status = unsafe {
                (timer.get(field!(abi::Timer2Extension, after)))(
                    self.context(),
                    &request,
                    milliseconds,
                    &mut id,
                )
            };
            return taken(status, id);
        }
        let timer = self.timer.ok_or(NotTaken::Unknown)?;
        // SAFETY: the extension is valid.
        unsafe {
            (timer.get(field!(abi::TimerExtension, after)))(
                self.context(),
                asking.lane,
                asking.token,
                milliseconds,
            )
        };
        Ok(None)
    }

    /// Cancels a request. That it is over already is no fault.
    pub(crate) fn cancel(&self, id: Token) {
        let named = &self.named;
        let cancel = (named.exchange)
            .map(|exchange| exchange.get(field!(abi::Exchange2Extension, cancel)))
            .or(named
                .data
                .map(|data| data.get(field!(abi::Data2Extension, cancel))))
            .or(named
                .timer
                .map(|timer| timer.get(field!(abi::Timer2Extension, cancel))));
        if let Some(cancel) = cancel {
            // SAFETY: the extension is valid; each of them cancels requests of all.
            let _ = unsafe { cancel(self.context(), id) };
        }
    }

    /// For hosts whose requests name no call: makes requests with the rights of the caller, where there is one. `requests` only
    /// asks the host for something: it must not run code of the component, which could ask for more.
    fn act_for(&self, asking: Asking, requests: impl FnOnce()) {
        let call = asking.made_for.call();
        let Some(delegation) = self.delegation.filter(|_| call != 0) else {
            return requests();
        };
        // SAFETY: the extension is valid.
        unsafe { (delegation.get(field!(abi::DelegationExtension, act_for)))(self.context(), call) };
        requests();
        // SAFETY: as above.
        unsafe { (delegation.get(field!(abi::DelegationExtension, act_for)))(self.context(), 0) };
    }
}
