//! The rules of presence, one by one.

use super::beat::{Load, Protocol};
use super::*;
use std::num::NonZeroU64;

fn at(millis: u64) -> Moment {
    Moment::at(Duration::from_millis(millis))
}

fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

fn incarnation(started: u64) -> Incarnation {
    Incarnation::new(started, NonZeroU64::new(started + 100).unwrap())
}

fn facts(state: State) -> Facts {
    Facts {
        state,
        catalogue_revision: 1,
        catalogue_hash: 2,
        applied: 0,
        message_bytes: 1_000,
        loads: Vec::new(),
    }
}

/// A beat of an incarnation that began at that number.
fn beat(started: u64, number: u64, sent: u64) -> Beat {
    Beat {
        protocol: PROTOCOL,
        incarnation: incarnation(started),
        number,
        sent,
        wall_clock: 0,
        late: Duration::ZERO,
        facts: facts(State::Ready),
    }
}

fn outputs(presence: &mut Presence) -> Vec<Output> {
    std::iter::from_fn(|| presence.poll_output()).collect()
}

fn asking(settings: Settings) -> Presence {
    let mut presence = Presence::new(node("own"), incarnation(5), settings, facts(State::Ready), at(0));
    presence.connected(at(0));
    assert_eq!(outputs(&mut presence), [Output::Hello]);
    presence
}

/// A node that hears itself.
fn member() -> Presence {
    let mut presence = asking(Settings::default());
    presence.hello_returned(at(0));
    echo(&mut presence, at(0));
    assert!(!presence.is_alone());
    presence
}

/// Hands the own beats of the outputs back. Returns all other outputs.
fn echo(presence: &mut Presence, now: Moment) -> Vec<Output> {
    let mut others = Vec::new();
    while let Some(output) = presence.poll_output() {
        match output {
            Output::Beat(payload) => presence.receive_beat(now, &node("own"), &payload, false),
            output => others.push(output),
        }
    }
    others
}

/// Time goes on in steps of a tenth of a second, and the own beats are heard. Returns the other outputs with their milliseconds.
fn pass(presence: &mut Presence, from: u64, until: u64) -> Vec<(u64, Output)> {
    let mut all = Vec::new();
    for now in (from..=until).step_by(100) {
        presence.turn(at(now));
        all.extend(echo(presence, at(now)).into_iter().map(|output| (now, output)));
    }
    all
}

fn verdict(started: u64, verdict: Verdict, reason: Reason) -> Output {
    Output::Verdict(Judgement {
        node: node("other"),
        incarnation: incarnation(started),
        verdict,
        reason,
    })
}

fn without_probes(outputs: Vec<(u64, Output)>) -> Vec<(u64, Output)> {
    let is_probe = |(_, output): &(u64, Output)| matches!(output, Output::Probe(_));
    outputs.into_iter().filter(|output| !is_probe(output)).collect()
}

#[test]
fn a_node_that_was_silent_is_suspect_then_lost_then_forgotten() {
    let mut presence = member();
    presence.receive_beat(at(0), &node("other"), &beat(1, 1, 0).write(), true);
    assert_eq!(
        echo(&mut presence, at(0)),
        [verdict(1, Verdict::Alive, Reason::Heard)]
    );
    let heard = pass(&mut presence, 0, 9_900);
    let probes = heard
        .iter()
        .filter(|(_, output)| *output == Output::Probe(node("other")))
        .count();
    assert!((6..=8).contains(&probes), "one probe for each beat: {probes}");
    assert_eq!(
        without_probes(heard),
        [(3_000, verdict(1, Verdict::Suspect, Reason::Silent))]
    );
    let lost = without_probes(pass(&mut presence, 10_000, 609_900));
    assert_eq!(lost, [(10_000, verdict(1, Verdict::Lost, Reason::Silent))]);
    let forgotten = pass(&mut presence, 610_000, 620_000);
    assert_eq!(
        forgotten,
        [(610_000, verdict(1, Verdict::Forgotten, Reason::LongAgo))]
    );
    presence.receive_beat(at(620_000), &node("other"), &beat(1, 2, 620_000).write(), false);
    assert_eq!(
        echo(&mut presence, at(620_000)),
        [verdict(1, Verdict::Alive, Reason::Heard)]
    );
}

