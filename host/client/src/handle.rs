//! The handle of a connection, and plain happn requests.
//!
//! Enters: requests from any task. Leaves: their answers. Guarantees: a request that is dropped leaves
//! nothing behind; a request that is not answered in time fails with its action, path and number.

use super::channels::ResponseChannels;
use super::connection::Outgoing;
use super::pending::Pending;
use super::session::Session;
use super::{ClientError, ErrorKind, Options, Protocol};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// One connection to a happn server. Clones share it; it closes when the last one and all subscriptions are dropped.
#[derive(Clone)]
pub struct Client {
    pub(super) shared: Arc<Shared>,
}

/// The state that the clones of a client share.
pub(super) struct Shared {
    pub(super) pending: Arc<Pending>,
    pub(super) outgoing: mpsc::Sender<Outgoing>,
    pub(super) protocol: Protocol,
    pub(super) timeout: Duration,
    pub(super) backlog: usize,
    /// The last `eventId` that was used; subscriptions take their numbers from here as well.
    event_id: AtomicU64,
    session: OnceLock<Session>,
    pub(super) channels: ResponseChannels,
}

/// A request as it is sent. `eventId` and `sessionId` are added when it is.
#[derive(Clone, Debug)]
pub struct Request {
    action: String,
    path: Option<String>,
    data: Option<Box<RawValue>>,
    options: Map<String, Value>,
    timeout: Option<Duration>,
}

impl Request {
    /// A request without path and data.
    #[must_use]
    pub fn new(action: impl Into<String>) -> Request {
        Request {
            action: action.into(),
            path: None,
            data: None,
            options: Map::new(),
            timeout: None,
        }
    }

    /// With a path.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Request {
        self.path = Some(path.into());
        self
    }

    /// With data.
    pub fn data(mut self, data: &(impl Serialize + ?Sized)) -> Result<Request, ClientError> {
        self.data = Some(encode(data)?);
        Ok(self)
    }

    /// With one option.
    #[must_use]
    pub fn option(mut self, name: impl Into<String>, value: impl Into<Value>) -> Request {
        self.options.insert(name.into(), value.into());
        self
    }

    /// With all options of an object. Anything but an object is ignored.
    #[must_use]
    pub fn options(mut self, options: Value) -> Request {
        if let Value::Object(options) = options {
            self.options.extend(options);
        }
        self
    }

    /// With its own time limit.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Request {
        self.timeout = Some(timeout);
        self
    }
}

/// A request on the wire.
#[derive(Serialize)]
struct Envelope<'a> {
    action: &'a str,
    #[serde(rename = "eventId")]
    event_id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    data: Option<&'a RawValue>,
    #[serde(rename = "sessionId", skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
    options: &'a Map<String, Value>,
}

/// A successful answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// The value; for a `get` with a wildcard an array of documents.
    pub data: Box<RawValue>,
    /// The server's description of it.
    pub meta: Box<RawValue>,
}

impl Response {
    /// Whether there is no value: a `get` of a path without a document.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.data.get() == "null"
    }

    /// Reads the value.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_str(self.data.get()).map_err(|error| {
            ClientError::caused(
                ErrorKind::Protocol,
                "the answer is not of the expected form",
                error,
            )
        })
    }

    /// Reads the meta information.
    pub fn read_meta<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_str(self.meta.get()).map_err(|error| {
            ClientError::caused(
                ErrorKind::Protocol,
                "the answer's meta is not of the expected form",
                error,
            )
        })
    }
}

impl Client {
    /// A client over a connection that is being driven. Nobody has logged in yet.
    pub(super) fn over(outgoing: mpsc::Sender<Outgoing>, pending: Arc<Pending>, options: &Options) -> Client {
        Client {
            shared: Arc::new(Shared {
                pending,
                outgoing,
                protocol: options.protocol,
                timeout: options.timeout,
                backlog: options.backlog.max(1),
                event_id: AtomicU64::new(0),
                session: OnceLock::new(),
                channels: ResponseChannels::default(),
            }),
        }
    }

    /// Notes what the server said at the login. A second one counts for nothing.
    pub(super) fn set_session(&self, session: Session) {
        let _ = self.shared.session.set(session);
    }

    fn session(&self) -> Option<&Session> {
        self.shared.session.get()
    }

    /// The session's id.
    #[must_use]
    pub fn session_id(&self) -> &str {
        self.session().map_or("", |session| &session.id)
    }

