//! One story: a cluster, load, faults, and a quiet end.
//!
//! Enters: a seed. Leaves: how often things happened, or the promises that did not hold. Guarantees: every tenth story has no fault at
//! all, and nothing of what faults bring about may happen in it.

use crate::Happened;
use crate::nats::{Time, Way, Weather};
use crate::world::{Later, MILLISECOND, SECOND, World, facts, name, times};
use mesh_choices::Choices;
use mesh_cluster::link::{Class, Limits};
use mesh_cluster::moment::Moment;
use mesh_cluster::presence::Verdict;
use mesh_cluster::presence::beat::State;
use std::time::Duration;

/// Load and faults go on for this long.
const BUSY: Time = 18 * SECOND;
/// Then everything is mended, and so much time passes before the books are closed.
const QUIET: Time = 14 * SECOND;

/// The numbers of what the story wants to do.
const LOAD: u32 = 0;
const FAULT: u32 = 1;
const FIRST_UNDO: u32 = 2;

/// The end of a fault.
#[derive(Clone, Debug)]
enum Undo {
    Start(usize),
    /// A stopped process goes on after so long.
    GoOn(usize, Time),
    Restart(usize),
    Release(Way),
    /// The connection was held for too long: it breaks.
    Break(usize, usize),
    Mend,
    Calm,
    Leave(usize),
}

struct Story {
    world: World,
    choices: Choices,
    nodes: usize,
    undo: Vec<Undo>,
    /// The mean time between faults; none in a calm story.
    faults_every: Option<Time>,
    load_every: Time,
}

/// Plays the story of a seed.
pub fn play(seed: u64) -> Result<Happened, Vec<String>> {
    let mut choices = Choices::new(seed);
    let bytes = *choices.pick(&[20_000, 200_000, 1_000_000]);
    let limits = Limits {
        bytes,
        window_bytes: *choices.pick(&[8_000, 64_000, 4_000_000]),
        batch_bytes: *choices.pick(&[1_024, 4_096, 65_536]),
        message_bytes: *choices.pick(&[10_000, 50_000]),
        lease: Duration::ZERO,
    };
    let limits = Limits {
        message_bytes: limits.message_bytes.min(bytes / 2),
        ..limits
    };
    let forget = *choices.pick(&[4, 600]);
    let servers = 1 + choices.below(3);
    let world = World::new(seed, servers, times(Duration::from_secs(forget)), limits);
    let faults_every = match seed % 10 {
        0 => None,
        1..4 => Some(6 * SECOND),
        4..7 => Some(2 * SECOND),
        _ => Some(600 * MILLISECOND),
    };
    let mut story = Story {
        world,
        nodes: 2 + choices.below(3),
        undo: Vec::new(),
        faults_every,
        load_every: *choices.pick(&[15, 60, 250]) * MILLISECOND,
        choices,
    };
    story.begin();
    story.go_through();
    story.mend();
    story.end()
}

impl Story {
    fn begin(&mut self) {
        for of in 0..self.nodes {
            let incarnation = self.world.incarnation(1_000);
            self.world.start(of, incarnation);
        }
        self.world.after(SECOND, Later::Story(LOAD));
        if let Some(every) = self.faults_every {
            self.world.after(every, Later::Story(FAULT));
        }
    }

    fn go_through(&mut self) {
        while self.world.now < BUSY {
            match self.world.advance(BUSY) {
                None => {}
                Some(LOAD) => {
                    self.load();
                    let pause = 1 + self.choices.number() % (2 * self.load_every);
                    self.world.after(pause, Later::Story(LOAD));
                }
                Some(FAULT) => {
                    self.fault();
                    let every = self.faults_every.unwrap_or(BUSY);
                    let pause = 1 + self.choices.number() % (2 * every);
                    self.world.after(pause, Later::Story(FAULT));
                }
                Some(undo) => self.undo((undo - FIRST_UNDO) as usize),
            }
        }
    }

    fn later(&mut self, time: Time, undo: Undo) {
        self.undo.push(undo);
        let number = self.undo.len() as u32 - 1 + FIRST_UNDO;
        self.world.after(time, Later::Story(number));
    }

    fn between(&mut self, least: Time, most: Time) -> Time {
        (least + self.choices.number() % (most - least)) * MILLISECOND
    }

    /// A process that runs.
    fn one(&mut self) -> Option<usize> {
        let running = (0..self.world.processes.len()).filter(|place| self.world.is_running(*place));
        let running: Vec<usize> = running.collect();
        (!running.is_empty()).then(|| *self.choices.pick(&running))
    }

