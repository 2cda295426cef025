//! `rest` (docs/mesh-protocol.md 8): the methods of all components over plain HTTP.
//!
//! Enters: requests that the transport has read, their bodies limited in size. Leaves: a status and a JSON body,
//! always with `message`, `data` and `error`. Guarantees: a call takes the way of every other call and ends within
//! the mesh's limit for calls. Each wrong request gets an answer that names the fault. No path leads to the component
//! `security`. In a secure mesh nothing is called that the holder of the token may not call.

mod access;
mod answer;
mod methods;
mod openapi;
mod parameters;
mod schema;

use super::own_component;
use crate::operations::Documented;
use crate::query;
use crate::trace::traced;
use answer::Outcome;
use mesh_core::mesh::{BuiltinCall, Handler, Mesh};
use mesh_plugin::{Abandoned, Answer, Awaited, Job, JobKind};
use mesh_security::{ANONYMOUS, WebPrincipal};
use mesh_wire::origin::Origin;
use mesh_wire::protocol::json;
use methods::Serving;
use parameters::{Form, Parameters, is_callback, unreadable};
use std::sync::Arc;

pub use answer::Reply;

/// The routes as a component declares them; clients find them under `/rest/`.
pub(super) const ROUTES: &[&str] = &["method", "describe", "login"];

/// Segments that the path of a call may have.
const MOST_SEGMENTS: usize = 4;

/// The answer to a login, which every client gets: in a mesh that is not secured there are no users to check. Clients
/// written for both kinds of mesh log in first and send the token along with each call. So they are given one: a JSON
/// web token without claims and signature (RFC 7519, section 6), which no mesh accepts as a proof of anything.
/// Clients that leave something out learn the same as from a secured mesh.
const LOGGED_IN: &str = concat!(
    r#"{"token":"eyJhbGciOiJub25lIn0.e30.","#,
    r#""notice":"this mesh is not secured: no token is needed, and none is looked at"}"#
);

/// The component. It has routes and no methods.
pub(super) struct Rest;

impl Handler for Rest {
    fn call(&self, _: BuiltinCall, answer: Box<dyn Answer>) {
        answer.abandon(Abandoned::Stopped);
    }
}

/// The request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// A token.
    Login,
    /// The methods, in happner's form.
    Describe,
    /// A call; what follows in the path says of what.
    Method,
    /// The methods, as an OpenAPI document.
    OpenApi,
}

/// A request with its body.
#[derive(Debug)]
pub struct Request<'a> {
    /// The HTTP method, in capitals.
    pub verb: &'a str,
    /// Path and query, as they were sent.
    pub url: &'a str,
    /// The headers as a JSON object.
    pub headers: &'a str,
    /// The whole body.
    pub body: &'a [u8],
    /// The principal.
    pub principal: WebPrincipal,
    /// The paths of the host itself, for the document.
    pub(crate) documented: fn() -> Vec<Documented>,
}

/// Whether a mesh has this component, and no configured one in its place.
pub(crate) fn is_there(mesh: &Mesh) -> bool {
    own_component(mesh, "rest").is_some()
}

/// Answers a request for a route; `below` is what follows the route in the path.
pub(crate) async fn reply(mesh: &Arc<Mesh>, route: Route, below: &str, request: &Request<'_>) -> Reply {
    let replied = match route {
        Route::Login => log_in(mesh, request).await,
        Route::Describe => Ok(describe(mesh, request)),
        Route::Method => call(mesh, below, request).await,
        Route::OpenApi => Ok(openapi::document(
            mesh,
            &request.principal,
            &(request.documented)(),
        )),
    };
    replied.unwrap_or_else(|refused| refused)
}

async fn log_in(mesh: &Mesh, request: &Request<'_>) -> Result<Reply, Reply> {
    let parameters = Parameters::read(request, Form::WrappedOrBare)?;
    let status = request.principal.dialect.rest_faults().status(401);
    let missing = |name: &str| Reply::failed(status, "Failure parsing request body", &format!("no {name}"));
    if !parameters.has("username") {
        return Err(missing("username"));
    }
    // Real servers ask for a password here even where anonymous logins are allowed, and look at none.
    let is_anonymous = || {
        let allows = |security: &mesh_security::Security| security.settings().allow_anonymous;
        mesh.security().is_some_and(allows) && parameters.text("username").as_deref() == Some(ANONYMOUS)
    };
    if !parameters.has("password") && !parameters.has("token") && !is_anonymous() {
        return Err(missing("password"));
    }
    let is_no_text = |name: &&&str| parameters.is_given(name) && parameters.text(name).is_none();
    if let Some(name) = ["username", "password", "token"]
        .iter()
        .find(|name| is_no_text(name))
    {
        return Err(unreadable(&format!("`{name}` must be a string")));
    }
    match mesh.security() {
        None => Ok(Reply::succeeded("Logged in ok", LOGGED_IN)),
        Some(security) => access::log_in(security, &parameters, &request.principal).await,
    }
}

