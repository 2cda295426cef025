//! The wishes of the own node, as others are told.
//!
//! Enters: subscriptions as they come and go, peers, acknowledgements, and the time. Leaves: differences for each peer, and
//! subscriptions that can be answered. Guarantees: a subscription is answered when all peers that live know of it, and at most
//! [`WAIT`] later. One that changes nothing waits only for what is on its way already.

use super::body::{Changed, Difference, Frame, Wanted, Wants};
use super::topic::of_pattern;
use super::{LONGEST_PATTERN, LONGEST_RANGE, MOST_PATTERNS, MOST_RANGES, MOST_TOPICS};
use crate::moment::Moment;
use crate::peer::Peer;
use bytes::Bytes;
use mesh_wire::pattern::Pattern;
use mesh_wire::protocol::Matching;
use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How long a subscription waits for acknowledgements.
pub const WAIT: Duration = Duration::from_millis(100);
/// How long a body may become before another one is begun.
const BODY: usize = 64 * 1024;

/// A subscription of a session or a component of the own node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscribed<'a> {
    /// The pattern, without the action.
    pub pattern: &'a str,
    /// How its session matches.
    pub matching: Matching,
    /// The range of versions; `None` for any.
    pub range: Option<&'a str>,
}

/// Something that is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output<W> {
    /// A frame goes to a peer.
    Send {
        /// The peer.
        peer: Peer,
        /// Its body.
        body: Bytes,
    },
    /// A subscription is answered.
    Answer(W),
}

/// The wishes of the own node. `W` is what waits for the answer to a subscription.
pub struct Interest<W> {
    topics: BTreeMap<Box<str>, Topic>,
    /// There are too many topics to tell them one by one.
    is_everything: bool,
    /// The number of the last change.
    revision: u64,
    /// The number of the change since which everything is wanted, or is not any more.
    whole: u64,
    peers: BTreeMap<Peer, Known>,
    /// Those that wait, by the change that they wait for.
    waiting: BTreeMap<(u64, u64), W>,
    /// Until when they wait.
    until: VecDeque<(Moment, (u64, u64))>,
    waits: u64,
    outputs: VecDeque<Output<W>>,
}

struct Known {
    acknowledged: u64,
    is_alive: bool,
}

#[derive(Default)]
struct Topic {
    patterns: BTreeMap<(bool, Box<str>), usize>,
    ranges: BTreeMap<Box<str>, usize>,
    /// Subscriptions to patterns that are too long to be told.
    long: usize,
    /// Subscriptions to any version, or to a range that is too long to be told.
    any: usize,
    has_all_patterns: bool,
    has_any_range: bool,
    /// The number of its last change.
    changed: u64,
}

impl Topic {
    /// Counts a subscription. Says whether others have to be told.
    fn add(&mut self, subscribed: &Subscribed<'_>) -> bool {
        let is_first = |count: &mut usize| {
            *count += 1;
            *count == 1
        };
        let is_new_pattern = match subscribed.pattern.len() > LONGEST_PATTERN {
            true => is_first(&mut self.long),
            false => is_first(self.patterns.entry(key(subscribed)).or_default()),
        };
        let is_new_range = match told_range(subscribed) {
            None => is_first(&mut self.any),
            Some(range) => is_first(self.ranges.entry(range.into()).or_default()),
        };
        let (had_all, had_any) = (self.has_all_patterns, self.has_any_range);
        self.widen();
        // Beside all patterns, or any range, one more says nothing.
        (is_new_pattern && !had_all) || (is_new_range && !had_any)
    }

    /// Counts a subscription no more. Says whether others have to be told.
    fn remove(&mut self, subscribed: &Subscribed<'_>) -> bool {
        let mut is_last_pattern = false;
        let mut is_last_range = false;
        match subscribed.pattern.len() > LONGEST_PATTERN {
            true => {
                self.long = self.long.saturating_sub(1);
                is_last_pattern = self.long == 0;
            }
            false => is_last_pattern |= give_back(&mut self.patterns, &key(subscribed)),
        }
        match told_range(subscribed) {
            None => {
                self.any = self.any.saturating_sub(1);
                is_last_range = self.any == 0;
            }
            Some(range) => is_last_range |= give_back(&mut self.ranges, &Box::from(range)),
        }
        self.widen();
        (is_last_pattern && !self.has_all_patterns) || (is_last_range && !self.has_any_range)
    }