    fn load(&mut self) {
        let Some(place) = self.one() else { return };
        let to = self.choices.below(self.nodes);
        let expects = self.choices.one_in(2);
        self.world.processes[place]
            .member
            .expect_answers(&name(to), expects);
        for _ in 0..1 + self.choices.below(8) {
            let class = match self.choices.below(4) {
                0 => Some(Class::Event),
                1 => Some(Class::Kept),
                _ => None,
            };
            let length = match self.choices.below(20) {
                0 => self.choices.below(self.world.limits.message_bytes),
                1..4 => self.choices.below(3_000),
                _ => self.choices.below(200),
            };
            self.world.send(place, to, class, length);
        }
        if self.choices.one_in(8) {
            self.world.withdraw(place);
        }
        // Sometimes others send before the process runs.
        if !self.choices.one_in(4) {
            self.world.run(place);
        }
    }

    fn fault(&mut self) {
        let Some(place) = self.one() else { return };
        match self.choices.below(14) {
            0 => self.world.cut(place, 5 * MILLISECOND, 0),
            1 => {
                let (noticed, unserved) = (self.between(0, 3_000), self.between(0, 4_000));
                self.world.cut(place, noticed, unserved);
            }
            2 | 3 => self.hold_one_direction(place),
            4 => self.crash(vec![self.choices.clone().below(self.world.nats.servers())]),
            5 => self.crash((0..self.world.nats.servers()).collect()),
            6 => self.part_servers(),
            7 => {
                let of = self.world.processes[place].name;
                self.world.kill(place);
                if !self.choices.one_in(4) {
                    let time = self.between(1, 4_000);
                    self.later(time, Undo::Restart(of));
                }
            }
            8 | 9 => self.stop(place),
            10 | 11 => {
                self.world.nats.weather = Weather {
                    lost: self.choices.below(15) as u32,
                    doubled: self.choices.below(15) as u32,
                    latest: self.between(0, 300),
                };
                let time = self.between(200, 3_000);
                self.later(time, Undo::Calm);
            }
            12 => {
                // Somebody starts a second process of a name.
                let of = self.world.processes[place].name;
                self.later(0, Undo::Restart(of));
            }
            _ => {
                let draining = facts(State::Draining, self.world.limits);
                let clock = self.world.processes[place].clock(self.world.now);
                self.world.processes[place].member.tell(clock, draining);
                self.world.run(place);
                let time = self.between(1, 500);
                self.later(time, Undo::Leave(place));
            }
        }
    }

    fn hold_one_direction(&mut self, place: usize) {
        let Some(connection) = self.world.processes[place].connection else {
            return;
        };
        let way = if self.choices.one_in(2) {
            Way::In(connection)
        } else {
            Way::Out(connection)
        };
        self.world.nats.hold(way);
        let time = self.between(50, 8_000);
        // The library finds out after two pings without an answer.
        let notices = self.between(2_000, 6_000);
        if time < notices {
            self.later(time, Undo::Release(way));
        } else {
            self.later(notices, Undo::Break(place, connection));
            // Messages in the socket are delivered late all the same.
            self.later(time, Undo::Release(way));
        }
    }

    fn crash(&mut self, servers: Vec<usize>) {
        for server in servers {
            for connection in self.world.nats.crash(server) {
                let notices = self.between(0, 50);
                self.world.after(notices, Later::Noticed(connection, Vec::new()));
            }
            let time = self.between(10, 4_000);
            self.later(time, Undo::Start(server));
        }
    }

    fn part_servers(&mut self) {
        let servers = self.world.nats.servers();
        if servers < 2 {
            return;
        }
        let one = self.choices.below(servers);
        let other = (one + 1 + self.choices.below(servers - 1)) % servers;
        let time = self.between(50, 9_000);
        if self.choices.one_in(2) {
            self.world.nats.cut_route(one, other);
            self.later(time, Undo::Mend);
        } else {
            self.world.nats.hold(Way::Route(one, other));
            self.later(time, Undo::Release(Way::Route(one, other)));
        }
    }

    fn stop(&mut self, place: usize) {
        self.world.stop(place);
        let time = self.between(10, 9_000);
        self.later(time, Undo::GoOn(place, time));
        if self.choices.one_in(4) {
            // Its name is taken meanwhile.
            let of = self.world.processes[place].name;
            let time = self.between(10, 2_000);
            self.later(time, Undo::Restart(of));
        }
        if let (true, Some(connection)) = (self.choices.one_in(4), self.world.processes[place].connection) {
            let time = self.between(500, 8_000);
            self.world.after(time, Later::Noticed(connection, Vec::new()));
        }
    }

