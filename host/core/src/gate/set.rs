//! set (docs/protocol.md 5.1), and with it the way to components.
//!
//! Enters: documents, calls and answers. Leaves: stored and published documents, calls on their way, one answer each.
//! Guarantees: nothing is stored or called that is not allowed; who calls is taken from the login.

use super::guard::Actor;
use super::publish::Audience;
use super::{Gate, path};
use crate::mesh::{CallRequest, Caller, Change, Write, WriteError, WriteMode, is_own_address};
use bytes::Bytes;
use mesh_security::permission;
use mesh_store::{Stored, now};
use mesh_wire::address::{RESPONSES, is_request};
use mesh_wire::protocol::{
    Action, Dialect, DocumentMeta, EventAction, Frame, Options, Publicity, Request, Response, WireError,
    json, tagged, value, write_modified_by,
};
use serde_json::value::RawValue;
use std::borrow::Cow;

impl Gate {
    pub(super) fn set(&mut self, request: &Request<'_>, frame: &Frame) {
        let response = Response::to(self.session.dialect(), Action::Set, request);
        if let Err(error) = self.try_set(request, &response, frame) {
            self.send(response.error(&error));
        }
    }

    fn try_set(
        &mut self,
        request: &Request<'_>,
        response: &Response<'_>,
        frame: &Frame,
    ) -> Result<(), WireError> {
        let dialect = self.session.dialect();
        let path = path::checked(request, dialect)?;
        path::check_literal(&path, dialect)?;
        if path.starts_with(RESPONSES) && !is_own_address(&path, self.session.id(), self.mesh.domain()) {
            return Err(WireError::access_denied("unauthorized"));
        }
        let call = is_request(&path)
            .then(|| CallRequest::read(request.data, &self.session, self.mesh.domain()))
            .transpose()?;
        let options = Options::read(request.options);
        let is_change = (options.merge || options.increment.is_some()) && !options.no_store;
        if is_change && !self.stands_in && call.is_none() && self.mesh.is_large(&path) {
            self.set_elsewhere(frame);
            return Ok(());
        }
        let actor = self.authorize(permission::Action::Set, &path, || options.on_behalf_of)?;
        let plan = Plan::new(&options, dialect, &path);
        if matches!(plan, Plan::Tag(_)) && !self.may_also(&actor, permission::Action::Get, &path) {
            return Err(WireError::access_denied("unauthorized"));
        }
        if let Plan::Sibling(own) = &plan
            && !self.may_once(&actor, permission::Action::Set, own)
        {
            return Err(WireError::access_denied("unauthorized"));
        }
        let is_call = call.is_some();
        self.can_publish(&options)?;
        let sent_value = match options.null_value {
            true => Some(RawValue::NULL),
            false => request.data,
        };
        let silent = options.bulk && !options.no_store && dialect.has_bulk_writes();
        // Calls of `security` carry passwords.
        let is_secret = || self.mesh.security().is_some() && is_about_security(&path);
        let audience = match Audience::asked_for(&options) {
            Audience::Subscribers if silent => Audience::Unwanted,
            Audience::Subscribers
                if is_call && (!self.mesh.subscriptions().has_request_watchers() || is_secret()) =>
            {
                Audience::Nobody
            }
            asked_for => asked_for,
        };
        if let Plan::Tag(tag) = plan {
            self.tag((request, &actor), response, &options, &path, tag)?;
        } else {
            let document_path = plan.document_path(&path);
            let mode = match is_call {
                // A request is no document, and nobody needs to read it again.
                true => WriteMode::Unstored,
                false => WriteMode::of(&options, dialect),
            };
            // Who may write and not read learns of a merge, and of a gauge, what was sent.
            let hides = matches!(mode, WriteMode::Merge(_) | WriteMode::Increment(_))
                && !self.may_also(&actor, permission::Action::Get, &document_path);
            let write = Write {
                path: &document_path,
                value: sent_value,
                mode,
                by: actor.username.as_ref(),
            };
            let written = self.mesh.store_document(write).map_err(unwritten)?;
            self.note_size(written.data.len());
            let sent = match mode {
                WriteMode::Unstored => Cow::Borrowed(sent_value.map_or("null", RawValue::get)),
                _ => value::sent(sent_value),
            };
            // As a server of the first generation, which tells it of new documents, and of others when they are read.
            let modified_by = actor.username.as_deref().filter(|_| written.is_new);
            let change = Change {
                document_path: Some(&*document_path),
                sent: &sent,
                stored: written.stored,
                modified_by,
                ..Change::new(EventAction::Set, &path, &written.data)
            };
            let names_path = !matches!(mode, WriteMode::Increment(_));
            let answer = |publicity: Publicity, results: &str| {
                if options.no_data_response && dialect.honours_no_data_response() {
                    return response.without_data(names_path.then_some(&*document_path), publicity);
                }
                let meta = |out: &mut String| {
                    if names_path {
                        write_meta(out, written.stored, &document_path);
                    }
                    if let Some(name) = modified_by.filter(|_| dialect.names_modifier()) {
                        write_modified_by(out, name);
                        out.push(',');
                    }
                    out.push_str(results);
                };
                match hides {
                    true => response.document(&sent, meta, publicity),
                    false => response.document(&written.data, meta, publicity),
                }
            };
            self.conclude(
                (request, &actor),
                &options,
                change,
                audience,
                written.commit,
                &answer,
            );
        }
        if let Some(call) = call {
            let bytes: Bytes = frame.clone().into();
            let caller = Caller {
                session: &self.session,
                origin: actor.origin.unwrap_or_else(|| self.session.origin()),
            };
            let wake = self
                .mesh
                .call_from_session(caller, &path, &call, &bytes, &mut self.ranges, self.now);
            self.called += 1;
            self.wakes.extend(wake);
        }
        Ok(())
    }
}

