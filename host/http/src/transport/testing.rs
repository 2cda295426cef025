//! The bytes that clients send before anybody knows them, without a socket, for tests.
//!
//! Enters: bytes, and of how many bytes the pieces are in which they arrive. Leaves: what this crate makes of them.
//! Guarantees: each function does what a connection does with the same bytes; none waits.

use super::deflate::Inflater;
use super::framing::Framing;
use super::proxied::FirstLine;
use super::unpacking::Unpacking;
use super::{HEAD, LONGEST_HEAD, body, http};
use super::{progress::Progress, stream::HttpStream};
use crate::query;
use bytes::{Bytes, BytesMut};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use mesh_core::mesh::Mesh;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWriteExt, DuplexStream, ReadBuf};

/// A connection that does nothing so many times in a row waits for something.
const IDLE: usize = 4;
/// Bytes that wait at most on their way to the host and back.
const ROOM: usize = 1 << 22;

/// Why a packed body is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unpacked {
    /// It would be larger than the limit.
    TooLarge,
    /// It is no gzip.
    Damaged,
}

/// Whether the head of the first request has both a length and a coding.
pub fn has_two_ends(bytes: &[u8], piece: usize) -> bool {
    let mut framing = Framing::default();
    let pieces = bytes.chunks(piece.max(1));
    pieces.fold(false, |_, piece| framing.take(piece))
}

/// The bytes as the HTTP library gets them, and whether they say HTTP/1.1 where the client said HTTP/1.0.
pub fn with_version(bytes: &[u8], piece: usize) -> (Vec<u8>, bool) {
    let (mut line, mut out, mut was_changed) = (FirstLine::Begin(0), bytes.to_vec(), false);
    for piece in out.chunks_mut(piece.max(1)) {
        was_changed |= line.take(piece);
    }
    (out, was_changed)
}

/// The content of a packed body.
///
/// # Errors
///
/// When it is refused.
pub fn unpacked(bytes: &[u8], piece: usize, limit: usize) -> Result<Bytes, Unpacked> {
    let refused = |error| match error {
        body::Unreadable::TooLarge(_) => Unpacked::TooLarge,
        _ => Unpacked::Damaged,
    };
    let mut unpacking = Unpacking::new(limit);
    for piece in bytes.chunks(piece.max(1)) {
        unpacking.take(piece).map_err(refused)?;
    }
    unpacking.end().map_err(refused)
}

/// The frames of a client that compresses, as the websocket library reads them, and whether the connection goes on.
///
/// # Panics
///
/// When more is held of a message than one may have.
pub fn inflated(bytes: &[u8], piece: usize, longest: usize) -> (Vec<u8>, bool) {
    let (mut inflater, mut arrived, mut out) = (Inflater::new(longest), BytesMut::new(), Vec::new());
    for piece in bytes.chunks(piece.max(1)) {
        arrived.extend_from_slice(piece);
        loop {
            let advanced: io::Result<bool> = inflater.advance(&mut arrived);
            assert!(inflater.held() <= longest, "{} bytes are held", inflater.held());
            match advanced {
                Ok(true) => out.extend_from_slice(&std::mem::take(inflater.ready())),
                Ok(false) => break,
                Err(_) => return (out, false),
            }
        }
    }
    (out, true)
}

/// The names and values of a URL's query.
pub fn pairs(text: &str) -> Vec<(String, String)> {
    query::pairs(text)
}

/// A text without its escapes.
pub fn decode(text: &str) -> String {
    query::decode(text)
}

/// All that the host writes to a client that sends these bytes and then waits. Must be called inside the runtime of the mesh.
pub async fn served(mesh: &Arc<Mesh>, bytes: &[u8], piece: usize) -> Vec<u8> {
    let (mut client, host) = tokio::io::duplex(ROOM);
    let progress: Arc<Progress> = Arc::default();
    let connection = Arc::new(http::Connection {
        peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
        encrypted: false,
        mesh: mesh.clone(),
        upgraded: Arc::default(),
        progress: progress.clone(),
    });
    let service = service_fn(move |request| http::answer_and_count(request, connection.clone()));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(LONGEST_HEAD)
        .serve_connection(TokioIo::new(HttpStream::new(host, progress)), service);
    let mut connection = pin!(connection);
    let mut written = Vec::new();
    for piece in bytes.chunks(piece.max(1)) {
        if client.write_all(piece).await.is_err() || settle(&mut connection, &mut client, &mut written).await
        {
            break;
        }
    }
    written
}

/// Lets a connection do what it can, and takes what it writes. Returns whether it has ended.
async fn settle<C: Future>(
    connection: &mut Pin<&mut C>,
    client: &mut DuplexStream,
    written: &mut Vec<u8>,
) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    let mut idle = 0;
    while idle < IDLE {
        // Each turn may do only so much before it has to give way.
        tokio::task::yield_now().await;
        let has_ended = connection.as_mut().poll(&mut context).is_ready();
        let before = written.len();
        take(client, written, &mut context);
        if has_ended {
            return true;
        }
        idle = if written.len() > before { 0 } else { idle + 1 };
    }
    false
}

/// Takes what has been written.
fn take(client: &mut DuplexStream, written: &mut Vec<u8>, context: &mut Context<'_>) {
    let mut chunk = [0; 8 * 1024];
    loop {
        let mut buffer = ReadBuf::new(&mut chunk);
        match Pin::new(&mut *client).poll_read(context, &mut buffer) {
            Poll::Ready(Ok(())) if !buffer.filled().is_empty() => written.extend_from_slice(buffer.filled()),
            _ => return,
        }
    }
}
