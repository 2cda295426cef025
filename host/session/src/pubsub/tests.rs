//! The index against a naive matcher. Random subscribers come and go, and each event must reach exactly those whose
//! pattern matches when asked one by one.
//!
//! All choices come from seeds, and a failure names the seed and the operation.

use super::*;
use crate::{Batch, Session};
use mesh_choices::Choices;
use mesh_wire::protocol::{Dialect, EventAction, Listeners, Publication};
use mesh_wire::versions::RequestedRange;
use std::collections::{BTreeMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

/// The values that are chosen here.
trait Chosen {
    fn path(&mut self) -> String;
    fn pattern(&mut self) -> String;
}

impl Chosen for Choices {
    fn path(&mut self) -> String {
        const SEGMENTS: [&str; 10] = ["a", "a", "b", "b", "c", "A", "ab", "", "_exchange", "é"];
        match self.below(20) {
            0 => "/_exchange/requests/D/c/m".to_owned(),
            1 => format!("/_exchange/responses/S{}/D/c/m/1", self.below(3)),
            _ => {
                let segments: Vec<&str> = (0..1 + self.below(5)).map(|_| *self.pick(&SEGMENTS)).collect();
                let slash = if self.one_in(6) { "" } else { "/" };
                format!("{slash}{}", segments.join("/"))
            }
        }
    }

    fn pattern(&mut self) -> String {
        match self.below(12) {
            0 => return (*self.pick(&["*", "**", "/*", "/**", "*/*", "***", ""])).to_owned(),
            1 => return format!("/_exchange/responses/S{}/*", self.below(3)),
            _ => {}
        }
        let path = self.path();
        let segments: Vec<String> = path
            .split('/')
            .enumerate()
            .map(|(place, segment)| match self.below(9) {
                0..3 if place > 0 => "*".to_owned(),
                3 if self.one_in(2) => format!("{segment}*"),
                4 if self.one_in(4) => format!("*{segment}"),
                _ => segment.to_owned(),
            })
            .collect();
        let end = if self.one_in(5) {
            *self.pick(&["/**", "/*", "/***"])
        } else {
            ""
        };
        format!("{}{end}", segments.join("/"))
    }
}

/// The publications that a subscriber inside the host heard.
#[derive(Debug, Default)]
struct Ear(Mutex<usize>);

impl Listener for Ear {
    fn hear(&self, _: &Publication<'_>) -> bool {
        *self.0.lock().unwrap() += 1;
        true
    }
}

/// One `on` as the naive matcher keeps it.
#[derive(Clone)]
struct Kept {
    reference: u64,
    depth: Depth,
    range: Option<&'static str>,
}

/// One subscriber on one channel.
struct Channels {
    dialect: Dialect,
    action: ChannelAction,
    pattern: Pattern,
    kept: Vec<Kept>,
    count: i64,
}

struct World {
    index: Index,
    sessions: Vec<Arc<Session>>,
    ears: Vec<(u64, Arc<Ear>)>,
    /// Subscriber number and channel text to what is subscribed there.
    naive: BTreeMap<(u64, String), Channels>,
}

impl World {
    fn new() -> World {
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let dialects = [
            Dialect::Happn1,
            Dialect::Happn2,
            Dialect::Happn3,
            Dialect::Happn4,
            Dialect::Unconfigured,
        ];
        let sessions = (0..15)
            .map(|number| {
                let session = Session::new(number, peer, 1 << 24);
                session.set_dialect(dialects[number as usize % dialects.len()]);
                Arc::new(session)
            })
            .collect();
        World {
            index: Index::new(Limits::NONE),
            sessions,
            ears: (0..3).map(|number| (1000 + number, Arc::default())).collect(),
            naive: BTreeMap::new(),
        }
    }

    fn subscriber(&self, choices: &mut Choices) -> (Subscriber, Dialect) {
        if choices.one_in(6) {
            let (number, ear) = choices.pick(&self.ears);
            let listener: Arc<dyn Listener> = ear.clone();
            return (
                Subscriber::Listener {
                    number: *number,
                    listener,
                },
                Dialect::Happn4,
            );
        }
        let session = choices.pick(&self.sessions);
        (Subscriber::Session(session.clone()), session.dialect())
    }

    fn subscribe(&mut self, choices: &mut Choices) {
        let (subscriber, dialect) = self.subscriber(choices);
        let action = *choices.pick(&["SET", "REMOVE", "ALL", "ALL", "set"]);
        let text = match choices.below(30) {
            0 => "/nothing".to_owned(),
            _ => format!("/{action}@{}", choices.pattern()),
        };
        let depth = match choices.below(3) {
            0 => Depth {
                segments: DEFAULT_DEPTH,
                named: false,
            },
            _ => Depth {
                segments: choices.below(4) as u32,
                named: true,
            },
        };
        let range = *choices.pick(&[None, None, Some("^1.0.0"), Some("^2.0.0"), Some("no range")]);
        let count = 1 + choices.below(2) as i64;
        let channel = Channel::parse(&text);
        let reference = self.index.subscribe(
            &subscriber,
            Subscription {
                text: &text,
                channel,
                dialect,
                filter: range.map_or(VersionFilter::Any, |range| {
                    VersionFilter::Range(RequestedRange::from(range))
                }),
                depth,
                count,
                as_sent: false,
                principal: None,
                is_in_part: false,
                until: None,
            },
        );
        let reference = reference.expect("there is no limit");
        let Some(channel) = channel else { return };
        let entry = self
            .naive
            .entry((subscriber.number(), text.clone()))
            .or_insert_with(|| Channels {
                dialect,
                action: channel.action,
                pattern: Pattern::parse(channel.pattern, dialect),
                kept: Vec::new(),
                count: 0,
            });
        entry.count += count;
        entry.kept.push(Kept {
            reference,
            depth,
            range,
        });
    }

    fn unsubscribe(&mut self, choices: &mut Choices) {
        if self.naive.is_empty() {
            return;
        }
        let key = self
            .naive
            .keys()
            .nth(choices.below(self.naive.len()))
            .cloned()
            .unwrap();
        let (number, text) = (key.0, key.1.clone());
        let entry = self.naive.get_mut(&key).unwrap();
        match choices.below(12) {
            0 => {
                self.index.unsubscribe_all(number);
                self.naive.retain(|(other, _), _| *other != number);
            }
            1 => {
                self.index.unsubscribe_channel(number, &text);
                self.naive.remove(&key);
            }
            // An `off` without a subscription changes nothing.
            2 => {
                self.index.unsubscribe_reference(number, &text, u64::MAX);
                self.index.unsubscribe_channel(number, "/SET@/never/subscribed");
                self.index.unsubscribe_all(77_777);
            }
            _ if entry.dialect.listeners() == Listeners::Counted => {
                let count = 1 + choices.below(2) as i64;
                self.index.unsubscribe_count(number, &text, count);
                entry.count -= count;
                if entry.count <= 0 {
                    self.naive.remove(&key);
                }
            }
            _ => {
                let place = choices.below(entry.kept.len());
                let kept = entry.kept.remove(place);
                self.index.unsubscribe_reference(number, &text, kept.reference);
                if entry.kept.is_empty() {
                    self.naive.remove(&key);
                }
            }
        }
    }

    /// The (subscriber, channel, depth) that an event must reach, found one pattern at a time.
    fn expected(&self, event: &Event<'_>) -> Vec<(u64, String, Option<u64>)> {
        let path = event.publication.path;
        let mut expected = Vec::new();
        for ((number, text), entry) in &self.naive {
            let is_session = *number < 1000;
            let targeted = event
                .targets
                .is_none_or(|targets| is_session && targets.admit(&self.sessions[*number as usize]));
            if !targeted || !entry.action.admits(event.publication.action) || !entry.pattern.matches(path) {
                continue;
            }
            let deep = entry.pattern.depth_of(path);
            let wanting = entry.kept.iter().filter(|kept| {
                let deep_enough = deep.is_none_or(|depth| depth <= kept.depth.segments);
                let version = match (event.version, kept.range) {
                    (Some(version), Some(range)) => {
                        VersionFilter::Range(RequestedRange::from(range)).admits(version)
                    }
                    _ => true,
                };
                deep_enough && version
            });
            let depths: Vec<u64> = wanting
                .map(|kept| {
                    if kept.depth.named {
                        u64::from(kept.depth.segments)
                    } else {
                        0
                    }
                })
                .collect();
            let Some(smallest) = depths.iter().min() else {
                continue;
            };
            let depth = deep.and(Some(*smallest)).filter(|smallest| *smallest > 0);
            expected.push((*number, text.clone(), depth));
        }
        expected.sort();
        expected
    }

    /// The frames in the queues of sessions, which are empty then.
    fn arrived(&self) -> Vec<(u64, String, Option<u64>)> {
        let mut arrived = Vec::new();
        for session in &self.sessions {
            let mut batch = Batch::default();
            session.outbound().take(&mut batch);
            assert!(batch.closing.is_none());
            for frame in batch.texts() {
                session.outbound().written(frame.len());
                let frame: serde_json::Value = serde_json::from_str(frame).unwrap();
                let channel = frame["_meta"]["channel"].as_str().unwrap().to_owned();
                arrived.push((session.number(), channel, frame["_meta"]["depth"].as_u64()));
            }
        }
        arrived.sort();
        arrived
    }

    fn publish(&self, choices: &mut Choices, place: &str) -> usize {
        let path = choices.path();
        let version = match choices.below(4) {
            0 => Some("1.2.3"),
            1 => Some("2.0.0-beta"),
            _ => None,
        }
        .map(|text| EventVersion::parse(text).unwrap());
        let targets: Option<Targets> = choices.one_in(6).then(|| {
            let session = choices.pick(&self.sessions);
            Targets {
                sessions: Some(HashSet::from([session.id().to_owned(), "nobody".to_owned()])),
                without_cluster: false,
            }
        });
        let publication = Publication {
            action: if choices.one_in(3) {
                EventAction::Remove
            } else {
                EventAction::Set
            },
            path: &path,
            data: "{}",
            sent: "{}",
            document_path: None,
            session_id: "P",
            event_id: "1",
            consistency: 2,
            stored: None,
            timestamp: None,
            username: None,
            modified_by: None,
            custom_meta: "",
        };
        let event = Event {
            publication: &publication,
            version: version.as_ref(),
            targets: targets.as_ref(),
        };
        let expected = self.expected(&event);
        let recipients = self.index.publish(&event).recipients;
        let (inside, outside): (Vec<_>, Vec<_>) =
            expected.iter().cloned().partition(|(number, ..)| *number >= 1000);
        assert_eq!(self.arrived(), outside, "{place}: {path}");
        assert_eq!(recipients, expected.len(), "{place}: {path}");
        for (number, ear) in &self.ears {
            let heard = std::mem::take(&mut *ear.0.lock().unwrap());
            let wanted = inside.iter().filter(|(other, ..)| other == number).count();
            assert_eq!(heard, wanted, "{place}: listener {number} on {path}");
        }
        self.answers_reach_their_owner_only(choices, &event, place);
        recipients
    }

    /// The shorter way of an answer finds what the long way finds, for one subscriber.
    fn answers_reach_their_owner_only(&self, choices: &mut Choices, event: &Event<'_>, place: &str) {
        if !event.publication.path.starts_with("/_exchange/responses/") {
            return;
        }
        let owner = choices.below(self.sessions.len()) as u64;
        let mut expected = self.expected(event);
        expected.retain(|(number, ..)| *number == owner);
        assert_eq!(
            self.index.publish_response(owner, event, None),
            expected.len(),
            "{place}: answer"
        );
        assert_eq!(self.arrived(), expected, "{place}: answer");
    }
}

#[test]
fn the_index_finds_what_a_naive_matcher_finds() {
    let mut delivered = 0;
    for seed in 0..60 {
        let mut choices = Choices::new(seed);
        let mut world = World::new();
        for operation in 0..700 {
            // Worlds fill up and empty again.
            let growing = operation % 350 < 200;
            match choices.below(10) {
                0..3 => {
                    delivered += world.publish(&mut choices, &format!("seed {seed}, operation {operation}"))
                }
                3..8 if growing => world.subscribe(&mut choices),
                8 if !growing => world.subscribe(&mut choices),
                _ => world.unsubscribe(&mut choices),
            }
            assert_eq!(
                world.index.count(),
                world.naive.len(),
                "seed {seed}, operation {operation}"
            );
            let watched = world
                .naive
                .values()
                .any(|entry| entry.pattern.may_match_below("/_exchange/requests/"));
            assert_eq!(
                world.index.has_request_watchers(),
                watched,
                "seed {seed}, operation {operation}"
            );
        }
        for number in (0..15).chain(1000..1003) {
            world.index.unsubscribe_all(number);
        }
        assert_eq!(world.index.count(), 0);
        assert!(!world.index.has_request_watchers());
    }
    assert!(delivered > 5000, "only {delivered} deliveries");
}

/// `may_match_below` must never deny what `matches` finds: events would be lost.
#[test]
fn nothing_below_a_prefix_is_overlooked() {
    let mut choices = Choices::new(99);
    for _ in 0..20_000 {
        let text = choices.pattern();
        let dialect = *choices.pick(&[Dialect::Happn1, Dialect::Happn4]);
        let pattern = Pattern::parse(&text, dialect);
        let path = choices.path();
        for prefix in ["/_exchange/requests/", "/_exchange/responses/"] {
            if path.starts_with(prefix) && pattern.matches(&path) {
                assert!(pattern.may_match_below(prefix), "{text} {path} {dialect:?}");
            }
        }
    }
}
