//! `data` (docs/mesh-protocol.md 6.3): documents that the mesh keeps for its clients, shared by all who may call it.
//!
//! Enters: calls with paths, values and options. Leaves: documents below `/_data/data/`, their publications, an event for
//! each value that was set, and answers in the caller's dialect. Guarantees: nothing outside that folder is read or
//! written. It is done with the component's own rights, as on real servers. Calls that look through documents take turns
//! on the threads of [`mesh_scans`].

mod request;
mod scans;

use super::MethodEntry;
use mesh_core::gate::{check_literal, check_path};
use mesh_core::mesh::{BuiltinCall, Change, Handler, Mesh, Write, WriteError, WriteMode, targets_of};
use mesh_plugin::{Abandoned, Answer, Services, Status};
use mesh_scans::{Memory, Owner};
use mesh_store::{Commit, PathPattern, StoreError};
use mesh_wire::protocol::{
    Dialect, DocumentMeta, EventAction, Options, Publicity, WireError, value, write_modified_by,
};
use request::Request;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::sync::{Arc, Weak};

pub(super) const NAME: &str = "data";

/// The methods of both generations. The last two are of the second one.
pub(super) const METHODS: &[MethodEntry] = &[
    ("set", &["path", "data", "opts", "callback"]),
    ("on", &["path", "opts", "handler", "callback"]),
    ("off", &["path", "callback"]),
    ("offAll", &["callback"]),
    ("offPath", &["path", "callback"]),
    ("get", &["path", "opts", "callback"]),
    ("getPaths", &["path", "callback"]),
    ("remove", &["path", "opts", "callback"]),
    ("count", &["path", "opts", "callback"]),
    ("increment", &["path", "gauge", "increment", "callback"]),
];

/// The options of [`Request`] when only paths are asked for.
const PATHS_ONLY: &str = r#"{"fields":{"path":1}}"#;

/// The component.
pub(super) struct Data {
    mesh: Weak<Mesh>,
    services: Arc<dyn Services>,
}

/// The end of a call: its result, an element of the answer, and from when on it survives.
type Outcome = Result<(Option<String>, Commit), WireError>;

impl Data {
    pub(super) fn new(mesh: &Arc<Mesh>) -> Data {
        Data {
            mesh: Arc::downgrade(mesh),
            services: mesh.services(),
        }
    }
}

impl Handler for Data {
    fn call(&self, call: BuiltinCall, answer: Box<dyn Answer>) {
        let Some(mesh) = self.mesh.upgrade() else {
            return answer.abandon(Abandoned::Stopped);
        };
        let session = call.origin.id().and_then(|id| mesh.sessions().find(id));
        let dialect = session
            .as_ref()
            .map_or(Dialect::OF_COMPONENTS, |session| session.dialect());
        let memory = match call.method.as_ref() {
            b"on" | b"off" | b"offAll" | b"offPath" => {
                let outcome = about_subscriptions(&call);
                return conclude(&mesh, &call, answer, outcome);
            }
            _ => {
                let request = match Request::read(&call, dialect) {
                    Ok(request) => request,
                    Err(error) => return conclude(&mesh, &call, answer, Err(error)),
                };
                let memory = memory(&mesh, &call, &request);
                if memory.is_none() {
                    let outcome = at_once(&mesh, &*self.services, &call, &request);
                    return conclude(&mesh, &call, answer, outcome);
                }
                memory
            }
        };
        let owner = match (call.origin.username(), session) {
            (Some(username), _) => Owner::User(username.into()),
            (None, Some(session)) => Owner::Address(session.peer().ip()),
            (None, None) => Owner::Component(NAME.into()),
        };
        let (own, services) = (mesh.clone(), self.services.clone());
        let spawned = mesh.scans().spawn(
            owner,
            memory.unwrap_or(Memory::Constant),
            move |share| async move {
                let outcome = match Request::read(&call, dialect) {
                    Ok(request) => match call.method.as_ref() {
                        b"set" | b"increment" => at_once(&own, &*services, &call, &request),
                        _ => scans::look_through(&own, &call, &request, &share).await,
                    },
                    Err(error) => Err(error),
                };
                conclude(&own, &call, answer, outcome);
            },
        );
        if let Err(error) = spawned {
            tracing::warn!("a call of the component data was given up: {error}");
        }
    }
}

