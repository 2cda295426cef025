//! A client that is nothing but a websocket: what it sends and in which order things arrive is the test's business.
//!
//! Enters: calls and subscriptions. Leaves: frames in the order of their arrival. Guarantees: nothing is
//! repeated, buffered or sorted on the way. A heartbeat is answered when it is received.

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::error::Elapsed;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

type Socket = WebSocketStream<Box<dyn Stream>>;
type Sink = Arc<Mutex<SplitSink<Socket, Message>>>;

/// A byte stream that can carry a websocket.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// The half that sends.
pub struct Sender {
    sink: Sink,
    id: String,
    event_id: u64,
}

/// The half that receives.
pub struct Receiver {
    stream: SplitStream<Socket>,
    sink: Sink,
}

/// Opens a session of the newest dialect that hears its own answers.
///
/// # Panics
///
/// When the host does not let it.
pub async fn open(address: SocketAddr) -> (Sender, Receiver) {
    let stream = TcpStream::connect(address).await.expect("the host accepts");
    stream.set_nodelay(true).expect("a socket has options");
    open_over(Box::new(stream)).await
}

/// The same over a stream that is connected already.
///
/// # Panics
///
/// When the host does not let it.
pub async fn open_over(stream: Box<dyn Stream>) -> (Sender, Receiver) {
    let (socket, _) = tokio_tungstenite::client_async("ws://mesh/primus?_primuscb=1", stream)
        .await
        .expect("the host speaks websocket");
    let (sink, stream) = socket.split();
    let sink = Arc::new(Mutex::new(sink));
    let (mut sender, mut receiver) = (
        Sender {
            sink: sink.clone(),
            id: String::new(),
            event_id: 0,
        },
        Receiver { stream, sink },
    );
    // A session is pinged for what it announces here. One that says nothing has to ping by itself, or is given up as silent.
    let configure = json!({"protocol": "happn_4"});
    sender
        .send(json!({"action": "configure-session", "data": configure}))
        .await;
    let answer = receiver.answer().await;
    assert_eq!(answer["protocol"], "happn_4", "{answer}");
    let login = json!({"protocol": "happn_4", "info": {}});
    sender.send(json!({"action": "login", "data": login})).await;
    let answer = receiver.answer().await;
    sender.id = answer["data"]["id"].as_str().expect("a session id").to_owned();
    let responses = format!("/SET@/_exchange/responses/{}/*", sender.id);
    sender.subscribe(&responses).await;
    let answer = receiver.answer().await;
    assert_eq!(answer["_meta"]["status"], "ok", "{answer}");
    (sender, receiver)
}

impl Sender {
    async fn send(&mut self, mut request: Value) {
        self.event_id += 1;
        request["eventId"] = self.event_id.into();
        if !self.id.is_empty() {
            request["sessionId"] = self.id.clone().into();
        }
        let message = Message::text(request.to_string());
        let sent = self.sink.lock().await.send(message).await;
        sent.expect("the host reads");
    }

    /// Subscribes to a channel such as `/SET@/_events/TestNode/calc/*`.
    pub async fn subscribe(&mut self, channel: &str) {
        self.subscribe_in_range(channel, None).await;
    }

    /// As [`Sender::subscribe`], to events of versions inside a range.
    pub async fn subscribe_in_range(&mut self, channel: &str, range: Option<&str>) {
        let mut options = json!({"event_type": "set"});
        if let Some(range) = range {
            options["meta"] = json!({"componentVersion": range});
        }
        self.send(json!({"action": "on", "path": channel, "data": null, "options": options}))
            .await;
    }

    /// Reads a document; the answer is the next frame.
    pub async fn get(&mut self, path: &str) {
        self.send(json!({"action": "get", "path": path, "data": null, "options": {}}))
            .await;
    }

    /// Calls a method; the answer will arrive as a publication whose path ends with `number`.
    pub async fn call(&mut self, path: &str, number: u64, arguments: Value) {
        self.call_in_range(path, None, number, arguments).await;
    }

    /// As [`Sender::call`], asking for a version inside a range.
    pub async fn call_in_range(&mut self, path: &str, range: Option<&str>, number: u64, arguments: Value) {
        let address = format!("/_exchange/responses/{}/{number}", self.id);
        let mut data = json!({"callbackAddress": address, "args": arguments, "origin": self.id});
        if let Some(range) = range {
            data["version"] = range.into();
        }
        let options = json!({"noStore": true, "noDataResponse": true});
        let path = format!("/_exchange/requests/{path}");
        self.send(json!({"action": "set", "path": path, "data": data, "options": options}))
            .await;
    }
}

impl Receiver {
    /// The next frame; none when the connection has ended.
    ///
    /// # Panics
    ///
    /// When nothing comes for a long time.
    pub async fn next(&mut self) -> Option<Value> {
        // Heartbeats are no frames: they make nobody wait for longer.
        let next = tokio::time::timeout(PATIENCE, self.read()).await;
        next.expect("a frame in time")
    }

    /// As [`Receiver::next`], for at most this time.
    ///
    /// # Errors
    ///
    /// Nothing came.
    pub async fn next_within(&mut self, patience: Duration) -> Result<Option<Value>, Elapsed> {
        tokio::time::timeout(patience, self.read()).await
    }

    async fn read(&mut self) -> Option<Value> {
        loop {
            match self.stream.next().await?.ok()? {
                Message::Text(text) => match serde_json::from_str(&text) {
                    Ok(Value::Object(frame)) => return Some(Value::Object(frame)),
                    Ok(Value::String(text)) => self.answer_heartbeat(&text),
                    _ => {}
                },
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    /// A session that only listens is closed as silent without this. Nothing that is received waits for what is sent.
    fn answer_heartbeat(&self, text: &str) {
        if let Some(stamp) = text.strip_prefix("primus::ping::") {
            let pong = Message::text(json!(format!("primus::pong::{stamp}")).to_string());
            let sink = self.sink.clone();
            // A session that has ended needs no heartbeat.
            tokio::spawn(async move { sink.lock().await.send(pong).await.ok() });
        }
    }

    async fn answer(&mut self) -> Value {
        self.next().await.expect("the host answers")
    }
}
