//! The byte stream of a connection while it speaks HTTP.
//!
//! What enters: the bytes of a client, and what the HTTP library writes. What leaves: the same, but for the library's own
//! refusals, which are explained ([`super::malformed`]), and for upgrades that come as HTTP/1.0 ([`super::proxied`]). Guarantees:
//! nothing that the host has answered is touched; a client that does not read is not waited for; a connection that ends while its
//! client still sends is read on for a while ([`super::linger`]).

use super::linger::Linger;
use super::malformed;
use super::proxied::FirstLine;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How long a client may go on without reading what is written.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the stream and those who answer its requests tell each other.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// A request was read: from then on what is written is the host's own.
    has_request: AtomicBool,
    /// The first request said HTTP/1.0, and was read as HTTP/1.1.
    was_changed: AtomicBool,
    /// Something came that is not answered yet, or a body that was not read to its end.
    is_behind: AtomicBool,
}

impl Progress {
    /// A request was read. Returns whether its version was changed on its way.
    pub(super) fn note_request(&self) -> bool {
        self.has_request.store(true, Ordering::Relaxed);
        self.was_changed.swap(false, Ordering::Relaxed)
    }

    /// All that has come is answered.
    pub(super) fn note_answer(&self) {
        self.is_behind.store(false, Ordering::Relaxed);
    }
}

/// A connection that speaks HTTP.
#[derive(Debug)]
pub(super) struct HttpStream<S> {
    stream: S,
    progress: Arc<Progress>,
    first_line: FirstLine,
    /// What stands in the place of a refusal and is not written yet.
    waiting: Vec<u8>,
    /// When the client is given up, should it go on not to read.
    until: Option<Pin<Box<Sleep>>>,
    /// Nothing more is written.
    linger: Option<Linger>,
}

impl<S> HttpStream<S> {
    pub(super) fn new(stream: S, progress: Arc<Progress>) -> HttpStream<S> {
        HttpStream {
            stream,
            progress,
            first_line: FirstLine::Begin(0),
            waiting: Vec::new(),
            until: None,
            linger: None,
        }
    }

    pub(super) fn into_inner(self) -> S {
        self.stream
    }

    /// A refusal of the HTTP library with a body; `None` for everything else.
    fn explained(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        match self.progress.has_request.load(Ordering::Relaxed) {
            true => None,
            false => malformed::explained(bytes),
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

impl<S: AsyncWrite + Unpin> HttpStream<S> {
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

impl<S: AsyncRead + Unpin> AsyncRead for HttpStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let read = &mut buffer.filled_mut()[before..];
        if !read.is_empty() {
            self.progress.is_behind.store(true, Ordering::Relaxed);
            if self.first_line.take(read) {
                self.progress.was_changed.store(true, Ordering::Relaxed);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for HttpStream<S> {
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
        let this = &mut *self;
        if this.linger.is_none() {
            ready!(this.poll_waiting(context))?;
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
            if !this.progress.is_behind.load(Ordering::Relaxed) {
                return Poll::Ready(Ok(()));
            }
        }
        let linger = this.linger.get_or_insert_with(Linger::new);
        ready!(linger.poll(&mut this.stream, context));
        Poll::Ready(Ok(()))
    }
}
