//! The promises of a link, one by one.

use super::*;
use crate::identity::Mark;

const OWN: Mark = Mark::of(1);
const PEER: Mark = Mark::of(2);

fn at(millis: u64) -> Moment {
    Moment::at(Duration::from_millis(millis))
}

fn message(class: Class, body: &'static str) -> Outgoing {
    let kind = match class {
        Class::Call(_) => Kind::CALL,
        Class::Event => Kind::EVENT,
        Class::Kept => Kind::ANSWER,
    };
    Outgoing {
        kind,
        class,
        pieces: [Bytes::from_static(b"<"), Bytes::from_static(body.as_bytes())],
    }
}

/// Two links that heard each other at the beginning.
fn pair(limits: Limits) -> (Link, Link) {
    let ends = Ends { own: OWN, peer: PEER };
    let mut one = Link::new(ends, limits, at(0));
    let ends = Ends { own: PEER, peer: OWN };
    let mut other = Link::new(ends, limits, at(0));
    one.heard_beat(at(0), 0);
    other.heard_beat(at(0), 0);
    (one, other)
}

fn transmissions(link: &mut Link, now: Moment) -> Vec<Transmission> {
    std::iter::from_fn(|| link.poll_transmission(now)).collect()
}

fn hand_over(to: &mut Link, now: Moment, transmission: &Transmission) -> Result<(), LinkError> {
    let (head, frames) = Head::read(transmission.payload.clone()).unwrap();
    to.receive(now, &head, frames, transmission.payload.len())
}

/// Both say and hear all that they have.
fn talk(one: &mut Link, other: &mut Link, now: Moment) {
    loop {
        let (there, back) = (transmissions(one, now), transmissions(other, now));
        if there.is_empty() && back.is_empty() {
            return;
        }
        for transmission in there {
            hand_over(other, now, &transmission).unwrap();
        }
        for transmission in back {
            hand_over(one, now, &transmission).unwrap();
        }
    }
}

fn outputs(link: &mut Link) -> Vec<Output> {
    std::iter::from_fn(|| link.poll_output()).collect()
}

fn bodies(link: &mut Link) -> Vec<Bytes> {
    let delivered = outputs(link).into_iter().filter_map(|output| match output {
        Output::Delivered(delivered) => Some(delivered.body),
        _ => None,
    });
    delivered.collect()
}

#[test]
fn messages_that_wait_together_share_a_batch() {
    let (mut one, mut other) = pair(Limits::default());
    for ticket in 0..64 {
        one.send(at(0), message(Class::Call(Ticket(ticket)), "call"))
            .unwrap();
    }
    let sent = transmissions(&mut one, at(0));
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].returns_as, Some((1, 0)));
    hand_over(&mut other, at(1), &sent[0]).unwrap();
    let arrived = bodies(&mut other);
    assert_eq!(arrived.len(), 64);
    assert!(arrived.iter().all(|body| body == "<call"));
}

#[test]
fn an_acknowledgement_travels_alone_after_20_ms_or_with_a_batch() {
    let (mut one, mut other) = pair(Limits::default());
    one.send(at(0), message(Class::Call(Ticket(1)), "call")).unwrap();
    hand_over(&mut other, at(0), &transmissions(&mut one, at(0))[0]).unwrap();
    assert_eq!(transmissions(&mut other, at(19)), []);
    assert_eq!(other.next_deadline(), Some(at(20)));
    let alone = transmissions(&mut other, at(20));
    assert_eq!(alone.len(), 1);
    assert_eq!(alone[0].returns_as, None);
    hand_over(&mut one, at(20), &alone[0]).unwrap();
    assert_eq!(outputs(&mut one), [Output::Notice(Notice::Taken(Ticket(1)))]);
    assert!(one.is_idle());

    one.send(at(30), message(Class::Call(Ticket(2)), "call")).unwrap();
    other.send(at(30), message(Class::Kept, "answer")).unwrap();
    hand_over(&mut other, at(30), &transmissions(&mut one, at(30))[0]).unwrap();
    let answer = transmissions(&mut other, at(30));
    hand_over(&mut one, at(30), &answer[0]).unwrap();
    assert!(outputs(&mut one).contains(&Output::Notice(Notice::Taken(Ticket(2)))));
    assert_eq!(transmissions(&mut other, at(60)).len(), 0);
}

