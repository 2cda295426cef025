//! Subscriptions as publishers and sessions see them.

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
        principal: None,
        is_in_part: false,
        until: None,
    };
    index.subscribe(&Subscriber::Session(session.clone()), subscription)
}

#[test]
fn a_session_has_a_limited_number_of_subscriptions() {
    let index = Index::new(Limits {
        count: 2,
        ..Limits::NONE
    });
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

#[test]
fn the_subscriptions_of_a_session_take_a_limited_amount_of_memory() {
    let index = Index::new(Limits {
        bytes: 64 * 1024,
        ..Limits::NONE
    });
    let hostile = [1, 2].map(|number| Arc::new(Session::new(number, ([127, 0, 0, 1], 1).into(), 1000)));
    let long = "y".repeat(7900);
    let counts = hostile.each_ref().map(|session| {
        let texts = (0..100).map(|number| format!("/ALL@/{number}/{long}/*"));
        texts
            .take_while(|text| subscribe(&index, session, text).is_ok())
            .count()
    });
    assert_eq!(counts[0], counts[1]);
    assert!((1..5).contains(&counts[0]), "{counts:?}");
    assert_eq!(
        subscribe(&index, &hostile[0], &format!("/ALL@/{long}")),
        Err(TooManySubscriptions::Bytes { most: 64 * 1024 })
    );
    // Segments take more than their letters.
    let segments = "a/".repeat(500);
    for session in &hostile {
        index.unsubscribe_all(session.number());
        assert!(index.take_left_behind() > 0);
        let texts = (0..100).map(|number| format!("/ALL@/{number}/{segments}*"));
        let count = texts
            .take_while(|text| subscribe(&index, session, text).is_ok())
            .count();
        assert!(count < 2, "{count}");
        index.unsubscribe_all(session.number());
    }
    assert!(index.read().capacity() < 200, "{}", index.read().capacity());
}

#[test]
fn nothing_grows_while_somebody_subscribes_and_ends_it_again() {
    let index = Index::new(Limits {
        bytes: 64 * 1024,
        ..Limits::NONE
    });
    let sessions = [1, 2].map(|number| Arc::new(Session::new(number, ([127, 0, 0, 1], 1).into(), 1000)));
    for number in 0..20_000 {
        for session in &sessions {
            for text in [
                format!("/ALL@/{number}/x"),
                format!("/ALL@/{number}/*"),
                format!("/ALL@/a{number}/**"),
            ] {
                let reference = subscribe(&index, session, &text).unwrap();
                match number % 2 {
                    0 => index.unsubscribe_reference(session.number(), &text, reference),
                    _ => index.unsubscribe_channel(session.number(), &text),
                }
            }
        }
    }
    assert_eq!(index.count(), 0);
    assert!(index.read().capacity() < 200, "{}", index.read().capacity());
}

#[test]
fn tables_shrink_when_a_crowd_leaves_somebody_behind() {
    let index = Index::new(Limits::NONE);
    let crowd = Arc::new(Session::new(1, ([127, 0, 0, 1], 1).into(), 1000));
    let stays = Arc::new(Session::new(2, ([127, 0, 0, 1], 1).into(), 1000));
    subscribe(&index, &stays, "/ALL@/1/x").unwrap();
    for number in 0..20_000 {
        subscribe(&index, &crowd, &format!("/ALL@/{number}/x")).unwrap();
        subscribe(&index, &crowd, &format!("/ALL@/{number}/*")).unwrap();
    }
    index.unsubscribe_all(1);
    assert_eq!(index.count(), 1);
    assert!(index.read().capacity() < 300, "{}", index.read().capacity());
    index.unsubscribe_all(2);
    assert_eq!(index.count(), 0);
}

#[test]
fn a_session_has_a_limited_number_of_patterns_that_every_publication_is_searched_for() {
    let index = Index::new(Limits::NONE);
    let session = Arc::new(Session::new(1, ([127, 0, 0, 1], 1).into(), 1000));
    let subscribe = |text: &str| {
        let subscription = Subscription {
            text,
            channel: Channel::parse(text),
            dialect: Dialect::Happn1,
            filter: VersionFilter::Any,
            depth: Depth {
                segments: 5,
                named: false,
            },
            count: 1,
            as_sent: false,
            principal: None,
            is_in_part: false,
            until: None,
        };
        index.subscribe(&Subscriber::Session(session.clone()), subscription)
    };
    for number in 0..MOST_SEARCHED {
        subscribe(&format!("/SET@/news/*a*b{number}")).unwrap();
    }
    assert_eq!(subscribe("/SET@/news/*more"), Err(TooManySubscriptions::Searched));
    subscribe("/SET@/news/*a*b1").unwrap();
    for found_by_a_table in ["/SET@/news/*", "/SET@/news/today", "/ALL@*"] {
        subscribe(found_by_a_table).unwrap();
    }
    index.unsubscribe_channel(1, "/SET@/news/*a*b2");
    subscribe("/SET@/news/*more").unwrap();
    assert!(subscribe("/SET@/news/*even more").is_err());
    index.unsubscribe_all(1);
    subscribe("/SET@/news/*even more").unwrap();
}
