//! One lane of an instance: its tasks, what it asked the host for, and what it listens to.
//!
//! Enters: requests of the component and replies of the host. Leaves: calls of host functions, and replies to
//! those who wait. Guarantees: the reply to a request made on a lane arrives on that lane; numbers of requests are
//! unique within the instance.

use crate::Error;
use crate::context::Context;
use crate::event::Event;
use crate::executor::{BoxFuture, Executor, discard, lock};
use crate::ffi::{Asking, Host, MadeFor, NotTaken, Taken};
use crate::slab::Slab;
use mesh_plugin_abi::{RequestStatus, Status, Token};
use serde::Deserialize;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{self, Poll, Waker};

/// The host's facts about an instance when it makes it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Info {
    pub(crate) mesh: String,
    pub(crate) domain: String,
    pub(crate) component: String,
    pub(crate) version: String,
    pub(crate) lanes: Option<u32>,
    pub(crate) log_level: Option<String>,
}

/// A lane, shared by everyone with a [`Context`] of it.
pub(crate) struct Lane {
    pub(crate) info: Arc<Info>,
    pub(crate) host: Host,
    pub(crate) number: u32,
    pub(crate) executor: Arc<Executor>,
    requests: Mutex<Slab<Request>>,
    handlers: Mutex<Slab<Heard>>,
    /// The lane's tokio runtime, while it runs.
    #[cfg(feature = "tokio")]
    pub(crate) runtime: crate::tokio_lane::RuntimeSlot,
}

/// The handler of a subscription's events.
#[derive(Clone)]
pub(crate) enum Handler {
    /// The component's `#[event]` function with this number.
    Declared(usize),
    /// A function given to [`Context::subscribe`].
    Function(Arc<dyn Fn(Context, Event) -> BoxFuture + Send + Sync>),
}

/// A subscription's handler, and what it asks for.
#[derive(Clone)]
pub(crate) struct Heard {
    pub(crate) handler: Handler,
    /// It asks for the event: with the rights of the caller for whom it listens.
    pub(crate) is_for_caller: bool,
}

enum Request {
    Waiting(Option<Waker>),
    Answered(Reply),
}

struct Reply {
    status: i32,
    payload: Vec<u8>,
}

impl Lane {
    pub(crate) fn new(info: Arc<Info>, host: Host, number: u32) -> Lane {
        Lane {
            info,
            host,
            number,
            executor: Executor::new(host, number),
            requests: Mutex::default(),
            handlers: Mutex::default(),
            #[cfg(feature = "tokio")]
            runtime: crate::tokio_lane::RuntimeSlot::default(),
        }
    }

    /// Polls a future at once and keeps it while it is not finished. On the lane's thread only.
    pub(crate) fn start(&self, call: Token, future: BoxFuture) {
        #[cfg(feature = "tokio")]
        let Some(future) = self.runtime.spawn(call, future) else {
            return;
        };
        self.executor.start(call, future);
    }

    /// Keeps a future for the lane to poll. From any thread.
    pub(crate) fn spawn(&self, future: BoxFuture) {
        #[cfg(feature = "tokio")]
        let Some(future) = self.runtime.spawn(0, future) else {
            return;
        };
        self.executor.spawn(future);
    }

    /// Nobody waits for this call any more.
    pub(crate) fn cancel(&self, call: Token) {
        #[cfg(feature = "tokio")]
        self.runtime.cancel(call);
        self.executor.cancel(call);
    }

    /// Asks the host for something. `send` passes on who asks.
    pub(crate) fn request(
        self: &Arc<Self>,
        what: &'static str,
        made_for: MadeFor,
        send: impl FnOnce(Asking) -> Result<Taken, NotTaken>,
    ) -> ReplyFuture {
        let key = lock(&self.requests).insert(Request::Waiting(None));
        let mut reply = ReplyFuture {
            lane: self.clone(),
            key,
            id: None,
        };
        let token = self.token(key);
        match send(self.asking(token, made_for)) {
            Ok(id) => reply.id = id,
            Err(why) => {
                let mut payload = Vec::new();
                let status = not_taken(why, what).write(&mut payload);
                self.reply(token, status, &payload);
            }
        }
        reply
    }

    fn asking(&self, token: Token, made_for: MadeFor) -> Asking {
        Asking {
            lane: self.number,
            token,
            made_for,
        }
    }

