//! The HTTP side of a secure mesh: who asks, whether that is allowed, and logging in without a websocket (PROTOCOL.md section
//! 10, MESH.md section 9).
//!
//! What enters: the head of a request. What leaves: a [`Visitor`] who may go on, or the answer. Guarantees: every path is
//! checked, also one that does not exist, except those that anybody may use; tokens are nowhere but in the answer to a login.

use super::console;
use super::http::{Answer, text};
use super::refusal;
use crate::mesh::Mesh;
use crate::protocol::{WireError, json};
use crate::security::permission::Action;
use crate::security::{Accepted, Credentials, Denied, Security, Visitor};
use crate::system::query;
use crate::system::rest::{self, Route};
use crate::web::{self, Place, Served};
use hyper::ext::ReasonPhrase;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode, Uri};
use std::net::IpAddr;
use std::time::Instant;

/// Names of the cookie and of the query's parameter that carry a token.
const COOKIES: [&str; 2] = ["happn_token", "happn_token_https"];
/// What clients are told in the first line.
const REASON: &[u8] = b"unauthorized access";
const NO_TOKEN: &str = "invalid token format or null token";
/// Paths that anybody may use, in small letters; what ends with a star, with all below it.
const OPEN: [&str; 13] = [
    "/api/client.js",
    "/api/client.mjs",
    "/api/client.d.ts",
    "/healthz",
    "/readyz",
    "/ping",
    "/version",
    "/browser_client",
    "/browser_primus.js",
    "/api/client",
    "/rest/login",
    "/rest/method/*",
    "/primus*",
];

/// Says who asks, or answers.
pub(super) async fn admit(head: &Parts, address: IpAddr, mesh: &Mesh) -> Result<Visitor, Answer> {
    let mut visitor = Visitor {
        accepted: None,
        address,
        is_first_generation: mesh.sessions().spoke_first_generation(address),
    };
    let Some(security) = mesh.security() else {
        return Ok(visitor);
    };
    let path = head.uri.path();
    if let Some(answer) = own_path(head, &visitor, mesh, security).await {
        return Err(answer);
    }
    let token = token_of(&head.uri, &head.headers);
    let place = web::find(mesh, path);
    if may_change_something(mesh, head, place.as_ref()) && is_lured(head) && !is_trusted(head, mesh) {
        let user = token
            .as_deref()
            .and_then(|token| security.holder_of(token, address).ok());
        let user = user
            .map(|accepted| accepted.user.name.to_string())
            .unwrap_or_default();
        tracing::info!(target: "audit", event = "denied", user, path = &*json::shorten(path), reason = "page of another origin", "denied");
        let message = "a page of another origin cannot do this with a cookie: send the token in the header Authorization";
        let error = WireError::access_denied(message);
        return Err(outcome(
            StatusCode::FORBIDDEN,
            "Access denied",
            None,
            Some(&error),
        ));
    }
    let holder = token.as_deref().map(|token| security.holder_of(token, address));
    if is_open(path, mesh) || console::is_open(mesh, path) {
        let is_request = place.is_some() || matches!(rest::route(mesh, path), Some(Route::Method(_)));
        let may_go_on = |accepted: &Accepted| !is_request || note_request(accepted).is_ok();
        visitor.accepted = holder.and_then(Result::ok).filter(may_go_on);
        return Ok(visitor);
    }
    let accepted = match holder {
        Some(Ok(accepted)) => accepted,
        // Who was let in once, and is not any more, is somebody without permissions.
        Some(Err(Denied::Revoked(_) | Denied::Credentials)) => return Err(forbidden(head)),
        Some(Err(denied)) => return Err(unknown(head, &visitor, Some(&denied))),
        None => return Err(unknown(head, &visitor, None)),
    };
    note_request(&accepted).map_err(|denied| unknown(head, &visitor, Some(&denied)))?;
    let wanted = format!("/@HTTP{path}");
    let action = Action::of_verb(head.method.as_str());
    let access = security.access_of(&accepted.user.name);
    // A path has other spellings that lead to the same place; what is said of that place holds for all of them.
    let canonical = match rest::route(mesh, path) {
        Some(Route::Describe) => Some("/@HTTP/rest/describe".to_owned()),
        Some(Route::OpenApi) => Some("/@HTTP/rest/openapi.json".to_owned()),
        Some(Route::Login | Route::Method(_)) => None,
        None => place.map(|place| format!("/@HTTP{}", place.canonical)),
    };
    let may = access.is_some_and(|access| {
        let allows = |path: &str| security.allows(&access, action, path);
        allows(&wanted) && canonical.as_deref().is_none_or(allows)
    });
    if !may {
        tracing::info!(target: "audit", event = "denied", user = &*accepted.user.name, action = head.method.as_str(), path = &*json::shorten(path), "denied");
        return Err(forbidden(head));
    }
    visitor.accepted = Some(accepted);
    Ok(visitor)
}

