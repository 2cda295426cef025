//! A session that asks the component `security`, one question after the other.
//!
//! Enters: credentials, methods with their arguments. Leaves: answers, in the words of the corpus, and the events
//! that came before them. Guarantees: arguments are sent as they are, whatever the description says.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long an event may take that nobody has to send.
const SHORT_PATIENCE: Duration = Duration::from_secs(3);

/// Somebody who is logged in.
pub struct Session {
    socket: WebSocketStream<TcpStream>,
    username: String,
    id: String,
    token: String,
    requests: u64,
    methods: HashSet<String>,
    events: Vec<Value>,
}

impl Session {
    /// Logs somebody in.
    ///
    /// # Errors
    ///
    /// The host's message.
    ///
    /// # Panics
    ///
    /// When the host cannot be reached.
    pub async fn open(address: SocketAddr, username: &str, password: &str) -> Result<Session, String> {
        let stream = TcpStream::connect(address).await.expect("the host accepts");
        let url = format!("ws://{address}/primus?_primuscb=1");
        let (socket, _) = tokio_tungstenite::client_async(url, stream)
            .await
            .expect("the host speaks websocket");
        let mut session = Session {
            socket,
            username: username.to_owned(),
            id: String::new(),
            token: String::new(),
            requests: 0,
            methods: HashSet::new(),
            events: Vec::new(),
        };
        let configured = json!({"protocol": "happn_4", "version": "13.12.1", "browser": false});
        session
            .request(json!({"action": "configure-session", "data": configured}))
            .await?;
        let info = json!({"_browser": false, "_local": false});
        let data = json!({"protocol": "happn_4", "username": username, "password": password, "info": info});
        let answer = session.request(json!({"action": "login", "data": data})).await?;
        let text = |key: &str| answer["data"][key].as_str().unwrap_or_default().to_owned();
        (session.id, session.token) = (text("id"), text("token"));
        Ok(session)
    }

    /// The session's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The session's token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Subscribes to the events of the component.
    ///
    /// # Panics
    ///
    /// When that is not allowed.
    pub async fn listen(&mut self) {
        self.subscribe("/SET@/_events/TestNode/security/*")
            .await
            .expect("an administrator may listen");
    }

    async fn subscribe(&mut self, channel: &str) -> Result<(), String> {
        let options = json!({"event_type": "set"});
        let request = json!({"action": "on", "path": channel, "data": null, "options": options});
        self.request(request).await.map(drop)
    }

    /// Calls a method of the component.
    ///
    /// # Panics
    ///
    /// When the host does not answer.
    pub async fn call(&mut self, method: &str, arguments: Value) -> Value {
        let folder = format!("/_exchange/responses/TestNode/security/{method}/{}", self.id);
        if self.methods.insert(method.to_owned())
            && let Err(message) = self.subscribe(&format!("/SET@{folder}/*")).await
        {
            self.methods.remove(method);
            return json!({"denied": message});
        }
        let address = format!("{folder}/{}", self.requests);
        let origin = json!({"id": self.id, "username": self.username});
        let data = json!({"callbackAddress": address, "args": arguments, "origin": origin});
        let path = format!("/_exchange/requests/TestNode/security/{method}");
        let options = json!({"noStore": true, "noDataResponse": true});
        let request = json!({"action": "set", "path": path, "data": data, "options": options});
        if let Err(message) = self.request(request).await {
            return json!({"denied": message});
        }
        loop {
            let frame = self.next(PATIENCE).await.expect("the host answers");
            if frame["_meta"]["path"] != address.as_str() {
                self.keep(frame);
                continue;
            }
            let values = &frame["data"]["args"];
            return match frame["data"]["status"].as_str() {
                Some("ok") => {
                    let results = values
                        .as_array()
                        .map_or(&[][..], |values| values.get(1..).unwrap_or(&[]));
                    json!({ "results": results })
                }
                _ => json!({ "error": values[0] }),
            };
        }
    }

    /// Waits until as many events have come, or for a short while.
    pub async fn wait_for_events(&mut self, count: usize) {
        while self.events.len() < count {
            match self.next(SHORT_PATIENCE).await {
                Some(frame) => self.keep(frame),
                None => return,
            }
        }
    }

    /// The events since the last time, each with its name and data.
    pub fn take_events(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.events)
    }

    /// Ends the session.
    pub async fn close(mut self) {
        // The host may have ended it before.
        let _ = self.socket.close(None).await;
    }

    async fn request(&mut self, mut request: Value) -> Result<Value, String> {
        self.requests += 1;
        request["eventId"] = self.requests.into();
        if !self.id.is_empty() {
            request["sessionId"] = self.id.clone().into();
        }
        let sent = self.socket.send(Message::text(request.to_string())).await;
        if sent.is_err() {
            return Err("the session has ended".to_owned());
        }
        loop {
            let Some(frame) = self.next(PATIENCE).await else {
                return Err("the session has ended".to_owned());
            };
            let meta = &frame["_meta"];
            if meta["type"] != "response" || meta["eventId"] != self.requests {
                self.keep(frame);
                continue;
            }
            return match meta["status"].as_str() {
                Some("ok") => Ok(frame),
                _ => Err(meta["error"]["message"].as_str().unwrap_or_default().to_owned()),
            };
        }
    }

    fn keep(&mut self, frame: Value) {
        let path = frame["_meta"]["path"].as_str().unwrap_or_default();
        if let Some(name) = path.split("/_events/TestNode/security/").nth(1) {
            self.events.push(json!([name, frame["data"]]));
        }
    }

    /// The next frame; none when there is none in time, or the connection has ended.
    async fn next(&mut self, patience: Duration) -> Option<Value> {
        loop {
            let message = tokio::time::timeout(patience, self.socket.next()).await;
            match message.ok()??.ok()? {
                Message::Text(text) => match serde_json::from_str(&text) {
                    Ok(Value::Object(frame)) => return Some(Value::Object(frame)),
                    // Heartbeats are texts.
                    _ => continue,
                },
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }
}
