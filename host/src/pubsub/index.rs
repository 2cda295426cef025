//! The subscriptions of all sessions, and the way of one publication through them.

use super::pattern::{follow, without_slash};
use super::prefixes::Prefixes;
use super::registration::{Reference, Registration, Wanted};
use super::segments::{Ending, Segments};
use super::{Channel, Depth, EventVersion, Pattern, Subscriber, VersionFilter};
use crate::protocol::{Dialect, Frame, Publication};
use crate::session::Session;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

const REQUESTS: &str = "/_exchange/requests/";
const RESPONSES: &str = "/_exchange/responses/";

/// One publication and whom it may go to.
#[derive(Clone, Copy)]
pub struct Event<'a> {
    /// What recipients see.
    pub publication: &'a Publication<'a>,
    /// The version that the event carries, if it carries one that can be compared.
    pub version: Option<&'a EventVersion>,
    /// Only sessions with one of these ids; `None` for no such limit.
    pub targets: Option<&'a HashSet<String>>,
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

/// All subscriptions.
#[derive(Debug, Default)]
pub struct Index {
    tables: RwLock<Tables>,
    /// Subscriptions that may match an exchange request. While there are none, calls do not look at the index.
    request_watchers: AtomicUsize,
}

#[derive(Debug, Default)]
struct Tables {
    registrations: Vec<Option<Registration>>,
    free: Vec<usize>,
    next_reference: u64,
    by_subscriber: HashMap<u64, OfSubscriber>,
    everything: Vec<usize>,
    exact: HashMap<Box<str>, Vec<usize>>,
    exact_text: HashMap<Box<str>, Vec<usize>>,
    texts: Prefixes,
    segments: Segments,
    below: Prefixes,
}

#[derive(Debug, Default)]
struct OfSubscriber {
    channels: HashMap<Arc<str>, usize>,
    /// Those that may match an answer of the exchange.
    responses: Vec<usize>,
}

impl Index {
    /// Adds a subscription and returns its reference.
    pub fn subscribe(&self, subscriber: &Subscriber, subscription: Subscription<'_>) -> u64 {
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
        let Some(channel) = channel else { return id };
        let of_subscriber = tables.by_subscriber.entry(subscriber.number()).or_default();
        let position = match of_subscriber.channels.get(text) {
            Some(position) => *position,
            None => {
                let pattern = Pattern::parse(channel.pattern, dialect);
                if pattern.may_match_below(REQUESTS) {
                    self.request_watchers.fetch_add(1, Ordering::Relaxed);
                }
                tables.insert(Registration {
                    subscriber: subscriber.clone(),
                    channel: text.into(),
                    action: channel.action,
                    pattern,
                    references: Vec::new(),
                    count: 0,
                })
            }
        };
        if let Some(registration) = &mut tables.registrations[position] {
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
            }
        }
        id
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

