//! The HTTP side of a secure mesh: who asks, whether that is allowed, and logging in without a websocket (docs/protocol.md
//! 10, docs/mesh-protocol.md 9).
//!
//! Enters: the head of a request. Leaves: a [`WebPrincipal`] who may go on, or the answer. Guarantees: every path is
//! checked, also one that does not exist, except those that anybody may use. Tokens are nowhere but in the answer to
//! a login.

use super::http::{Answer, is_forwarded, text};
use super::page::Barred;
use super::target::Target;
use super::{csrf, refusal};
use crate::paths::{Access, Authentication, Handler};
use crate::query;
use hyper::ext::ReasonPhrase;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{StatusCode, Uri};
use mesh_core::mesh::Mesh;
use mesh_security::permission::Action;
use mesh_security::{Accepted, Asking, Credentials, Denied, Offer, Security, WebPrincipal};
use mesh_session::Expiry;
use mesh_wire::protocol::{HttpRefusal, WireError, json};
use std::net::IpAddr;
use std::time::Instant;

/// Names of the cookie and of the query's parameter that carry a token.
const COOKIES: [&str; 2] = ["happn_token", "happn_token_https"];
/// The text of the first line of an answer.
const REASON: &[u8] = b"unauthorized access";
const NO_TOKEN: &str = "invalid token format or null token";

/// Says who asks, or answers.
pub(super) async fn admit(
    head: &Parts,
    target: &Target<'_>,
    address: IpAddr,
    mesh: &Mesh,
) -> Result<WebPrincipal, Answer> {
    let mut principal = WebPrincipal {
        accepted: None,
        expiry: None,
        address,
        is_forwarded: is_forwarded(&head.headers),
        dialect: mesh.sessions().dialect_over_http(address),
    };
    let Some(security) = mesh.security() else {
        return Ok(principal);
    };
    let path = head.uri.path();
    if let Some(answer) = own_path(head, target, &principal, mesh, security).await {
        return Err(answer);
    }
    let token = token_of(&head.uri, &head.headers);
    if csrf::is_forged(head, target, mesh) {
        let user = token
            .as_deref()
            .and_then(|token| holder_of(token, &principal, security).ok());
        let user = user
            .map(|accepted| accepted.user.name.to_string())
            .unwrap_or_default();
        tracing::info!(target: "audit", event = "denied", user, path = &*json::shorten(path), reason = "page of another origin", "denied");
        return Err(forged());
    }
    let holder = token
        .as_deref()
        .map(|token| holder_of(token, &principal, security));
    if is_open(path, target, mesh) {
        let is_request = matches!(target, Target::Place(_)) || target.is_call();
        let holder = holder.map(|holder| match holder {
            Ok(accepted) if is_request => note_request(&accepted).map(|()| accepted),
            other => other,
        });
        match holder {
            Some(Ok(accepted)) => principal.accepted = Some(accepted),
            Some(Err(Denied::Expired(expiry))) => principal.expiry = Some(expiry),
            Some(Err(_)) | None => {}
        }
        return Ok(principal);
    }
    let accepted = match holder {
        Some(Ok(accepted)) => accepted,
        // A user whose login does not hold any more has no permissions.
        Some(Err(Denied::Revoked(_) | Denied::Credentials)) => return Err(forbidden(head)),
        Some(Err(Denied::Expired(expiry))) => {
            let session = token
                .as_deref()
                .and_then(|token| security.session_of_token(token));
            let username = session.map(|(_, username)| username).unwrap_or_default();
            return Err(expired(head, &principal, expiry, &username));
        }
        Some(Err(denied)) => return Err(unknown(head, &principal, Some(&denied))),
        None => return Err(unknown(head, &principal, None)),
    };
    if let Err(expiry) = accepted.login.note_request(Instant::now()) {
        return Err(expired(head, &principal, expiry, &accepted.user.name));
    }
    let wanted = format!("/@HTTP{path}");
    let action = Action::of_verb(head.method.as_str());
    let access = security.access_of_login(&accepted.login);
    // A path has other spellings that lead to the same place; what is said of that place holds for all of them.
    let canonical = match target {
        Target::Fixed(found) => Some(format!("/@HTTP{}", found.row.path)),
        Target::Place(place) => Some(format!("/@HTTP{}", place.canonical)),
        Target::Nothing => None,
    };
    let may = access.is_some_and(|access| {
        let allows = |path: &str| security.allows(&access, action, path);
        allows(&wanted) && canonical.as_deref().is_none_or(allows)
    });
    if !may {
        tracing::info!(target: "audit", event = "denied", user = &*accepted.user.name, action = head.method.as_str(), path = &*json::shorten(path), "denied");
        return Err(forbidden(head));
    }
    let who = Asking {
        user: &accepted.user.name,
        session: &accepted.login.session_id,
        on_behalf_of: None,
    };
    security.settings().audited.note(action, &wanted, who);
    principal.accepted = Some(accepted);
    Ok(principal)
}

/// The refusal for a page of another origin, in the browser of a user who is logged in.
fn forged() -> Answer {
    let message =
        "a page of another origin cannot do this with a cookie: send the token in the header Authorization";
    let error = WireError::access_denied(message);
    outcome(StatusCode::FORBIDDEN, "Access denied", None, Some(&error))
}

/// The client that shows a principal's token, with its address.
fn holder_of(token: &str, principal: &WebPrincipal, security: &Security) -> Result<Accepted, Denied> {
    let accepted = security.holder_of(token, principal.address)?;
    security.check_forwarded(&accepted.user.name, principal.is_forwarded)?;
    Ok(accepted)
}