#[test]
fn a_node_whose_messages_come_back_twice_is_away_and_then_lost() {
    let mut presence = member();
    presence.receive_beat(at(0), &node("other"), &beat(1, 1, 0).write(), true);
    echo(&mut presence, at(0));
    presence.returned(at(100), &node("other"));
    presence.returned(at(149), &node("other"));
    assert_eq!(echo(&mut presence, at(149)), []);
    assert!(presence.next_deadline() <= Some(at(150)));
    presence.turn(at(150));
    assert_eq!(echo(&mut presence, at(150)), [Output::Probe(node("other"))]);
    presence.returned(at(151), &node("other"));
    assert_eq!(
        echo(&mut presence, at(151)),
        [verdict(1, Verdict::Away, Reason::Returned)]
    );
    let later = without_probes(pass(&mut presence, 200, 2_200));
    assert_eq!(later, [(2_200, verdict(1, Verdict::Lost, Reason::Returned))]);
}

#[test]
fn a_sign_of_life_ends_away_and_the_count_begins_again() {
    let mut presence = member();
    presence.receive_beat(at(0), &node("other"), &beat(1, 1, 0).write(), true);
    presence.returned(at(100), &node("other"));
    presence.returned(at(200), &node("other"));
    echo(&mut presence, at(200));
    presence.heard(at(300), &node("other"), 250);
    assert_eq!(
        echo(&mut presence, at(300)),
        [verdict(1, Verdict::Alive, Reason::Heard)]
    );
    presence.returned(at(400), &node("other"));
    assert_eq!(echo(&mut presence, at(400)), []);
    // One that is older than another one that was heard is none.
    presence.returned(at(500), &node("other"));
    presence.heard(at(501), &node("other"), 249);
    assert_eq!(presence.poll_output(), Some(Output::Probe(node("other"))));
    assert_eq!(
        echo(&mut presence, at(501)),
        [verdict(1, Verdict::Away, Reason::Returned)]
    );
}

#[test]
fn a_node_that_says_that_it_is_late_gets_more_patience() {
    let mut presence = member();
    let late = Beat {
        late: Duration::from_millis(1_500),
        ..beat(1, 1, 0)
    };
    presence.receive_beat(at(0), &node("other"), &late.write(), true);
    echo(&mut presence, at(0));
    let passed = without_probes(pass(&mut presence, 0, 11_500));
    let suspect = (4_500, verdict(1, Verdict::Suspect, Reason::Silent));
    assert_eq!(
        passed,
        [suspect, (11_500, verdict(1, Verdict::Lost, Reason::Silent))]
    );
}

#[test]
fn a_late_beat_says_how_late_it_is() {
    let mut presence = member();
    presence.turn(at(1_900));
    let beats = outputs(&mut presence);
    let [Output::Beat(payload)] = &beats[..] else {
        panic!("{beats:?}")
    };
    assert_eq!(Beat::read(payload).unwrap().late, Duration::from_millis(900));
    presence.receive_beat(at(1_900), &node("own"), payload, false);
    presence.turn(at(3_200));
    let beats = outputs(&mut presence);
    let [Output::Beat(payload)] = &beats[..] else {
        panic!("{beats:?}")
    };
    assert_eq!(
        Beat::read(payload).unwrap().late,
        Duration::ZERO,
        "300 ms are not worth telling"
    );
}

#[test]
fn a_node_that_was_paused_judges_nobody_until_it_hears_itself() {
    let mut presence = member();
    presence.receive_beat(at(0), &node("other"), &beat(1, 1, 0).write(), true);
    echo(&mut presence, at(0));
    presence.turn(at(60_000));
    let said = outputs(&mut presence);
    let [Output::Alone(Alone::Paused), Output::Beat(own)] = &said[..] else {
        panic!("{said:?}")
    };
    presence.turn(at(61_000));
    presence.returned(at(61_000), &node("other"));
    presence.returned(at(61_100), &node("other"));
    assert_eq!(
        presence.verdict(&node("other")),
        Some((incarnation(1), Verdict::Alive))
    );
    outputs(&mut presence);
    presence.receive_beat(at(61_200), &node("own"), own, false);
    assert_eq!(outputs(&mut presence), [Output::Together]);
    let passed = without_probes(pass(&mut presence, 61_200, 65_000));
    assert_eq!(passed, [(64_200, verdict(1, Verdict::Suspect, Reason::Silent))]);
}

