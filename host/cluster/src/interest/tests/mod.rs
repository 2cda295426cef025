//! Stories of interest: one node tells, another one asks its table.

mod bounds;

use super::body::Difference;
use super::topic::{each_of_path, of_pattern};
use super::*;
use crate::moment::Moment;
use crate::peer::Peer;
use mesh_choices::Choices;
use mesh_wire::pattern::Pattern;
use mesh_wire::protocol::Matching;
use mesh_wire::versions::{ComponentVersion, RequestedRange, VersionFilter};
use std::time::Duration;

fn peer(number: u64) -> Peer {
    crate::played::peer(&format!("shop-{number}"), number)
}

fn by_segments<'a>(pattern: &'a str, range: Option<&'a str>) -> Subscribed<'a> {
    Subscribed {
        pattern,
        matching: Matching::Segments,
        range,
    }
}

fn as_text(pattern: &str) -> Subscribed<'_> {
    Subscribed {
        pattern,
        matching: Matching::Text,
        range: None,
    }
}

/// A node that subscribes, and those that hear of it.
struct Story {
    interest: Interest<u32>,
    tables: Vec<(Peer, Wanting)>,
    now: Moment,
    answered: Vec<u32>,
    frames: usize,
    /// Whether acknowledgements are lost on their way.
    is_deaf: bool,
}

impl Story {
    fn with(peers: u64) -> Story {
        let mut story = Story {
            interest: Interest::default(),
            tables: Vec::new(),
            now: Moment::default(),
            answered: Vec::new(),
            frames: 0,
            is_deaf: false,
        };
        for number in 2..2 + peers {
            story.tables.push((peer(number), Wanting::default()));
            story.interest.joined(&peer(number));
        }
        story.settle();
        story.frames = 0;
        story
    }

    /// Lets all frames arrive.
    fn settle(&mut self) {
        while let Some(output) = self.interest.poll() {
            match output {
                Output::Answer(waits) => self.answered.push(waits),
                Output::Send { peer: to, body } => {
                    self.frames += 1;
                    assert!(body.len() <= LONGEST_BODY);
                    let Some((_, table)) = self.tables.iter_mut().find(|(peer, _)| *peer == to) else {
                        continue;
                    };
                    let Ok(Frame::Difference(difference)) = Frame::read(&body) else {
                        panic!("a difference is sent");
                    };
                    let revision = table.receive(&peer(1), &difference).unwrap();
                    let Some(revision) = revision.filter(|_| !self.is_deaf) else {
                        continue;
                    };
                    let body = Frame::Acknowledged(revision).write();
                    assert_eq!(Frame::read(&body), Ok(Frame::Acknowledged(revision)));
                    self.interest.acknowledged(&to, revision);
                }
            }
        }
    }

    fn subscribe(&mut self, subscribed: &Subscribed<'_>) {
        self.interest.subscribe(self.now, subscribed, 1);
        self.settle();
    }

    fn unsubscribe(&mut self, subscribed: &Subscribed<'_>) {
        self.interest.unsubscribe(subscribed);
        self.settle();
    }

    /// Whether each peer would send an event to this node.
    fn is_wanted(&self, path: &str, version: &str) -> bool {
        let version = ComponentVersion::parse(version).ok();
        let mut found = Vec::new();
        let mut all = self.tables.iter().map(|(_, table)| {
            table.wanted(path, version.as_ref(), &mut found);
            !found.is_empty()
        });
        let first = all.next().unwrap();
        assert!(all.all(|other| other == first));
        first
    }
}

#[test]
fn events_go_where_somebody_listens_to_their_path_and_version() {
    let mut story = Story::with(2);
    assert!(!story.is_wanted("/_events/Shop/calc/added", "1.0.0"));
    let added = by_segments("/_events/Shop/calc/*", Some("^1.0.0"));
    story.subscribe(&added);
    assert!(story.is_wanted("/_events/Shop/calc/added", "1.2.0"));
    assert!(story.is_wanted("/_events/Shop/calc/added", "1.2.0-beta"));
    assert!(story.is_wanted("/_events/Shop/calc/added", "none"));
    for (path, version) in [
        ("/_events/Shop/calc/added", "2.0.0"),
        ("/_events/Shop/calc/added/large", "1.0.0"),
        ("/_events/Shop/stock/added", "1.0.0"),
        ("/_events/Other/calc/added", "1.0.0"),
    ] {
        assert!(!story.is_wanted(path, version), "{path} {version}");
    }
    story.unsubscribe(&added);
    assert!(!story.is_wanted("/_events/Shop/calc/added", "1.2.0"));
    assert!(story.tables.iter().all(|(_, table)| table.topics() == 0));
}

