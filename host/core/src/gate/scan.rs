//! Requests that look through documents.
//!
//! Enters: a request that is allowed, and what is to be done with the documents it reaches. Leaves: one answer.
//! Guarantees: most are answered where they arrive. One that takes longer than a millisecond goes on in turns on the
//! threads of [`mesh_scans`]. Meanwhile the session's next requests wait. One that reads ends when its client is
//! gone. It begins anew when the rights of its user change. So no answer has more in it than its user may have when
//! it is written. One that removes is completed and published in any case.

use super::guard::{Actor, Hidden, unauthorized};
use super::login::answer_to;
use super::{Gate, RangeCache, handshake, path};
use mesh_scans::{Budget, Memory, Owner, Share};
use mesh_security::permission;
use mesh_session::{Deferred, Session};
use mesh_store::Walked;
use mesh_wire::network::network_of;
use mesh_wire::protocol::{Action, Dialect, Frame, Options, Parsed, Request, Response, WireError};
use mesh_wire::query::Query;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

/// How often a scan begins anew because rights have changed, before its client is told to ask again.
const MOST_BEGINNINGS: usize = 3;

/// A request, read as far as a scan needs it.
pub(super) struct Asked<'a> {
    pub(super) request: &'a Request<'a>,
    pub(super) response: Response<'a>,
    pub(super) path: Cow<'a, str>,
    pub(super) query: Query<'a>,
}

impl<'a> Asked<'a> {
    /// Reads a request. That of an `on` has no query.
    pub(super) fn read(
        request: &'a Request<'a>,
        action: Action,
        dialect: Dialect,
    ) -> Result<Asked<'a>, WireError> {
        let path = match action {
            Action::Remove | Action::On => path::checked(request, dialect)?,
            _ => path::any(request)?,
        };
        Asked::at(request, action, dialect, path)
    }

    /// Reads a request whose path is known.
    pub(super) fn at(
        request: &'a Request<'a>,
        action: Action,
        dialect: Dialect,
        path: Cow<'a, str>,
    ) -> Result<Asked<'a>, WireError> {
        let options = request.options.filter(|_| action != Action::On);
        let query = match action {
            Action::Count => Query::read_for_count(options, dialect),
            _ => Query::read(options, dialect),
        };
        let query = query.map_err(|error| error.to_wire(dialect, &path))?;
        Ok(Asked {
            request,
            response: Response::to(dialect, action, request),
            path,
            query,
        })
    }

    fn on_behalf_of(&self) -> Option<&'a RawValue> {
        Options::read(self.request.options).on_behalf_of
    }
}

/// The documents that a wildcard reaches and the principal must not have.
pub(super) struct LeftOut(pub(super) [Option<Hidden>; 2]);

impl LeftOut {
    /// Whether a document is to be left out.
    pub(super) fn hides(&self, path: &str) -> bool {
        self.0.iter().flatten().any(|hidden| hidden.hides(path))
    }
}

