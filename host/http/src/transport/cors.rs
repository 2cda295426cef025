//! Answers to browsers about pages of other origins (the Fetch standard, "CORS protocol").
//!
//! Enters: the head of a request, and the origins that the configuration names. Leaves: headers, and the answer to
//! what browsers ask before they let a page send a request. Guarantees: a page of an origin that is not named is
//! invited by nothing. One origin is never told what holds for another, also not by a cache.

use super::http::{Answer, Body};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use mesh_core::mesh::Origins;

/// Seconds for which browsers may remember an answer, and not ask again. So long an origin that was taken out of the
/// configuration can still send requests, whose answers its pages cannot read.
const REMEMBERED: &str = "600";

/// The CORS headers of an answer to one request.
#[derive(Debug)]
pub(super) struct Grant {
    /// The origin that is let in, or `*`.
    admitted: Option<HeaderValue>,
    credentials: bool,
    /// Whether the answer depends on who asks.
    varies: bool,
    /// The headers that a page would like to send; `None` when the request is not about that.
    asked_for: Option<Option<HeaderValue>>,
}

impl Grant {
    /// The rules for a request.
    pub(super) fn of(head: &Parts, origins: &Origins) -> Grant {
        let origin = head.headers.get(header::ORIGIN);
        let text = origin.and_then(|origin| origin.to_str().ok());
        let is_preflight = head.method == Method::OPTIONS
            && text.is_some()
            && head.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        let admitted = origin.filter(|_| text.is_some_and(|text| origins.admits(text)));
        Grant {
            admitted: admitted.map(|origin| match origins.is_any() {
                true => HeaderValue::from_static("*"),
                false => origin.clone(),
            }),
            credentials: text.is_some_and(|text| origins.trusts(text)),
            varies: !origins.is_empty() && !origins.is_any(),
            asked_for: is_preflight.then(|| {
                let headers = head.headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
                headers.cloned()
            }),
        }
    }

    /// The answer to a browser that asks whether it may send what a page wants to send, when these verbs are answered. Other
    /// requests have none here.
    pub(super) fn preflight(&self, allowed: &'static str) -> Option<Answer> {
        let asked_for = self.asked_for.as_ref()?;
        let mut answer = Response::new(Body::default());
        *answer.status_mut() = StatusCode::NO_CONTENT;
        let headers = answer.headers_mut();
        headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
        if self.admitted.is_some() {
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_METHODS,
                HeaderValue::from_static(allowed),
            );
            if let Some(asked_for) = asked_for {
                headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked_for.clone());
            }
            headers.insert(
                header::ACCESS_CONTROL_MAX_AGE,
                HeaderValue::from_static(REMEMBERED),
            );
        }
        self.write(headers);
        Some(answer)
    }

    /// Adds what every answer has to say.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        if self.varies {
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
        }
        let Some(admitted) = &self.admitted else { return };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, admitted.clone());
        if self.credentials {
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            );
        }
    }
}