/// Counts a request as one that a token was used for.
fn note_request(accepted: &Accepted) -> Result<(), Denied> {
    accepted
        .login
        .note_request(Instant::now())
        .map_err(Denied::Lapsed)
}

/// Whether a request calls a method, or asks a component for something that is more than reading.
fn may_change_something(mesh: &Mesh, head: &Parts, place: Option<&Place<'_>>) -> bool {
    if let Some(route) = rest::route(mesh, head.uri.path()) {
        return matches!(route, Route::Method(_));
    }
    let is_route = matches!(
        place,
        Some(Place {
            served: Served::Route { .. },
            ..
        })
    );
    is_route && !matches!(head.method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whether a browser sends the request for a page of another origin, with nothing but the cookie to say who asks: browsers add
/// that by themselves.
fn is_lured(head: &Parts) -> bool {
    let mut without = head.headers.clone();
    let has_cookie = without.remove(header::COOKIE).is_some();
    has_cookie && token_of(&head.uri, &without).is_none() && is_of_other_origin(&head.headers)
}

/// Whether the configuration lets pages of the request's origin act with a cookie.
fn is_trusted(head: &Parts, mesh: &Mesh) -> bool {
    let origin = head.headers.get(header::ORIGIN);
    origin
        .and_then(|origin| origin.to_str().ok())
        .is_some_and(|origin| mesh.origins().trusts(origin))
}

/// Whether a page of another origin asks. Where nothing is said of an origin, no browser of today asks for a page.
fn is_of_other_origin(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    // Pages cannot change this one, and proxies do not.
    if let Some(site) = text("sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text("origin") else {
        return false;
    };
    let authority = origin.split_once("://").map_or("", |(_, authority)| authority);
    authority.is_empty() || !text("host").is_some_and(|host| host.eq_ignore_ascii_case(authority))
}

fn is_open(path: &str, mesh: &Mesh) -> bool {
    if mesh.site().is_open(path) {
        return true;
    }
    let path = path.to_ascii_lowercase();
    let names = [mesh.name(), mesh.domain()].map(|name| format!("/{}", name.to_ascii_lowercase()));
    let below = names.iter().find_map(|name| {
        path.strip_prefix(name.as_str())
            .filter(|rest| rest.starts_with('/'))
    });
    let matches = |path: &str| {
        OPEN.iter().any(|open| match open.strip_suffix('*') {
            Some(start) => path.starts_with(start),
            None => path == *open,
        })
    };
    matches(&path) || below.is_some_and(|below| below.starts_with("/rest/") && matches(below))
}

/// Answers what is about logging in, and nothing else.
async fn own_path(head: &Parts, visitor: &Visitor, mesh: &Mesh, security: &Security) -> Option<Answer> {
    let pairs = query::pairs(head.uri.query().unwrap_or_default());
    match head.uri.path().to_ascii_lowercase().as_str() {
        "/auth/login" => Some(log_in(&pairs, visitor, security).await),
        "/auth/request-nonce" => Some(nonce(&pairs, security)),
        "/auth/logout" => Some(log_out(head, visitor, mesh, security).await),
        _ => None,
    }
}

/// The value of the first parameter that has one of these names, in letters of any size.
fn parameter(pairs: &[(String, String)], names: &[&str]) -> Option<String> {
    let named = |(name, _): &&(String, String)| names.iter().any(|known| name.eq_ignore_ascii_case(known));
    pairs.iter().find(named).map(|(_, value)| value.clone())
}

const PUBLIC_KEYS: [&str; 5] = ["publicKey", "public_key", "public", "key", "public-key"];

async fn log_in(pairs: &[(String, String)], visitor: &Visitor, security: &Security) -> Answer {
    let username = parameter(pairs, &["username", "user", "u"]);
    let password = parameter(pairs, &["password", "pwd", "pass", "p"]);
    let token = parameter(pairs, &["token", "happn_token", "t"]);
    let public_key = parameter(pairs, &PUBLIC_KEYS);
    let digest = parameter(pairs, &["digest"]);
    let credentials = match (username, password, token, public_key.zip(digest)) {
        (_, _, Some(token), _) => Credentials::Token(token),
        (Some(username), _, _, Some((public_key, digest))) => Credentials::Digest {
            username,
            public_key,
            digest,
        },
        (Some(username), Some(password), ..) => Credentials::Password { username, password },
        _ => Credentials::Nothing,
    };
    match security.login(credentials, &visitor.client()).await {
        Ok(accepted) => outcome(
            StatusCode::OK,
            "login successful",
            Some(&accepted.login.token),
            None,
        ),
        Err(denied) => {
            let error = denied.to_wire(visitor.dialect());
            let status = match (&denied, error.code()) {
                (Denied::Busy, _) => StatusCode::SERVICE_UNAVAILABLE,
                (_, Some(401)) => StatusCode::UNAUTHORIZED,
                _ => StatusCode::FORBIDDEN,
            };
            outcome(status, "login failed", None, Some(&error))
        }
    }
}

fn nonce(pairs: &[(String, String)], security: &Security) -> Answer {
    let Some(key) = parameter(pairs, &PUBLIC_KEYS).filter(|key| !key.is_empty()) else {
        let error = WireError::plain("no public key with request");
        return outcome(
            StatusCode::BAD_REQUEST,
            "request for nonce failed",
            None,
            Some(&error),
        );
    };
    match security.nonce(&key) {
        Some(nonce) => outcome(StatusCode::OK, "nonce generated", Some(&nonce), None),
        None => {
            let error = WireError::plain("that is no public key");
            outcome(
                StatusCode::BAD_REQUEST,
                "request for nonce failed",
                None,
                Some(&error),
            )
        }
    }
}

async fn log_out(head: &Parts, visitor: &Visitor, mesh: &Mesh, security: &Security) -> Answer {
    if !security.settings().http_logout {
        let error = WireError::access_denied("logouts over http are not allowed");
        return outcome(StatusCode::FORBIDDEN, "logout failed", None, Some(&error));
    }
    let Some(token) = token_of(&head.uri, &head.headers) else {
        return unknown(head, visitor, None);
    };
    let accepted = match security.holder_of(&token, visitor.address) {
        Ok(accepted) => accepted,
        Err(denied) => return unknown(head, visitor, Some(&denied)),
    };
    let id = &accepted.login.session_id;
    let revoked = match mesh.revoke_session((id, Some(&token)), "logged out", &accepted.user.name) {
        Ok(commit) => mesh.committed(commit).await,
        Err(error) => Err(error),
    };
    // Where it cannot be kept it counts all the same, until the host stops.
    mesh.expel_sessions_of(id);
    if let Err(error) = revoked {
        let error = WireError::system(error.to_string());
        return outcome(
            StatusCode::INTERNAL_SERVER_ERROR,
            "logout failed",
            None,
            Some(&error),
        );
    }
    outcome(StatusCode::OK, "logout successful", Some(&token), None)
}

/// A body with the spaces that real servers put there.
fn outcome(status: StatusCode, message: &str, data: Option<&str>, error: Option<&WireError>) -> Answer {
    let mut body = String::from(r#"{"message":"#);
    json::write_string(&mut body, message);
    body.push_str(r#", "data":"#);
    match data {
        Some(data) => json::write_string(&mut body, data),
        None => body.push_str("null"),
    }
    body.push_str(r#", "error":"#);
    match error {
        Some(error) => error.write(&mut body),
        None => body.push_str("null"),
    }
    body.push('}');
    text(status, "application/json", body)
}

/// What somebody is told who has no token, or one that does not hold.
fn unknown(head: &Parts, visitor: &Visitor, denied: Option<&Denied>) -> Answer {
    let body = match denied {
        None if visitor.is_first_generation => "happn_token cookie missing in request".to_owned(),
        None | Some(Denied::Token) => NO_TOKEN.to_owned(),
        Some(denied) => format!("authorization failed: {denied}"),
    };
    if visitor.is_first_generation {
        let answer = refusal::known_as_text(&head.headers, StatusCode::FORBIDDEN, body);
        return with_reason(answer);
    }
    let mut answer = refusal::known_as_text(&head.headers, StatusCode::UNAUTHORIZED, body);
    answer
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("happn-auth"));
    with_reason(answer)
}

/// What somebody is told who may not have what is at a path.
fn forbidden(head: &Parts) -> Answer {
    let message = format!("unauthorized access to path /@HTTP{}", head.uri.path());
    with_reason(refusal::known_as_text(
        &head.headers,
        StatusCode::FORBIDDEN,
        message,
    ))
}

fn with_reason(mut answer: Answer) -> Answer {
    answer.extensions_mut().insert(ReasonPhrase::from_static(REASON));
    answer
}

/// The token of a request: from its query, a cookie, or its `Authorization`.
fn token_of(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let of_query = parameter(&query::pairs(uri.query().unwrap_or_default()), &["happn_token"]);
    let of_cookie = || {
        let cookies = headers.get_all(header::COOKIE).iter();
        let pairs = cookies
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'));
        let mut named = pairs.filter_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            COOKIES
                .contains(&name.trim())
                .then(|| query::decode(value.trim().trim_matches('"')))
        });
        named.find(|token| !token.is_empty())
    };
    let of_bearer = || {
        let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = value.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then(|| token.trim().to_owned())
    };
    of_query
        .filter(|token| !token.is_empty())
        .or_else(of_cookie)
        .or_else(of_bearer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            (
                header::HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        pairs.collect()
    }

    #[test]
    fn pages_of_other_origins_are_told_by_their_headers() {
        for (pairs, expected) in [
            (&[][..], false),
            (&[("host", "a:1"), ("origin", "http://a:1")], false),
            (&[("host", "A.org"), ("origin", "https://a.org")], false),
            (&[("host", "a:1"), ("origin", "http://a:2")], true),
            (&[("host", "a:1"), ("origin", "http://evil.org")], true),
            (&[("host", "a:1"), ("origin", "null")], true),
            (&[("origin", "http://a:1")], true),
            (&[("sec-fetch-site", "cross-site")], true),
            (&[("sec-fetch-site", "same-site")], true),
            (&[("sec-fetch-site", "none")], false),
            (
                &[
                    ("sec-fetch-site", "same-origin"),
                    ("host", "inside"),
                    ("origin", "https://a.org"),
                ],
                false,
            ),
        ] {
            assert_eq!(is_of_other_origin(&headers(pairs)), expected, "{pairs:?}");
        }
    }

    #[test]
    fn tokens_are_found_wherever_clients_put_them() {
        for (uri, pairs, expected) in [
            ("/x?happn_token=a.b.c", &[][..], Some("a.b.c")),
            ("/x?y=1", &[("cookie", "a=1; happn_token=t")], Some("t")),
            ("/x", &[("cookie", "happn_token_https=s")], Some("s")),
            ("/x", &[("authorization", "BEARER  t ")], Some("t")),
            ("/x", &[("authorization", "Basic dTpw")], None),
            ("/x?happn_token=", &[("cookie", "happn_token=")], None),
            ("/x", &[("cookie", "xhappn_token=t")], None),
        ] {
            let uri: Uri = uri.parse().unwrap();
            assert_eq!(
                token_of(&uri, &headers(pairs)).as_deref(),
                expected,
                "{uri} {pairs:?}"
            );
        }
    }
}