/// The operation on the documents that a request reaches.
pub(super) trait Scan: Sized + Send + 'static {
    /// The request's action.
    const ACTION: Action;
    /// The action that its user must be allowed.
    const NEEDS: permission::Action;
    /// Whether it holds what it finds.
    const MEMORY: Memory;
    /// Whether it leaves traces, so that it must be completed once begun.
    const CHANGES: bool = false;

    /// A second action that its user must be allowed on the same path.
    const ALSO: Option<permission::Action> = None;

    /// The documents that are hidden from the principal.
    fn left_out(gate: &Gate, actor: &Actor) -> LeftOut {
        LeftOut([gate.hidden(actor, Self::NEEDS), None])
    }

    /// The same at its beginning. Asked only of one that changes nothing.
    fn again(&self, asked: &Asked<'_>) -> Self;

    /// Goes on until the budget is spent.
    fn advance(
        &mut self,
        gate: &Gate,
        asked: &Asked<'_>,
        left_out: &LeftOut,
        budget: &mut Budget,
    ) -> Result<Walked, WireError>;

    /// Bytes collected so far.
    fn held(&self) -> usize {
        0
    }

    /// Sends the answer.
    fn finish(self, gate: &mut Gate, asked: &Asked<'_>);
}

impl Gate {
    /// Works off a request that is allowed: here, or if that takes long, elsewhere.
    pub(super) fn look_through<S: Scan>(
        &mut self,
        frame: &Frame,
        asked: &Asked<'_>,
        actor: &Actor,
        mut scan: S,
    ) -> Result<(), WireError> {
        let left_out = S::left_out(self, actor);
        match scan.advance(self, asked, &left_out, &mut Budget::inline())? {
            Walked::Ended => {
                scan.finish(self, asked);
                Ok(())
            }
            Walked::Paused => self.look_through_elsewhere(frame, scan, left_out),
        }
    }

    fn look_through_elsewhere<S: Scan>(
        &mut self,
        frame: &Frame,
        scan: S,
        left_out: LeftOut,
    ) -> Result<(), WireError> {
        self.session.hold_requests();
        let held = Held {
            session: self.session.clone(),
            frame: frame.clone(),
            action: S::ACTION,
            is_answered: false,
        };
        let gate = self.stand_in();
        let mesh = self.mesh.clone();
        let outcome = mesh
            .scans()
            .spawn(self.owner(), S::MEMORY, move |share| async move {
                gate.go_on(&held.frame, scan, left_out, share).await;
                held.answered();
            });
        // Work without a thread has answered with an error when it was dropped.
        outcome.unwrap_or_else(|error| tracing::warn!("a scan was given up: {error}"));
        Ok(())
    }

    /// Works off a `set` that changes a large document elsewhere, in one turn, while the session's next requests wait.
    pub(super) fn set_elsewhere(&mut self, frame: &Frame) {
        self.session.hold_requests();
        let held = Held {
            session: self.session.clone(),
            frame: frame.clone(),
            action: Action::Set,
            is_answered: false,
        };
        let mut gate = self.stand_in();
        let mesh = self.mesh.clone();
        let work = async move {
            if let Parsed::Request(request) = Request::parse(&held.frame) {
                gate.set(&request, &held.frame);
            }
            if let Some(reason) = gate.ends_with.take() {
                gate.session.end_because(reason);
            }
            held.answered();
        };
        let outcome = mesh.scans().spawn(self.owner(), Memory::Constant, |_| work);
        outcome.unwrap_or_else(|error| tracing::warn!("a change was given up: {error}"));
    }

    /// Ends a scan in turns.
    async fn go_on<S: Scan>(mut self, frame: &Frame, scan: S, left_out: LeftOut, share: Share) {
        let Parsed::Request(request) = Request::parse(frame) else {
            return;
        };
        let dialect = self.session.dialect();
        let outcome = match Asked::read(&request, S::ACTION, dialect) {
            Ok(asked) => self.take_turns(&asked, scan, left_out, share).await,
            Err(error) => Err(error),
        };
        if let Err(error) = outcome {
            self.send(Response::to(dialect, S::ACTION, &request).error(&error));
        }
        if let Some(reason) = self.ends_with.take() {
            self.session.end_because(reason);
        }
    }

    async fn take_turns<S: Scan>(
        &mut self,
        asked: &Asked<'_>,
        mut scan: S,
        mut left_out: LeftOut,
        share: Share,
    ) -> Result<(), WireError> {
        let on_behalf_of = asked.on_behalf_of();
        let mut beginnings = 0;
        loop {
            if !S::CHANGES && self.session.is_gone() {
                return Ok(());
            }
            if !S::CHANGES && self.is_decided_anew(on_behalf_of.is_some()) {
                beginnings += 1;
                if beginnings > MOST_BEGINNINGS {
                    return Err(WireError::system(
                        "rights changed again and again while documents were looked through: ask again",
                    ));
                }
                self.now = Instant::now();
                let actor = self.authorize(S::NEEDS, &asked.path, || on_behalf_of)?;
                if let Some(also) = S::ALSO
                    && !self.may_also(&actor, also, &asked.path)
                {
                    return Err(unauthorized());
                }
                left_out = S::left_out(self, &actor);
                scan = scan.again(asked);
            }
            match scan.advance(self, asked, &left_out, &mut Budget::turn())? {
                Walked::Ended => {
                    scan.finish(self, asked);
                    return Ok(());
                }
                Walked::Paused => share.give_way(scan.held()).await,
            }
        }
    }

    /// A gate for one request of the same session, while the session's others wait.
    fn stand_in(&mut self) -> Gate {
        Gate {
            mesh: self.mesh.clone(),
            session: self.session.clone(),
            info: self.info.clone(),
            announced: handshake::Announcement::default(),
            received: self.received,
            ranges: RangeCache::default(),
            wakes: Vec::new(),
            deferred: Deferred::default(),
            called: 0,
            took_time: false,
            stands_in: true,
            now: self.now,
            guard: std::mem::take(&mut self.guard),
            ends_with: None,
        }
    }

    /// Whose turns the session's scans take.
    fn owner(&self) -> Owner {
        match self.session.login() {
            Some(login) => Owner::User((*login.username).into()),
            None => Owner::Address(network_of(self.session.peer().ip())),
        }
    }
}

/// The session's requests, which wait. They go on when this is dropped, whatever happened.
struct Held {
    session: Arc<Session>,
    frame: Frame,
    action: Action,
    is_answered: bool,
}

impl Held {
    fn answered(mut self) {
        self.is_answered = true;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.is_answered {
            let failed = || WireError::system("the host could not look through the documents: try again");
            let dialect = self.session.dialect();
            let answer = answer_to(&self.frame, self.action, dialect, |_| Err(failed()));
            self.session.outbound().push(answer);
        }
        self.session.go_on_with(None);
    }
}