    /// Takes all where there are too many, and takes them one by one again when half of them are left.
    fn widen(&mut self) {
        let limit = |is_wide: bool, most: usize| if is_wide { most / 2 } else { most };
        self.has_all_patterns =
            self.long > 0 || self.patterns.len() > limit(self.has_all_patterns, MOST_PATTERNS);
        self.has_any_range = self.any > 0 || self.ranges.len() > limit(self.has_any_range, MOST_RANGES);
    }

    fn is_empty(&self) -> bool {
        self.patterns.is_empty() && self.long == 0
    }

    fn wants(&self) -> Option<Wants<'_>> {
        let patterns = self.patterns.keys().map(|(is_text, pattern)| Wanted {
            pattern: Cow::Borrowed(&**pattern),
            text: *is_text,
        });
        let ranges = self.ranges.keys().map(|range| Cow::Borrowed(&**range));
        (!self.is_empty()).then(|| Wants {
            patterns: (!self.has_all_patterns).then(|| patterns.collect()),
            ranges: (!self.has_any_range).then(|| ranges.collect()),
        })
    }
}

fn key(subscribed: &Subscribed<'_>) -> (bool, Box<str>) {
    (subscribed.matching == Matching::Text, subscribed.pattern.into())
}

fn told_range<'a>(subscribed: &Subscribed<'a>) -> Option<&'a str> {
    subscribed.range.filter(|range| range.len() <= LONGEST_RANGE)
}

/// Takes one away. Says whether it was the last.
fn give_back<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) -> bool {
    let Some(count) = counts.get_mut(key) else {
        return false;
    };
    *count -= 1;
    let is_last = *count == 0;
    if is_last {
        counts.remove(key);
    }
    is_last
}

impl<W> Default for Interest<W> {
    fn default() -> Interest<W> {
        Interest {
            topics: BTreeMap::new(),
            is_everything: false,
            revision: 1,
            whole: 1,
            peers: BTreeMap::new(),
            waiting: BTreeMap::new(),
            until: VecDeque::new(),
            waits: 0,
            outputs: VecDeque::new(),
        }
    }
}

impl<W> Interest<W> {
    /// A subscription has come. `waits` is answered when all peers that live know of it.
    pub fn subscribe(&mut self, now: Moment, subscribed: &Subscribed<'_>, waits: W) {
        let pattern = Pattern::matched(subscribed.pattern, subscribed.matching);
        let Some(name) = of_pattern(&pattern) else {
            return self.outputs.push_back(Output::Answer(waits));
        };
        let topic = self.topics.entry(name.as_str().into()).or_default();
        if topic.add(subscribed) {
            self.revision += 1;
            topic.changed = self.revision;
            self.tell(&name);
        }
        let changed = match self.is_everything {
            true => self.whole,
            false => self
                .topics
                .get(&*name)
                .map_or(0, |topic| topic.changed.max(self.whole)),
        };
        if changed <= self.known_to_all() {
            return self.outputs.push_back(Output::Answer(waits));
        }
        self.waits += 1;
        let place = (changed, self.waits);
        self.waiting.insert(place, waits);
        self.until.push_back((now + WAIT, place));
    }

    /// A subscription has gone.
    pub fn unsubscribe(&mut self, subscribed: &Subscribed<'_>) {
        let pattern = Pattern::matched(subscribed.pattern, subscribed.matching);
        let Some(name) = of_pattern(&pattern) else { return };
        let Some(topic) = self.topics.get_mut(&*name) else {
            return;
        };
        if topic.remove(subscribed) || topic.is_empty() {
            self.revision += 1;
            topic.changed = self.revision;
            if topic.is_empty() {
                self.topics.remove(&*name);
            }
            self.tell(&name);
        }
    }

    /// A peer has come, and knows nothing.
    pub fn joined(&mut self, peer: &Peer) {
        let known = Known {
            acknowledged: 0,
            is_alive: true,
        };
        self.peers.insert(peer.clone(), known);
        self.tell_all(std::slice::from_ref(peer));
    }

