//! Where registrations are found: by their subscriber, and by what their patterns match.
//!
//! Enters: registrations, paths of events. Leaves: the registrations whose patterns match a path, those of one
//! session in the order of [`precedence`]. Guarantees: the memory of the tables is in proportion to their content;
//! the cost of finding follows what is found.

use super::pattern::{follow, without_slash};
use super::precedence::{self, Hit};
use super::prefixes::Prefixes;
use super::registration::Registration;
use super::segments::{Ending, Segments};
use super::shrinking::{shrink, shrink_list};
use super::{ChannelAction, Pattern};
use mesh_wire::address::RESPONSES;
use std::collections::HashMap;
use std::sync::Arc;

#[derive(Debug, Default)]
pub(super) struct Tables {
    /// By their positions. A place takes little, since it stays while one behind it is in use.
    registrations: Vec<Option<Box<Registration>>>,
    /// Positions without a registration.
    free: Vec<usize>,
    by_subscriber: HashMap<u64, OfSubscriber>,
    everything: Vec<usize>,
    exact: HashMap<Box<str>, Vec<usize>>,
    exact_text: HashMap<Box<str>, Vec<usize>>,
    texts: Prefixes,
    segments: Segments,
    below: Prefixes,
}

#[derive(Debug, Default)]
pub(super) struct OfSubscriber {
    pub(super) channels: HashMap<Arc<str>, usize>,
    /// Those that may match an answer of the exchange.
    pub(super) responses: Vec<usize>,
    /// Channels whose patterns have to be looked for in each path that begins like them.
    pub(super) searched: usize,
    /// References on all channels.
    pub(super) references: usize,
    /// Bytes that all of it takes, about.
    pub(super) bytes: usize,
}

impl Tables {
    pub(super) fn at(&self, position: usize) -> Option<&Registration> {
        self.registrations.get(position)?.as_deref()
    }

    pub(super) fn at_mut(&mut self, position: usize) -> Option<&mut Registration> {
        self.registrations.get_mut(position)?.as_deref_mut()
    }

    /// All registrations.
    pub(super) fn all(&self) -> impl Iterator<Item = &Registration> {
        self.registrations
            .iter()
            .flatten()
            .map(|registration| &**registration)
    }

    /// How many registrations there are.
    pub(super) fn count(&self) -> usize {
        self.registrations.len() - self.free.len()
    }

