//! Sessions as the rest of the host sees them: an identity, a dialect, and a queue of frames on their way out.
//!
//! What enters: frames from any thread. What leaves: batches of frames, taken by the session's own connection.
//! Guarantees: a queue never holds more bytes than its limit; whoever pushes never waits; frames leave in the order in
//! which they were pushed.

mod admission;
mod audience;
mod login;
mod outbound;
mod registry;

pub use admission::{Admission, AdmissionLimits, Place};
pub use audience::Audience;
pub use login::{Lapse, Login, Policy, Usage};
pub use outbound::{Batch, Closing, Outbound};
pub use registry::Sessions;

use crate::protocol::{Dialect, Frame};
use crate::versions::{Line, Shown};
use arc_swap::ArcSwapOption;
use bytes::Bytes;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// One websocket connection.
#[derive(Debug)]
pub struct Session {
    /// Position among the host's sessions; never used twice while the host runs.
    number: u64,
    /// The UUID that clients know the session by.
    id: Box<str>,
    /// `{"id":"…"}`: what components learn of a caller that has not logged in. Made once.
    origin: Bytes,
    /// Who is at the other end, in a secure mesh.
    login: ArcSwapOption<Login>,
    /// What it may hear; nothing where that is everything that it has subscribed to.
    audience: ArcSwapOption<Audience>,
    /// Somebody has logged in, or, where nobody has to, has asked for something.
    is_admitted: AtomicBool,
    /// A request is being worked on elsewhere, and its answer comes before all that follow.
    waits: AtomicBool,
    /// Where the client is.
    peer: SocketAddr,
    /// When it connected.
    since: Instant,
    /// A [`Dialect`] as a number. Written by the session's own connection, read by publishers.
    dialect: AtomicU8,
    /// Answers that wait for the store.
    uncommitted: AtomicUsize,
    /// The description that the client has read last.
    shown: ArcSwapOption<Shown>,
    /// Components that it has called without a range, relying on what it was shown.
    relied_on: Mutex<Vec<Box<str>>>,
    /// The one among them that it called last: the number of the instance.
    relied_on_last: AtomicU64,
    /// Bytes that may be queued once it is admitted.
    queue: usize,
    /// Frames on their way out.
    outbound: Outbound,
}

impl Session {
    /// A session that is admitted. `limit` is the number of bytes its queue may hold.
    pub fn new(number: u64, peer: SocketAddr, limit: usize) -> Session {
        let id = uuid::Uuid::new_v4().to_string().into_boxed_str();
        let origin = Bytes::from(format!(r#"{{"id":"{id}"}}"#));
        Session {
            number,
            id,
            origin,
            login: ArcSwapOption::const_empty(),
            audience: ArcSwapOption::const_empty(),
            is_admitted: AtomicBool::new(true),
            waits: AtomicBool::new(false),
            peer,
            since: Instant::now(),
            dialect: AtomicU8::new(0),
            uncommitted: AtomicUsize::new(0),
            shown: ArcSwapOption::const_empty(),
            relied_on: Mutex::default(),
            relied_on_last: AtomicU64::new(0),
            queue: limit,
            outbound: Outbound::new(limit),
        }
    }

    /// Position among the host's sessions.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The UUID that clients know the session by.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What components learn of the caller: a JSON object.
    pub fn origin(&self) -> Bytes {
        match &*self.login.load() {
            Some(login) => login.origin.clone(),
            None => self.origin.clone(),
        }
    }

    /// Who is at the other end, in a secure mesh.
    pub fn login(&self) -> Option<Arc<Login>> {
        self.login.load_full()
    }

    /// Notes who is at the other end. Somebody who has logged in is admitted.
    pub fn set_login(&self, login: Option<Arc<Login>>) {
        let is_login = login.is_some();
        self.login.store(login);
        if is_login {
            self.admit();
        }
    }

    /// Lets the session cost what those may that were let in.
    pub fn admit(&self) {
        if !self.is_admitted() {
            self.outbound.set_limit(self.queue);
            self.is_admitted.store(true, Ordering::Release);
        }
    }

    /// Lets the session cost no more than those that were not let in; `queue` bytes may be queued.
    pub fn withdraw(&self, queue: usize) {
        self.is_admitted.store(false, Ordering::Release);
        self.outbound.set_limit(queue.min(self.queue));
    }

    /// Whether it was let in: it has logged in, or nobody has to.
    pub fn is_admitted(&self) -> bool {
        self.is_admitted.load(Ordering::Acquire)
    }

    /// Notes what the session may hear.
    pub fn set_audience(&self, audience: Option<Audience>) {
        self.audience.store(audience.map(Arc::new));
    }

    /// Whether the session may hear an event; see [`Audience::may_hear`].
    pub fn may_hear(&self, path: &str, is_loose: bool) -> bool {
        match &*self.audience.load() {
            None => true,
            Some(audience) => audience.may_hear(path, is_loose),
        }
    }

    /// Lets the requests that follow wait: one is being worked on elsewhere.
    pub fn hold_requests(&self) {
        self.waits.store(true, Ordering::Release);
    }

    /// Lets requests be worked off again, and sends the answer that they waited for.
    pub fn go_on_with(&self, answer: Option<Frame>) {
        self.waits.store(false, Ordering::Release);
        match answer {
            Some(answer) => self.outbound.push(answer),
            None => self.outbound.wake(),
        }
    }

    /// Whether requests wait.
    pub fn waits(&self) -> bool {
        self.waits.load(Ordering::Acquire)
    }

    /// Where the client is.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// When it connected.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// The dialect announced last.
    pub fn dialect(&self) -> Dialect {
        Dialect::from_number(self.dialect.load(Ordering::Relaxed))
    }

    /// Takes over an announced dialect.
    pub fn set_dialect(&self, dialect: Dialect) {
        self.dialect.store(dialect as u8, Ordering::Relaxed);
    }

    /// What the client was promised: the versions in the description that it has read last.
    pub fn shown(&self) -> Option<Arc<Shown>> {
        self.shown.load_full()
    }

    /// Notes what the client is about to read.
    pub fn set_shown(&self, shown: Arc<Shown>) {
        self.shown.store(Some(shown));
    }

    /// Notes that the client called an instance of this component without a range.
    pub fn note_reliance(&self, instance: u64, component: &str) {
        if self.relied_on_last.swap(instance, Ordering::Relaxed) == instance {
            return;
        }
        let mut names = self.relied_on.lock().unwrap_or_else(PoisonError::into_inner);
        if !names.iter().any(|name| **name == *component) {
            names.push(component.into());
        }
    }

    /// Whether the client calls the component without a range, having been shown versions of this line.
    pub fn relies_on(&self, component: &str, line: Line) -> bool {
        let names = self.relied_on.lock().unwrap_or_else(PoisonError::into_inner);
        names.iter().any(|name| **name == *component)
            && self.shown().and_then(|shown| shown.line(component)) == Some(line)
    }

    /// One more answer waits for the store.
    pub fn begin_commit(&self) {
        self.uncommitted.fetch_add(1, Ordering::Relaxed);
    }

    /// One answer less waits for the store. It is to be pushed after this, which wakes the connection.
    pub fn end_commit(&self) {
        self.uncommitted.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many answers wait for the store.
    pub fn uncommitted(&self) -> usize {
        self.uncommitted.load(Ordering::Relaxed)
    }

    /// Frames on their way out.
    pub fn outbound(&self) -> &Outbound {
        &self.outbound
    }
}
