//! The connection itself.
//!
//! Enters: [`Settings`], messages, subjects. Leaves: events. Guarantees: see [`Wire`]. A message waits nowhere but in the library's queue
//! in front of the socket, and in the library's queue of its subscription.

use crate::error::{SettingsError, SettingsErrorKind};
use crate::news::News;
use crate::options::{self, Target};
use crate::server::Server;
use crate::settings::Settings;
use async_nats::client::{PublishError, PublishErrorKind};
use async_nats::connection::State;
use async_nats::{
    Client, Message, Statistics, StatusCode, Subject, SubscribeErrorKind, Subscriber, subject::ToSubject,
};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use mesh_cluster::wire::{self, Connection, Event, Wire, WireError};
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::coop;

/// So long closing waits for a server that takes no more.
const CLOSING: Duration = Duration::from_secs(5);

/// So many messages of one subscription come in a row while others wait.
const IN_A_ROW: u32 = 64;

/// A connection to one of the servers, made again by itself.
#[derive(Debug)]
pub struct Nats {
    client: Client,
    subscriptions: Vec<Subscriber>,
    /// The subscription that is read now, and how many of its messages came in a row.
    turn: usize,
    in_a_row: u32,
    changes: mpsc::UnboundedReceiver<Connection>,
    state: Connection,
    news: Arc<News>,
    /// Of the task that waits for an event.
    waker: Option<Waker>,
    runtime: Handle,
}

/// A connection, as others see it who do not hold it.
#[derive(Clone, Debug)]
pub struct Observer {
    news: Arc<News>,
    statistics: Arc<Statistics>,
}

impl Observer {
    /// Whether there is a connection.
    pub fn is_up(&self) -> bool {
        self.news.is_up()
    }

    /// The server that the connection leads to, or the last one that it led to.
    pub fn server(&self) -> Option<Server> {
        self.news.server()
    }

    /// As [`Nats::last_error`].
    pub fn last_error(&self) -> Option<String> {
        self.news.last_failure()
    }

    /// So often a server has taken the connection.
    pub fn connects(&self) -> u64 {
        self.statistics
            .connects
            .load(std::sync::atomic::Ordering::Relaxed)
    }
}

impl Nats {
    /// Begins to connect. The state is [`Connection::Down`] until a server has taken the connection.
    ///
    /// # Errors
    ///
    /// When a setting is wrong. A server that does not answer or refuses the credentials is no error: see [`Nats::last_error`].
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub async fn connect(settings: Settings) -> Result<Nats, SettingsError> {
        let Target { servers, options } = options::of(&settings)?;
        let (news, changes) = News::new();
        let news = Arc::new(news);
        let (heard, tried) = (news.clone(), news.clone());
        let options = options
            .event_callback(move |event| {
                heard.hear(&event);
                std::future::ready(())
            })
            .reconnect_to_server_callback(move |servers, _| {
                tried.tries(&servers);
                let is_closed = tried.is_closed();
                async move {
                    if is_closed {
                        // The library knows no other end of its attempts.
                        std::future::pending::<()>().await;
                    }
                    None
                }
            });
        // It only fails where addresses are wrong, and those are parsed already.
        let client = options.connect(servers).await;
        let client = client.map_err(|_| SettingsError::new("servers", SettingsErrorKind::Address))?;
        Ok(Nats {
            client,
            subscriptions: Vec::new(),
            turn: 0,
            in_a_row: 0,
            changes,
            state: Connection::Down,
            news,
            waker: None,
            runtime: Handle::current(),
        })
    }

    /// The largest message that the server takes. Before there was any server it is the default of NATS, 1 MiB.
    pub fn max_payload(&self) -> usize {
        self.client.max_payload()
    }

    /// The last failure since the connection was up: why no server took it, or something that the server refused. In plain words, with
    /// the addresses of the servers concerned.
    pub fn last_error(&self) -> Option<String> {
        self.news.last_failure()
    }

    /// So many messages were dropped, since they came faster than they were read.
    pub fn unread(&self) -> u64 {
        self.news.unread()
    }