/// Counts a request as one that a token was used for.
fn note_request(accepted: &Accepted) -> Result<(), Denied> {
    accepted
        .login
        .note_request(Instant::now())
        .map_err(Denied::Expired)
}

/// Whether anybody may have what serves the path: what the host serves itself by its name, everything else by configuration.
fn is_open(path: &str, target: &Target<'_>, mesh: &Mesh) -> bool {
    match target {
        Target::Place(place) => place.is_open(path, mesh.site()),
        Target::Fixed(found) => found.row.access != Access::Permission,
        Target::Nothing => false,
    }
}

/// Answers what is about logging in, and nothing else.
async fn own_path(
    head: &Parts,
    target: &Target<'_>,
    principal: &WebPrincipal,
    mesh: &Mesh,
    security: &Security,
) -> Option<Answer> {
    let Target::Fixed(found) = target else { return None };
    let Handler::Authentication(asked) = found.row.handler else {
        return None;
    };
    let pairs = query::of(&head.uri);
    Some(match asked {
        Authentication::LogIn => log_in(&pairs, principal, security).await,
        Authentication::RequestNonce => nonce(&pairs, security),
        Authentication::LogOut if csrf::is_of_other_origin_with_cookie(head) => forged(),
        Authentication::LogOut => log_out(head, principal, mesh, security).await,
    })
}

/// The value of the first parameter that has one of these names, in letters of any size.
fn parameter(pairs: &[(String, String)], names: &[&str]) -> Option<String> {
    let named = |(name, _): &&(String, String)| names.iter().any(|known| name.eq_ignore_ascii_case(known));
    pairs.iter().find(named).map(|(_, value)| value.clone())
}

const PUBLIC_KEYS: [&str; 5] = ["publicKey", "public_key", "public", "key", "public-key"];

async fn log_in(pairs: &[(String, String)], principal: &WebPrincipal, security: &Security) -> Answer {
    let credentials = Credentials::from(Offer {
        username: parameter(pairs, &["username", "user", "u"]),
        password: parameter(pairs, &["password", "pwd", "pass", "p"]),
        token: parameter(pairs, &["token", "happn_token", "t"]),
        public_key: parameter(pairs, &PUBLIC_KEYS),
        digest: parameter(pairs, &["digest"]),
        auth_type: parameter(pairs, &["authType"]),
    });
    match security
        .login_from(credentials, &principal.client(), principal.is_forwarded)
        .await
    {
        Ok(accepted) => outcome(
            StatusCode::OK,
            "login successful",
            Some(&accepted.login.token),
            None,
        ),
        Err(denied) => {
            let error = denied.to_wire(principal.dialect);
            let status = match (&denied, error.code()) {
                (Denied::Busy | Denied::Provider, _) => StatusCode::SERVICE_UNAVAILABLE,
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

async fn log_out(head: &Parts, principal: &WebPrincipal, mesh: &Mesh, security: &Security) -> Answer {
    if !security.settings().http_logout {
        let error = WireError::access_denied("logouts over http are not allowed");
        return outcome(StatusCode::FORBIDDEN, "logout failed", None, Some(&error));
    }
    let Some(token) = token_of(&head.uri, &head.headers) else {
        return unknown(head, principal, None);
    };
    let accepted = match holder_of(&token, principal, security) {
        Ok(accepted) => accepted,
        Err(denied) => return unknown(head, principal, Some(&denied)),
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
    let mut answer = text(status, "application/json", body);
    let unkept = HeaderValue::from_static("no-store");
    answer.headers_mut().insert(header::CACHE_CONTROL, unkept);
    answer
}

/// The answer to a request without a token, or with one that does not hold.
fn unknown(head: &Parts, principal: &WebPrincipal, denied: Option<&Denied>) -> Answer {
    let refusal = principal.dialect.http_refusal();
    let body = match denied {
        None if refusal == HttpRefusal::Forbidden => "happn_token cookie missing in request".to_owned(),
        None | Some(Denied::Token) => NO_TOKEN.to_owned(),
        Some(denied) => format!("authorization failed: {denied}"),
    };
    if refusal == HttpRefusal::Forbidden {
        let answer = refusal::known_as_text(&head.headers, StatusCode::FORBIDDEN, body);
        return with_reason(answer);
    }
    challenged(head, body)
}

fn challenged(head: &Parts, body: String) -> Answer {
    let mut answer = refusal::known_as_text(&head.headers, StatusCode::UNAUTHORIZED, body);
    answer
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("happn-auth"));
    with_reason(answer)
}

/// The answer to a request with a token that does not hold any more. The user whom it names is who showed it.
fn expired(head: &Parts, principal: &WebPrincipal, expiry: Expiry, username: &str) -> Answer {
    if principal.dialect.http_refusal() == HttpRefusal::Forbidden {
        return forbidden(head);
    }
    let body = format!("authorization failed for {username}: {}", expiry.message());
    challenged(head, body)
}

/// The answer to a user who may not have what is at a path.
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
    answer.extensions_mut().insert(Barred);
    answer
}

/// The token of a request: from its query, a cookie, or its `Authorization`.
pub(super) fn token_of(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let of_query = parameter(&query::of(uri), &["happn_token"]);
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
    // A browser adds its cookie, old or not, to what says by itself who asks.
    of_query
        .filter(|token| !token.is_empty())
        .or_else(of_bearer)
        .or_else(of_cookie)
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
