//! One lane of an instance: its tasks, what it asked the host for, and what it listens to.
//!
//! Enters: requests of the component and replies of the host. Leaves: calls of host functions, and replies to
//! those who wait. Guarantees: the reply to a request made on a lane arrives on that lane; numbers of requests are
//! unique within the instance.

use crate::Error;
use crate::context::Context;
use crate::event::Event;
use crate::executor::{BoxFuture, Executor, discard, lock};
use crate::ffi::Host;
use crate::slab::Slab;
use mesh_plugin_abi::{Status, Token};
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
    handlers: Mutex<Slab<Handler>>,
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

    /// Asks the host for something. `send` passes the token on, and returns false when the host does not know such
    /// requests.
    pub(crate) fn request(
        self: &Arc<Self>,
        what: &'static str,
        send: impl FnOnce(Token) -> bool,
    ) -> ReplyFuture {
        let key = lock(&self.requests).insert(Request::Waiting(None));
        let reply = ReplyFuture {
            lane: self.clone(),
            key,
        };
        if !send(self.token(key)) {
            let mut payload = Vec::new();
            let status = Error::new(format!("this host does not offer {what}")).write(&mut payload);
            self.reply(self.token(key), status, &payload);
        }
        reply
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
        component: &str,
        key: &str,
        range: &str,
        handler: Handler,
    ) -> Result<Token, Error> {
        let token = self.token(lock(&self.handlers).insert(handler));
        if self.host.subscribe(self.number, token, component, key, range) {
            Ok(token)
        } else {
            self.unsubscribe(token);
            Err(Error::new("this host does not offer events"))
        }
    }

    pub(crate) fn unsubscribe(&self, token: Token) {
        let handler = lock(&self.handlers).remove(key_of(token));
        if handler.is_some() {
            self.host.unsubscribe(token);
        }
    }

    pub(crate) fn handler(&self, token: Token) -> Option<Handler> {
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

/// Waits for the host's reply. Dropped earlier, the reply is ignored.
pub(crate) struct ReplyFuture {
    lane: Arc<Lane>,
    key: u64,
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
        drop(request);
    }
}
