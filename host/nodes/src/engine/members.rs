//! News of the member: other nodes that come and go, and their messages.
//!
//! Enters: outputs of the member. Leaves: calls of the state machines that they are about. Guarantees: the order stays.

use super::counting::Added;
use super::lines::{self, Before};
use super::{Engine, Known};
use crate::numbers::Numbers;
use mesh_cluster::calls::AnswerFrame;
use mesh_cluster::catalogue::{Catalogue, Received};
use mesh_cluster::frame::Kind;
use mesh_cluster::identity::NodeName;
use mesh_cluster::link::{Delivered, Fate, Notice};
use mesh_cluster::member::{Member, Output};
use mesh_cluster::moment::Moment;
use mesh_cluster::peer::{Peer, Standing};
use mesh_cluster::presence::beat::State;
use mesh_cluster::presence::{Alone, End, Judgement, Verdict};
use mesh_cluster::provider::Place;
use mesh_cluster::wire::{Connection, Wire};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

impl Engine {
    pub(super) fn hear(&mut self, now: Moment, output: Output, wire: &mut dyn Wire) {
        match output {
            Output::Subscribe(subject) => {
                if let Err(error) = wire.subscribe(&subject) {
                    tracing::error!(target: "cluster", "messages on {subject} cannot be heard: {error}");
                }
            }
            Output::Publish(publication) => {
                let sent = match &publication.reply {
                    Some(reply) => wire.publish_with_reply(&publication.subject, reply, publication.payload),
                    None => wire.publish(&publication.subject, publication.payload),
                };
                if let Err(error) = sent {
                    tracing::debug!(target: "cluster", "a message counts as lost: {error}");
                }
            }
            Output::Delivered {
                from,
                incarnation,
                message,
            } => {
                let peer = Peer {
                    node: from,
                    incarnation,
                };
                self.deliver(now, &peer, message);
            }
            Output::Gap { from, events, .. } => {
                tracing::warn!(
                    target: "cluster",
                    node = from.as_str(),
                    events,
                    "events of a node were dropped there"
                );
            }
            Output::Notice {
                to,
                incarnation,
                notice,
            } => {
                let peer = Peer {
                    node: to,
                    incarnation,
                };
                self.notice(now, &peer, notice);
            }
            Output::Verdict(judgement) => self.judged(now, &judgement),
            Output::Facts(node) => self.facts(now, &node),
            Output::Alone(why) => {
                match why {
                    // Each start begins so.
                    Alone::Starting => tracing::debug!(target: "cluster", "this node is alone: {why}"),
                    _ => {
                        tracing::warn!(target: "cluster", "this node is alone, and judges no other one: {why}")
                    }
                }
                self.nodes.set_alone(Some(why));
            }
            Output::Together => {
                match self.nodes.alone() {
                    None | Some(Alone::Starting) => {
                        tracing::debug!(target: "cluster", "this node is not alone any more");
                    }
                    Some(_) => {
                        tracing::info!(target: "cluster", "this node is not alone any more, and judges others again");
                    }
                }
                self.nodes.set_alone(None);
            }
            Output::Broken(node, error) => {
                tracing::warn!(
                    target: "cluster",
                    node = node.as_str(),
                    "a node broke the rules of the protocol: {error}"
                );
            }
            Output::Unreadable(node, error) => {
                tracing::warn!(target: "cluster", node = node.as_str(), "a node cannot be understood: {error}");
            }
            Output::NoRoom(node) => {
                tracing::warn!(
                    target: "cluster",
                    node = node.as_str(),
                    "there are too many nodes, and no room for this one"
                );
            }
            Output::Ended(end) => self.ended(now, end, wire),
        }
    }

    fn deliver(&mut self, now: Moment, peer: &Peer, message: Delivered) {
        let taken = match message.kind {
            Kind::CATALOGUE => self.receive_catalogue(now, peer, &message.body),
            Kind::CATALOGUE_REQUEST => {
                self.send_kept(now, &peer.node, Kind::CATALOGUE, self.catalogue_body.clone());
                return;
            }
            Kind::CALL => self.serve(now, peer, &message),
            Kind::CANCEL => self.cancel(peer, &message),
            Kind::ANSWER => AnswerFrame::read(&message.body)
                .map(|answer| {
                    let after = self.unwritten(peer);
                    self.answered(now, &Place::Node(peer.clone()), answer, after);
                })
                .map_err(|error| error.to_string()),
            Kind::EVENT => self.receive_event(peer, &message),
            Kind::INTEREST => self.receive_interest(now, peer, &message),
            _ => return,
        };
        if let Err(fault) = taken {
            self.bar(now, peer, &fault);
        }
    }

