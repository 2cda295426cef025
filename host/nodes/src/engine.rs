//! The task's state: the state machines of the cluster, and what passes between them.
//!
//! Enters: commands of the mesh, events of the connection, the time. Leaves: messages for the connection, calls for the mesh's
//! components, answers, descriptions, log lines. Guarantees: nothing here waits; the caller brings the time, so that a test can.

mod counting;
mod lines;
mod listening;
mod members;
mod serving;

use crate::caller::Waiting;
use crate::nodes::Nodes;
use crate::numbers::Numbers;
use crate::queue::Command;
use crate::settings::Settings;
use bytes::Bytes;
use counting::Added;
use mesh_cluster::calls::Refusal as Refused;
use mesh_cluster::calls::{AnswerFrame, Body, Calls, Outcome, Output, Routing, Serving};
use mesh_cluster::catalogue::{Catalogue, LONGEST_BODY, MOST_COMPONENTS};
use mesh_cluster::choice::Sessions;
use mesh_cluster::frame::Kind;
use mesh_cluster::identity::{Incarnation, NodeName};
use mesh_cluster::interest::Interest;
use mesh_cluster::link::{Class, Fate, Outgoing, Refusal, Ticket};
use mesh_cluster::member::{Member, Membership};
use mesh_cluster::moment::Moment;
use mesh_cluster::peer::Peer;
use mesh_cluster::presence::beat::{Facts, State};
use mesh_cluster::presence::{End, Verdict};
use mesh_cluster::provider::Place;
use mesh_cluster::wire::{Connection, Event, Wire};
use mesh_core::mesh::Mesh;
use mesh_plugin::Emitter;
use mesh_session::{After, InFlight};
use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::oneshot;

/// Another node, as far as it was told of this one.
struct Known {
    incarnation: Incarnation,
    /// The catalogue was sent to it.
    is_told: bool,
    /// Calls wait for its answers.
    is_expected: bool,
    /// Its events, as they are published here.
    emitter: Emitter,
    /// The verdict before the one that is told next.
    verdict: Verdict,
    numbers: Arc<Numbers>,
    /// The part of them that its link has counted.
    added: Added,
}

/// The state of the task.
pub(crate) struct Engine {
    mesh: Arc<Mesh>,
    nodes: Arc<Nodes>,
    membership: Membership,
    member: Member,
    calls: Calls<Waiting>,
    serving: Serving<Arc<AtomicBool>>,
    sessions: Sessions,
    interest: Interest<Option<InFlight>>,
    known: BTreeMap<NodeName, Known>,
    catalogue: Catalogue,
    /// The body that others are sent, so that it is not written for each.
    catalogue_body: Bytes,
    state: State,
    /// Says that this node was found to be a member, or why it cannot be one.
    joined: Option<oneshot::Sender<()>>,
    is_member: bool,
    /// Says that the membership has ended.
    ended: Option<oneshot::Sender<End>>,
    /// The publications that go before the answers which are given now.
    after: Option<After>,
    /// A list that keeps its memory.
    left: Vec<usize>,
    dice: Dice,
}

/// Numbers by chance that decide between equal nodes, and nothing else.
struct Dice(u64);

