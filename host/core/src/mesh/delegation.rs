//! Requests of a component on behalf of its callers (docs/mesh-protocol.md 2.8).
//!
//! Enters: with whose rights a component asks, for which action, on which path. Leaves: yes, with the rights that
//! decide about each document of a wildcard, or the error that real servers answer. Guarantees: a component that asks
//! for itself is not restricted, and pays nothing. One that asks for a caller gets what that user may do at this
//! moment. It gets nothing when the call is over, the user is gone, or the caller is not known.

use super::Mesh;
use mesh_plugin::{Authority, Identity, Rights};
use mesh_security::UserAccess;
use mesh_security::permission::Action;
use mesh_wire::origin::Origin;
use mesh_wire::protocol::{WireError, json};
use std::fmt;
use std::sync::Arc;

impl Mesh {
    /// Whether a component may do something with these rights, and with whose, where they are not its own. `path` is written out
    /// only where that is to be decided.
    pub(super) fn authorize_component(
        &self,
        component: &Identity,
        authority: &Authority,
        action: Action,
        path: impl fmt::Display,
    ) -> Result<Option<Arc<UserAccess>>, WireError> {
        let origin = match &authority.rights {
            Rights::Component => return Ok(None),
            Rights::Gone => None,
            Rights::Caller(origin) => Some(origin).filter(|origin| origin.id().is_some()),
        };
        let path = path.to_string();
        let outcome = self.permits(origin, action, &path);
        if outcome.is_err() {
            let user = origin.and_then(Origin::username);
            let session = origin.and_then(Origin::id);
            tracing::info!(
                target: "audit", event = "denied", user, session, component = component.component,
                action = action.word(), path = &*json::shorten(&path), "denied"
            );
        }
        outcome
    }

    fn permits(
        &self,
        origin: Option<&Origin>,
        action: Action,
        path: &str,
    ) -> Result<Option<Arc<UserAccess>>, WireError> {
        let denied = |whom: &str| {
            let reason = format!("request on behalf of unauthorised user: {}", json::shorten(whom));
            Err(WireError::access_denied("unauthorized").because(reason))
        };
        // Without security everybody may do everything.
        let Some(security) = self.security() else {
            return Ok(None);
        };
        let Some(origin) = origin else {
            return denied("nobody waits for the call any more");
        };
        match origin.username() {
            // The host asks for itself, or a component does that acts for nobody else.
            None if origin.id() == Some(self.id()) => Ok(None),
            None => denied("nobody has logged in"),
            Some(name) => match security.access_of_caller(origin) {
                Some(access) if security.lets_ask(&access, action, path) => Ok(Some(access)),
                _ => denied(name),
            },
        }
    }

    /// The caller as the called component sees it: whoever called first, along a chain of calls. The trace goes along with the call.
    pub(super) fn origin_of(&self, authority: &Authority) -> Origin {
        let origin = match &authority.rights {
            Rights::Caller(origin) => origin,
            Rights::Component | Rights::Gone => self.origin(),
        };
        match authority.trace {
            Some(trace) => origin.traced(trace),
            None => origin.clone(),
        }
    }
}
