//! The end of a `set` or `remove`: its publication and its answer, in the order of its consistency; and the
//! acknowledgements of publications (docs/protocol.md 7.5).
//!
//! Enters: a change and its commit. Leaves: publications and one answer. Guarantees: a write that is reported as stored survives what
//! the store promises; each request is answered once.

use super::Gate;
use super::guard::Actor;
use crate::mesh::{Change, Publisher};
use mesh_session::After;
use mesh_session::pubsub::Published;
use mesh_store::Commit;
use mesh_wire::protocol::{
    Action, Frame, Options, Outcome, Publicity, Request, Response, WireError, acknowledgement, json,
};

/// Those who hear of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// Those who have subscribed.
    Subscribers,
    /// Nobody, since nobody listens or may listen. The client is told of a publication that none has heard.
    Nobody,
    /// Nobody, as the client wished.
    Unwanted,
}

impl Audience {
    /// As the options of a request say.
    pub(super) fn asked_for(options: &Options<'_>) -> Audience {
        match options.no_publish {
            true => Audience::Unwanted,
            false => Audience::Subscribers,
        }
    }

    /// As an answer says it.
    fn publicity(self) -> Publicity {
        match self {
            Audience::Subscribers | Audience::Nobody => Publicity::Published,
            Audience::Unwanted => Publicity::Withheld,
        }
    }
}

impl Gate {
    /// Whether the publication that these options ask for can be made.
    pub(super) fn can_publish(&self, options: &Options<'_>) -> Result<(), WireError> {
        let acknowledged = options.consistency == Some(3) && !options.no_publish;
        if acknowledged && !self.mesh.acknowledgements().has_room(self.session.number()) {
            return Err(WireError::service(
                "too many publications of this session wait for acknowledgements",
                "PublisherService",
            ));
        }
        Ok(())
    }

    /// Publishes a change and answers its request. `answer` writes the answer; its arguments are whether the publication is
    /// done, and what belongs into `_meta` about it. The answer waits for `commit`; the publication does not, so that events
    /// keep their order.
    pub(super) fn conclude(
        &mut self,
        (request, actor): (&Request<'_>, &Actor),
        options: &Options<'_>,
        change: Change<'_>,
        audience: Audience,
        commit: Commit,
        answer: &dyn Fn(Publicity, &str) -> Frame,
    ) {
        let consistency = options.consistency.filter(|level| *level <= 3).unwrap_or(2);
        let targets = crate::mesh::targets_of(options);
        let change = Change {
            consistency,
            meta: options.meta_object(),
            targets: targets.as_ref(),
            ..change
        };
        if consistency == 2 {
            let mut results = String::new();
            let published = if audience == Audience::Subscribers {
                // Where this panics, dropping it writes.
                let mut deferred = std::mem::take(&mut self.deferred);
                let publisher = self.publisher(request, actor);
                let published = self.mesh.publish_change_with(&publisher, &change, &mut deferred);
                self.deferred = deferred;
                published
            } else {
                Published::default()
            };
            if options.publish_results && audience != Audience::Unwanted {
                results.push_str(r#""publishResults":"#);
                Outcome {
                    successful: published.recipients,
                    acknowledged: None,
                }
                .write(&mut results);
                results.push(',');
            }
            return self.send_after(
                (commit, published.after),
                answer(audience.publicity(), &results),
                request,
            );
        }
        self.send_after((commit, None), answer(Publicity::Withheld, ""), request);
        if audience != Audience::Subscribers {
            return;
        }
        let publisher = self.publisher(request, actor);
        if consistency == 3 {
            return self.mesh.publish_acknowledged(&self.session, &publisher, &change);
        }
        let published = self.mesh.publish_change(&publisher, &change);
        let dialect = self.session.dialect();
        if consistency == 1 || dialect.acknowledges_consistency_0() {
            let outcome = Outcome {
                successful: published.recipients,
                acknowledged: None,
            };
            let told = acknowledgement(dialect, self.session.id(), publisher.event_id, outcome);
            self.session.outbound().push_after(told, published.after);
        }
    }

    /// Sends an answer when the store has committed, or an error if it has not, and behind what was published.
    fn send_after(&self, (commit, after): (Commit, Option<After>), frame: Frame, request: &Request<'_>) {
        if commit == Commit::Done {
            return self.session.outbound().push_after(frame, after);
        }
        let refusal = Response::to(self.session.dialect(), Action::Set, request).refusal();
        let session = self.session.clone();
        session.begin_commit();
        let answer = move |outcome: Result<(), mesh_store::StoreError>| {
            session.end_commit();
            let answer = match outcome {
                Ok(()) => frame,
                Err(error) => refusal.frame(&WireError::system(error.to_string())),
            };
            session.outbound().push_after(answer, after);
        };
        self.mesh.store().when_committed(commit, Box::new(answer));
    }

    pub(super) fn acknowledge(&mut self, request: &Request<'_>) {
        let dialect = self.session.dialect();
        let response = Response::to(dialect, Action::Other, request);
        let known = request.data.and_then(json::as_text).is_some_and(|id| {
            self.mesh
                .acknowledgements()
                .acknowledge(self.session.number(), &id)
        });
        self.send(if known || !dialect.refuses_unknown_acknowledgements() {
            response.data("null")
        } else {
            response.error(&WireError::service(
                "processAcknowledge failed",
                "PublisherService",
            ))
        });
    }

    fn publisher<'a>(&'a self, request: &Request<'a>, actor: &'a Actor) -> Publisher<'a> {
        Publisher {
            session_id: self.session.id(),
            event_id: request.event_id.map_or("undefined", |event_id| event_id.get()),
            username: actor.username.as_deref(),
        }
    }
}
