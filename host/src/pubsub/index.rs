//! The subscriptions of all sessions, and the way of one publication through them.

use super::delivery::Delivery;
use super::precedence::{Hit, Place};
use super::registration::{Reference, Registration};
use super::tables::Tables;
use super::{Channel, Depth, EventVersion, Pattern, Subscriber, VersionFilter};
use crate::protocol::{Dialect, EventAction, Frame, Publication};
use crate::session::{After, InFlight, Session};
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

const REQUESTS: &str = "/_exchange/requests/";

/// One publication and whom it may go to.
#[derive(Clone, Copy)]
pub struct Event<'a> {
    /// What recipients see.
    pub publication: &'a Publication<'a>,
    /// The version that the event carries, if it carries one that can be compared.
    pub version: Option<&'a EventVersion>,
    /// Which sessions it may go to; `None` for all.
    pub targets: Option<&'a Targets>,
}

/// Which sessions a publication may go to.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    /// Only those with one of these ids; `None` for no such limit.
    pub sessions: Option<HashSet<String>>,
    /// None of other nodes of a cluster.
    pub without_cluster: bool,
}

impl Targets {
    /// Whether it may go to a session.
    pub fn admit(&self, session: &Session) -> bool {
        !(self.without_cluster && session.is_cluster_member())
            && self
                .sessions
                .as_ref()
                .is_none_or(|sessions| sessions.contains(session.id()))
    }

    /// Whether it may go to nobody inside the host.
    pub fn are_sessions(&self) -> bool {
        self.sessions.is_some()
    }
}

/// What became of a publication.
#[derive(Debug, Default)]
pub struct Published {
    /// The number of frames and calls it became.
    pub recipients: usize,
    /// What waits until all of its recipients on other connections have tried to write it.
    pub after: Option<After>,
}

/// What a subscriber asks for.
#[derive(Debug)]
pub struct Subscription<'a> {
    /// The channel exactly as sent.
    pub text: &'a str,
    /// The same taken apart; `None` when it can never match.
    pub channel: Option<Channel<'a>>,
    /// By whose rules the pattern is read.
    pub dialect: Dialect,
    /// Which versions of events are wanted.
    pub filter: VersionFilter,
    /// How many segments a `**` reaches.
    pub depth: Depth,
    /// How many listeners it stands for (first generation).
    pub count: i64,
    /// Events carry what was sent instead of what is stored (PROTOCOL.md 7.2).
    pub as_sent: bool,
}

/// Subscriptions of one subscriber on one channel: clients make one for each listener.
const MOST_ON_ONE_CHANNEL: usize = 1024;

/// A subscriber has as many subscriptions as it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many subscriptions: a session may have {most}, and {MOST_ON_ONE_CHANNEL} on one channel")]
pub struct TooManySubscriptions {
    most: usize,
}

/// All subscriptions.
#[derive(Debug)]
pub struct Index {
    /// Subscriptions that one session may have.
    most: usize,
    tables: RwLock<Tables>,
    /// Subscriptions that may match an exchange request. While there are none, calls do not look at the index.
    request_watchers: AtomicUsize,
}

impl Index {
    /// No subscriptions; a session may have `most`.
    pub fn new(most: usize) -> Index {
        Index {
            most,
            tables: RwLock::default(),
            request_watchers: AtomicUsize::new(0),
        }
    }

    /// The channels that a subscriber has subscriptions on.
    pub fn channels_of(&self, subscriber: u64) -> Vec<Arc<str>> {
        let tables = self.read();
        let channels = tables.by_subscriber.get(&subscriber);
        channels.map_or_else(Vec::new, |of| of.channels.keys().cloned().collect())
    }

