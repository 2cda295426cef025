//! The rules of verdicts, for one observer.
//!
//! Enters: what a process read, and what its member said. Leaves: verdicts that no rule allows. Guarantees: it knows the rules from the
//! documents, and nothing of how presence works.

use crate::nats::Time;
use crate::world::MILLISECOND;
use mesh_cluster::batch::Head;
use mesh_cluster::frame::Kind;
use mesh_cluster::identity::{Incarnation, Mark};
use mesh_cluster::presence::beat::{Beat, State};
use mesh_cluster::presence::{Reason, Settings, Verdict};
use mesh_cluster::subjects::{Subject, Subjects};
use mesh_cluster::wire::Message;
use std::collections::BTreeMap;
use std::time::Duration;

/// The facts about one incarnation.
#[derive(Clone, Copy, Debug)]
struct Known {
    heard: Time,
    /// The latest of its milliseconds.
    sent: u64,
    beat: u64,
    patience: Time,
    said_goodbye: bool,
    verdict: Option<(Verdict, Time)>,
}

/// The rules for one observer.
#[derive(Debug)]
pub struct Judge {
    own: Mark,
    /// It has found its name free. Before that it listens to nobody.
    is_member: bool,
    settings: Settings,
    subjects: Subjects,
    known: BTreeMap<Mark, Known>,
    is_alone: bool,
    together: Time,
    /// When messages came back.
    returns: Vec<Time>,
}

fn micros(time: Duration) -> Time {
    u64::try_from(time.as_micros()).expect("stories are short")
}

impl Judge {
    pub fn new(own: Mark, settings: Settings, subjects: Subjects) -> Judge {
        Judge {
            own,
            is_member: false,
            settings,
            subjects,
            known: BTreeMap::new(),
            is_alone: true,
            together: 0,
            returns: Vec::new(),
        }
    }

    pub fn read(&mut self, now: Time, message: &Message) {
        if !self.is_member {
            return;
        }
        let subject = std::str::from_utf8(&message.subject).expect("subjects are text");
        match self.subjects.read(subject) {
            Ok(Subject::Beat(_)) => self.beat(now, &message.payload),
            Ok(Subject::Inbox { .. }) => {
                let Ok((head, frames)) = Head::read(message.payload.clone()) else {
                    return;
                };
                if head.to != self.own {
                    return;
                }
                match frames.flatten().next() {
                    Some(frame) if frame.kind == Kind::GREETING => self.beat(now, &frame.body),
                    // A node that only writes letters is not known yet.
                    _ if self.verdict(head.from).is_some() => self.hear(now, head.from, head.sent),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    pub fn returned(&mut self, now: Time) {
        self.returns.push(now);
    }

    fn beat(&mut self, now: Time, payload: &[u8]) {
        let beat = Beat::read(payload).expect("members write beats");
        let mark = beat.incarnation.mark();
        let known = self.entry(mark);
        if beat.number <= known.beat {
            return;
        }
        known.beat = beat.number;
        known.patience = micros(beat.late);
        known.said_goodbye |= beat.facts.state == State::Left;
        self.hear(now, mark, beat.sent);
    }

    fn entry(&mut self, mark: Mark) -> &mut Known {
        self.known.entry(mark).or_insert(Known {
            heard: 0,
            sent: 0,
            beat: 0,
            patience: 0,
            said_goodbye: false,
            verdict: None,
        })
    }

    fn hear(&mut self, now: Time, mark: Mark, sent: u64) {
        let known = self.entry(mark);
        if sent >= known.sent {
            known.sent = sent;
            known.heard = now;
        }
    }

    pub fn alone(&mut self) {
        self.is_member = true;
        self.is_alone = true;
    }

    pub fn is_alone(&self) -> bool {
        self.is_alone
    }

    pub fn together(&mut self, now: Time) {
        self.is_alone = false;
        self.together = now;
    }

    /// The last verdict about an incarnation.
    pub fn verdict(&self, mark: Mark) -> Option<Verdict> {
        self.known.get(&mark)?.verdict.map(|(verdict, _)| verdict)
    }

    /// Returns why a verdict is wrong.
    pub fn judged(
        &mut self,
        now: Time,
        about: Incarnation,
        verdict: Verdict,
        reason: Reason,
    ) -> Option<String> {
        let (settings, together, is_alone) = (self.settings, self.together, self.is_alone);
        let heard = self.entry(about.mark()).heard;
        let is_first = |at: &Time| *at >= heard && *at + 50 * MILLISECOND <= now;
        let came_twice = self.returns.last() == Some(&now) && self.returns.iter().any(is_first);
        let known = self.entry(about.mark());
        let before = known.verdict.replace((verdict, now));
        let since = before.map_or(0, |(_, since)| since.max(together));
        let silent = now - known.heard.max(together);
        let was = before.map(|(verdict, _)| verdict);
        let is_judgement = !matches!(reason, Reason::Heard | Reason::Replaced(_) | Reason::Goodbye);
        let is_right = match (verdict, reason) {
            (Verdict::Alive, Reason::Heard) => {
                let is_back = matches!(was, Some(it) if it != Verdict::Alive && !it.is_final());
                known.heard == now && (was.is_none() || is_back)
            }
            (Verdict::Suspect, Reason::Silent) => {
                let patience = micros(settings.beat) * u64::from(settings.suspect_beats) + known.patience;
                was == Some(Verdict::Alive) && silent >= patience
            }
            (Verdict::Away, Reason::Returned) => {
                came_twice && matches!(was, Some(Verdict::Alive | Verdict::Suspect))
            }
            (Verdict::Lost, Reason::Silent) => {
                let is_there = matches!(was, Some(Verdict::Alive | Verdict::Suspect | Verdict::Away));
                is_there && silent >= micros(settings.lost) + known.patience
            }
            (Verdict::Lost, Reason::Returned) => {
                was == Some(Verdict::Away) && now - since >= micros(settings.away)
            }
            (Verdict::Lost, Reason::Replaced(by)) => by > about && !was.is_none_or(Verdict::is_gone),
            (Verdict::Forgotten, Reason::LongAgo) => {
                let lost = before.map_or(0, |(_, since)| since);
                was == Some(Verdict::Lost) && now - lost >= micros(settings.forget)
            }
            (Verdict::Left, Reason::Goodbye) => known.said_goodbye,
            _ => false,
        };
        if is_right && !(is_judgement && is_alone) {
            return None;
        }
        Some(format!(
            "{now}: {about} is {verdict} ({reason:?}); before {before:?}, silent {silent}, alone {is_alone}, {known:?}"
        ))
    }
}
