//! All live sessions, for stopping them, counting them and finding one by its id.

use super::{Admission, AdmissionLimits, Closing, Session};
use mesh_wire::protocol::Dialect;
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// The host's sessions. Touched when a session opens or closes, never on the way of a request.
#[derive(Debug)]
pub struct Sessions {
    live: RwLock<HashMap<u64, Arc<Session>>>,
    next: AtomicU64,
    slow_consumers: AtomicU64,
    outbound_limit: usize,
    admission: Arc<Admission>,
    /// Addresses whose requests over HTTP are answered in the dialect of their last websocket.
    over_http: RwLock<HashMap<IpAddr, Dialect>>,
}

/// Bytes that a session may have queued that was not let in: a few answers of its own.
const QUEUE_BEFORE_LOGIN: usize = 256 * 1024;

/// So many addresses are remembered.
const MOST_ADDRESSES: usize = 10_000;

impl Sessions {
    /// No sessions. `outbound_limit` is the number of bytes that each may have queued once it is admitted.
    pub fn new(outbound_limit: usize, admission: AdmissionLimits) -> Sessions {
        Sessions {
            live: RwLock::default(),
            next: AtomicU64::new(1),
            slow_consumers: AtomicU64::new(0),
            outbound_limit,
            admission: Admission::new(admission),
            over_http: RwLock::default(),
        }
    }

    /// Notes which dialect a client speaks. Requests over HTTP do not say it, and expect the status codes of their own.
    pub fn note_dialect(&self, address: IpAddr, dialect: Dialect) {
        let kept = Some(dialect).filter(|dialect| dialect.is_kept_over_http());
        let known = self
            .over_http
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&address)
            .copied();
        if known == kept {
            return;
        }
        let mut addresses = self.over_http.write().unwrap_or_else(PoisonError::into_inner);
        let Some(dialect) = kept else {
            addresses.remove(&address);
            return;
        };
        if known.is_none() && addresses.len() >= MOST_ADDRESSES {
            // Those who are not connected any more are answered as others are until they come back.
            let live: HashSet<IpAddr> = self.all().iter().map(|session| session.peer().ip()).collect();
            addresses.retain(|address, _| live.contains(address));
        }
        if known.is_some() || addresses.len() < MOST_ADDRESSES {
            addresses.insert(address, dialect);
        }
    }

    /// In which dialect requests over HTTP from an address are answered.
    pub fn dialect_over_http(&self, address: IpAddr) -> Dialect {
        let addresses = self.over_http.read().unwrap_or_else(PoisonError::into_inner);
        addresses.get(&address).copied().unwrap_or(Dialect::OF_HTTP)
    }

    /// Connections that nobody has logged in with.
    pub fn admission(&self) -> &Arc<Admission> {
        &self.admission
    }

    /// Lets a session cost no more than one that nobody has logged in with.
    pub fn withdraw(&self, session: &Session) {
        session.withdraw(self.admission.share(QUEUE_BEFORE_LOGIN));
    }

    /// Opens a session for a connection from `peer`. It is not admitted yet.
    pub fn open(&self, peer: SocketAddr) -> Arc<Session> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let session = Arc::new(Session::new(number, peer, self.outbound_limit));
        self.withdraw(&session);
        self.live
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(number, session.clone());
        session
    }

    /// Forgets a session whose connection has ended.
    pub fn close(&self, session: &Session, reason: Option<Closing>) {
        session.end();
        let known = self
            .live
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&session.number());
        if known.is_some() && reason == Some(Closing::SlowConsumer) {
            self.slow_consumers.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many sessions are open.
    pub fn count(&self) -> usize {
        self.live.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// How many sessions were closed because they read too slowly.
    pub fn slow_consumers(&self) -> u64 {
        self.slow_consumers.load(Ordering::Relaxed)
    }

    /// The session with this id.
    pub fn find(&self, id: &str) -> Option<Arc<Session>> {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        live.values().find(|session| session.id() == id).cloned()
    }

    /// The sessions open at this moment.
    pub fn all(&self) -> Vec<Arc<Session>> {
        self.live
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }
}
