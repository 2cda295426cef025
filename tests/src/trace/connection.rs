//! One bare websocket to the host.
//!
//! Enters: payloads to send. Leaves: the frames that arrived, in order of arrival, each only once. Guarantees:
//! nothing between the host and the comparison repairs, answers or drops a frame. Heartbeats of the server are the
//! exception, where the recording is not about them.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::Error;
use super::recording::{Payload, websocket_pong};

/// How long the closing handshake may take.
const CLOSING: Duration = Duration::from_secs(1);

/// A frame that the host sent.
#[derive(Debug)]
pub struct Arrival {
    /// Its place among all frames of the connection.
    pub order: usize,
    /// The frame. Text that is no JSON is `{"not JSON": text}`.
    pub frame: Value,
}

/// One open, or meanwhile closed, connection.
#[derive(Debug)]
pub struct Connection {
    outgoing: mpsc::UnboundedSender<Message>,
    incoming: mpsc::UnboundedReceiver<Value>,
    inbox: Vec<Arrival>,
    arrived: usize,
    ended: bool,
    opened: Instant,
    task: JoinHandle<()>,
}

impl Connection {
    /// Opens a websocket as the clients do. With `answer_pings` the server's heartbeats are answered out of sight.
    pub async fn open(addr: SocketAddr, answer_pings: bool) -> Result<Self, Error> {
        let refused = |reason: String| Error::Connect { addr, reason };
        let stream = TcpStream::connect(addr)
            .await
            .map_err(|error| refused(error.to_string()))?;
        stream
            .set_nodelay(true)
            .map_err(|error| refused(error.to_string()))?;
        let url = format!("ws://{addr}/primus?_primuscb=replay");
        let (socket, _) = client_async(url, stream)
            .await
            .map_err(|error| refused(error.to_string()))?;
        let (outgoing, commands) = mpsc::unbounded_channel();
        let (frames, incoming) = mpsc::unbounded_channel();
        let task = tokio::spawn(pump(socket, commands, frames, answer_pings));
        let opened = Instant::now();
        Ok(Self {
            outgoing,
            incoming,
            inbox: Vec::new(),
            arrived: 0,
            ended: false,
            opened,
            task,
        })
    }

    /// When the connection was opened.
    #[must_use]
    pub fn opened(&self) -> Instant {
        self.opened
    }

    /// Whether the host has ended the connection and all that it sent was received.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Sends; what is sent to a connection that has ended is lost.
    pub fn send(&self, payload: &Payload) {
        let messages = match payload {
            Payload::Json(value) => vec![Message::text(value.to_string())],
            Payload::Text(text) => vec![Message::text(text.as_str())],
            Payload::Binary(bytes) => vec![Message::binary(bytes.clone())],
            Payload::Ping(data) => vec![Message::Ping(data.clone().into_bytes().into())],
            Payload::Fragments(parts) => parts
                .iter()
                .enumerate()
                .map(|(index, part)| {
                    let kind = if index == 0 { Data::Text } else { Data::Continue };
                    let last = index + 1 == parts.len();
                    Message::Frame(Frame::message(
                        part.clone().into_bytes(),
                        OpCode::Data(kind),
                        last,
                    ))
                })
                .collect(),
        };
        for message in messages {
            // the task ends with the connection; that is noticed where frames are awaited
            let _ = self.outgoing.send(message);
        }
    }

    /// Waits for the first frame that is `wanted` and takes it.
    pub async fn take(&mut self, deadline: Instant, wanted: impl Fn(&Value) -> bool) -> Option<Arrival> {
        let mut looked_at = 0;
        loop {
            if let Some(found) = self.inbox[looked_at..]
                .iter()
                .position(|arrival| wanted(&arrival.frame))
            {
                return Some(self.inbox.remove(looked_at + found));
            }
            looked_at = self.inbox.len();
            if !self.receive(deadline).await {
                return None;
            }
        }
    }

    /// Waits until the host ends the connection.
    pub async fn wait_for_end(&mut self, deadline: Instant) -> bool {
        while self.receive(deadline).await {}
        self.ended
    }

    async fn receive(&mut self, deadline: Instant) -> bool {
        match tokio::time::timeout_at(deadline, self.incoming.recv()).await {
            Ok(Some(frame)) => {
                self.inbox.push(Arrival {
                    order: self.arrived,
                    frame,
                });
                self.arrived += 1;
                true
            }
            Ok(None) => {
                self.ended = true;
                false
            }
            Err(_) => false,
        }
    }

    /// Takes all frames that arrived, or arrive until `deadline`, and were not asked for.
    pub async fn remainder(&mut self, deadline: Instant) -> Vec<Arrival> {
        while self.receive(deadline).await {}
        std::mem::take(&mut self.inbox)
    }

    /// Closes the connection as a client does.
    pub async fn close(self) {
        let Self {
            outgoing,
            incoming,
            mut task,
            ..
        } = self;
        let _ = outgoing.send(Message::Close(None));
        drop(outgoing);
        drop(incoming);
        if tokio::time::timeout(CLOSING, &mut task).await.is_err() {
            task.abort();
        }
    }
}

async fn pump(
    mut socket: WebSocketStream<TcpStream>,
    mut commands: mpsc::UnboundedReceiver<Message>,
    frames: mpsc::UnboundedSender<Value>,
    answer_pings: bool,
) {
    let mut commands_end = false;
    loop {
        tokio::select! {
            command = commands.recv(), if !commands_end => match command {
                Some(message) => if socket.send(message).await.is_err() { return },
                None => commands_end = true,
            },
            message = socket.next() => {
                let Some(Ok(message)) = message else { return };
                let frame = match message {
                    Message::Text(text) => serde_json::from_str(&text)
                        .unwrap_or_else(|_| serde_json::json!({"not JSON": text.as_str()})),
                    Message::Binary(bytes) => serde_json::json!({"binary": bytes.len()}),
                    Message::Pong(data) => websocket_pong(&String::from_utf8_lossy(&data)),
                    Message::Ping(_) | Message::Close(_) | Message::Frame(_) => continue,
                };
                if answer_pings && let Some(text) = frame.as_str().filter(|text| text.starts_with("primus::ping::")) {
                    let pong = Value::String(text.replacen("ping", "pong", 1));
                    if socket.send(Message::text(pong.to_string())).await.is_err() { return }
                } else {
                    // nobody may be listening any more while the connection closes
                    let _ = frames.send(frame);
                }
            }
        }
    }
}
