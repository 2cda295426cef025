//! The byte stream under a websocket, as the websocket library reads and writes it: never waiting.

use bytes::{Buf, BytesMut};
use std::io::{self, Read, Write};
use std::pin::pin;
use std::task::{Context, Poll};
use tokio::io::AsyncReadExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// Bytes read from a socket at once.
const CHUNK: usize = 16 * 1024;

/// Bytes that were read and not yet asked for, and how many were written.
///
/// The websocket library asks for a frame's head and body separately; without this each would be a system call. The
/// memory is given back when everything was asked for, so that an idle connection holds none.
#[derive(Debug, Default)]
pub(super) struct Wire {
    bytes: BytesMut,
    sent: usize,
}

impl Wire {
    /// Begins with bytes that came with the upgrade.
    pub(super) fn new(bytes: &[u8]) -> Wire {
        Wire {
            bytes: BytesMut::from(bytes),
            sent: 0,
        }
    }

    /// How many bytes the socket took since this was asked last.
    pub(super) fn take_sent(&mut self) -> usize {
        std::mem::take(&mut self.sent)
    }

    /// Gives the memory back when nothing is left.
    pub(super) fn rest(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = BytesMut::new();
        }
    }
}

/// A stream together with the task that is to be woken when it can go on.
pub(super) struct Polled<'a, 'b> {
    pub(super) reader: &'a mut OwnedReadHalf,
    pub(super) writer: &'a OwnedWriteHalf,
    pub(super) wire: &'a mut Wire,
    pub(super) context: &'a mut Context<'b>,
}

impl Read for Polled<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = &mut self.wire.bytes;
        if bytes.is_empty() {
            bytes.reserve(CHUNK);
            match pin!(self.reader.read_buf(bytes)).poll(self.context) {
                Poll::Ready(result) => result?,
                Poll::Pending => return Err(io::ErrorKind::WouldBlock.into()),
            };
        }
        let count = bytes.len().min(buffer.len());
        bytes.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

impl Write for Polled<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.writer.as_ref().poll_write_ready(self.context) {
                Poll::Ready(result) => result?,
                Poll::Pending => return Err(io::ErrorKind::WouldBlock.into()),
            }
            match self.writer.try_write(bytes) {
                // The readiness was stale; asking again arranges for the task to be woken.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
                Ok(count) => {
                    self.wire.sent += count;
                    return Ok(count);
                }
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
