//! get, set and remove (PROTOCOL.md 5.1, 5.2, 5.4), and with set the way to components.

use super::{Gate, not_there_yet, path};
use crate::mesh::{CallRequest, Publisher, Write, is_request};
use crate::protocol::{
    Action, Dialect, EventAction, Frame, Later, Options, Request, Response, WireError, acknowledgement, json,
};
use crate::store::{PathPattern, StoreError, now};
use bytes::Bytes;

const RESPONSES: &str = "/_exchange/responses/";

impl Gate {
    pub(super) fn get(&mut self, request: &Request<'_>) {
        let response = Response::to(self.session.dialect(), Action::Get, request);
        let path = match path::any(request) {
            Ok(path) => path,
            Err(error) => return self.send(response.error(&error)),
        };
        if Options::read(request.options).later.query {
            let what = "a query by criteria, fields, sort, limit or skip";
            return self.send(response.error(&not_there_yet(what)));
        }
        let pattern = PathPattern::new(&path);
        if pattern.has_wildcard() {
            let mut array = response.array();
            let limit = self.session.outbound().limit();
            self.mesh.store().scan(&pattern, &mut |path, document| {
                array.push(path, &document.data, document.meta);
                array.len() <= limit
            });
            return self.send(if array.len() <= limit {
                array.finish()
            } else {
                let message =
                    format!("the answer would be larger than {limit} bytes: ask for fewer documents at once");
                response.error(&WireError::system(message))
            });
        }
        let frame = match self.mesh.store().get(&path) {
            None => response.data("null"),
            Some(found) => {
                let meta = |out: &mut String| {
                    found.meta.write(out);
                    write_path(out, &path);
                };
                response.document(&found.data, meta, false)
            }
        };
        self.send(frame);
    }

    pub(super) fn set(&mut self, request: &Request<'_>, frame: &Frame) {
        let dialect = self.session.dialect();
        let response = Response::to(dialect, Action::Set, request);
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
        if dialect.checks_path_characters() && path.contains('*') {
            return Err(WireError::plain(
                "Bad path, if the action is 'set' the path cannot contain the * wildcard character",
            ));
        }
        if let Some(rest) = path.strip_prefix(RESPONSES)
            && !rest.split('/').any(|segment| segment == self.session.id())
        {
            return Err(WireError::access_denied("unauthorized"));
        }
        let call = is_request(&path)
            .then(|| CallRequest::read(request.data, &self.session))
            .transpose()?;
        let options = Options::read(request.options);
        refuse_what_is_not_there_yet(options.later, dialect)?;
        if options.consistency == Some(3) {
            return Err(not_there_yet(
                "consistency 3, publications that recipients acknowledge,",
            ));
        }
        let write = Write {
            path: &path,
            value: request.data,
            no_store: options.no_store,
        };
        let written = self.mesh.store_document(write).map_err(unwritten)?;
        let consistency = options.consistency.filter(|level| *level <= 3).unwrap_or(2);
        let publishes =
            !options.no_publish && (call.is_none() || self.mesh.subscriptions().has_request_watchers());
        let publish = |gate: &Gate| {
            let targets = crate::mesh::targets_of(&options);
            gate.mesh.publish_document(
                &gate.publisher(request),
                EventAction::Set,
                &path,
                &written.data,
                written.stored,
                consistency,
                options.meta_object(),
                targets.as_ref(),
            )
        };
        let published = consistency == 2 && !options.no_publish;
        if published && publishes {
            publish(self);
        }
        self.send(
            if options.no_data_response && dialect.honours_no_data_response() {
                response.without_data(&path, published)
            } else {
                let meta = |out: &mut String| {
                    if let Some(stored) = &written.stored {
                        stored.write(out);
                        write_path(out, &path);
                    } else {
                        write_first_path(out, &path);
                    }
                };
                response.document(&written.data, meta, published)
            },
        );
        if !published && publishes {
            let recipients = publish(self);
            if consistency == 1 || (consistency == 0 && !dialect.is_first_generation()) {
                let event_id = request.event_id.map_or("null", |event_id| event_id.get());
                self.send(acknowledgement(dialect, self.session.id(), event_id, recipients));
            }
        }
        if let Some(call) = call {
            let bytes: Bytes = frame.clone().into();
            let wake =
                self.mesh
                    .call_from_session(&self.session, &path, &call, &bytes, &mut self.ranges, self.now);
            self.called += 1;
            self.wakes.extend(wake);
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, request: &Request<'_>) {
        let dialect = self.session.dialect();
        let response = Response::to(dialect, Action::Remove, request);
        let removed = path::checked(request, dialect).and_then(|path| {
            let removed = self.mesh.remove_documents(&path).map_err(unwritten)?;
            Ok((path, format!(r#"{{"removed":{removed}}}"#)))
        });
        let (path, data) = match removed {
            Ok(removed) => removed,
            Err(error) => return self.send(response.error(&error)),
        };
        let options = Options::read(request.options);
        if !options.no_publish {
            let targets = crate::mesh::targets_of(&options);
            self.mesh.publish_document(
                &self.publisher(request),
                EventAction::Remove,
                &path,
                &data,
                None,
                options.consistency.filter(|level| *level <= 3).unwrap_or(2),
                options.meta_object(),
                targets.as_ref(),
            );
        }
        let meta = |out: &mut String| {
            out.push_str(r#""timestamp":"#);
            json::write_number(out, now());
            write_path(out, &path);
        };
        self.send(response.document(&data, meta, !options.no_publish));
    }

    fn publisher<'a>(&'a self, request: &Request<'a>) -> Publisher<'a> {
        Publisher {
            session_id: self.session.id(),
            event_id: request.event_id.map_or("undefined", |event_id| event_id.get()),
            username: None,
        }
    }
}

/// Options of `set` that the session's generation knows and this host does not act on.
fn refuse_what_is_not_there_yet(later: Later, dialect: Dialect) -> Result<(), WireError> {
    let first = dialect.is_first_generation();
    let asked = [
        (later.merge, "the option merge"),
        (later.tag && first, "the option tag"),
        (later.set_type && first, "the option set_type"),
        (later.increment && !first, "the option increment"),
    ];
    match asked.iter().find(|(asked, _)| *asked) {
        Some((_, what)) => Err(not_there_yet(what)),
        None => Ok(()),
    }
}

/// Appends `,"path":…,` behind other keys.
fn write_path(out: &mut String, path: &str) {
    out.push(',');
    write_first_path(out, path);
}

fn write_first_path(out: &mut String, path: &str) {
    out.push_str(r#""path":"#);
    json::write_string(out, path);
    out.push(',');
}

fn unwritten(error: StoreError) -> WireError {
    WireError::system(error.to_string())
}
