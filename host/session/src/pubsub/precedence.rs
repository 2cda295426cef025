//! In which order the channels of one session are served when several of them match: that of the real servers.
//!
//! Enters: a registration's action and pattern, once, and the paths that it matches. Leaves: keys to sort by.
//! Guarantees: as the servers of both generations do, measured with each.
//!
//! The first generation keeps subscriptions to one action before those to all. Among each, `*` comes first, then texts
//! without wildcards, then the others by the length of what they have before their first `*`. Later generations look up
//! one pattern for each mask of wildcards. Those to all actions come first, by their masks, literal segments before `*`.
//! Patterns for one action follow, in the order in which their masks came up, then paths for one action, then `*`.

use super::pattern::{ANY, parts_of};
use super::{ChannelAction, Pattern};
use mesh_wire::protocol::{ChannelOrder, Dialect};

/// Where a registration stands among those of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The same for all paths.
    Fixed(Key),
    /// To all actions, of a later generation: a bit for each segment from the left, set for wildcards.
    Masked(u64),
    /// To one action, of a later generation: the same.
    MaskedAction(u64),
}

/// The key by which registrations are sorted, before the order of their subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    stage: u8,
    within: u64,
}

/// One registration that matches a path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit {
    /// Which one.
    pub(super) position: usize,
    /// How many segments its `**` stands for.
    pub(super) depth: u32,
}

/// A hit with what it is sorted by.
#[derive(Debug)]
struct Ranked {
    hit: Hit,
    place: Place,
    key: Key,
    sequence: u64,
}

impl Place {
    pub(super) fn new(action: ChannelAction, pattern: &Pattern, dialect: Dialect) -> Place {
        let is_for_all = action == ChannelAction::All;
        if dialect.channel_order() == ChannelOrder::ActionFirst {
            let within = match pattern {
                Pattern::Everything => 0,
                Pattern::Text { prefix, .. } => 2 + prefix.len() as u64,
                _ => 1,
            };
            let stage = u8::from(is_for_all);
            return Place::Fixed(Key { stage, within });
        }
        match pattern {
            Pattern::Everything => Place::Fixed(Key { stage: 3, within: 0 }),
            Pattern::Exact(_) if !is_for_all => Place::Fixed(Key { stage: 2, within: 0 }),
            _ if is_for_all => Place::Masked(mask(pattern)),
            _ => Place::MaskedAction(mask(pattern)),
        }
    }
}

/// A bit for each segment from the left, set for wildcards.
fn mask(pattern: &Pattern) -> u64 {
    let bit = |position: usize| (1_u64 << 63).checked_shr(position as u32).unwrap_or(0);
    let of_segments = |segments: &str| {
        let wildcards = parts_of(segments).enumerate().filter(|(_, part)| *part == ANY);
        wildcards.fold(0, |mask, (position, _)| mask | bit(position))
    };
    let from = |position: usize| u64::MAX.checked_shr(position as u32).unwrap_or(0);
    match pattern {
        Pattern::Segments(segments) => of_segments(segments),
        Pattern::Deep(segments) => of_segments(segments) | from(parts_of(segments).count()),
        Pattern::Below(prefix) => from(prefix.trim_matches('/').split('/').count()),
        _ => 0,
    }
}

/// Sorts registrations that match a path of so many segments. `about` tells the place of each and when it came.
pub(super) fn sort(hits: &mut [Hit], segments: usize, about: impl Fn(usize) -> Option<(Place, u64)>) {
    let within_path = !u64::MAX.checked_shr(segments as u32).unwrap_or(0);
    let mut first_of_mask: Vec<(u64, u64)> = Vec::new();
    let mut ranked: Vec<Ranked> = Vec::with_capacity(hits.len());
    for hit in hits.iter() {
        let Some((place, sequence)) = about(hit.position) else {
            continue;
        };
        let key = match place {
            Place::Fixed(key) => key,
            Place::Masked(mask) => Key {
                stage: 0,
                within: mask & within_path,
            },
            Place::MaskedAction(mask) => {
                let mask = mask & within_path;
                match first_of_mask.iter_mut().find(|(other, _)| *other == mask) {
                    Some((_, first)) => *first = sequence.min(*first),
                    None => first_of_mask.push((mask, sequence)),
                }
                Key {
                    stage: 1,
                    within: mask,
                }
            }
        };
        ranked.push(Ranked {
            hit: *hit,
            place,
            key,
            sequence,
        });
    }
    if first_of_mask.len() > 1 {
        for ranked in &mut ranked {
            if matches!(ranked.place, Place::MaskedAction(_))
                && let Some((_, first)) = first_of_mask.iter().find(|(mask, _)| *mask == ranked.key.within)
            {
                ranked.key.within = *first;
            }
        }
    }
    ranked.sort_by_key(|ranked| (ranked.key, ranked.sequence));
    for (slot, ranked) in hits.iter_mut().zip(ranked) {
        *slot = ranked.hit;
    }
}

#[cfg(test)]
mod tests {
    use crate::pubsub::{
        Channel, DEFAULT_DEPTH, Depth, Event, Index, Limits, Subscriber, Subscription, VersionFilter,
    };
    use crate::{Batch, Session};
    use mesh_wire::protocol::Dialect;
    use mesh_wire::protocol::{EventAction, Publication};
    use std::sync::Arc;

