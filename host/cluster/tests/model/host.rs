//! A node that serves, and the link to it: frames arrive once, in order, some time later, unless they were voided before.

use crate::components::Calc;
use crate::ledger::Ledger;
use bytes::Bytes;
use mesh_choices::Choices;
use mesh_cluster::calls::{AnswerFrame, AskedText, CallFrame, Outcome, Refusal, Served, Serving};
use mesh_cluster::catalogue::Catalogue;
use mesh_cluster::choice::Asked;
use mesh_cluster::component::{Affinity, Component};
use mesh_cluster::identity::{Incarnation, NodeName};
use mesh_cluster::peer::{Peer, Standing};
use mesh_cluster::presence::Verdict;
use mesh_cluster::presence::beat::State;
use mesh_wire::versions::{ComponentVersion, Line, RequestedRange};
use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

/// How many bytes an answer may have.
pub const MOST_BYTES: usize = 64;
/// How long a job runs at most, whatever its caller allows.
const LIMIT: Duration = Duration::from_millis(1_500);

/// A frame to the node.
pub enum Frame {
    Call { number: u64, body: Bytes, sent: u64 },
    Cancel { number: u64 },
}

/// Something that comes back.
pub enum Back {
    Taken(u64),
    Answer(AnswerFrame),
    Catalogue(Bytes),
    State(State),
    Goodbye,
}

struct Job {
    number: u64,
    id: u64,
    ends: u64,
    is_over_time: bool,
}

/// One incarnation of a node.
pub struct Host {
    pub peer: Peer,
    /// The opinion of the edge.
    pub standing: Standing,
    pub is_running: bool,
    /// Stopped, and perhaps continued later.
    pub is_hung: bool,
    pub is_draining: bool,
    pub calc: Vec<Calc>,
    affinity: Affinity,
    components: Vec<Arc<Component>>,
    revision: u64,
    /// The one that it has told last.
    pub catalogue: Option<Catalogue>,
    pub to: VecDeque<(u64, Frame)>,
    pub from: VecDeque<(u64, Back)>,
    /// Attempts that the edge does not know to be taken.
    pub untaken: Vec<u64>,
    /// The opinions that the edge will have of it, and when.
    pub verdicts: VecDeque<(u64, Verdict)>,
    /// When it is continued.
    pub resumes: Option<u64>,
    serving: Serving<u64>,
    jobs: Vec<Job>,
}

impl Host {
    pub fn new(peer: Peer, affinity: Affinity) -> Host {
        Host {
            peer,
            standing: Standing {
                verdict: Verdict::Alive,
                state: State::Joining,
            },
            is_running: true,
            is_hung: false,
            is_draining: false,
            calc: Vec::new(),
            affinity,
            components: Vec::new(),
            revision: 0,
            catalogue: None,
            to: VecDeque::new(),
            from: VecDeque::new(),
            untaken: Vec::new(),
            verdicts: VecDeque::new(),
            resumes: None,
            serving: Serving::new(MOST_BYTES),
            jobs: Vec::new(),
        }
    }

    /// Tells the edge which versions there are from now on.
    pub fn offer(&mut self, at: u64, calc: Vec<Calc>) {
        self.components = calc.iter().map(|calc| calc.made(self.affinity)).collect();
        self.calc = calc;
        self.revision += 1;
        let catalogue = Catalogue::new(self.revision, self.components.clone());
        self.send(at, Back::Catalogue(catalogue.body()));
        self.catalogue = Some(catalogue);
    }

    pub fn send(&mut self, at: u64, back: Back) {
        let at = self.from.back().map_or(at, |(last, _)| at.max(*last));
        self.from.push_back((at, back));
    }

    pub fn receive(&mut self, at: u64, frame: Frame) {
        let at = self.to.back().map_or(at, |(last, _)| at.max(*last));
        self.to.push_back((at, frame));
    }

