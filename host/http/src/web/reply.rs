//! A component's answer to a web request.
//!
//! Enters: a completion, unchecked. Leaves: status, headers and body that can be sent, or why not. Guarantees:
//! headers about the connection and the body's length are the host's own; what cannot be sent is an error that names it.

use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use mesh_plugin::{Abandoned, Given, Response, Status, Unserved};
use mesh_wire::protocol::json;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::time::Duration;
use thiserror::Error;

/// Headers that are the host's own business.
const OWN: [HeaderName; 8] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// A response.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

/// Why a component gave no response.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Failure {
    /// It failed: its own error, as a JSON object.
    #[error("the component failed: {0}")]
    Component(String),
    /// It gave something that is no response.
    #[error("{0}")]
    Unreadable(String),
    /// It is not there, or too busy.
    #[error("{0}")]
    Unavailable(String),
    /// It took too long.
    #[error("{0}")]
    TimedOut(String),
    /// No node of the cluster has answered.
    #[error("{message}")]
    Unserved {
        /// The status that tells why.
        status: StatusCode,
        /// The same in words.
        message: String,
    },
}

impl Failure {
    /// The status that a client gets.
    pub fn status(&self) -> StatusCode {
        match self {
            Failure::Component(_) | Failure::Unreadable(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Failure::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Failure::TimedOut(_) => StatusCode::GATEWAY_TIMEOUT,
            Failure::Unserved { status, .. } => *status,
        }
    }
}

/// A component's answer to a web request, as far as it can be read.
#[derive(Debug)]
pub struct Answered(Result<Reply, Failure>);

impl Given for Answered {
    fn completed(status: i32, payload: &[u8]) -> Self {
        Answered(completed(status, payload))
    }

    fn responded(response: Response<'_>) -> Self {
        Answered(read(response))
    }

    fn unserved(unserved: Unserved<'_>) -> Self {
        let (status, message) = crate::unserved::read(unserved.arguments);
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        Answered(Err(Failure::Unserved { status, message }))
    }
}

/// The response to a request. `target` names the route in messages.
///
/// # Errors
///
/// Why there is no reply.
pub fn ended(outcome: Result<Answered, Abandoned>, target: &str, limit: Duration) -> Result<Reply, Failure> {
    let unavailable = |what: &str| {
        Err(Failure::Unavailable(format!(
            "{target} was {what} before it answered"
        )))
    };
    match outcome {
        Ok(Answered(Err(Failure::Unreadable(what)))) => {
            tracing::warn!("web route {target} {what}");
            Err(Failure::Unreadable(format!("{target} {what}")))
        }
        Ok(Answered(given)) => given,
        Err(Abandoned::TimedOut) => {
            let limit = limit.as_millis();
            Err(Failure::TimedOut(format!(
                "{target} did not answer within {limit} ms"
            )))
        }
        Err(Abandoned::Stopped) => unavailable("stopped"),
        Err(Abandoned::Replaced) => unavailable("replaced by another version"),
    }
}

/// The response that a component gave.
fn read(response: Response<'_>) -> Result<Reply, Failure> {
    let unreadable = |what: String| Failure::Unreadable(format!("gave no response that can be sent: {what}"));
    let status = u16::try_from(response.status)
        .ok()
        .filter(|status| (200..600).contains(status));
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    let status = status.ok_or_else(|| unreadable(format!("{} is no status", response.status)))?;
    let mut headers = HeaderMap::new();
    for (name, value) in texts(response.headers).map_err(unreadable)? {
        let wrong = |what: &str| unreadable(format!("{what} of header {}", json::shorten(&name)));
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong("the name"))?;
        let value = HeaderValue::from_str(&value).map_err(|_| wrong("the value"))?;
        if !OWN.contains(&key) {
            headers.append(key, value);
        }
    }
    let has_body = !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    Ok(Reply {
        status,
        headers,
        body: if has_body {
            response.body.to_vec()
        } else {
            Vec::new()
        },
    })
}

