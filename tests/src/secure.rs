//! A client of a secure mesh that is nothing but a websocket, in any dialect.
//!
//! Enters: credentials, requests as they go over the wire, calls. Leaves: answers, and whatever else arrived, in the
//! order of its arrival. Guarantees: an answer is the one with the request's own number. Nothing that arrives is
//! lost, so that "nobody heard of it" can be asserted without waiting for a time to pass.

use crate::host::{Host, repository};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// How long an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// The administrator.
pub const ADMIN: &str = "_ADMIN";
/// The administrator's password, in every host that these tests start.
pub const PASSWORD: &str = "happn";
/// The protocols that clients of the four dialects announce.
pub const DIALECTS: [&str; 4] = ["happn_1.3.0", "happn_2", "happn_3", "happn_4"];

/// One connection.
pub struct Client {
    socket: WebSocketStream<TcpStream>,
    dialect: String,
    id: String,
    /// The number before that of the first request.
    requests: u64,
    calls: u64,
    listening: BTreeSet<String>,
    arrived: VecDeque<Value>,
}

/// A secure host with the components of the conformance kit.
pub fn host(overrides: &[&str]) -> Host {
    let all = [&["happn.secure=true", "security.admin_password=happn"], overrides].concat();
    Host::start(&repository().join("tests/conformance/mesh.toml"), &all)
}

/// Whether a dialect is of the first generation.
pub fn is_first_generation(dialect: &str) -> bool {
    dialect == DIALECTS[0]
}

/// Whether a request was done.
pub fn is_ok(answer: &Value) -> bool {
    meta(answer)["status"] == "ok"
}

/// An answer's own `_meta`: the last element of a list, or the field.
pub fn meta(answer: &Value) -> &Value {
    match answer {
        Value::Array(items) => items.last().unwrap_or(&Value::Null),
        other => &other["_meta"],
    }
}

/// The error of an answer; null where there is none.
pub fn error(answer: &Value) -> &Value {
    &meta(answer)["error"]
}

/// Whether an answer denies what was asked for.
pub fn is_denied(answer: &Value) -> bool {
    let error = error(answer);
    meta(answer)["status"] == "error"
        && error["name"] == "AccessDenied"
        && error["code"] == 403
        && error["message"] == "unauthorized"
}

impl Client {
    /// Connects and announces a dialect.
    ///
    /// # Panics
    ///
    /// When the host does not let it.
    pub async fn open(address: SocketAddr, dialect: &str) -> Client {
        let stream = TcpStream::connect(address).await.expect("the host accepts");
        Client::over(stream, address, dialect).await
    }

    /// As [`Client::open`], from one of this machine's addresses.
    ///
    /// # Panics
    ///
    /// When the host does not let it.
    pub async fn open_from(own: IpAddr, address: SocketAddr, dialect: &str) -> Client {
        let socket = TcpSocket::new_v4().expect("there are sockets");
        socket
            .bind(SocketAddr::new(own, 0))
            .expect("it is an address of this machine");
        let stream = socket.connect(address).await.expect("the host accepts");
        Client::over(stream, address, dialect).await
    }

    async fn over(stream: TcpStream, address: SocketAddr, dialect: &str) -> Client {
        stream.set_nodelay(true).expect("a socket has options");
        let url = format!("ws://{address}/primus?_primuscb=1");
        let (socket, _) = tokio_tungstenite::client_async(url, stream)
            .await
            .expect("the host speaks websocket");
        let mut client = Client {
            socket,
            dialect: dialect.to_owned(),
            id: String::new(),
            requests: 0,
            calls: 0,
            listening: BTreeSet::new(),
            arrived: VecDeque::new(),
        };
        let configured = client
            .request(json!({"action": "configure-session", "data": {"protocol": dialect}}))
            .await;
        assert!(is_ok(&configured), "{configured}");
        client
    }