#[test]
fn only_batches_that_are_missing_are_sent_again() {
    let (mut one, mut other) = pair(Limits::default());
    for number in 0..4 {
        one.send(at(number), message(Class::Event, "event")).unwrap();
        let sent = transmissions(&mut one, at(number));
        if number != 2 {
            hand_over(&mut other, at(number), &sent[0]).unwrap();
        }
    }
    assert_eq!(bodies(&mut other).len(), 2);
    talk(&mut one, &mut other, at(30));
    assert_eq!(bodies(&mut other).len(), 2);
    assert_eq!(one.counts().resent, 2);
    assert_eq!(other.counts().doubled, 0);
}

#[test]
fn the_last_batch_is_missed_although_nothing_comes_behind_it() {
    let (mut one, mut other) = pair(Limits::default());
    one.send(at(0), message(Class::Event, "event")).unwrap();
    transmissions(&mut one, at(0));
    assert_eq!(one.next_deadline(), Some(at(200)));
    talk(&mut one, &mut other, at(200));
    assert_eq!(bodies(&mut other), ["<event"]);
}

#[test]
fn a_batch_is_not_taken_after_its_lease() {
    let (mut one, mut other) = pair(Limits::default());
    one.send(at(1_000), message(Class::Call(Ticket(1)), "call"))
        .unwrap();
    let sent = transmissions(&mut one, at(1_000));
    hand_over(&mut other, at(1_876), &sent[0]).unwrap();
    assert_eq!(bodies(&mut other), [] as [Bytes; 0]);
    assert_eq!(other.counts().late, 1);
    // The question for it is a new sign of life, so that it is taken at once when it comes again.
    talk(&mut one, &mut other, at(1_880));
    assert_eq!(bodies(&mut other), ["<call"]);
}

#[test]
fn a_voided_call_is_not_sent_again_and_everything_else_is() {
    let (mut one, mut other) = pair(Limits::default());
    one.send(at(0), message(Class::Call(Ticket(1)), "call")).unwrap();
    one.send(at(0), message(Class::Event, "event")).unwrap();
    transmissions(&mut one, at(0));
    one.send(at(0), message(Class::Call(Ticket(2)), "waits")).unwrap();
    one.void();
    let (unknown, never) = (Fate::Unknown, Fate::NeverTaken);
    let voided = |ticket, fate| {
        Output::Notice(Notice::Voided {
            ticket: Ticket(ticket),
            fate,
        })
    };
    assert_eq!(outputs(&mut one), [voided(1, unknown), voided(2, never)]);
    talk(&mut one, &mut other, at(300));
    talk(&mut one, &mut other, at(320));
    assert_eq!(bodies(&mut other), ["<event"]);
    assert!(one.is_idle());
}

#[test]
fn a_call_was_never_taken_only_if_each_attempt_came_back() {
    let (mut one, _) = pair(Limits::default());
    one.send(at(0), message(Class::Call(Ticket(1)), "call")).unwrap();
    transmissions(&mut one, at(0));
    one.returned(1, 0);
    assert_eq!(outputs(&mut one), [Output::Notice(Notice::Returned(Ticket(1)))]);
    // Another attempt, of which nothing is known.
    one.sending.missing(1, u64::MAX);
    assert_eq!(transmissions(&mut one, at(1))[0].returns_as, Some((1, 1)));
    one.returned(1, 0);
    assert_eq!(outputs(&mut one), []);
    one.returned(1, 1);
    assert_eq!(outputs(&mut one), [Output::Notice(Notice::Returned(Ticket(1)))]);
    one.sending.missing(1, u64::MAX);
    transmissions(&mut one, at(1));
    assert_eq!(one.withdraw(Ticket(1)), Some(Fate::Unknown));
    assert_eq!(one.withdraw(Ticket(1)), None);

    one.send(at(2), message(Class::Call(Ticket(2)), "call")).unwrap();
    transmissions(&mut one, at(2));
    one.returned(2, 0);
    assert_eq!(one.withdraw(Ticket(2)), Some(Fate::NeverTaken));
}

