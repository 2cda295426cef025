//! The HTTP side of the port (PROTOCOL.md 2.1 and section 10): the websocket upgrade, a few fixed paths, and the way
//! to the REST component.

use super::outgoing::packed;
use super::target::Target;
use super::{auth, console, deflate, refusal, rest, web};
use crate::gate::ConnectionInfo;
use crate::mesh::Mesh;
use crate::system;
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response, StatusCode, Version};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// The kind of text that Prometheus reads.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Where a connection's upgrade waits for the HTTP part to end.
pub(super) type Slot = Arc<Mutex<Option<Asked>>>;

/// A websocket that was asked for and granted.
pub(super) struct Asked {
    pub(super) upgrade: OnUpgrade,
    pub(super) info: ConnectionInfo,
    /// Whether compression was agreed on.
    pub(super) compresses: bool,
}

pub(super) use super::outgoing::Body;

pub(super) type Answer = Response<Body>;

/// Answers one request, counts the answer, and says in the log, for those who want to know, that it was given.
pub(super) async fn answer_and_count(
    request: Request<Incoming>,
    client: (SocketAddr, bool),
    mesh: Arc<Mesh>,
    upgraded: Slot,
) -> Result<Answer, Infallible> {
    let (verb, uri, began) = (request.method().clone(), request.uri().clone(), Instant::now());
    let answer = answer(request, client, mesh.clone(), upgraded).await?;
    let status = answer.status().as_u16();
    mesh.count_http_answer(status);
    // A query may hold a token.
    tracing::debug!(
        target: "access", peer = %client.0, %verb, path = uri.path(), status,
        microseconds = began.elapsed().as_micros() as u64, "answered"
    );
    Ok(answer)
}

