//! Events for administrators: changes of the directory, sessions that come and go, what each session did last.
//!
//! Enters: switches, and actions of sessions. Leaves: lists of sessions and actions. Guarantees: nothing is
//! remembered unless somebody asked for it, and nothing of a session that has ended.

use super::permission::Action;
use mesh_session::Session;
use mesh_wire::protocol::WireError;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// The switches, and what was noted while they were on.
#[derive(Debug, Default)]
pub struct Activity {
    /// Whether changes of the directory are published.
    pub security_events: Switch,
    /// Whether sessions that come and go are published.
    pub session_events: Switch,
    /// Whether sessions may be listed.
    pub management: Switch,
    /// Whether it is noted what sessions do.
    pub logging: Switch,
    latest: Mutex<HashMap<u64, Value>>,
}

/// Something that is off at first.
#[derive(Debug, Default)]
pub struct Switch(AtomicBool);

impl Switch {
    /// Turns it on or off.
    pub fn set(&self, on: bool) {
        self.0.store(on, Ordering::Relaxed);
    }

    /// Whether it is on.
    pub fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Activity {
    /// Notes what a session asked for.
    pub fn note(&self, session: &Session, path: &str, action: Action, error: Option<&WireError>) {
        if !self.logging.is_on() {
            return;
        }
        // That it was denied is no error of its own.
        let failure = error.filter(|error| error.code() != Some(403));
        let entry = json!({
            "path": path, "action": action.word(), "id": session.id(),
            "error": failure.map_or("", WireError::message), "authorized": error.is_none(),
        });
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.insert(session.number(), entry);
    }

    /// Forgets a session.
    pub fn forget(&self, session: &Session) {
        // Also while nothing is noted: what was noted before is still listed when it goes on.
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.remove(&session.number());
    }

    /// Forgets what was noted.
    pub fn clear(&self) {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = HashMap::new();
    }

    /// The last action of each session.
    pub fn latest(&self) -> Vec<Value> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.values().cloned().collect()
    }
}