/// The headers of a response, each with one value.
fn texts(headers: &[u8]) -> Result<Vec<(String, String)>, String> {
    if headers.is_empty() {
        return Ok(Vec::new());
    }
    let headers: Map<String, Value> =
        serde_json::from_slice(headers).map_err(|_| "its headers are no JSON object".to_owned())?;
    let mut texts = Vec::new();
    for (name, value) in headers {
        let values = match value {
            Value::Array(values) => values,
            single => vec![single],
        };
        for value in values {
            let Value::String(text) = value else {
                return Err(format!("the value of header {} is no text", json::shorten(&name)));
            };
            texts.push((name.clone(), text));
        }
    }
    Ok(texts)
}

/// The meaning of a completion without a response.
fn completed(status: i32, payload: &[u8]) -> Result<Reply, Failure> {
    let text = if payload.is_empty() { b"[]" } else { payload };
    let values: Vec<&RawValue> = serde_json::from_slice(text)
        .map_err(|_| Failure::Unreadable("gave an answer that is not a JSON array".to_owned()))?;
    let mut texts = values.iter().map(|value| value.get());
    let mut first = texts.next();
    if status == Status::VALUE_ERROR && first == Some("null") {
        // It says that there was no error; results come behind that.
        first = texts.next();
    } else if status != Status::OK {
        return Err(Failure::Component(first.unwrap_or("null").to_owned()));
    }
    let mut headers = HeaderMap::new();
    let kind = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, kind);
    Ok(Reply {
        status: StatusCode::OK,
        headers,
        body: first.unwrap_or("null").as_bytes().to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(status: u32, headers: &str) -> Result<Reply, Failure> {
        read(Response {
            status,
            headers: headers.as_bytes(),
            body: b"body",
        })
    }

    #[test]
    fn valid_replies_are_sent() {
        let reply = given(
            201,
            r#"{"Content-Type":"text/plain","set-cookie":["a=1","b=2"],"Content-Length":"7","connection":"close"}"#,
        )
        .unwrap();
        assert_eq!((reply.status.as_u16(), &reply.body[..]), (201, &b"body"[..]));
        assert_eq!(reply.headers.get_all("set-cookie").iter().count(), 2);
        assert!(reply.headers.get("content-length").is_none() && reply.headers.get("connection").is_none());
        assert!(given(304, "").unwrap().body.is_empty());
    }

    #[test]
    fn invalid_replies_are_named() {
        for (status, headers, what) in [
            (100, "", "100 is no status"),
            (600, "", "600 is no status"),
            (u32::MAX, "", "4294967295 is no status"),
            (200, "[]", "its headers are no JSON object"),
            (200, "{", "its headers are no JSON object"),
            (200, r#"{"a b":"c"}"#, "the name of header a b"),
            (200, r#"{"a":"b\r\nc: d"}"#, "the value of header a"),
            (200, r#"{"a":1}"#, "the value of header a is no text"),
        ] {
            let Err(Failure::Unreadable(said)) = given(status, headers) else {
                panic!("{status} {headers}");
            };
            assert!(said.ends_with(what), "{said}");
        }
    }

    #[test]
    fn completions_become_replies_or_failures() {
        let reply = completed(Status::OK, br#"[{"a":1.50},2]"#).unwrap();
        assert_eq!(reply.body, br#"{"a":1.50}"#);
        assert_eq!(completed(Status::OK, b"").unwrap().body, b"null");
        assert_eq!(completed(Status::VALUE_ERROR, b"[null]").unwrap().body, b"null");
        let error = br#"[{"message":"m","name":"E"}]"#;
        assert_eq!(
            completed(Status::ERROR, error),
            Err(Failure::Component(r#"{"message":"m","name":"E"}"#.to_owned()))
        );
        assert!(matches!(
            completed(Status::OK, b"{}"),
            Err(Failure::Unreadable(_))
        ));
    }
}
