//! Leaves the mesh, noted where it leaves.
//!
//! Enters: each publication, through the observer of [`Mesh::publish`](crate::mesh::Mesh::publish). Leaves: a list, in order.

use crate::mesh::{Observer, Reach};
use std::sync::{Arc, Mutex, PoisonError};

/// How a publication reaches others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// As [`Reach::Subscribers`].
    Subscribers,
    /// As [`Reach::SubscribersSoon`].
    SubscribersSoon,
    /// As [`Reach::Acknowledged`].
    Acknowledged,
    /// As [`Reach::Caller`].
    Caller,
}

/// A publication that has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure {
    /// How.
    pub kind: Kind,
    /// Where.
    pub path: String,
    /// A JSON object.
    pub data: String,
    /// Whether nobody but named sessions gets it.
    pub names_sessions: bool,
    /// Whether it stays on this node.
    pub without_cluster: bool,
}

/// All that has left.
#[derive(Clone, Debug, Default)]
pub(super) struct Departures(Arc<Mutex<Vec<Departure>>>);

impl Departures {
    /// Notes here what is published.
    pub(super) fn observer(&self) -> Observer {
        let noted = self.0.clone();
        Box::new(move |event, reach| {
            let departure = Departure {
                kind: match reach {
                    Reach::Subscribers => Kind::Subscribers,
                    Reach::SubscribersSoon(_) => Kind::SubscribersSoon,
                    Reach::Acknowledged(_) => Kind::Acknowledged,
                    Reach::Caller { .. } => Kind::Caller,
                },
                path: event.publication.path.to_owned(),
                data: event.publication.data.to_owned(),
                names_sessions: event.targets.is_some_and(|targets| targets.sessions.is_some()),
                without_cluster: event.targets.is_some_and(|targets| targets.without_cluster),
            };
            noted
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(departure);
        })
    }

    /// The departures since the last look.
    pub(super) fn take(&self) -> Vec<Departure> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
