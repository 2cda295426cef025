//! Sessions as the rest of the host sees them: an identity, a dialect, subscriptions, and a queue of frames on their way out.
//!
//! Enters: frames from any thread; subscriptions, and publications for them ([`pubsub`]). Leaves: batches of frames, taken
//! by the session's own connection; the recipients of a publication.
//!
//! Guarantees:
//! - A queue never holds more bytes than its limit, and no publisher waits for a recipient.
//! - Frames leave in the order in which they were pushed. An answer leaves behind the publications that it follows, on
//!   other connections too (`order`).
//! - The cost of a publication follows its recipients, not the number of subscriptions.
//! - Connections without a login are bounded, together and for each address (`admission`).
//! - The calls that one caller has pending are counted in one place, for all components (`calls`).

#![forbid(unsafe_code)]

mod admission;
mod attended;
mod audience;
mod batch;
mod calls;
mod closing;
mod deferred;
mod login;
mod metrics;
mod obstacles;
mod order;
mod outbound;
pub mod pubsub;
mod registry;
#[cfg(test)]
mod tests;

pub use admission::{Admission, AdmissionLimits, Place};
pub use audience::{Audience, Principal};
pub use batch::{Batch, Next};
pub use calls::{AddressShares, Held, Share};
pub use closing::Closing;
pub use deferred::Deferred;
pub use login::{Expiry, Login, LoginFacts, Policy, Usage};
pub use obstacles::{Obstacles, Reading};
pub use order::{After, InFlight};
pub use outbound::Outbound;
pub use registry::Sessions;

use arc_swap::ArcSwapOption;
use mesh_wire::origin::Origin;
use mesh_wire::protocol::{Dialect, Frame, primus, session_end_notice};
use mesh_wire::versions::{Advertised, Line};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The atomics and locks of [`attended`] and [`obstacles`].
mod sync {
    pub(super) use futures_util::task::AtomicWaker;
    pub(super) use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    pub(super) use std::sync::{Mutex, MutexGuard};
}

/// How often it is looked whether a connection has ended, by who waits for that.
const LOOK: Duration = Duration::from_millis(250);

/// One websocket connection.
#[derive(Debug)]
pub struct Session {
    /// Position among the host's sessions; never used twice while the host runs.
    number: u64,
    /// The UUID that clients know the session by.
    id: Box<str>,
    /// `{"id":"…"}`: what components learn of a caller that has not logged in. Made once.
    origin: Origin,
    /// Who is at the other end, in a secure mesh.
    login: ArcSwapOption<Login>,
    /// The events that it may hear; `None` where that is everything that it has subscribed to.
    audience: ArcSwapOption<Audience>,
    /// For whom else it listens.
    principals: Mutex<Vec<Arc<Principal>>>,
    /// Somebody has logged in, or, where nobody has to, has asked for something.
    is_admitted: AtomicBool,
    /// The obstacles to reading its requests.
    obstacles: Obstacles,
    /// Its connection has ended.
    has_ended: AtomicBool,
    /// The client has ended its side of the connection, and reads no answers.
    gone: AtomicBool,
    /// Where the client is.
    peer: SocketAddr,
    /// When it connected.
    since: Instant,
    /// A [`Dialect`] as a number. Written by the session's own connection, read by publishers.
    dialect: AtomicU8,
    /// The client is another node of a cluster, as it says.
    is_cluster_member: AtomicBool,
    /// The description that the client has read last.
    advertised: ArcSwapOption<Advertised>,
    /// Components that it has called without a range, relying on what it was advertised.
    relied_on: Mutex<Vec<Box<str>>>,
    /// The one among them that it called last: the number of the instance.
    relied_on_last: AtomicU64,
    /// Its pending calls.
    calls: Share,
    /// Bytes that may be queued once it is admitted.
    queue: usize,
    /// Frames on their way out.
    outbound: Outbound,
}

