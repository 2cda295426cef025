//! The bounds of interest: much of everything, and damaged frames.

use super::super::body::{Changed, Difference, Wanted, Wants};
use super::*;

#[test]
fn too_many_patterns_are_all_and_too_many_ranges_any() {
    let mut story = Story::with(1);
    let patterns: Vec<String> = (0..=MOST_PATTERNS)
        .map(|number| format!("/_events/Shop/calc/key{number}"))
        .collect();
    for pattern in &patterns[..MOST_PATTERNS] {
        story.subscribe(&by_segments(pattern, Some("^1")));
    }
    assert!(!story.is_wanted("/_events/Shop/calc/other", "1.0.0"));
    story.subscribe(&by_segments(&patterns[MOST_PATTERNS], Some("^1")));
    assert!(story.is_wanted("/_events/Shop/calc/other", "1.0.0"));
    assert!(!story.is_wanted("/_events/Shop/calc/other", "2.0.0"));
    let frames = story.frames;
    for pattern in &patterns[MOST_PATTERNS / 2 + 1..] {
        story.unsubscribe(&by_segments(pattern, Some("^1")));
        assert!(story.is_wanted("/_events/Shop/calc/other", "1.0.0"));
    }
    assert_eq!(story.frames, frames);
    story.unsubscribe(&by_segments(&patterns[MOST_PATTERNS / 2], Some("^1")));
    assert!(!story.is_wanted("/_events/Shop/calc/other", "1.0.0"));
    assert!(story.is_wanted("/_events/Shop/calc/key0", "1.0.0"));

    let ranges: Vec<String> = (0..=MOST_RANGES).map(|number| format!("{number}.0.0")).collect();
    for range in &ranges {
        story.subscribe(&by_segments("/_events/Shop/stock/key", Some(range)));
    }
    assert!(story.is_wanted("/_events/Shop/stock/key", "77.0.0"));
    for range in &ranges[MOST_RANGES / 2..] {
        story.unsubscribe(&by_segments("/_events/Shop/stock/key", Some(range)));
    }
    assert!(!story.is_wanted("/_events/Shop/stock/key", "77.0.0"));
    story.subscribe(&by_segments("/_events/Shop/stock/key", None));
    assert!(story.is_wanted("/_events/Shop/stock/key", "77.0.0"));
}

#[test]
fn too_many_topics_are_everything() {
    let mut story = Story::with(1);
    let patterns: Vec<String> = (0..=MOST_TOPICS)
        .map(|number| format!("/folder-{number}/x"))
        .collect();
    for pattern in &patterns[..MOST_TOPICS] {
        story.subscribe(&by_segments(pattern, None));
    }
    assert!(!story.is_wanted("/other/x", ""));
    story.subscribe(&by_segments(&patterns[MOST_TOPICS], None));
    assert!(story.is_wanted("/other/x", ""));
    assert_eq!(story.tables[0].1.topics(), 0);
    for pattern in &patterns[MOST_TOPICS / 2..] {
        story.unsubscribe(&by_segments(pattern, None));
    }
    assert!(!story.is_wanted("/other/x", ""));
    assert!(story.is_wanted("/folder-7/x", ""));
    assert!(!story.is_wanted("/folder-4000/x", ""));
    assert_eq!(story.answered.len(), MOST_TOPICS + 1);
}

#[test]
fn long_patterns_and_ranges_are_told_as_all() {
    let mut story = Story::with(1);
    let long = format!("/a/b/{}", "x".repeat(LONGEST_PATTERN));
    story.subscribe(&by_segments(&long, Some("^1")));
    assert!(story.is_wanted(&long, "1.0.0") && story.is_wanted("/a/b/y", "1.0.0"));
    story.unsubscribe(&by_segments(&long, Some("^1")));
    assert!(!story.is_wanted(&long, "1.0.0"));
    let range = format!("^1 || {}", "2 || ".repeat(100)) + "3";
    story.subscribe(&by_segments("/a/b/y", Some(&range)));
    assert!(story.is_wanted("/a/b/y", "9.0.0"));
    let folder = "y".repeat(LONGEST_TOPIC);
    let deep = format!("/{folder}/x");
    story.subscribe(&by_segments(&deep, None));
    assert!(story.is_wanted(&deep, "") && !story.is_wanted(&format!("/{folder}/y"), ""));
}

