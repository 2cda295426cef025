//! A node in its cluster: presence, and a link to each other node.
//!
//! Enters: messages, returns, connections lost and found, messages for others, the time. Leaves: all of [`Output`]; the moment of the next
//! turn. Guarantees: those of [`crate::presence`] and [`crate::link`]; a message counts only if it comes from the
//! incarnation that presence knows under the name in its subject, and is for this incarnation.
//!
//! A caller hands in all that has happened, then takes outputs until there is none. So messages that were handed in together share
//! batches. It comes back at `next_deadline`, or earlier with something new.

mod conversation;
mod hearing;
mod output;

pub use output::{Output, Publication};

use crate::batch::{Head, Numbered};
use crate::frame::{self, Kind, Written};
use crate::identity::{ClusterName, Incarnation, Mark, NodeName};
use crate::link::{self, Ends, Fate, Limits, Link, Outgoing, Refusal, Ticket};
use crate::moment::{Moment, earlier};
use crate::presence::beat::Facts;
use crate::presence::{self, Judgement, Presence, Reason, Settings, Verdict};
use crate::subjects::{Attempt, Subjects};
use bytes::{BufMut, Bytes, BytesMut};
use conversation::Conversation;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// The longest text that a node says of itself to another one of its name.
const LONGEST_ABOUT: usize = 256;

/// Everything that a member begins with.
#[derive(Clone, Debug)]
pub struct Membership {
    /// The cluster.
    pub cluster: ClusterName,
    /// The own name.
    pub node: NodeName,
    /// This start.
    pub incarnation: Incarnation,
    /// Where this process is, for another one that wants the same name: host, process, since when.
    pub about: String,
    /// The times of presence.
    pub settings: Settings,
    /// The limits of each link. The lease is that of the settings.
    pub limits: Limits,
    /// The first facts.
    pub facts: Facts,
}

/// Messages that did not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ignored {
    /// They could not be read.
    pub damaged: u64,
    /// They came from or were for an incarnation that does not count.
    pub strange: u64,
}

/// A node in its cluster.
#[derive(Debug)]
pub struct Member {
    subjects: Subjects,
    node: NodeName,
    own: Mark,
    about: String,
    limits: Limits,
    beat: Arc<str>,
    presence: Presence,
    conversations: BTreeMap<NodeName, Conversation>,
    touched: VecDeque<NodeName>,
    links: u32,
    hellos: u32,
    is_connected: bool,
    has_ended: bool,
    /// Until when links may be worked off before the goodbye.
    leaves_by: Option<Moment>,
    ignored: Ignored,
    outputs: VecDeque<Output>,
}

impl Member {
    /// A member that begins when it is connected.
    pub fn new(membership: Membership, now: Moment) -> Member {
        let Membership {
            cluster,
            node,
            incarnation,
            about,
            settings,
            limits,
            facts,
        } = membership;
        let subjects = Subjects::new(&cluster);
        let limits = Limits {
            lease: settings.lease(),
            ..limits
        };
        let message_bytes = facts.message_bytes.min(limits.message_bytes as u64);
        let facts = Facts {
            message_bytes,
            ..facts
        };
        let first = [subjects.beats(), subjects.attempts(&node)];
        Member {
            own: incarnation.mark(),
            beat: subjects.beat(&node).into(),
            about: about.chars().take(LONGEST_ABOUT / 4).collect(),
            limits,
            presence: Presence::new(node.clone(), incarnation, settings, facts, now),
            node,
            subjects,
            conversations: BTreeMap::new(),
            touched: VecDeque::new(),
            links: 0,
            hellos: 0,
            is_connected: false,
            has_ended: false,
            leaves_by: None,
            ignored: Ignored::default(),
            outputs: first.into_iter().map(Output::Subscribe).collect(),
        }
    }

    /// The nodes, as this one sees them.
    pub fn presence(&self) -> &Presence {
        &self.presence
    }

    /// The numbers of the link to a node.
    pub fn counts(&self, node: &NodeName) -> Option<link::Counts> {
        self.conversations
            .get(node)
            .map(|conversation| conversation.link.counts())
    }

