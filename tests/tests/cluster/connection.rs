//! One connection of a test to a server.
//!
//! Enters: settings. Leaves: the next event, message or state. Guarantees: nothing waits longer than [`PATIENCE`], and a test that waits so
//! long fails.

use bytes::Bytes;
use mesh_cluster::wire::{Connection, Event, Message, Wire, WireError};
use mesh_nats::{Credentials, Nats, Settings};
use std::future::poll_fn;
use std::task::Poll;
use std::time::{Duration, Instant};

/// Nothing takes so long, however busy the machine is.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Settings for this server. A busy machine is not taken for a silent server.
pub fn settings(url: &str) -> Settings {
    let mut settings = Settings::new(vec![url.to_owned()], "test".to_owned());
    settings.ping_interval = Duration::from_secs(60);
    settings
}

/// A user with a password.
pub fn password(user: &str, password: &str) -> Credentials {
    Credentials::Password {
        user: user.to_owned(),
        password: password.to_owned(),
    }
}

/// A connection whose state is [`Connection::Up`].
pub async fn connect(settings: Settings) -> Nats {
    let mut nats = Nats::connect(settings).await.expect("the settings are right");
    until(&mut nats, Connection::Up).await;
    nats
}

/// A connection to a server without users that is up.
pub async fn join(url: &str) -> Nats {
    connect(settings(url)).await
}

/// The next event.
pub async fn event(nats: &mut Nats) -> Event {
    let next = tokio::time::timeout(PATIENCE, poll_fn(|context| nats.poll_event(context))).await;
    next.unwrap_or_else(|_| panic!("nothing comes, and the last error is {:?}", nats.last_error()))
}

/// Reads until the connection has this state. Messages that come meanwhile are dropped.
pub async fn until(nats: &mut Nats, state: Connection) {
    while event(nats).await != Event::Connection(state) {}
    assert_eq!(nats.state(), state);
}

/// The next event, which must be a message.
pub async fn message(nats: &mut Nats) -> Message {
    match event(nats).await {
        Event::Message(message) => message,
        other => panic!("{other:?} is no message"),
    }
}

/// All events that are there.
pub async fn ready(nats: &mut Nats) -> Vec<Event> {
    poll_fn(|context| {
        let next = || match nats.poll_event(context) {
            Poll::Ready(event) => Some(event),
            Poll::Pending => None,
        };
        Poll::Ready(std::iter::from_fn(next).collect())
    })
    .await
}

/// Publishes until the queue takes it.
pub async fn publish(nats: &mut Nats, subject: &str, payload: &str) {
    let until = Instant::now() + PATIENCE;
    loop {
        match nats.publish(subject, Bytes::copy_from_slice(payload.as_bytes())) {
            Ok(()) => return,
            Err(WireError::Full) => assert!(Instant::now() < until, "the queue stays full"),
            Err(error) => panic!("{error}"),
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Waits for the next failure that a connection tells, reading nothing. It has this in it.
pub async fn failure(nats: &Nats, expected: &str) -> String {
    let until = Instant::now() + PATIENCE;
    loop {
        let last = nats.last_error();
        if let Some(said) = last.as_deref().filter(|said| said.contains(expected)) {
            return said.to_owned();
        }
        assert!(Instant::now() < until, "{last:?} has no {expected:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
