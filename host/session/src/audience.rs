//! The subscribed events that a session may hear, for itself and for others.
//!
//! Enters: the path of an event. Leaves: whether the user may hear it. Guarantees: a session that may hear everything that
//! its subscriptions say costs a publication nothing. Somebody for whom a session listens hears nothing until it is
//! known what.

use arc_swap::ArcSwapOption;
use std::fmt;
use std::sync::Arc;

/// Decides event by event.
pub struct Audience {
    hears: Box<dyn Fn(&str) -> bool + Send + Sync>,
    /// Something is forbidden that a subscription may reach; otherwise only those are asked for that mean more than their
    /// text.
    is_strict: bool,
}

impl Audience {
    /// `hears` decides; of all events where the audience is strict.
    pub fn new(is_strict: bool, hears: impl Fn(&str) -> bool + Send + Sync + 'static) -> Audience {
        Audience {
            hears: Box::new(hears),
            is_strict,
        }
    }

    /// Nobody hears anything.
    pub fn nobody() -> Audience {
        Audience::new(true, |_| false)
    }

    /// Whether an event may be heard. `is_loose` says that the subscription may mean more than its text, which was allowed.
    pub fn may_hear(&self, path: &str, is_loose: bool) -> bool {
        (!self.is_strict && !is_loose) || (self.hears)(path)
    }
}

impl fmt::Debug for Audience {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Audience")
            .field("is_strict", &self.is_strict)
            .finish_non_exhaustive()
    }
}

/// Somebody else for whom a session listens. All its subscriptions for this user share it.
#[derive(Debug)]
pub struct Principal {
    username: Arc<str>,
    user_id: Box<str>,
    /// Nothing where it may hear everything that it has subscribed to.
    audience: ArcSwapOption<Audience>,
}

impl Principal {
    pub(super) fn new(username: &Arc<str>, user_id: &str) -> Principal {
        Principal {
            username: username.clone(),
            user_id: user_id.into(),
            audience: ArcSwapOption::from_pointee(Audience::nobody()),
        }
    }

    /// The user's name.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The user's id, which no other user of the same name has.
    pub fn user_id(&self) -> &str {
        &self.user_id
    }

    /// Notes what the user may hear.
    pub fn set_audience(&self, audience: Option<Audience>) {
        self.audience.store(audience.map(Arc::new));
    }

    /// Whether an event may be heard; see [`Audience::may_hear`].
    pub fn may_hear(&self, path: &str, is_loose: bool) -> bool {
        match &*self.audience.load() {
            None => true,
            Some(audience) => audience.may_hear(path, is_loose),
        }
    }
}
