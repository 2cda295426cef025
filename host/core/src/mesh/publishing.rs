//! The one door through which publications leave the mesh.
//!
//! Enters: an event, and whom it is for. Leaves: frames in the queues of sessions, jobs for components that listen.
//! Guarantees: each publication passes [`Mesh::publish`], whoever caused it: a client, a component or the mesh itself. The
//! documents that a new subscription finds are part of its answer, and are no publications in this sense.

use super::Mesh;
use super::exchange::MESH_USER;
use mesh_session::pubsub::{Event, EventVersion, Published, Targets};
use mesh_session::{After, Deferred, Session};
use mesh_wire::protocol::{DocumentMeta, EventAction, Publication, json};
use std::sync::Arc;

/// The recipients of a publication. The targets of the event leave only the named sessions among the subscribers.
#[derive(Debug)]
pub enum Reach<'a> {
    /// Everybody who subscribed to its path.
    Subscribers,
    /// The same. The publisher writes for recipients that sleep, when its requests at hand are worked off.
    SubscribersSoon(&'a mut Deferred),
    /// Everybody who subscribed to its path. Recipients acknowledge it, and this session is told of that.
    Acknowledged(&'a Arc<Session>),
    /// Nobody but the session that made a call, of which this is the answer.
    Caller {
        /// The session.
        session: &'a Session,
        /// The publications that go before the answer: those of the component that gave it.
        after: Option<After>,
    },
}

/// Somebody who sees each publication as it leaves.
#[cfg(any(test, feature = "testing"))]
pub type Observer = Box<dyn Fn(&Event<'_>, &Reach<'_>) + Send + Sync>;

/// An event that a component or the mesh itself publishes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own<'a> {
    /// Where.
    pub(super) path: &'a str,
    /// A JSON object.
    pub(super) data: &'a str,
    /// The document's times, when it was stored.
    pub(super) stored: Option<DocumentMeta>,
    /// The document was stored, and there was none before.
    pub(super) is_new: bool,
    /// Fields of `_meta`, each behind a comma.
    pub(super) custom_meta: &'a str,
    /// The version of the component that publishes.
    pub(super) version: Option<&'a EventVersion>,
    /// Whom the component means.
    pub(super) targets: Option<&'a Targets>,
}

impl<'a> Own<'a> {
    /// Something for everybody, that was not stored.
    pub(super) fn new(path: &'a str, data: &'a str) -> Own<'a> {
        Own {
            path,
            data,
            stored: None,
            is_new: false,
            custom_meta: "",
            version: None,
            targets: None,
        }
    }
}

impl Mesh {
    /// Publishes an event. Returns how many get it, and what waits until all of them were tried. Acknowledgements come later, to
    /// the session that [`Reach::Acknowledged`] names.
    pub fn publish(&self, event: &Event<'_>, reach: Reach<'_>) -> Published {
        self.leaves(event, &reach);
        let subscriptions = self.subscriptions();
        match reach {
            Reach::Subscribers => subscriptions.publish(event),
            Reach::SubscribersSoon(deferred) => subscriptions.publish_with(event, Some(deferred)),
            Reach::Acknowledged(publisher) => {
                let (frames, inside) = subscriptions.recipients(event);
                let recipients = frames.len() + inside;
                let event_id = event.publication.event_id;
                let now = self.clock.now();
                self.acknowledgements
                    .deliver(publisher, event_id, frames, inside, now);
                Published {
                    recipients,
                    after: None,
                }
            }
            Reach::Caller { session, after } => Published {
                recipients: subscriptions.publish_response(session.number(), event, after),
                after: None,
            },
        }
    }

    /// Publishes an event of another node to those who listen here. It does not go back to other nodes.
    pub fn publish_from_node(&self, event: &Event<'_>) -> Published {
        self.subscriptions().publish(event)
    }

    /// Sees each publication before anybody has it. Other nodes of a cluster are sent from here what is for them. There is no
    /// other place where publications leave.
    fn leaves(&self, event: &Event<'_>, reach: &Reach<'_>) {
        #[cfg(any(test, feature = "testing"))]
        if let Some(observer) = self.observer.get() {
            observer(event, reach);
        }
        let is_answer = matches!(reach, Reach::Caller { .. });
        if let Some(elsewhere) = self.elsewhere()
            && !is_answer
            && event.publication.action == EventAction::Set
            // Documents are each node's own, and so are their changes.
            && event.publication.stored.is_none()
            && event.targets.is_none_or(|targets| !targets.without_cluster)
        {
            elsewhere.publish(event);
        }
    }

    /// Publishes something under the mesh's own name.
    pub(super) fn publish_own(&self, own: Own<'_>, reach: Reach<'_>) -> Published {
        let mut event_id = String::new();
        json::write_number(&mut event_id, self.next_event());
        let publication = Publication {
            action: EventAction::Set,
            path: own.path,
            data: own.data,
            sent: own.data,
            document_path: None,
            session_id: self.id(),
            event_id: &event_id,
            consistency: 2,
            stored: own.stored,
            timestamp: None,
            username: Some(MESH_USER),
            modified_by: self.own_name().map(|name| &**name).filter(|_| own.is_new),
            custom_meta: own.custom_meta,
        };
        let event = Event {
            publication: &publication,
            version: own.version,
            targets: own.targets,
        };
        self.publish(&event, reach)
    }
}
