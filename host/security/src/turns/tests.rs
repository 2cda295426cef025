//! Turns under arrivals that a seed chooses.

use super::*;
use mesh_choices::Choices;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// An item that waits: who it is of, and which of theirs.
type Item = (u64, u64, u64);

fn who(network: u64, name: u64) -> Applicant {
    Applicant {
        network: Network::of(IpAddr::V4(Ipv4Addr::from_bits(network as u32))),
        name,
    }
}

fn later() -> Instant {
    Instant::now() + Duration::from_secs(1000)
}

fn crowd(turns: &mut Turns<Item>, network: u64, names: u64, each: u64) {
    for number in 0..each {
        for name in 0..names {
            turns.push(
                Class::Attempt,
                who(network, name),
                later(),
                (network, name, number),
            );
        }
    }
}

#[test]
fn a_client_of_another_network_is_served_within_one_round_of_the_networks() {
    for crowds in [1, 3, 20] {
        let mut turns = Turns::new(PLACES);
        for network in 0..crowds {
            crowd(&mut turns, network, 100, 5);
        }
        let victim = (99, 7, 0);
        // It gets a place although there is none left.
        let pushed = turns.push(Class::Attempt, who(99, 7), later(), victim);
        assert!(pushed.is_some_and(|evicted| evicted != victim), "{crowds} crowds");
        assert_eq!(turns.len(), PLACES);
        let served = std::iter::from_fn(|| turns.pop()).position(|item| item == victim);
        assert!(served.unwrap() as u64 <= crowds, "{crowds} crowds");
    }
}

#[test]
fn a_name_is_served_within_one_round_of_the_names_of_its_network() {
    let mut turns = Turns::new(PLACES);
    crowd(&mut turns, 1, 3, 200);
    let victim = (1, 99, 0);
    assert_ne!(
        turns.push(Class::Attempt, who(1, 99), later(), victim),
        Some(victim)
    );
    let served = std::iter::from_fn(|| turns.pop()).position(|item| item == victim);
    assert_eq!(served, Some(3));
}

#[test]
fn the_holder_of_most_places_gives_up_its_last_one() {
    let mut turns = Turns::new(10);
    for number in 0..6 {
        turns.push(Class::Attempt, who(1, 1), later(), (1, 1, number));
    }
    for name in 0..4 {
        turns.push(Class::Attempt, who(1, 10 + name), later(), (1, 10 + name, 0));
    }
    let push = |turns: &mut Turns<Item>, network, name| {
        turns.push(Class::Attempt, who(network, name), later(), (network, name, 9))
    };
    assert_eq!(push(&mut turns, 1, 1), Some((1, 1, 9)), "its own place");
    assert_eq!(push(&mut turns, 1, 20), Some((1, 1, 5)), "of another name");
    assert_eq!(push(&mut turns, 2, 1), Some((1, 1, 4)), "of another network");
    assert_eq!(push(&mut turns, 2, 1), Some((1, 1, 3)));
    // Where all names hold the same, the network still gives way to one that holds less.
    assert_eq!(turns.len(), 10);
    for _ in 0..3 {
        let evicted = push(&mut turns, 2, 2).unwrap();
        assert_eq!(evicted.0, 1, "{evicted:?}");
    }
    let evicted = push(&mut turns, 2, 3).unwrap();
    assert_eq!(evicted.0, 2, "both hold five: {evicted:?}");
}

#[test]
fn classes_are_served_in_turn() {
    let mut turns = Turns::new(PLACES);
    crowd(&mut turns, 1, 256, 1);
    for number in 0..3 {
        turns.push(Class::Session, who(0, 1), later(), (0, 1, number));
        turns.push(Class::User, who(1, 2), later(), (1, 2, number));
        turns.push(Class::Known, who(1, 3), later(), (1, 3, number));
    }
    let first: Vec<Item> = std::iter::from_fn(|| turns.pop()).take(12).collect();
    for (name, network) in [(1, 0), (2, 1), (3, 1)] {
        let of_name = first.iter().filter(|item| (item.0, item.1) == (network, name));
        assert!(of_name.count() >= 3, "{first:?}");
    }
}

