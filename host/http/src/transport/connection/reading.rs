//! Frames from a client.
//!
//! Enters: the frames that have arrived. Leaves: each of them to the gate. Guarantees: a client gets its turn, and no
//! more than that. Nothing is read for a session that has ended, waits or has much to read. A message is as long as
//! its session may send.

use super::{Connection, End, Limits};
use crate::transport::socket::{Channel, Polled};
use mesh_core::mesh::Mesh;
use std::io;
use std::task::Context;
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::{Error, Message};

/// Frames worked off before others get a turn.
const FRAMES_AT_ONCE: usize = 128;
/// How long frames are worked off before others get a turn.
const TURN: Duration = Duration::from_millis(1);
/// Frames between two looks at the clock. One that may take its time counts as so many.
const LOOK: usize = 16;
/// Answers of one session that may wait for the store before its next requests are read.
pub(super) const MOST_UNCOMMITTED: usize = 1024;
/// Bytes of a message of somebody who has not logged in: nothing that is asked before is longer.
const MESSAGE_BEFORE_LOGIN: usize = 64 * 1024;

/// Bytes of a message that a session may send now that was not let in.
pub(super) fn longest_before_login(mesh: &Mesh, limits: &Limits) -> usize {
    let share = mesh.sessions().admission().share(MESSAGE_BEFORE_LOGIN);
    share.min(limits.frame)
}

impl<C: Channel> Connection<C> {
    /// Works off the frames that are there. Returns whether there may be more.
    pub(super) fn read(&mut self, context: &mut Context<'_>, now: Instant) -> Result<bool, End> {
        let mut unlooked = 0;
        for _ in 0..FRAMES_AT_ONCE {
            if unlooked >= LOOK {
                unlooked = 0;
                if now.elapsed() >= TURN {
                    return Ok(true);
                }
            }
            let outbound = self.session.outbound();
            if outbound.is_closing() {
                // Nothing is done any more for a session that has ended, however slowly its client reads why.
                return Ok(false);
            }
            if self.reading.halts(self.session.obstacles()) {
                return Ok(false);
            }
            if self.is_backed_up() {
                // A client that asks for much gets its answers before it may ask for more.
                return Ok(true);
            }
            if self.place.is_some() == self.session.is_admitted() {
                self.take_over_admission()?;
            }
            match self.websocket_read(context) {
                Ok(message) => {
                    self.heartbeat.heard(now);
                    match message {
                        Message::Text(frame) => {
                            self.wire.begin_message();
                            self.gate.receive(&frame);
                            unlooked += if self.gate.took_time() { LOOK } else { 1 };
                        }
                        Message::Binary(_) => self.wire.begin_message(),
                        Message::Close(_) => return Err(End::ByClient),
                        // It may have been answered.
                        _ => self.unflushed = true,
                    }
                }
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wire.rest();
                    return Ok(false);
                }
                Err(error) => return Err(End::of(error)),
            }
        }
        Ok(true)
    }

    /// Whether the client has much to read.
    pub(super) fn is_backed_up(&self) -> bool {
        let outbound = self.session.outbound();
        outbound.queued_bytes() > outbound.limit() / 4
    }

    /// Lets the connection cost what the session may cost since somebody has logged in, or the login has expired.
    fn take_over_admission(&mut self) -> Result<(), End> {
        let longest = match self.session.is_admitted() {
            true => {
                self.place = None;
                self.deadline = None;
                self.limits.frame
            }
            false => {
                let address = self.session.peer().ip();
                self.place = self.mesh.sessions().admission().return_to(address);
                longest_before_login(&self.mesh, &self.limits)
            }
        };
        self.wire.set_longest(longest);
        self.websocket.set_config(|config| {
            config.max_message_size = Some(longest);
            config.max_frame_size = Some(longest);
        });
        match self.wire.of_message() > longest {
            // The first part of an unfinished message is kept, and may be more than that.
            true => Err(End::of(Error::Capacity(CapacityError::MessageTooLong {
                size: self.wire.of_message(),
                max_size: longest,
            }))),
            false => Ok(()),
        }
    }

    /// The next message of the websocket. When there is none, the error has the kind `WouldBlock`, and the task is
    /// woken later.
    pub(in crate::transport) fn websocket_read(
        &mut self,
        context: &mut Context<'_>,
    ) -> Result<Message, Error> {
        self.websocket.read(&mut Polled {
            channel: &mut self.channel,
            wire: &mut self.wire,
            context,
        })
    }
}
