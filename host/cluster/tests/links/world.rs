//! All processes of a cluster, the servers between them, and what can happen to both.
//!
//! Enters: deeds of the story: loads, faults, starts. Leaves: books in which everything is written down. Guarantees: time moves from event
//! to event; nothing waits for real time.

use crate::Happened;
use crate::judge::Judge;
use crate::ledger::{Ledger, filled};
use crate::nats::{Nats, Time};
use crate::process::{Deed, Process};
use bytes::Bytes;
use mesh_choices::Choices;
use mesh_cluster::frame::Kind;
use mesh_cluster::identity::{ClusterName, Incarnation, Mark, NodeName};
use mesh_cluster::link::{Class, Fate, Limits, Outgoing, Refusal, Ticket};
use mesh_cluster::member::{Membership, Output};
use mesh_cluster::presence::beat::{Facts, State};
use mesh_cluster::presence::{End, Judgement, Reason, Settings, Verdict};
use mesh_cluster::subjects::Subjects;
use mesh_cluster::wire::{Connection, Event, Message};
use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::time::Duration;

pub const MILLISECOND: Time = 1_000;
pub const SECOND: Time = 1_000 * MILLISECOND;

/// Something that happens later.
#[derive(Clone, Debug)]
pub enum Later {
    /// A client notices that its connection is gone. Messages that its library had queued are sent with the next one.
    Noticed(usize, Vec<Message>),
    /// A client tries to connect.
    Connects(usize, Vec<Message>),
    /// The server forgets a connection.
    Unserved(usize),
    /// Anything else, which the story knows.
    Story(u32),
}

/// The world.
pub struct World {
    pub now: Time,
    pub choices: Choices,
    pub nats: Nats,
    pub processes: Vec<Process>,
    judges: Vec<Judge>,
    pub ledger: Ledger,
    pub settings: Settings,
    pub limits: Limits,
    later: BTreeMap<(Time, u64), Later>,
    count: u64,
    tickets: u64,
    /// The next wake-up of each process.
    wakes: Vec<Option<Time>>,
    pub happened: Happened,
}

pub fn cluster() -> ClusterName {
    ClusterName::new("shop").expect("it is a name")
}

pub fn name(of: usize) -> NodeName {
    NodeName::new(&format!("node-{of}")).expect("it is a name")
}

impl World {
    pub fn new(seed: u64, servers: usize, settings: Settings, limits: Limits) -> World {
        let ledger = Ledger::new(settings.lease().as_micros() as Time);
        World {
            now: 0,
            choices: Choices::new(seed),
            nats: Nats::new(seed ^ 0x6e61_7473, servers),
            processes: Vec::new(),
            judges: Vec::new(),
            ledger,
            settings,
            limits,
            later: BTreeMap::new(),
            count: 0,
            tickets: 0,
            wakes: Vec::new(),
            happened: Happened::default(),
        }
    }

    pub fn after(&mut self, time: Time, later: Later) {
        self.count += 1;
        self.later.insert((self.now + time, self.count), later);
    }

    /// An incarnation that starts now, or at another time by a wrong clock.
    pub fn incarnation(&mut self, started: u64) -> Incarnation {
        Incarnation::new(
            started,
            NonZeroU64::new(self.choices.number() | 1).expect("it is odd"),
        )
    }

    /// A new process of this name. Returns its place.
    pub fn start(&mut self, of: usize, incarnation: Incarnation) -> usize {
        let membership = Membership {
            cluster: cluster(),
            node: name(of),
            incarnation,
            about: format!("process {}", self.processes.len()),
            settings: self.settings,
            limits: self.limits,
            facts: facts(State::Ready, self.limits),
        };
        let offset = self.choices.number() % (100_000 * SECOND);
        self.processes
            .push(Process::new(of, membership, self.now, offset));
        self.judges.push(Judge::new(
            incarnation.mark(),
            self.settings,
            Subjects::new(&cluster()),
        ));
        self.wakes.push(None);
        let place = self.processes.len() - 1;
        self.run(place);
        self.after(MILLISECOND, Later::Connects(place, Vec::new()));
        place
    }