#[test]
fn a_hostile_node_gets_all_events_and_takes_no_memory_for_it() {
    let mut table = Wanting::default();
    let hostile = peer(1);
    let ranges: Vec<String> = (0..MOST_RANGES)
        .map(|_| "1||".repeat(LONGEST_RANGE / 3))
        .collect();
    for revision in 1..=2_000 {
        let name = format!("topic-{revision}");
        let wants = Wants {
            patterns: Some(vec![Wanted {
                pattern: "/x".into(),
                text: false,
            }]),
            ranges: Some(ranges.iter().map(|range| range.as_str().into()).collect()),
        };
        let topics = vec![Changed {
            topic: name.as_str().into(),
            wants: Some(wants),
        }];
        let difference = Difference {
            revision,
            topics,
            ..Difference::default()
        };
        table.receive(&hostile, &difference).unwrap();
    }
    assert_eq!(table.topics(), 0);
    let mut found = Vec::new();
    table.wanted("/any", None, &mut found);
    assert_eq!(found.len(), 1);
    assert_eq!(table.peer(found[0]), Some(&hostile));
    let reset = Difference {
        revision: 2_001,
        reset: true,
        ..Difference::default()
    };
    table.receive(&hostile, &reset).unwrap();
    table.wanted("/any", None, &mut found);
    assert!(found.is_empty());
    table.gone(&hostile);
    assert_eq!(table.peer(NodeIndex::default()), None);
}

#[test]
fn numbers_of_differences_rise() {
    let mut table = Wanting::default();
    let numbered = |revision, more| Difference {
        revision,
        more,
        ..Difference::default()
    };
    assert_eq!(table.receive(&peer(1), &numbered(3, true)), Ok(None));
    assert_eq!(table.receive(&peer(1), &numbered(3, false)), Ok(Some(3)));
    for revision in [0, 2, 3] {
        let error = InterestError::Repeated { revision, known: 3 };
        assert_eq!(table.receive(&peer(1), &numbered(revision, false)), Err(error));
    }
}

#[test]
fn damaged_frames_are_refused_with_a_reason() {
    let error = |body: &str| Frame::read(body.as_bytes()).unwrap_err();
    assert!(matches!(error(""), InterestError::Malformed(_)));
    assert!(matches!(error(r#"{"interest":1}"#), InterestError::Malformed(_)));
    assert_eq!(error(r#"{"interest":2}"#), InterestError::Form(2));
    let with = |topic: &str, wants: &str| {
        error(&format!(
            r#"{{"interest":1,"difference":{{"revision":1,"topics":[{{"topic":"{topic}","wants":{wants}}}]}}}}"#
        ))
    };
    let too_much = |error: InterestError| match error {
        InterestError::TooMuch { what, .. } => what,
        other => panic!("{other}"),
    };
    assert_eq!(too_much(with(&"x".repeat(LONGEST_TOPIC + 1), "null")), "topic");
    let patterns = |patterns: &[String]| format!(r#"{{"patterns":[{}],"ranges":null}}"#, patterns.join(","));
    let pattern = |length: usize| format!(r#"{{"pattern":"{}"}}"#, "x".repeat(length));
    assert_eq!(
        too_much(with("a", &patterns(&[pattern(LONGEST_PATTERN + 1)]))),
        "pattern"
    );
    let many = vec![pattern(1); MOST_PATTERNS + 1];
    assert_eq!(too_much(with("a", &patterns(&many))), "list of patterns");
    let ranges = |ranges: &[String]| format!(r#"{{"patterns":null,"ranges":[{}]}}"#, ranges.join(","));
    assert_eq!(
        too_much(with("a", &ranges(&vec!["\"1\"".into(); MOST_RANGES + 1]))),
        "list of ranges"
    );
    assert_eq!(
        too_much(with(
            "a",
            &ranges(&[format!("\"{}\"", "1".repeat(LONGEST_RANGE + 1))])
        )),
        "range"
    );
    let long = vec![b' '; LONGEST_BODY + 1];
    assert_eq!(Frame::read(&long), Err(InterestError::TooLong(LONGEST_BODY + 1)));
}
