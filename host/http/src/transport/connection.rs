//! One websocket connection, from its upgrade to its end.
//!
//! One task, one loop: read the frames that are there, work them off, write what is queued, flush once, sleep.

use super::closing::End;
use super::deadline::Deadline;
use super::deflate;
use super::heartbeat::{Due, Heartbeat};
use super::socket::{Channel, Polled, Wire};
use super::{Limits, Opened};
use mesh_core::gate::Gate;
use mesh_core::mesh::Mesh;
use mesh_session::{After, Batch, Closing, Next, Place, Session};
use mesh_store::now;
use mesh_wire::protocol::primus;
use std::future::poll_fn;
use std::io::{self, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::watch;
use tokio::time::Sleep;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tokio_tungstenite::tungstenite::{Error, Message};

/// Bytes that the websocket library takes at once. More would only make idle connections larger.
const READ_BUFFER: usize = 1024;
/// Bytes collected before they are written although more is coming.
const WRITE_BUFFER: usize = 64 * 1024;
/// Frames worked off before others get a turn.
const FRAMES_AT_ONCE: usize = 128;
/// How long frames are worked off before others get a turn.
const TURN: Duration = Duration::from_millis(1);
/// Frames between two looks at the clock. One that may take its time counts as so many.
const LOOK: usize = 16;
/// How often a connection whose requests wait looks whether its client is still there.
const WATCH: Duration = Duration::from_millis(100);
/// How long acknowledgements wait for the answers of their calls.
const HOLD: Duration = Duration::from_millis(1);
/// Answers of one session that may wait for the store before its next requests are read.
const MOST_UNCOMMITTED: usize = 1024;
/// Bytes of a message of somebody who has not logged in: nothing that is asked before is longer.
const MESSAGE_BEFORE_LOGIN: usize = 64 * 1024;

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
        limits,
        place: Some(opened.place),
        deadline: Some(Deadline::new(started, limits.login_timeout)),
        heartbeat: Heartbeat::new(started, limits.ping_interval),
        timer: Box::pin(tokio::time::sleep(first_look)),
        closing: None,
        yielded: false,
        halted: false,
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

/// How far writing got.
enum Progress {
    /// Everything has left.
    All,
    /// The socket takes no more for now.
    Blocked,
    /// Other connections have to write first.
    Waits(After),
}

/// Bytes of a message that a session may send now that was not let in.
fn longest_before_login(mesh: &Mesh, limits: &Limits) -> usize {
    let share = mesh.sessions().admission().share(MESSAGE_BEFORE_LOGIN);
    share.min(limits.frame)
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
    /// Reading was stopped for something that is worked on elsewhere.
    halted: bool,
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
            // A lone call: whoever brings its answer writes it, behind what acknowledges the call, or where only the
            // connection can write, both wait for each other.
            self.timer.as_mut().reset((now + HOLD).into());
            let outbound = self.session.outbound();
            if self.timer.as_mut().poll(context).is_pending()
                && outbound.lend(context.waker(), called, self.lendable())
            {
                return Poll::Pending;
            }
        }
        let progress = match self.write(context) {
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
                // The socket takes no more for now, and so nothing more is read from it. Whoever finds the queue full must
                // be able to say so.
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
        if std::mem::take(&mut self.halted) && !self.is_halted() {
            // What kept more from being read ended before the connection said that it sleeps: nobody wakes it for that again.
            context.waker().wake_by_ref();
        }
        Poll::Pending
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

    /// Works off the frames that are there. Returns whether there may be more.
    fn read(&mut self, context: &mut Context<'_>, now: Instant) -> Result<bool, End> {
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
            if self.is_halted() {
                self.halted = true;
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
    fn is_backed_up(&self) -> bool {
        let outbound = self.session.outbound();
        outbound.queued_bytes() > outbound.limit() / 4
    }

    /// Whether something that is worked on elsewhere keeps more from being read. Its end wakes the task.
    fn is_halted(&self) -> bool {
        self.session.waits() || self.session.uncommitted() >= MOST_UNCOMMITTED
    }

    /// Lets the connection cost what the session may cost since somebody has logged in, or the login has lapsed.
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
            // What came before of an unfinished message is kept, and may be more than that.
            true => Err(End::of(Error::Capacity(CapacityError::MessageTooLong {
                size: self.wire.of_message(),
                max_size: longest,
            }))),
            false => Ok(()),
        }
    }

    /// What the websocket has read; that nothing more is there is an error of the kind `WouldBlock`, and wakes the task later.
    pub(super) fn websocket_read(&mut self, context: &mut Context<'_>) -> Result<Message, Error> {
        self.websocket.read(&mut Polled {
            channel: &mut self.channel,
            wire: &mut self.wire,
            context,
        })
    }

    /// Hands a message to the websocket. It is taken although the socket may take no more for now.
    pub(super) fn websocket_write(
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
    pub(super) fn websocket_flush(&mut self, context: &mut Context<'_>) -> Result<(), Error> {
        self.websocket.flush(&mut Polled {
            channel: &mut self.channel,
            wire: &mut self.wire,
            context,
        })
    }

    /// Writes what the session has queued.
    fn write(&mut self, context: &mut Context<'_>) -> Result<Progress, End> {
        loop {
            match self.write_once(context)? {
                // It may have waited for what was before it in the same queue.
                Progress::Waits(after) if after.is_over() => {}
                progress => return Ok(progress),
            }
        }
    }

    /// Writes as far as nothing waits.
    fn write_once(&mut self, context: &mut Context<'_>) -> Result<Progress, End> {
        let mut waits = None;
        while waits.is_none() {
            if self.batch.is_handed_out() {
                self.session.outbound().take(&mut self.batch);
                self.closing = self.closing.or(self.batch.closing);
                if self.batch.is_empty() || self.closing == Some(Closing::SlowConsumer) {
                    break;
                }
            }
            if !self.write_rest(context)? {
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
                self.settle();
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
        self.settle();
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
    fn write_rest(&mut self, context: &mut Context<'_>) -> Result<bool, End> {
        while !self.batch.rest.is_empty() {
            let mut stream = Polled {
                channel: &mut self.channel,
                wire: &mut self.wire,
                context,
            };
            match stream.write(&self.batch.rest) {
                Ok(count) => {
                    self.batch.rest.drain(..count);
                    self.session.outbound().written(self.wire.take_sent());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(End::of(Error::Io(error))),
            }
        }
        Ok(true)
    }

    /// Bytes that have left do not count as queued any more.
    fn settle(&mut self) {
        let sent = self.wire.take_sent().min(self.unwritten);
        self.unwritten -= sent;
        self.session.outbound().written(sent);
    }

    /// Whether everything that was taken from the queue has left the socket.
    fn is_flushed(&self) -> bool {
        !self.unflushed && self.batch.is_handed_out() && self.batch.rest.is_empty()
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