/// The memory that a call takes on the threads for scans; nothing if it is done where it arrives.
fn memory(mesh: &Mesh, call: &BuiltinCall, request: &Request<'_>) -> Option<Memory> {
    match call.method.as_ref() {
        b"set" if !WriteMode::of(&Options::read(request.options), request.dialect).changes() => None,
        b"set" | b"increment" => mesh.is_large(&request.path).then_some(Memory::Constant),
        b"get" if request.options.is_none() && !PathPattern::new(&request.path).has_wildcard() => None,
        b"get" | b"getPaths" => Some(Memory::Collects),
        _ => Some(Memory::Constant),
    }
}

fn conclude(mesh: &Mesh, call: &BuiltinCall, mut answer: Box<dyn Answer>, outcome: Outcome) {
    if let Some(after) = call.emitter.unwritten() {
        answer.follow(after);
    }
    match outcome {
        Ok((result, Commit::Done)) => succeed(answer, result),
        Ok((result, commit)) => {
            let then = |outcome: Result<(), StoreError>| match outcome {
                Ok(()) => succeed(answer, result),
                Err(error) => fail(answer, &WireError::system(error.to_string())),
            };
            mesh.store().when_committed(commit, Box::new(then));
        }
        Err(error) => fail(answer, &error),
    }
}

fn succeed(answer: Box<dyn Answer>, result: Option<String>) {
    let result = result.unwrap_or_default();
    answer.answer(Status::OK, format!("[{result}]").as_bytes());
}

fn fail(answer: Box<dyn Answer>, error: &WireError) {
    let mut payload = String::from("[");
    error.write(&mut payload);
    payload.push(']');
    answer.answer(Status::ERROR, payload.as_bytes());
}

/// Works off a call that has no path, or needs none.
fn about_subscriptions(call: &BuiltinCall) -> Outcome {
    match call.method.as_ref() {
        // A handler cannot be sent. Clients subscribe to the component's events, or to its documents.
        b"on" => Err(WireError::plain(
            "you cannot subscribe without passing in a subscription callback",
        )),
        // There is never a subscription to end.
        _ => Ok((None, Commit::Done)),
    }
}

/// Works off a call that looks at one document at most.
fn at_once(mesh: &Arc<Mesh>, services: &dyn Services, call: &BuiltinCall, request: &Request<'_>) -> Outcome {
    match call.method.as_ref() {
        b"set" => set(mesh, services, call, request),
        b"increment" => increment(mesh, call, request),
        _ => Ok(get(mesh, request)),
    }
}

fn get(mesh: &Mesh, request: &Request<'_>) -> (Option<String>, Commit) {
    let Request { path, dialect, .. } = request;
    let result = match mesh.store().get(path) {
        None => "null".to_owned(),
        Some(found) => {
            let by = found.modified_by.as_deref();
            with_meta(&found.data, "get", Publicity::Withheld, |out| {
                write_meta(
                    out,
                    path,
                    Some(found.meta),
                    by.filter(|_| dialect.names_modifier()),
                );
            })
        }
    };
    (Some(result), Commit::Done)
}

fn set(mesh: &Mesh, services: &dyn Services, call: &BuiltinCall, request: &Request<'_>) -> Outcome {
    let options = Options::read(request.options);
    if let Some(unserved) = unserved(&options) {
        let message =
            format!("the component data does not take the option {unserved}: use set of the client");
        return Err(WireError::plain(message));
    }
    let mode = WriteMode::of(&options, request.dialect);
    let outcome = write(mesh, call, request, mode, &options)?;
    if !options.no_publish {
        emit(services, call, request);
    }
    Ok(outcome)
}