    /// Nothing more is taken from a node that has sent what it must not, until it starts again. So that is one line in the log.
    fn bar(&mut self, now: Moment, peer: &Peer, fault: &str) {
        let verdict = self.member.presence().verdict(&peer.node);
        if verdict.is_none_or(|(incarnation, _)| incarnation != peer.incarnation) {
            return;
        }
        tracing::warn!(
            target: "cluster",
            node = peer.node.as_str(),
            "a node broke the rules of the protocol, and is heard no more until it starts again: {fault}"
        );
        self.member.bar(now, &peer.node, fault);
    }

    fn receive_catalogue(&mut self, now: Moment, peer: &Peer, body: &[u8]) -> Result<(), String> {
        // Nobody waits for the table while this is read.
        let catalogue = Catalogue::read(body).map_err(|error| error.to_string())?;
        if self.nodes.catalogues().take(now, peer, catalogue) == Received::Taken {
            tracing::debug!(target: "cluster", node = peer.node.as_str(), "the components of a node have changed");
        }
        Ok(())
    }

    fn notice(&mut self, now: Moment, peer: &Peer, notice: Notice) {
        match notice {
            Notice::Taken(ticket) => self.calls.taken(peer, ticket.0),
            Notice::Returned(ticket) => {
                self.route(|calls, routing| calls.returned(peer, ticket.0, routing));
            }
            Notice::Voided {
                ticket,
                fate: Fate::NeverTaken,
            } => self.route(|calls, routing| calls.never_taken(now, peer, ticket.0, routing)),
            Notice::Voided {
                ticket,
                fate: Fate::Unknown,
            } => self.route(|calls, routing| calls.unknown(now, peer, ticket.0, routing)),
        }
    }

    fn judged(&mut self, now: Moment, judgement: &Judgement) {
        let peer = Peer {
            node: judgement.node.clone(),
            incarnation: judgement.incarnation,
        };
        let verdict = judgement.verdict;
        let numbers = self.judged_before(judgement);
        self.stand(now, &peer, verdict);
        if verdict.is_gone() {
            self.route(|calls, routing| calls.lost(now, &peer, routing));
        }
        let is_current = |known: &Known| known.incarnation == peer.incarnation;
        let is_known = self.known.get(&peer.node).is_some_and(is_current);
        match verdict {
            Verdict::Alive | Verdict::Suspect | Verdict::Away => {
                if !is_known {
                    let known = Known {
                        incarnation: peer.incarnation,
                        is_told: false,
                        is_expected: false,
                        emitter: self.emitter(&peer),
                        verdict,
                        numbers,
                        added: Added::default(),
                    };
                    if let Some(former) = self.known.insert(peer.node.clone(), known) {
                        self.gone(&Peer {
                            node: peer.node.clone(),
                            incarnation: former.incarnation,
                        });
                    }
                }
                let returns = |known: &Known| is_known && !known.is_told;
                if self.known.get(&peer.node).is_some_and(returns) {
                    // It was forgotten here, and does not know that it has to say again what it wants.
                    self.nodes.wanting_mut().assume_everything(&peer);
                }
                self.introduce(now, &peer);
                self.interest.stands(&peer, verdict == Verdict::Alive);
            }
            Verdict::Lost => self.interest.stands(&peer, false),
            // Names of nodes may be new ones with each start, so that those of old ones must not stay.
            Verdict::Forgotten | Verdict::Left => {
                self.gone(&peer);
                if is_known {
                    self.known.remove(&peer.node);
                }
            }
            Verdict::Barred => {
                self.gone(&peer);
                if is_known && let Some(known) = self.known.get_mut(&peer.node) {
                    known.is_told = false;
                }
            }
        }
    }

