//! Pending requests of one connection.
//!
//! Enters: expectations of requests, calls and subscriptions; frames from the connection. Leaves: each frame
//! to whoever waits for it. Guarantees: once the connection is closed nobody is left waiting, and nobody can begin to.

use super::frame::{Answer, Incoming, Publication};
use super::{ClientError, ErrorKind, RemoteError};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, oneshot, watch};

type Outcome = Result<Answer, RemoteError>;

/// The expectations of one connection, shared by its task and its handles.
#[derive(Debug)]
pub(super) struct Pending {
    table: Mutex<Table>,
    /// Becomes true when the connection ends.
    ended: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Table {
    /// Why the connection is closed; `None` while it is open.
    closed: Option<String>,
    /// Requests by their `eventId`.
    requests: HashMap<u64, oneshot::Sender<Outcome>>,
    /// Calls by their callback address.
    calls: HashMap<String, oneshot::Sender<Box<RawValue>>>,
    /// Subscriptions by their channel.
    subscribers: HashMap<String, Vec<Subscriber>>,
}

#[derive(Debug)]
struct Subscriber {
    number: u64,
    publications: mpsc::Sender<Publication>,
    overflowed: Arc<AtomicBool>,
}

impl Pending {
    pub(super) fn new() -> Pending {
        Pending {
            table: Mutex::default(),
            ended: watch::Sender::new(false),
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Announces that the answer to `event_id` will be waited for.
    pub(super) fn expect_answer(&self, event_id: u64) -> Result<oneshot::Receiver<Outcome>, ClientError> {
        let (sender, receiver) = oneshot::channel();
        let mut table = self.table();
        table.check_open()?;
        table.requests.insert(event_id, sender);
        Ok(receiver)
    }

    /// Nobody waits for this answer any more.
    pub(super) fn forget_answer(&self, event_id: u64) {
        self.table().requests.remove(&event_id);
    }

    /// Announces that a publication on `callback_address` will be waited for.
    pub(super) fn expect_call(&self, address: &str) -> Result<oneshot::Receiver<Box<RawValue>>, ClientError> {
        let (sender, receiver) = oneshot::channel();
        let mut table = self.table();
        table.check_open()?;
        table.calls.insert(address.to_owned(), sender);
        Ok(receiver)
    }

    /// Nobody waits for this call any more.
    pub(super) fn forget_call(&self, address: &str) {
        self.table().calls.remove(address);
    }

    /// Sends all publications on `channel` to `publications`. When they do not fit, the subscriber is removed and
    /// `overflowed` set.
    pub(super) fn add_subscriber(
        &self,
        channel: &str,
        number: u64,
        publications: mpsc::Sender<Publication>,
        overflowed: Arc<AtomicBool>,
    ) -> Result<(), ClientError> {
        let mut table = self.table();
        table.check_open()?;
        let subscriber = Subscriber {
            number,
            publications,
            overflowed,
        };
        table
            .subscribers
            .entry(channel.to_owned())
            .or_default()
            .push(subscriber);
        Ok(())
    }

    /// Stops what [`add_subscriber`](Pending::add_subscriber) began.
    pub(super) fn remove_subscriber(&self, channel: &str, number: u64) {
        let mut table = self.table();
        if let Some(subscribers) = table.subscribers.get_mut(channel) {
            subscribers.retain(|subscriber| subscriber.number != number);
            if subscribers.is_empty() {
                table.subscribers.remove(channel);
            }
        }
    }

    /// Hands a frame to whoever waits for it.
    pub(super) fn dispatch(&self, incoming: Incoming) {
        match incoming {
            Incoming::Response(event_id, outcome) => {
                let waiting = self.table().requests.remove(&event_id);
                // A receiver that is gone has run into its time limit a moment ago.
                waiting.map(|sender| sender.send(outcome));
            }
            Incoming::Publication(publication) => self.publish(publication),
            _ => {}
        }
    }

    fn publish(&self, publication: Publication) {
        let mut table = self.table();
        if let Some(call) = table.calls.remove(&publication.path) {
            let _ = call.send(publication.data.clone());
        }
        let Some(subscribers) = table.subscribers.get_mut(&publication.channel) else {
            return;
        };
        subscribers.retain(
            |subscriber| match subscriber.publications.try_send(publication.clone()) {
                Ok(()) => true,
                Err(mpsc::error::TrySendError::Full(_)) => {
                    subscriber.overflowed.store(true, Ordering::Release);
                    false
                }
                Err(mpsc::error::TrySendError::Closed(_)) => false,
            },
        );
    }

    /// Ends all waiting, now and in future. The first reason stays.
    pub(super) fn close(&self, reason: String) {
        let mut table = self.table();
        let reason = table.closed.take().unwrap_or(reason);
        *table = Table {
            closed: Some(reason),
            ..Table::default()
        };
        self.ended.send_replace(true);
    }

    /// The error for whoever finds the connection closed.
    pub(super) fn closed_error(&self, request: &str) -> ClientError {
        let reason = self.table().closed.clone();
        let reason = reason.unwrap_or_else(|| "closing".to_owned());
        ClientError::new(
            ErrorKind::Closed,
            format!("{request}: connection closed: {reason}"),
        )
    }

    /// Completes when the connection has ended.
    pub(super) async fn ended(&self) {
        // The sender lives in `self`, so that waiting cannot fail.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }

    /// Whether the connection has ended.
    pub(super) fn is_ended(&self) -> bool {
        *self.ended.borrow()
    }
}

impl Table {
    fn check_open(&self) -> Result<(), ClientError> {
        match &self.closed {
            None => Ok(()),
            Some(reason) => Err(ClientError::new(
                ErrorKind::Closed,
                format!("connection closed: {reason}"),
            )),
        }
    }
}
