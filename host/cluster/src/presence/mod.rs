//! Which nodes are there, in the eyes of one of them.
//!
//! Enters: beats, signs of life, returns, connections lost and found, the time. Leaves: beats, probes, verdicts, the end of the membership,
//! the moment of the next turn. Guarantees:
//! - A verdict is this node's own, and asks nobody. Nothing but routing may follow from it.
//! - An incarnation that was replaced, has left or is barred never counts again.
//! - Nobody is judged while the own connection is not well: until a beat of this node has come back to it. Times count anew from there.
//! - Of two incarnations of one name the later one stays.
//! - The table of nodes is bounded.

pub mod beat;
mod hearing;
mod output;
mod peer;
mod settings;
#[cfg(test)]
mod tests;
mod verdict;

pub use output::Output;
pub use settings::Settings;
pub use verdict::{Alone, End, Judgement, Reason, Verdict};

use crate::identity::{Incarnation, Mark, NodeName};
use crate::moment::{Moment, earlier};
use beat::{Beat, BeatError, Facts, PROTOCOL, State};
use bytes::Bytes;
use hearing::is_other;
use peer::{Peer, Turn};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// A lateness below this is not told.
const TOLD_LATENESS: Duration = Duration::from_millis(500);
/// The question for the own name is repeated this often, since it may be lost.
const ASK_EVERY: Duration = Duration::from_millis(250);
/// Where the own node stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    /// It asks whether somebody has its name.
    Asking { until: Option<Moment>, again: Moment },
    /// It is a member.
    Member,
    /// It is none any more.
    Ended,
}

/// Why nobody is judged, and which own beat ends that.
#[derive(Clone, Copy, Debug)]
struct Until {
    beat: u64,
}

/// The nodes, in the eyes of this one.
#[derive(Debug)]
pub struct Presence {
    settings: Settings,
    own: NodeName,
    incarnation: Incarnation,
    facts: Facts,
    standing: Standing,
    is_connected: bool,
    alone: Option<Until>,
    beats: u64,
    beat_at: Moment,
    /// When one of the own beats was heard last.
    echoed: Moment,
    late: Duration,
    turned: Moment,
    wall_clock: u64,
    peers: BTreeMap<NodeName, Peer>,
    unreadable: BTreeMap<NodeName, BeatError>,
    /// The earliest deadline of all peers when it was looked for. It may have become later.
    peers_at: Option<Moment>,
    outputs: VecDeque<Output>,
}

impl Presence {
    /// A node that begins to ask for its name as soon as it is connected.
    pub fn new(
        own: NodeName,
        incarnation: Incarnation,
        settings: Settings,
        facts: Facts,
        now: Moment,
    ) -> Presence {
        // Without time between them, beats would never end.
        let beat = settings.beat.max(Duration::from_millis(1));
        Presence {
            settings: Settings { beat, ..settings },
            own,
            incarnation,
            facts,
            standing: Standing::Asking {
                until: None,
                again: now,
            },
            is_connected: false,
            alone: Some(Until { beat: 1 }),
            beats: 0,
            beat_at: now,
            echoed: now,
            late: Duration::ZERO,
            turned: now,
            wall_clock: 0,
            peers: BTreeMap::new(),
            unreadable: BTreeMap::new(),
            peers_at: None,
            outputs: VecDeque::new(),
        }
    }

    /// The own incarnation.
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// Whether the own name was found free, and the membership has not ended.
    pub fn is_member(&self) -> bool {
        self.standing == Standing::Member
    }

    /// Whether nobody is judged.
    pub fn is_alone(&self) -> bool {
        self.alone.is_some()
    }

    /// The incarnation of a node that counts, with the verdict.
    pub fn verdict(&self, node: &NodeName) -> Option<(Incarnation, Verdict)> {
        self.peers
            .get(node)
            .map(|peer| (peer.beat.incarnation, peer.verdict))
    }

    /// The last beat of a node.
    pub fn beat_of(&self, node: &NodeName) -> Option<&Beat> {
        self.peers.get(node).map(|peer| &peer.beat)
    }