    /// Whether a process works.
    pub fn is_alive(&self, place: usize) -> bool {
        !self.processes[place].has_ended
    }

    pub fn is_running(&self, place: usize) -> bool {
        self.is_alive(place) && !self.processes[place].is_stopped
    }

    pub fn mark(&self, place: usize) -> Mark {
        self.processes[place].member.presence().incarnation().mark()
    }

    /// Ends a process. Messages that it has written to its socket may be sent or not.
    pub fn kill(&mut self, place: usize) {
        self.processes[place].has_ended = true;
        self.processes[place].wire.arrived.clear();
        if let Some(connection) = self.processes[place].connection.take() {
            self.nats.unserve(connection);
            self.nats.unread(connection);
            if self.choices.one_in(2) {
                self.nats.take_out(connection);
            }
        }
    }

    /// Breaks the connection of a process. The client notices it, and so does the server, each after a time.
    pub fn cut(&mut self, place: usize, noticed: Time, unserved: Time) {
        let Some(connection) = self.processes[place].connection else {
            return;
        };
        // The library may keep what was not sent, and send it late.
        let queued = self.nats.take_out(connection);
        let queued = if self.choices.one_in(2) {
            queued
        } else {
            Vec::new()
        };
        // Messages that have arrived at the client are read all the same, or not.
        if self.choices.one_in(2) {
            self.nats.unread(connection);
        }
        self.after(unserved, Later::Unserved(connection));
        self.after(noticed, Later::Noticed(connection, queued));
    }

    pub fn stop(&mut self, place: usize) {
        self.processes[place].is_stopped = true;
    }

    pub fn go_on(&mut self, place: usize, stopped: Time) {
        self.processes[place].is_stopped = false;
        self.run(place);
        let is_long = stopped > 2 * self.settings.beat.as_micros() as Time;
        if is_long && self.is_alive(place) && !self.judges[place].is_alone() {
            let now = self.now;
            self.ledger.fault(format!(
                "{now}: process {place} was stopped for {stopped} and is not alone"
            ));
        }
    }

    /// The time goes on until this moment. Returns what the story wants to do then, or nothing at the moment.
    pub fn advance(&mut self, until: Time) -> Option<u32> {
        loop {
            let wakes = self.wakes.iter().flatten().copied();
            let later = self.later.keys().next().map(|(at, _)| *at);
            let next = wakes.chain(self.nats.next()).chain(later).min();
            match next {
                Some(at) if at <= until => self.now = self.now.max(at),
                _ => {
                    self.now = self.now.max(until);
                    return None;
                }
            }
            for (connection, event) in self.nats.advance(self.now) {
                let to = self
                    .processes
                    .iter()
                    .position(|it| it.connection == Some(connection));
                if let Some(to) = to.filter(|to| self.is_alive(*to)) {
                    self.processes[to].wire.arrived.push_back(event);
                    self.run(to);
                }
            }
            for place in 0..self.processes.len() {
                if self.wakes[place].is_some_and(|at| at <= self.now) {
                    self.run(place);
                }
            }
            while let Some(first) = self.later.first_entry().filter(|first| first.key().0 <= self.now) {
                match first.remove() {
                    Later::Story(what) => return Some(what),
                    later => self.happen(later),
                }
            }
        }
    }