#[test]
fn a_node_without_a_connection_or_without_its_own_beats_is_alone() {
    let mut presence = member();
    presence.disconnected(at(500));
    assert_eq!(outputs(&mut presence), [Output::Alone(Alone::Disconnected)]);
    presence.turn(at(1_500));
    assert_eq!(
        outputs(&mut presence),
        [],
        "nothing is handed over without a connection"
    );
    presence.connected(at(2_000));
    assert_eq!(echo(&mut presence, at(2_001)), [Output::Together]);
    for now in [3_000, 4_000, 5_000] {
        presence.turn(at(now));
    }
    presence.turn(at(5_001));
    let said = outputs(&mut presence);
    assert!(said.contains(&Output::Alone(Alone::Unheard)), "{said:?}");
}

#[test]
fn a_node_joins_when_its_question_comes_back_or_when_nobody_has_answered_for_a_lease() {
    let mut presence = asking(Settings::default());
    presence.hello_returned(at(1));
    let said = outputs(&mut presence);
    let expected = [Output::Joined, Output::Alone(Alone::Starting)];
    assert_eq!(said[..2], expected);
    assert!(matches!(said[2..], [Output::Beat(_)]));

    let mut presence = asking(Settings::default());
    let mut hellos = 0;
    for now in (0..2_000).step_by(50) {
        presence.turn(at(now));
        hellos += outputs(&mut presence)
            .iter()
            .filter(|it| **it == Output::Hello)
            .count();
        assert!(!presence.is_member());
    }
    assert_eq!(hellos, 7);
    presence.turn(at(2_000));
    assert!(presence.is_member());
}

#[test]
fn a_node_whose_name_is_taken_ends() {
    let mut presence = asking(Settings::default());
    presence.hello_answered(incarnation(1), "host a, process 7".to_owned());
    let about = "host a, process 7".to_owned();
    let by = incarnation(1);
    assert_eq!(
        outputs(&mut presence),
        [Output::Ended(End::NameTaken { by, about })]
    );
    presence.turn(at(60_000));
    assert_eq!(outputs(&mut presence), []);
    assert_eq!(presence.next_deadline(), None);
}

#[test]
fn of_two_incarnations_of_one_name_the_later_one_stays() {
    let mut presence = member();
    presence.receive_beat(at(1), &node("own"), &beat(4, 1, 0).write(), false);
    let (old, known) = (incarnation(4), incarnation(5));
    let node_of_both = node("own");
    let told = Output::Outdated {
        node: node_of_both,
        old,
        known,
    };
    assert_eq!(outputs(&mut presence), [told]);
    presence.receive_beat(at(2), &node("own"), &beat(6, 1, 0).write(), false);
    let by = incarnation(6);
    assert_eq!(outputs(&mut presence), [Output::Ended(End::Fenced { by })]);

    let mut presence = member();
    presence.outdated(incarnation(4));
    assert_eq!(outputs(&mut presence), []);
    presence.outdated(by);
    assert_eq!(outputs(&mut presence), [Output::Ended(End::Fenced { by })]);
}

#[test]
fn a_later_incarnation_replaces_the_former_for_good() {
    let mut presence = member();
    presence.receive_beat(at(0), &node("other"), &beat(1, 1, 0).write(), true);
    assert!(presence.counts(&node("other"), incarnation(1).mark()));
    presence.receive_beat(at(1), &node("other"), &beat(2, 1, 0).write(), true);
    let replaced = Reason::Replaced(incarnation(2));
    let expected = [
        verdict(1, Verdict::Alive, Reason::Heard),
        verdict(1, Verdict::Lost, replaced),
        verdict(2, Verdict::Alive, Reason::Heard),
    ];
    assert_eq!(outputs(&mut presence), expected);
    presence.receive_beat(at(2), &node("other"), &beat(1, 2, 1_000).write(), false);
    assert!(matches!(outputs(&mut presence)[..], [Output::Outdated { .. }]));
    assert!(!presence.counts(&node("other"), incarnation(1).mark()));
}