    /// Tells operators of a verdict. Returns the numbers of its node.
    fn judged_before(&mut self, judgement: &Judgement) -> Arc<Numbers> {
        let known = self.known.get_mut(&judgement.node);
        let before = match known {
            None => Before::Nothing,
            Some(known) if known.incarnation != judgement.incarnation => Before::FormerStart,
            Some(known) => Before::Verdict(std::mem::replace(&mut known.verdict, judgement.verdict)),
        };
        lines::tell(judgement, before, &self.membership.settings);
        let numbers = self.nodes.numbers.of(&judgement.node);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        numbers
            .judged
            .set(u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
        numbers
    }

    /// Sends the components of this node, and the events that it wants, to one that does not know them.
    fn introduce(&mut self, now: Moment, peer: &Peer) {
        let Some(known) = self.known.get_mut(&peer.node) else {
            return;
        };
        if !std::mem::replace(&mut known.is_told, true) {
            self.send_kept(now, &peer.node, Kind::CATALOGUE, self.catalogue_body.clone());
            self.interest.joined(peer);
        }
    }

    /// A peer never comes back, or begins anew if it does.
    fn gone(&mut self, peer: &Peer) {
        self.serving.gone(peer);
        self.interest.gone(peer);
        self.nodes.wanting_mut().gone(peer);
    }

    fn stand(&mut self, now: Moment, peer: &Peer, verdict: Verdict) {
        let beat = self.member.presence().beat_of(&peer.node);
        let Some(state) = beat.map(|beat| beat.facts.state) else {
            return;
        };
        let standing = Standing { verdict, state };
        if let Err(error) = self.nodes.catalogues().stand(now, peer, standing) {
            tracing::warn!(target: "cluster", node = peer.node.as_str(), "a node has no place: {error}");
        }
    }

    fn facts(&mut self, now: Moment, node: &NodeName) {
        let Some((incarnation, verdict)) = self.member.presence().verdict(node) else {
            return;
        };
        let peer = Peer {
            node: node.clone(),
            incarnation,
        };
        self.stand(now, &peer, verdict);
        let beat = self.member.presence().beat_of(node);
        let facts = beat.map(|beat| (beat.facts.catalogue_revision, beat.facts.catalogue_hash));
        let lacks =
            facts.is_some_and(|(revision, hash)| self.nodes.catalogues().lacks(&peer, revision, hash));
        if lacks {
            self.send_kept(now, node, Kind::CATALOGUE_REQUEST, bytes::Bytes::new());
        }
    }

    /// The membership has ended. A process that only looks older than one which is gone begins anew. Any other one serves on alone.
    fn ended(&mut self, now: Moment, end: End, wire: &mut dyn Wire) {
        self.forget_all(now);
        if let End::Fenced { by } = end
            && let Some(random) = NonZeroU64::new(self.dice.throw())
        {
            tracing::warn!(target: "cluster", "this node begins anew: others know a later start of it");
            self.membership.incarnation = by.after(random);
            self.nodes.set_incarnation(self.membership.incarnation);
            self.member = Member::new(self.membership.clone(), now);
            if wire.state() == Connection::Up {
                self.member.connected(now);
            }
            return;
        }
        match &end {
            End::Left => tracing::info!(target: "cluster", "this node has left the cluster"),
            End::NameTaken { about, .. } => tracing::error!(
                target: "cluster",
                "this node is not in the cluster any more: another host has its name: {about}"
            ),
            End::Fenced { .. } => tracing::error!(
                target: "cluster",
                "this node is not in the cluster any more: a later start of it is there"
            ),
        }
        self.nodes.set_excluded(end != End::Left);
        wire.close();
        self.joined = None;
        if let Some(ended) = self.ended.take() {
            let _ = ended.send(end);
        }
    }

    /// All other nodes are as those that have left.
    fn forget_all(&mut self, now: Moment) {
        for (node, known) in std::mem::take(&mut self.known) {
            let peer = Peer {
                node,
                incarnation: known.incarnation,
            };
            let standing = Standing {
                verdict: Verdict::Left,
                state: State::Left,
            };
            // A node that has a place keeps it.
            let _ = self.nodes.catalogues().stand(now, &peer, standing);
            self.route(|calls, routing| calls.lost(now, &peer, routing));
            self.gone(&peer);
        }
    }
}