    /// Delivers an event to everybody who subscribed to its path. Returns the number of frames and calls it became.
    pub fn publish(&self, event: &Event<'_>) -> usize {
        let tables = self.read();
        let mut delivery = Delivery::new(event);
        tables.find(event.publication.path, &mut |registration, depth| {
            delivery.deliver(registration, depth)
        });
        delivery.recipients
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

    /// Delivers an answer of the exchange to its owner's subscriptions only.
    pub fn publish_response(&self, owner: u64, event: &Event<'_>) -> usize {
        let tables = self.read();
        let mut delivery = Delivery::new(event);
        if let Some(of_subscriber) = tables.by_subscriber.get(&owner) {
            for registration in of_subscriber
                .responses
                .iter()
                .filter_map(|position| tables.at(*position))
            {
                if registration.pattern.matches(event.publication.path) {
                    let depth = registration.pattern.depth_of(event.publication.path).unwrap_or(0);
                    delivery.deliver(registration, depth);
                }
            }
        }
        delivery.recipients
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
        if !tables.registrations[position].as_mut().is_some_and(ended) {
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

impl Tables {
    fn at(&self, position: usize) -> Option<&Registration> {
        self.registrations.get(position)?.as_ref()
    }

    fn insert(&mut self, registration: Registration) -> usize {
        let position = self.free.pop().unwrap_or_else(|| {
            self.registrations.push(None);
            self.registrations.len() - 1
        });
        let of_subscriber = self
            .by_subscriber
            .entry(registration.subscriber.number())
            .or_default();
        of_subscriber
            .channels
            .insert(registration.channel.clone(), position);
        if registration.pattern.may_match_below(RESPONSES) {
            of_subscriber.responses.push(position);
        }
        match &registration.pattern {
            Pattern::Everything => self.everything.push(position),
            Pattern::Exact(path) => self.exact.entry(path.clone()).or_default().push(position),
            Pattern::ExactText(path) => self.exact_text.entry(path.clone()).or_default().push(position),
            Pattern::Text { prefix, .. } => self.texts.insert(prefix, position),
            Pattern::Segments(pattern) => self.segments.insert(pattern, Ending::Exact, position),
            Pattern::Deep(pattern) => self.segments.insert(pattern, Ending::Deep, position),
            Pattern::Below(prefix) => self.below.insert(prefix, position),
        }
        self.registrations[position] = Some(registration);
        position
    }

    fn remove(&mut self, position: usize) -> Option<Registration> {
        let registration = self.registrations.get_mut(position)?.take()?;
        self.free.push(position);
        match &registration.pattern {
            Pattern::Everything => self.everything.retain(|other| *other != position),
            Pattern::Exact(path) => take_from(&mut self.exact, path, position),
            Pattern::ExactText(path) => take_from(&mut self.exact_text, path, position),
            Pattern::Text { prefix, .. } => self.texts.remove(prefix, position),
            Pattern::Segments(pattern) => self.segments.remove(pattern, Ending::Exact, position),
            Pattern::Deep(pattern) => self.segments.remove(pattern, Ending::Deep, position),
            Pattern::Below(prefix) => self.below.remove(prefix, position),
        }
        Some(registration)
    }

    /// Calls `found` for each registration whose pattern matches, exact ones first.
    fn find(&self, path: &str, found: &mut impl FnMut(&Registration, u32)) {
        let mut hit = |position: usize, depth: u32| {
            if let Some(registration) = self.at(position) {
                found(registration, depth);
            }
        };
        let bare = without_slash(path);
        self.exact
            .get(bare)
            .into_iter()
            .flatten()
            .for_each(|position| hit(*position, 0));
        if !self.exact_text.is_empty() {
            let lower = path.to_lowercase();
            self.exact_text
                .get(&*lower)
                .into_iter()
                .flatten()
                .for_each(|position| hit(*position, 0));
        }
        self.below.find(path, |position| hit(position, 0));
        self.texts.find(path, |position| {
            if let Some(Registration {
                pattern: Pattern::Text { prefix, parts },
                ..
            }) = self.at(position)
                && follow(&path[prefix.len()..], parts)
            {
                hit(position, 0);
            }
        });
        if !self.segments.is_empty() {
            let segments: Vec<&str> = bare.split('/').collect();
            self.segments.find(&segments, &mut hit);
        }
        self.everything.iter().for_each(|position| hit(*position, 0));
    }
}

fn take_from(map: &mut HashMap<Box<str>, Vec<usize>>, key: &str, position: usize) {
    if let Some(positions) = map.get_mut(key) {
        positions.retain(|other| *other != position);
        if positions.is_empty() {
            map.remove(key);
        }
    }
}

/// Frames of one publication that are kept for recipients still to come.
const KEPT_FRAMES: usize = 16;

/// What makes frames of one publication differ.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Form {
    dialect: Dialect,
    channel: Arc<str>,
    wanted: Wanted,
}

/// One event on its way to its recipients; keeps some of the frames written so far.
struct Delivery<'a> {
    event: &'a Event<'a>,
    frames: HashMap<Form, Frame>,
    /// The frame written or used last: subscribers of one channel follow each other.
    last: Option<(Form, Frame)>,
    /// Frames that are not to be delivered yet.
    held: Option<Vec<(Arc<Session>, Frame)>>,
    recipients: usize,
}

impl<'a> Delivery<'a> {
    fn new(event: &'a Event<'a>) -> Delivery<'a> {
        Delivery {
            event,
            frames: HashMap::new(),
            last: None,
            held: None,
            recipients: 0,
        }
    }

    fn deliver(&mut self, registration: &Registration, depth: u32) {
        let publication = self.event.publication;
        if !registration.action.admits(publication.action) {
            return;
        }
        let Some(wanted) = registration.admits(self.event.version, depth) else {
            return;
        };
        match &registration.subscriber {
            Subscriber::Session(session) => {
                if self
                    .event
                    .targets
                    .is_some_and(|targets| !targets.contains(session.id()))
                {
                    return;
                }
                // Whoever is being closed costs nothing more.
                if session.outbound().is_closing() {
                    return;
                }
                let frame = self.frame(session.dialect(), &registration.channel, wanted);
                match &mut self.held {
                    Some(held) => held.push((session.clone(), frame)),
                    None => session.outbound().push(frame),
                }
            }
            Subscriber::Listener { listener, .. } => {
                if self.event.targets.is_some() {
                    return;
                }
                listener.hear(publication);
            }
        }
        self.recipients += 1;
    }

    fn frame(&mut self, dialect: Dialect, channel: &Arc<str>, wanted: Wanted) -> Frame {
        if let Some((form, frame)) = &self.last
            && form.dialect == dialect
            && form.wanted == wanted
            && form.channel == *channel
        {
            return frame.clone();
        }
        let channel = channel.clone();
        let form = Form {
            dialect,
            channel,
            wanted,
        };
        let frame = match self.frames.get(&form) {
            Some(frame) => frame.clone(),
            None => self
                .event
                .publication
                .frame(dialect, &form.channel, wanted.depth, wanted.as_sent),
        };
        // Subscribers of one channel mostly follow each other; a few more frames are kept, and never many.
        if let Some((form, last)) = self.last.replace((form, frame.clone()))
            && self.frames.len() < KEPT_FRAMES
        {
            self.frames.insert(form, last);
        }
        frame
    }
}