    /// The channels in which a session hears of `/a/b`, having subscribed in this order, while another one is there.
    fn served(dialect: Dialect, channels: &[&str]) -> Vec<String> {
        let index = Index::new(Limits {
            count: 100,
            bytes: 1 << 20,
        });
        let mut sessions = Vec::new();
        for number in [1, 2] {
            let session = Arc::new(Session::new(number, ([127, 0, 0, 1], 1).into(), 1 << 20));
            session.set_dialect(dialect);
            for text in channels {
                let depth = Depth {
                    segments: DEFAULT_DEPTH,
                    named: false,
                };
                let subscription = Subscription {
                    text,
                    channel: Channel::parse(text),
                    dialect,
                    filter: VersionFilter::Any,
                    depth,
                    count: 1,
                    as_sent: false,
                    principal: None,
                    is_in_part: false,
                    until: None,
                };
                index
                    .subscribe(&Subscriber::Session(session.clone()), subscription)
                    .unwrap();
            }
            sessions.push(session);
        }
        let publication = Publication {
            action: EventAction::Set,
            path: "/a/b",
            data: "{}",
            sent: "{}",
            document_path: None,
            session_id: "S",
            event_id: "1",
            consistency: 2,
            stored: None,
            timestamp: None,
            username: None,
            modified_by: None,
            custom_meta: "",
        };
        index.publish(&Event {
            publication: &publication,
            version: None,
            targets: None,
        });
        let mut of_each = sessions.iter().map(|session| {
            let mut batch = Batch::default();
            session.outbound().take(&mut batch);
            let channel = |text: &&str| {
                let frame: serde_json::Value = serde_json::from_str(text).unwrap();
                frame["_meta"]["channel"].as_str().unwrap().to_owned()
            };
            batch.texts().iter().map(channel).collect::<Vec<_>>()
        });
        let (first, second) = (of_each.next().unwrap(), of_each.next().unwrap());
        assert_eq!(first, second);
        first
    }

    #[test]
    fn recipients_come_in_the_order_of_a_first_generation_server() {
        let expected = [
            "/SET@*",
            "/SET@/a/b",
            "/SET@/*/b",
            "/SET@/a*",
            "/SET@/a/*",
            "/ALL@*",
            "/ALL@/a/b",
            "/ALL@**",
            "/ALL@/**",
            "/ALL@/a/**",
        ];
        for subscribed in [
            [
                "/ALL@/a/b",
                "/SET@/a/b",
                "/SET@/a/*",
                "/ALL@*",
                "/SET@*",
                "/ALL@**",
                "/ALL@/a/**",
                "/SET@/*/b",
                "/ALL@/**",
                "/SET@/a*",
            ],
            [
                "/ALL@/a/**",
                "/ALL@*",
                "/ALL@/**",
                "/SET@/a/*",
                "/SET@/a/b",
                "/SET@*",
                "/ALL@**",
                "/SET@/a*",
                "/SET@/*/b",
                "/ALL@/a/b",
            ],
        ] {
            assert_eq!(served(Dialect::Happn1, &subscribed), expected);
        }
    }

    #[test]
    fn recipients_come_in_the_order_of_a_later_server() {
        for (subscribed, expected) in [
            (
                [
                    "/ALL@/a/b",
                    "/SET@/a/b",
                    "/ALL@/a/*",
                    "/SET@/a/*",
                    "/ALL@*",
                    "/SET@*",
                    "/ALL@**",
                    "/ALL@/a/**",
                    "/SET@/*/b",
                    "/ALL@/**",
                    "/ALL@*/b",
                ],
                [
                    "/ALL@/a/b",
                    "/ALL@/a/*",
                    "/ALL@/a/**",
                    "/ALL@*/b",
                    "/ALL@**",
                    "/ALL@/**",
                    "/SET@/a/*",
                    "/SET@/*/b",
                    "/SET@/a/b",
                    "/ALL@*",
                    "/SET@*",
                ],
            ),
            (
                [
                    "/SET@/*/b",
                    "/ALL@/a/b",
                    "/SET@*",
                    "/SET@/a/*",
                    "/ALL@**",
                    "/ALL@/a/**",
                    "/ALL@*/b",
                    "/ALL@*",
                    "/SET@/a/b",
                    "/ALL@/**",
                    "/ALL@/a/*",
                ],
                [
                    "/ALL@/a/b",
                    "/ALL@/a/**",
                    "/ALL@/a/*",
                    "/ALL@*/b",
                    "/ALL@**",
                    "/ALL@/**",
                    "/SET@/*/b",
                    "/SET@/a/*",
                    "/SET@/a/b",
                    "/SET@*",
                    "/ALL@*",
                ],
            ),
        ] {
            for dialect in [Dialect::Happn2, Dialect::Happn4] {
                assert_eq!(served(dialect, &subscribed), expected);
            }
        }
    }

    #[test]
    fn patterns_of_one_mask_stay_together_where_it_came_up() {
        let subscribed = ["/SET@/a/*", "/SET@/*/b", "/SET@/a/**", "/SET@/a/b", "/ALL@/a/b"];
        let expected = ["/ALL@/a/b", "/SET@/a/*", "/SET@/a/**", "/SET@/*/b", "/SET@/a/b"];
        assert_eq!(served(Dialect::Happn4, &subscribed), expected);
    }

    #[test]
    fn paths_alone_are_served_in_the_same_order() {
        let subscribed = ["/SET@/a/b", "/ALL@/a/b"];
        assert_eq!(served(Dialect::Happn4, &subscribed), ["/ALL@/a/b", "/SET@/a/b"]);
        assert_eq!(
            served(Dialect::Happn1, &["/ALL@/a/b", "/SET@/a/b"]),
            ["/SET@/a/b", "/ALL@/a/b"]
        );
    }
}
