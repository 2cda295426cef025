//! get, count and remove (docs/protocol.md 5.2 to 5.4).
//!
//! Enters: paths and queries. Leaves: documents, numbers, removals. Guarantees: documents that a wildcard reaches and
//! the user must not have are left out. No answer is larger than the mesh allows, and no more is collected for one;
//! what is looked through gives way to others ([`super::scan`]).

use super::guard::Actor;
use super::publish::Audience;
use super::scan::{Asked, LeftOut, Scan};
use super::set::write_meta;
use super::{Gate, path};
use crate::mesh::Change;
use mesh_scans::{Budget, Memory};
use mesh_security::permission;
use mesh_store::{Document, PathPattern, Removal, Walk, Walked, now};
use mesh_wire::protocol::{
    Action, ArrayResponse, EventAction, Frame, Options, Publicity, Request, Response, WireError, json,
};
use mesh_wire::query::{Collected, Found, Query};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Asking something of a larger document takes longer than a request may take where it arrives.
const LARGE: usize = 256 * 1024;

impl Gate {
    pub(super) fn get(&mut self, request: &Request<'_>, frame: &Frame) {
        if let Err(error) = self.try_get(request, frame) {
            let response = Response::to(self.session.dialect(), Action::Get, request);
            self.send(response.error(&error));
        }
    }

    fn try_get(&mut self, request: &Request<'_>, frame: &Frame) -> Result<(), WireError> {
        let path = path::any(request)?;
        let actor = self.authorize(permission::Action::Get, &path, || {
            Options::read(request.options).on_behalf_of
        })?;
        let asked = Asked::at(request, Action::Get, self.session.dialect(), path)?;
        let path = &*asked.path;
        let pattern = PathPattern::new(path);
        self.mesh.note_reading(&self.session, &pattern);
        if pattern.has_wildcard() {
            return self.look_through(frame, &asked, &actor, Collecting::new(&asked));
        }
        let found = self.mesh.store().get(path);
        let is_large = found.as_ref().is_some_and(|found| found.data.len() > LARGE);
        if is_large && !asked.query.is_plain() {
            return self.look_through(frame, &asked, &actor, Single::new(&asked));
        }
        let found = found.filter(|found| asked.query.admits(path, &found.data, found.meta));
        self.send(single(&asked, found.as_ref()));
        Ok(())
    }

    pub(super) fn count(&mut self, request: &Request<'_>, frame: &Frame) {
        if let Err(error) = self.try_count(request, frame) {
            let response = Response::to(self.session.dialect(), Action::Count, request);
            self.send(response.error(&error));
        }
    }

    fn try_count(&mut self, request: &Request<'_>, frame: &Frame) -> Result<(), WireError> {
        let path = path::any(request)?;
        // A count tells what documents say.
        let actor = self.authorize(permission::Action::Get, &path, || {
            Options::read(request.options).on_behalf_of
        })?;
        let asked = Asked::at(request, Action::Count, self.session.dialect(), path)?;
        self.look_through(frame, &asked, &actor, Counting::new(&asked))
    }

    pub(super) fn remove(&mut self, request: &Request<'_>, frame: &Frame) {
        if let Err(error) = self.try_remove(request, frame) {
            let response = Response::to(self.session.dialect(), Action::Remove, request);
            self.send(response.error(&error));
        }
    }

    fn try_remove(&mut self, request: &Request<'_>, frame: &Frame) -> Result<(), WireError> {
        let dialect = self.session.dialect();
        let path = path::checked(request, dialect)?;
        let options = Options::read(request.options);
        let actor = self.authorize(permission::Action::Remove, &path, || options.on_behalf_of)?;
        self.can_publish(&options)?;
        let asked = Asked::at(request, Action::Remove, dialect, path)?;
        let removal = Removal::new(asked.query.bytes_as_one());
        let removing = Removing {
            removal,
            actor: actor.clone(),
        };
        self.look_through(frame, &asked, &actor, removing)
    }
}

/// The answer of a `get` without wildcard.
fn single(asked: &Asked<'_>, found: Option<&Document>) -> Frame {
    let Some(found) = found else {
        return asked.response.data("null");
    };
    let meta = |out: &mut String| asked.query.write_meta(out, &asked.path, found);
    asked
        .response
        .document(&asked.query.data(found), meta, Publicity::Withheld)
}

