//! The byte stream of a connection while it speaks HTTP.
//!
//! Enters: the bytes of a client, and what the HTTP library writes. Leaves: the same, but for the library's own
//! refusals, which are explained ([`super::malformed`]), and for upgrades that come as HTTP/1.0 ([`super::proxied`]).
//! Guarantees: nothing that the host has answered is touched. A client that does not read is not waited for. A
//! connection that ends while its client still sends is read on for a while ([`super::linger`]). A client that has
//! closed its side behind a request gets its answer, if that is made before long.

use super::framing::Framing;
use super::linger::Linger;
use super::malformed;
use super::progress::{Progress, Step};
use super::proxied::FirstLine;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How long a client may go on without reading what is written.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a body may take to be found whole that came with the end behind it.
const MOMENT: Duration = Duration::from_millis(200);
/// How long an answer may take when its client has closed its side. Most of these have gone away, and wait for nothing.
const GRACE: Duration = Duration::from_secs(5);

/// A connection that speaks HTTP.
#[derive(Debug)]
pub(super) struct HttpStream<S> {
    stream: S,
    progress: Arc<Progress>,
    first_line: FirstLine,
    framing: Framing,
    /// The answer in the place of a refusal that is not written yet.
    waiting: Vec<u8>,
    /// When the client is given up, should it go on not to read.
    until: Option<Pin<Box<Sleep>>>,
    /// Nothing more is written.
    linger: Option<Linger>,
    /// The client has closed its side, and who wants to know.
    end: Option<End>,
}

/// The end of what a client sends.
#[derive(Debug)]
struct End {
    /// When it counts although an answer is being made.
    grace: Pin<Box<Sleep>>,
    /// When it counts although a body may have come to its end.
    moment: Pin<Box<Sleep>>,
    reader: Waker,
}

impl<S> HttpStream<S> {
    pub(super) fn new(stream: S, progress: Arc<Progress>) -> HttpStream<S> {
        HttpStream {
            stream,
            progress,
            first_line: FirstLine::Begin(0),
            framing: Framing::default(),
            waiting: Vec::new(),
            until: None,
            linger: None,
            end: None,
        }
    }

    pub(super) fn into_inner(self) -> S {
        self.stream
    }

    /// A refusal of the HTTP library with a body; `None` for everything else.
    fn explained(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        match self.progress.has_request() {
            true => None,
            false => malformed::explained(bytes),
        }
    }

    /// Ready when the client's closing of its side may be known: the HTTP library ends everything then.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let step = self.progress.step();
        if step == Step::Reading {
            return Poll::Ready(());
        }
        let end = self.end.get_or_insert_with(|| End {
            grace: Box::pin(sleep(GRACE)),
            moment: Box::pin(sleep(MOMENT)),
            reader: Waker::noop().clone(),
        });
        end.reader.clone_from(context.waker());
        match step {
            Step::Coming => end.moment.as_mut().poll(context),
            Step::Answering => end.grace.as_mut().poll(context),
            _ => Poll::Pending,
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
        if self.end.is_none() {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
            let read = &mut buffer.filled_mut()[before..];
            if !read.is_empty() {
                self.progress.note_bytes();
                if self.first_line.take(read) {
                    self.progress.note_change();
                }
                if !self.progress.has_request() && self.framing.take(read) {
                    self.progress.note_two_ends();
                }
                return Poll::Ready(Ok(()));
            }
        }
        self.poll_end(context).map(Ok)
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
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        if self.progress.note_flush()
            && let Some(end) = &self.end
        {
            end.reader.wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.linger.is_none() {
            ready!(this.poll_waiting(context))?;
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
            if !this.progress.is_behind() {
                return Poll::Ready(Ok(()));
            }
        }
        let linger = this.linger.get_or_insert_with(Linger::new);
        ready!(linger.poll(&mut this.stream, context));
        Poll::Ready(Ok(()))
    }
}