    /// Connects and logs in.
    ///
    /// # Panics
    ///
    /// When the host does not let it in.
    pub async fn enter(address: SocketAddr, dialect: &str, username: &str, password: &str) -> Client {
        let mut client = Client::open(address, dialect).await;
        let answer = client.login(username, password).await;
        assert!(is_ok(&answer), "{username}: {answer}");
        client
    }

    /// The administrator.
    ///
    /// # Panics
    ///
    /// When the host does not let it in.
    pub async fn admin(host: &Host) -> Client {
        Client::enter(host.addr(), "happn_4", ADMIN, PASSWORD).await
    }

    /// Logs in with a password and returns the answer.
    pub async fn login(&mut self, username: &str, password: &str) -> Value {
        self.login_with(json!({"username": username, "password": password}))
            .await
    }

    /// Logs in with any credentials and returns the answer.
    pub async fn login_with(&mut self, credentials: Value) -> Value {
        let mut data = json!({"protocol": self.dialect, "info": {"_browser": false}});
        for (key, value) in credentials.as_object().expect("credentials are an object") {
            data[key] = value.clone();
        }
        let answer = self.request(json!({"action": "login", "data": data})).await;
        if let Some(id) = answer["data"]["id"].as_str() {
            self.id = id.to_owned();
        }
        answer
    }

    /// The session's id, once logged in.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The protocol that the client announced.
    pub fn dialect(&self) -> &str {
        &self.dialect
    }

    /// Sends a text as it is.
    ///
    /// # Panics
    ///
    /// When the connection has ended.
    pub async fn send_text(&mut self, text: String) {
        self.socket
            .send(Message::text(text))
            .await
            .expect("the host reads");
    }

    /// Sends a request and returns its number.
    ///
    /// # Panics
    ///
    /// When the connection has ended.
    pub async fn send(&mut self, mut request: Value) -> u64 {
        self.requests += 1;
        request["eventId"] = self.requests.into();
        if !self.id.is_empty() && request.get("sessionId").is_none() {
            request["sessionId"] = self.id.as_str().into();
        }
        self.send_text(request.to_string()).await;
        self.requests
    }

    /// Sends a request and returns its answer.
    ///
    /// # Panics
    ///
    /// When none comes.
    pub async fn request(&mut self, request: Value) -> Value {
        let shown = request.to_string();
        let number = self.send(request).await;
        let answer = self.answer(number).await;
        answer.unwrap_or_else(|| panic!("the connection ended instead of an answer to {shown}"))
    }

    /// The answer to a request; none when the connection ends before.
    pub async fn answer(&mut self, number: u64) -> Option<Value> {
        let is_answer = |frame: &Value| {
            let meta = meta(frame);
            meta["type"] != "data" && meta["type"] != "ack" && meta["eventId"] == number
        };
        self.find(is_answer).await
    }

    /// The first frame of a kind, whether it has arrived already or not; none when the connection ends before.
    pub async fn find(&mut self, wanted: impl Fn(&Value) -> bool) -> Option<Value> {
        if let Some(position) = self.arrived.iter().position(&wanted) {
            return self.arrived.remove(position);
        }
        loop {
            let frame = self.next().await?;
            if wanted(&frame) {
                return Some(frame);
            }
            self.arrived.push_back(frame);
        }
    }

