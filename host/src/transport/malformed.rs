//! What is no HTTP request is told so.
//!
//! What enters: what the HTTP library writes to a connection. What leaves: the same, but for the library's own refusals, which
//! have a status and nothing else: they get a body that says what was wrong. Guarantees: answers of the host are not touched,
//! since each of them says of what kind it is; such a refusal is the last thing that is sent.

use super::http::Answer;
use super::refusal;
use http_body_util::BodyExt;
use hyper::StatusCode;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The start of an answer of which only the status is open.
const START: &[u8] = b"HTTP/1.1 4";

/// A connection whose refusals are explained.
#[derive(Debug)]
pub(super) struct Explained<S> {
    stream: S,
    /// What stands in the place of a refusal and is not written yet.
    waiting: Vec<u8>,
}

impl<S> Explained<S> {
    pub(super) fn new(stream: S) -> Explained<S> {
        Explained {
            stream,
            waiting: Vec::new(),
        }
    }

    pub(super) fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: AsyncWrite + Unpin> Explained<S> {
    fn poll_waiting(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.waiting.is_empty() {
            let count = ready!(Pin::new(&mut self.stream).poll_write(context, &self.waiting))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.waiting.drain(..count);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Explained<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Explained<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_waiting(context))?;
        if let Some(explained) = explained(bytes) {
            self.waiting = explained;
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_waiting(context))?;
        if let [only] = slices
            && let Some(explained) = explained(only)
        {
            self.waiting = explained;
            return Poll::Ready(Ok(only.len()));
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_waiting(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_waiting(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// A refusal of the HTTP library with a body; `None` for everything else.
fn explained(bytes: &[u8]) -> Option<Vec<u8>> {
    if !bytes.starts_with(START) {
        return None;
    }
    let head = std::str::from_utf8(bytes).ok()?.strip_suffix("\r\n\r\n")?;
    let head = head.to_ascii_lowercase();
    // Every answer of the host has a kind or is to a HEAD, and the library's close the connection.
    let is_bare = head.contains("\r\ncontent-length: 0") && head.contains("\r\nconnection: close");
    if !is_bare || head.contains("\r\ncontent-type:") {
        return None;
    }
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let status = StatusCode::from_u16(status).ok()?;
    let problem = match status {
        StatusCode::URI_TOO_LONG => "path and query are too long",
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => "there are too many headers, or they are too long",
        _ => "this is not an HTTP/1.1 request that can be read",
    };
    let answer = refusal::json(status, status.canonical_reason().unwrap_or_default(), problem);
    Some(written(answer))
}

/// An answer as it goes over the wire.
fn written(answer: Answer) -> Vec<u8> {
    let (head, body) = answer.into_parts();
    let mut bytes = format!("HTTP/1.1 {}\r\nconnection: close\r\n", head.status).into_bytes();
    for (name, value) in &head.headers {
        bytes.extend_from_slice(format!("{name}: ").as_bytes());
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    // It is there already: waiting for it ends at once.
    let body = match pin!(body.collect()).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(body)) => body.to_bytes(),
        Poll::Ready(Err(_)) | Poll::Pending => Default::default(),
    };
    bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    bytes.extend_from_slice(&body);
    bytes
}