    /// When it does something next.
    pub fn next(&self) -> Option<u64> {
        let works = self.is_running && !self.is_hung;
        let jobs = self.jobs.iter().map(|job| job.ends).min().filter(|_| works);
        let to = self.to.front().map(|(at, _)| *at).filter(|_| works);
        let from = self.from.front().map(|(at, _)| *at);
        let verdict = self.verdicts.front().map(|(at, _)| *at);
        [jobs, to, from, verdict, self.resumes]
            .into_iter()
            .flatten()
            .min()
    }

    /// Works off what has arrived, and ends jobs.
    pub fn work(&mut self, now: u64, choices: &mut Choices, ledger: &mut Ledger) -> Result<(), String> {
        if self.resumes.is_some_and(|at| at <= now) {
            self.resumes = None;
            self.is_hung = false;
            self.verdicts.clear();
            self.verdicts
                .push_back((now + choices.below(10) as u64, Verdict::Alive));
        }
        if !self.is_running || self.is_hung {
            return Ok(());
        }
        while let Some(frame) = due(&mut self.to, now) {
            match frame {
                Frame::Call { number, body, sent } => {
                    self.call(now, (number, &body, sent), choices, ledger)?;
                }
                Frame::Cancel { number } => {
                    if let Some(id) = self.serving.cancel(&edge(), number) {
                        // Half of the jobs take notice. The others go on for nobody.
                        self.jobs.retain(|job| job.id != id || job.number % 2 == 0);
                    }
                }
            }
        }
        let (over, running) = std::mem::take(&mut self.jobs)
            .into_iter()
            .partition(|job| job.ends <= now);
        self.jobs = running;
        let over: Vec<Job> = over;
        for job in over {
            let outcome = match job.is_over_time {
                true => Outcome::Answered {
                    status: 1,
                    payload: Bytes::from_static(b"[{\"message\":\"late\"}]"),
                },
                false => Outcome::Answered {
                    status: 0,
                    payload: match choices.one_in(40) {
                        true => Bytes::from(vec![b' '; MOST_BYTES + 1]),
                        false => format!("[{}]", job.id).into(),
                    },
                },
            };
            self.finish(now, job.number, outcome, choices)?;
        }
        Ok(())
    }

    fn call(
        &mut self,
        now: u64,
        (number, body, sent): (u64, &Bytes, u64),
        choices: &mut Choices,
        ledger: &mut Ledger,
    ) -> Result<(), String> {
        let frame = CallFrame::read(body).map_err(|error| error.to_string())?;
        if frame.number != number {
            return Err(format!("attempt {number} was sent as {}", frame.number));
        }
        let id = id_of(&frame.arguments)?;
        let age = Duration::from_millis(now - sent);
        let served = self.serving.receive(&edge(), &frame, age, LIMIT, || id);
        let latency = choices.below(30) as u64;
        self.send(now + latency, Back::Taken(number));
        let left = match served.map_err(|fault| fault.to_string())? {
            Served::Execute(left) => left,
            Served::Refuse(body) => return self.answer(now, &body.joined(), choices),
        };
        let serves = self
            .serves(&frame)
            .map(|component| component.is_idempotent(frame.aim));
        let may_be_repeated = match serves {
            _ if self.is_draining => Err(Refusal::Draining),
            None => Err(Refusal::VersionGone),
            Some(_) if choices.one_in(10) => Err(Refusal::Full),
            Some(may_be_repeated) => Ok(may_be_repeated),
        };
        match may_be_repeated {
            Ok(may_be_repeated) => ledger.executed(id, now, may_be_repeated)?,
            Err(refusal) => return self.finish(now, number, Outcome::Refused(refusal), choices),
        }
        let runs = match choices.one_in(10) {
            true => 5_000,
            false => choices.below(200) as u64,
        };
        let left = left.as_millis() as u64;
        self.jobs.push(Job {
            number,
            id,
            ends: now + runs.min(left),
            is_over_time: runs > left,
        });
        Ok(())
    }

