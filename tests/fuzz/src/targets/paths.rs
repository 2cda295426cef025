//! Matching of paths.
//!
//! Enters: a dialect (one byte), a path (one line), and patterns (a line each). Checked:
//! - One pattern matches what a plain matcher of the same rule says.
//! - The index of subscriptions finds exactly the patterns that match, and as many as it says.
//! - A pattern that matches below a prefix says that it may.
//! - The pattern of a `get` matches what a regular expression of the same meaning says.

use super::DIALECTS;
use crate::{Input, Target};
use mesh_session::pubsub::{
    Channel, DEFAULT_DEPTH, Depth, Event, Index, Limits, Pattern, Subscriber, Subscription, VersionFilter,
};
use mesh_session::{Batch, Next, Session};
use mesh_store::PathPattern;
use mesh_wire::address::{REQUESTS, RESPONSES};
use mesh_wire::protocol::{Dialect, EventAction, Matching, Publication};
use regex::Regex;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// Matching of paths.
pub const PATHS: Target = Target {
    name: "paths",
    run,
    inputs: 900,
    longest: 1024,
};

/// More patterns than these are not looked at.
const MOST_PATTERNS: usize = 12;

fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let dialect = *input.pick(&DIALECTS);
    let Some(path) = input.line() else { return };
    let mut patterns = Vec::new();
    while !input.is_empty() && patterns.len() < MOST_PATTERNS {
        match input.line() {
            Some(pattern) => patterns.push(pattern),
            None => return,
        }
    }
    for text in &patterns {
        one_pattern(text, path, dialect);
        stored(text, path);
    }
    index(&patterns, path, dialect);
}

/// The verdict of a subscription's pattern on a path, compared with the plain matcher.
fn one_pattern(text: &str, path: &str, dialect: Dialect) {
    let pattern = Pattern::parse(text, dialect);
    let expected = match dialect.matching() {
        Matching::Text => first_generation(text, path),
        Matching::Segments => later_generations(text, path).is_some(),
    };
    assert_eq!(
        pattern.matches(path),
        expected,
        "{dialect:?} {text:?} {path:?}: {pattern:?}"
    );
    if dialect.matching() == Matching::Segments {
        let depth = later_generations(text, path).flatten();
        assert_eq!(pattern.depth_of(path), depth, "{text:?} {path:?}");
    }
    for prefix in [REQUESTS, RESPONSES] {
        if path.starts_with(prefix) && pattern.matches(path) {
            assert!(
                pattern.may_match_below(prefix),
                "{dialect:?} {text:?} {path:?} {prefix}"
            );
        }
    }
}

/// The rule of the first generation: text in order, letters of any size where there is no star.
fn first_generation(text: &str, path: &str) -> bool {
    if text == "*" {
        return true;
    }
    let Some((literal, rest)) = text.split_once('*') else {
        return text.to_lowercase() == path.to_lowercase();
    };
    let parts: Vec<String> = rest.split('*').map(regex::escape).collect();
    let whole = format!(r"(?s)\A{}.*{}", regex::escape(literal), parts.join(".*"));
    Regex::new(&whole).is_ok_and(|whole| whole.is_match(path))
}

/// The rule of later generations, by segments: whether it matches and, for `**`, how many segments that stands for.
fn later_generations(text: &str, path: &str) -> Option<Option<u32>> {
    if text == "*" {
        return Some(None);
    }
    if let Some(below) = text.strip_suffix('*')
        && below.starts_with(RESPONSES)
        && below.ends_with('/')
        && !below.contains('*')
    {
        return path.starts_with(below).then_some(None);
    }
    let bare = |text: &str| text.strip_prefix('/').unwrap_or(text).to_owned();
    let (pattern, path) = (bare(text), bare(path));
    let pattern: Vec<&str> = pattern.split('/').collect();
    let path: Vec<&str> = path.split('/').collect();
    let fits = |(part, segment): (&&str, &&str)| *part == "*" || part == segment;
    if let Some((&"**", front)) = pattern.split_last() {
        let beyond = path.len().checked_sub(front.len()).filter(|beyond| *beyond > 0)?;
        return front
            .iter()
            .zip(&path)
            .all(fits)
            .then_some(u32::try_from(beyond).ok());
    }
    (pattern.len() == path.len() && pattern.iter().zip(&path).all(fits)).then_some(None)
}

/// The verdict of a pattern of `get` on a path, compared with a regular expression.
fn stored(text: &str, path: &str) {
    let pattern = PathPattern::new(text);
    let parts: Vec<String> = text.split('*').map(regex::escape).collect();
    let whole = format!(r"(?s)\A{}\z", parts.join(".*"));
    let expected = Regex::new(&whole).is_ok_and(|whole| whole.is_match(path));
    assert_eq!(pattern.matches(path), expected, "{text:?} {path:?}");
    assert_eq!(pattern.has_wildcard(), text.contains('*'), "{text:?}");
    if pattern.matches(path) {
        assert!(path.starts_with(pattern.literal()), "{text:?} {path:?}");
    }
}

/// The patterns that the index finds among all.
fn index(patterns: &[&str], path: &str, dialect: Dialect) {
    let session = Arc::new(Session::new(
        1,
        SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
        1 << 24,
    ));
    session.set_dialect(dialect);
    let index = Index::new(Limits::NONE);
    let subscriber = Subscriber::Session(session.clone());
    let (mut all, mut expected) = (BTreeSet::new(), BTreeSet::new());
    for pattern in patterns {
        let text = format!("/ALL@{pattern}");
        let channel = Channel::parse(&text);
        let subscription = Subscription {
            text: &text,
            channel,
            dialect,
            filter: VersionFilter::Any,
            depth: Depth {
                segments: DEFAULT_DEPTH,
                named: false,
            },
            count: 1,
            as_sent: false,
            until: None,
            principal: None,
            is_in_part: false,
        };
        assert!(index.subscribe(&subscriber, subscription).is_ok(), "{text}");
        let parsed = Pattern::parse(pattern, dialect);
        let is_near = parsed.depth_of(path).is_none_or(|depth| depth <= DEFAULT_DEPTH);
        if parsed.matches(path) && is_near {
            expected.insert(text.clone());
        }
        all.insert(text);
    }
    assert_eq!(index.count(), all.len());
    let publication = Publication {
        action: EventAction::Set,
        path,
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
        version: None,
        targets: None,
    };
    let published = index.publish(&event);
    let heard = heard(&session);
    assert_eq!(published.recipients, heard.len(), "{path:?} {patterns:?}");
    let channels: BTreeSet<String> = heard.iter().cloned().collect();
    assert_eq!(channels.len(), heard.len(), "a channel twice: {heard:?}");
    assert_eq!(channels, expected, "{dialect:?} {path:?}");
    index.unsubscribe_all(session.number());
    assert_eq!(index.count(), 0);
    assert!(!index.has_request_watchers());
}

/// The channels of the frames that have arrived.
fn heard(session: &Session) -> Vec<String> {
    let mut batch = Batch::default();
    session.outbound().take(&mut batch);
    let mut channels = Vec::new();
    while let Next::Frame(frame) = batch.next_frame() {
        let read: serde_json::Value =
            serde_json::from_str(&frame).unwrap_or_else(|error| panic!("{error}: {frame}"));
        let channel = read["_meta"]["channel"].as_str().unwrap_or_default();
        channels.push(channel.to_owned());
    }
    channels
}
