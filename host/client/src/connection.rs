//! The one task of a connection: it writes what the handles send and reads what the server says.
//!
//! Enters: text frames from the handles, through a bounded queue. Leaves: frames to the socket, one flush for all
//! that are queued; incoming frames to [`Pending`]. Guarantees: reading never waits for writing. Heartbeats go in the
//! direction of the protocol. When the task ends, for whatever reason, everything pending fails with that reason.

use super::frame::{self, Incoming};
use super::pending::Pending;
use super::{Protocol, Stream};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

/// How often clients before happn_4 send a heartbeat.
const PING_INTERVAL: Duration = Duration::from_secs(25);
/// How long such a client waits for anything at all: one interval and 10 seconds for the answer.
const SILENCE_AFTER_PING: Duration = Duration::from_secs(35);
/// How long a happn_4 client waits for the server's heartbeat, which comes every 30 seconds.
const SILENCE_OF_PINGING_SERVER: Duration = Duration::from_secs(45);
/// How long to wait for the server's half of the closing handshake.
const CLOSING_TIME: Duration = Duration::from_secs(1);
/// How many frames are taken from the queue for one flush.
const BATCH: usize = 128;

type Socket = WebSocketStream<Stream>;

/// The requests of a handle to the connection.
#[derive(Debug)]
pub(super) enum Outgoing {
    /// Send this frame.
    Text(String),
    /// Close the connection.
    Close,
}

/// Runs a connection to its end. It ends when the socket does, when it is told to close, or when all handles are gone.
pub(super) async fn drive(
    socket: Socket,
    outgoing: mpsc::Receiver<Outgoing>,
    pending: Arc<Pending>,
    protocol: Protocol,
) {
    let (sink, stream) = socket.split();
    let (pongs, pongs_to_send) = mpsc::channel(16);
    let reader = read(stream, &pending, pongs, protocol);
    let writer = write(sink, outgoing, pongs_to_send, protocol);
    tokio::pin!(reader, writer);
    let reason = tokio::select! {
        reason = &mut reader => reason,
        written = &mut writer => match written {
            Ok(()) => {
                // Whether the server echoes the close frame changes nothing.
                let _ = timeout(CLOSING_TIME, reader).await;
                "by this client".to_owned()
            }
            Err(error) => format!("cannot write: {error}"),
        },
    };
    pending.close(reason);
}

/// Reads until the connection ends and says why it did.
async fn read(
    mut stream: SplitStream<Socket>,
    pending: &Pending,
    pongs: mpsc::Sender<String>,
    protocol: Protocol,
) -> String {
    let patience = if protocol.server_pings() {
        SILENCE_OF_PINGING_SERVER
    } else {
        SILENCE_AFTER_PING
    };
    // The last thing that the server said about the end of the session.
    let mut notice = None;
    loop {
        let message = match timeout(patience, stream.next()).await {
            Ok(Some(Ok(message))) => message,
            Ok(Some(Err(error))) => return notice.unwrap_or_else(|| format!("cannot read: {error}")),
            Ok(None) => return notice.unwrap_or_else(|| "by the server".to_owned()),
            Err(_) => return format!("the server was silent for {} seconds", patience.as_secs()),
        };
        let text = match message {
            Message::Text(text) => text,
            Message::Close(frame) => {
                let said = frame
                    .map(|frame| frame.reason.to_string())
                    .filter(|reason| !reason.is_empty());
                notice = notice.or(said.map(|reason| format!("by the server: {reason}")));
                continue;
            }
            _ => continue,
        };
        match frame::parse(&text) {
            // A full queue means that the server sends heartbeats faster than the socket takes the answers.
            Incoming::Ping(stamp) => drop(pongs.try_send(stamp)),
            Incoming::ServerClose => notice = notice.or(Some("by the server, on purpose".to_owned())),
            Incoming::System(key, data) if key == "server-side-disconnect" => {
                notice = Some(format!("by the server: {data}"));
            }
            incoming => pending.dispatch(incoming),
        }
    }
}

/// Writes until it is told to close, or nobody is left who could tell.
async fn write(
    mut sink: SplitSink<Socket, Message>,
    mut outgoing: mpsc::Receiver<Outgoing>,
    mut pongs: mpsc::Receiver<String>,
    protocol: Protocol,
) -> Result<(), Error> {
    let mut heartbeat = interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            count = outgoing.recv_many(&mut batch, BATCH) => {
                if count == 0 {
                    batch.push(Outgoing::Close);
                }
            }
            Some(stamp) = pongs.recv() => {
                // An unasked pong ends some clients; nobody minds one whose stamp is written as it was read.
                if let Ok(text) = serde_json::to_string(&format!("primus::pong::{stamp}")) {
                    batch.push(Outgoing::Text(text));
                }
            }
            _ = heartbeat.tick(), if !protocol.server_pings() => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                batch.push(Outgoing::Text(format!("\"primus::ping::{}\"", now.as_millis())));
            }
        }
        for item in batch.drain(..) {
            match item {
                Outgoing::Text(text) => sink.feed(Message::text(text)).await?,
                Outgoing::Close => return closed(sink.close().await),
            }
        }
        sink.flush().await?;
    }
}

/// A connection that is closed already has been closed.
fn closed(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(Error::ConnectionClosed | Error::AlreadyClosed) => Ok(()),
        other => other,
    }
}
