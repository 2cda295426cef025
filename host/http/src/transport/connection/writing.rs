//! Frames to a client.
//!
//! Enters: the frames that its session has queued. Leaves: their bytes. Guarantees: one flush for all that is queued.
//! A frame that waits for other connections is written after what they write. Bytes that have left count as queued no
//! longer.

use super::{Connection, End};
use crate::transport::deflate;
use crate::transport::socket::{Channel, Polled};
use mesh_session::{After, Closing, Next};
use std::io::{self, Write};
use std::task::Context;
use std::time::Instant;
use tokio_tungstenite::tungstenite::{Error, Message};

/// How far writing got.
pub(super) enum Progress {
    /// Everything has left.
    All,
    /// The socket takes no more for now.
    Blocked,
    /// Other connections have to write first.
    Waits(After),
}

impl<C: Channel> Connection<C> {
    /// Hands a message to the websocket. It is taken although the socket may take no more for now.
    pub(in crate::transport) fn websocket_write(
        &mut self,
        context: &mut Context<'_>,
        message: Message,
    ) -> Result<(), Error> {
        let mut stream = Polled {
            channel: &mut self.channel,
            wire: &mut self.wire,
            context,
        };
        self.websocket.write(&mut stream, message)
    }

    /// Writes what the websocket holds.
    pub(in crate::transport) fn websocket_flush(&mut self, context: &mut Context<'_>) -> Result<(), Error> {
        self.websocket.flush(&mut Polled {
            channel: &mut self.channel,
            wire: &mut self.wire,
            context,
        })
    }

    /// Writes what the session has queued.
    pub(super) fn write(&mut self, context: &mut Context<'_>, now: Instant) -> Result<Progress, End> {
        loop {
            let progress = self.write_once(context, now)?;
            self.is_blocked = matches!(progress, Progress::Blocked);
            match progress {
                // It may have waited for what was before it in the same queue.
                Progress::Waits(after) if after.is_over() => {}
                progress => return Ok(progress),
            }
        }
    }

    /// Writes as far as nothing waits.
    fn write_once(&mut self, context: &mut Context<'_>, now: Instant) -> Result<Progress, End> {
        let mut waits = None;
        while waits.is_none() {
            if self.batch.is_handed_out() {
                self.session.outbound().take(&mut self.batch);
                self.closing = self.closing.or(self.batch.closing);
                if self.batch.is_empty() || self.closing == Some(Closing::SlowConsumer) {
                    break;
                }
            }
            if !self.write_rest(context, now)? {
                return Ok(Progress::Blocked);
            }
            loop {
                let frame = match self.batch.next_frame() {
                    Next::Frame(frame) => frame,
                    Next::Wait(after) => {
                        waits = Some(Progress::Waits(after));
                        break;
                    }
                    Next::End => break,
                };
                self.unwritten += frame.len();
                self.unflushed = true;
                let message = match self.compresses {
                    true => deflate::outgoing(&frame),
                    false => Message::Text(frame),
                };
                let written = self.websocket_write(context, message);
                self.settle(now);
                match written {
                    Ok(()) => {}
                    // The frame was taken; the socket takes no more for now.
                    Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                        return Ok(Progress::Blocked);
                    }
                    Err(error) => return Err(End::of(error)),
                }
            }
        }
        let progress = waits.unwrap_or(Progress::All);
        if !self.unflushed {
            self.batch.tried();
            return Ok(progress);
        }
        let flushed = self.websocket_flush(context);
        self.settle(now);
        match flushed {
            Ok(()) => {
                self.unflushed = false;
                self.batch.tried();
                // The heads of frames are not counted, so nothing is left but rounding.
                self.session
                    .outbound()
                    .written(std::mem::take(&mut self.unwritten));
                Ok(progress)
            }
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(Progress::Blocked),
            Err(error) => Err(End::of(error)),
        }
    }

    /// Writes what the lent socket did not take. Returns whether all of it left.
    fn write_rest(&mut self, context: &mut Context<'_>, now: Instant) -> Result<bool, End> {
        while !self.batch.rest.is_empty() {
            let mut stream = Polled {
                channel: &mut self.channel,
                wire: &mut self.wire,
                context,
            };
            match stream.write(&self.batch.rest) {
                Ok(count) => {
                    self.batch.rest.drain(..count);
                    let sent = self.wire.take_sent();
                    self.note_sent(sent, now);
                    self.session.outbound().written(sent);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(End::of(Error::Io(error))),
            }
        }
        Ok(true)
    }

    /// Bytes that have left do not count as queued any more.
    fn settle(&mut self, now: Instant) {
        let sent = self.wire.take_sent();
        self.note_sent(sent, now);
        let sent = sent.min(self.unwritten);
        self.unwritten -= sent;
        self.session.outbound().written(sent);
    }

    /// A socket that was full takes more only when the client has read. A ping of ours may wait behind all that the client still has
    /// to read, and nothing is read from a client with much to read, so that its pong would not be heard.
    fn note_sent(&mut self, sent: usize, now: Instant) {
        if sent > 0 && std::mem::replace(&mut self.is_blocked, false) {
            self.heartbeat.heard(now);
        }
    }

    /// Whether everything that was taken from the queue has left the socket.
    pub(super) fn is_flushed(&self) -> bool {
        !self.unflushed && self.batch.is_handed_out() && self.batch.rest.is_empty()
    }
}
