//! Sockets: HTTP/1.1, the websocket upgrade, and the frames of each connection.
//!
//! Enters: a bound listener and a mesh. Leaves: text frames to one [`mesh_core::gate::Gate`] per connection, and what
//! its session has queued back to the socket. Guarantees (docs/protocol.md 2 and 13): heartbeats in the direction of
//! the session's dialect. Frames limited in size. One flush for all that is queued. A connection that does not read
//! is closed and never waited for. On a stop, clients are told in a way that makes them reconnect. With certificates
//! all of that is encrypted; a handshake that does not end is ended, and counts as a connection until then.

mod auth;
mod body;
mod closing;
mod connection;
mod console;
mod cors;
mod csrf;
mod deadline;
mod deflate;
mod encrypted;
mod fault;
mod framing;
mod heartbeat;
mod hsts;
mod http;
mod linger;
mod malformed;
mod outgoing;
mod page;
mod progress;
mod proxied;
mod refusal;
mod rest;
mod socket;
mod stream;
mod target;
#[cfg(feature = "testing")]
pub mod testing;
mod unpacking;
mod web;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use mesh_core::gate::ConnectionInfo;
use mesh_core::mesh::Mesh;
use mesh_security::tls::Certificates;
use mesh_session::Place;
use progress::Progress;
use socket::Socket;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use stream::HttpStream;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

/// Limits of the transport.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest message that a client may send once it has logged in, in bytes. Larger ones close the connection with code 1009.
    pub frame: usize,
    /// How long a websocket may stay open without a login.
    pub login_timeout: Duration,
    /// How often clients are pinged that expect it.
    pub ping_interval: Duration,
}

/// Room for so many connections, and how many there are and were. Copies share it.
#[derive(Clone, Debug)]
pub struct Room {
    places: Arc<Semaphore>,
    limit: usize,
    most: Arc<AtomicUsize>,
}

impl Room {
    /// For at most `limit` connections.
    pub fn new(limit: usize) -> Room {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        Room {
            places: Arc::new(Semaphore::new(limit)),
            limit,
            most: Arc::default(),
        }
    }

    /// Waits for a place. It is taken until what is returned is dropped.
    async fn place(&self) -> Result<OwnedSemaphorePermit, AcquireError> {
        let place = self.places.clone().acquire_owned().await?;
        self.most.fetch_max(self.taken(), Ordering::Relaxed);
        Ok(place)
    }

    /// How many places are taken: one by each connection, whatever comes over it, and one by the next to come.
    pub fn taken(&self) -> usize {
        self.limit - self.places.available_permits()
    }

    /// How many places were taken at the same time since this was asked before.
    pub fn most_taken(&self) -> usize {
        self.most.swap(self.taken(), Ordering::Relaxed)
    }
}

/// A connection whose client asked for a websocket.
struct Opened<C> {
    channel: C,
    /// The bytes behind the request.
    read_already: Vec<u8>,
    peer: SocketAddr,
    place: Place,
    info: ConnectionInfo,
    /// Whether compression was agreed on.
    compresses: bool,
}

/// The answer when too many connections have not logged in.
const CROWDED: &str = r#"{"message":"Service unavailable","data":null,"error":{"message":"too many connections are open without a login; try again later"}}"#;

/// How long connections get to say goodbye on a stop.
const GOODBYE: Duration = Duration::from_secs(3);

/// How long a client may take to send the head of an HTTP request.
const HEAD: Duration = Duration::from_secs(30);
/// Bytes that the head of a request may have.
const LONGEST_HEAD: usize = 64 * 1024;
/// Bytes that it may have in the largest crowd: what the HTTP library needs.
const SHORTEST_HEAD: usize = 8 * 1024;

