//! Who calls, as the called component is told (docs/mesh-protocol.md 2.8).
//!
//! Enters: the session of a caller, its user where somebody has logged in, and the trace that the call belongs to, where it
//! does. Leaves: all of it, and the JSON that libraries get. Guarantees: the JSON is written once; a copy costs as much as one of an `Arc`; nobody has to read the JSON again.

use crate::protocol::json;
use crate::traceparent::Traceparent;
use std::sync::Arc;

/// Who calls. Copies share what they say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(Arc<Told>);

#[derive(Debug, PartialEq, Eq)]
struct Told {
    id: Option<Box<str>>,
    username: Option<Box<str>>,
    profile: Option<Arc<str>>,
    trace: Option<Traceparent>,
    json: Box<str>,
}

impl Origin {
    /// A session that nobody has logged in with, or the mesh itself: `{"id":…}`.
    pub fn of_session(id: &str) -> Origin {
        Origin::new(Some(id), None, None, None)
    }

    /// A session of a user: `{"id":…,"username":…}`.
    pub fn of_user(id: &str, username: &str) -> Origin {
        Origin::new(Some(id), Some(username), None, None)
    }

    /// Somebody of whom nothing is known: `null`.
    pub fn nobody() -> Origin {
        Origin::new(None, None, None, None)
    }

    /// The same caller, in whose session the permissions of a profile hold in the place of the user's own. Libraries are not told.
    #[must_use]
    pub fn with_permissions_of(&self, profile: &Arc<str>) -> Origin {
        Origin::new(
            self.id(),
            self.username(),
            Some(profile.clone()),
            self.traceparent(),
        )
    }

    /// The same caller, for a call that belongs to this trace: with a member `traceparent`.
    #[must_use]
    pub fn traced(&self, trace: Traceparent) -> Origin {
        match self.traceparent() {
            Some(known) if known == trace => self.clone(),
            _ => Origin::new(self.id(), self.username(), self.0.profile.clone(), Some(trace)),
        }
    }

    fn new(
        id: Option<&str>,
        username: Option<&str>,
        profile: Option<Arc<str>>,
        trace: Option<Traceparent>,
    ) -> Origin {
        let mut written = String::new();
        match id {
            None => written.push_str("null"),
            Some(id) => {
                written.push_str(r#"{"id":"#);
                json::write_string(&mut written, id);
                if let Some(username) = username {
                    written.push_str(r#","username":"#);
                    json::write_string(&mut written, username);
                }
                if let Some(trace) = &trace {
                    written.push_str(r#","traceparent":""#);
                    written.push_str(trace.as_str());
                    written.push('"');
                }
                written.push('}');
            }
        }
        Origin(Arc::new(Told {
            id: id.map(Into::into),
            username: username.map(Into::into),
            profile,
            trace,
            json: written.into(),
        }))
    }

    /// The session's id; none where nothing is known.
    pub fn id(&self) -> Option<&str> {
        self.0.id.as_deref()
    }

    /// The user's name; none where nobody has logged in.
    pub fn username(&self) -> Option<&str> {
        self.0.username.as_deref()
    }

    /// The profile whose permissions hold in the place of the user's own, where the session is one of such a profile.
    pub fn profile(&self) -> Option<&str> {
        self.0.profile.as_deref()
    }

    /// The trace that the call belongs to.
    pub fn traceparent(&self) -> Option<Traceparent> {
        self.0.trace
    }

    /// The JSON object that libraries get.
    pub fn json(&self) -> &str {
        &self.0.json
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn libraries_are_told_the_session_and_its_user() {
        let odd = "a\"b\\c\n\u{2028}é";
        for (origin, expected) in [
            (Origin::of_session("S"), json!({"id": "S"})),
            (Origin::of_user("S", "bob"), json!({"id": "S", "username": "bob"})),
            (Origin::of_user(odd, odd), json!({"id": odd, "username": odd})),
            (Origin::nobody(), Value::Null),
        ] {
            let read: Value = serde_json::from_str(origin.json()).unwrap();
            assert_eq!(read, expected);
            assert_eq!(origin.id(), expected["id"].as_str());
            assert_eq!(origin.username(), expected["username"].as_str());
        }
        assert_eq!(
            Origin::of_user("S", "bob").json(),
            r#"{"id":"S","username":"bob"}"#
        );
    }

    #[test]
    fn a_trace_is_one_more_member_and_changes_nobody() {
        let trace = Traceparent::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").unwrap();
        let traced = Origin::of_user("S", "bob").traced(trace);
        let read: Value = serde_json::from_str(traced.json()).unwrap();
        assert_eq!(
            read,
            json!({"id": "S", "username": "bob", "traceparent": trace.as_str()})
        );
        assert_eq!(traced.traceparent(), Some(trace));
        assert!(std::ptr::eq(traced.json(), traced.traced(trace).json()));
        let unknown = Origin::nobody().traced(trace);
        assert_eq!((unknown.json(), unknown.traceparent()), ("null", Some(trace)));
    }

    #[test]
    fn a_profile_goes_along_and_libraries_are_not_told() {
        let trace = Traceparent::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").unwrap();
        let limited = Origin::of_user("S", "bob").with_permissions_of(&"kiosks".into());
        assert_eq!(limited.traced(trace).profile(), Some("kiosks"));
        assert_eq!(limited.json(), Origin::of_user("S", "bob").json());
        assert_ne!(limited, Origin::of_user("S", "bob"));
    }

    #[test]
    fn a_copy_shares_its_text() {
        let origin = Origin::of_session("S");
        assert!(std::ptr::eq(origin.json(), origin.clone().json()));
    }
}
