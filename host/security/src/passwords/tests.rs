//! The service as those see it who wait for it.

use super::*;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

const HAPPN: &str = concat!(
    "pbkdf2$10000$f1727f88cf81977c4bb1eab0c4c7682796a4370de0ed1b1887f5797168cbe4bf",
    "a6d9ceeb03cbf2849b7644f7ad0c9f681dcaa74b9b1bef207d44fe49dcb9e383$",
    "c426fcaf2e0365af6021d06b03e9c2047f07d52a871d382e80fc7b5d958133b3",
    "0320f89517c56687895cc23267a05d63246e6868d85d8dd54110f5e0cba936b9$sha512",
);

fn poll_once(future: std::pin::Pin<&mut impl Future>) -> bool {
    matches!(
        future.poll(&mut Context::from_waker(Waker::noop())),
        Poll::Ready(_)
    )
}

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const ELSEWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

/// Attempts that wait for ever among the first, and are told at once that there are too many.
const ENDLESS: Patience = Patience {
    first: Duration::from_secs(1000),
    whole: Duration::ZERO,
};

/// The text that is stored for a password.
fn stored(password: &str) -> Option<String> {
    Some(password::hash(password).unwrap())
}

#[tokio::test]
async fn a_user_of_happn_logs_in_and_gets_a_better_hash() {
    let passwords = Passwords::start().unwrap();
    let verify = |password: &str, stored: &str| {
        let passwords = &passwords;
        let (password, stored) = (password.to_owned(), Some(stored.to_owned()));
        async move { passwords.verify((HERE, "bob"), password, stored).await.unwrap() }
    };
    assert_eq!(verify("pw", HAPPN).await, Verdict::Right { outdated: true });
    let text = passwords.hash("bob", "pw".into()).await.unwrap();
    assert_eq!(verify("pw", &text).await, Verdict::Right { outdated: false });
    assert_eq!(verify("PW", &text).await, Verdict::Wrong);
    assert_eq!(verify("PW", HAPPN).await, Verdict::Wrong);
    let own = passwords.verify_own("bob", "pw".into(), Some(text)).await;
    assert_eq!(own, Ok(Verdict::Right { outdated: false }));
}

#[tokio::test]
async fn unknown_users_and_passwords_that_are_too_long_are_wrong() {
    let passwords = Passwords::start().unwrap();
    passwords.expect_pbkdf2();
    let long = "x".repeat(LONGEST + 1);
    for (password, stored) in [("pw", None), ("pw", Some("not a hash")), (&*long, Some(HAPPN))] {
        let stored = stored.map(str::to_owned);
        let verdict = passwords.verify((HERE, "bob"), password.into(), stored).await;
        assert_eq!(verdict.unwrap(), Verdict::Wrong);
    }
    assert_eq!(
        passwords.hash("bob", long).await,
        Err(PasswordError::TooLong.into())
    );
    let longest = "x".repeat(LONGEST);
    let text = passwords.hash("bob", longest.clone()).await.unwrap();
    let verdict = passwords.verify_own("bob", longest, Some(text)).await;
    assert_eq!(verdict, Ok(Verdict::Right { outdated: false }));
}

#[tokio::test]
async fn a_full_queue_refuses_and_abandoned_places_are_given_away() {
    // No thread takes anything out.
    let passwords = Passwords::with_threads(0, ENDLESS).unwrap();
    let names: Vec<String> = (0..PLACES).map(|number| format!("guess{number}")).collect();
    let mut waiting: Vec<_> = names
        .iter()
        .map(|name| Box::pin(passwords.verify((HERE, name), "pw".into(), None)))
        .collect();
    for future in &mut waiting {
        assert!(!poll_once(future.as_mut()));
    }
    assert_eq!(passwords.waiting(), PLACES);
    let refused = passwords.verify((HERE, "one more"), "pw".into(), None).await;
    let refused = refused.unwrap_err();
    assert!(refused.counts, "as if its password had been looked at");
    assert_eq!(refused.wait().await, Busy);
    let mut elsewhere = pin!(passwords.verify((ELSEWHERE, "guess0"), "pw".into(), None));
    assert!(!poll_once(elsewhere.as_mut()), "it has a share of its own");
    assert_eq!(passwords.waiting(), PLACES);
    let mut own = pin!(passwords.hash("bob", "pw".into()));
    assert!(!poll_once(own.as_mut()), "and so has who is logged in");
    assert_eq!(passwords.waiting(), PLACES + 1);
    drop(waiting.split_off(10));
    let mut next = pin!(passwords.verify((HERE, "next"), "pw".into(), None));
    assert!(!poll_once(next.as_mut()));
    assert_eq!(passwords.waiting(), 13);
}