/// Accepts connections until `stop` becomes true, then closes all of them and returns when they are gone. With
/// `certificates` they are encrypted.
pub async fn run(
    listener: TcpListener,
    certificates: Option<Arc<Certificates>>,
    mesh: Arc<Mesh>,
    limits: Limits,
    room: Room,
    mut stop: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    let mut back_off = Duration::ZERO;
    loop {
        // The permit comes before the connection, so that a full house leaves further clients in the backlog.
        let permit = tokio::select! {
            permit = room.place() => permit,
            () = stopping(&mut stop) => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopping(&mut stop) => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                back_off = Duration::ZERO;
                let Ok(place) = mesh.sessions().admission().enter(peer.ip()) else {
                    refuse(stream, certificates.is_some());
                    continue;
                };
                let _ = stream.set_nodelay(true);
                let (mesh, stop) = (mesh.clone(), stop.clone());
                // Two tasks, so that one without encryption has no room for the state of one with it.
                match certificates.clone() {
                    None => connections.spawn(async move {
                        serve(stream, (peer, place), mesh, limits, stop).await;
                        drop(permit);
                    }),
                    Some(certificates) => connections.spawn(async move {
                        serve_encrypted(stream, (peer, place), &certificates, mesh, limits, stop).await;
                        drop(permit);
                    }),
                };
            }
            Err(error) => {
                // Out of descriptors, mostly: wait a little instead of spinning.
                back_off = (back_off * 2).clamp(Duration::from_millis(10), Duration::from_secs(1));
                tracing::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(back_off).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    let _ = tokio::time::timeout(GOODBYE, async {
        while connections.join_next().await.is_some() {}
    })
    .await;
    connections.shutdown().await;
}

/// Tells a client that there are too many, and waits for nothing.
fn refuse(stream: TcpStream, encrypted: bool) {
    let Ok(mut stream) = stream.into_std() else { return };
    if encrypted {
        // Without a handshake there is nothing that it would understand.
        return;
    }
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: {}\r\nRetry-After: 5\r\n\
         Connection: close\r\n\r\n{CROWDED}",
        CROWDED.len()
    );
    let _ = stream.write(answer.as_bytes());
    // A socket that is closed with bytes unread loses the bytes that were written.
    let _ = stream.read(&mut [0; 4096]);
}

/// Binds the address that the mesh is to be served on.
///
/// # Errors
///
/// As the operating system says: the port is taken, the address is not this machine's.
pub async fn bind(host: &str, port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((host, port)).await
}

/// Waits until the host stops.
async fn stopping(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stopping| *stopping).await;
}

async fn serve_encrypted(
    stream: TcpStream,
    (peer, place): (SocketAddr, Place),
    certificates: &Certificates,
    mesh: Arc<Mesh>,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) {
    let accepted = tokio::select! {
        accepted = Box::pin(encrypted::accept(stream, peer, certificates)) => accepted,
        () = stopping(&mut stop) => None,
    };
    if let Some(stream) = accepted {
        serve(stream, (peer, place), mesh, limits, stop).await;
    }
}

async fn serve<S: Socket>(
    stream: S,
    (peer, place): (SocketAddr, Place),
    mesh: Arc<Mesh>,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) {
    let upgraded: http::Slot = Arc::default();
    let progress: Arc<Progress> = Arc::default();
    let service = {
        let connection = http::Connection {
            peer,
            encrypted: S::ENCRYPTED,
            mesh: mesh.clone(),
            upgraded: upgraded.clone(),
            progress: progress.clone(),
        };
        let connection = Arc::new(connection);
        service_fn(move |request| http::answer_and_count(request, connection.clone()))
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(mesh.sessions().admission().share(LONGEST_HEAD).max(SHORTEST_HEAD))
        .serve_connection(TokioIo::new(HttpStream::new(stream, progress)), service)
        .with_upgrades();
    tokio::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = stopping(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        let perhaps = match error.is_parse() && !S::ENCRYPTED {
            true => "; perhaps the client speaks TLS, which this port does not",
            false => "",
        };
        tracing::debug!(%peer, "an HTTP connection ended early: {error}{perhaps}");
    }
    let taken = upgraded
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .take();
    let Some(asked) = taken else { return };
    match asked.upgrade.await {
        Ok(upgraded) => match upgraded.downcast::<TokioIo<HttpStream<S>>>() {
            Ok(parts) => {
                let opened = Opened {
                    channel: parts.io.into_inner().into_inner().into_channel(),
                    read_already: parts.read_buf.to_vec(),
                    peer,
                    place,
                    info: asked.info,
                    compresses: asked.compresses,
                };
                connection::run(opened, mesh, limits, stop).await;
            }
            Err(_) => tracing::error!(%peer, "an upgraded connection is of an unknown kind"),
        },
        Err(error) => tracing::debug!(%peer, "an upgrade failed: {error}"),
    }
}