/// Answers one request. A websocket upgrade is left in `upgraded`.
async fn answer(
    mut request: Request<Incoming>,
    (peer, encrypted): (SocketAddr, bool),
    mesh: Arc<Mesh>,
    upgraded: Slot,
) -> Result<Answer, Infallible> {
    let path = request.uri().path();
    if path.starts_with("/primus") && asks_for_websocket(&request) {
        return Ok(match accept(&request, mesh.compresses()) {
            Ok(answer) => {
                let info = connection_info(&request, encrypted);
                let upgrade = hyper::upgrade::on(&mut request);
                let compresses = answer.headers().contains_key(header::SEC_WEBSOCKET_EXTENSIONS);
                *upgraded.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(Asked {
                    upgrade,
                    info,
                    compresses,
                });
                answer
            }
            Err(reason) => refusal::json(StatusCode::BAD_REQUEST, "Bad request", reason),
        });
    }
    let (head, body) = request.into_parts();
    if let Some(answer) = refusal::of_head(&head).or_else(|| refusal::of_verb(&head)) {
        return Ok(answer);
    }
    let target = Target::of(&mesh, head.uri.path());
    if let Target::Rest(route) = &target {
        return Ok(rest::answer(route, &target, (head, body), peer.ip(), &mesh).await);
    }
    let visitor = match auth::admit(&head, &target, peer.ip(), &mesh).await {
        Ok(visitor) => visitor,
        Err(answer) => return Ok(answer),
    };
    if let Target::Place(place) = &target {
        let headers = head.headers.clone();
        let answer = web::answer(place, (head, body), &visitor, &mesh).await;
        return Ok(packed(&headers, answer).await);
    }
    if let Some(found) = system::client::file(head.uri.path()) {
        return Ok(packed(&head.headers, file(found, &head.headers)).await);
    }
    if let Some(answer) = console::answer(&head, &visitor, &mesh) {
        return Ok(packed(&head.headers, answer).await);
    }
    let request = Request::from_parts(head, body);
    let path = request.uri().path();
    Ok(match path.to_ascii_lowercase().as_str() {
        "/ping" => text(StatusCode::OK, "text/plain", "pong"),
        "/version" => text(
            StatusCode::OK,
            "application/json",
            format!(r#"{{"version":"{}"}}"#, env!("CARGO_PKG_VERSION")),
        ),
        "/primus/spec" => text(
            StatusCode::OK,
            "application/json",
            format!(
                r#"{{"pingInterval":{},"pathname":"/primus","version":"8.0.9","parser":"json","transformer":"websockets"}}"#,
                mesh.ping_interval().as_millis()
            ),
        ),
        "/metrics" => text(StatusCode::OK, METRICS, mesh.metrics()),
        "/healthz" => text(StatusCode::OK, "application/json", r#"{"status":"ok"}"#),
        "/readyz" => match mesh.readiness() {
            Ok(()) => text(StatusCode::OK, "application/json", r#"{"status":"ready"}"#),
            Err(reason) => {
                let body = serde_json::json!({"status": "not ready", "reason": reason}).to_string();
                text(StatusCode::SERVICE_UNAVAILABLE, "application/json", body)
            }
        },
        "/primus" => {
            let status = StatusCode::UPGRADE_REQUIRED;
            let mut answer = refusal::known_as_text(request.headers(), status, "Upgrade Required".to_owned());
            let headers = answer.headers_mut();
            headers.insert(
                header::CACHE_CONTROL,
                HeaderValue::from_static("no-store, no-cache, must-revalidate, max-age=0"),
            );
            headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            answer
        }
        _ => refusal::not_found(request.method(), path, request.headers()),
    })
}

/// A file, or that the one that the browser has is still the same.
pub(super) fn file(file: system::client::File, headers: &HeaderMap) -> Answer {
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|known| known.to_str().ok());
    // What was packed on its way had a weak tag.
    let mut tags = known.unwrap_or_default().split(',');
    let mut answer = match tags.any(|tag| tag.trim().trim_start_matches("W/") == file.tag) {
        true => text(StatusCode::NOT_MODIFIED, file.kind, ""),
        false => text(StatusCode::OK, file.kind, file.text),
    };
    let out = answer.headers_mut();
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=0"));
    out.insert(header::ETAG, HeaderValue::from_static(file.tag));
    answer
}

fn asks_for_websocket(request: &Request<Incoming>) -> bool {
    let has = |name: HeaderName, token: &str| {
        request
            .headers()
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|part| part.trim().eq_ignore_ascii_case(token))
    };
    request.version() == Version::HTTP_11
        && request.method() == hyper::Method::GET
        && has(header::CONNECTION, "upgrade")
        && has(header::UPGRADE, "websocket")
}

/// The answer that accepts an upgrade, or why it is refused.
fn accept(request: &Request<Incoming>, compresses: bool) -> Result<Answer, &'static str> {
    let headers = request.headers();
    let version = headers
        .get(header::SEC_WEBSOCKET_VERSION)
        .and_then(|value| value.to_str().ok());
    if !matches!(version, Some("13" | "8")) {
        return Err("Sec-WebSocket-Version must be 13");
    }
    let Some(key) = headers.get(header::SEC_WEBSOCKET_KEY) else {
        return Err("Sec-WebSocket-Key is missing");
    };
    let accepted = HeaderValue::from_str(&derive_accept_key(key.as_bytes()))
        .map_err(|_| "Sec-WebSocket-Key is not usable")?;
    let mut answer = Response::new(Body::default());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let out = answer.headers_mut();
    out.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    out.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    out.insert(header::SEC_WEBSOCKET_ACCEPT, accepted);
    if let Some(extension) = compresses.then(|| deflate::accept(headers)).flatten() {
        out.insert(header::SEC_WEBSOCKET_EXTENSIONS, extension);
    }
    if let Some(protocol) = subprotocol(headers) {
        out.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    Ok(answer)
}

/// The subprotocol that is chosen: the first that is offered. Browsers end a connection that is answered with the whole list.
fn subprotocol(headers: &HeaderMap) -> Option<HeaderValue> {
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let mut names = offered
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim);
    let first = names.find(|name| !name.is_empty())?;
    HeaderValue::from_str(first).ok()
}

fn connection_info(request: &Request<Incoming>, encrypted: bool) -> ConnectionInfo {
    let url = request
        .uri()
        .path_and_query()
        .map_or("/primus", |whole| whole.as_str());
    ConnectionInfo {
        headers: headers_json(request.headers()).into(),
        url: url.into(),
        encrypted,
    }
}

/// Headers as a JSON object, without those that are about the connection alone.
pub(super) fn headers_json(headers: &HeaderMap) -> String {
    let shown = headers
        .iter()
        .filter(|(name, _)| *name != header::CONNECTION && *name != header::UPGRADE);
    let mut texts: serde_json::Map<String, serde_json::Value> = serde_json::Map::new();
    for (name, value) in shown {
        let value = String::from_utf8_lossy(value.as_bytes());
        // What comes more than once is one list (RFC 9110, section 5.3; for cookies RFC 6265, section 4.2.1).
        let separator = if name == header::COOKIE { "; " } else { ", " };
        match texts.get_mut(name.as_str()) {
            Some(serde_json::Value::String(earlier)) => *earlier += &format!("{separator}{value}"),
            _ => drop(texts.insert(name.as_str().to_owned(), value.into_owned().into())),
        }
    }
    serde_json::Value::Object(texts).to_string()
}

/// A response with a body.
pub(super) fn text(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Body::from(body.into()));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}