    /// Messages that did not count.
    pub fn ignored(&self) -> Ignored {
        self.ignored
    }

    /// Whether everything that was sent to a node is acknowledged.
    pub fn is_idle(&self, node: &NodeName) -> bool {
        let conversation = self.conversations.get(node);
        conversation.is_none_or(|conversation| conversation.link.is_idle())
    }

    /// The connection was made.
    pub fn connected(&mut self, now: Moment) {
        self.connection(true);
        self.presence.connected(now);
        self.settle(now);
    }

    /// The connection was lost.
    pub fn disconnected(&mut self, now: Moment) {
        self.connection(false);
        self.presence.disconnected(now);
        self.settle(now);
    }

    fn connection(&mut self, is_connected: bool) {
        self.is_connected = is_connected;
        for (node, conversation) in &mut self.conversations {
            conversation.link.connected(is_connected);
            conversation.touch(node, &mut self.touched);
        }
    }

    /// Takes a message for another node.
    pub fn send(&mut self, now: Moment, node: &NodeName, message: Outgoing) -> Result<(), Refusal> {
        let conversation = self.conversations.get_mut(node).ok_or(Refusal::Closed)?;
        conversation.link.send(now, message)?;
        conversation.touch(node, &mut self.touched);
        Ok(())
    }

    /// Events for a node were dropped before they came here. It is told how many.
    pub fn dropped(&mut self, node: &NodeName, events: u64) {
        if let Some(conversation) = self.conversations.get_mut(node) {
            conversation.link.dropped(events);
            conversation.touch(node, &mut self.touched);
        }
    }

    /// Bars a node that broke the rules in what it said. It is told why, and what it has said besides is not delivered any more.
    pub fn bar(&mut self, now: Moment, node: &NodeName, reason: &str) {
        self.outputs
            .retain(|output| !matches!(output, Output::Delivered { from, .. } if from == node));
        if let Some(conversation) = self.conversations.get_mut(node) {
            conversation.link.close(Some(reason.to_owned()));
            conversation.take_outputs(node, &mut self.outputs);
            conversation.touch(node, &mut self.touched);
        }
        self.presence.bar(now, node);
        self.settle(now);
    }

    /// Takes a call back, so that it is not sent again. Returns nothing if it was acknowledged, or is not on its way to this node.
    /// An attempt that is under way may still be taken, but not later than a lease after the last sign of life of the node.
    pub fn withdraw(&mut self, node: &NodeName, ticket: Ticket) -> Option<Fate> {
        self.conversations.get_mut(node)?.link.withdraw(ticket)
    }

    /// Withdraws a call that the node has never had. One that it may have stays on its way. Says whether it was withdrawn.
    pub fn withdraw_untaken(&mut self, node: &NodeName, ticket: Ticket) -> bool {
        let conversation = self.conversations.get_mut(node);
        conversation.is_some_and(|conversation| conversation.link.withdraw_untaken(ticket))
    }

    /// Whether calls wait for answers of a node. Its silence is looked at then.
    pub fn expect_answers(&mut self, node: &NodeName, expects_answers: bool) {
        if let Some(conversation) = self.conversations.get_mut(node) {
            conversation.link.expect_answers(expects_answers);
        }
    }

    /// Tells other facts of this node than before.
    pub fn tell(&mut self, now: Moment, facts: Facts) {
        let message_bytes = facts.message_bytes.min(self.limits.message_bytes as u64);
        self.presence.tell(
            now,
            Facts {
                message_bytes,
                ..facts
            },
        );
        self.settle(now);
    }

    /// The wall clock that the next beats carry, in milliseconds.
    pub fn set_wall_clock(&mut self, wall_clock: u64) {
        self.presence.set_wall_clock(wall_clock);
    }

    /// Says goodbye when all links are worked off, or at the given moment. The caller has told before that this node is draining.
    pub fn leave(&mut self, by: Moment) {
        self.leaves_by = Some(by);
    }