impl Dice {
    fn throw(&mut self) -> u64 {
        // xorshift64: never 0 if it was not.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

impl Engine {
    pub(crate) fn new(
        mesh: Arc<Mesh>,
        nodes: Arc<Nodes>,
        settings: &Settings,
        random: NonZeroU64,
        joined: oneshot::Sender<()>,
        ended: oneshot::Sender<End>,
    ) -> Engine {
        let catalogue = Catalogue::new(0, Vec::new());
        let limits = settings.limits();
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let membership = Membership {
            cluster: settings.cluster.clone(),
            node: settings.node.clone(),
            incarnation: Incarnation::new(u64::try_from(started.as_millis()).unwrap_or(u64::MAX), random),
            about: settings.about.clone(),
            settings: settings.presence,
            limits,
            facts: Facts {
                state: State::Joining,
                catalogue_revision: catalogue.revision(),
                catalogue_hash: catalogue.hash(),
                applied: 0,
                message_bytes: limits.message_bytes as u64,
                loads: Vec::new(),
            },
        };
        let now = nodes.now();
        nodes.set_incarnation(membership.incarnation);
        Engine {
            mesh,
            member: Member::new(membership.clone(), now),
            calls: Calls::new(limits.message_bytes),
            serving: Serving::new(limits.message_bytes),
            membership,
            nodes,
            sessions: Sessions::default(),
            interest: Interest::default(),
            known: BTreeMap::new(),
            catalogue_body: catalogue.body(),
            catalogue,
            state: State::Joining,
            joined: Some(joined),
            is_member: false,
            ended: Some(ended),
            after: None,
            left: Vec::new(),
            dice: Dice(random.get()),
        }
    }

    /// Takes a command.
    pub(crate) fn command(&mut self, now: Moment, command: Command) {
        match command {
            Command::Call { request, waiting } => {
                self.route(|calls, routing| calls.begin(now, request, waiting, routing));
            }
            Command::Finished {
                peer,
                number,
                outcome,
            } => self.finished(now, &peer, number, outcome),
            Command::FinishedHere {
                number,
                outcome,
                after,
            } => self.answered(now, &Place::Here, AnswerFrame { number, outcome }, after),
            Command::Listen { listening, until } => self.listen(now, &listening, until),
            Command::ListenNoMore(listening) => self.listen_no_more(&listening),
            Command::Publish { peers, body } => self.publish(now, &peers, &body),
            Command::Dropped { peer, events } => self.member.dropped(&peer.node, events),
            Command::OwnChanged => self.own_changed(now),
            Command::State(state) => {
                self.state = state;
                self.tell(now);
            }
            Command::Leave(patience) => self.member.leave(now + patience),
        }
    }

    /// Takes an event of the connection.
    pub(crate) fn event(&mut self, now: Moment, event: Event) {
        match event {
            Event::Message(message) => self.member.receive(now, message),
            Event::Returned(subject) => self.member.returned(now, &subject),
            Event::Connection(Connection::Up) => self.member.connected(now),
            Event::Connection(Connection::Down | Connection::Closed) => self.member.disconnected(now),
        }
    }

    /// Does what time brings about.
    pub(crate) fn turn(&mut self, now: Moment) {
        self.member.turn(now);
        self.calls.tick(now);
        self.interest.tick(now);
        let publication = self.nodes.catalogues().tick(now);
        if let Some(publication) = publication
            && let Err(error) = self.mesh.publish_elsewhere(&publication)
        {
            tracing::error!("the description of other nodes' components could not be written: {error}");
        }
    }

    /// The moment of the next turn.
    pub(crate) fn next_deadline(&mut self) -> Option<Moment> {
        let of_catalogues = self.nodes.catalogues().next_deadline();
        [
            self.member.next_deadline(),
            self.calls.next_deadline(),
            self.interest.next_deadline(),
            of_catalogues,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Carries out all that follows from what was taken.
    pub(crate) fn work(&mut self, now: Moment, wire: &mut dyn Wire) {
        loop {
            let mut has_worked = self.tell_interest(now);
            while let Some(output) = self.calls.poll() {
                has_worked = true;
                self.carry_out(now, output);
            }
            while let Some(output) = self.member.poll_output(now) {
                has_worked = true;
                self.hear(now, output, wire);
            }
            if !has_worked {
                break;
            }
        }
        self.expect_answers();
        self.count();
        if !self.is_member && self.member.presence().is_member() {
            self.is_member = true;
            if let Some(joined) = self.joined.take() {
                let _ = joined.send(());
            }
        }
    }

    /// Does something with the calls that may choose other nodes for them.
    fn route<T>(
        &mut self,
        what: impl FnOnce(&mut Calls<Waiting>, &mut Routing<'_, &mut dyn FnMut() -> u64>) -> T,
    ) -> T {
        let catalogues = self.nodes.catalogues();
        let dice = &mut self.dice;
        let mut throw = || dice.throw();
        let mut routing = Routing {
            catalogues: &catalogues,
            sessions: &mut self.sessions,
            prefer: self.nodes.prefer(),
            rollout: None,
            dice: &mut throw as &mut dyn FnMut() -> u64,
            left: &mut self.left,
        };
        what(&mut self.calls, &mut routing)
    }

    fn carry_out(&mut self, now: Moment, output: Output<Waiting>) {
        match output {
            Output::Send { peer, number, body } => {
                let class = Class::Call(Ticket(number));
                match self.send(now, &peer, Kind::CALL, class, body) {
                    Ok(()) => {}
                    Err(Refusal::Full { .. }) => {
                        self.route(|calls, routing| calls.link_full(now, &peer, number, routing));
                    }
                    Err(Refusal::TooLarge { .. }) => {
                        let outcome = Outcome::Refused(Refused::TooLarge);
                        let answer = AnswerFrame { number, outcome };
                        self.route(|calls, routing| {
                            calls.answered(now, &Place::Node(peer), answer, routing);
                        });
                    }
                    Err(Refusal::Closed) => {
                        self.route(|calls, routing| calls.never_taken(now, &peer, number, routing))
                    }
                }
            }
            Output::Here {
                number,
                component,
                request,
                left,
            } => self.call_here(number, &component, request, left),
            Output::Withdraw { peer, number } => {
                // It may have been sent again since it came back. Then the node answers it, or is lost.
                if self.member.withdraw_untaken(&peer.node, Ticket(number)) {
                    self.route(|calls, routing| calls.never_taken(now, &peer, number, routing));
                }
            }
            Output::Cancel { place, number, body } => {
                if let Place::Node(peer) = place {
                    // One that was not taken is not sent any more, and then there is nothing to cancel.
                    match self.member.withdraw(&peer.node, Ticket(number)) {
                        Some(Fate::NeverTaken) => {}
                        Some(Fate::Unknown) | None => {
                            let _ = self.send(now, &peer, Kind::CANCEL, Class::Kept, body);
                        }
                    }
                }
            }
            Output::Reply { caller, reply } => caller.give(reply, self.after.clone()),
        }
    }

    fn send(
        &mut self,
        now: Moment,
        peer: &Peer,
        kind: Kind,
        class: Class,
        body: Body,
    ) -> Result<(), Refusal> {
        let is_meant = |known: &Known| known.incarnation == peer.incarnation;
        if !self.known.get(&peer.node).is_some_and(is_meant) {
            return Err(Refusal::Closed);
        }
        let pieces = [body.head, body.payload];
        let outgoing = Outgoing { kind, class, pieces };
        self.member.send(now, &peer.node, outgoing)
    }

    /// Sends something that no call waits for. A link that refuses it is closed, or full of what nobody takes.
    fn send_kept(&mut self, now: Moment, node: &NodeName, kind: Kind, body: Bytes) {
        let outgoing = Outgoing {
            kind,
            class: Class::Kept,
            pieces: [body, Bytes::new()],
        };
        if let Err(refusal) = self.member.send(now, node, outgoing) {
            tracing::debug!(node = node.as_str(), "a message was not sent: {refusal}");
        }
    }

    /// The silence of nodes that calls wait for is looked at.
    fn expect_answers(&mut self) {
        for (node, known) in &mut self.known {
            let peer = Peer {
                node: node.clone(),
                incarnation: known.incarnation,
            };
            let is_expected = self.calls.in_flight().at(&peer) > 0;
            if std::mem::replace(&mut known.is_expected, is_expected) != is_expected {
                self.member.expect_answers(node, is_expected);
            }
        }
    }

    /// Tells others the components of this node as they are now.
    fn own_changed(&mut self, now: Moment) {
        let revision = self.catalogue.revision() + 1;
        self.catalogue = Catalogue::new(revision, self.nodes.own());
        self.catalogue_body = self.catalogue.body();
        let (bytes, most) = (
            self.catalogue_body.len(),
            LONGEST_BODY.min(self.membership.limits.message_bytes),
        );
        if bytes > most || self.catalogue.components().len() > MOST_COMPONENTS {
            tracing::error!(
                "other nodes are told of no component, since there are too many: what they are told has {bytes} bytes of at most {most}"
            );
            self.catalogue = Catalogue::new(revision, Vec::new());
            self.catalogue_body = self.catalogue.body();
        }
        let body = self.catalogue_body.clone();
        let told: Vec<NodeName> = self
            .known
            .iter()
            .filter(|(_, known)| known.is_told)
            .map(|(node, _)| node.clone())
            .collect();
        for node in told {
            self.send_kept(now, &node, Kind::CATALOGUE, body.clone());
        }
        self.tell(now);
    }

    fn tell(&mut self, now: Moment) {
        let facts = Facts {
            state: self.state,
            catalogue_revision: self.catalogue.revision(),
            catalogue_hash: self.catalogue.hash(),
            ..self.membership.facts.clone()
        };
        self.membership.facts = facts.clone();
        self.member.tell(now, facts);
    }
}
