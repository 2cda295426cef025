//! get, count and remove (PROTOCOL.md 5.2 to 5.4).
//!
//! What enters: paths and queries. What leaves: documents, numbers, removals. Guarantees: what a wildcard reaches and the user
//! must not have is left out; no answer is larger than the mesh allows.

use super::guard::Hidden;
use super::set::write_meta;
use super::{Gate, path};
use crate::mesh::Change;
use crate::protocol::{Action, EventAction, Frame, Options, Request, Response, WireError, json};
use crate::query::{Found, Query};
use crate::security::permission;
use crate::store::{PathPattern, now};

impl Gate {
    pub(super) fn get(&mut self, request: &Request<'_>) {
        let response = Response::to(self.session.dialect(), Action::Get, request);
        let frame = self.try_get(request, &response);
        self.send(frame.unwrap_or_else(|error| response.error(&error)));
    }

    fn try_get(&mut self, request: &Request<'_>, response: &Response<'_>) -> Result<Frame, WireError> {
        let path = path::any(request)?;
        let actor = self.authorize(permission::Action::Get, &path, || {
            Options::read(request.options).on_behalf_of
        })?;
        let query = self.query(request, &path)?;
        let pattern = PathPattern::new(&path);
        self.mesh.note_reading(&self.session, &pattern);
        if pattern.has_wildcard() {
            let hidden = self.hidden(&actor, permission::Action::Get);
            return self.get_all(&pattern, &query, hidden.as_ref(), response);
        }
        let found = self.mesh.store().get(&path);
        let found = found.filter(|found| query.admits(&path, &found.data, found.meta));
        Ok(match found {
            None => response.data("null"),
            Some(found) => {
                let meta = |out: &mut String| query.write_meta(out, &path, found.meta);
                response.document(&query.data(&found), meta, false)
            }
        })
    }

    fn get_all(
        &self,
        pattern: &PathPattern<'_>,
        query: &Query<'_>,
        hidden: Option<&Hidden>,
        response: &Response<'_>,
    ) -> Result<Frame, WireError> {
        let limit = self.session.outbound().limit();
        let mut array = response.array();
        if query.is_plain() {
            self.mesh.store().scan(pattern, &mut |path, document| {
                if hidden.is_some_and(|hidden| hidden.hides(path)) {
                    return true;
                }
                array.push(path, &document.data, document.meta);
                array.len() <= limit
            });
        } else {
            for found in self.select(pattern, query, hidden) {
                array.push_with(|out| query.write_item(out, &found));
                if array.len() > limit {
                    break;
                }
            }
        }
        if array.len() > limit {
            return Err(too_large(limit));
        }
        Ok(array.finish())
    }

    /// The documents that a query asks for, in its order.
    fn select(&self, pattern: &PathPattern<'_>, query: &Query<'_>, hidden: Option<&Hidden>) -> Vec<Found> {
        let mut selected = Vec::new();
        self.mesh.store().scan(pattern, &mut |path, document| {
            if hidden.is_some_and(|hidden| hidden.hides(path)) {
                return true;
            }
            selected.extend(query.select(path, document));
            !query.is_enough(selected.len())
        });
        query.arrange(&mut selected);
        selected
    }

    pub(super) fn count(&mut self, request: &Request<'_>) {
        let response = Response::to(self.session.dialect(), Action::Count, request);
        let counted = path::any(request).and_then(|path| {
            // A count tells what documents say.
            let actor = self.authorize(permission::Action::Get, &path, || {
                Options::read(request.options).on_behalf_of
            })?;
            let dialect = self.session.dialect();
            let query = Query::read_for_count(request.options, dialect)
                .map_err(|error| error.to_wire(dialect, &path))?;
            let pattern = PathPattern::new(&path);
            let hidden = self.hidden(&actor, permission::Action::Get);
            Ok(self.select(&pattern, &query, hidden.as_ref()).len())
        });
        self.send(match counted {
            Ok(count) => response.data(&format!(r#"{{"value":{count}}}"#)),
            Err(error) => response.error(&error),
        });
    }

    pub(super) fn remove(&mut self, request: &Request<'_>) {
        let response = Response::to(self.session.dialect(), Action::Remove, request);
        if let Err(error) = self.try_remove(request, &response) {
            self.send(response.error(&error));
        }
    }

    fn try_remove(&mut self, request: &Request<'_>, response: &Response<'_>) -> Result<(), WireError> {
        let path = path::checked(request, self.session.dialect())?;
        let options = Options::read(request.options);
        let actor = self.authorize(permission::Action::Remove, &path, || options.on_behalf_of)?;
        self.can_publish(&options)?;
        let query = self.query(request, &path)?;
        let hidden = self.hidden(&actor, permission::Action::Remove);
        let (removed, commit) = self
            .mesh
            .store()
            .remove(&PathPattern::new(&path), &mut |path, document| {
                !hidden.as_ref().is_some_and(|hidden| hidden.hides(path))
                    && query.admits(path, &document.data, document.meta)
            })
            .map_err(|error| WireError::system(error.to_string()))?;
        let data = format!(r#"{{"removed":{removed}}}"#);
        let answer = |published: bool, results: &str| {
            let meta = |out: &mut String| {
                out.push_str(r#""timestamp":"#);
                json::write_number(out, now());
                out.push(',');
                write_meta(out, None, &path);
                out.push_str(results);
            };
            response.document(&data, meta, published)
        };
        let change = Change::new(EventAction::Remove, &path, &data);
        let publishes = (!options.no_publish, options.no_publish);
        self.conclude((request, &actor), &options, change, publishes, commit, &answer);
        Ok(())
    }

    fn query<'a>(&self, request: &Request<'a>, path: &str) -> Result<Query<'a>, WireError> {
        let dialect = self.session.dialect();
        Query::read(request.options, dialect).map_err(|error| error.to_wire(dialect, path))
    }
}

/// Documents that were asked for are more than a session may have queued.
pub(super) fn too_large(limit: usize) -> WireError {
    WireError::system(format!(
        "the answer would be larger than {limit} bytes: ask for fewer documents at once"
    ))
}
