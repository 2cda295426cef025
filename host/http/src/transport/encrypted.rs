//! Connections with TLS: the handshake, and the byte stream behind it.
//!
//! Enters: an accepted TCP connection and the certificate of the moment. Leaves: an encrypted stream, or nothing,
//! with one line in the log that says why. Guarantees: a handshake ends within [`HANDSHAKE`]. A client that speaks
//! HTTP without TLS gets an answer that says so. Frames from other threads are written by the connection itself,
//! since a record is encrypted with the state of its connection.

use super::socket::{Channel, Socket, is_ended};
use bytes::BytesMut;
use mesh_security::tls::Certificates;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a client without TLS may take to read that it needs it.
const ANSWER: Duration = Duration::from_secs(2);
/// Bytes of its request that are still read, so that it sees the answer.
const PATIENCE: u64 = 64 * 1024;
/// The first byte of each TLS connection: a record that belongs to a handshake.
const HANDSHAKE_RECORD: u8 = 22;
/// The answer to an HTTP client that does not speak TLS.
const NEEDS_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 47\r\n\
    Connection: close\r\n\r\nThis port speaks TLS: connect with https or wss";

/// Makes an encrypted connection of an accepted one. `None` when the client did not get there; that is logged. It is
/// in a box, since the state of a connection is large, and a task has room for everything that it ever holds.
pub(super) async fn accept(
    mut stream: TcpStream,
    peer: SocketAddr,
    certificates: &Certificates,
) -> Option<Box<TlsStream<TcpStream>>> {
    let acceptor = certificates.acceptor();
    let handshake = async {
        let mut first = [0];
        match stream.peek(&mut first).await {
            Ok(1) if first[0] == HANDSHAKE_RECORD => Ok(acceptor.accept(stream).await),
            Ok(1) if first[0].is_ascii_uppercase() => {
                let _ = timeout(ANSWER, refuse(&mut stream)).await;
                Err("it speaks HTTP without TLS".to_owned())
            }
            Ok(1) => Err("it does not speak TLS".to_owned()),
            Ok(_) => Err("it was closed before it said anything".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    };
    let reason = match timeout(HANDSHAKE, handshake).await {
        Ok(Ok(Ok(stream))) => return Some(Box::new(stream)),
        Ok(Ok(Err(error))) => error.to_string(),
        Ok(Err(reason)) => reason,
        Err(_) => format!("no TLS handshake within {} seconds", HANDSHAKE.as_secs()),
    };
    tracing::debug!(%peer, "the TLS handshake failed: {reason}");
    None
}

async fn refuse(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(NEEDS_TLS).await?;
    stream.shutdown().await?;
    // A socket that is closed with bytes unread loses the bytes that were written.
    tokio::io::copy(&mut stream.take(PATIENCE), &mut tokio::io::sink()).await?;
    Ok(())
}

/// An encrypted connection under a websocket.
#[derive(Debug)]
pub(super) struct Encrypted(Box<TlsStream<TcpStream>>);

impl Socket for Box<TlsStream<TcpStream>> {
    type Channel = Encrypted;
    const ENCRYPTED: bool = true;

    fn into_channel(self) -> Encrypted {
        Encrypted(self)
    }
}

impl Channel for Encrypted {
    fn poll_read(&mut self, context: &mut Context<'_>, into: &mut BytesMut) -> Poll<io::Result<usize>> {
        pin!(self.0.read_buf(into)).poll(context)
    }

    fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }

    fn is_ended_by_client(&self) -> bool {
        is_ended(self.0.get_ref().0)
    }

    fn lendable(&self) -> Option<&Arc<OwnedWriteHalf>> {
        None
    }
}
