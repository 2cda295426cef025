//! Stories of choices. `shop-1` is the own node.

use super::*;
use crate::component::{Component, Facts};
use crate::peer::Standing;
use crate::provider::Load;
use crate::{played, played::version};
use std::collections::BTreeMap;
use std::sync::Arc;

fn facts(text: &str) -> Facts {
    played::facts("calc", text)
}

fn peer(name: &str) -> Peer {
    played::peer(name, 1)
}

/// The own node for `shop-1`, another one for all other names.
fn on(name: &str, facts: Facts) -> Provider {
    Provider {
        place: match name {
            "shop-1" => Place::Here,
            name => Place::Node(peer(name)),
        },
        component: Arc::new(Component::new(facts).unwrap()),
        standing: Standing::READY,
        load: Load::default(),
    }
}

fn with(provider: Provider, change: impl FnOnce(&mut Provider)) -> Provider {
    let mut provider = provider;
    change(&mut provider);
    provider
}

fn wish<'a>() -> Wish<'a> {
    Wish {
        asked: Asked::Any,
        aim: Aim::Method("add"),
        session: session_hash("S"),
        floor: None,
        prefer: Prefer::Local,
        rollout: None,
        tried: &[],
        dice: 0,
    }
}

fn chosen(providers: &[Provider], wish: &Wish<'_>) -> Result<usize, NoChoice> {
    choose(providers, wish, |_| 0, &mut Vec::new())
}

