//! REST requests on the HTTP side of the port: reading them, and writing what the REST component replies.
//!
//! Enters: a request for one of the component's routes. Leaves: a JSON response. Guarantees: a body is read up to a
//! limit and within a time. A body is JSON and says so, since web pages of any origin can send other kinds without
//! asking. Pages of other origins are invited as far as the configuration says, and what others ask for with a cookie
//! alone is refused before.

use super::auth;
use super::body::RequestBody;
use super::cors::Grant;
use super::http::{self, Answer};
use super::target::Target;
use crate::paths::{self, Found};
use crate::system::rest::{self, Reply, Request, Route};
use bytes::Bytes;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use mesh_core::mesh::Mesh;
use std::net::IpAddr;
use std::sync::Arc;

/// Bytes that a body may have.
const LIMIT: usize = 100 * 1024;

/// Answers a request for a route of the REST component.
pub(super) async fn answer(
    route: Route,
    (found, target): (&Found<'_>, &Target<'_>),
    (head, body): (&Parts, &mut RequestBody),
    address: IpAddr,
    mesh: &Arc<Mesh>,
) -> Answer {
    let grant = Grant::of(head, &mesh.origins());
    // Browsers ask before they send, without saying who asks.
    if let Some(answer) = grant.preflight(found.row.verbs.allow) {
        return answer;
    }
    let mut answer = reply(route, (found, target), (head, body), address, mesh).await;
    grant.write(answer.headers_mut());
    answer
}

async fn reply(
    route: Route,
    (found, target): (&Found<'_>, &Target<'_>),
    (head, body): (&Parts, &mut RequestBody),
    address: IpAddr,
    mesh: &Arc<Mesh>,
) -> Answer {
    let principal = match auth::admit(head, target, address, mesh).await {
        Ok(principal) => principal,
        Err(answer) => return answer,
    };
    let verbs = &found.row.verbs;
    match head.method {
        Method::OPTIONS => {
            let mut answer = Response::new(http::Body::default());
            *answer.status_mut() = StatusCode::NO_CONTENT;
            return with_allowed(answer, verbs.allow);
        }
        ref other if !verbs.include(other.as_str()) => {
            let error = format!("{other} is none of {}", verbs.allow);
            return with_allowed(
                answer_of(Reply::failed(405, "Method not allowed", &error)),
                verbs.allow,
            );
        }
        _ => {}
    }
    let body = match read(&head.headers, body).await {
        Ok(body) => body,
        Err(reply) => return answer_of(reply),
    };
    let request = Request {
        verb: head.method.as_str(),
        url: head.uri.path_and_query().map_or("/", |whole| whole.as_str()),
        headers: &http::headers_json(&head.headers),
        body: &body,
        principal,
        documented: paths::documented,
    };
    answer_of(rest::reply(mesh, route, found.below, &request).await)
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
async fn read(headers: &HeaderMap, body: &mut RequestBody) -> Result<Bytes, Reply> {
    let read = match encoding(headers).as_str() {
        "" | "identity" => body.read(LIMIT).await,
        "gzip" | "x-gzip" => body.read_unpacked(LIMIT).await,
        _ if body.is_whole() => return Ok(Bytes::new()),
        other => {
            let problem =
                format!("a body in the encoding {other} is not read here: send it with gzip or as it is");
            return Err(refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, &problem));
        }
    };
    let read = read.map_err(|error| refused(error.status(), &error.to_string()))?;
    if !read.is_empty() {
        check_kind(headers)?;
    }
    Ok(read)
}

/// How the body was packed: what all headers `Content-Encoding` say, in small letters.
fn encoding(headers: &HeaderMap) -> String {
    let encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    let texts: Vec<_> = encodings
        .map(|encoding| {
            String::from_utf8_lossy(encoding.as_bytes())
                .trim()
                .to_ascii_lowercase()
        })
        .collect();
    texts.join(", ")
}

/// A body must say that it is JSON.
fn check_kind(headers: &HeaderMap) -> Result<(), Reply> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default();
    let kind = kind.trim().to_ascii_lowercase();
    match kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json")) {
        true => Ok(()),
        false => Err(refused(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body must be JSON, and the header Content-Type must say so: application/json",
        )),
    }
}