impl Gate {
    /// Copies what is stored under a tag (docs/protocol.md 5.1.2).
    fn tag(
        &mut self,
        (request, actor): (&Request<'_>, &Actor),
        response: &Response<'_>,
        options: &Options<'_>,
        path: &str,
        tag: &RawValue,
    ) -> Result<(), WireError> {
        if request.data.is_some_and(|data| data.get() != "null") {
            return Err(WireError::service("doStore failed", "DataService"));
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        let document_path = format!("{}{slash}{path}/{}", tagged::FOLDER, unique_segment());
        if self.is_prohibited(actor, permission::Action::Set, &document_path) {
            return Err(WireError::access_denied("unauthorized"));
        }
        let original = self.mesh.store().get(path);
        let original = original.as_ref().map(|found| (&*found.data, found.meta));
        let copy = tagged::copy(path, original, None);
        let kept = tagged::copy(path, original, Some(tag));
        let stored = self.mesh.store().set(&document_path, &kept);
        let stored = stored.map_err(|error| WireError::system(error.to_string()))?;
        let Stored { document, commit, .. } = stored;
        let change = Change {
            document_path: Some(&document_path),
            tag: Some(tag),
            stored: Some(document.meta),
            ..Change::new(EventAction::Set, path, &copy)
        };
        let answer = |publicity: Publicity, results: &str| {
            let meta = |out: &mut String| {
                write_meta(out, Some(document.meta), &document_path);
                out.push_str(r#""tag":"#);
                out.push_str(tag.get());
                out.push(',');
                out.push_str(results);
            };
            response.document(&copy, meta, publicity)
        };
        let audience = Audience::asked_for(options);
        self.conclude((request, actor), options, change, audience, commit, &answer);
        Ok(())
    }
}

/// Whether a request is one of the component that passwords are handed to, in any of its versions.
fn is_about_security(path: &str) -> bool {
    let component = path.split('/').nth(4).unwrap_or_default();
    component.split('@').next() == Some("security")
}

/// The kinds of `set`.
enum Plan<'a> {
    /// The value goes to the path.
    Write,
    /// The value goes to a path of its own.
    Sibling(String),
    /// A stored document is copied.
    Tag(&'a RawValue),
}

impl<'a> Plan<'a> {
    fn new(options: &Options<'a>, dialect: Dialect, path: &str) -> Plan<'a> {
        if !dialect.has_tags_and_siblings() {
            return Plan::Write;
        }
        match options.tag {
            Some(tag) => Plan::Tag(tag),
            None if options.sibling => {
                let slash = if path.ends_with('/') { "" } else { "/" };
                Plan::Sibling(format!("{path}{slash}{}", unique_segment()))
            }
            None => Plan::Write,
        }
    }

    fn document_path<'p>(&'p self, path: &'p str) -> Cow<'p, str> {
        match self {
            Plan::Sibling(path) => Cow::Borrowed(path),
            Plan::Write | Plan::Tag(_) => Cow::Borrowed(path),
        }
    }
}

/// `<milliseconds>_<32 hexadecimal digits>`: a segment that no other document has, behind all that were made before.
fn unique_segment() -> String {
    format!("{}_{}", now(), uuid::Uuid::now_v7().simple())
}

/// Appends a document's times, if it was stored, and its path, each key followed by a comma.
pub(super) fn write_meta(out: &mut String, stored: Option<DocumentMeta>, path: &str) {
    if let Some(stored) = stored {
        stored.write(out);
        out.push(',');
    }
    out.push_str(r#""path":"#);
    json::write_string(out, path);
    out.push(',');
}

fn unwritten(error: WriteError) -> WireError {
    match error {
        WriteError::Store(error) => WireError::system(error.to_string()),
        WriteError::Increment(message) => WireError::service(message, "DataService"),
    }
}
