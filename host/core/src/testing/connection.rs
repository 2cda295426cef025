//! A client without a socket: a gate, a queue, and what a connection does with both.
//!
//! Enters: frames as a client sends them. Leaves: frames as a client reads them. Guarantees: it writes only when it
//! was woken, as the task of a connection does. So a missing waking shows as a frame that never comes.

use crate::gate::{ConnectionInfo, Gate};
use crate::mesh::Mesh;
use mesh_choices::Choices;
use mesh_session::{Batch, Closing, Next, Session};
use mesh_wire::protocol::Frame;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};
use std::time::Instant;

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

/// The host's end of a client's connection.
pub(super) struct Connection {
    mesh: Arc<Mesh>,
    gate: Gate,
    session: Arc<Session>,
    batch: Batch,
    woken: Arc<Flag>,
    waker: Waker,
    /// Frames that the client has sent, and that were not worked off.
    pub(super) inbox: VecDeque<Frame>,
    /// The client reads nothing.
    pub(super) is_stalled: bool,
    has_ended: bool,
}

impl Connection {
    pub(super) fn open(mesh: &Arc<Mesh>, peer: SocketAddr) -> Connection {
        let session = mesh.sessions().open(peer);
        let info = ConnectionInfo {
            headers: "{}".into(),
            url: "/primus".into(),
            encrypted: false,
            is_forwarded: false,
        };
        let woken = Arc::new(Flag(AtomicBool::new(true)));
        Connection {
            mesh: mesh.clone(),
            gate: Gate::new(mesh.clone(), session.clone(), info),
            session,
            batch: Batch::default(),
            waker: woken.clone().into(),
            woken,
            inbox: VecDeque::new(),
            is_stalled: false,
            has_ended: false,
        }
    }

    pub(super) fn session(&self) -> &Arc<Session> {
        &self.session
    }

    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Whether something is done for it on another thread, which will wake it.
    pub(super) fn waits(&self) -> bool {
        !self.has_ended && (self.session.waits() || self.session.uncommitted() > 0)
    }

    pub(super) fn may_read(&self) -> bool {
        let is_open = !self.has_ended && !self.session.outbound().is_closing();
        is_open && !self.inbox.is_empty() && !self.session.waits()
    }

    pub(super) fn may_write(&self) -> bool {
        !self.has_ended && self.woken.0.load(Ordering::Acquire)
    }

    pub(super) fn wake(&self) {
        self.waker.wake_by_ref();
    }

    /// Works off some of the frames that have arrived, as one batch.
    pub(super) fn read(&mut self, now: Instant, choices: &mut Choices) {
        self.session.outbound().attend();
        self.gate.begin(now);
        for _ in 0..=choices.below(self.inbox.len()) {
            if self.session.waits() || self.session.outbound().is_closing() {
                break;
            }
            let Some(frame) = self.inbox.pop_front() else {
                break;
            };
            self.gate.receive(&frame);
        }
        self.gate.finish();
        // It writes afterwards, and others may come between.
        self.wake();
    }

    /// Writes what may be written.
    pub(super) fn write(&mut self) -> Vec<Frame> {
        self.woken.0.store(false, Ordering::Release);
        let mut written = Vec::new();
        if self.session.outbound().attend() == Some(Closing::SlowConsumer) {
            self.end(Some(Closing::SlowConsumer));
            return written;
        }
        if self.is_stalled {
            self.batch.release_publishers();
            self.session.outbound().block(&self.waker);
            return written;
        }
        let obstacle = loop {
            if self.batch.is_handed_out() {
                self.session.outbound().take(&mut self.batch);
                if self.batch.is_empty() {
                    break None;
                }
            }
            match self.batch.next_frame() {
                Next::Frame(frame) => written.push(frame),
                Next::Wait(after) => break Some(after),
                Next::End => {}
            }
        };
        self.batch.tried();
        let outbound = self.session.outbound();
        outbound.written(written.iter().map(|frame| frame.len()).sum());
        match obstacle {
            Some(after) => {
                outbound.wait(&self.waker);
                after.wake(&self.waker);
            }
            None if self.batch.closing.is_some() => self.end(self.batch.closing),
            None if !outbound.leave(&self.waker, None) => self.wake(),
            None => {}
        }
        written
    }

    /// The connection ends, whoever ended it.
    pub(super) fn end(&mut self, reason: Option<Closing>) {
        if std::mem::replace(&mut self.has_ended, true) {
            return;
        }
        self.gate.close();
        self.mesh.sessions().close(&self.session, reason);
        self.batch.release_publishers();
        self.session.outbound().release_publishers();
    }
}
