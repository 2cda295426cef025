//! How a request that cannot be served is refused.
//!
//! Enters: a request's head and what is wrong with it. Leaves: an answer with a status of 400 and more. Guarantees:
//! programs get JSON of the one form that failures have, `{"message","data","error":{"message"}}`; people who look with a browser
//! get text. Where clients of real servers compare a text, they get that text unless they ask for JSON.

use super::http::{Answer, text};
use super::target::Target;
use crate::paths::Refused;
use crate::system::rest::Reply;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode, Version};

const JSON: &str = "application/json";
const TEXT: &str = "text/plain";

/// Bytes that path and query may have together; what belongs to a call and is longer has its place in the body.
const LONGEST_TARGET: usize = 16 * 1024;

/// Why a request is refused before anybody looks at what it is about, if it is.
pub(super) fn of_head(head: &Parts) -> Option<Answer> {
    if head.method == Method::CONNECT {
        let problem = "CONNECT is for proxies, and this is none";
        return Some(json(StatusCode::BAD_REQUEST, "Bad request", problem));
    }
    let hosts = head.headers.get_all(header::HOST).iter().count();
    // RFC 9112, section 3.2.
    let problem = match hosts {
        0 if head.version == Version::HTTP_11 && head.uri.authority().is_none() => {
            Some("the header Host is missing")
        }
        0 | 1 => None,
        _ => Some("the header Host is there more than once"),
    };
    if let Some(problem) = problem {
        return Some(json(StatusCode::BAD_REQUEST, "Bad request", problem));
    }
    if let Some(answer) = of_framing(head) {
        return Some(answer);
    }
    let length = head
        .uri
        .path_and_query()
        .map_or(0, |target| target.as_str().len());
    (length > LONGEST_TARGET).then(|| {
        let problem = format!("path and query have {length} bytes, and may have {LONGEST_TARGET}");
        json(StatusCode::URI_TOO_LONG, "URI too long", &problem)
    })
}

/// The refusal of a body whose end a proxy in front might see elsewhere, or that is to be sent under conditions nobody knows.
fn of_framing(head: &Parts) -> Option<Answer> {
    let is_chunked = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    let mut codings = head.headers.get_all(header::TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next() {
        if head.version == Version::HTTP_10 {
            let problem = "Transfer-Encoding is not for HTTP/1.0";
            return Some(json(StatusCode::BAD_REQUEST, "Bad request", problem));
        }
        if !is_chunked(coding) || codings.next().is_some() {
            let problem = "Transfer-Encoding may be chunked, once";
            return Some(json(StatusCode::NOT_IMPLEMENTED, "Not implemented", problem));
        }
    }
    let is_known = |expected: &HeaderValue| expected.as_bytes().eq_ignore_ascii_case(b"100-continue");
    let mut expected = head.headers.get_all(header::EXPECT).iter();
    (!expected.all(is_known)).then(|| {
        let problem = "nothing but 100-continue can be expected";
        json(StatusCode::EXPECTATION_FAILED, "Expectation failed", problem)
    })
}

/// The refusal of a body whose end two headers put at different places.
pub(super) fn of_two_ends() -> Answer {
    let problem = "Content-Length and Transfer-Encoding exclude each other";
    json(StatusCode::BAD_REQUEST, "Bad request", problem)
}

/// The refusal of a verb that is refused whoever asks.
pub(super) fn of_verb(verb: &Method, target: &Target<'_>) -> Option<Answer> {
    let Target::Fixed(found) = target else { return None };
    let verbs = &found.row.verbs;
    let is_refused = verbs.refused == Refused::AtOnce && !verbs.include(verb.as_str());
    is_refused.then(|| wrong_verb(verb, verbs.allow))
}

/// The refusal of a verb where others are answered.
pub(super) fn wrong_verb(verb: &Method, allowed: &'static str) -> Answer {
    let problem = format!("{verb} is none of {allowed}");
    let mut answer = json(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed", &problem);
    let headers = answer.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
    answer
}

/// Nothing is there.
pub(super) fn not_found(method: &Method, path: &str, headers: &HeaderMap) -> Answer {
    let message = format!("Cannot {method} {path}");
    match accepts(headers, "text/html") {
        true => text(StatusCode::NOT_FOUND, TEXT, message + "\n"),
        false => json(StatusCode::NOT_FOUND, &message, "there is nothing at this path"),
    }
}

/// A refusal as a text, as clients of real servers know it; as JSON where the client asks for it.
pub(super) fn known_as_text(headers: &HeaderMap, status: StatusCode, message: String) -> Answer {
    match asks_for_json(headers) {
        true => json(status, &message, &message),
        false => text(status, TEXT, message),
    }
}

/// A refusal as programs read it.
pub(super) fn json(status: StatusCode, message: &str, problem: &str) -> Answer {
    text(
        status,
        JSON,
        Reply::failed(status.as_u16(), message, problem).body,
    )
}

/// Whether the client asks for JSON by its name.
pub(super) fn asks_for_json(headers: &HeaderMap) -> bool {
    accepts(headers, JSON)
}

/// Whether a kind of text is asked for by its name.
fn accepts(headers: &HeaderMap, kind: &str) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter();
    let mut kinds = accepted
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|part| part.split(';').next());
    kinds.any(|part| part.trim().eq_ignore_ascii_case(kind))
}
