//! REST requests on the HTTP side of the port: reading them, and writing what the REST component replies.
//!
//! What enters: a request for one of the component's routes. What leaves: a JSON response. Guarantees: a body is read up
//! to a limit and within a time; a body is JSON and says so, since web pages of any origin can send other kinds without
//! asking; pages of other origins are invited as far as the configuration says, and what others ask for with a cookie alone is
//! refused before.

use super::auth;
use super::body;
use super::cors::Grant;
use super::http::{self, Answer};
use super::target::Target;
use crate::mesh::Mesh;
use crate::system::rest::{self, Reply, Request, Route};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use std::net::IpAddr;
use std::sync::Arc;

/// Bytes that a body may have.
const LIMIT: usize = 100 * 1024;

/// Answers a request for a route of the REST component.
pub(super) async fn answer(
    route: &Route,
    target: &Target<'_>,
    (head, body): (Parts, Incoming),
    address: IpAddr,
    mesh: &Arc<Mesh>,
) -> Answer {
    let grant = Grant::of(&head, &mesh.origins());
    // Browsers ask before they send, without saying who asks.
    if let Some(answer) = grant.preflight(route.allowed()) {
        return answer;
    }
    let mut answer = reply(route, target, (head, body), address, mesh).await;
    grant.write(answer.headers_mut());
    answer
}

async fn reply(
    route: &Route,
    target: &Target<'_>,
    (head, body): (Parts, Incoming),
    address: IpAddr,
    mesh: &Arc<Mesh>,
) -> Answer {
    let visitor = match auth::admit(&head, target, address, mesh).await {
        Ok(visitor) => visitor,
        Err(answer) => return answer,
    };
    let allowed = route.allowed();
    match head.method {
        Method::OPTIONS => {
            let mut answer = Response::new(http::Body::default());
            *answer.status_mut() = StatusCode::NO_CONTENT;
            return with_allowed(answer, allowed);
        }
        ref other if !allowed.split(", ").any(|verb| verb == other.as_str()) => {
            let error = format!("{other} is none of {allowed}");
            return with_allowed(
                answer_of(Reply::failed(405, "Method not allowed", &error)),
                allowed,
            );
        }
        _ => {}
    }
    let body = match read(&head.headers, body).await {
        Ok(body) => body,
        Err(reply) => {
            let mut answer = answer_of(reply);
            // What was not read of the body must not be taken for the next request.
            answer
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
            return answer;
        }
    };
    let request = Request {
        verb: head.method.as_str(),
        url: head.uri.path_and_query().map_or("/", |whole| whole.as_str()),
        headers: &http::headers_json(&head.headers),
        body: &body,
        visitor,
    };
    answer_of(rest::reply(mesh, route, &request).await)
}

fn answer_of(reply: Reply) -> Answer {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = http::text(status, "application/json", reply.body);
    // It is for who asked, and a login's holds a token.
    let unkept = HeaderValue::from_static("no-store");
    answer.headers_mut().insert(header::CACHE_CONTROL, unkept);
    answer
}

fn with_allowed(mut answer: Answer, allowed: &'static str) -> Answer {
    answer
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static(allowed));
    answer
}

fn refused(status: StatusCode, error: &str) -> Reply {
    Reply::failed(status.as_u16(), "Failure parsing request body", error)
}

/// The whole body, if it is one that can be read.
async fn read(headers: &HeaderMap, body: Incoming) -> Result<Bytes, Reply> {
    let read = body::read(body, LIMIT).await;
    let read = read.map_err(|error| refused(error.status(), &error.to_string()))?;
    if !read.is_empty() {
        check_kind(headers)?;
    }
    Ok(read)
}

/// A body must say that it is JSON, in a form that can be read here.
fn check_kind(headers: &HeaderMap) -> Result<(), Reply> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase()
    };
    let kind = text(header::CONTENT_TYPE);
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind != "application/json" && !(kind.starts_with("application/") && kind.ends_with("+json")) {
        return Err(refused(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body must be JSON, and the header Content-Type must say so: application/json",
        ));
    }
    match text(header::CONTENT_ENCODING).as_str() {
        "" | "identity" => Ok(()),
        other => Err(refused(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            &format!("a body in the encoding {other} is not read here: send it as it is"),
        )),
    }
}