    fn happen(&mut self, later: Later) {
        match later {
            Later::Unserved(connection) => self.nats.unserve(connection),
            Later::Noticed(connection, queued) => {
                self.nats.unserve(connection);
                self.nats.unread(connection);
                let Some(place) = self
                    .processes
                    .iter()
                    .position(|it| it.connection == Some(connection))
                else {
                    return;
                };
                self.processes[place].connection = None;
                self.processes[place]
                    .wire
                    .arrived
                    .push_back(Event::Connection(Connection::Down));
                self.run(place);
                let delay = 2 * MILLISECOND + self.choices.number() % (300 * MILLISECOND);
                self.after(delay, Later::Connects(place, queued));
            }
            Later::Connects(place, queued) => {
                if !self.is_alive(place) || self.processes[place].connection.is_some() {
                    return;
                }
                let subjects = self.processes[place].subjects.clone();
                if self.processes[place].is_stopped {
                    return self.after(100 * MILLISECOND, Later::Connects(place, queued));
                }
                match self.nats.connect(subjects) {
                    None => self.after(100 * MILLISECOND, Later::Connects(place, queued)),
                    Some(connection) => {
                        self.processes[place].connection = Some(connection);
                        for message in queued {
                            self.nats.publish(self.now, connection, message);
                        }
                        self.processes[place]
                            .wire
                            .arrived
                            .push_back(Event::Connection(Connection::Up));
                        self.run(place);
                    }
                }
            }
            Later::Story(_) => {}
        }
    }

    /// Lets a process run, and writes down what it did.
    pub fn run(&mut self, place: usize) {
        if !self.is_running(place) {
            self.wakes[place] = None;
            return;
        }
        let deeds = self.processes[place].run(self.now);
        for deed in deeds {
            self.write_down(place, deed);
        }
        let process = &mut self.processes[place];
        let subscribed = std::mem::take(&mut process.wire.subscribed);
        let published = std::mem::take(&mut process.wire.published);
        process.subjects.extend(subscribed.iter().cloned());
        if let Some(connection) = process.connection {
            subscribed
                .into_iter()
                .for_each(|it| self.nats.subscribe(connection, it));
            published
                .into_iter()
                .for_each(|it| self.nats.publish(self.now, connection, it));
        }
        self.wakes[place] = self.processes[place].next().map(|at| at.max(self.now));
        if self.processes[place].has_ended {
            self.kill(place);
        }
        self.look_at_memory(place);
    }

    fn write_down(&mut self, place: usize, deed: Deed) {
        let own = self.mark(place);
        match deed {
            Deed::Read(Event::Message(message)) => self.judges[place].read(self.now, &message),
            Deed::Read(Event::Returned(_)) => self.judges[place].returned(self.now),
            Deed::Read(_) => {}
            Deed::Said(Output::Delivered {
                incarnation, message, ..
            }) => {
                if self.judges[place]
                    .verdict(incarnation.mark())
                    .is_none_or(Verdict::is_final)
                {
                    self.ledger.fault(format!(
                        "{}: {incarnation} does not count and was delivered",
                        self.now
                    ));
                }
                let age = message.age.as_micros() as Time;
                self.ledger
                    .delivered(self.now, (incarnation.mark(), own), &message.body, age);
            }
            Deed::Said(Output::Gap {
                incarnation, events, ..
            }) => self.ledger.gap((incarnation.mark(), own), events),
            Deed::Said(Output::Notice { notice, .. }) => self.ledger.noticed(self.now, notice),
            Deed::Said(Output::Verdict(judgement)) => {
                let Judgement {
                    incarnation,
                    verdict,
                    reason,
                    ..
                } = judgement;
                let stream = (own, incarnation.mark());
                let wrong = self.judges[place].judged(self.now, incarnation, verdict, reason);
                wrong.into_iter().for_each(|wrong| self.ledger.fault(wrong));
                let forbids = matches!(reason, Reason::Silent | Reason::Returned | Reason::LongAgo);
                self.ledger
                    .explained(self.now, stream, verdict.is_gone() && forbids);
                match verdict {
                    Verdict::Lost => self.happened.lost += 1,
                    Verdict::Away => self.happened.away += 1,
                    Verdict::Forgotten => {
                        self.happened.forgotten += 1;
                        self.ledger.emptied(self.now, stream);
                    }
                    _ => {}
                }
            }
            Deed::Said(Output::Alone(_)) => {
                self.happened.alone += 1;
                self.judges[place].alone();
            }
            Deed::Said(Output::Together) => self.judges[place].together(self.now),
            Deed::Said(Output::Ended(end)) => self.ended(place, &end),
            Deed::Said(Output::Facts(_)) => {}
            Deed::Said(other) => self.ledger.fault(format!("{}: {other:?}", self.now)),
        }
    }