    /// All known nodes with incarnation and verdict, in the order of names.
    pub fn nodes(&self) -> impl Iterator<Item = (&NodeName, Incarnation, Verdict)> {
        self.peers
            .iter()
            .map(|(node, peer)| (node, peer.beat.incarnation, peer.verdict))
    }

    /// Tells other facts of the own node than before. A change of the state or of the catalogue is told at once, and one of the load with the next beat.
    pub fn tell(&mut self, now: Moment, facts: Facts) {
        let is_urgent = is_other(&self.facts, &facts);
        self.facts = facts;
        if is_urgent && self.is_member() {
            self.beat(now);
        }
    }

    /// The wall clock that the next beats carry, in milliseconds.
    pub fn set_wall_clock(&mut self, wall_clock: u64) {
        self.wall_clock = wall_clock;
    }

    /// The connection was made.
    pub fn connected(&mut self, now: Moment) {
        self.turn(now);
        self.is_connected = true;
        match &mut self.standing {
            Standing::Asking { until, again } => {
                *until = Some(now + self.settings.lease());
                *again = now;
            }
            Standing::Member => self.beat(now),
            Standing::Ended => {}
        }
        self.turn(now);
    }

    /// The connection was lost.
    pub fn disconnected(&mut self, now: Moment) {
        self.turn(now);
        self.is_connected = false;
        self.be_alone(Alone::Disconnected);
    }

    /// The question for the own name came back: nobody has it.
    pub fn hello_returned(&mut self, now: Moment) {
        if matches!(self.standing, Standing::Asking { until: Some(_), .. }) {
            self.join(now);
        }
    }

    /// Another process answered the question for the own name.
    pub fn hello_answered(&mut self, by: Incarnation, about: String) {
        if matches!(self.standing, Standing::Asking { .. }) && by != self.incarnation {
            self.end(End::NameTaken { by, about });
        }
    }

    /// A later incarnation of the own name is known elsewhere.
    pub fn outdated(&mut self, by: Incarnation) {
        if self.is_member() && by > self.incarnation {
            self.end(End::Fenced { by });
        }
    }

    /// Says goodbye. The caller has told before that it is draining, and has waited for its links.
    pub fn leave(&mut self, now: Moment) {
        if self.is_member() {
            self.facts.state = State::Left;
            self.beat(now);
            self.end(End::Left);
        }
    }

    /// Whether messages of this incarnation count now.
    pub fn counts(&self, node: &NodeName, mark: Mark) -> bool {
        let peer = self.peers.get(node);
        self.is_member()
            && peer.is_some_and(|peer| peer.beat.incarnation.mark() == mark && !peer.verdict.is_final())
    }

    /// A message of the incarnation that counts arrived, with the sender's milliseconds.
    pub fn heard(&mut self, now: Moment, node: &NodeName, sent: u64) {
        self.notice_pause(now);
        let Some(peer) = self.peers.get_mut(node) else {
            return;
        };
        if peer.hear(now, sent) {
            let incarnation = peer.beat.incarnation;
            self.say(node, incarnation, Verdict::Alive, Reason::Heard);
            self.peers_at = Some(now);
        }
    }

    /// A message to a node came back, since nobody listens to its inbox.
    pub fn returned(&mut self, now: Moment, node: &NodeName) {
        self.turn(now);
        if self.is_alone() {
            return;
        }
        let Some(peer) = self.peers.get_mut(node) else {
            return;
        };
        if peer.message_returned(now) {
            let incarnation = peer.beat.incarnation;
            self.say(node, incarnation, Verdict::Away, Reason::Returned);
        }
        self.peers_at = Some(now);
    }

    /// A node broke the rules: nothing of this incarnation counts any more.
    pub fn bar(&mut self, now: Moment, node: &NodeName) {
        let Some(peer) = self.peers.get_mut(node) else {
            return;
        };
        if !peer.verdict.is_final() {
            peer.become_(now, Verdict::Barred);
            let incarnation = peer.beat.incarnation;
            self.say(node, incarnation, Verdict::Barred, Reason::BrokeRules);
        }
    }

