//! What is no HTTP request is told so.
//!
//! What enters: what the HTTP library writes to a connection. What leaves: the same, but for the library's own refusals, which
//! have a status and nothing else: they get a body that says what was wrong. Guarantees: nothing that the host has answered is
//! touched, since only what comes before the first request is looked at; a client that does not read is not waited for.

use super::http::Answer;
use super::refusal;
use http_body_util::BodyExt;
use hyper::StatusCode;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How long a client may go on without reading what is written.
const PATIENCE: Duration = Duration::from_secs(60);
/// What the status of an answer follows.
const VERSION: &[u8] = b"HTTP/1.1 ";

/// A connection whose refusals are explained.
#[derive(Debug)]
pub(super) struct Explained<S> {
    stream: S,
    /// What stands in the place of a refusal and is not written yet.
    waiting: Vec<u8>,
    /// A request was read: from then on what is written is the host's own.
    has_request: Arc<AtomicBool>,
    /// When the client is given up, should it go on not to read.
    until: Option<Pin<Box<Sleep>>>,
}

impl<S> Explained<S> {
    /// `has_request` is to be set when the first request was read.
    pub(super) fn new(stream: S, has_request: Arc<AtomicBool>) -> Explained<S> {
        Explained {
            stream,
            waiting: Vec::new(),
            has_request,
            until: None,
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

impl<S> Explained<S> {
    /// A refusal of the HTTP library with a body; `None` for everything else.
    fn explained(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        match self.has_request.load(Ordering::Relaxed) {
            true => None,
            false => explained(bytes),
        }
    }

    /// Gives up a client that has not taken anything for a while.
    fn poll_patience(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.until = None;
            return written;
        }
        let until = self.until.get_or_insert_with(|| Box::pin(sleep(PATIENCE)));
        ready!(until.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
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
        if let Some(explained) = self.explained(bytes) {
            self.waiting = explained;
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.poll_patience(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_waiting(context))?;
        if let [only] = slices
            && let Some(explained) = self.explained(only)
        {
            self.waiting = explained;
            return Poll::Ready(Ok(only.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.poll_patience(context, written)
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
    let status = bytes.strip_prefix(VERSION)?.get(..3)?;
    let status = StatusCode::from_bytes(status)
        .ok()
        .filter(StatusCode::is_client_error)?;
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