    /// The user that is logged in, on secure servers.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.session()?.username.as_deref()
    }

    /// Whether the server checks permissions.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.session().is_some_and(|session| session.secure)
    }

    /// The name of the server: that of its mesh.
    #[must_use]
    pub fn server_name(&self) -> &str {
        self.session().map_or("", |session| &session.server_name)
    }

    /// The server's answer to `login`.
    #[must_use]
    pub fn login(&self) -> Option<&RawValue> {
        self.session().map(|session| &*session.login)
    }

    /// The announced protocol.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.shared.protocol
    }

    /// The next number for a request.
    pub(super) fn next_number(&self) -> u64 {
        self.shared.event_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The text of a request.
    pub(super) fn encode(&self, request: &Request, event_id: u64) -> Result<String, ClientError> {
        let limit = request.timeout.unwrap_or(self.shared.timeout);
        let mut options = request.options.clone();
        if !options.contains_key("timeout") {
            options.insert(
                "timeout".to_owned(),
                json!(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)),
            );
        }
        let envelope = Envelope {
            action: &request.action,
            event_id,
            path: request.path.as_deref(),
            data: request.data.as_deref(),
            session_id: self.session().map(|session| session.id.as_str()),
            options: &options,
        };
        serde_json::to_string(&envelope).map_err(encode_error)
    }

    /// Sends a request and waits for its answer. An answer with status `error` is an error of kind
    /// [`ErrorKind::Refused`].
    pub async fn request(&self, request: Request) -> Result<Response, ClientError> {
        let event_id = self.next_number();
        let label = Label {
            request: &request,
            event_id,
        };
        let text = self.encode(&request, event_id)?;
        let pending = &self.shared.pending;
        let answer = pending
            .expect_answer(event_id)
            .map_err(|_| pending.closed_error(&label.to_string()))?;
        let _forget = Forget { pending, event_id };
        let limit = request.timeout.unwrap_or(self.shared.timeout);
        let exchange = async {
            self.send(Outgoing::Text(text)).await?;
            answer.await.map_err(|_| pending.closed_error(&label.to_string()))
        };
        match timeout(limit, exchange).await {
            Ok(Ok(Ok(answer))) => Ok(Response {
                data: answer.data,
                meta: answer.meta,
            }),
            Ok(Ok(Err(remote))) => Err(ClientError::remote_error(
                ErrorKind::Refused,
                &label.to_string(),
                remote,
            )),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(ClientError::new(
                ErrorKind::Timeout,
                format!("{label}: no answer within {limit:?}"),
            )),
        }
    }

    async fn send(&self, outgoing: Outgoing) -> Result<(), ClientError> {
        self.shared
            .outgoing
            .send(outgoing)
            .await
            .map_err(|_| self.shared.pending.closed_error("request"))
    }

    /// Sends a text frame as it is and waits for nothing.
    pub async fn send_text(&self, text: impl Into<String>) -> Result<(), ClientError> {
        self.send(Outgoing::Text(text.into())).await
    }

    /// Reads the document of a path, or all documents that match a path with `*`.
    pub async fn get(&self, path: &str) -> Result<Response, ClientError> {
        self.request(Request::new("get").path(path)).await
    }

    /// Stores a value and publishes it. Options such as `noStore` need a [`Request`].
    pub async fn set(&self, path: &str, value: &(impl Serialize + ?Sized)) -> Result<Response, ClientError> {
        self.request(Request::new("set").path(path).data(value)?).await
    }

    /// Removes all documents that match a path.
    pub async fn remove(&self, path: &str) -> Result<Response, ClientError> {
        self.request(Request::new("remove").path(path)).await
    }

    /// Says goodbye as the protocol asks, and closes the connection. Later requests fail.
    pub async fn close(&self) {
        if self.shared.pending.is_ended() {
            return;
        }
        if self.shared.protocol.says_goodbye() {
            // Some servers do not answer this. The connection closes in any case.
            let patience = self.shared.timeout.min(Duration::from_secs(1));
            let _ = self.request(Request::new("disconnect").timeout(patience)).await;
        }
        if self.send(Outgoing::Close).await.is_ok() {
            self.shared.pending.ended().await;
        }
    }

    /// Completes when the connection has ended, and says why.
    pub async fn closed(&self) -> ClientError {
        self.shared.pending.ended().await;
        self.shared.pending.closed_error("session")
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = self.shared.protocol;
        formatter
            .debug_struct("Client")
            .field("session_id", &self.session_id())
            .field("protocol", &protocol)
            .finish()
    }
}

/// How errors call a request: `get /a/b (request 7)`.
struct Label<'a> {
    request: &'a Request,
    event_id: u64,
}

impl fmt::Display for Label<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.request.action)?;
        if let Some(path) = &self.request.path {
            write!(formatter, " {path}")?;
        }
        write!(formatter, " (request {})", self.event_id)
    }
}

/// Takes a request off the list of those that wait.
struct Forget<'a> {
    pending: &'a Pending,
    event_id: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.pending.forget_answer(self.event_id);
    }
}

/// A value as raw JSON.
pub(super) fn encode(value: &(impl Serialize + ?Sized)) -> Result<Box<RawValue>, ClientError> {
    to_raw_value(value).map_err(encode_error)
}

fn encode_error(error: serde_json::Error) -> ClientError {
    ClientError::caused(ErrorKind::Encode, "the value cannot be written as JSON", error)
}