    /// A peer lives, or does not for the moment: nobody waits for it then.
    pub fn stands(&mut self, peer: &Peer, is_alive: bool) {
        if let Some(known) = self.peers.get_mut(peer) {
            known.is_alive = is_alive;
            self.answer();
        }
    }

    /// A peer is gone, and begins anew if it comes back.
    pub fn gone(&mut self, peer: &Peer) {
        self.peers.remove(peer);
        self.answer();
    }

    /// A peer knows all differences up to this number.
    pub fn acknowledged(&mut self, peer: &Peer, revision: u64) {
        let most = self.revision;
        if let Some(known) = self.peers.get_mut(peer) {
            known.acknowledged = known.acknowledged.max(revision.min(most));
            self.answer();
        }
    }

    /// Answers subscriptions that have waited long enough.
    pub fn tick(&mut self, now: Moment) {
        while let Some((until, place)) = self.until.front().copied() {
            if until > now && self.waiting.contains_key(&place) {
                return;
            }
            self.until.pop_front();
            if let Some(waits) = self.waiting.remove(&place) {
                self.outputs.push_back(Output::Answer(waits));
            }
        }
    }

    /// When [`Interest::tick`] has something to do.
    pub fn next_deadline(&self) -> Option<Moment> {
        self.until.front().map(|(until, _)| *until)
    }

    /// The next thing to be done.
    pub fn poll(&mut self) -> Option<Output<W>> {
        self.outputs.pop_front()
    }

    /// How many topics there are.
    pub fn topics(&self) -> usize {
        self.topics.len()
    }

    /// The change that all peers know that live.
    fn known_to_all(&self) -> u64 {
        let alive = self.peers.values().filter(|known| known.is_alive);
        alive.map(|known| known.acknowledged).min().unwrap_or(u64::MAX)
    }

    fn answer(&mut self) {
        let known = self.known_to_all();
        while let Some(first) = self.waiting.first_entry() {
            if first.key().0 > known {
                return;
            }
            self.outputs.push_back(Output::Answer(first.remove()));
        }
        self.until.clear();
    }

    /// Tells all peers how a topic is now.
    fn tell(&mut self, name: &str) {
        let limit = if self.is_everything {
            MOST_TOPICS / 2
        } else {
            MOST_TOPICS
        };
        let is_everything = self.topics.len() > limit;
        if is_everything != self.is_everything {
            self.is_everything = is_everything;
            self.whole = self.revision;
            let peers: Vec<Peer> = self.peers.keys().cloned().collect();
            return self.tell_all(&peers);
        }
        if is_everything || self.peers.is_empty() {
            return;
        }
        let changed = Changed {
            topic: Cow::Borrowed(name),
            wants: self.topics.get(name).and_then(Topic::wants),
        };
        let difference = Difference {
            revision: self.revision,
            topics: vec![changed],
            ..Difference::default()
        };
        let body = Frame::Difference(difference).write();
        for peer in self.peers.keys() {
            self.outputs.push_back(Output::Send {
                peer: peer.clone(),
                body: body.clone(),
            });
        }
    }

    /// Tells some peers everything anew.
    fn tell_all(&mut self, peers: &[Peer]) {
        let mut bodies = Vec::new();
        let mut difference = Difference {
            revision: self.revision,
            reset: true,
            everything: self.is_everything,
            ..Difference::default()
        };
        let mut length = 0;
        let topics = self.topics.iter().filter(|_| !self.is_everything);
        for (name, topic) in topics {
            let Some(wants) = topic.wants() else { continue };
            let patterns = wants
                .patterns
                .iter()
                .flatten()
                .map(|wanted| wanted.pattern.len() + 32);
            let ranges = wants.ranges.iter().flatten().map(|range| range.len() + 4);
            length += name.len() + patterns.chain(ranges).sum::<usize>() + 64;
            difference.topics.push(Changed {
                topic: Cow::Borrowed(&**name),
                wants: Some(wants),
            });
            if length > BODY {
                difference.more = true;
                bodies.push(Frame::Difference(difference).write());
                length = 0;
                difference = Difference {
                    revision: self.revision,
                    ..Difference::default()
                };
            }
        }
        bodies.push(Frame::Difference(difference).write());
        for peer in peers {
            for body in &bodies {
                self.outputs.push_back(Output::Send {
                    peer: peer.clone(),
                    body: body.clone(),
                });
            }
        }
    }
}