#[test]
fn both_generations_are_found() {
    let mut story = Story::with(1);
    for subscribed in [
        as_text("/A/Bee"),
        as_text("/text/p*suffix"),
        as_text("/deep/er/still*"),
        by_segments("/seg/*/c", None),
        by_segments("/two/**", None),
        by_segments("plain", None),
    ] {
        story.subscribe(&subscribed);
    }
    for path in [
        "/a/bee",
        "/A/BEE",
        "/text/p/x/suffix",
        "/text/psuffix/more",
        "/deep/er/stillness",
        "/seg/x/c",
        "/two/x/y/z",
        "/plain",
        "plain",
    ] {
        assert!(story.is_wanted(path, ""), "{path}");
    }
    for path in ["/a/b", "/text/q", "/deep/er", "/seg/x/d", "/two", "/plainer", "/"] {
        assert!(!story.is_wanted(path, ""), "{path}");
    }
    story.subscribe(&by_segments("*", None));
    assert!(story.is_wanted("/anything", ""));
}

#[test]
fn calls_answers_and_the_host_s_own_documents_cross_to_nobody() {
    let mut story = Story::with(1);
    for pattern in [
        "/_exchange/responses/S/*",
        "/_exchange/requests/D/c/m",
        "/_exchange/**",
        "/_SYSTEM/_SECURITY/*",
    ] {
        story.subscribe(&by_segments(pattern, None));
        story.subscribe(&as_text(pattern));
    }
    assert_eq!(story.answered.len(), 8);
    // First generation: a text without `*` may mean other folders in other letters.
    assert!(story.interest.topics() <= 1);
    story.subscribe(&by_segments("*", None));
    for path in [
        "/_exchange/responses/S/1",
        "/_exchange/requests/D/c/m",
        "/_SYSTEM/x",
        "_SYSTEM/x",
    ] {
        assert!(!story.is_wanted(path, ""), "{path}");
    }
    assert!(story.is_wanted("/_exchanges", "") && story.is_wanted("/_system/x", ""));
}

#[test]
fn a_second_subscription_changes_nothing_and_waits_for_nothing() {
    let mut story = Story::with(3);
    let one = by_segments("/a/b", None);
    story.subscribe(&one);
    assert_eq!((story.frames, story.answered.len()), (3, 1));
    for _ in 0..10 {
        story.subscribe(&one);
    }
    assert_eq!((story.frames, story.answered.len()), (3, 11));
    for _ in 0..10 {
        story.unsubscribe(&one);
        assert!(story.is_wanted("/a/b", ""));
    }
    story.unsubscribe(&one);
    assert!(!story.is_wanted("/a/b", ""));
    assert_eq!(story.frames, 6);
}

#[test]
fn a_subscription_is_answered_when_all_that_live_know_or_after_a_while() {
    let mut story = Story::with(2);
    story.is_deaf = true;
    let one = by_segments("/a/b", None);
    story.subscribe(&one);
    // The second one changes nothing, and an event could be missed all the same.
    story.subscribe(&one);
    assert!(story.answered.is_empty());
    let revision = 2;
    story.interest.acknowledged(&peer(2), revision);
    story.settle();
    assert!(story.answered.is_empty());
    story.interest.acknowledged(&peer(3), revision);
    story.settle();
    assert_eq!(story.answered.len(), 2);
    assert_eq!(story.interest.next_deadline(), None);

    story.subscribe(&by_segments("/c/d", None));
    assert_eq!(story.interest.next_deadline(), Some(story.now + WAIT));
    story.interest.tick(story.now + (WAIT - Duration::from_millis(1)));
    story.settle();
    assert_eq!(story.answered.len(), 2);
    story.interest.tick(story.now + WAIT);
    story.settle();
    assert_eq!(story.answered.len(), 3);
    assert_eq!(story.interest.next_deadline(), None);

    story.subscribe(&by_segments("/e/f", None));
    story.interest.acknowledged(&peer(2), u64::MAX);
    story.interest.stands(&peer(3), false);
    story.settle();
    assert_eq!(story.answered.len(), 4);
    story.subscribe(&by_segments("/g/h", None));
    story.interest.gone(&peer(2));
    story.settle();
    assert_eq!(story.answered.len(), 5);
}

#[test]
fn a_node_that_comes_later_is_told_everything() {
    let mut story = Story::with(1);
    for number in 0..3_000 {
        let pattern = format!("/folder-{number}/{}", "x".repeat(100));
        story.subscribe(&by_segments(&pattern, None));
    }
    story.tables.push((peer(9), Wanting::default()));
    story.frames = 0;
    story.interest.joined(&peer(9));
    story.settle();
    assert!(story.frames > 1, "it is told in several frames");
    assert!(story.is_wanted(&format!("/folder-2999/{}", "x".repeat(100)), ""));
    assert!(!story.is_wanted("/folder-2999/x", ""));
    // The other end has not noticed that this one was gone for a moment.
    story.interest.gone(&peer(9));
    story.interest.joined(&peer(9));
    story.settle();
    assert!(!story.is_wanted("/folder-2999/x", ""));
    assert_eq!(story.tables[1].1.topics(), 3_000);
}