    /// Does what time brings about.
    pub fn turn(&mut self, now: Moment) {
        self.notice_pause(now);
        match &mut self.standing {
            Standing::Asking { until: None, .. } | Standing::Ended => return,
            Standing::Asking {
                until: Some(until),
                again,
            } => {
                if !self.is_connected {
                    return;
                }
                if now >= *until {
                    return self.join(now);
                }
                if now >= *again {
                    *again = now + ASK_EVERY;
                    self.outputs.push_back(Output::Hello);
                }
                return;
            }
            Standing::Member => {}
        }
        let is_unheard = now.since(self.echoed) >= self.settings.suspect();
        if is_unheard && self.is_connected && self.alone.is_none() {
            self.be_alone(Alone::Unheard);
        }
        if now >= self.beat_at {
            self.late = self.late.max(now.since(self.beat_at));
            self.beat(now);
        }
        if self.alone.is_none() && self.peers_at.is_some_and(|at| at <= now) {
            self.judge(now);
        }
    }

    /// Looks whether this node has not run for long. Deadlines are never further away than a beat.
    fn notice_pause(&mut self, now: Moment) {
        let gap = now.since(self.turned);
        self.turned = self.turned.max(now);
        match &mut self.standing {
            // Nobody listened to answers meanwhile.
            Standing::Asking {
                until: Some(until), ..
            } if gap > ASK_EVERY * 2 => *until = now + self.settings.lease(),
            Standing::Member if gap > self.settings.beat * 2 => self.be_alone(Alone::Paused),
            _ => {}
        }
    }

    fn judge(&mut self, now: Moment) {
        let mut next = None;
        for (node, peer) in &mut self.peers {
            while let Some(turn) = peer.turn(now, &self.settings) {
                let node = node.clone();
                self.outputs.push_back(match turn {
                    Turn::Probe => Output::Probe(node),
                    Turn::Changed(verdict, reason) => Output::Verdict(Judgement {
                        node,
                        incarnation: peer.beat.incarnation,
                        verdict,
                        reason,
                    }),
                });
            }
            next = earlier(next, peer.next_deadline(&self.settings));
        }
        self.peers_at = next;
    }

    /// The moment of the next turn.
    pub fn next_deadline(&self) -> Option<Moment> {
        match self.standing {
            Standing::Asking { until, again } if self.is_connected => until.map(|until| until.min(again)),
            Standing::Asking { .. } | Standing::Ended => None,
            Standing::Member => {
                let peers_at = self.peers_at.filter(|_| self.alone.is_none());
                earlier(Some(self.beat_at), peers_at)
            }
        }
    }

    /// The next thing that presence wants or tells.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn join(&mut self, now: Moment) {
        self.standing = Standing::Member;
        self.echoed = now;
        self.outputs.push_back(Output::Joined);
        self.outputs.push_back(Output::Alone(Alone::Starting));
        self.beat(now);
    }

    fn end(&mut self, end: End) {
        self.standing = Standing::Ended;
        self.outputs.push_back(Output::Ended(end));
    }

    fn be_alone(&mut self, why: Alone) {
        if !self.is_member() {
            return;
        }
        if self.alone.is_none() {
            self.outputs.push_back(Output::Alone(why));
        }
        // Only a beat that is sent from now on shows that messages get through, and that the old ones have been read.
        self.alone = Some(Until { beat: self.beats + 1 });
    }

    fn beat(&mut self, now: Moment) {
        self.beat_at = now + self.settings.beat;
        if self.is_connected {
            let beat = self.next_beat(now);
            self.late = Duration::ZERO;
            self.outputs.push_back(Output::Beat(beat));
        }
    }

    /// A beat with a new number.
    fn next_beat(&mut self, now: Moment) -> Bytes {
        self.beats += 1;
        let beat = Beat {
            protocol: PROTOCOL,
            incarnation: self.incarnation,
            number: self.beats,
            sent: now.millis(),
            wall_clock: self.wall_clock,
            late: Some(self.late)
                .filter(|late| *late > TOLD_LATENESS)
                .unwrap_or_default(),
            facts: self.facts.clone(),
        };
        beat.write()
    }

    fn say(&mut self, node: &NodeName, incarnation: Incarnation, verdict: Verdict, reason: Reason) {
        self.outputs.push_back(Output::Verdict(Judgement {
            node: node.clone(),
            incarnation,
            verdict,
            reason,
        }));
    }
}