/// Goes on along the documents that a request reaches.
fn go_along(
    walk: &mut Walk,
    gate: &Gate,
    asked: &Asked<'_>,
    budget: &mut Budget,
    mut visit: impl FnMut(Arc<str>, Document) -> ControlFlow<()>,
) -> Walked {
    let pattern = PathPattern::new(&asked.path);
    walk.advance(gate.mesh.store(), &pattern, budget, &mut visit)
}

/// A `get` with wildcard.
struct Collecting {
    walk: Walk,
    array: ArrayResponse,
    /// Documents passed over, as a `skip` asks for.
    passed_over: usize,
    taken: usize,
    /// Documents that are still to be sorted.
    unsorted: Collected,
    /// Documents in their order, to be written.
    sorted: Option<std::vec::IntoIter<Found>>,
}

impl Collecting {
    fn new(asked: &Asked<'_>) -> Collecting {
        Collecting {
            walk: Walk::new(asked.query.bytes_as_one()),
            array: asked.response.array(),
            passed_over: 0,
            taken: 0,
            unsorted: Collected::default(),
            sorted: None,
        }
    }

    /// Takes a document that was found, in the order of paths.
    fn take(
        &mut self,
        query: &Query<'_>,
        limit: usize,
        path: Arc<str>,
        document: Document,
    ) -> ControlFlow<()> {
        if query.is_sorted() {
            if let Some(found) = query.select(path, document) {
                self.unsorted.push(query, found, limit);
            }
            return self.go_on_unless(self.unsorted.bytes() > limit);
        }
        if !query.admits(&path, &document.data, document.meta) {
            return ControlFlow::Continue(());
        }
        if self.passed_over < query.skip() {
            self.passed_over += 1;
            return ControlFlow::Continue(());
        }
        self.array
            .push_with(|out| query.write_item(out, &path, &document));
        self.taken += 1;
        self.go_on_unless(self.array.len() > limit || query.limit() == Some(self.taken))
    }

