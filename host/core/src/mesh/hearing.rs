//! Components that hear events.
//!
//! Enters: publications that match a subscription of a component. Leaves: events on the lane that it chose. Guarantees: one that
//! listens with the rights of a caller hears what that user may hear at this moment.

use super::Mesh;
use bytes::Bytes;
use mesh_plugin::{Caller, Job, JobKind, NO_PUBLISHER};
use mesh_security::UserAccess;
use mesh_security::permission::Action;
use mesh_session::pubsub::Listener;
use mesh_wire::protocol::Publication;
use std::fmt;
use std::sync::{Arc, Weak};

/// A component that hears events.
pub(super) struct ComponentListener {
    pub(super) caller: Caller,
    /// The id under which the mesh and its components publish.
    pub(super) mesh: Box<str>,
    /// With whose rights it listens, where it asked with those of a caller.
    pub(super) user: Option<(Weak<Mesh>, Arc<UserAccess>)>,
}

/// The key of the session with this id where events are counted by publisher.
fn publisher(session_id: &str) -> u8 {
    let kinds = u64::from(NO_PUBLISHER);
    (xxhash_rust::xxh3::xxh3_64(session_id.as_bytes()) % kinds) as u8
}

impl ComponentListener {
    /// Whether the user for whom it listens may hear an event at this moment. A user of the same name who was made since is
    /// somebody else.
    fn may_hear(&self, path: &str) -> bool {
        let Some((mesh, access)) = &self.user else {
            return true;
        };
        let Some(mesh) = mesh.upgrade() else { return false };
        mesh.security().is_none_or(|security| {
            let access = security.access_again(access);
            access.is_some_and(|access| security.allows(&access, Action::On, path))
        })
    }
}

impl fmt::Debug for ComponentListener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.user.as_ref().map(|(_, access)| &access.user().name);
        formatter
            .debug_struct("ComponentListener")
            .field("caller", &self.caller)
            .field("user", &user)
            .finish()
    }
}

impl Listener for ComponentListener {
    fn hear(&self, publication: &Publication<'_>) -> bool {
        // Two versions of a component may listen while one takes over from the other; one of them hears.
        let caller = &self.caller;
        if !caller.instance.is_hearing() || !self.may_hear(publication.path) {
            return false;
        }
        let mut meta = String::new();
        publication.meta_object(&mut meta);
        let job = Job {
            target: Bytes::copy_from_slice(publication.path.as_bytes()),
            payload: Bytes::copy_from_slice(publication.data.as_bytes()),
            meta,
            publisher: match *publication.session_id == *self.mesh {
                true => NO_PUBLISHER,
                false => publisher(publication.session_id),
            },
            ..Job::new(JobKind::Event, caller.token)
        };
        caller.instance.push(caller.lane, job);
        true
    }
}
