//! One websocket connection, from its upgrade to its end.
//!
//! One task, one loop: read the frames that are there, work them off, write what is queued, flush once, sleep.
//!
//! Enters: an upgraded connection. Leaves: its end, said to the client. Guarantees: the session leaves the mesh however
//! its task ends; nobody waits for a client that does not read.

mod reading;
mod writing;

use super::closing::End;
use super::deadline::Deadline;
use super::heartbeat::{Due, Heartbeat};
use super::socket::{Channel, Wire};
use super::{Limits, Opened};
use mesh_core::gate::Gate;
use mesh_core::mesh::Mesh;
use mesh_session::{Batch, Closing, Place, Reading, Session};
use mesh_store::now;
use mesh_wire::protocol::primus;
use reading::{MOST_UNCOMMITTED, longest_before_login};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::watch;
use tokio::time::Sleep;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use writing::Progress;

/// Bytes that the websocket library takes at once. More would only make idle connections larger.
const READ_BUFFER: usize = 1024;
/// Bytes collected before they are written although more is coming.
const WRITE_BUFFER: usize = 64 * 1024;
/// How often a connection whose requests wait looks whether its client is still there.
const WATCH: Duration = Duration::from_millis(100);
/// How long acknowledgements wait for the answers of their calls.
const HOLD: Duration = Duration::from_millis(1);

/// Serves an upgraded connection until it ends or the host stops.
pub(super) async fn run<C: Channel>(
    opened: Opened<C>,
    mesh: Arc<Mesh>,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) {
    let peer = opened.peer;
    let session = mesh.sessions().open(peer);
    let longest = longest_before_login(&mesh, &limits);
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(Some(longest))
        .max_frame_size(Some(longest));
    let started = Instant::now();
    let first_look = limits.login_timeout.min(limits.ping_interval);
    let mut wire = Wire::new(&opened.read_already);
    if opened.compresses {
        wire.inflate(longest);
    }
    let mut connection = Connection {
        mesh: mesh.clone(),
        channel: opened.channel,
        wire,
        compresses: opened.compresses,
        websocket: WebSocketContext::new(Role::Server, Some(config)),
        gate: Gate::new(mesh.clone(), session.clone(), opened.info),
        session: session.clone(),
        batch: Batch::default(),
        unwritten: 0,
        unflushed: false,
        is_blocked: false,
        limits,
        place: Some(opened.place),
        deadline: Some(Deadline::new(started, limits.login_timeout)),
        heartbeat: Heartbeat::new(started, limits.ping_interval),
        timer: Box::pin(tokio::time::sleep(first_look)),
        closing: None,
        yielded: false,
        reading: Reading::until(MOST_UNCOMMITTED),
    };
    let end = tokio::select! {
        end = poll_fn(|context| connection.poll(context)) => end,
        () = super::stopping(&mut stop) => {
            session.outbound().close(Closing::HostStops);
            poll_fn(|context| connection.poll(context)).await
        }
    };
    connection.end(end.reason());
    let was_admitted = connection.place.take().is_none();
    match &end {
        End::SlowConsumer if was_admitted => {
            tracing::warn!(%peer, session = session.id(), "closed: the client reads too slowly, {} bytes were waiting", session.outbound().queued_bytes())
        }
        End::Failed(error) => tracing::debug!(%peer, session = session.id(), "closed: {error}"),
        End::Broken(CloseCode::Size, _) if was_admitted => {
            tracing::warn!(%peer, session = session.id(), "closed: a message was larger than {} bytes", limits.frame)
        }
        End::Broken(code, error) => {
            tracing::debug!(%peer, session = session.id(), code = u16::from(*code), "closed: {error}")
        }
        End::Silent => tracing::debug!(%peer, session = session.id(), "closed: no heartbeat"),
        End::NoLogin => {
            mesh.sessions().admission().note_time_out();
            tracing::debug!(%peer, session = session.id(), "closed: nobody has logged in within {:?}", limits.login_timeout)
        }
        End::ByClient | End::HostStops | End::Ended | End::SlowConsumer => {
            tracing::debug!(%peer, session = session.id(), "closed")
        }
    }
    connection.say_goodbye(&end).await;
}

/// A websocket and its session.
pub(super) struct Connection<C: Channel> {
    mesh: Arc<Mesh>,
    pub(super) channel: C,
    wire: Wire,
    /// Whether the client understands compressed messages.
    compresses: bool,
    websocket: WebSocketContext,
    gate: Gate,
    pub(super) session: Arc<Session>,
    /// Frames taken from the session's queue, on their way to the websocket.
    batch: Batch,
    /// Bytes handed to the websocket and not yet flushed.
    unwritten: usize,
    /// The websocket may hold bytes that the socket has not taken.
    unflushed: bool,
    /// The socket took no more when it was tried last.
    is_blocked: bool,
    limits: Limits,
    /// Counts while the session is not admitted, and is there just then.
    place: Option<Place>,
    /// Until when somebody has to log in. None once somebody has.
    deadline: Option<Deadline>,
    heartbeat: Heartbeat,
    timer: Pin<Box<Sleep>>,
    closing: Option<Closing>,
    /// Others had a turn before the answers of the calls at hand are written.
    yielded: bool,
    /// Whether reading was stopped for something that is worked on elsewhere.
    reading: Reading,
}

