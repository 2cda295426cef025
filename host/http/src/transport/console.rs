//! The console over HTTP: its files, and its figures.
//!
//! Enters: a request that was admitted. Leaves: the answer. Guarantees: a browser runs nothing in the page but the
//! files of the console and the client. It sends nothing to others, and shows the page in no frame. Figures are kept
//! by no cache.

use super::http::{self, Answer};
use super::refusal;
use crate::paths::FixedPath;
use crate::query;
use crate::system::console;
use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use mesh_core::mesh::Mesh;
use mesh_security::WebPrincipal;

/// The answer to a request for a file of the console.
pub(super) fn file(head: &Parts, row: &FixedPath) -> Option<Answer> {
    let found = console::file(head.uri.path())?;
    Some(refused(head, row).unwrap_or_else(|| bounded(http::file(found, &head.headers), &head.headers)))
}

/// The answer to a request for what the console shows.
pub(super) fn figures(head: &Parts, row: &FixedPath, principal: &WebPrincipal, mesh: &Mesh) -> Answer {
    if let Some(refusal) = refused(head, row) {
        return refusal;
    }
    let user = principal.accepted.as_ref().map(|accepted| &*accepted.user.name);
    let pairs = query::of(&head.uri);
    let describe = pairs.iter().find(|(name, _)| name == "describe");
    let figures = console::figures(mesh, user, describe.map(|(_, number)| &**number));
    let body = serde_json::to_vec(&figures).unwrap_or_default();
    let mut answer = http::text(StatusCode::OK, "application/json", body);
    let unkept = HeaderValue::from_static("no-store");
    answer.headers_mut().insert(header::CACHE_CONTROL, unkept);
    bounded(answer, &head.headers)
}

fn refused(head: &Parts, row: &FixedPath) -> Option<Answer> {
    let verb = &head.method;
    (!row.verbs.include(verb.as_str())).then(|| refusal::wrong_verb(verb, row.verbs.allow))
}

/// An answer that says what a browser may do with it.
fn bounded(mut answer: Answer, headers: &HeaderMap) -> Answer {
    let out = answer.headers_mut();
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in fixed {
        out.insert(name, HeaderValue::from_static(value));
    }
    out.insert(
        "cross-origin-resource-policy",
        HeaderValue::from_static("same-origin"),
    );
    out.insert(
        "cross-origin-opener-policy",
        HeaderValue::from_static("same-origin"),
    );
    if let Ok(policy) = HeaderValue::from_str(&policy(headers)) {
        out.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    answer
}

/// The rights of the page. Not every browser takes `'self'` for websockets of the same place, so these are named.
fn policy(headers: &HeaderMap) -> String {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .filter(|host| !host.is_empty() && host.bytes().all(is_of_authority));
    let sockets = host.map_or_else(String::new, |host| format!(" ws://{host} wss://{host}"));
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'{sockets}; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// Whether a byte can stand in the name and port of a host, and ends no part of a policy.
fn is_of_authority(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy_for(host: &'static str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static(host));
        policy(&headers)
    }

    #[test]
    fn the_policy_names_the_websockets_of_the_same_place_and_nothing_else() {
        assert!(
            policy_for("mesh.example:55000")
                .contains("'self' ws://mesh.example:55000 wss://mesh.example:55000;")
        );
        assert!(policy_for("[::1]:55000").contains(" ws://[::1]:55000 "));
        for host in ["a; script-src *", "a b", "a,b", "a'b", ""] {
            assert!(
                policy_for(host).contains("connect-src 'self'; base-uri"),
                "{host}"
            );
        }
    }
}