#[test]
fn a_goodbye_is_final() {
    let mut presence = member();
    presence.receive_beat(at(0), &node("other"), &beat(1, 1, 0).write(), true);
    let mut goodbye = beat(1, 2, 1);
    goodbye.facts.state = State::Left;
    presence.receive_beat(at(1), &node("other"), &goodbye.write(), false);
    presence.receive_beat(at(2), &node("other"), &beat(1, 3, 2).write(), false);
    presence.heard(at(3), &node("other"), 3);
    let expected = [
        verdict(1, Verdict::Alive, Reason::Heard),
        verdict(1, Verdict::Left, Reason::Goodbye),
    ];
    assert_eq!(outputs(&mut presence), expected);
    assert!(!presence.counts(&node("other"), incarnation(1).mark()));
}

#[test]
fn a_first_beat_is_greeted_and_a_greeting_is_not() {
    let mut presence = member();
    presence.receive_beat(at(0), &node("other"), &beat(1, 1, 0).write(), false);
    let said = outputs(&mut presence);
    assert!(matches!(&said[..], [Output::Verdict(_), Output::Greet(to, _)] if *to == node("other")));
    presence.receive_beat(at(0), &node("third"), &beat(1, 1, 0).write(), true);
    assert!(matches!(outputs(&mut presence)[..], [Output::Verdict(_)]));
}

#[test]
fn a_change_is_told_at_once_and_a_load_with_the_next_beat() {
    let mut presence = member();
    let load = Load {
        component: "calc".into(),
        waiting_bytes: 1,
        calls: 2,
        lanes: 3,
    };
    let loaded = Facts {
        loads: vec![load],
        ..facts(State::Ready)
    };
    presence.tell(at(10), loaded);
    assert_eq!(outputs(&mut presence), []);
    presence.tell(at(20), facts(State::Draining));
    assert!(matches!(outputs(&mut presence)[..], [Output::Beat(_)]));
    let mut draining = beat(1, 2, 30);
    draining.facts.state = State::Draining;
    presence.receive_beat(at(30), &node("other"), &beat(1, 1, 20).write(), true);
    outputs(&mut presence);
    presence.receive_beat(at(30), &node("other"), &draining.write(), false);
    assert_eq!(outputs(&mut presence), [Output::Facts(node("other"))]);
}

#[test]
fn a_beat_of_another_major_version_is_no_peer_and_is_reported_once() {
    let mut presence = member();
    let theirs = Protocol { major: 9, minor: 0 };
    let foreign = Beat {
        protocol: theirs,
        ..beat(1, 1, 0)
    };
    for _ in 0..3 {
        presence.receive_beat(at(0), &node("other"), &foreign.write(), false);
    }
    let reported = Output::Unreadable(node("other"), BeatError::Protocol { theirs });
    assert_eq!(outputs(&mut presence), [reported]);
    assert_eq!(presence.nodes().count(), 0);
}

#[test]
fn the_table_of_nodes_is_bounded_and_forgotten_ones_make_room() {
    let settings = Settings {
        most_nodes: 2,
        ..Settings::default()
    };
    let mut presence = asking(settings);
    presence.hello_returned(at(0));
    echo(&mut presence, at(0));
    for (number, name) in ["other", "second", "third"].iter().enumerate() {
        presence.receive_beat(at(number as u64), &node(name), &beat(1, 1, 0).write(), true);
    }
    assert_eq!(presence.nodes().count(), 2);
    assert!(outputs(&mut presence).contains(&Output::NoRoom(node("third"))));
    let mut goodbye = beat(1, 2, 1);
    goodbye.facts.state = State::Left;
    presence.receive_beat(at(3), &node("other"), &goodbye.write(), false);
    presence.receive_beat(at(4), &node("third"), &beat(1, 1, 0).write(), true);
    assert!(outputs(&mut presence).contains(&Output::Evicted(node("other"))));
    assert_eq!(presence.nodes().count(), 2);
}

#[test]
fn a_beat_that_comes_twice_is_one_sign_of_life() {
    let mut presence = member();
    for now in [0, 2_000] {
        presence.receive_beat(at(now), &node("other"), &beat(1, 1, 0).write(), true);
        echo(&mut presence, at(now));
    }
    let passed = without_probes(pass(&mut presence, 2_000, 3_000));
    assert_eq!(passed, [(3_000, verdict(1, Verdict::Suspect, Reason::Silent))]);
}
