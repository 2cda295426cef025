//! Requests for web routes and folders on the HTTP side of the port.
//!
//! Enters: a request, and the place that serves it. Leaves: the response. Guarantees: errors of the host's own are
//! JSON and name what is wrong. A body is read up to the configured limit. A component that fails is that request's
//! error.

use super::body::RequestBody;
use super::http::{self, Answer, Body};
use super::refusal;
use crate::web::{self, Failure, Place, Request, Served};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use mesh_core::mesh::{Mesh, WebFolder};
use mesh_security::WebPrincipal;
use std::sync::Arc;

/// Answers a request for something that is there.
pub(super) async fn answer(
    place: &Place<'_>,
    (head, body): (&Parts, &mut RequestBody),
    principal: &WebPrincipal,
    mesh: &Arc<Mesh>,
) -> Answer {
    match &place.served {
        Served::Folder(folder) => file(place, folder, head, mesh).await,
        // Credentials that a browser adds by itself would come back to the page.
        Served::Route { .. } if head.method == Method::TRACE => {
            let problem = "TRACE is not answered";
            refusal::json(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed", problem)
        }
        Served::Route { component, route } => {
            let body = match body.read(mesh.site().max_body_bytes).await {
                Ok(body) => body,
                Err(error) => {
                    let message = "Failure reading request body";
                    return refusal::json(error.status(), message, &error.to_string());
                }
            };
            let request = Request {
                verb: head.method.as_str(),
                url: head.uri.path_and_query().map_or("/", |whole| whole.as_str()),
                length: place.length,
                headers: &http::headers_json(&head.headers),
                body,
                principal,
            };
            match web::ask(mesh, component, route, request).await {
                Ok(reply) => {
                    let mut answer = Response::new(Body::from(reply.body));
                    *answer.status_mut() = reply.status;
                    *answer.headers_mut() = reply.headers;
                    answer
                }
                Err(Failure::Component(error)) => http::text(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "application/json",
                    format!(r#"{{"message":"Web route failed","data":null,"error":{error}}}"#),
                ),
                Err(failure) => refusal::json(failure.status(), "Web route failed", &failure.to_string()),
            }
        }
    }
}

async fn file(place: &Place<'_>, folder: &WebFolder, head: &Parts, mesh: &Mesh) -> Answer {
    if !matches!(head.method, Method::GET | Method::HEAD) {
        return refusal::wrong_verb(&head.method, "GET, HEAD");
    }
    let is_private = mesh.security().is_some() && !place.is_open(head.uri.path(), mesh.site());
    match web::file(place, folder, head, is_private).await {
        Some(response) => response.map(Body::Streamed),
        None => refusal::not_found(&head.method, head.uri.path(), &head.headers),
    }
}