/// The option that would need more than one document.
fn unserved(options: &Options<'_>) -> Option<&'static str> {
    match options {
        _ if options.tag.is_some() => Some("tag"),
        _ if options.sibling => Some("set_type"),
        _ if options.on_behalf_of.is_some() => Some("onBehalfOf"),
        _ => None,
    }
}

fn increment(mesh: &Mesh, call: &BuiltinCall, request: &Request<'_>) -> Outcome {
    let one = RawValue::from_string("1".to_owned()).unwrap_or_default();
    let mode = WriteMode::Increment(request.options.unwrap_or(&one));
    write(mesh, call, request, mode, &Options::default())
}

fn write(
    mesh: &Mesh,
    call: &BuiltinCall,
    request: &Request<'_>,
    mode: WriteMode<'_>,
    options: &Options<'_>,
) -> Outcome {
    let (path, value) = (&*request.path, request.value);
    check_path(path, request.dialect)?;
    check_literal(path, request.dialect)?;
    let (by, targets) = (mesh.own_name(), targets_of(options));
    let written = mesh
        .store_document(Write {
            path,
            value,
            mode,
            by,
        })
        .map_err(|error| match error {
            WriteError::Store(error) => WireError::system(error.to_string()),
            WriteError::Increment(message) => WireError::plain(message),
        })?;
    let modified_by = by.map(|by| &**by).filter(|_| written.is_new);
    if !options.no_publish {
        let sent = match mode {
            WriteMode::Unstored => Cow::Borrowed(value.map_or("null", RawValue::get)),
            _ => value::sent(value),
        };
        let change = Change {
            sent: &sent,
            stored: written.stored,
            modified_by,
            meta: options.meta_object(),
            targets: targets.as_ref(),
            ..Change::new(EventAction::Set, path, &written.data)
        };
        call.emitter.published(mesh.publish_own_change(&change).after);
    }
    let named = modified_by.filter(|_| request.dialect.names_modifier());
    let is_gauge = matches!(mode, WriteMode::Increment(_));
    let result = with_meta(&written.data, "set", Publicity::asked_for(options), |out| {
        if !is_gauge {
            write_meta(out, path, written.stored, named);
        }
    });
    Ok((Some(result), written.commit))
}

/// Emits what was set, under the path that the caller named.
fn emit(services: &dyn Services, call: &BuiltinCall, request: &Request<'_>) {
    let data = request.value.unwrap_or(RawValue::NULL).get();
    // The document is set, whether or not somebody can hear of it; the log has what was wrong.
    let _ = services.emit(&call.emitter, &request.key, data.as_bytes(), b"");
}

/// A result as the client of a real component has it: the data, and a `_meta` that begins with these members.
fn with_meta(data: &str, action: &str, publicity: Publicity, meta: impl FnOnce(&mut String)) -> String {
    let inner = data.trim_end().strip_suffix('}').unwrap_or("{");
    let mut out = String::with_capacity(data.len() + 200);
    out.push_str(inner);
    if inner.trim_end() != "{" {
        out.push(',');
    }
    out.push_str(r#""_meta":{"#);
    meta(&mut out);
    out.push_str(r#""published":"#);
    out.push_str(publicity.as_json());
    out.push_str(r#","type":"response","status":"ok","action":""#);
    out.push_str(action);
    out.push_str("\"}}");
    out
}

/// Appends where a document is, when it was written and by whom, each with a comma behind it.
fn write_meta(out: &mut String, path: &str, stored: Option<DocumentMeta>, by: Option<&str>) {
    if let Some(stored) = stored {
        stored.write(out);
        out.push(',');
    }
    if let Some(by) = by {
        write_modified_by(out, by);
        out.push(',');
    }
    out.push_str(r#""path":"#);
    mesh_wire::protocol::json::write_string(out, path);
    out.push(',');
}