    /// Adds a subscription and returns its reference.
    ///
    /// # Errors
    ///
    /// When a session has as many as it may have.
    pub fn subscribe(
        &self,
        subscriber: &Subscriber,
        subscription: Subscription<'_>,
    ) -> Result<u64, TooManySubscriptions> {
        let Subscription {
            text,
            channel,
            dialect,
            filter,
            depth,
            count,
            as_sent,
        } = subscription;
        let mut tables = self.write();
        tables.next_reference += 1;
        let id = tables.next_reference;
        let Some(channel) = channel else { return Ok(id) };
        let of_subscriber = tables.by_subscriber.entry(subscriber.number()).or_default();
        if matches!(subscriber, Subscriber::Session(_)) && of_subscriber.references >= self.most {
            return Err(TooManySubscriptions { most: self.most });
        }
        let position = match of_subscriber.channels.get(text) {
            Some(position) => *position,
            None => {
                let pattern = Pattern::parse(channel.pattern, dialect);
                let place = Place::new(channel.action, &pattern, dialect);
                if pattern.may_match_below(REQUESTS) {
                    self.request_watchers.fetch_add(1, Ordering::Relaxed);
                }
                tables.insert(Registration {
                    subscriber: subscriber.clone(),
                    channel: text.into(),
                    action: channel.action,
                    place,
                    sequence: id,
                    pattern,
                    is_loose: dialect.is_first_generation() || !channel.pattern.starts_with('/'),
                    references: Vec::new(),
                    count: 0,
                })
            }
        };
        let mut added = 0;
        if let Some(registration) = &mut tables.registrations[position] {
            if registration.references.len() >= MOST_ON_ONE_CHANNEL {
                return Err(TooManySubscriptions { most: self.most });
            }
            registration.count = registration.count.saturating_add(count);
            let repeated = dialect.is_first_generation()
                && registration
                    .references
                    .iter()
                    .any(|other| other.filter == filter && other.depth == depth);
            if !repeated {
                registration.references.push(Reference {
                    id,
                    filter,
                    depth,
                    as_sent,
                });
                added = 1;
            }
        }
        if let Some(of_subscriber) = tables.by_subscriber.get_mut(&subscriber.number()) {
            of_subscriber.references += added;
        }
        Ok(id)
    }

    /// Ends one subscription by its reference. An unknown one is no error.
    pub fn unsubscribe_reference(&self, subscriber: u64, text: &str, reference: u64) {
        self.change(subscriber, text, |registration| {
            registration.references.retain(|other| other.id != reference);
            registration.references.is_empty()
        });
    }

    /// Takes `count` listeners away from a channel (first generation), and ends it when none is left.
    pub fn unsubscribe_count(&self, subscriber: u64, text: &str, count: i64) {
        self.change(subscriber, text, |registration| {
            registration.count = registration.count.saturating_sub(count);
            registration.count <= 0
        });
    }

    /// Ends all subscriptions of a subscriber on exactly this channel.
    pub fn unsubscribe_channel(&self, subscriber: u64, text: &str) {
        self.change(subscriber, text, |_| true);
    }

    /// Ends all subscriptions of a subscriber.
    pub fn unsubscribe_all(&self, subscriber: u64) {
        let mut tables = self.write();
        let Some(of_subscriber) = tables.by_subscriber.remove(&subscriber) else {
            return;
        };
        for position in of_subscriber.channels.into_values() {
            self.forget(&mut tables, position);
        }
    }

    /// Delivers an event to everybody who subscribed to its path.
    pub fn publish(&self, event: &Event<'_>) -> Published {
        let tables = self.read();
        let mut delivery = Delivery::new(event);
        tables.find(event.publication.path, &mut |registration, depth| {
            delivery.deliver(registration, depth)
        });
        Published {
            recipients: delivery.recipients,
            after: delivery.in_flight.as_ref().map(InFlight::after),
        }
    }

    /// As [`Index::publish`], but hands out the frames for sessions instead of delivering them. The number is that of
    /// recipients inside the host, which have it.
    pub fn recipients(&self, event: &Event<'_>) -> (Vec<(Arc<Session>, Frame)>, usize) {
        let tables = self.read();
        let mut delivery = Delivery::new(event);
        delivery.held = Some(Vec::new());
        tables.find(event.publication.path, &mut |registration, depth| {
            delivery.deliver(registration, depth)
        });
        let held = delivery.held.unwrap_or_default();
        let inside = delivery.recipients - held.len();
        (held, inside)
    }

    /// Delivers an answer of the exchange to its owner's subscriptions only. It leaves behind what it is to come after.
    pub fn publish_response(&self, owner: u64, event: &Event<'_>, after: Option<After>) -> usize {
        let tables = self.read();
        let mut delivery = Delivery::new(event);
        delivery.is_answer = true;
        delivery.after = after;
        let path = event.publication.path;
        let own = tables.by_subscriber.get(&owner);
        let mut hits: Vec<Hit> = Vec::new();
        for position in own.into_iter().flat_map(|own| &own.responses) {
            if let Some(registration) = tables.at(*position)
                && registration.pattern.matches(path)
            {
                hits.push(Hit {
                    position: *position,
                    depth: registration.pattern.depth_of(path).unwrap_or(0),
                });
            }
        }
        tables.each(path, hits, &mut |registration, depth| {
            delivery.deliver(registration, depth)
        });
        delivery.recipients
    }

