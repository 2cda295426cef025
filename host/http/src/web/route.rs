//! A web request on its way to a component.
//!
//! Enters: a request with its body. Leaves: the component's answer. Guarantees: it takes the way of every call, and
//! ends within the mesh's limit for calls. The component learns of the caller what the token said, and nothing that
//! the client says of itself.

use super::reply::{Failure, Reply, ended};
use crate::query;
use crate::trace::traced;
use bytes::Bytes;
use mesh_core::mesh::Mesh;
use mesh_plugin::{Awaited, Job, JobKind};
use mesh_security::WebPrincipal;
use mesh_wire::origin::Origin;
use serde_json::value::RawValue;
use std::sync::Arc;

/// A request for a component's web route.
#[derive(Debug)]
pub struct Request<'a> {
    /// The HTTP method.
    pub verb: &'a str,
    /// Path and query, as they were sent.
    pub url: &'a str,
    /// How many bytes of the path lead to the route.
    pub length: usize,
    /// The headers as a JSON object.
    pub headers: &'a str,
    /// The whole body.
    pub body: Bytes,
    /// The principal.
    pub principal: &'a WebPrincipal,
}

/// Lets a component answer.
///
/// # Errors
///
/// Why it did not.
pub async fn ask(
    mesh: &Arc<Mesh>,
    component: &str,
    route: &str,
    request: Request<'_>,
) -> Result<Reply, Failure> {
    let (waiting, outcome) = Awaited::new();
    let waiting = waiting.counted_in(mesh.http_calls().of(request.principal.address));
    let job = Job {
        target: head(route, &request).into(),
        origin: Some(traced(origin(mesh, request.principal), request.headers)),
        payload: request.body,
        ..Job::new(JobKind::Http, 0)
    };
    let (target, limit) = (format!("{component}/{route}"), mesh.call_timeout());
    match mesh.web_request((component, route), job, Box::new(waiting)) {
        Ok(()) => ended(outcome.wait(limit).await, &target, limit),
        Err((failure, _)) => Err(Failure::Unavailable(failure.message().to_owned())),
    }
}

/// The description of the request for the component.
fn head(route: &str, request: &Request<'_>) -> String {
    let (path, query) = query::split(request.url);
    let headers: Option<&RawValue> = serde_json::from_str(request.headers).ok();
    serde_json::json!({
        "route": route,
        "method": request.verb,
        "url": request.url,
        "path": path.get(request.length..).unwrap_or_default(),
        "query": query,
        "headers": headers,
        "address": request.principal.address,
    })
    .to_string()
}

/// Who asks, as components are told.
fn origin(mesh: &Mesh, principal: &WebPrincipal) -> Origin {
    match &principal.accepted {
        Some(accepted) => accepted.login.origin.clone(),
        None if mesh.security().is_some() => Origin::nobody(),
        None => mesh.origin().clone(),
    }
}