/// All that are chosen when the dice fall in many ways.
fn all_chosen(providers: &[Provider], wish: &Wish<'_>) -> Vec<usize> {
    let mut choices = mesh_choices::Choices::new(1);
    let mut found: Vec<usize> = (0..200)
        .map(|_| {
            let dice = choices.number();
            chosen(providers, &Wish { dice, ..*wish }).unwrap()
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[test]
fn a_call_says_why_nobody_serves_it() {
    assert_eq!(chosen(&[], &wish()), Err(NoChoice::Unknown));
    let providers = [on("shop-2", facts("1.0.0"))];
    let range = RequestedRange::from("^2.0.0");
    let asked = Asked::Range(&range);
    assert_eq!(
        chosen(&providers, &Wish { asked, ..wish() }),
        Err(NoChoice::NoVersion)
    );
    let aim = Aim::Method("sub");
    assert_eq!(
        chosen(&providers, &Wish { aim, ..wish() }),
        Err(NoChoice::NoMethod)
    );
    let lost = [with(providers[0].clone(), |provider| {
        provider.standing.verdict = Verdict::Lost
    })];
    assert_eq!(chosen(&lost, &wish()), Err(NoChoice::Unreachable));
    let tried = [Tried {
        place: providers[0].place.clone(),
        version: version("1.0.0"),
    }];
    let tried = Wish {
        tried: &tried,
        ..wish()
    };
    assert_eq!(chosen(&providers, &tried), Err(NoChoice::Unreachable));
}

#[test]
fn a_node_that_refused_with_one_version_may_serve_with_another() {
    let tried = [Tried {
        place: Place::Node(peer("shop-2")),
        version: version("1.0.0"),
    }];
    let providers = [on("shop-2", facts("1.0.1"))];
    assert_eq!(
        chosen(
            &providers,
            &Wish {
                tried: &tried,
                ..wish()
            }
        ),
        Ok(0)
    );
}

#[test]
fn nodes_that_go_or_come_or_are_lost_get_no_calls() {
    for (verdict, state) in [
        (Verdict::Alive, State::Draining),
        (Verdict::Alive, State::Joining),
        (Verdict::Suspect, State::Draining),
        (Verdict::Away, State::Draining),
        (Verdict::Lost, State::Ready),
        (Verdict::Left, State::Draining),
    ] {
        let bad = with(on("shop-2", facts("1.0.0")), |provider| {
            provider.standing = Standing { verdict, state };
        });
        assert_eq!(
            chosen(std::slice::from_ref(&bad), &wish()),
            Err(NoChoice::Unreachable)
        );
        assert_eq!(chosen(&[bad, on("shop-3", facts("1.0.0"))], &wish()), Ok(1));
    }
}

#[test]
fn a_silent_node_serves_only_where_no_other_is_left() {
    let silent = with(on("shop-2", facts("2.0.0")), |provider| {
        provider.standing.verdict = Verdict::Suspect;
    });
    assert_eq!(chosen(std::slice::from_ref(&silent), &wish()), Ok(0));
    assert_eq!(chosen(&[silent, on("shop-3", facts("1.0.0"))], &wish()), Ok(1));
}

#[test]
fn a_node_that_is_away_serves_only_where_not_even_a_silent_one_is_left() {
    let judged = |name, text, verdict| {
        with(on(name, facts(text)), |provider| {
            provider.standing.verdict = verdict;
        })
    };
    let away = judged("shop-2", "2.0.0", Verdict::Away);
    let silent = judged("shop-3", "1.0.0", Verdict::Suspect);
    assert_eq!(chosen(std::slice::from_ref(&away), &wish()), Ok(0));
    assert_eq!(chosen(&[away.clone(), silent], &wish()), Ok(1));
    assert_eq!(chosen(&[away, on("shop-3", facts("1.0.0"))], &wish()), Ok(1));
}

#[test]
fn the_own_node_comes_first_with_its_highest_version() {
    let providers = [
        on("shop-2", facts("1.9.0")),
        on("shop-1", facts("1.0.0")),
        on("shop-1", facts("1.2.0")),
        on("shop-1", facts("2.0.0-beta")),
    ];
    assert_eq!(all_chosen(&providers, &wish()), [2]);
    let prefer = Prefer::Any;
    assert_eq!(all_chosen(&providers, &Wish { prefer, ..wish() }), [0]);
}

#[test]
fn a_node_that_leaves_serves_its_own_sessions_only_where_nobody_else_does() {
    let leaving = with(on("shop-1", facts("1.0.0")), |provider| {
        provider.standing.state = State::Draining;
    });
    assert_eq!(chosen(std::slice::from_ref(&leaving), &wish()), Ok(0));
    assert_eq!(chosen(&[leaving, on("shop-2", facts("1.0.0"))], &wish()), Ok(1));
}

#[test]
fn another_node_helps_out_when_the_own_queues_are_over_half_full_and_its_own_are_not() {
    let loaded = |name, waiting| {
        with(on(name, facts("1.0.0")), |provider| {
            provider.load = Load { waiting, room: 100 }
        })
    };
    for (own, other, expected) in [(50, 0, 0), (51, 24, 1), (51, 25, 0), (100, 100, 0), (51, 0, 1)] {
        let providers = [loaded("shop-1", own), loaded("shop-2", other)];
        assert_eq!(chosen(&providers, &wish()), Ok(expected), "{own} {other}");
    }
    // A node that is nearly as busy does not help out beside one that is not.
    let providers = [loaded("shop-1", 90), loaded("shop-2", 80), loaded("shop-3", 0)];
    assert_eq!(all_chosen(&providers, &wish()), [2]);
}

#[test]
fn settled_versions_come_before_higher_ones_and_others_serve_where_none_is_settled() {
    let in_probation = |name, text| {
        on(
            name,
            Facts {
                is_settled: false,
                ..facts(text)
            },
        )
    };
    let providers = [
        on("shop-2", facts("1.0.0")),
        in_probation("shop-3", "1.1.0"),
        on("shop-4", facts("1.0.1")),
        in_probation("shop-5", "1.0.1"),
    ];
    assert_eq!(all_chosen(&providers, &wish()), [2]);
    assert_eq!(
        all_chosen(&[providers[1].clone(), providers[3].clone()], &wish()),
        [0]
    );
    let stable = [on("shop-2", facts("2.0.0-beta")), on("shop-3", facts("1.0.0"))];
    assert_eq!(all_chosen(&stable, &wish()), [1]);
}

#[test]
fn without_a_range_a_session_is_served_by_the_line_that_it_was_shown() {
    let providers = [on("shop-2", facts("2.0.0")), on("shop-3", facts("1.4.0"))];
    let asked = Asked::Line(Line::of(version("1.0.0").exact()));
    assert_eq!(all_chosen(&providers, &Wish { asked, ..wish() }), [1]);
    let range = RequestedRange::from("^1.5.0");
    let asked = Asked::Range(&range);
    assert_eq!(
        chosen(&providers, &Wish { asked, ..wish() }),
        Err(NoChoice::NoVersion)
    );
}

#[test]
fn a_session_is_not_served_by_a_lower_version_while_another_is_there() {
    let high = on(
        "shop-2",
        Facts {
            is_settled: false,
            ..facts("1.1.0")
        },
    );
    let providers = [on("shop-1", facts("1.0.0")), high, on("shop-3", facts("1.0.0"))];
    let floor = version("1.1.0");
    let floor = Some(&floor);
    assert_eq!(all_chosen(&providers, &Wish { floor, ..wish() }), [1]);
    let without = [on("shop-1", facts("0.9.0")), providers[2].clone()];
    assert_eq!(all_chosen(&without, &Wish { floor, ..wish() }), [1]);
    let without = [providers[0].clone(), providers[2].clone()];
    assert_eq!(all_chosen(&without, &Wish { floor, ..wish() }), [0]);
}

#[test]
fn sessions_move_once_and_in_one_direction_during_a_rollout() {
    let new = version("2.0.0");
    let nodes = ["shop-2", "shop-3", "shop-4", "shop-5"];
    let mut moved = vec![false; 1000];
    for done in 0..=nodes.len() {
        let providers: Vec<Provider> = nodes
            .iter()
            .enumerate()
            .map(|(position, node)| match position < done {
                true => on(
                    node,
                    Facts {
                        is_settled: false,
                        ..facts("2.0.0")
                    },
                ),
                false => on(node, facts("1.0.0")),
            })
            .collect();
        for (number, was_moved) in moved.iter_mut().enumerate() {
            let wish = Wish {
                session: session_hash(&format!("session {number}")),
                rollout: Some(&new),
                ..wish()
            };
            let is_moved = chosen(&providers, &wish).unwrap() < done;
            assert!(is_moved || !*was_moved, "session {number} went back at {done}");
            *was_moved = is_moved;
        }
        let share = moved.iter().filter(|moved| **moved).count();
        let expected = 250 * done;
        assert!(
            share.abs_diff(expected) < 60,
            "{share} of 1000 moved at {done} of 4"
        );
    }
}

#[test]
fn with_affinity_a_session_stays_and_moves_only_when_its_node_goes() {
    let sticky = |name: &str| {
        on(
            name,
            Facts {
                affinity: Affinity::Session,
                ..facts("1.0.0")
            },
        )
    };
    let nodes = ["shop-2", "shop-3", "shop-4", "shop-5"];
    let all: Vec<Provider> = nodes.iter().map(|node| sticky(node)).collect();
    let mut of_each: BTreeMap<usize, usize> = BTreeMap::new();
    for number in 0..400 {
        let session = session_hash(&format!("session {number}"));
        let wish = Wish { session, ..wish() };
        let home = all_chosen(&all, &wish);
        assert_eq!(home.len(), 1);
        let home = home[0];
        *of_each.entry(home).or_default() += 1;
        for gone in 0..nodes.len() {
            let mut rest = all.clone();
            rest.remove(gone);
            let now = &rest[chosen(&rest, &wish).unwrap()].place;
            assert!(gone == home || *now == all[home].place, "session {number} moved");
        }
        let mut restarted = all.clone();
        restarted[home].place = Place::Node(played::peer(nodes[home], 2));
        assert_eq!(chosen(&restarted, &wish), Ok(home));
    }
    assert!(
        of_each.values().all(|count| (60..140).contains(count)),
        "{of_each:?}"
    );
}

#[test]
fn the_less_busy_of_two_serves() {
    let lanes = |name, lanes, waiting| {
        let provider = on(
            name,
            Facts {
                lanes,
                ..facts("1.0.0")
            },
        );
        with(provider, |provider| provider.load = Load { waiting, room: 1000 })
    };
    // Queues count for each lane.
    assert_eq!(
        all_chosen(&[lanes("shop-2", 1, 10), lanes("shop-3", 4, 30)], &wish()),
        [1]
    );
    let even = [
        lanes("shop-2", 1, 10),
        lanes("shop-3", 1, 10),
        lanes("shop-4", 1, 500),
    ];
    assert_eq!(all_chosen(&even, &wish()), [0, 1]);
    // Calls in flight count at once, before a beat tells of them.
    let in_flight = |peer: &Peer| if peer.node.as_str() == "shop-2" { 3 } else { 2 };
    let idle = [lanes("shop-2", 1, 0), lanes("shop-3", 1, 0)];
    for dice in [0, u64::MAX, 1 << 63, 77] {
        let wish = Wish { dice, ..wish() };
        assert_eq!(choose(&idle, &wish, in_flight, &mut Vec::new()), Ok(1));
    }
}

#[test]
fn dice_spread_calls_over_equal_nodes() {
    let providers: Vec<Provider> = (2..12)
        .map(|node| on(&format!("shop-{node}"), facts("1.0.0")))
        .collect();
    let mut choices = mesh_choices::Choices::new(3);
    let mut counts = [0; 10];
    for _ in 0..10_000 {
        let dice = choices.number();
        counts[chosen(&providers, &Wish { dice, ..wish() }).unwrap()] += 1;
    }
    assert!(
        counts.iter().all(|count| (850..1150).contains(count)),
        "{counts:?}"
    );
}

#[test]
fn two_of_some_are_two_different_ones() {
    let mut choices = mesh_choices::Choices::new(2);
    for count in 2..20 {
        for _ in 0..200 {
            let (one, other) = two_of(count, choices.number());
            assert!(one != other && one < count && other < count);
        }
    }
    assert_eq!(two_of(1, u64::MAX), (0, 0));
}

#[test]
fn the_versions_of_a_session_are_kept_by_line() {
    let component = |text: &str| Arc::new(Component::new(facts(text)).unwrap());
    let mut had = SessionVersions::default();
    for text in ["1.1.0", "1.0.0", "2.0.0", "3.0.0-beta"] {
        had.note(&component(text));
    }
    let floor = |asked: Asked<'_>| had.floor("calc", asked).map(|version| version.text().to_owned());
    assert_eq!(floor(Asked::Any).as_deref(), Some("2.0.0"));
    let line = Asked::Line(Line::of(version("1.0.0").exact()));
    assert_eq!(floor(line).as_deref(), Some("1.1.0"));
    assert_eq!(floor(Asked::Range(&"^4".into())), None);
    assert_eq!(had.floor("other", Asked::Any), None);
    for major in 0..200 {
        had.note(&component(&format!("{major}.0.0")));
    }
    assert_eq!(had.floor("calc", line), None);
    assert!(had.floor("calc", Asked::Any).is_some());
}
