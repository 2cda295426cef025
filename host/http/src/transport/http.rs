//! The HTTP side of the port (docs/protocol.md 2.1 and 10): the websocket upgrade, a few fixed paths, and the way
//! to the REST component.

use super::body::RequestBody;
use super::outgoing::packed;
use super::progress::{Peculiar, Progress, Tracked};
use super::target::Target;
use super::{auth, console, deflate, hsts, page, refusal, rest, web};
use crate::paths::{Handler, WEBSOCKETS};
use crate::system;
use bytes::Bytes;
use hyper::body::{Body as _, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response, StatusCode, Version};
use mesh_core::gate::ConnectionInfo;
use mesh_core::mesh::Mesh;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// The kind of text that Prometheus reads.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Headers of the upgrade that the answer to a login tells, as later real servers do. Scripts of a page read that answer: it has
/// nothing that they may not know, such as cookies.
const PASSED_ON: [&str; 7] = [
    "host",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-version",
    "x-forwarded-for",
    "x-forwarded-port",
    "x-forwarded-proto",
];

/// Headers by which proxies say for whom they ask.
const FORWARDED: [&str; 6] = [
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
];

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

/// The connection that requests come over.
pub(super) struct Connection {
    pub(super) peer: SocketAddr,
    pub(super) encrypted: bool,
    pub(super) mesh: Arc<Mesh>,
    pub(super) upgraded: Slot,
    pub(super) progress: Arc<Progress>,
}

/// Answers one request, counts the answer, and says in the log, for those who want to know, that it was given. That it is at hand
/// is noted before anything is awaited: the HTTP library reads on before it asks for the answer.
pub(super) fn answer_and_count(
    request: Request<Incoming>,
    connection: Arc<Connection>,
) -> impl Future<Output = Result<Response<Tracked>, Infallible>> {
    let peculiar = connection.progress.note_request();
    if request.body().is_end_stream() {
        connection.progress.note_whole();
    }
    async move { Ok(answer_noted(request, peculiar, &connection).await) }
}

async fn answer_noted(
    mut request: Request<Incoming>,
    peculiar: Peculiar,
    connection: &Connection,
) -> Response<Tracked> {
    let began = Instant::now();
    let Connection { peer, mesh, .. } = connection;
    let Peculiar {
        was_changed,
        has_two_ends,
    } = peculiar;
    let upgrade = asks_for_websocket(&request).then(|| hyper::upgrade::on(&mut request));
    let (mut head, body) = request.into_parts();
    if was_changed && upgrade.is_none() {
        head.version = Version::HTTP_10;
    }
    let mut body = RequestBody::new(body, &head.headers, connection.progress.clone());
    let mut answer = match upgrade {
        _ if has_two_ends => refusal::of_two_ends(),
        Some(upgrade) => accept(&head, &body, upgrade, connection),
        None => answer(&head, &mut body, peer.ip(), mesh).await,
    };
    page::put(&mut answer, &head.headers, mesh).await;
    let status = answer.status();
    if status != StatusCode::SWITCHING_PROTOCOLS {
        let is_whole = body.settle().await;
        let headers = answer.headers_mut();
        if !is_whole || was_changed || has_two_ends {
            // The unread rest of the body must not be taken for the next request.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if connection.encrypted
            && let Some(strict) = hsts::of(mesh.site(), &head)
        {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, strict.clone());
        }
    }
    let (verb, path, status) = (&head.method, head.uri.path(), status.as_u16());
    mesh.count_http_answer(status);
    // A query may hold a token.
    tracing::debug!(
        target: "access", %peer, %verb, path, status,
        microseconds = began.elapsed().as_micros() as u64, "answered"
    );
    answer.map(|body| Tracked::new(body, connection.progress.clone()))
}