#[tokio::test]
async fn a_user_is_let_in_beside_a_flood_from_the_same_address_and_a_wrong_password_looks_like_an_unknown_name()
 {
    let patience = Patience {
        whole: ENDLESS.first,
        ..ENDLESS
    };
    let passwords = Passwords::with_threads(0, patience).unwrap();
    let names: Vec<String> = (0..PLACES).map(|number| format!("guess{number}")).collect();
    let mut flood: Vec<_> = names
        .iter()
        .map(|name| Box::pin(passwords.verify((HERE, name), "pw".into(), None)))
        .collect();
    for future in &mut flood {
        assert!(!poll_once(future.as_mut()));
    }
    let mut right = pin!(passwords.verify((HERE, "bob"), "right".into(), stored("right")));
    let mut wrong = pin!(passwords.verify((HERE, "alice"), "wrong".into(), stored("right")));
    let mut unknown = pin!(passwords.verify((HERE, "carol"), "wrong".into(), None));
    let mut known = pin!(passwords.verify((HERE, "dave"), "right".into(), stored("right")));
    passwords.note_login(HERE, "dave");
    assert!(!poll_once(right.as_mut()) && !poll_once(wrong.as_mut()) && !poll_once(known.as_mut()));
    assert!(poll_once(unknown.as_mut()), "it has no turn at all");
    assert_eq!(passwords.waiting(), PLACES + 3);
    let mut workspace = Workspace::default();
    for _ in 0..5 {
        let ticket = passwords.shared.next(&mut workspace).unwrap();
        ticket.run(&passwords.shared, &mut workspace);
    }
    let right_verdict = Verdict::Right { outdated: false };
    assert_eq!(right.await.unwrap(), right_verdict);
    assert_eq!(known.await.unwrap(), right_verdict);
    let refused = wrong.await.unwrap_err();
    assert!(refused.counts, "the password was looked at");
}

#[tokio::test]
async fn without_a_turn_in_time_a_user_is_served_and_an_unknown_name_is_refused() {
    let patience = Patience {
        first: Duration::ZERO,
        whole: Duration::from_secs(60),
    };
    let passwords = Passwords::with_threads(0, patience).unwrap();
    let mut unknown = pin!(passwords.verify((HERE, "guess"), "pw".into(), None));
    let mut user = pin!(passwords.verify((HERE, "bob"), "pw".into(), stored("pw")));
    assert!(!poll_once(unknown.as_mut()) && !poll_once(user.as_mut()));
    let mut workspace = Workspace::default();
    let ticket = passwords.shared.next(&mut workspace).unwrap();
    assert_eq!(ticket.class, Class::User);
    ticket.run(&passwords.shared, &mut workspace);
    assert_eq!(user.await.unwrap(), Verdict::Right { outdated: false });
    assert!(unknown.await.unwrap_err().counts);
    assert_eq!(passwords.waiting(), 0);
}

#[test]
fn the_dummies_are_of_the_kind_they_stand_for() {
    let passwords = Passwords::with_threads(0, ENDLESS).unwrap();
    assert!(matches!(
        Stored::parse(&passwords.shared.dummy),
        Some(Stored::Argon2 { outdated: false, .. })
    ));
    let Some(Stored::Pbkdf2 {
        rounds, key, salt, ..
    }) = Stored::parse(DUMMY_PBKDF2)
    else {
        panic!("not a text of happn");
    };
    assert_eq!((rounds.get(), key.len(), salt.len()), (10_000, 64, 64));
}