    /// Reads a frame.
    async fn next(&mut self) -> Option<Value> {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.socket.next()).await;
            match message.expect("a frame in time")?.ok()? {
                Message::Text(text) if text.contains("primus::ping") => {}
                Message::Text(text) => match serde_json::from_str(&text) {
                    Ok(frame) => return Some(frame),
                    Err(_) => return Some(Value::String(text.to_string())),
                },
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    /// Everything that has arrived besides answers. It includes the frames that the host sent before this was asked
    /// for.
    pub async fn pushed(&mut self) -> Vec<Value> {
        let described = self.request(json!({"action": "describe"})).await;
        assert!(is_ok(&described), "{described}");
        self.arrived.drain(..).collect()
    }

    /// Everything until the connection ends.
    pub async fn until_end(&mut self) -> Vec<Value> {
        while let Some(frame) = self.next().await {
            self.arrived.push_back(frame);
        }
        self.arrived.drain(..).collect()
    }

    /// Reads a document.
    pub async fn get(&mut self, path: &str) -> Value {
        self.request(json!({"action": "get", "path": path, "data": null, "options": {}}))
            .await
    }

    /// Writes a document.
    pub async fn set(&mut self, path: &str, data: Value) -> Value {
        self.request(json!({"action": "set", "path": path, "data": data, "options": {}}))
            .await
    }

    /// Subscribes.
    pub async fn on(&mut self, path: &str) -> Value {
        let options = json!({"event_type": "all", "count": 0, "refCount": 1});
        self.request(json!({"action": "on", "path": path, "data": null, "options": options}))
            .await
    }

    /// Removes documents.
    pub async fn remove(&mut self, path: &str) -> Value {
        self.request(json!({"action": "remove", "path": path, "data": null, "options": {}}))
            .await
    }

    /// Calls a method of this mesh as clients of secure meshes do, `component/method`.
    ///
    /// # Errors
    ///
    /// The host's message where the call, or hearing its answer, is denied; the method's error otherwise.
    pub async fn call(&mut self, method: &str, arguments: Value) -> Result<Vec<Value>, Value> {
        self.call_with(method, arguments, json!({})).await
    }

    /// As [`Client::call`], with options of the request.
    ///
    /// # Errors
    ///
    /// As [`Client::call`].
    ///
    /// # Panics
    ///
    /// When no answer comes.
    pub async fn call_with(
        &mut self,
        method: &str,
        arguments: Value,
        options: Value,
    ) -> Result<Vec<Value>, Value> {
        let folder = format!("/_exchange/responses/TestNode/{method}/{}", self.id);
        if !self.listening.contains(&folder) {
            let listening = self.on(&format!("/SET@{folder}/*")).await;
            if !is_ok(&listening) {
                return Err(error(&listening).clone());
            }
            self.listening.insert(folder.clone());
        }
        self.calls += 1;
        let address = format!("{folder}/{}", self.calls);
        let data = json!({"callbackAddress": address, "args": arguments, "origin": {"id": self.id}});
        let mut all = json!({"noStore": true});
        for (key, value) in options.as_object().expect("options are an object") {
            all[key] = value.clone();
        }
        let path = format!("/_exchange/requests/TestNode/{method}");
        let accepted = self
            .request(json!({"action": "set", "path": path, "data": data, "options": all}))
            .await;
        if !is_ok(&accepted) {
            return Err(error(&accepted).clone());
        }
        let response = self
            .find(|frame| frame["_meta"]["type"] == "data" && frame["_meta"]["path"] == address.as_str())
            .await
            .unwrap_or_else(|| panic!("the connection ended instead of an answer to {method}"));
        let mut results = response["data"]["args"].as_array().cloned().unwrap_or_default();
        match response["data"]["status"] == "ok" {
            // An answer without results may leave out what stands before them.
            true => Ok(results.split_off(results.len().min(1))),
            false => Err(results.first().cloned().unwrap_or(response)),
        }
    }

    /// Calls a method of the component `security` that must succeed, and returns the first of its results.
    ///
    /// # Panics
    ///
    /// When it fails.
    pub async fn security(&mut self, method: &str, arguments: Value) -> Value {
        let shown = arguments.to_string();
        let results = self.call(&format!("security/{method}"), arguments).await;
        let results = results.unwrap_or_else(|error| panic!("{method}({shown}): {error}"));
        results.into_iter().next().unwrap_or_default()
    }

    /// Makes a group of this name with these permissions on data, and a user with a password, who is in it.
    pub async fn add_member(&mut self, username: &str, password: &str, group: &str, data: Value) {
        self.security(
            "upsertGroup",
            json!([{"name": group, "permissions": {"data": data}}]),
        )
        .await;
        let user = json!({"username": username, "password": password, "groups": {group: true}});
        self.security("upsertUser", json!([user])).await;
    }
}
