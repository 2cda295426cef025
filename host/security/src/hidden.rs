//! Documents that a wildcard reaches and its user must not have.
//!
//! Enters: the rights that a request is decided by, and the paths that it reaches, one by one. Leaves: whether a path is
//! left out. Guarantees: it is the user's own rights that count, whoever asks for the user.

use super::permission::Action;
use super::{Security, UserAccess};
use std::sync::Arc;

/// The paths that a wildcard reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Those that its text says, which was allowed.
    AsWritten,
    /// Perhaps more than its text says.
    Wider,
}

/// Decides document by document.
#[derive(Clone)]
pub struct Hidden {
    security: Arc<Security>,
    access: Arc<UserAccess>,
    action: Action,
}

impl Hidden {
    /// The documents that are hidden from a user. `None` where an allowed wildcard reaches no others.
    pub fn from_user(
        security: &Arc<Security>,
        access: &Arc<UserAccess>,
        action: Action,
        extent: Extent,
    ) -> Option<Hidden> {
        let hides = !access.is_everything()
            && (extent == Extent::Wider
                || security.settings().allow_nested_permissions
                || access.prohibits(action));
        hides.then(|| Hidden {
            security: security.clone(),
            access: access.clone(),
            action,
        })
    }

    /// Whether a document is to be left out.
    pub fn hides(&self, path: &str) -> bool {
        !self.security.allows(&self.access, self.action, path)
    }
}
