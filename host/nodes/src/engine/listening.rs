//! Events between nodes, and who wants them.
//!
//! Enters: subscriptions of this node, differences and events of others. Leaves: the same for others, answers of subscriptions,
//! publications. Guarantees: events of a node arrive in their order, and before the answers that it sent after them.

use super::Engine;
use crate::events;
use crate::queue::Listening;
use mesh_cluster::frame::Kind;
use mesh_cluster::interest::{Frame, Output};
use mesh_cluster::link::{Class, Delivered, Outgoing};
use mesh_cluster::moment::Moment;
use mesh_cluster::peer::Peer;
use mesh_plugin::{Emitter, Identity};
use mesh_session::{After, InFlight};

impl Engine {
    pub(super) fn listen(&mut self, now: Moment, listening: &Listening, until: Option<InFlight>) {
        self.interest.subscribe(now, &listening.subscribed(), until);
    }

    pub(super) fn listen_no_more(&mut self, listening: &Listening) {
        self.interest.unsubscribe(&listening.subscribed());
    }

    /// Carries out what follows from subscriptions. Says whether something did.
    pub(super) fn tell_interest(&mut self, now: Moment) -> bool {
        let mut has_worked = false;
        while let Some(output) = self.interest.poll() {
            has_worked = true;
            match output {
                Output::Send { peer, body } => self.send_kept(now, &peer.node, Kind::INTEREST, body),
                // Its answer leaves when this is dropped.
                Output::Answer(until) => drop(until),
            }
        }
        has_worked
    }

    /// Takes what another node wants, or knows of this one's wishes.
    pub(super) fn receive_interest(
        &mut self,
        now: Moment,
        peer: &Peer,
        message: &Delivered,
    ) -> Result<(), String> {
        match Frame::read(&message.body).map_err(|error| error.to_string())? {
            Frame::Acknowledged(revision) => self.interest.acknowledged(peer, revision),
            Frame::Difference(difference) => {
                let taken = self.nodes.wanting_mut().receive(peer, &difference);
                let revision = taken.map_err(|error| error.to_string())?;
                if let Some(revision) = revision {
                    let body = Frame::Acknowledged(revision).write();
                    self.send_kept(now, &peer.node, Kind::INTEREST, body);
                }
            }
        }
        Ok(())
    }

    /// Sends an event to those that want it. A full link drops it, counts it and tells so.
    pub(super) fn publish(&mut self, now: Moment, peers: &[Peer], body: &bytes::Bytes) {
        for peer in peers {
            let outgoing = Outgoing {
                kind: Kind::EVENT,
                class: Class::Event,
                pieces: [body.clone(), bytes::Bytes::new()],
            };
            match (
                self.member.send(now, &peer.node, outgoing),
                self.known.get(&peer.node),
            ) {
                (Ok(()), Some(known)) => known.numbers.events_sent.add(1),
                (Ok(()), None) => {}
                (Err(refusal), _) => tracing::debug!(
                    target: "cluster",
                    node = peer.node.as_str(),
                    "an event was not sent: {refusal}"
                ),
            }
        }
    }

    pub(super) fn receive_event(&mut self, peer: &Peer, message: &Delivered) -> Result<(), String> {
        let published = events::publish(&self.mesh, &message.body)?;
        if let Some(known) = self.known.get(&peer.node) {
            known.emitter.published(published.after);
            known.numbers.events_received.add(1);
        }
        Ok(())
    }

    /// The events of a node that its answers leave behind.
    pub(super) fn unwritten(&self, peer: &Peer) -> Option<After> {
        self.known.get(&peer.node)?.emitter.unwritten()
    }

    /// Another node, as somebody who emits events here.
    pub(super) fn emitter(&self, peer: &Peer) -> Emitter {
        Emitter::new(Identity {
            mesh: self.mesh.name().to_owned(),
            domain: self.mesh.domain().to_owned(),
            component: peer.node.to_string(),
            version: String::new(),
            number: 0,
        })
    }
}