impl<C: Channel> Drop for Connection<C> {
    fn drop(&mut self) {
        // Also when the task is stopped or panics: a session that nobody serves must not stay subscribed.
        self.end(None);
    }
}

impl<C: Channel> Connection<C> {
    /// Takes the session out of the mesh. Doing it again changes nothing.
    fn end(&mut self, reason: Option<Closing>) {
        self.gate.close();
        self.mesh.sessions().close(&self.session, reason);
        self.release_publishers();
    }

    /// Nobody is to wait for what was not written yet.
    fn release_publishers(&mut self) {
        self.batch.release_publishers();
        self.session.outbound().release_publishers();
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<End> {
        if self.session.outbound().attend() == Some(Closing::SlowConsumer) {
            return Poll::Ready(End::SlowConsumer);
        }
        let now = Instant::now();
        self.gate.begin(now);
        let read = self.read(context, now);
        let called = self.gate.finish();
        let more = match read {
            Ok(more) => more,
            Err(end) => return Poll::Ready(end),
        };
        if let Some(deadline) = &mut self.deadline {
            deadline.note(self.session.waits(), now);
        }
        if let Some(end) = self.beat(context, now) {
            return Poll::Ready(end);
        }
        if called > 1 && !std::mem::replace(&mut self.yielded, true) {
            // Several calls in flight: others get a turn first. The answers are often there then, and leave in one write
            // together with what acknowledges their calls.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.yielded = false;
        if called == 1 && !more && self.is_flushed() {
            // A lone call: the thread that brings its answer writes it, behind the acknowledgement of the call. Where only
            // the connection can write, both wait for each other.
            self.timer.as_mut().reset((now + HOLD).into());
            let outbound = self.session.outbound();
            if self.timer.as_mut().poll(context).is_pending()
                && outbound.lend(context.waker(), called, self.lendable())
            {
                self.look_for_obstacles(context);
                return Poll::Pending;
            }
        }
        let progress = match self.write(context, now) {
            Ok(progress) => progress,
            Err(end) => return Poll::Ready(end),
        };
        let flushed = matches!(progress, Progress::All);
        match self.closing {
            Some(Closing::SlowConsumer) => return Poll::Ready(End::SlowConsumer),
            Some(Closing::HostStops) if flushed => return Poll::Ready(End::HostStops),
            Some(Closing::Ended) if flushed => return Poll::Ready(End::Ended),
            _ => {}
        }
        let outbound = self.session.outbound();
        match progress {
            Progress::All => {
                if more || !outbound.leave(context.waker(), self.lendable()) {
                    context.waker().wake_by_ref();
                }
            }
            Progress::Blocked => {
                // The socket takes no more for now, and so nothing more is read from it. A publisher that finds the
                // queue full must be able to say so.
                self.batch.release_publishers();
                self.session.outbound().block(context.waker());
            }
            Progress::Waits(after) => {
                outbound.wait(context.waker());
                after.wake(context.waker());
                if more && !self.is_backed_up() {
                    context.waker().wake_by_ref();
                }
            }
        }
        if self.session.waits() {
            self.watch_client(context, now);
        }
        self.look_for_obstacles(context);
        Poll::Pending
    }

    /// Looks again, where the obstacle to reading ended before the connection said that it sleeps.
    fn look_for_obstacles(&mut self, context: &mut Context<'_>) {
        if self.reading.goes_on(self.session.obstacles()) {
            context.waker().wake_by_ref();
        }
    }

    /// The socket, where others can write to it as the connection does.
    fn lendable(&self) -> Option<&Arc<OwnedWriteHalf>> {
        // Others do not compress.
        self.channel.lendable().filter(|_| !self.compresses)
    }

    /// Notices that the client has gone while nothing is read from it, since a request is being worked on elsewhere.
    fn watch_client(&mut self, context: &mut Context<'_>, now: Instant) {
        if self.channel.is_ended_by_client() {
            self.session.note_gone();
        }
        self.timer.as_mut().reset((now + WATCH).into());
        if self.timer.as_mut().poll(context).is_ready() {
            context.waker().wake_by_ref();
        }
    }

    /// Looks at the clock when the timer rings.
    fn beat(&mut self, context: &mut Context<'_>, at: Instant) -> Option<End> {
        if self.session.waits() {
            // Nothing is read from the client, so that its silence means nothing.
            self.heartbeat.heard(at);
        }
        while self.timer.as_mut().poll(context).is_ready() {
            match self.heartbeat.due(self.session.dialect(), at) {
                Due::GiveUp => return Some(End::Silent),
                Due::Ping => self.session.outbound().push(primus::ping(now())),
                Due::Nothing(until) => {
                    let until = match &self.deadline {
                        None => until,
                        Some(deadline) => match deadline.next(at) {
                            None => return Some(End::NoLogin),
                            Some(next) => until.min(next),
                        },
                    };
                    self.timer.as_mut().reset(until.into());
                }
            }
        }
        None
    }
}
