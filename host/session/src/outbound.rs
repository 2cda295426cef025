//! The bounded queue of frames between whoever publishes and the connection that writes.
//!
//! Normally the connection takes frames from here and writes them. While it waits for the answer of a single call it
//! lends its socket instead ([`Outbound::lend`]). The thread that brings that answer writes it, and the connection
//! need not be woken. One wake-up less is a good part of the time that a call takes when it is the only one.

use super::attended::{Attended, Guard};
use super::batch::{Batch, Queued};
use super::{After, Closing, InFlight};
use mesh_wire::protocol::Frame;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Waker;
use tokio::net::tcp::OwnedWriteHalf;
use tungstenite::protocol::frame::Frame as WebSocketFrame;
use tungstenite::protocol::frame::coding::{Data, OpCode};

/// Frames on their way out of one session.
#[derive(Debug)]
pub struct Outbound {
    state: Attended<State>,
    /// Bytes that may be queued.
    limit: AtomicUsize,
    /// Whether `closing` is set, for those who only ask.
    is_closing: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    frames: Vec<Queued>,
    /// Bytes in `frames` plus those handed to the connection and not yet written.
    bytes: usize,
    /// The socket, while whoever pushes is to write.
    lent: Option<Arc<OwnedWriteHalf>>,
    /// The socket, while the connection sleeps with everything written: who wakes nobody may write.
    idle: Option<Arc<OwnedWriteHalf>>,
    /// Somebody is about to.
    is_deferred: bool,
    /// The bytes that the lent socket did not take.
    rest: Vec<u8>,
    closing: Option<Closing>,
    /// The socket took no more when it was tried last, or is gone: nobody is to wait for what comes.
    is_released: bool,
}

impl State {
    /// Writes all frames, none of which may wait. Returns false when the connection has to go on, because the socket
    /// took less.
    fn send(&mut self, socket: &OwnedWriteHalf) -> bool {
        let mut bytes = Vec::with_capacity(self.bytes + 16 * self.frames.len());
        for queued in &mut self.frames {
            let frame = std::mem::take(&mut queued.frame);
            let frame = WebSocketFrame::message(frame, OpCode::Data(Data::Text), true);
            // A vector takes everything.
            let _ = frame.format(&mut bytes);
        }
        // A failed write to a broken socket fails again in the connection, and ends it.
        let sent = socket.try_write(&bytes).unwrap_or(0);
        self.frames.clear();
        self.bytes = bytes.len() - sent;
        // A frame that was written as a whole leaves no memory behind.
        self.rest = bytes.split_off(sent);
        self.rest.is_empty()
    }
}

impl Outbound {
    /// An empty queue for at most `limit` bytes.
    pub fn new(limit: usize) -> Outbound {
        Outbound {
            state: Attended::new(State::default()),
            limit: AtomicUsize::new(limit),
            is_closing: AtomicBool::new(false),
        }
    }

    /// Appends a frame. Never waits: where the limit is passed, the session is marked for closing and the frame, like
    /// all that follow, is dropped. A single frame larger than the limit is let through when nothing else is queued.
    pub fn push(&self, frame: Frame) {
        self.enqueue(Queued {
            frame,
            in_flight: None,
            after: None,
        });
    }

    /// As [`Outbound::push`], for a publication whose publisher may wait until it was tried.
    pub fn push_publication(&self, frame: Frame, in_flight: InFlight) {
        self.enqueue(Queued {
            frame,
            in_flight: Some(in_flight),
            after: None,
        });
    }

    /// As [`Outbound::push_publication`], but leaves the connection asleep where it can. Returns whether
    /// [`Outbound::write_deferred`] must follow soon; where others have been told so, it is they who write.
    pub fn defer_publication(&self, frame: Frame, in_flight: InFlight) -> bool {
        let mut state = self.lock();
        let fits = state.bytes + frame.len() <= self.limit();
        let queued = Queued {
            frame,
            in_flight: Some(in_flight),
            after: None,
        };
        if state.idle.is_none() || state.closing.is_some() || !fits {
            self.enqueue_in(state, queued);
            return false;
        }
        state.bytes += queued.frame.len();
        state.frames.push(queued);
        !std::mem::replace(&mut state.is_deferred, true)
    }

    /// Writes what was deferred, unless the connection has woken meanwhile and does that.
    pub fn write_deferred(&self) {
        let mut state = self.lock();
        state.is_deferred = false;
        let Some(socket) = state.idle.clone() else {
            return;
        };
        if state.frames.iter().any(Queued::waits) || !state.send(&socket) {
            state.idle = None;
            self.state.release(state);
        }
    }

    /// As [`Outbound::push`], for a frame that leaves behind the publications of other connections, and with it all that
    /// follow.
    pub fn push_after(&self, frame: Frame, after: Option<After>) {
        self.enqueue(Queued {
            frame,
            in_flight: None,
            after: after.filter(|after| !after.is_over()),
        });
    }

