//! Somebody who is told of subscriptions as they come and go: the cluster, which brings events of other nodes here.
//!
//! Enters: subscriptions that were made. Leaves: word of each, and of its end. Guarantees: each is told of once, before it is answered;
//! its end is told of once, however it ends.

use super::{Channel, VersionFilter};
use crate::InFlight;
use mesh_wire::protocol::{EventAction, Matching};
use std::fmt;
use std::sync::Arc;

/// A subscription, as far as others need to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched<'a> {
    /// The pattern, without the action.
    pub pattern: &'a str,
    /// How its session matches.
    pub matching: Matching,
    /// The range of versions; `None` for any.
    pub range: Option<&'a str>,
}

/// Somebody who is told of subscriptions. Must not wait, and must not subscribe or publish on the same stack.
pub trait Watcher: Send + Sync {
    /// A subscription was made. Its answer waits until the last copy of `until` is dropped.
    fn began(&self, watched: &Watched<'_>, until: Option<InFlight>);

    /// A subscription has ended.
    fn ended(&self, watched: &Watched<'_>);
}

/// A subscription that a watcher was told of. Its end is told when this is dropped.
pub(super) struct Told {
    watcher: Arc<dyn Watcher>,
    pattern: Box<str>,
    matching: Matching,
    range: Option<Box<str>>,
}

impl Told {
    /// Tells of a subscription, unless no event goes to it.
    pub(super) fn of(
        watcher: &Arc<dyn Watcher>,
        channel: Channel<'_>,
        matching: Matching,
        filter: &VersionFilter,
        until: Option<InFlight>,
    ) -> Option<Box<Told>> {
        if !channel.action.admits(EventAction::Set) {
            return None;
        }
        let range = match filter {
            VersionFilter::Any => None,
            // Text that is no range is compared as it is, which only this node can do.
            VersionFilter::Range(asked) => asked.range().ok().map(|range| range.as_str().into()),
        };
        // Without a watcher a subscription has no more than the place for this.
        let told = Box::new(Told {
            watcher: watcher.clone(),
            pattern: channel.pattern.into(),
            matching,
            range,
        });
        told.watcher.began(&told.watched(), until);
        Some(told)
    }

    fn watched(&self) -> Watched<'_> {
        Watched {
            pattern: &self.pattern,
            matching: self.matching,
            range: self.range.as_deref(),
        }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.watcher.ended(&self.watched());
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.watched().fmt(formatter)
    }
}