/// Answers one request that asks for no websocket.
async fn answer(head: &Parts, body: &mut RequestBody, address: IpAddr, mesh: &Arc<Mesh>) -> Answer {
    if let Some(answer) = refusal::of_head(head) {
        return answer;
    }
    let target = Target::of(mesh, head.uri.path());
    if let Some(answer) = refusal::of_verb(&head.method, &target) {
        return answer;
    }
    if let Target::Fixed(found) = &target
        && let Handler::Rest(route) = found.row.handler
    {
        return rest::answer(route, (found, &target), (head, body), address, mesh).await;
    }
    let principal = match auth::admit(head, &target, address, mesh).await {
        Ok(principal) => principal,
        Err(answer) => return answer,
    };
    let answered = match &target {
        Target::Place(place) => Some(web::answer(place, (head, body), &principal, mesh).await),
        Target::Fixed(found) => match found.row.handler {
            Handler::Client(which) => Some(file(system::client::file(which), &head.headers)),
            Handler::ConsoleFile => console::file(head, found.row),
            Handler::ConsoleFigures => Some(console::figures(head, found.row, &principal, mesh)),
            handler => return short(handler, head, mesh),
        },
        Target::Nothing => None,
    };
    match answered {
        Some(answer) => packed(&head.headers, answer).await,
        None => not_found(head),
    }
}

fn not_found(head: &Parts) -> Answer {
    refusal::not_found(&head.method, head.uri.path(), &head.headers)
}

