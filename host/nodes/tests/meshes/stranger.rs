//! A node that is nothing but its membership, and says what a test wants it to say.
//!
//! Enters: bodies of frames. Leaves: what other nodes send to it. Guarantees: its links and beats keep to the rules.

use super::hub::{Connected, Hub};
use bytes::Bytes;
use mesh_cluster::frame::Kind;
use mesh_cluster::identity::{ClusterName, Incarnation, NodeName};
use mesh_cluster::link::{Class, Delivered, LinkError, Outgoing};
use mesh_cluster::member::{Member, Membership, Output};
use mesh_cluster::moment::Moment;
use mesh_cluster::presence;
use mesh_cluster::presence::beat::{Facts, State};
use mesh_cluster::wire::{Connection, Event, Wire};
use std::num::NonZeroU64;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// The node.
pub struct Stranger {
    member: Member,
    wire: Connected,
    began: Instant,
    /// The messages that it was sent.
    pub heard: Vec<Delivered>,
    /// The events that were dropped for it elsewhere.
    pub lost: u64,
    /// Why others do not speak to it any more.
    pub broken: Option<LinkError>,
}

impl Stranger {
    pub fn join(hub: &Hub, name: &str) -> Stranger {
        let random = NonZeroU64::new(99).expect("it is not 0");
        let membership = Membership {
            cluster: ClusterName::new("test").expect("it is a name"),
            node: NodeName::new(name).expect("it is a name"),
            incarnation: Incarnation::new(1, random),
            about: String::new(),
            settings: presence::Settings {
                beat: Duration::from_millis(50),
                ..presence::Settings::default()
            },
            limits: Default::default(),
            facts: Facts {
                state: State::Ready,
                catalogue_revision: 0,
                catalogue_hash: 0,
                applied: 0,
                message_bytes: 10 << 20,
                loads: Vec::new(),
            },
        };
        let mut stranger = Stranger {
            member: Member::new(membership, Moment::default()),
            wire: hub.connect(),
            began: Instant::now(),
            heard: Vec::new(),
            lost: 0,
            broken: None,
        };
        stranger.member.connected(Moment::default());
        stranger
    }

    fn now(&self) -> Moment {
        Moment::at(self.began.elapsed())
    }

    /// Says something to another node. False while that node is not known yet, or the link is full.
    pub fn say(&mut self, to: &str, kind: Kind, body: impl Into<Bytes>) -> bool {
        let to = NodeName::new(to).expect("it is a name");
        let pieces = [body.into(), Bytes::new()];
        let class = Class::Kept;
        let outgoing = Outgoing { kind, class, pieces };
        let now = self.now();
        self.member.send(now, &to, outgoing).is_ok()
    }

    pub fn turn(&mut self) {
        let now = self.now();
        let mut context = Context::from_waker(Waker::noop());
        while let Poll::Ready(event) = self.wire.poll_event(&mut context) {
            match event {
                Event::Message(message) => self.member.receive(now, message),
                Event::Returned(subject) => self.member.returned(now, &subject),
                Event::Connection(Connection::Up) => self.member.connected(now),
                Event::Connection(_) => self.member.disconnected(now),
            }
        }
        self.member.turn(now);
        while let Some(output) = self.member.poll_output(now) {
            match output {
                Output::Subscribe(subject) => self.wire.subscribe(&subject).expect("the hub takes it"),
                Output::Publish(publication) => {
                    let _ = match &publication.reply {
                        Some(reply) => {
                            self.wire
                                .publish_with_reply(&publication.subject, reply, publication.payload)
                        }
                        None => self.wire.publish(&publication.subject, publication.payload),
                    };
                }
                Output::Delivered { message, .. } => self.heard.push(message),
                Output::Gap { events, .. } => self.lost += events,
                Output::Broken(_, error) => self.broken = Some(error),
                _ => {}
            }
        }
    }
}