    /// So often a server has taken the connection.
    pub fn connects(&self) -> u64 {
        let statistics = self.client.statistics();
        statistics.connects.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// The server; nothing before there was one.
    pub fn server(&self) -> Option<Server> {
        self.client.try_server_info().map(|info| Server {
            name: info.server_name,
            address: format!("{}:{}", info.host, info.port),
            version: info.version,
        })
    }

    /// The connection from outside. It is seen there for as long as anybody looks, and not kept.
    pub fn observer(&self) -> Observer {
        Observer {
            news: self.news.clone(),
            statistics: self.client.statistics(),
        }
    }

    /// Waits until a server has taken the connection. It is for the time before the connection is used: a change that it sees is no event
    /// any more.
    pub async fn up(&mut self) {
        while self.state != Connection::Up {
            poll_fn(|context| self.poll_change(context)).await;
        }
    }

    fn send(&mut self, subject: &str, reply: Option<&str>, payload: Bytes) -> Result<(), WireError> {
        if self.state != Connection::Up {
            return Err(WireError::Down);
        }
        let (bytes, most) = (payload.len(), self.client.max_payload());
        if bytes > most {
            return Err(WireError::TooLarge { bytes, most });
        }
        let subject = Borrowed(subject);
        let sent = match reply {
            None => at_once(self.client.publish(subject, payload)),
            Some(reply) => at_once(self.client.publish_with_reply(subject, Borrowed(reply), payload)),
        };
        let is_wrong = |error: PublishError| match error.kind() {
            PublishErrorKind::MaxPayloadExceeded => WireError::TooLarge { bytes, most },
            PublishErrorKind::InvalidSubject => WireError::Subject,
            PublishErrorKind::Send => WireError::Down,
        };
        sent.ok_or(WireError::Full)?.map_err(is_wrong)
    }

    /// The next message of any subscription.
    fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<Message> {
        if self.in_a_row >= IN_A_ROW {
            self.next_subscription();
        }
        for _ in 0..self.subscriptions.len() {
            if let Poll::Ready(Some(message)) = self.subscriptions[self.turn].poll_next_unpin(context) {
                self.in_a_row += 1;
                return Poll::Ready(message);
            }
            self.next_subscription();
        }
        Poll::Pending
    }

    fn next_subscription(&mut self) {
        self.turn = (self.turn + 1) % self.subscriptions.len();
        self.in_a_row = 0;
    }

    /// The next change that the caller does not know of.
    fn poll_change(&mut self, context: &mut Context<'_>) -> Poll<Connection> {
        if self.state == Connection::Down && self.client.connection_state() == State::Connected {
            self.news.presume_up();
        }
        while let Poll::Ready(Some(change)) = self.changes.poll_recv(context) {
            match (self.state, change) {
                // The caller has closed it, and waits for the end.
                (Connection::Closed, Connection::Up | Connection::Down) => {}
                _ => {
                    self.state = change;
                    if change == Connection::Up {
                        self.news.leads_to(self.server());
                    }
                    return Poll::Ready(change);
                }
            }
        }
        Poll::Pending
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Wire for Nats {
    fn publish(&mut self, subject: &str, payload: Bytes) -> Result<(), WireError> {
        self.send(subject, None, payload)
    }

    fn publish_with_reply(&mut self, subject: &str, reply: &str, payload: Bytes) -> Result<(), WireError> {
        self.send(subject, Some(reply), payload)
    }

    fn subscribe(&mut self, subject: &str) -> Result<(), WireError> {
        if self.state == Connection::Closed {
            return Err(WireError::Down);
        }
        let subscribed = at_once(self.client.subscribe(Borrowed(subject))).ok_or(WireError::Full)?;
        let subscriber = subscribed.map_err(|error| match error.kind() {
            SubscribeErrorKind::Other => WireError::Down,
            SubscribeErrorKind::InvalidSubject | SubscribeErrorKind::InvalidQueueName => WireError::Subject,
        })?;
        self.subscriptions.push(subscriber);
        // The task that waits does not wait for this one yet.
        self.wake();
        Ok(())
    }

    fn state(&self) -> Connection {
        self.state
    }

    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        if let Poll::Ready(change) = self.poll_change(context) {
            return Poll::Ready(Event::Connection(change));
        }
        if let Poll::Ready(message) = self.poll_message(context) {
            return Poll::Ready(event(message));
        }
        match &mut self.waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Poll::Pending
    }

    fn close(&mut self) {
        let was_up = match std::mem::replace(&mut self.state, Connection::Closed) {
            Connection::Closed => return,
            state => state == Connection::Up,
        };
        self.news.close();
        let (client, news) = (self.client.clone(), self.news.clone());
        self.runtime.spawn(async move {
            let end = async {
                if was_up {
                    let _ = client.flush().await;
                }
                let _ = client.drain().await;
                if was_up {
                    // Answered with an error when the library has ended.
                    let _ = client.flush().await;
                }
            };
            // Neither a server that takes nothing nor one that is not there may hold up the end.
            let _ = tokio::time::timeout(CLOSING, end).await;
            news.closed();
        });
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.news.close();
    }
}

/// A subject of the caller: it is copied once, where the library takes it.
struct Borrowed<'a>(&'a str);

impl ToSubject for Borrowed<'_> {
    fn to_subject(&self) -> Subject {
        Subject::from(self.0)
    }
}

/// The outcome of something that the library can do without waiting; nothing where its queue is full.
fn at_once<F: Future>(future: F) -> Option<F::Output> {
    // The budget of the caller's task is no limit of the queue.
    coop::unconstrained(future).now_or_never()
}

fn event(message: Message) -> Event {
    let subject = bytes_of(message.subject);
    // The server answers so when nobody listens.
    if message.status == Some(StatusCode::NO_RESPONDERS) && message.payload.is_empty() {
        return Event::Returned(subject);
    }
    Event::Message(wire::Message {
        subject,
        reply: message.reply.map(bytes_of),
        payload: message.payload,
    })
}

/// The memory of a subject of its own, without a copy.
fn bytes_of(subject: Subject) -> Bytes {
    Bytes::from(subject.into_string())
}