/// An answer that is too short to be packed, or is not to be.
fn short(handler: Handler, head: &Parts, mesh: &Mesh) -> Answer {
    match handler {
        Handler::Ping => text(StatusCode::OK, "text/plain", "pong"),
        Handler::Version => text(
            StatusCode::OK,
            "application/json",
            format!(r#"{{"version":"{}"}}"#, env!("CARGO_PKG_VERSION")),
        ),
        Handler::PrimusSpec => text(
            StatusCode::OK,
            "application/json",
            format!(
                r#"{{"pingInterval":{},"pathname":"/primus","version":"8.0.9","parser":"json","transformer":"websockets"}}"#,
                mesh.ping_interval().as_millis()
            ),
        ),
        Handler::Metrics => text(StatusCode::OK, METRICS, mesh.metrics()),
        Handler::Health => text(StatusCode::OK, "application/json", r#"{"status":"ok"}"#),
        Handler::Readiness => match mesh.readiness() {
            Ok(()) => text(StatusCode::OK, "application/json", r#"{"status":"ready"}"#),
            Err(reason) => {
                let body = serde_json::json!({"status": "not ready", "reason": reason}).to_string();
                text(StatusCode::SERVICE_UNAVAILABLE, "application/json", body)
            }
        },
        Handler::Primus => {
            let status = StatusCode::UPGRADE_REQUIRED;
            let mut answer = refusal::known_as_text(&head.headers, status, "Upgrade Required".to_owned());
            let headers = answer.headers_mut();
            headers.insert(
                header::CACHE_CONTROL,
                HeaderValue::from_static("no-store, no-cache, must-revalidate, max-age=0"),
            );
            headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            answer
        }
        // A mesh that is not secure has nobody to log in; the rest is answered before.
        Handler::Authentication(_)
        | Handler::Client(_)
        | Handler::ConsoleFile
        | Handler::ConsoleFigures
        | Handler::Rest(_)
        | Handler::Nothing => not_found(head),
    }
}

/// A file, or that the one that the browser has is still the same.
pub(super) fn file(file: system::client::File, headers: &HeaderMap) -> Answer {
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|known| known.to_str().ok());
    // A body that was packed on its way had a weak tag.
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
        && request.uri().path().starts_with(WEBSOCKETS)
}

/// Accepts an upgrade, which is left to the connection, or says why not.
fn accept(head: &Parts, body: &RequestBody, upgrade: OnUpgrade, connection: &Connection) -> Answer {
    match accepted(head, body, connection.mesh.compresses()) {
        Ok(answer) => {
            let info = connection_info(head, connection.encrypted);
            let compresses = answer.headers().contains_key(header::SEC_WEBSOCKET_EXTENSIONS);
            let mut slot = connection.upgraded.lock().unwrap_or_else(PoisonError::into_inner);
            *slot = Some(Asked {
                upgrade,
                info,
                compresses,
            });
            answer
        }
        Err(reason) => refusal::json(StatusCode::BAD_REQUEST, "Bad request", reason),
    }
}

/// The answer that accepts an upgrade, or why it is refused.
fn accepted(head: &Parts, body: &RequestBody, compresses: bool) -> Result<Answer, &'static str> {
    let headers = &head.headers;
    if !body.is_whole() {
        return Err("a request for a websocket has no body");
    }
    let version = headers
        .get(header::SEC_WEBSOCKET_VERSION)
        .and_then(|value| value.to_str().ok());
    if !matches!(version, Some("13" | "8")) {
        return Err("Sec-WebSocket-Version must be 13");
    }
    let Some(key) = headers.get(header::SEC_WEBSOCKET_KEY) else {
        return Err("Sec-WebSocket-Key is missing");
    };
    if !is_nonce(key.as_bytes()) {
        return Err("Sec-WebSocket-Key must be 16 bytes in base64");
    }
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

/// Whether a key is 16 bytes in base64 (RFC 6455, section 4.2.1). The last letter may carry bits that belong to no byte, as the keys
/// of some clients do.
fn is_nonce(key: &[u8]) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.strip_suffix(b"==")
        .is_some_and(|letters| letters.len() == 22 && letters.iter().all(is_letter))
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

fn connection_info(head: &Parts, encrypted: bool) -> ConnectionInfo {
    let url = head
        .uri
        .path_and_query()
        .map_or(WEBSOCKETS, |whole| whole.as_str());
    ConnectionInfo {
        headers: json_of(&head.headers, |name| PASSED_ON.contains(&name)).into(),
        url: url.into(),
        encrypted,
        is_forwarded: is_forwarded(&head.headers),
    }
}

/// Whether a proxy says for whom it asks.
pub(super) fn is_forwarded(headers: &HeaderMap) -> bool {
    FORWARDED.iter().any(|name| headers.contains_key(*name))
}

/// Headers as a JSON object, without those that are about the connection alone.
pub(super) fn headers_json(headers: &HeaderMap) -> String {
    json_of(headers, |name| !matches!(name, "connection" | "upgrade"))
}

/// Those headers whose names are wanted, as a JSON object.
fn json_of(headers: &HeaderMap, is_wanted: impl Fn(&str) -> bool) -> String {
    let shown = headers.iter().filter(|(name, _)| is_wanted(name.as_str()));
    let mut texts: serde_json::Map<String, serde_json::Value> = serde_json::Map::new();
    for (name, value) in shown {
        let value = String::from_utf8_lossy(value.as_bytes());
        // A header that comes more than once is one list (RFC 9110, section 5.3; for cookies RFC 6265, section
        // 4.2.1).
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_gets_seven_headers_of_its_upgrade_and_never_a_secret() {
        let request = Request::builder()
            .uri("/primus?_primuscb=1")
            .header("Host", "mesh:55000")
            .header("Cookie", "other=secret")
            .header("Authorization", "Basic eDp5")
            .header("X-Api-Key", "secret")
            .header("X-Forwarded-For", "192.0.2.7")
            .header("X-Forwarded-For", "192.0.2.8")
            .header("Sec-WebSocket-Key", "k")
            .header("User-Agent", "Mozilla/5.0");
        let (head, ()) = request.body(()).unwrap().into_parts();
        let info = connection_info(&head, false);
        assert_eq!(
            &*info.headers,
            r#"{"host":"mesh:55000","x-forwarded-for":"192.0.2.7, 192.0.2.8","sec-websocket-key":"k"}"#
        );
        assert!(info.is_forwarded);
    }

    #[test]
    fn a_key_is_sixteen_bytes_in_base64() {
        for key in [
            "dGhlIHNhbXBsZSBub25jZQ==",
            "+/+/+/+/+/+/+/+/+/+/+w==",
            "AAAAAAAAAAAAAAAAAAAAAB==",
        ] {
            assert!(is_nonce(key.as_bytes()), "{key}");
        }
        for key in [
            "",
            "x",
            "==",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZQ=",
            "dGhlIHNhbXBsZSBub25jZSE=",
            "dGhlIHNhbXBsZSBub25jZQ===",
            "dGhl-HNhbXBsZSBub25jZQ==",
            "dGhlIHNhbXBsZSBub25j ZQ==",
            "dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ==",
        ] {
            assert!(!is_nonce(key.as_bytes()), "{key}");
        }
    }
}