    /// The version that serves it: the highest that is asked for, not below the one that was chosen, and not one that must not
    /// be repeated where the edge would.
    fn serves(&self, frame: &CallFrame<'_>) -> Option<&Arc<Component>> {
        let chosen = ComponentVersion::parse(frame.version).ok()?;
        let range = match frame.asked {
            AskedText::Range(text) => RequestedRange::from(text),
            AskedText::Any | AskedText::Line => RequestedRange::from("*"),
        };
        let asked = match frame.asked {
            AskedText::Line => Asked::Line(Line::of(chosen.exact())),
            _ => Asked::Range(&range),
        };
        let serves = |component: &&Arc<Component>| {
            let version = component.version();
            asked.admits(version)
                && version.exact() >= chosen.exact()
                && component.has(frame.aim)
                && (!frame.is_repeated || component.is_idempotent(frame.aim))
        };
        let serving = self.components.iter().filter(serves);
        serving.max_by_key(|component| component.rank())
    }

    fn finish(
        &mut self,
        now: u64,
        number: u64,
        outcome: Outcome,
        choices: &mut Choices,
    ) -> Result<(), String> {
        match self.serving.finished(&edge(), number, outcome) {
            Some(body) => self.answer(now, &body.joined(), choices),
            None => Ok(()),
        }
    }

    fn answer(&mut self, now: u64, body: &Bytes, choices: &mut Choices) -> Result<(), String> {
        let answer = AnswerFrame::read(body).map_err(|error| error.to_string())?;
        let latency = choices.below(30) as u64;
        self.send(now + latency, Back::Answer(answer));
        Ok(())
    }

    /// Voids the frames that have not arrived. Returns what the edge is told of each that it does not know to be taken:
    /// whether nobody knows if it was.
    pub fn void(&mut self, now: u64, choices: &mut Choices) -> Vec<(u64, bool)> {
        // A stopped process has in its socket what has arrived.
        let has_arrived = |at: u64| self.is_running && at <= now;
        let mut back = Vec::new();
        let mut rest = VecDeque::new();
        for (at, frame) in std::mem::take(&mut self.to) {
            match frame {
                Frame::Call { number, .. } if !has_arrived(at) => back.push(number),
                frame => rest.push_back((at, frame)),
            }
        }
        self.to = rest;
        let untaken = std::mem::take(&mut self.untaken).into_iter();
        let told = untaken.map(|number| (number, !back.contains(&number) || choices.one_in(3)));
        told.collect()
    }

    /// Takes one frame out, if it has not arrived.
    pub fn withdraw(&mut self, now: u64, number: u64) -> bool {
        let has_arrived = |at: u64| self.is_running && at <= now;
        let is_meant = |(at, frame): &(u64, Frame)| {
            matches!(frame, Frame::Call { number: other, .. } if *other == number) && !has_arrived(*at)
        };
        let Some(position) = self.to.iter().position(is_meant) else {
            return false;
        };
        self.to.remove(position);
        self.untaken.retain(|other| *other != number);
        true
    }

    pub fn is_idle(&self) -> bool {
        self.jobs.is_empty() && self.to.is_empty()
    }

    pub fn running(&self) -> usize {
        self.serving.running()
    }
}

/// The edge, as hosts know it.
fn edge() -> Peer {
    Peer {
        node: NodeName::new("edge").expect("it is a name"),
        incarnation: Incarnation::new(1, NonZeroU64::MIN),
    }
}

pub fn id_of(arguments: &[u8]) -> Result<u64, String> {
    let text = std::str::from_utf8(arguments).map_err(|error| error.to_string())?;
    let number = text.trim_matches(['[', ']', ' ']);
    number.parse().map_err(|error| format!("{text}: {error}"))
}

/// The next of a queue whose time has come.
pub fn due<T>(queue: &mut VecDeque<(u64, T)>, now: u64) -> Option<T> {
    let is_due = queue.front().is_some_and(|(at, _)| *at <= now);
    is_due.then(|| queue.pop_front()).flatten().map(|(_, next)| next)
}