    fn undo(&mut self, number: usize) {
        match self.undo[number].clone() {
            Undo::Start(server) => self.world.nats.start(server),
            Undo::GoOn(place, stopped) => self.world.go_on(place, stopped),
            Undo::Restart(of) => {
                // Clocks are wrong now and then.
                let now = self.world.now / MILLISECOND;
                let started = if self.choices.one_in(10) { 0 } else { 1_000 + now };
                let incarnation = self.world.incarnation(started);
                self.world.start(of, incarnation);
            }
            Undo::Release(way) => self.world.nats.release(self.world.now, way),
            Undo::Break(place, connection) => {
                if self.world.processes[place].connection == Some(connection) {
                    self.world.after(0, Later::Noticed(connection, Vec::new()));
                }
            }
            Undo::Mend => self.world.nats.mend_routes(),
            Undo::Calm => self.world.nats.weather = Weather::default(),
            Undo::Leave(place) => {
                if self.world.is_running(place) {
                    let by: Moment = self.world.processes[place].clock(self.world.now + SECOND);
                    self.world.processes[place].member.leave(by);
                    self.world.run(place);
                }
            }
        }
    }

    /// Everything works again, and nobody sends anything.
    fn mend(&mut self) {
        self.world.nats.weather = Weather::default();
        self.world.nats.mend_routes();
        for server in 0..self.world.nats.servers() {
            self.world.nats.start(server);
        }
        for place in 0..self.world.processes.len() {
            // A connection that the server has forgotten is noticed at the latest now.
            if let Some(connection) = self.world.processes[place].connection
                && !self.world.nats.is_served(connection)
            {
                self.world.after(0, Later::Noticed(connection, Vec::new()));
            }
            if self.world.processes[place].is_stopped {
                self.world.go_on(place, 0);
            }
        }
        self.world.nats.release_all(self.world.now);
        let end = BUSY + QUIET;
        while self.world.now < end {
            // Nothing new is broken, and clients that notice late are let do so.
            let _ = self.world.advance(end);
        }
    }

    fn end(mut self) -> Result<Happened, Vec<String>> {
        let living: Vec<usize> = (0..self.world.processes.len())
            .filter(|place| self.world.is_alive(*place))
            .collect();
        let mut wrong = Vec::new();
        for place in &living {
            wrong.extend(self.look_at(*place, &living));
        }
        for of in 0..self.nodes {
            let same = living
                .iter()
                .filter(|place| self.world.processes[**place].name == of);
            if same.clone().count() > 1 {
                wrong.push(format!(
                    "node-{of} has the processes {:?}",
                    same.collect::<Vec<_>>()
                ));
            }
        }
        let marks: Vec<_> = living.iter().map(|place| self.world.mark(*place)).collect();
        let world = &mut self.world;
        world.ledger.close(
            |(from, to)| marks.contains(&from) && marks.contains(&to),
            |from| marks.contains(&from),
        );
        for place in 0..world.processes.len() {
            for (node, _, _) in world.processes[place].member.presence().nodes() {
                let counts = world.processes[place].member.counts(node).unwrap_or_default();
                world.happened.resent += counts.resent;
                world.happened.doubled += counts.doubled;
                world.happened.late += counts.late;
            }
        }
        world.happened.delivered = world.ledger.delivered;
        world.happened.voided = world.ledger.voided;
        world.happened.dropped = world.ledger.dropped;
        let calm = Happened {
            delivered: world.happened.delivered,
            dropped: world.happened.dropped,
            alone: self.nodes as u64,
            ..Happened::default()
        };
        if self.faults_every.is_none() && world.happened != calm {
            wrong.push(format!("nothing was wrong, and yet: {:?}", world.happened));
        }
        wrong.append(&mut world.ledger.faults);
        if wrong.is_empty() {
            Ok(world.happened)
        } else {
            Err(wrong)
        }
    }

    /// The faults that one process sees in the end.
    fn look_at(&self, place: usize, living: &[usize]) -> Vec<String> {
        let mut wrong = Vec::new();
        let process = &self.world.processes[place];
        let presence = process.member.presence();
        if !presence.is_member() || presence.is_alone() {
            wrong.push(format!("process {place} is alone, or no member: {presence:#?}"));
        }
        for (node, incarnation, verdict) in presence.nodes() {
            let lives = living.iter().any(|it| self.world.mark(*it) == incarnation.mark());
            if lives && verdict != Verdict::Alive || !lives && !verdict.is_gone() {
                wrong.push(format!("process {place}: {node} is {verdict}; it lives: {lives}"));
            }
            if lives && !process.member.is_idle(node) {
                let counts = process.member.counts(node);
                wrong.push(format!(
                    "process {place}: the link to {node} is not idle: {counts:?}"
                ));
            }
        }
        for other in living.iter().filter(|other| **other != place) {
            let known = presence.verdict(&name(self.world.processes[*other].name));
            if known.map(|(incarnation, _)| incarnation.mark()) != Some(self.world.mark(*other)) {
                wrong.push(format!(
                    "process {place} does not know process {other}: {known:?}"
                ));
            }
        }
        wrong
    }
}
