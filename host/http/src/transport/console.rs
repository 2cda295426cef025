//! The console over HTTP: its files, and its figures.
//!
//! What enters: a request that was admitted. What leaves: the answer. Guarantees: a browser runs nothing in the page but the
//! files of the console and the client, sends nothing to others, and shows the page in no frame; figures are kept by no cache.

use super::http::{Answer, file, text};
use super::refusal;
use crate::system::console::{Route, figures, route};
use crate::system::query;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use mesh_core::mesh::Mesh;
use mesh_security::Visitor;

/// Whether anybody may have what this path leads to.
pub(super) fn is_open(mesh: &Mesh, path: &str) -> bool {
    mesh.has_console() && matches!(route(path), Some(Route::File(_)))
}

/// Whether the path is one of the console's own.
pub(super) fn serves(mesh: &Mesh, path: &str) -> bool {
    mesh.has_console() && route(path).is_some()
}

/// The answer, if the path is one of the console and there is one.
pub(super) fn answer(head: &Parts, visitor: &Visitor, mesh: &Mesh) -> Option<Answer> {
    if !mesh.has_console() {
        return None;
    }
    let Parts {
        method, uri, headers, ..
    } = head;
    let route = route(uri.path())?;
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Some(refusal::wrong_verb(method, "GET, HEAD"));
    }
    let mut answer = match route {
        Route::File(found) => file(found, headers),
        Route::Figures => {
            let user = visitor.accepted.as_ref().map(|accepted| &*accepted.user.name);
            let pairs = query::pairs(uri.query().unwrap_or_default());
            let describe = pairs.iter().find(|(name, _)| name == "describe");
            let figures = figures(mesh, user, describe.map(|(_, number)| &**number));
            let body = serde_json::to_vec(&figures).unwrap_or_default();
            let mut answer = text(StatusCode::OK, "application/json", body);
            let unkept = HeaderValue::from_static("no-store");
            answer.headers_mut().insert(header::CACHE_CONTROL, unkept);
            answer
        }
    };
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
    Some(answer)
}

/// What the page may do. Not every browser takes `'self'` for websockets of the same place, so these are named.
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
