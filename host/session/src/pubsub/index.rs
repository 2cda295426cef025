//! The subscriptions of all sessions, and the way of one publication through them.

use super::delivery::Delivery;
use super::precedence::{Hit, Place};
use super::registration::{Reference, Registration};
use super::shrinking::shrink_list;
use super::tables::Tables;
use super::watching::{Told, Watcher};
use super::{Channel, Depth, EventVersion, Pattern, Subscriber, VersionFilter};
use crate::{After, Deferred, InFlight, Principal, Session};
use mesh_wire::address::REQUESTS;
use mesh_wire::protocol::{Dialect, EventAction, Frame, Listeners, Publication};
use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The channel that clients of later generations get for a bare star: everything.
pub const EVERYTHING: &str = "/*@*";

/// Registrations that are taken out before those who publish get their turn.
const SLICE: usize = 1024;

/// One publication and whom it may go to.
#[derive(Clone, Copy)]
pub struct Event<'a> {
    /// The content that recipients see.
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

/// The result of a publication.
#[derive(Debug, Default)]
pub struct Published {
    /// The number of frames and calls it became.
    pub recipients: usize,
    /// The condition that ends when all recipients on other connections have tried to write it.
    pub after: Option<After>,
}

/// The options of a subscription.
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
    /// Events carry what was sent instead of what is stored (docs/protocol.md 7.2).
    pub as_sent: bool,
    /// For whom it is, where that is not the session's own user.
    pub principal: Option<Arc<Principal>>,
    /// It may reach more than its user may hear, although it was allowed.
    pub is_in_part: bool,
    /// The flight that its answer waits for, until others know of it.
    pub until: Option<InFlight>,
}

/// The limits on the subscriptions of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many there may be.
    pub count: usize,
    /// Bytes of memory that they may take, about.
    pub bytes: usize,
}

impl Limits {
    /// As many as there is memory for.
    pub const NONE: Limits = Limits {
        count: usize::MAX,
        bytes: usize::MAX,
    };
}

/// Subscriptions of one subscriber on one channel: clients make one for each listener.
const MOST_ON_ONE_CHANNEL: usize = 1024;

/// First generation: subscriptions of one session with text behind a `*`. Each costs every publication that begins like it.
const MOST_SEARCHED: usize = 1000;

/// A session has as many subscriptions as it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooManySubscriptions {
    /// By their number.
    #[error("too many subscriptions: a session may have {most}, and {MOST_ON_ONE_CHANNEL} on one channel")]
    Count {
        /// How many there may be.
        most: usize,
    },
    /// By what they cost others.
    #[error("too many subscriptions: a session may have {MOST_SEARCHED} with text behind a *")]
    Searched,
    /// By what they take.
    #[error("too many subscriptions: those of a session may take {most} bytes of memory")]
    Bytes {
        /// Bytes that they may take.
        most: usize,
    },
}

/// All subscriptions.
pub struct Index {
    /// The limits of one session.
    limits: Limits,
    tables: RwLock<Tables>,
    next_reference: AtomicU64,
    /// Is told of subscriptions.
    watcher: OnceLock<Arc<dyn Watcher>>,
    /// Subscriptions that may match an exchange request. While there are none, calls do not look at the index.
    request_watchers: AtomicUsize,
    /// Bytes of sessions that have left, about, since somebody asked.
    left_behind: AtomicUsize,
}

impl fmt::Debug for Index {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Index")
            .field("limits", &self.limits)
            .field("count", &self.count())
            .finish_non_exhaustive()
    }
}

impl Index {
    /// No subscriptions; a session may have as many as the limits say.
    pub fn new(limits: Limits) -> Index {
        Index {
            limits,
            tables: RwLock::default(),
            next_reference: AtomicU64::new(1),
            watcher: OnceLock::new(),
            request_watchers: AtomicUsize::new(0),
            left_behind: AtomicUsize::new(0),
        }
    }

    /// Has somebody told of the subscriptions that come from now on, and of their ends. Only the first call counts.
    pub fn watch(&self, watcher: Arc<dyn Watcher>) {
        let _ = self.watcher.set(watcher);
    }