fn describe(mesh: &Mesh, request: &Request<'_>) -> Reply {
    let mut out = String::from("{");
    methods::for_each(mesh, &request.principal, |component, method| {
        if out.len() > 1 {
            out.push(',');
        }
        let uri = format!("/{}/{}", component.name(), method.name());
        json::write_string(&mut out, &uri);
        out.push_str(r#":{"uri":"#);
        json::write_string(&mut out, &uri);
        out.push_str(r#","parameters":{"#);
        let names = parameters::names(method);
        for (position, name) in names.iter().filter(|name| !is_callback(name)).enumerate() {
            if position > 0 {
                out.push(',');
            }
            json::write_string(&mut out, name);
            out.push(':');
            json::write_string(&mut out, &format!("{{{{{name}}}}}"));
        }
        out.push_str("}}");
    });
    out.push('}');
    Reply::succeeded(&format!("{} description", mesh.domain()), &out)
}

async fn call(mesh: &Arc<Mesh>, path: &str, request: &Request<'_>) -> Result<Reply, Reply> {
    // A slash at the end names nothing.
    let path = path.trim_end_matches('/');
    let segments: Vec<String> = path.split('/').map(query::decode).collect();
    let refused =
        |status: u16, error: &str| Err(Reply::failed(status, "Failure parsing request body", error));
    if segments.len() > MOST_SEGMENTS {
        let status = request.principal.dialect.rest_faults().status(400);
        return refused(status, "call path cannot have more than 4 segments");
    }
    let mut from_behind = segments.iter().rev();
    let (method, component) = (from_behind.next(), from_behind.next());
    let caller = access::caller(
        mesh,
        request,
        component.map_or("", String::as_str),
        method.map_or("", String::as_str),
    )?;
    let parameters = Parameters::read(request, Form::Wrapped)?;
    let (Some(method), Some(component)) = (method, component) else {
        return refused(
            404,
            "a call path is /rest/method/<component>/<method>, here the method is missing",
        );
    };
    if component == "security" {
        return Err(Reply::failed(
            403,
            "Access denied",
            "attempt to access security component over rest",
        ));
    }
    if let Some(named) = from_behind.next()
        && named != mesh.name()
        && named != mesh.domain()
    {
        let error = format!("attempt to access remote mesh: {}", json::shorten(named));
        return Err(Reply::failed(403, "Access denied", &error));
    }
    let Some(found) = Serving::find(mesh, component) else {
        let error = format!("component {} does not exist on mesh", json::shorten(component));
        return refused(404, &error);
    };
    let Some(method) = found.method(method) else {
        let error = format!(
            "method {} does not exist on component {component}",
            json::shorten(method)
        );
        return refused(404, &error);
    };
    let arguments = parameters.arguments(method, request, &caller);
    let outcome = submit(
        mesh,
        (component, method.name()),
        arguments,
        traced(caller, request.headers),
        &request.principal,
    )
    .await;
    Ok(Reply::of(outcome, component, method, mesh.call_timeout()))
}

/// Takes a call on the way of every call, and waits for its outcome.
async fn submit(
    mesh: &Mesh,
    target: (&str, &str),
    arguments: String,
    origin: Origin,
    principal: &WebPrincipal,
) -> Outcome {
    let limit = mesh.call_timeout();
    let (waiting, outcome) = Awaited::new();
    let waiting = waiting.counted_in(mesh.http_calls().of(principal.address));
    let job = Job {
        payload: arguments.into(),
        origin: Some(origin),
        ..Job::new(JobKind::Call, 0)
    };
    match mesh.call_from_host(target, "", job, limit, Box::new(waiting)) {
        Ok(()) => Outcome::from(outcome.wait(limit).await),
        Err((failure, _)) => Outcome::Refused(failure.message().to_owned()),
    }
}