    fn ended(&mut self, place: usize, end: &End) {
        let own = self.processes[place].member.presence().incarnation();
        let name = self.processes[place].name;
        let of_others = |by: &Incarnation| {
            let mut others = self.processes.iter().filter(|it| it.name == name);
            others.any(|it| it.member.presence().incarnation() == *by && *by != own)
        };
        let is_right = match end {
            End::NameTaken { by, about } => {
                self.happened.refused_names += 1;
                of_others(by) && about.starts_with("process ")
            }
            End::Fenced { by } => {
                self.happened.fenced += 1;
                of_others(by) && *by > own
            }
            End::Left => {
                self.happened.left += 1;
                true
            }
        };
        if !is_right {
            self.ledger.fault(format!("{}: {own} ended: {end:?}", self.now));
        }
    }

    fn look_at_memory(&mut self, place: usize) {
        let most = self.limits.bytes * 5 / 2 + 4_096;
        for (node, _, _) in self.processes[place].member.presence().nodes() {
            let Some(counts) = self.processes[place].member.counts(node) else {
                continue;
            };
            if counts.held > most || counts.assembled > self.limits.message_bytes {
                let text = format!(
                    "{}: a link of process {place} holds too much: {counts:?}",
                    self.now
                );
                return self.ledger.fault(text);
            }
        }
    }

    /// Sends something from a process to the incarnation that it knows under a name.
    pub fn send(&mut self, place: usize, to: usize, class: Option<Class>, length: usize) {
        let to = name(to);
        let known = self.processes[place].member.presence().verdict(&to);
        let Some((incarnation, _)) = known.filter(|(_, verdict)| !verdict.is_gone()) else {
            return;
        };
        let stream = (self.mark(place), incarnation.mark());
        self.tickets += 1;
        let class = class.unwrap_or(Class::Call(Ticket(self.tickets)));
        let kind = match class {
            Class::Call(_) => Kind::CALL,
            Class::Event => Kind::EVENT,
            Class::Kept => Kind::ANSWER,
        };
        let mut first = Bytes::from(filled(incarnation.mark(), self.ledger.next_place(stream), length));
        let second = first.split_off(self.choices.below(first.len()));
        let outgoing = Outgoing {
            kind,
            class,
            pieces: [first, second],
        };
        let clock = self.processes[place].clock(self.now);
        match self.processes[place].member.send(clock, &to, outgoing) {
            Ok(()) => self.ledger.accepted(self.now, stream, class, length),
            Err(Refusal::Full { .. }) if class == Class::Event => self.ledger.dropped(stream),
            Err(_) => {}
        }
    }

    /// Takes a call back that is not acknowledged.
    pub fn withdraw(&mut self, place: usize) {
        let open = self.ledger.open_calls(self.mark(place));
        if open.is_empty() {
            return;
        }
        let (to, ticket) = *self.choices.pick(&open);
        let presence = self.processes[place].member.presence();
        let to = presence
            .nodes()
            .find(|(_, it, _)| it.mark() == to)
            .map(|(node, _, _)| node.clone());
        if let Some(to) = to {
            let member = &mut self.processes[place].member;
            if self.choices.one_in(2) {
                let fate = member.withdraw(&to, ticket);
                self.ledger.withdrawn(self.now, ticket, fate);
            } else if member.withdraw_untaken(&to, ticket) {
                self.ledger.withdrawn(self.now, ticket, Some(Fate::NeverTaken));
            }
        }
    }
}

pub fn facts(state: State, limits: Limits) -> Facts {
    Facts {
        state,
        catalogue_revision: 1,
        catalogue_hash: 2,
        applied: 0,
        message_bytes: limits.message_bytes as u64,
        loads: Vec::new(),
    }
}

/// The times of stories: half of the default ones, so that stories are short.
pub fn times(forget: Duration) -> Settings {
    Settings {
        beat: Duration::from_millis(500),
        suspect_beats: 3,
        lost: Duration::from_secs(5),
        away: Duration::from_secs(1),
        forget,
        most_nodes: 100,
    }
}