#[test]
fn a_path_is_looked_for_under_the_topic_of_each_pattern_that_matches_it() {
    let mut choices = Choices::new(11);
    let segments = [
        "a", "B", "_events", "*", "", "é", "İ", "Σ", "_SYSTEM", "xΣ", "b*", "**",
    ];
    let text = |choices: &mut Choices| {
        let count = choices.below(5);
        let slash = if choices.percent(80) { "/" } else { "" };
        let picked: Vec<&str> = (0..count).map(|_| *choices.pick(&segments)).collect();
        format!("{slash}{}", picked.join("/"))
    };
    let mut matched = 0;
    for _ in 0..100_000 {
        let (pattern, path) = (text(&mut choices), text(&mut choices));
        let path = if choices.percent(30) {
            pattern.replace('*', "x")
        } else {
            path
        };
        let path = if choices.one_in(4) {
            path.to_lowercase()
        } else {
            path
        };
        for matching in [Matching::Text, Matching::Segments] {
            let pattern = Pattern::matched(&pattern, matching);
            if !pattern.matches(&path) || !may_cross(&path) {
                continue;
            }
            matched += 1;
            let topic = of_pattern(&pattern);
            let mut is_found = false;
            each_of_path(&path, |other| is_found |= topic.as_deref() == Some(other));
            assert!(is_found, "{pattern:?} {topic:?} {path:?}");
        }
    }
    assert!(matched > 10_000, "{matched}");
}

/// The same by a comparison with each subscription.
fn is_wanted_by_one(all: &[(Subscribed<'_>, usize)], path: &str, version: &ComponentVersion) -> bool {
    all.iter().filter(|(_, count)| *count > 0).any(|(subscribed, _)| {
        let filter = match subscribed.range {
            None => VersionFilter::Any,
            Some(range) => VersionFilter::Range(RequestedRange::from(range)),
        };
        Pattern::matched(subscribed.pattern, subscribed.matching).matches(path) && filter.admits(version)
    })
}

#[test]
fn no_event_is_withheld_in_any_order_of_subscriptions_and_joins() {
    let long = std::env::var_os("MESH_TESTS_LONG").is_some();
    let patterns = [
        "/a/b",
        "/A/b",
        "/a/*",
        "/a/b/*",
        "*",
        "/**",
        "/a/**",
        "/_events/D/c/k",
        "/_events/D/*/k",
        "/a/b*",
    ];
    let paths = [
        "/a/b",
        "/A/B",
        "/a/c",
        "/a/b/c",
        "/x",
        "/_events/D/c/k",
        "/_events/D/d/k",
        "/a/bc",
    ];
    let ranges = [None, Some("^1"), Some("^2"), Some("nonsense"), Some("1.0.0-beta")];
    let mut choices = Choices::new(23);
    for _ in 0..if long { 6_000 } else { 60 } {
        let mut story = Story::with(1);
        let mut all: Vec<(Subscribed<'_>, usize)> = Vec::new();
        for pattern in patterns {
            for matching in [Matching::Text, Matching::Segments] {
                let range = *choices.pick(&ranges);
                all.push((
                    Subscribed {
                        pattern,
                        matching,
                        range,
                    },
                    0,
                ));
            }
        }
        for _ in 0..60 {
            let chosen = choices.below(all.len());
            let (subscribed, count) = &mut all[chosen];
            match choices.below(10) {
                0..5 => {
                    *count += 1;
                    story.subscribe(subscribed);
                }
                5..9 if *count > 0 => {
                    *count -= 1;
                    story.unsubscribe(subscribed);
                }
                9 if story.tables.len() < 3 => {
                    let next = peer(10 + story.tables.len() as u64);
                    story.tables.push((next.clone(), Wanting::default()));
                    story.interest.joined(&next);
                    story.settle();
                }
                _ => continue,
            }
            for path in paths {
                for version in ["1.0.0", "1.0.0-beta", "2.0.0"] {
                    let parsed = ComponentVersion::parse(version).unwrap();
                    let is_wanted = story.is_wanted(path, version);
                    assert!(
                        is_wanted || !is_wanted_by_one(&all, path, &parsed),
                        "{path} {version}"
                    );
                }
            }
        }
        for (subscribed, count) in &all {
            (0..*count).for_each(|_| story.unsubscribe(subscribed));
        }
        assert_eq!(story.interest.topics(), 0);
        assert!(story.tables.iter().all(|(_, table)| table.topics() == 0));
        let subscriptions = story.answered.len();
        story.interest.tick(story.now + WAIT);
        story.settle();
        assert_eq!(story.answered.len(), subscriptions);
    }
}

#[test]
fn a_node_that_wants_everything_is_somebody_and_one_that_was_forgotten_here_wants_it_until_it_says_more() {
    let (one, other) = (peer(2), peer(3));
    let mut wanting = Wanting::default();
    let everything = Difference {
        revision: 1,
        everything: true,
        ..Difference::default()
    };
    wanting.receive(&one, &everything).unwrap();
    assert!(!wanting.is_empty());
    wanting.gone(&one);
    assert!(wanting.is_empty());
    wanting.assume_everything(&other);
    assert!(!wanting.is_empty());
    let nothing = Difference {
        revision: 7,
        reset: true,
        ..Difference::default()
    };
    wanting.receive(&other, &nothing).unwrap();
    assert!(wanting.is_empty());
    wanting.assume_everything(&other);
    assert!(wanting.is_empty());
}
