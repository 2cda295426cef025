//! Messages as they arrive.
//!
//! Enters: a message with its subject, or a subject on which something came back. Leaves: calls of presence and of the link that it
//! belongs to. Guarantees: the name in the subject is the sender's, since the server lets only that node publish there; everything else
//! in a message is checked.

use super::{Member, Output};
use crate::batch::{Head, Numbered};
use crate::frame::{Frame, Frames, Kind};
use crate::identity::{Incarnation, NodeName};
use crate::moment::Moment;
use crate::subjects::{Attempt, Subject};
use crate::wire::Message;

impl Member {
    /// Takes a message.
    pub fn receive(&mut self, now: Moment, message: Message) {
        if self.has_ended {
            return;
        }
        let subject = std::str::from_utf8(&message.subject).ok();
        match subject.map(|subject| self.subjects.read(subject)) {
            Some(Ok(Subject::Beat(node))) => self.receive_beat(now, &node, &message.payload, false),
            Some(Ok(Subject::Inbox { to, from })) if to == self.node => {
                self.receive_letter(now, &from, message)
            }
            Some(Ok(Subject::Return { to, attempt })) if to == self.node => {
                self.receive_answer(now, attempt, message)
            }
            _ => self.ignored.damaged += 1,
        }
        self.settle(now);
    }

    /// Takes the subject on which something came back, since nobody listened.
    pub fn returned(&mut self, now: Moment, subject: &[u8]) {
        if self.has_ended {
            return;
        }
        let subject = std::str::from_utf8(subject).ok();
        let Some(Ok(Subject::Return { to, attempt })) = subject.map(|subject| self.subjects.read(subject))
        else {
            self.ignored.damaged += 1;
            return;
        };
        if to != self.node || attempt.sender != self.own {
            self.ignored.strange += 1;
            return;
        }
        if attempt.link == 0 {
            self.presence.hello_returned(now);
            return self.settle(now);
        }
        let mut conversations = self.conversations.iter_mut();
        let Some((node, conversation)) = conversations.find(|(_, it)| it.number == attempt.link) else {
            self.ignored.strange += 1;
            return;
        };
        conversation.link.returned(attempt.batch, attempt.before);
        conversation.touch(node, &mut self.touched);
        self.presence.returned(now, node);
        self.settle(now);
    }

    fn receive_beat(&mut self, now: Moment, node: &NodeName, beat: &[u8], is_greeting: bool) {
        self.presence.receive_beat(now, node, beat, is_greeting);
        self.settle(now);
        // A link makes leases from signs of life, so beats keep those of idle links.
        let heard = self
            .presence
            .beat_of(node)
            .map(|beat| (beat.incarnation, beat.sent));
        if let (Some((incarnation, sent)), Some(conversation)) = (heard, self.conversations.get_mut(node))
            && conversation.incarnation == incarnation
        {
            conversation.link.heard_beat(now, sent);
            conversation.touch(node, &mut self.touched);
        }
    }

    fn receive_letter(&mut self, now: Moment, from: &NodeName, message: Message) {
        let bytes = message.payload.len();
        let Ok((head, frames)) = Head::read(message.payload) else {
            self.ignored.damaged += 1;
            return;
        };
        if *from == self.node && self.is_hello(&head, &frames) {
            let reply = message
                .reply
                .as_deref()
                .and_then(|reply| std::str::from_utf8(reply).ok());
            let is_own = |reply: &&str| matches!(self.subjects.read(reply), Ok(Subject::Return { to, .. }) if to == self.node);
            match reply.filter(is_own) {
                Some(reply) => self.here(now, head.from, reply),
                None => self.ignored.damaged += 1,
            }
            return;
        }
        if head.to != self.own {
            self.ignored.strange += 1;
            return;
        }
        if matches!(head.numbered, Numbered::Beside(_))
            && let Some(Ok(frame)) = frames.clone().next()
            && self.is_beside_links(now, from, &frame)
        {
            return;
        }
        if !self.presence.counts(from, head.from) {
            self.ignored.strange += 1;
            return;
        }
        self.presence.heard(now, from, head.sent);
        self.settle(now);
        self.pass_on(now, from, &head, frames, bytes);
    }

    fn pass_on(&mut self, now: Moment, from: &NodeName, head: &Head, frames: Frames, bytes: usize) {
        let Some(conversation) = self.conversations.get_mut(from) else {
            return;
        };
        let received = conversation.link.receive(now, head, frames, bytes);
        conversation.touch(from, &mut self.touched);
        if let Err(error) = received {
            self.outputs.push_back(Output::Broken(from.clone(), error));
            self.presence.bar(now, from);
        }
    }

    /// Whether another process asks for the name of this one.
    fn is_hello(&self, head: &Head, frames: &Frames) -> bool {
        let first = frames.clone().next();
        let asks = matches!(first, Some(Ok(frame)) if frame.kind == Kind::HELLO);
        asks && head.from != self.own && self.presence.is_member()
    }

    /// Takes a message that belongs to no link.
    fn is_beside_links(&mut self, now: Moment, from: &NodeName, frame: &Frame) -> bool {
        match frame.kind {
            Kind::GREETING => self.receive_beat(now, from, &frame.body, true),
            Kind::OUTDATED => match frame.body[..].try_into().ok().and_then(Incarnation::from_bytes) {
                Some(known) => self.presence.outdated(known),
                None => self.ignored.damaged += 1,
            },
            _ => return false,
        }
        true
    }

    fn receive_answer(&mut self, _: Moment, attempt: Attempt, message: Message) {
        let read = Head::read(message.payload).ok();
        let answer = read.and_then(|(head, mut frames)| Some((head, frames.next()?.ok()?)));
        let Some((head, frame)) = answer else {
            self.ignored.damaged += 1;
            return;
        };
        if attempt.sender != self.own || head.to != self.own || frame.kind != Kind::HERE {
            self.ignored.strange += 1;
            return;
        }
        let Some((by, about)) = frame.body.split_first_chunk() else {
            self.ignored.damaged += 1;
            return;
        };
        match Incarnation::from_bytes(*by) {
            Some(by) => self
                .presence
                .hello_answered(by, String::from_utf8_lossy(about).into_owned()),
            None => self.ignored.damaged += 1,
        }
    }
}