#[test]
fn a_call_that_may_have_been_taken_is_not_withdrawn() {
    let (mut one, mut other) = pair(Limits::default());
    one.send(at(0), message(Class::Call(Ticket(1)), "call")).unwrap();
    transmissions(&mut one, at(0));
    one.returned(1, 0);
    assert_eq!(outputs(&mut one), [Output::Notice(Notice::Returned(Ticket(1)))]);
    // The peer was heard, and it is sent again before anybody withdraws it.
    one.sending.missing(1, u64::MAX);
    let again = transmissions(&mut one, at(1));
    assert!(!one.withdraw_untaken(Ticket(1)));
    hand_over(&mut other, at(1), &again[0]).unwrap();
    assert_eq!(bodies(&mut other), ["<call"]);

    one.send(at(2), message(Class::Call(Ticket(2)), "call")).unwrap();
    assert!(one.withdraw_untaken(Ticket(2)), "it was not sent");
    assert!(!one.withdraw_untaken(Ticket(2)), "it is not there any more");
}

#[test]
fn a_full_link_refuses_calls_drops_events_and_keeps_answers_up_to_twice_its_limit() {
    let limits = Limits {
        bytes: 1_000,
        ..Limits::default()
    };
    let (mut one, mut other) = pair(limits);
    one.connected(false);
    let mut accepted = 0;
    while one.send(at(0), message(Class::Event, "event")).is_ok() {
        accepted += 1;
    }
    let held = one.counts().held;
    assert!(held <= 1_000);
    let call = one.send(at(0), message(Class::Call(Ticket(1)), "call"));
    assert_eq!(call, Err(Refusal::Full { held }));
    assert!(one.send(at(0), message(Class::Event, "event")).is_err());
    while one.send(at(0), message(Class::Kept, "answer")).is_ok() {}
    assert!(
        one.counts().held <= 2_200,
        "the limit, and a note of what was dropped"
    );
    one.connected(true);
    talk(&mut one, &mut other, at(0));
    talk(&mut one, &mut other, at(20));
    let arrived = outputs(&mut other);
    let events = |output: &&Output| matches!(output, Output::Delivered(it) if it.kind == Kind::EVENT);
    assert_eq!(arrived.iter().filter(events).count(), accepted);
    let gap = arrived.iter().position(|output| *output == Output::Gap(2));
    assert_eq!(gap, Some(accepted), "the gap is where the events would have been");
    assert_eq!(one.counts().dropped, 2);
}

#[test]
fn a_long_message_comes_in_parts_and_whole() {
    let limits = Limits {
        batch_bytes: 1_024,
        ..Limits::default()
    };
    let (mut one, mut other) = pair(limits);
    let long: Vec<u8> = (0..10_000).map(|at| at as u8).collect();
    let outgoing = Outgoing {
        kind: Kind::CALL,
        class: Class::Call(Ticket(1)),
        pieces: [
            Bytes::from(long[..500].to_vec()),
            Bytes::from(long[500..].to_vec()),
        ],
    };
    one.send(at(0), outgoing).unwrap();
    one.send(at(0), message(Class::Event, "behind")).unwrap();
    talk(&mut one, &mut other, at(0));
    talk(&mut one, &mut other, at(20));
    assert_eq!(bodies(&mut other), [&long[..], b"<behind"]);
    assert_eq!(other.counts().assembled, 0);
    assert!(one.is_idle());
}

