//! One websocket connection, from its upgrade to its end.
//!
//! One task, one loop: read the frames that are there, work them off, write what is queued, flush once, sleep.

use super::Limits;
use super::heartbeat::{Due, Heartbeat};
use super::socket::{Channel, Polled, Wire};
use crate::gate::{ConnectionInfo, Gate};
use crate::mesh::Mesh;
use crate::protocol::{disconnect_notice, primus};
use crate::session::{After, Batch, Closing, Next, Session};
use crate::store::now;
use bytes::BytesMut;
use std::future::poll_fn;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::Sleep;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
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
/// How long a client may take to answer a close.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// Serves an upgraded connection until it ends or the host stops.
pub(super) async fn run<C: Channel>(
    channel: C,
    read_already: Vec<u8>,
    peer: SocketAddr,
    mesh: Arc<Mesh>,
    info: ConnectionInfo,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) {
    let session = mesh.sessions().open(peer);
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(Some(limits.frame))
        .max_frame_size(Some(limits.frame));
    let started = Instant::now();
    let mut connection = Connection {
        mesh: mesh.clone(),
        channel,
        wire: Wire::new(&read_already),
        websocket: WebSocketContext::new(Role::Server, Some(config)),
        gate: Gate::new(mesh.clone(), session.clone(), info),
        session: session.clone(),
        batch: Batch::default(),
        unwritten: 0,
        unflushed: false,
        heartbeat: Heartbeat::new(started),
        timer: Box::pin(tokio::time::sleep(Duration::from_secs(30))),
        closing: None,
        yielded: false,
    };
    let end = tokio::select! {
        end = poll_fn(|context| connection.poll(context)) => end,
        () = super::stopping(&mut stop) => {
            session.outbound().close(Closing::HostStops);
            poll_fn(|context| connection.poll(context)).await
        }
    };
    connection.end(end.reason());
    match &end {
        End::SlowConsumer => {
            tracing::warn!(%peer, session = session.id(), "closed: the client reads too slowly, {} bytes were waiting", session.outbound().queued_bytes())
        }
        End::Failed(error) => tracing::debug!(%peer, session = session.id(), "closed: {error}"),
        End::TooLarge => {
            tracing::warn!(%peer, session = session.id(), "closed: a message was larger than {} bytes", limits.frame)
        }
        End::Silent => tracing::debug!(%peer, session = session.id(), "closed: no heartbeat"),
        End::ByClient | End::HostStops | End::Ended => {
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

/// Why a connection ends.
enum End {
    ByClient,
    HostStops,
    Ended,
    SlowConsumer,
    Silent,
    TooLarge,
    Failed(Error),
}

impl End {
    fn reason(&self) -> Option<Closing> {
        match self {
            End::SlowConsumer => Some(Closing::SlowConsumer),
            End::HostStops => Some(Closing::HostStops),
            End::Ended => Some(Closing::Ended),
            _ => None,
        }
    }
}

struct Connection<C: Channel> {
    mesh: Arc<Mesh>,
    channel: C,
    wire: Wire,
    websocket: WebSocketContext,
    gate: Gate,
    session: Arc<Session>,
    /// Frames taken from the session's queue, on their way to the websocket.
    batch: Batch,
    /// Bytes handed to the websocket and not yet flushed.
    unwritten: usize,
    /// The websocket may hold bytes that the socket has not taken.
    unflushed: bool,
    heartbeat: Heartbeat,
    timer: Pin<Box<Sleep>>,
    closing: Option<Closing>,
    /// Others had a turn before the answers of the calls at hand are written.
    yielded: bool,
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
            let (outbound, socket) = (self.session.outbound(), self.channel.lendable());
            if self.timer.as_mut().poll(context).is_pending()
                && outbound.lend(context.waker(), called, socket)
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
                if more || !outbound.leave(context.waker()) {
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
        Poll::Pending
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
        let outbound = self.session.outbound();
        let mut unlooked = 0;
        for _ in 0..FRAMES_AT_ONCE {
            if unlooked >= LOOK {
                unlooked = 0;
                if now.elapsed() >= TURN {
                    return Ok(true);
                }
            }
            if outbound.is_closing() {
                // Nothing is done any more for a session that has ended, however slowly its client reads why.
                return Ok(false);
            }
            if self.session.waits() {
                // The answer that ends this wakes the task.
                return Ok(false);
            }
            if self.is_backed_up() {
                // A client that asks for much gets its answers before it may ask for more.
                return Ok(true);
            }
            if self.session.uncommitted() >= MOST_UNCOMMITTED {
                // The answer that ends this wakes the task.
                return Ok(false);
            }
            let mut stream = Polled {
                channel: &mut self.channel,
                wire: &mut self.wire,
                context,
            };
            match self.websocket.read(&mut stream) {
                Ok(message) => {
                    self.heartbeat.heard(now);
                    match message {
                        Message::Text(frame) => {
                            self.gate.receive(&frame);
                            unlooked += if self.gate.took_time() { LOOK } else { 1 };
                        }
                        Message::Close(_) => return Err(End::ByClient),
                        // It may have been answered.
                        _ => self.unflushed = true,
                    }
                }
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wire.rest();
                    return Ok(false);
                }
                Err(error) => return Err(end_of(error)),
            }
        }
        Ok(true)
    }

    /// Whether the client has much to read.
    fn is_backed_up(&self) -> bool {
        let outbound = self.session.outbound();
        outbound.queued_bytes() > outbound.limit() / 4
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
                let frame = match self.batch.next() {
                    Next::Frame(frame) => frame,
                    Next::Wait(after) => {
                        waits = Some(Progress::Waits(after));
                        break;
                    }
                    Next::End => break,
                };
                let mut stream = Polled {
                    channel: &mut self.channel,
                    wire: &mut self.wire,
                    context,
                };
                self.unwritten += frame.len();
                self.unflushed = true;
                let written = self.websocket.write(&mut stream, Message::Text(frame));
                self.settle();
                match written {
                    Ok(()) => {}
                    // The frame was taken; the socket takes no more for now.
                    Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                        return Ok(Progress::Blocked);
                    }
                    Err(error) => return Err(end_of(error)),
                }
            }
        }
        let progress = waits.unwrap_or(Progress::All);
        if !self.unflushed {
            self.batch.tried();
            return Ok(progress);
        }
        let mut stream = Polled {
            channel: &mut self.channel,
            wire: &mut self.wire,
            context,
        };
        let flushed = self.websocket.flush(&mut stream);
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
            Err(error) => Err(end_of(error)),
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
                Err(error) => return Err(end_of(Error::Io(error))),
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
                Due::Nothing(until) => self.timer.as_mut().reset(until.into()),
            }
        }
        None
    }

    /// Sends what the end of this kind asks for, then closes the socket. Never waits for long.
    async fn say_goodbye(&mut self, end: &End) {
        let close = match end {
            End::ByClient | End::Failed(_) => None,
            End::TooLarge => Some(CloseCode::Size),
            End::HostStops | End::Ended | End::Silent | End::SlowConsumer => Some(CloseCode::Normal),
        };
        let announces = matches!(end, End::HostStops) && self.session.dialect().announces_stop();
        let goodbye = async {
            if announces {
                self.send(Message::Text(disconnect_notice())).await?;
            }
            if let Some(code) = close {
                self.send(Message::Close(Some(CloseFrame {
                    code,
                    reason: "".into(),
                })))
                .await?;
                // The client answers with a close of its own and ends the connection; what it still sends is of no
                // interest, but must be read, or it would never see the close.
                let mut nothing = BytesMut::with_capacity(4096);
                while poll_fn(|context| self.channel.poll_read(context, &mut nothing)).await? > 0 {
                    nothing.clear();
                }
                return Ok(());
            }
            poll_fn(|context| {
                let mut stream = Polled {
                    channel: &mut self.channel,
                    wire: &mut self.wire,
                    context,
                };
                ready(self.websocket.flush(&mut stream))
            })
            .await
        };
        let _: Result<Result<(), Error>, _> = tokio::time::timeout(CLOSE_PATIENCE, goodbye).await;
        // Nobody has the socket any more but this connection.
        self.session.outbound().attend();
        let shutdown = poll_fn(|context| self.channel.poll_shutdown(context));
        let _ = tokio::time::timeout(CLOSE_PATIENCE, shutdown).await;
    }

    async fn send(&mut self, message: Message) -> Result<(), Error> {
        let mut message = Some(message);
        poll_fn(|context| {
            let mut stream = Polled {
                channel: &mut self.channel,
                wire: &mut self.wire,
                context,
            };
            match message.take() {
                Some(message) => match self.websocket.write(&mut stream, message) {
                    Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
                    Err(error) => Poll::Ready(Err(error)),
                    Ok(()) => ready(self.websocket.flush(&mut stream)),
                },
                None => ready(self.websocket.flush(&mut stream)),
            }
        })
        .await
    }
}

fn ready<T>(result: Result<T, Error>) -> Poll<Result<T, Error>> {
    match result {
        Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        result => Poll::Ready(result),
    }
}

fn end_of(error: Error) -> End {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => End::ByClient,
        Error::Capacity(CapacityError::MessageTooLong { .. }) => End::TooLarge,
        error => End::Failed(error),
    }
}
