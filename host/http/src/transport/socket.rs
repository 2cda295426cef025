//! The byte stream under a websocket, as the websocket library reads and writes it: never waiting.

use super::deflate::Inflater;
use bytes::{Buf, BytesMut};
use std::io::{self, Read, Write};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, Interest};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// Bytes read from a socket at once.
const CHUNK: usize = 16 * 1024;

/// An accepted connection, before it is known to become a websocket.
pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// The stream that the websocket is read from and written to.
    type Channel: Channel;
    /// Whether nobody between the client and the host can read along.
    const ENCRYPTED: bool;

    /// The same connection for a websocket.
    fn into_channel(self) -> Self::Channel;
}

/// The stream below a websocket. `Pending` arranges for the task of `context` to be woken.
pub(super) trait Channel: Send {
    /// Appends what has arrived, and returns how much that is; 0 at the end.
    fn poll_read(&mut self, context: &mut Context<'_>, into: &mut BytesMut) -> Poll<io::Result<usize>>;

    /// Takes a part of `bytes`.
    fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;

    /// Sends what was taken and kept back.
    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Ends the sending half.
    fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Whether the client has ended its side, though there may be bytes before its end that were not read yet.
    fn is_ended_by_client(&self) -> bool;

    /// The socket, when other threads may write the bytes of the websocket to it as they are.
    fn lendable(&self) -> Option<&Arc<OwnedWriteHalf>>;
}

/// A connection without encryption.
#[derive(Debug)]
pub(super) struct Plain {
    reader: OwnedReadHalf,
    writer: Arc<OwnedWriteHalf>,
}

impl Socket for TcpStream {
    type Channel = Plain;
    const ENCRYPTED: bool = false;

    fn into_channel(self) -> Plain {
        let (reader, writer) = self.into_split();
        Plain {
            reader,
            writer: Arc::new(writer),
        }
    }
}

impl Channel for Plain {
    fn poll_read(&mut self, context: &mut Context<'_>, into: &mut BytesMut) -> Poll<io::Result<usize>> {
        pin!(self.reader.read_buf(into)).poll(context)
    }

    fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            match self.writer.as_ref().as_ref().poll_write_ready(context) {
                Poll::Ready(result) => result?,
                Poll::Pending => return Poll::Pending,
            }
            match self.writer.try_write(bytes) {
                // The readiness was stale; asking again arranges for the task to be woken.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Arc::get_mut(&mut self.writer) {
            Some(writer) => Pin::new(writer).poll_shutdown(context),
            None => Poll::Ready(Ok(())),
        }
    }

    fn is_ended_by_client(&self) -> bool {
        is_ended(self.reader.as_ref())
    }

    fn lendable(&self) -> Option<&Arc<OwnedWriteHalf>> {
        Some(&self.writer)
    }
}

/// Whether nothing comes behind what has arrived.
pub(super) fn is_ended(stream: &TcpStream) -> bool {
    let readiness = pin!(stream.ready(Interest::READABLE));
    match readiness.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(ready)) => ready.is_read_closed(),
        Poll::Ready(Err(_)) => true,
        Poll::Pending => false,
    }
}

/// Bytes that were read and not yet asked for, and how many were written.
///
/// The websocket library asks for a frame's head and body separately; without this each would be a system call. The
/// memory is given back when everything was asked for, so that an idle connection holds none.
#[derive(Debug, Default)]
pub(super) struct Wire {
    bytes: BytesMut,
    sent: usize,
    /// Bytes asked for since the last message was whole.
    of_message: usize,
    /// Where the client may compress its messages.
    inflater: Option<Box<Inflater>>,
}

impl Wire {
    /// Begins with bytes that came with the upgrade.
    pub(super) fn new(bytes: &[u8]) -> Wire {
        Wire {
            bytes: BytesMut::from(bytes),
            sent: 0,
            of_message: 0,
            inflater: None,
        }
    }

    /// How many bytes the socket took since this was asked last.
    pub(super) fn take_sent(&mut self) -> usize {
        std::mem::take(&mut self.sent)
    }

    /// A message is whole, and another begins.
    pub(super) fn begin_message(&mut self) {
        self.of_message = 0;
    }

    /// About how many bytes there are of the message that is not whole.
    pub(super) fn of_message(&self) -> usize {
        self.of_message + self.inflater.as_ref().map_or(0, |inflater| inflater.held())
    }

    /// Inflates from now on what the client compresses; a message may have `longest` bytes.
    pub(super) fn inflate(&mut self, longest: usize) {
        self.inflater = Some(Box::new(Inflater::new(longest)));
    }

    /// Lets an inflated message have so many bytes from now on.
    pub(super) fn set_longest(&mut self, longest: usize) {
        if let Some(inflater) = &mut self.inflater {
            inflater.set_longest(longest);
        }
    }

    /// Gives the memory back when nothing is left.
    pub(super) fn rest(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = BytesMut::new();
        }
    }
}

/// A channel together with the task that is to be woken when it can go on.
pub(super) struct Polled<'a, 'b, C> {
    pub(super) channel: &'a mut C,
    pub(super) wire: &'a mut Wire,
    pub(super) context: &'a mut Context<'b>,
}

impl<C: Channel> Read for Polled<'_, '_, C> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = &mut self.wire.bytes;
        if let Some(inflater) = &mut self.wire.inflater {
            while inflater.ready().is_empty() {
                if !inflater.advance(bytes)? {
                    bytes.reserve(CHUNK);
                    if now(self.channel.poll_read(self.context, bytes))? == 0 {
                        return Ok(0);
                    }
                }
            }
            let ready = inflater.ready();
            let count = ready.len().min(buffer.len());
            ready.copy_to_slice(&mut buffer[..count]);
            self.wire.of_message += count;
            return Ok(count);
        }
        if bytes.is_empty() {
            bytes.reserve(CHUNK);
            now(self.channel.poll_read(self.context, bytes))?;
        }
        let count = bytes.len().min(buffer.len());
        bytes.copy_to_slice(&mut buffer[..count]);
        self.wire.of_message += count;
        Ok(count)
    }
}

impl<C: Channel> Write for Polled<'_, '_, C> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = now(self.channel.poll_write(self.context, bytes))?;
        self.wire.sent += count;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        now(self.channel.poll_flush(self.context))
    }
}

/// Bytes that are not there yet are an error to the websocket library.
fn now<T>(polled: Poll<io::Result<T>>) -> io::Result<T> {
    match polled {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}