    fn go_on_unless(&self, is_enough: bool) -> ControlFlow<()> {
        match is_enough {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    /// Writes documents that are sorted.
    fn write(
        &mut self,
        query: &Query<'_>,
        limit: usize,
        sorted: &mut std::vec::IntoIter<Found>,
        budget: &mut Budget,
    ) -> Walked {
        while let Some(found) = sorted.as_slice().first() {
            if !budget.spend(1 + found.document.data.len() / query.bytes_as_one()) {
                return Walked::Paused;
            }
            self.array
                .push_with(|out| query.write_item(out, &found.path, &found.document));
            sorted.next();
            if self.array.len() > limit {
                break;
            }
        }
        Walked::Ended
    }
}

/// The error of an answer that would be too large.
pub fn too_large(limit: usize) -> WireError {
    WireError::system(format!(
        "the answer would be larger than {limit} bytes: ask for fewer documents at once"
    ))
}

impl Scan for Collecting {
    const ACTION: Action = Action::Get;
    const NEEDS: permission::Action = permission::Action::Get;
    const MEMORY: Memory = Memory::Collects;

    fn again(&self, asked: &Asked<'_>) -> Collecting {
        Collecting::new(asked)
    }

    fn advance(
        &mut self,
        gate: &Gate,
        asked: &Asked<'_>,
        hidden: &LeftOut,
        budget: &mut Budget,
    ) -> Result<Walked, WireError> {
        let limit = gate.session.outbound().limit();
        let query = &asked.query;
        if self.sorted.is_none() {
            let mut walk = std::mem::replace(&mut self.walk, Walk::new(1));
            let walked = go_along(&mut walk, gate, asked, budget, |path, document| {
                match hidden.hides(&path) {
                    true => ControlFlow::Continue(()),
                    false => self.take(query, limit, path, document),
                }
            });
            self.walk = walk;
            if self.unsorted.bytes() > limit || self.array.len() > limit {
                return Err(too_large(limit));
            }
            if walked == Walked::Paused {
                return Ok(Walked::Paused);
            }
            self.sorted = Some(self.unsorted.arranged(query).into_iter());
        }
        let mut sorted = self.sorted.take().unwrap_or_default();
        let written = self.write(query, limit, &mut sorted, budget);
        self.sorted = Some(sorted);
        match self.array.len() > limit {
            true => Err(too_large(limit)),
            false => Ok(written),
        }
    }

    fn held(&self) -> usize {
        self.array.capacity() + self.unsorted.bytes()
    }

    fn finish(self, gate: &mut Gate, asked: &Asked<'_>) {
        gate.send(self.array.finish(&asked.response));
    }
}

/// A `get` of one document, large enough to take its time.
struct Single {
    walk: Walk,
    found: Option<Document>,
}

impl Single {
    fn new(asked: &Asked<'_>) -> Single {
        Single {
            walk: Walk::new(asked.query.bytes_as_one()),
            found: None,
        }
    }
}

impl Scan for Single {
    const ACTION: Action = Action::Get;
    const NEEDS: permission::Action = permission::Action::Get;
    const MEMORY: Memory = Memory::Constant;

    fn again(&self, asked: &Asked<'_>) -> Single {
        Single::new(asked)
    }

    fn advance(
        &mut self,
        gate: &Gate,
        asked: &Asked<'_>,
        _: &LeftOut,
        budget: &mut Budget,
    ) -> Result<Walked, WireError> {
        let found = &mut self.found;
        let walked = go_along(&mut self.walk, gate, asked, budget, |path, document| {
            if asked.query.admits(&path, &document.data, document.meta) {
                *found = Some(document);
            }
            ControlFlow::Continue(())
        });
        Ok(walked)
    }

    fn finish(self, gate: &mut Gate, asked: &Asked<'_>) {
        gate.send(single(asked, self.found.as_ref()));
    }
}

/// A `count`.
struct Counting {
    walk: Walk,
    admitted: usize,
}

impl Counting {
    fn new(asked: &Asked<'_>) -> Counting {
        Counting {
            walk: Walk::new(match asked.query.admits_everything() {
                true => usize::MAX,
                false => asked.query.bytes_as_one(),
            }),
            admitted: 0,
        }
    }
}

impl Scan for Counting {
    const ACTION: Action = Action::Count;
    const NEEDS: permission::Action = permission::Action::Get;
    const MEMORY: Memory = Memory::Constant;

    fn again(&self, asked: &Asked<'_>) -> Counting {
        Counting::new(asked)
    }

    fn advance(
        &mut self,
        gate: &Gate,
        asked: &Asked<'_>,
        hidden: &LeftOut,
        budget: &mut Budget,
    ) -> Result<Walked, WireError> {
        let (admitted, query) = (&mut self.admitted, &asked.query);
        let enough = query.limit().map(|limit| limit.saturating_add(query.skip()));
        let walked = go_along(&mut self.walk, gate, asked, budget, |path, document| {
            if !hidden.hides(&path) && query.admits(&path, &document.data, document.meta) {
                *admitted += 1;
            }
            match enough {
                Some(enough) if *admitted >= enough => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        });
        Ok(walked)
    }

    fn finish(self, gate: &mut Gate, asked: &Asked<'_>) {
        let count = self.admitted.saturating_sub(asked.query.skip());
        gate.send(asked.response.data(&format!(r#"{{"value":{count}}}"#)));
    }
}

/// A `remove`.
struct Removing {
    removal: Removal,
    actor: Actor,
}

impl Scan for Removing {
    const ACTION: Action = Action::Remove;
    const NEEDS: permission::Action = permission::Action::Remove;
    const MEMORY: Memory = Memory::Constant;
    const CHANGES: bool = true;

    fn again(&self, asked: &Asked<'_>) -> Removing {
        Removing {
            removal: Removal::new(asked.query.bytes_as_one()),
            actor: self.actor.clone(),
        }
    }

    fn advance(
        &mut self,
        gate: &Gate,
        asked: &Asked<'_>,
        hidden: &LeftOut,
        budget: &mut Budget,
    ) -> Result<Walked, WireError> {
        let pattern = PathPattern::new(&asked.path);
        let mut admits = |path: &str, document: &Document| {
            !hidden.hides(path) && asked.query.admits(path, &document.data, document.meta)
        };
        self.removal
            .advance(gate.mesh.store(), &pattern, budget, &mut admits)
            .map_err(|error| WireError::system(error.to_string()))
    }

    fn finish(self, gate: &mut Gate, asked: &Asked<'_>) {
        let (request, path) = (asked.request, &*asked.path);
        let options = Options::read(request.options);
        let (removed, commit) = self.removal.outcome();
        let data = format!(r#"{{"removed":{removed}}}"#);
        let answer = |publicity: Publicity, results: &str| {
            let meta = |out: &mut String| {
                out.push_str(r#""timestamp":"#);
                json::write_number(out, now());
                out.push(',');
                write_meta(out, None, path);
                out.push_str(results);
            };
            asked.response.document(&data, meta, publicity)
        };
        let change = Change::new(EventAction::Remove, path, &data);
        let audience = Audience::asked_for(&options);
        gate.conclude(
            (request, &self.actor),
            &options,
            change,
            audience,
            commit,
            &answer,
        );
    }
}