#[test]
fn the_rest_of_a_message_in_parts_can_be_voided() {
    let limits = Limits {
        batch_bytes: 1_024,
        window_bytes: 1_500,
        ..Limits::default()
    };
    let (mut one, mut other) = pair(limits);
    let outgoing = Outgoing {
        kind: Kind::CALL,
        class: Class::Call(Ticket(1)),
        pieces: [Bytes::from(vec![0; 5_000]), Bytes::new()],
    };
    one.send(at(0), outgoing).unwrap();
    for transmission in transmissions(&mut one, at(0)) {
        hand_over(&mut other, at(0), &transmission).unwrap();
    }
    assert!(other.counts().assembled > 0);
    assert_eq!(
        one.withdraw(Ticket(1)),
        Some(Fate::NeverTaken),
        "its end was not sent"
    );
    one.send(at(0), message(Class::Event, "event")).unwrap();
    talk(&mut one, &mut other, at(20));
    assert_eq!(bodies(&mut other), ["<event"]);
    assert_eq!(other.counts().assembled, 0);
}

#[test]
fn a_message_that_is_too_long_is_refused_and_closes_the_link_of_one_that_sends_it() {
    let small = Limits {
        message_bytes: 1_000,
        ..Limits::default()
    };
    let (mut one, _) = pair(small);
    let outgoing = |length| Outgoing {
        kind: Kind::CALL,
        class: Class::Call(Ticket(1)),
        pieces: [Bytes::from(vec![0; length]), Bytes::new()],
    };
    let refused = one.send(at(0), outgoing(1_001));
    assert_eq!(
        refused,
        Err(Refusal::TooLarge {
            bytes: 1_001,
            most: 1_000
        })
    );
    one.send(at(0), outgoing(1_000)).unwrap();

    let (mut large, _) = pair(Limits::default());
    let (_, mut other) = pair(small);
    large.send(at(0), outgoing(1_001)).unwrap();
    let sent = transmissions(&mut large, at(0));
    let error = LinkError::TooLong {
        kind: 20,
        most: 1_000,
    };
    assert_eq!(hand_over(&mut other, at(0), &sent[0]), Err(error));
    // The sender is told, so that its calls do not wait.
    let told = transmissions(&mut other, at(0));
    let closed = hand_over(&mut large, at(0), &told[0]).unwrap_err();
    assert!(closed.to_string().contains("more than 1000 bytes"), "{closed}");
    assert!(matches!(
        outputs(&mut large)[..],
        [Output::Notice(Notice::Voided {
            fate: Fate::Unknown,
            ..
        })]
    ));
    assert_eq!(large.send(at(0), outgoing(1)), Err(Refusal::Closed));
    assert_eq!(large.counts().held, 0);
}