    /// The sessions that hear what is written to `path`.
    pub fn sessions_of(&self, path: &str) -> Vec<Arc<Session>> {
        let tables = self.read();
        let mut sessions = Vec::new();
        tables.find(path, &mut |registration, _| {
            if let Subscriber::Session(session) = &registration.subscriber
                && registration.action.admits(EventAction::Set)
            {
                sessions.push(session.clone());
            }
        });
        sessions
    }

    /// Tells of each subscription to paths below `folder` which versions it asks for, and whether it is a client's.
    pub fn ranges_below(&self, folder: &str, tell: &mut dyn FnMut(&VersionFilter, bool)) {
        let tables = self.read();
        for registration in tables.registrations.iter().flatten() {
            let pattern = Channel::parse(&registration.channel).map(|channel| channel.pattern);
            let is_client = matches!(registration.subscriber, Subscriber::Session(_));
            // The channel of a component is a number.
            if (!is_client && registration.pattern.may_match_below(folder))
                || pattern.is_some_and(|pattern| pattern.starts_with(folder))
            {
                for reference in &registration.references {
                    tell(&reference.filter, is_client);
                }
            }
        }
    }

    /// Does something while nothing is published.
    pub fn in_silence(&self, something: impl FnOnce()) {
        let _tables = self.write();
        something();
    }

    /// Whether somebody may have subscribed to exchange requests.
    pub fn has_request_watchers(&self) -> bool {
        self.request_watchers.load(Ordering::Relaxed) > 0
    }

    /// How many (subscriber, channel) pairs there are.
    pub fn count(&self) -> usize {
        let tables = self.read();
        tables.registrations.len() - tables.free.len()
    }

    fn change(&self, subscriber: u64, text: &str, ended: impl FnOnce(&mut Registration) -> bool) {
        let mut tables = self.write();
        let Some(of_subscriber) = tables.by_subscriber.get(&subscriber) else {
            return;
        };
        let Some(position) = of_subscriber.channels.get(text).copied() else {
            return;
        };
        let Some(registration) = tables.registrations[position].as_mut() else {
            return;
        };
        let before = registration.references.len();
        let ended = ended(registration);
        let left = if ended { 0 } else { registration.references.len() };
        if let Some(of_subscriber) = tables.by_subscriber.get_mut(&subscriber) {
            of_subscriber.references -= before - left;
        }
        if !ended {
            return;
        }
        if let Some(of_subscriber) = tables.by_subscriber.get_mut(&subscriber) {
            of_subscriber.channels.remove(text);
            of_subscriber.responses.retain(|other| *other != position);
            if of_subscriber.channels.is_empty() {
                tables.by_subscriber.remove(&subscriber);
            }
        }
        self.forget(&mut tables, position);
    }

    fn forget(&self, tables: &mut Tables, position: usize) {
        if let Some(registration) = tables.remove(position)
            && registration.pattern.may_match_below(REQUESTS)
        {
            self.request_watchers.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Tables> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Tables> {
        self.tables.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscribe(index: &Index, session: &Arc<Session>, text: &str) -> Result<u64, TooManySubscriptions> {
        let depth = Depth {
            segments: 5,
            named: false,
        };
        let subscription = Subscription {
            text,
            channel: Channel::parse(text),
            dialect: Dialect::Happn4,
            filter: VersionFilter::Any,
            depth,
            count: 1,
            as_sent: false,
        };
        index.subscribe(&Subscriber::Session(session.clone()), subscription)
    }

    #[test]
    fn a_session_has_a_limited_number_of_subscriptions() {
        let index = Index::new(2);
        let session = Arc::new(Session::new(1, ([127, 0, 0, 1], 1).into(), 1000));
        let other = Arc::new(Session::new(2, ([127, 0, 0, 1], 1).into(), 1000));
        let first = subscribe(&index, &session, "/SET@/a").unwrap();
        subscribe(&index, &session, "/SET@/a").unwrap();
        assert!(subscribe(&index, &session, "/SET@/b").is_err());
        subscribe(&index, &other, "/SET@/b").unwrap();
        index.unsubscribe_reference(1, "/SET@/a", first);
        subscribe(&index, &session, "/SET@/b").unwrap();
        index.unsubscribe_channel(1, "/SET@/a");
        index.unsubscribe_channel(1, "/SET@/b");
        subscribe(&index, &session, "/SET@/c").unwrap();
        subscribe(&index, &session, "/SET@/d").unwrap();
        assert!(subscribe(&index, &session, "/SET@/e").is_err());
        index.unsubscribe_all(1);
        assert_eq!(index.count(), 1);
    }
}