#[test]
fn a_wait_that_ends_gives_the_place_back() {
    let (mut turns, start) = (Turns::new(4), Instant::now());
    let at = |second| start + Duration::from_secs(second);
    for (name, second) in [(1, 1), (1, 5), (2, 2), (3, 9)] {
        turns.push(Class::Attempt, who(1, name), at(second), (1, name, second));
    }
    assert!(turns.is_full(Class::Attempt));
    assert!(turns.expire(Class::Attempt, at(0)).is_empty());
    assert_eq!(turns.expire(Class::Attempt, at(2)), [(1, 1, 1), (1, 2, 2)]);
    assert!(turns.expire(Class::User, at(100)).is_empty());
    assert_eq!(
        turns.remove_where(Class::Attempt, |item| item.1 == 3),
        [(1, 3, 9)]
    );
    assert!(!turns.is_full(Class::Attempt));
    assert_eq!(
        (turns.pop(), turns.pop(), turns.len()),
        (Some((1, 1, 5)), None, 0)
    );
}

#[test]
fn under_any_arrivals_places_are_bounded_nobody_is_lost_and_one_after_the_other_is_served() {
    for seed in 0..60 {
        let mut choices = Choices::new(seed);
        let mut below = |end: u64| choices.number() % end;
        let places = 1 + below(40) as usize;
        let (networks, names) = (1 + below(12), 1 + below(30));
        let mut turns = Turns::new(places);
        let (mut pushed, mut gone, mut served) = (0, 0, 0);
        let mut last: HashMap<(u64, u64), u64> = HashMap::new();
        for number in 0..3000 {
            if below(100) < 70 {
                // The first network and the first name come as often as all others together.
                let network = below(2) * below(networks);
                let name = below(2) * below(names);
                let item = (network, name, number);
                gone += turns
                    .push(Class::Attempt, who(network, name), later(), item)
                    .iter()
                    .count();
                pushed += 1;
            } else if let Some((network, name, number)) = turns.pop() {
                served += 1;
                let before = last.insert((network, name), number);
                assert!(before.is_none_or(|before| before < number), "seed {seed}: order");
            }
            assert!(turns.len() <= places, "seed {seed}");
            assert_eq!(turns.len() + gone + served, pushed, "seed {seed}");
        }
        while turns.pop().is_some() {
            served += 1;
        }
        assert_eq!(gone + served, pushed, "seed {seed}");
    }
}

#[test]
fn under_a_flood_everybody_else_gets_a_share() {
    for seed in 0..20 {
        let mut choices = Choices::new(seed);
        let mut below = |end: u64| choices.number() % end;
        let mut turns = Turns::new(64);
        let (mut asked, mut had) = (0, 0);
        let evicted = |item: Option<Item>| {
            assert!(
                item.is_none_or(|item| item.0 == 0),
                "seed {seed}: {item:?} had to go"
            );
        };
        for number in 0..5000 {
            // Ten guesses, with names of their own or not, for each one that is looked at.
            for _ in 0..10 {
                let name = below(1 + seed * 100);
                evicted(turns.push(Class::Attempt, who(0, name), later(), (0, name, number)));
            }
            // Five networks that ask seldom.
            if below(100) < 40 {
                let network = 1 + below(5);
                asked += 1;
                evicted(turns.push(Class::Attempt, who(network, 1), later(), (network, 1, number)));
            }
            had += u32::from(turns.pop().is_some_and(|item| item.0 != 0));
        }
        while let Some(item) = turns.pop() {
            had += u32::from(item.0 != 0);
        }
        assert_eq!(had, asked, "seed {seed}");
    }
}

#[test]
fn addresses_that_one_client_can_have_are_one_network() {
    let network = |text: &str| Network::of(text.parse().unwrap());
    assert_eq!(network("192.0.2.1"), network("::ffff:192.0.2.1"));
    assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    assert_eq!(network("2001:db8:0:1::1"), network("2001:db8:0:1:ffff::2"));
    assert_ne!(network("2001:db8:0:1::1"), network("2001:db8:0:2::1"));
}
