//! Beats as they arrive.
//!
//! Enters: the beats of all nodes, the own ones among them. Leaves: new nodes, verdicts, and whether the own connection is well.
//! Guarantees: a beat counts once; one of a former incarnation never does; nodes beyond the limit are left out.

use super::beat::{Beat, BeatError, Facts, State};
use super::peer::Peer;
use super::{End, Output, Presence, Reason, Verdict};
use crate::identity::NodeName;
use crate::moment::Moment;

/// The most nodes whose beats cannot be read that are remembered, so that each is reported once.
const MOST_UNREADABLE: usize = 64;

impl Presence {
    /// A beat arrived. `is_greeting` is whether it was for this node alone.
    pub fn receive_beat(&mut self, now: Moment, node: &NodeName, bytes: &[u8], is_greeting: bool) {
        self.notice_pause(now);
        if !self.is_member() {
            return;
        }
        let beat = match Beat::read(bytes) {
            Ok(beat) => beat,
            Err(error) => return self.cannot_read(node, error),
        };
        if *node == self.own {
            return self.receive_own(now, &beat);
        }
        match self.peers.get_mut(node) {
            Some(peer) if peer.beat.incarnation == beat.incarnation => self.receive_next(now, node, beat),
            Some(peer) if peer.beat.incarnation > beat.incarnation => {
                let (old, known) = (beat.incarnation, peer.beat.incarnation);
                let node = node.clone();
                self.outputs.push_back(Output::Outdated { node, old, known });
            }
            Some(peer) => {
                let former = peer.beat.incarnation;
                if !peer.verdict.is_gone() {
                    let reason = Reason::Replaced(beat.incarnation);
                    self.say(node, former, Verdict::Lost, reason);
                }
                self.peers.remove(node);
                self.admit(now, node, beat, is_greeting);
            }
            None => {
                if self.make_room(node) {
                    self.admit(now, node, beat, is_greeting);
                }
            }
        }
    }

    fn receive_own(&mut self, now: Moment, beat: &Beat) {
        if beat.incarnation > self.incarnation {
            self.end(End::Fenced { by: beat.incarnation });
        } else if beat.incarnation < self.incarnation {
            let (node, old, known) = (self.own.clone(), beat.incarnation, self.incarnation);
            self.outputs.push_back(Output::Outdated { node, old, known });
        } else {
            self.echoed = now;
            if self.is_connected && self.alone.is_some_and(|until| beat.number >= until.beat) {
                self.alone = None;
                for peer in self.peers.values_mut() {
                    peer.count_anew(now);
                }
                self.peers_at = Some(now);
                self.outputs.push_back(Output::Together);
            }
        }
    }

    fn receive_next(&mut self, now: Moment, node: &NodeName, beat: Beat) {
        let Some(peer) = self.peers.get_mut(node) else {
            return;
        };
        if peer.verdict.is_final() || beat.number <= peer.beat.number {
            return;
        }
        let incarnation = beat.incarnation;
        if beat.facts.state == State::Left {
            peer.beat = beat;
            peer.become_(now, Verdict::Left);
            return self.say(node, incarnation, Verdict::Left, Reason::Goodbye);
        }
        let tells_news = is_other(&peer.beat.facts, &beat.facts);
        let is_back = peer.hear(now, beat.sent);
        peer.beat = beat;
        if is_back {
            self.say(node, incarnation, Verdict::Alive, Reason::Heard);
            self.peers_at = Some(now);
        }
        if tells_news {
            self.outputs.push_back(Output::Facts(node.clone()));
        }
    }

    fn admit(&mut self, now: Moment, node: &NodeName, beat: Beat, is_greeting: bool) {
        if beat.facts.state == State::Left {
            return;
        }
        let incarnation = beat.incarnation;
        self.unreadable.remove(node);
        self.peers.insert(node.clone(), Peer::new(beat, now));
        self.peers_at = Some(now);
        self.say(node, incarnation, Verdict::Alive, Reason::Heard);
        if !is_greeting {
            let greeting = self.next_beat(now);
            self.outputs.push_back(Output::Greet(node.clone(), greeting));
        }
    }

    fn make_room(&mut self, node: &NodeName) -> bool {
        if self.peers.len() < self.settings.most_nodes {
            return true;
        }
        let is_over = |peer: &Peer| matches!(peer.verdict, Verdict::Forgotten | Verdict::Left);
        let over = self.peers.iter().filter(|(_, peer)| is_over(peer));
        let first = over
            .min_by_key(|(_, peer)| peer.since)
            .map(|(name, _)| name.clone());
        if let Some(name) = &first {
            self.peers.remove(name);
            self.outputs.push_back(Output::Evicted(name.clone()));
        } else {
            self.outputs.push_back(Output::NoRoom(node.clone()));
        }
        first.is_some()
    }

    fn cannot_read(&mut self, node: &NodeName, error: BeatError) {
        let is_known = self.unreadable.get(node) == Some(&error);
        let has_room = self.unreadable.len() < MOST_UNREADABLE || self.unreadable.contains_key(node);
        if !is_known && has_room {
            self.unreadable.insert(node.clone(), error.clone());
            self.outputs.push_back(Output::Unreadable(node.clone(), error));
        }
    }
}

/// Whether facts differ in what others must know at once.
pub(super) fn is_other(one: &Facts, other: &Facts) -> bool {
    one.state != other.state
        || one.catalogue_revision != other.catalogue_revision
        || one.catalogue_hash != other.catalogue_hash
        || one.message_bytes != other.message_bytes
}
