//! News of the connection, from the library's own tasks.
//!
//! Enters: events of the library, the servers that it tries. Leaves: each change of the connection, in order, and the last failure in
//! words. Guarantees: `Up` and `Down` take turns, also where the library drops one of its events. The same failure is logged once for each
//! loss of the connection, however often it is met.

use crate::server::Server;
use async_nats::{ClientError, ConnectErrorKind, Event, ServerError};
use mesh_cluster::wire::Connection;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// So many different failures are logged before the connection is up again. Refused subjects could be any number.
const MOST_LOGGED: usize = 16;

/// Errors of the library that have plainer words, by a part of them.
const PLAINER: [(&str, &str); 8] = [
    ("authorization violation", "it refuses the credentials"),
    ("timed out", "it does not answer"),
    ("Connection refused", "nothing listens there"),
    (
        "UnknownIssuer",
        "its certificate is of an authority that is not trusted",
    ),
    // Its authority has the name of another one that is.
    (
        "BadSignature",
        "its certificate is of an authority that is not trusted",
    ),
    ("not valid for name", "its certificate is for another name"),
    ("certificate expired", "its certificate has expired"),
    (
        "fatal alert",
        "it refuses the certificate of this node, or wants one",
    ),
];

/// Shared by a connection and the library's tasks.
#[derive(Debug)]
pub(crate) struct News {
    changes: mpsc::UnboundedSender<Connection>,
    told: Mutex<Told>,
    is_closed: AtomicBool,
    unread: AtomicU64,
    failures: Mutex<Failures>,
    server: Mutex<Option<Server>>,
}

/// The state that was told last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Down,
    Up,
    /// The library says that there is a connection, and its event has not come yet, or was dropped.
    PresumedUp,
}

#[derive(Debug, Default)]
struct Failures {
    last: Option<String>,
    logged: Vec<String>,
}

impl News {
    /// News, and the changes that come with them.
    pub(crate) fn new() -> (News, mpsc::UnboundedReceiver<Connection>) {
        let (changes, receiver) = mpsc::unbounded_channel();
        let news = News {
            changes,
            told: Mutex::new(Told::Down),
            is_closed: AtomicBool::new(false),
            unread: AtomicU64::new(0),
            failures: Mutex::default(),
            server: Mutex::default(),
        };
        (news, receiver)
    }

    /// Takes an event. The library hands them over one at a time.
    pub(crate) fn hear(&self, event: &Event) {
        match event {
            Event::Connected => self.tell_up(),
            Event::Disconnected => self.tell_down(),
            Event::ClientError(error) => {
                // It is met while the connection is made, and never while there is one.
                self.tell_down();
                self.hear_of_attempts(error);
            }
            Event::ServerError(error) => {
                let said = match error {
                    ServerError::Other(text) => text.clone(),
                    ServerError::AuthorizationViolation | ServerError::SlowConsumer(_) => error.to_string(),
                };
                self.fail(format!("a server of the cluster says: {said}"));
            }
            Event::SlowConsumer(_) => {
                self.unread.fetch_add(1, Ordering::Relaxed);
                self.fail(
                    "messages of the cluster were dropped, since they were not read in time".to_owned(),
                );
            }
            Event::LameDuckMode | Event::Draining | Event::Closed => {}
        }
    }

    /// Takes what the library knows of its servers before it tries them once more.
    pub(crate) fn tries(&self, servers: &[async_nats::Server]) {
        let failed = servers.iter().filter_map(|server| {
            let error = server.last_error.as_deref()?;
            Some(format!("{server}: {}", plain(error)))
        });
        let failed: Vec<String> = failed.collect();
        if !failed.is_empty() {
            self.fail(format!("no connection to the cluster: {}", failed.join("; ")));
        }
    }

    /// Ends the attempts to connect.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
    }

    /// The connection is gone for good.
    pub(crate) fn closed(&self) {
        // Nobody is told where the connection itself was dropped.
        let _ = self.changes.send(Connection::Closed);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// The last failure since the connection was made.
    pub(crate) fn last_failure(&self) -> Option<String> {
        self.failures().last.clone()
    }

    /// Whether there is a connection.
    pub(crate) fn is_up(&self) -> bool {
        *self.told() != Told::Down
    }

    /// The connection leads to this server now.
    pub(crate) fn leads_to(&self, server: Option<Server>) {
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = server;
    }

    /// The server that the connection leads to, or the last one that it led to.
    pub(crate) fn server(&self) -> Option<Server> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// So many messages were dropped since they were not read in time.
    pub(crate) fn unread(&self) -> u64 {
        self.unread.load(Ordering::Relaxed)
    }

    /// Takes a connection that the library has and whose event may be lost.
    pub(crate) fn presume_up(&self) {
        let mut told = self.told();
        if *told == Told::Down {
            self.tell(&mut told, Told::PresumedUp);
        }
    }

    fn tell_up(&self) {
        let mut told = self.told();
        match *told {
            Told::Down => {}
            Told::PresumedUp => {
                *told = Told::Up;
                return;
            }
            // Its loss was not told: the library keeps a limited number of events.
            Told::Up => self.tell(&mut told, Told::Down),
        }
        self.tell(&mut told, Told::Up);
    }

    fn tell_down(&self) {
        let mut told = self.told();
        if *told != Told::Down {
            self.tell(&mut told, Told::Down);
        }
    }

    fn tell(&self, told: &mut Told, now: Told) {
        *told = now;
        let change = match now {
            Told::Down => Connection::Down,
            Told::Up | Told::PresumedUp => {
                *self.failures() = Failures::default();
                Connection::Up
            }
        };
        // Nobody is told where the connection itself was dropped.
        let _ = self.changes.send(change);
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A name that leads nowhere is all that the list of servers does not tell.
    fn hear_of_attempts(&self, error: &ClientError) {
        if matches!(error, ClientError::Other(text) if *text == ConnectErrorKind::Dns.to_string()) {
            self.fail("no connection to the cluster: the name of a server has no address".to_owned());
        }
    }

    fn fail(&self, text: String) {
        let mut failures = self.failures();
        if failures.logged.len() < MOST_LOGGED && !failures.logged.contains(&text) {
            tracing::warn!(target: "cluster", "{text}");
            failures.logged.push(text.clone());
        }
        failures.last = Some(text);
    }

    fn failures(&self) -> MutexGuard<'_, Failures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An error of the library in plain words.
fn plain(error: &str) -> &str {
    let plainer = PLAINER.iter().find(|(part, _)| error.contains(part));
    plainer.map_or_else(|| error.trim_start_matches("IO error: "), |(_, words)| words)
}

#[cfg(test)]
mod tests;