impl Session {
    /// A session that is admitted. `limit` is the number of bytes its queue may hold.
    pub fn new(number: u64, peer: SocketAddr, limit: usize) -> Session {
        let id = uuid::Uuid::new_v4().to_string().into_boxed_str();
        let origin = Origin::of_session(&id);
        Session {
            number,
            id,
            origin,
            login: ArcSwapOption::const_empty(),
            audience: ArcSwapOption::const_empty(),
            principals: Mutex::default(),
            is_admitted: AtomicBool::new(true),
            obstacles: Obstacles::none(),
            has_ended: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            peer,
            since: Instant::now(),
            dialect: AtomicU8::new(Dialect::default().number()),
            is_cluster_member: AtomicBool::new(false),
            advertised: ArcSwapOption::const_empty(),
            relied_on: Mutex::default(),
            relied_on_last: AtomicU64::new(0),
            calls: Share::default(),
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

    /// The facts that components learn of the caller: a JSON object.
    pub fn origin(&self) -> Origin {
        match &*self.login.load() {
            Some(login) => login.origin.clone(),
            None => self.origin.clone(),
        }
    }

    /// The login at the other end, in a secure mesh.
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

    /// For whom else the session listens.
    pub fn principals(&self) -> Vec<Arc<Principal>> {
        self.lock_principals().clone()
    }

    /// A user for whom the session is about to listen. Those for whom it does no more are forgotten.
    pub fn principal(&self, username: &Arc<str>, user_id: &str) -> Arc<Principal> {
        let mut principals = self.lock_principals();
        let known = |one: &&Arc<Principal>| one.username() == &**username && one.user_id() == user_id;
        if let Some(known) = principals.iter().find(known) {
            return known.clone();
        }
        principals.retain(|one| Arc::strong_count(one) > 1);
        let principal = Arc::new(Principal::new(username, user_id));
        principals.push(principal.clone());
        principal
    }

    fn lock_principals(&self) -> MutexGuard<'_, Vec<Arc<Principal>>> {
        self.principals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the requests that follow wait: one is being worked on elsewhere.
    pub fn hold_requests(&self) {
        self.obstacles.hold_requests();
    }

    /// Lets requests be worked off again, and sends the answer that they waited for.
    pub fn go_on_with(&self, answer: Option<Frame>) {
        self.obstacles.go_on();
        match answer {
            Some(answer) => self.outbound.push(answer),
            None => self.outbound.wake(),
        }
    }

    /// Whether requests wait.
    pub fn waits(&self) -> bool {
        self.obstacles.waits()
    }

    /// The obstacles to reading its requests.
    pub fn obstacles(&self) -> &Obstacles {
        &self.obstacles
    }

    /// Notes that the connection has ended.
    pub fn end(&self) {
        self.has_ended.store(true, Ordering::Relaxed);
    }

    /// Whether the connection has ended.
    pub fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Relaxed)
    }

    /// Waits until some time after the connection has ended.
    pub async fn ended(&self) {
        while !self.has_ended() {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Notes that the client reads no answers any more.
    pub fn note_gone(&self) {
        self.gone.store(true, Ordering::Relaxed);
    }

    /// Whether answers are of use to nobody.
    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed) || self.outbound.is_closing()
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
        self.dialect.store(dialect.number(), Ordering::Relaxed);
    }

    /// Notes whether the client is another node of a cluster: publications with `noCluster` do not go there.
    pub fn set_cluster_member(&self, is_member: bool) {
        self.is_cluster_member.store(is_member, Ordering::Relaxed);
    }

    /// Whether the client is another node of a cluster.
    pub fn is_cluster_member(&self) -> bool {
        self.is_cluster_member.load(Ordering::Relaxed)
    }

    /// The versions that the client was promised: those in the description that it has read last.
    pub fn advertised(&self) -> Option<Arc<Advertised>> {
        self.advertised.load_full()
    }

    /// Notes what the client is about to read.
    pub fn set_advertised(&self, advertised: Arc<Advertised>) {
        self.advertised.store(Some(advertised));
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

    /// Whether the client calls the component without a range, having been advertised versions of this line.
    pub fn relies_on(&self, component: &str, line: Line) -> bool {
        let names = self.relied_on.lock().unwrap_or_else(PoisonError::into_inner);
        names.iter().any(|name| **name == *component)
            && self
                .advertised()
                .and_then(|advertised| advertised.line(component))
                == Some(line)
    }

    /// One more answer waits for the store.
    pub fn begin_commit(&self) {
        self.obstacles.begin_commit();
    }

    /// One answer less waits for the store. It is to be pushed after this, which wakes the connection.
    pub fn end_commit(&self) {
        self.obstacles.end_commit();
    }

    /// How many answers wait for the store.
    pub fn uncommitted(&self) -> usize {
        self.obstacles.uncommitted()
    }

    /// Its pending calls.
    pub fn calls(&self) -> &Share {
        &self.calls
    }

    /// Ends it with a reason that its client is told. Frames pushed before are sent first.
    pub fn end_because(&self, reason: &str) {
        let dialect = self.dialect();
        self.outbound.push(session_end_notice(dialect, reason));
        if dialect.says_that_it_closes() {
            self.outbound.push(primus::closed());
        }
        self.outbound.close(Closing::Ended);
    }

    /// Frames on their way out.
    pub fn outbound(&self) -> &Outbound {
        &self.outbound
    }
}
