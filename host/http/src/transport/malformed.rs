//! The answer to bytes that are no HTTP request.
//!
//! Enters: the bytes that the HTTP library writes before the first request was read. Leaves: for the library's own
//! refusals, which have a status and nothing else, the same with a body that says what was wrong. Guarantees: nothing
//! but such a refusal is taken for one.

use super::http::Answer;
use super::refusal;
use http_body_util::BodyExt;
use hyper::StatusCode;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// The text before the status of an answer.
const VERSION: &[u8] = b"HTTP/1.1 ";

/// A refusal of the HTTP library with a body; `None` for everything else.
pub(super) fn explained(bytes: &[u8]) -> Option<Vec<u8>> {
    let status = bytes.strip_prefix(VERSION)?.get(..3)?;
    let status = StatusCode::from_bytes(status)
        .ok()
        .filter(StatusCode::is_client_error)?;
    let problem = match status {
        StatusCode::URI_TOO_LONG => "path and query are too long",
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => "there are too many headers, or they are too long",
        _ => "this is not an HTTP/1.1 request that can be read",
    };
    let answer = refusal::json(status, status.canonical_reason().unwrap_or_default(), problem);
    Some(written(answer))
}

/// An answer as it goes over the wire.
fn written(answer: Answer) -> Vec<u8> {
    let (head, body) = answer.into_parts();
    let mut bytes = format!("HTTP/1.1 {}\r\nconnection: close\r\n", head.status).into_bytes();
    for (name, value) in &head.headers {
        bytes.extend_from_slice(format!("{name}: ").as_bytes());
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    // It is there already: waiting for it ends at once.
    let body = match pin!(body.collect()).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(body)) => body.to_bytes(),
        Poll::Ready(Err(_)) | Poll::Pending => Default::default(),
    };
    bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    bytes.extend_from_slice(&body);
    bytes
}