    /// Places that there is memory for, those of registrations that are gone among them.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.registrations.capacity()
            + self.free.capacity()
            + self.by_subscriber.capacity()
            + self.everything.capacity()
            + self.exact.capacity()
            + self.exact_text.capacity()
    }

    /// The subscriptions of a subscriber; `None` when there are none.
    pub(super) fn of_subscriber(&self, subscriber: u64) -> Option<&OfSubscriber> {
        self.by_subscriber.get(&subscriber)
    }

    /// Changes what is known of all that a subscriber has.
    pub(super) fn with_subscriber(&mut self, subscriber: u64, change: impl FnOnce(&mut OfSubscriber)) {
        if let Some(of_subscriber) = self.by_subscriber.get_mut(&subscriber) {
            change(of_subscriber);
        }
    }

    /// Takes all that a subscriber has from it. The registrations are to be [removed](Tables::remove) one by one.
    pub(super) fn take_subscriber(&mut self, subscriber: u64) -> Option<OfSubscriber> {
        let taken = self.by_subscriber.remove(&subscriber);
        shrink(&mut self.by_subscriber);
        taken
    }

    /// Takes one channel from a subscriber. Its registration is to be [removed](Tables::remove).
    pub(super) fn take_channel(&mut self, subscriber: u64, text: &str, position: usize) {
        let Some(of_subscriber) = self.by_subscriber.get_mut(&subscriber) else {
            return;
        };
        of_subscriber.channels.remove(text);
        shrink(&mut of_subscriber.channels);
        of_subscriber.responses.retain(|other| *other != position);
        shrink_list(&mut of_subscriber.responses);
        if of_subscriber.channels.is_empty() {
            self.take_subscriber(subscriber);
        }
    }

    /// Adds a registration and returns its position.
    pub(super) fn insert(&mut self, registration: Registration) -> usize {
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
            Pattern::Exact(path) => {
                let positions = self.exact.entry(path.clone()).or_default();
                let is_for_all = |position: &usize| {
                    let other = self.registrations.get(*position).and_then(Option::as_deref);
                    other.is_some_and(|other| other.action == ChannelAction::All)
                };
                match registration.action {
                    ChannelAction::All => {
                        positions.insert(positions.partition_point(is_for_all), position);
                    }
                    _ => positions.push(position),
                }
            }
            Pattern::ExactText(path) => self.exact_text.entry(path.clone()).or_default().push(position),
            Pattern::Text { prefix, .. } => self.texts.insert(prefix, position),
            Pattern::Segments(pattern) => self.segments.insert(pattern, Ending::Exact, position),
            Pattern::Deep(pattern) => self.segments.insert(pattern, Ending::Deep, position),
            Pattern::Below(prefix) => self.below.insert(prefix, position),
        }
        self.registrations[position] = Some(Box::new(registration));
        position
    }

    /// Takes a registration out.
    pub(super) fn remove(&mut self, position: usize) -> Option<Box<Registration>> {
        let registration = self.registrations.get_mut(position)?.take()?;
        self.free.push(position);
        self.give_back();
        match &registration.pattern {
            Pattern::Everything => {
                self.everything.retain(|other| *other != position);
                shrink_list(&mut self.everything);
            }
            Pattern::Exact(path) => take_from(&mut self.exact, path, position),
            Pattern::ExactText(path) => take_from(&mut self.exact_text, path, position),
            Pattern::Text { prefix, .. } => self.texts.remove(prefix, position),
            Pattern::Segments(pattern) => self.segments.remove(pattern, Ending::Exact, position),
            Pattern::Deep(pattern) => self.segments.remove(pattern, Ending::Deep, position),
            Pattern::Below(prefix) => self.below.remove(prefix, position),
        }
        Some(registration)
    }

    /// Gives the places behind the last registration back when most are free.
    fn give_back(&mut self) {
        if self.free.len() < self.registrations.len() / 2 || !matches!(self.registrations.last(), Some(None))
        {
            return;
        }
        while let Some(None) = self.registrations.last() {
            self.registrations.pop();
        }
        let end = self.registrations.len();
        self.free.retain(|position| *position < end);
        shrink_list(&mut self.registrations);
        shrink_list(&mut self.free);
    }

    /// Calls `found` for each registration whose pattern matches, those of one session in the order of [`precedence`].
    pub(super) fn find(&self, path: &str, found: &mut impl FnMut(&Registration, u32)) {
        let bare = without_slash(path);
        let mut hits = Vec::new();
        let mut hit = |position: usize, depth: u32| hits.push(Hit { position, depth });
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
        let exact = self.exact.get(bare).into_iter().flatten();
        if hits.is_empty() {
            // These are kept in order.
            for registration in exact.filter_map(|position| self.at(*position)) {
                found(registration, 0);
            }
            return;
        }
        hits.extend(exact.map(|position| Hit {
            position: *position,
            depth: 0,
        }));
        self.each(path, hits, found);
    }

    /// Calls `found` for these, in order.
    pub(super) fn each(&self, path: &str, mut hits: Vec<Hit>, found: &mut impl FnMut(&Registration, u32)) {
        if hits.len() > 1 {
            let segments = without_slash(path).split('/').count();
            precedence::sort(&mut hits, segments, |position| {
                self.at(position)
                    .map(|registration| (registration.place, registration.sequence))
            });
        }
        for hit in hits {
            if let Some(registration) = self.at(hit.position) {
                found(registration, hit.depth);
            }
        }
    }
}

fn take_from(map: &mut HashMap<Box<str>, Vec<usize>>, key: &str, position: usize) {
    if let Some(positions) = map.get_mut(key) {
        positions.retain(|other| *other != position);
        shrink_list(positions);
        if positions.is_empty() {
            map.remove(key);
            shrink(map);
        }
    }
}