fn batch_of(number: u64, frames: &[Written<'_>]) -> Transmission {
    let head = Head {
        numbered: Numbered::Batch(number),
        sent: 0,
        from: OWN,
        to: PEER,
        acknowledged: 0,
        valid_until: u64::MAX,
    };
    let mut payload = head.write(0);
    frames
        .iter()
        .for_each(|written| frame::write(&mut payload, written));
    Transmission {
        payload: payload.freeze(),
        returns_as: None,
    }
}

#[test]
fn frames_that_break_the_rules_close_the_link_and_unknown_ones_are_left_out() {
    let body = [Bytes::from_static(b"body")];
    let part = |kind| Written {
        more: true,
        ..Written::whole(kind, &body)
    };
    let cases = [
        (
            vec![Written::whole(Kind::PROBE, &body)],
            LinkError::Misplaced { kind: 4 },
        ),
        (
            vec![Written::whole(Kind::GAP, &body)],
            LinkError::Body { kind: 2 },
        ),
        (
            vec![part(Kind::CALL), Written::whole(Kind::EVENT, &body)],
            LinkError::Interrupted { kind: 20, by: 23 },
        ),
        (
            vec![Written::whole(Kind(200), &body)],
            LinkError::Frame(frame::FrameError::Kind { kind: 200 }),
        ),
    ];
    for (frames, error) in cases {
        let (_, mut other) = pair(Limits::default());
        assert_eq!(hand_over(&mut other, at(0), &batch_of(1, &frames)), Err(error));
        assert_eq!(
            other.send(at(0), message(Class::Event, "event")),
            Err(Refusal::Closed)
        );
    }
    let (_, mut other) = pair(Limits::default());
    let frames = [
        Written::whole(Kind(100), &body),
        Written::whole(Kind::EVENT, &body),
    ];
    hand_over(&mut other, at(0), &batch_of(1, &frames)).unwrap();
    assert_eq!(bodies(&mut other), ["body"]);
}

#[test]
fn an_acknowledgement_of_nothing_closes_the_link() {
    let (mut one, mut other) = pair(Limits::default());
    hand_over(&mut other, at(0), &batch_of(1, &[])).unwrap();
    let acknowledgement = transmissions(&mut other, at(20));
    let error = LinkError::NeverSent { number: 1, last: 0 };
    assert_eq!(hand_over(&mut one, at(20), &acknowledgement[0]), Err(error));
}

#[test]
fn a_silent_peer_is_probed_while_answers_are_expected() {
    let (mut one, mut other) = pair(Limits::default());
    assert_eq!(one.next_deadline(), None);
    one.expect_answers(true);
    for probe in 1..=5 {
        assert_eq!(one.next_deadline(), Some(at(200 * probe)));
        assert_eq!(transmissions(&mut one, at(200 * probe - 1)), []);
        let sent = transmissions(&mut one, at(200 * probe));
        assert_eq!(sent[0].returns_as, Some((0, probe as u32 - 1)));
        if probe == 5 {
            hand_over(&mut other, at(1_000), &sent[0]).unwrap();
        }
    }
    let answer = transmissions(&mut other, at(1_000));
    hand_over(&mut one, at(1_000), &answer[0]).unwrap();
    assert_eq!(one.next_deadline(), Some(at(1_200)));
}

#[test]
fn nothing_is_sent_without_a_connection_and_the_peer_is_asked_behind_it() {
    let (mut one, mut other) = pair(Limits::default());
    one.send(at(0), message(Class::Event, "lost")).unwrap();
    transmissions(&mut one, at(0));
    one.connected(false);
    one.send(at(100), message(Class::Event, "later")).unwrap();
    assert_eq!(transmissions(&mut one, at(5_000)), []);
    assert_eq!(one.next_deadline(), None);
    one.connected(true);
    talk(&mut one, &mut other, at(6_000));
    assert_eq!(bodies(&mut other), ["<lost", "<later"]);
}

#[test]
fn a_call_that_waited_at_its_sender_is_as_old_as_it_is() {
    let (mut one, mut other) = pair(Limits::default());
    one.connected(false);
    one.send(at(0), message(Class::Call(Ticket(1)), "call")).unwrap();
    one.connected(true);
    talk(&mut one, &mut other, at(4_000));
    let Some(Output::Delivered(delivered)) = other.poll_output() else {
        panic!("it arrives");
    };
    assert_eq!(delivered.age, Duration::from_secs(4));
}

#[test]
fn batches_of_withdrawn_calls_fill_the_window() {
    let limits = Limits {
        window_bytes: 10_000,
        ..Limits::default()
    };
    let (mut one, _) = pair(limits);
    let mut batches = 0;
    for ticket in 0..1_000 {
        one.send(at(0), message(Class::Call(Ticket(ticket)), "call"))
            .unwrap();
        batches += transmissions(&mut one, at(0)).len();
        one.withdraw(Ticket(ticket));
    }
    assert!((50..=100).contains(&batches), "{batches}");
    assert!(one.counts().held <= 10_500);
}

#[test]
fn without_a_lease_the_peer_is_asked_at_once_and_batches_follow_its_answer() {
    let (mut one, mut other) = pair(Limits::default());
    one.send(at(3_000), message(Class::Event, "event")).unwrap();
    let sent = transmissions(&mut one, at(3_000));
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].returns_as, Some((0, 0)), "it is a probe");
    assert_eq!(one.next_deadline(), Some(at(3_200)));
    hand_over(&mut other, at(3_001), &sent[0]).unwrap();
    talk(&mut one, &mut other, at(3_001));
    assert_eq!(bodies(&mut other), ["<event"]);
}