    /// Takes the host's reply to a request.
    pub(crate) fn reply(&self, token: Token, status: i32, payload: &[u8]) {
        let waker = {
            let mut requests = lock(&self.requests);
            let Some(request) = requests.get_mut(key_of(token)) else {
                return;
            };
            let reply = Reply {
                status,
                payload: payload.to_vec(),
            };
            match std::mem::replace(request, Request::Answered(reply)) {
                Request::Waiting(waker) => waker,
                Request::Answered(_) => None,
            }
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Subscribes and returns the subscription's token.
    pub(crate) fn subscribe(
        &self,
        made_for: MadeFor,
        component: &str,
        key: &str,
        range: &str,
        handler: Handler,
    ) -> Result<Token, Error> {
        let heard = Heard {
            handler,
            is_for_caller: made_for != MadeFor::Component && self.host.names_events(),
        };
        let token = self.token(lock(&self.handlers).insert(heard));
        let asking = self.asking(token, made_for);
        let subscribed = self.host.subscribe(asking, component, key, range);
        subscribed.map(|()| token).map_err(|why| {
            let heard = lock(&self.handlers).remove(key_of(token));
            drop(heard);
            not_taken(why, "events")
        })
    }

    pub(crate) fn unsubscribe(&self, token: Token) {
        let handler = lock(&self.handlers).remove(key_of(token));
        if handler.is_some() {
            self.host.unsubscribe(token);
        }
    }

    pub(crate) fn handler(&self, token: Token) -> Option<Heard> {
        lock(&self.handlers).get_mut(key_of(token)).cloned()
    }

    /// Drops everything that may contain code or data of the component.
    pub(crate) fn clear(&self) {
        self.executor.clear();
        let handlers = lock(&self.handlers).drain();
        handlers.into_iter().for_each(discard);
        let requests = lock(&self.requests).drain();
        requests.into_iter().for_each(discard);
        self.executor.clear();
    }

    fn token(&self, key: u64) -> Token {
        u64::from(self.number & 0xff) << 56 | key
    }
}

fn key_of(token: Token) -> u64 {
    token & !(0xff << 56)
}

/// The error for a request that the host has not taken.
pub(crate) fn not_taken(why: NotTaken, what: &str) -> Error {
    let status = match why {
        NotTaken::Unknown => return Error::new(format!("this host does not offer {what}")),
        NotTaken::Refused(status) => status,
    };
    let denied = |message: &str| Error::new(message).name("AccessDenied").field("code", 403);
    let message = match status {
        RequestStatus::NO_CALL => {
            return denied(
                "unauthorized: the call is over, and what the component does on its own account, it asks for with `as_component`",
            );
        }
        RequestStatus::DENIED => return denied("unauthorized"),
        RequestStatus::BAD_NAME => "a name, key or path must not be empty",
        RequestStatus::BAD_RANGE => "the range is no npm version range, such as `^1.2.0`",
        RequestStatus::BAD_JSON => "arguments must be a JSON array, and values JSON",
        RequestStatus::BAD_OPTIONS => "the options are not those that the host knows",
        RequestStatus::ENDED => return Error::new("the component was stopped"),
        RequestStatus::FULL => {
            return Error::new("the component has too many requests that are not answered");
        }
        RequestStatus::FAILED => return Error::new("the host failed to do it, and its log says why"),
        status => return Error::new(format!("the host has not taken the request (status {status})")),
    };
    Error::type_error(message)
}

/// Waits for the host's reply. Dropped earlier, the request is cancelled.
pub(crate) struct ReplyFuture {
    lane: Arc<Lane>,
    key: u64,
    /// The number that cancels the request; `None` where the host cannot do that.
    id: Taken,
}

impl Future for ReplyFuture {
    type Output = Result<Vec<u8>, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<Self::Output> {
        let mut requests = lock(&self.lane.requests);
        match requests.get_mut(self.key) {
            Some(Request::Waiting(waker)) => {
                match waker {
                    Some(waker) => waker.clone_from(context.waker()),
                    None => *waker = Some(context.waker().clone()),
                }
                return Poll::Pending;
            }
            Some(Request::Answered(_)) => {}
            None => return Poll::Ready(Err(Error::new("the component was stopped"))),
        }
        match requests.remove(self.key) {
            Some(Request::Answered(reply)) if reply.status == Status::OK => Poll::Ready(Ok(reply.payload)),
            Some(Request::Answered(reply)) => Poll::Ready(Err(Error::read(reply.status, &reply.payload))),
            _ => Poll::Pending,
        }
    }
}

impl Drop for ReplyFuture {
    fn drop(&mut self) {
        let request = lock(&self.lane.requests).remove(self.key);
        if let (Some(Request::Waiting(_)), Some(id)) = (&request, self.id) {
            self.lane.host.cancel(id);
        }
        drop(request);
    }
}