    /// Does what time brings about.
    pub fn turn(&mut self, now: Moment) {
        self.presence.turn(now);
        self.settle(now);
        for (node, conversation) in &mut self.conversations {
            if conversation.link.next_deadline().is_some_and(|at| at <= now) {
                conversation.touch(node, &mut self.touched);
            }
        }
    }

    /// The moment of the next turn.
    pub fn next_deadline(&self) -> Option<Moment> {
        if self.has_ended {
            return None;
        }
        let links = self.conversations.values();
        let of_links = links
            .filter_map(|conversation| conversation.link.next_deadline())
            .min();
        earlier(earlier(self.presence.next_deadline(), of_links), self.leaves_by)
    }

    /// The next output. Called until there is none.
    pub fn poll_output(&mut self, now: Moment) -> Option<Output> {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return Some(output);
            }
            if self.has_ended {
                return None;
            }
            if let Some(node) = self.touched.pop_front() {
                self.look_at(now, node);
            } else if self.leaves_by.is_some_and(|by| now >= by || self.is_worked_off()) {
                self.leaves_by = None;
                self.presence.leave(now);
                self.settle(now);
            } else {
                return None;
            }
        }
    }

    /// Takes from a link what it has. It stays touched while it has something to publish.
    fn look_at(&mut self, now: Moment, node: NodeName) {
        let Some(conversation) = self.conversations.get_mut(&node) else {
            return;
        };
        conversation.is_touched = false;
        conversation.take_outputs(&node, &mut self.outputs);
        if let Some(transmission) = conversation.link.poll_transmission(now) {
            let reply = transmission.returns_as.map(|(batch, before)| {
                let attempt = Attempt {
                    sender: self.own,
                    link: conversation.number,
                    batch,
                    before,
                };
                self.subjects.attempt(&self.node, attempt)
            });
            self.outputs.push_back(Output::Publish(Publication {
                subject: conversation.inbox.clone(),
                reply,
                payload: transmission.payload,
            }));
            conversation.is_touched = true;
            self.touched.push_front(node);
        }
    }

    fn is_worked_off(&self) -> bool {
        self.conversations.iter().all(|(node, conversation)| {
            let verdict = self.presence.verdict(node);
            conversation.link.is_idle() || verdict.is_none_or(|(_, verdict)| verdict.is_gone())
        })
    }

    /// Carries out what presence wants.
    fn settle(&mut self, now: Moment) {
        while let Some(output) = self.presence.poll_output() {
            self.carry_out(now, output);
        }
    }

    fn carry_out(&mut self, now: Moment, wish: presence::Output) {
        use presence::Output as Wish;
        let output = match wish {
            Wish::Hello => return self.hello(now),
            Wish::Joined => Output::Subscribe(self.subjects.inboxes(&self.node)),
            Wish::Beat(payload) => Output::Publish(Publication {
                subject: self.beat.clone(),
                reply: None,
                payload,
            }),
            Wish::Greet(node, beat) => {
                let to = self.presence.verdict(&node);
                let to = to.map_or(Mark::NOBODY, |(incarnation, _)| incarnation.mark());
                self.beside_links(now, &node, to, Written::whole(Kind::GREETING, &[beat]))
            }
            Wish::Outdated { node, old, known } => {
                let body = Bytes::copy_from_slice(&known.to_bytes());
                self.beside_links(now, &node, old.mark(), Written::whole(Kind::OUTDATED, &[body]))
            }
            Wish::Probe(node) => {
                if let Some(conversation) = self.conversations.get_mut(&node) {
                    conversation.link.probe();
                    conversation.touch(&node, &mut self.touched);
                }
                return;
            }
            Wish::Verdict(judgement) => {
                self.follow(now, &judgement);
                Output::Verdict(judgement)
            }
            Wish::Facts(node) => Output::Facts(node),
            Wish::Alone(why) => Output::Alone(why),
            Wish::Together => Output::Together,
            Wish::Unreadable(node, error) => Output::Unreadable(node, error),
            Wish::Evicted(node) => {
                self.conversations.remove(&node);
                return;
            }
            Wish::NoRoom(node) => Output::NoRoom(node),
            Wish::Ended(end) => {
                self.has_ended = true;
                for (node, conversation) in &mut self.conversations {
                    conversation.close(node, &mut self.outputs);
                }
                Output::Ended(end)
            }
        };
        self.outputs.push_back(output);
    }

    /// Does to a link what a verdict asks for.
    fn follow(&mut self, now: Moment, judgement: &Judgement) {
        let Judgement {
            node,
            incarnation,
            verdict,
            reason,
        } = judgement;
        let known = self.conversations.get_mut(node);
        let Some(conversation) = known.filter(|conversation| conversation.incarnation == *incarnation) else {
            if !verdict.is_gone() {
                self.begin(now, node, *incarnation);
            }
            return;
        };
        match verdict {
            Verdict::Alive | Verdict::Suspect | Verdict::Away => {}
            Verdict::Lost if matches!(reason, Reason::Replaced(_)) => conversation.link.close(None),
            Verdict::Lost => conversation.link.void(),
            Verdict::Forgotten => conversation.link.forget(),
            Verdict::Left => conversation.link.close(None),
            // The link has closed itself, and tells why.
            Verdict::Barred => {}
        }
        conversation.take_outputs(node, &mut self.outputs);
        conversation.touch(node, &mut self.touched);
    }

    /// A link to an incarnation that is new, in the place of that to the former one.
    fn begin(&mut self, now: Moment, node: &NodeName, incarnation: Incarnation) {
        let theirs = self.presence.beat_of(node).map(|beat| beat.facts.message_bytes);
        let theirs = theirs
            .and_then(|bytes| usize::try_from(bytes).ok())
            .unwrap_or(usize::MAX);
        let limits = Limits {
            message_bytes: self.limits.message_bytes.min(theirs),
            ..self.limits
        };
        let ends = Ends {
            own: self.own,
            peer: incarnation.mark(),
        };
        let mut link = Link::new(ends, limits, now);
        link.connected(self.is_connected);
        self.links += 1;
        let conversation = Conversation {
            incarnation,
            link,
            number: self.links,
            inbox: self.subjects.inbox(node, &self.node).into(),
            is_touched: false,
        };
        if let Some(mut former) = self.conversations.insert(node.clone(), conversation) {
            former.close(node, &mut self.outputs);
        }
    }

    /// Asks for the own name.
    fn hello(&mut self, now: Moment) {
        let attempt = Attempt {
            sender: self.own,
            link: 0,
            batch: 0,
            before: self.hellos,
        };
        self.hellos = self.hellos.wrapping_add(1);
        let reply = self.subjects.attempt(&self.node, attempt);
        self.outputs.push_back(Output::Publish(Publication {
            subject: self.subjects.inbox(&self.node, &self.node).into(),
            reply: Some(reply),
            payload: self.message(now, Mark::NOBODY, Written::whole(Kind::HELLO, &[])),
        }));
    }

    /// Tells another process that wants the own name about this one.
    fn here(&mut self, now: Moment, to: Mark, reply: &str) {
        let mut body = BytesMut::from(&self.presence.incarnation().to_bytes()[..]);
        body.put_slice(self.about.as_bytes());
        let payload = self.message(now, to, Written::whole(Kind::HERE, &[body.freeze()]));
        self.outputs.push_back(Output::Publish(Publication {
            subject: reply.into(),
            reply: None,
            payload,
        }));
    }

    fn beside_links(&self, now: Moment, node: &NodeName, to: Mark, frame: Written<'_>) -> Output {
        Output::Publish(Publication {
            subject: self.subjects.inbox(node, &self.node).into(),
            reply: None,
            payload: self.message(now, to, frame),
        })
    }

    fn message(&self, now: Moment, to: Mark, frame: Written<'_>) -> Bytes {
        let head = Head {
            numbered: Numbered::Beside(0),
            sent: now.millis(),
            from: self.own,
            to,
            acknowledged: 0,
            valid_until: 0,
        };
        let mut message = head.write(512);
        frame::write(&mut message, &frame);
        message.freeze()
    }
}
