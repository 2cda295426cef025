//! get, count and remove (PROTOCOL.md 5.2 to 5.4).

use super::set::write_meta;
use super::{Gate, not_there_yet, path};
use crate::mesh::Change;
use crate::protocol::{Action, EventAction, Options, Request, Response, WireError, json};
use crate::store::{PathPattern, now};

impl Gate {
    pub(super) fn get(&mut self, request: &Request<'_>) {
        let response = Response::to(self.session.dialect(), Action::Get, request);
        let path = match path::any(request) {
            Ok(path) => path,
            Err(error) => return self.send(response.error(&error)),
        };
        if Options::read(request.options).query {
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
                let meta = |out: &mut String| write_meta(out, Some(found.meta), &path);
                response.document(&found.data, meta, false)
            }
        };
        self.send(frame);
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
        self.can_publish(&options)?;
        let (removed, commit) = self
            .mesh
            .store()
            .remove(&PathPattern::new(&path), &mut |_, _| true)
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
        self.conclude(request, &options, change, publishes, commit, &answer);
        Ok(())
    }
}