    fn enqueue(&self, queued: Queued) {
        self.enqueue_in(self.lock(), queued);
    }

    fn enqueue_in(&self, mut state: Guard<'_, State>, mut queued: Queued) {
        if state.closing.is_some() {
            return;
        }
        if state.is_released {
            queued.in_flight = None;
        }
        let bytes = state.bytes + queued.frame.len();
        if bytes > self.limit() && state.bytes > 0 {
            state.closing = Some(Closing::SlowConsumer);
            self.is_closing.store(true, Ordering::Relaxed);
            state.frames = Vec::new();
            return self.state.insist(state);
        }
        state.bytes = bytes;
        let waits = queued.waits();
        state.frames.push(queued);
        if let Some(socket) = state.lent.take()
            && !waits
            && state.send(&socket)
        {
            return;
        }
        self.state.release(state);
    }

    /// Has the connection look again, although nothing was pushed.
    pub fn wake(&self) {
        self.state.insist(self.lock());
    }

    /// Whether the session is being closed: what is pushed now is dropped.
    pub fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Relaxed)
    }

    /// How many bytes may be queued.
    pub fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// Lets more or fewer bytes be queued than until now. Queued frames stay.
    pub fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Asks the connection to close after what is queued.
    pub fn close(&self, closing: Closing) {
        let mut state = self.lock();
        state.closing.get_or_insert(closing);
        self.is_closing.store(true, Ordering::Relaxed);
        self.state.insist(state);
    }

    /// Bytes queued or handed to the connection and not yet written.
    pub fn queued_bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Called by the connection when it starts to look after the queue: from here on pushes need not wake it. Returns
    /// whether the session is to be closed.
    pub fn attend(&self) -> Option<Closing> {
        let mut state = self.state.attend();
        state.lent = None;
        state.idle = None;
        state.closing
    }

    /// Takes what is queued into `batch`, of which all was handed out. Its bytes count as queued until
    /// [`Outbound::written`] says otherwise.
    pub fn take(&self, batch: &mut Batch) {
        batch.clear();
        let mut state = self.lock();
        state.is_released = false;
        std::mem::swap(&mut state.frames, &mut batch.frames);
        std::mem::swap(&mut state.rest, &mut batch.rest);
        batch.closing = state.closing;
    }

    /// That many bytes have left.
    pub fn written(&self, bytes: usize) {
        let mut state = self.lock();
        state.bytes = state.bytes.saturating_sub(bytes);
    }

    /// Called by the connection before it sleeps with nothing left to write. Returns false when something was queued
    /// in between: the connection must look again. Others may write to `socket` while it sleeps.
    pub fn leave(&self, waker: &Waker, socket: Option<&Arc<OwnedWriteHalf>>) -> bool {
        self.state.leave(waker, |state| {
            let may_sleep = state.frames.is_empty() && state.rest.is_empty() && state.closing.is_none();
            if may_sleep {
                state.idle = socket.cloned();
            }
            may_sleep
        })
    }

    /// As [`Outbound::leave`], with `count` frames left in the queue. The next push writes them and its own. Without a
    /// socket it wakes the connection, which then writes all of them at once. Returns false, lending nothing, when the
    /// queue holds anything else. Everything taken before must have left the socket.
    pub fn lend(&self, waker: &Waker, count: usize, socket: Option<&Arc<OwnedWriteHalf>>) -> bool {
        self.state.leave(waker, |state| {
            let others = state.frames.len() != count || state.frames.iter().any(Queued::waits);
            if others || !state.rest.is_empty() || state.closing.is_some() {
                return false;
            }
            state.lent = socket.cloned();
            true
        })
    }

    /// Called by the connection when the socket takes no more for now, or will not ever. Nobody is to wait for queued
    /// frames, nor for those that come before frames are taken again.
    pub fn release_publishers(&self) {
        let mut state = self.lock();
        if !std::mem::replace(&mut state.is_released, true) {
            state.frames.iter_mut().for_each(|queued| queued.in_flight = None);
        }
    }

    /// Called by the connection before it sleeps while the socket takes no more: only being closed as too slow wakes it.
    /// Nobody is to wait for what is queued meanwhile.
    pub fn block(&self, waker: &Waker) {
        self.release_publishers();
        self.sleep(waker);
    }

    /// As [`Outbound::block`], while other connections have to write first: this one goes on when they have.
    pub fn wait(&self, waker: &Waker) {
        self.lock().is_released = false;
        self.sleep(waker);
    }

    fn sleep(&self, waker: &Waker) {
        if self.state.ignore(waker).closing == Some(Closing::SlowConsumer) {
            waker.wake_by_ref();
        }
    }

    fn lock(&self) -> Guard<'_, State> {
        self.state.lock()
    }
}

#[cfg(test)]
mod tests;
