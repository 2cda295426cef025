//! Subscriptions: `on`, `off`, and the stream of publications between them.
//!
//! Enters: a channel such as `/SET@/a/*`. Leaves: publications, in the order in which the server sent them.
//! Guarantees: nothing published after the server accepted the subscription is missed. A reader that falls too far
//! behind is ended with an error instead of losing publications. Dropping a subscription unsubscribes.

use super::connection::Outgoing;
use super::handle::{Client, Request, Response};
use super::{ClientError, ErrorKind, Publication};
use futures_util::Stream;
use serde_json::{Map, Value, json};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// The depth that clients ask for when a pattern ends in `/**` and no depth is given.
const DEFAULT_DEPTH: u32 = 5;

/// Options of a subscription.
#[derive(Clone, Debug, Default)]
pub struct SubscriptionOptions {
    /// How many segments `**` may stand for.
    pub depth: Option<u32>,
    /// The npm range of component versions whose events are wanted. Real servers do not filter by it; see
    /// [`Publication::meta_text`] for `componentVersion`.
    pub version: Option<String>,
    /// Further options, sent as they are.
    pub other: Map<String, Value>,
}

/// A stream of publications on one channel.
#[derive(Debug)]
pub struct Subscription {
    client: Client,
    channel: String,
    number: u64,
    reference: Option<Value>,
    response: Response,
    publications: mpsc::Receiver<Publication>,
    overflowed: Arc<AtomicBool>,
    active: bool,
}

impl Client {
    /// Subscribes and returns the publications as a stream.
    pub async fn subscribe(
        &self,
        channel: &str,
        options: SubscriptionOptions,
    ) -> Result<Subscription, ClientError> {
        let number = self.next_number();
        let (sender, publications) = mpsc::channel(self.shared.backlog);
        let overflowed = Arc::new(AtomicBool::new(false));
        // Registered first: a publication may come right behind the answer.
        let pending = &self.shared.pending;
        pending.add_subscriber(channel, number, sender, Arc::clone(&overflowed))?;
        let mut subscription = Subscription {
            client: self.clone(),
            channel: channel.to_owned(),
            number,
            reference: None,
            response: Response {
                data: super::frame::null(),
                meta: super::frame::null(),
            },
            publications,
            overflowed,
            active: false,
        };
        let response = self.on(channel, options).await?;
        subscription.reference = reference(&response);
        subscription.response = response;
        subscription.active = true;
        Ok(subscription)
    }

    /// Sends `on` for a channel. [`Client::subscribe`] also delivers what is published there.
    pub async fn on(&self, channel: &str, options: SubscriptionOptions) -> Result<Response, ClientError> {
        let event = channel
            .strip_prefix('/')
            .and_then(|rest| rest.split_once('@'))
            .map_or("all", |(event, _)| event);
        let mut request = Request::new("on")
            .path(channel)
            .option("event_type", event.to_ascii_lowercase())
            .option("count", 0);
        if self.protocol().names_listeners() {
            request = request.option("listenerId", 0);
        }
        if self.protocol().counts_listeners() {
            request = request.option("refCount", 1);
        }
        let variable_depth = channel.ends_with("/**") && self.protocol().has_depths();
        if let Some(depth) = options.depth.or(variable_depth.then_some(DEFAULT_DEPTH)) {
            request = request.option("depth", depth);
        }
        if let Some(version) = options.version {
            request = request.option("meta", json!({ "componentVersion": version }));
        }
        self.request(request.options(Value::Object(options.other))).await
    }

    /// Sends `off` for a channel. It ends the one subscription that `reference` (from the answer to `on`) names, or all
    /// of this session on exactly this channel.
    pub async fn off(&self, channel: &str, reference: Option<Value>) -> Result<Response, ClientError> {
        self.request(self.off_request(channel, reference)).await
    }

    fn off_request(&self, channel: &str, reference: Option<Value>) -> Request {
        let request = Request::new("off").path(channel);
        match (self.protocol().counts_listeners(), reference) {
            (true, reference) => {
                // Without a reference, all listeners of the channel, as many as one session will ever have.
                let (count, listener) = if reference.is_some() {
                    (1, 0)
                } else {
                    (1_000_000, -1)
                };
                request.option("refCount", count).option("listenerId", listener)
            }
            (false, Some(reference)) => request.option("referenceId", reference),
            (false, None) => request,
        }
    }
}

/// The reference of a new subscription: in `data`, or in `_meta` when `data` holds initial values.
fn reference(response: &Response) -> Option<Value> {
    let data: Value = response.read().unwrap_or_default();
    let meta: Value = response.read_meta().unwrap_or_default();
    data.get("id").or(meta.get("referenceId")).cloned()
}

impl Subscription {
    /// The next publication. `None` when the subscription or the connection has ended; [`Subscription::failure`] says why.
    pub async fn next(&mut self) -> Option<Publication> {
        self.publications.recv().await
    }

    /// A publication that has arrived already.
    pub fn try_next(&mut self) -> Option<Publication> {
        self.publications.try_recv().ok()
    }

    /// The channel, as it was subscribed to.
    #[must_use]
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// The server's answer to `on`; it holds the documents asked for with `initialCallback`.
    #[must_use]
    pub fn response(&self) -> &Response {
        &self.response
    }

    /// Why the stream has ended; `None` while it has not.
    #[must_use]
    pub fn failure(&self) -> Option<ClientError> {
        if self.overflowed.load(Ordering::Acquire) {
            let message = format!(
                "on {}: more than {} publications unread",
                self.channel, self.client.shared.backlog
            );
            return Some(ClientError::new(ErrorKind::Overflow, message));
        }
        let pending = &self.client.shared.pending;
        pending
            .is_ended()
            .then(|| pending.closed_error(&format!("on {}", self.channel)))
    }

    /// Unsubscribes and waits until the server has agreed.
    pub async fn unsubscribe(mut self) -> Result<(), ClientError> {
        self.active = false;
        let reference = self.own_reference();
        self.client.off(&self.channel, reference).await.map(drop)
    }

    /// The name of this subscription, and of no other. Servers of the first protocol give no reference and count
    /// instead.
    fn own_reference(&self) -> Option<Value> {
        self.reference
            .clone()
            .or(self.client.protocol().counts_listeners().then_some(Value::Null))
    }
}

impl Stream for Subscription {
    type Item = Publication;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Publication>> {
        self.publications.poll_recv(context)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.client
            .shared
            .pending
            .remove_subscriber(&self.channel, self.number);
        if !self.active {
            return;
        }
        let request = self.client.off_request(&self.channel, self.own_reference());
        let event_id = self.client.next_number();
        if let Ok(text) = self.client.encode(&request, event_id) {
            // Best effort: the answer is not awaited, and a full queue means that the session has other worries.
            let _ = self.client.shared.outgoing.try_send(Outgoing::Text(text));
        }
    }
}