    /// The channels that a subscriber has subscriptions on, with each user for whom they are; `None` for its own.
    pub fn channels_of(&self, subscriber: u64) -> Vec<(Arc<str>, Option<Arc<Principal>>)> {
        let tables = self.read();
        let Some(of_subscriber) = tables.of_subscriber(subscriber) else {
            return Vec::new();
        };
        let mut channels = Vec::with_capacity(of_subscriber.channels.len());
        for (channel, position) in &of_subscriber.channels {
            let first = channels.len();
            for reference in tables.at(*position).into_iter().flat_map(|of| &of.references) {
                let is_new = |(_, known): &(_, Option<Arc<Principal>>)| !reference.is_for(known.as_ref());
                if channels[first..].iter().all(is_new) {
                    channels.push((channel.clone(), reference.principal.clone()));
                }
            }
        }
        channels
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
        let id = self.next_reference.fetch_add(1, Ordering::Relaxed);
        let Some(channel) = subscription.channel else {
            return Ok(id);
        };
        let number = subscriber.number();
        let most = match subscriber {
            Subscriber::Session(_) => self.limits,
            Subscriber::Listener { .. } => Limits::NONE,
        };
        let too_many = TooManySubscriptions::Count { most: most.count };
        let too_large = TooManySubscriptions::Bytes { most: most.bytes };
        let mut reference = Reference {
            told: None,
            id,
            filter: subscription.filter,
            depth: subscription.depth,
            as_sent: subscription.as_sent,
            principal: subscription.principal,
        };
        let matching = subscription.dialect.matching();
        let mut until = subscription.until;
        let mut tell = |reference: &mut Reference| {
            let watcher = self.watcher.get();
            reference.told = watcher
                .and_then(|watcher| Told::of(watcher, channel, matching, &reference.filter, until.take()));
        };
        let mut tables = self.write();
        let of_subscriber = tables.of_subscriber(number);
        let known = of_subscriber.and_then(|of| of.channels.get(subscription.text).copied());
        let references = of_subscriber.map_or(0, |of| of.references);
        let bytes = of_subscriber.map_or(0, |of| of.bytes);
        let searched = of_subscriber.map_or(0, |of| of.searched);
        let mut is_searched = false;
        if references >= most.count {
            return Err(too_many);
        }
        let added = if let Some(registration) = known.and_then(|position| tables.at_mut(position)) {
            if registration.references.len() >= MOST_ON_ONE_CHANNEL {
                return Err(too_many);
            }
            let is_repeated = subscription.dialect.listeners() == Listeners::Counted
                && registration
                    .references
                    .iter()
                    .any(|other| other.is_like(&reference));
            let added = if is_repeated { 0 } else { reference.bytes() };
            if bytes + added > most.bytes {
                return Err(too_large);
            }
            registration.count = registration.count.saturating_add(subscription.count);
            if is_repeated {
                return Ok(id);
            }
            tell(&mut reference);
            registration.references.push(reference);
            added
        } else {
            let pattern = Pattern::parse(channel.pattern, subscription.dialect);
            is_searched = pattern.is_searched();
            if is_searched && searched >= MOST_SEARCHED && matches!(subscriber, Subscriber::Session(_)) {
                return Err(TooManySubscriptions::Searched);
            }
            let mut registration = Registration {
                subscriber: subscriber.clone(),
                channel: subscription.text.into(),
                action: channel.action,
                place: Place::new(channel.action, &pattern, subscription.dialect),
                sequence: id,
                pattern,
                is_loose: subscription.is_in_part
                    || subscription.dialect.matching().is_open_ended()
                    || !channel.pattern.starts_with('/'),
                references: vec![reference],
                count: subscription.count,
            };
            let added = registration.bytes();
            if bytes + added > most.bytes {
                return Err(too_large);
            }
            registration.references.iter_mut().for_each(&mut tell);
            if registration.pattern.may_match_below(REQUESTS) {
                self.request_watchers.fetch_add(1, Ordering::Relaxed);
            }
            tables.insert(registration);
            added
        };
        tables.with_subscriber(number, |of_subscriber| {
            of_subscriber.references += 1;
            of_subscriber.bytes += added;
            of_subscriber.searched += usize::from(is_searched);
        });
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

    /// Ends those subscriptions of a subscriber on a channel that are for this user; `None` is its own.
    pub fn unsubscribe_for(&self, subscriber: u64, text: &str, principal: Option<&Arc<Principal>>) {
        self.change(subscriber, text, |registration| {
            registration.references.retain(|other| !other.is_for(principal));
            registration.references.is_empty()
        });
    }

    /// Ends all subscriptions of a subscriber on exactly this channel.
    pub fn unsubscribe_channel(&self, subscriber: u64, text: &str) {
        self.change(subscriber, text, |_| true);
    }

    /// Ends all subscriptions of a subscriber.
    pub fn unsubscribe_all(&self, subscriber: u64) {
        let taken = self.write().take_subscriber(subscriber);
        let Some(of_subscriber) = taken else { return };
        let positions: Vec<usize> = of_subscriber.channels.into_values().collect();
        for slice in positions.chunks(SLICE) {
            let mut tables = self.write();
            for position in slice {
                self.forget(&mut tables, *position);
            }
        }
        self.left_behind.fetch_add(of_subscriber.bytes, Ordering::Relaxed);
    }

    /// Bytes that were freed by sessions which have left, about, since this was asked before.
    pub fn take_left_behind(&self) -> usize {
        self.left_behind.swap(0, Ordering::Relaxed)
    }

    /// Delivers an event to everybody who subscribed to its path.
    pub fn publish(&self, event: &Event<'_>) -> Published {
        self.publish_with(event, None)
    }

    /// As [`Index::publish`], by somebody who will soon write for recipients that sleep.
    pub fn publish_with<'a>(&self, event: &'a Event<'a>, deferred: Option<&'a mut Deferred>) -> Published {
        let tables = self.read();
        let mut delivery = Delivery::new(event);
        delivery.deferred = deferred;
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
        let own = tables.of_subscriber(owner);
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
        for registration in tables.all() {
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
        self.read().count()
    }

    fn change(&self, subscriber: u64, text: &str, ended: impl FnOnce(&mut Registration) -> bool) {
        let mut tables = self.write();
        let of_subscriber = tables.of_subscriber(subscriber);
        let Some(position) = of_subscriber.and_then(|of| of.channels.get(text).copied()) else {
            return;
        };
        let Some(registration) = tables.at_mut(position) else {
            return;
        };
        let (references, bytes) = (registration.references.len(), registration.bytes());
        let has_ended = ended(registration);
        let (references_left, bytes_left) = match has_ended {
            true => (0, 0),
            false => (registration.references.len(), registration.bytes()),
        };
        let was_searched = has_ended && registration.pattern.is_searched();
        shrink_list(&mut registration.references);
        tables.with_subscriber(subscriber, |of_subscriber| {
            of_subscriber.references -= references - references_left;
            of_subscriber.bytes -= bytes - bytes_left;
            of_subscriber.searched -= usize::from(was_searched);
        });
        if has_ended {
            tables.take_channel(subscriber, text, position);
            self.forget(&mut tables, position);
        }
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
mod tests;
