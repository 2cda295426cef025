//! Opening a session: TCP, TLS where the address says so, websocket, `configure-session`, `describe`, `login`.
//!
//! Enters: [`Options`]. Leaves: the websocket, or a logged-in [`Session`]. Guarantees: credentials are sent
//! only to a server that says it is secure, as the published clients do.

use super::handle::{Client, Request};
use super::{ClientError, Connector, ErrorKind, Options, Stream};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// Size of the buffers of one connection. tungstenite's own default is 128 KiB each.
const BUFFER_SIZE: usize = 16 * 1024;
/// The largest frame that is accepted.
const LARGEST_FRAME: usize = 256 * 1024 * 1024;

/// The server's description of the session.
#[derive(Debug)]
pub(super) struct Session {
    /// The session's id.
    pub(super) id: String,
    /// Name of the user, on secure servers.
    pub(super) username: Option<String>,
    /// Whether the server is secure: this decides where responses are expected.
    pub(super) secure: bool,
    /// Name of the server.
    pub(super) server_name: String,
    /// The whole answer to `login`.
    pub(super) login: Box<RawValue>,
}

#[derive(Deserialize)]
struct Description {
    #[serde(default)]
    secure: bool,
    #[serde(default)]
    name: Option<String>,
}

#[derive(Deserialize)]
struct Login {
    id: String,
    #[serde(default)]
    happn: Option<Description>,
    #[serde(default)]
    user: Option<User>,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: Option<String>,
}

/// Opens the websocket.
pub(super) async fn open(options: &Options) -> Result<WebSocketStream<Stream>, ClientError> {
    let connector = Connector::new(&options.url, &options.trust)?;
    let address = connector.address();
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| {
        ClientError::caused(ErrorKind::Connect, format!("cannot connect to {address}"), source)
    };
    let opening = async {
        let stream = connector
            .connect()
            .await
            .map_err(|error| match is_untrusted(&error) {
                true => {
                    let message = format!("the certificate of {address} is not trusted");
                    ClientError::caused(ErrorKind::Certificate, message, error)
                }
                false => failed(error.into()),
            })?;
        let cache_buster = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis();
        let request = format!("ws://{address}/primus?_primuscb={cache_buster}");
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER_SIZE)
            .write_buffer_size(BUFFER_SIZE)
            .max_message_size(Some(LARGEST_FRAME))
            .max_frame_size(Some(LARGEST_FRAME));
        let (socket, _) = client_async_with_config(request, stream, Some(config))
            .await
            .map_err(|error| failed(error.into()))?;
        Ok(socket)
    };
    let late = || {
        let message = format!(
            "cannot connect to {address}: no answer within {:?}",
            options.timeout
        );
        ClientError::new(ErrorKind::Connect, message)
    };
    timeout(options.timeout, opening)
        .await
        .unwrap_or_else(|_| Err(late()))
}

fn is_untrusted(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(inner, Some(rustls::Error::InvalidCertificate(_)))
}

/// Opens the session on a connection that is being driven.
pub(super) async fn log_in(client: &Client, options: &Options) -> Result<Session, ClientError> {
    let announced = options.protocol.as_str();
    let mut configuration = json!({ "protocol": announced });
    if options.protocol.server_pings() {
        configuration["version"] = json!(env!("CARGO_PKG_VERSION"));
        configuration["browser"] = json!(false);
    }
    let configured = client
        .request(Request::new("configure-session").data(&configuration)?)
        .await;
    configured.map_err(|error| match error.kind() {
        // Old servers are silent towards newer protocols.
        ErrorKind::Timeout => ClientError::new(
            error.kind(),
            format!("{error}; perhaps the server does not speak {announced}"),
        ),
        _ => error,
    })?;
    let description: Description = client.request(Request::new("describe")).await?.read()?;

    let mut data = json!({ "info": { "_browser": false, "_local": false }, "protocol": announced });
    if description.secure {
        let Some(credentials) = &options.credentials else {
            let message = format!(
                "the server at {} is secure: a user name and a password are needed",
                options.url
            );
            return Err(ClientError::new(ErrorKind::CredentialsMissing, message));
        };
        data["username"] = json!(credentials.username);
        data["password"] = json!(credentials.password);
    }
    let login = client
        .request(Request::new("login").data(&data)?)
        .await
        .map_err(|error| match error.remote() {
            Some(remote) => ClientError::remote_error(ErrorKind::LoginRefused, "login", remote.clone()),
            None => error,
        })?;
    let answer: Login = login.read()?;
    let happn = answer.happn;
    Ok(Session {
        id: answer.id,
        username: answer.user.and_then(|user| user.username),
        secure: happn.as_ref().map_or(description.secure, |happn| happn.secure),
        server_name: happn
            .and_then(|happn| happn.name)
            .or(description.name)
            .unwrap_or_default(),
        login: login.data,
    })
}
