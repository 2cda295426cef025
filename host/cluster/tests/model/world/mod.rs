//! A story: an edge with callers, nodes that come, go, hang and swap versions, and a clock that is moved.

mod deeds;
mod passing;
mod promises;

use crate::components::{Calc, IDEMPOTENT, ONCE};
use crate::host::{Back, Frame, Host, MOST_BYTES, due, id_of};
use crate::ledger::{Call, Ledger};
use bytes::Bytes;
use mesh_choices::Choices;
use mesh_cluster::calls::{
    AnswerFrame, CallError, Calls, Outcome, Output, Refusal, Reply, Request, Routing, Target, Wanted,
};
use mesh_cluster::catalogue::{Catalogues, Publication, Settings};
use mesh_cluster::choice::{Asked, Prefer, Sessions, Tried};
use mesh_cluster::component::{Affinity, Rank};
use mesh_cluster::identity::{Incarnation, NodeName};
use mesh_cluster::moment::Moment;
use mesh_cluster::peer::{Peer, Standing};
use mesh_cluster::presence::Verdict;
use mesh_cluster::presence::beat::State;
use mesh_cluster::provider::{Place, Provider};
use mesh_wire::origin::Origin;
use mesh_wire::versions::{ComponentVersion, Line};
use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

/// Things that happen in one story.
const STEPS: usize = 150;
/// How long a component is remembered.
const FORGET: u64 = 3_000;
/// How long it is where nothing is to be forgotten.
const LONGER_THAN_ANY_STORY: u64 = 600_000;
/// How long changes of others are collected.
const COLLECT: u64 = 250;

/// A call as its caller asked for it.
#[derive(Clone)]
struct Asking {
    component: Arc<str>,
    wanted: Wanted,
    session: Option<u64>,
}

/// A job on the edge itself.
struct Local {
    number: u64,
    id: u64,
    ends: u64,
}

/// An attempt that nobody executes.
enum Refused {
    /// By a full queue of the edge.
    Here(u64),
    /// By a full link.
    Full(Peer, u64),
    /// It was withdrawn from the link.
    Withdrawn(Peer, u64),
}

pub struct World {
    choices: Choices,
    dice: Choices,
    base: Moment,
    now: u64,
    catalogues: Catalogues,
    sessions: Sessions,
    calls: Calls<u64>,
    left: Vec<usize>,
    prefer: Prefer,
    affinity: Affinity,
    hosts: Vec<Host>,
    local: Vec<Local>,
    /// Attempts that are refused next.
    refusals: VecDeque<Refused>,
    own: Vec<Calc>,
    ledger: Ledger,
    asking: HashMap<u64, Asking>,
    /// The highest version that a session has had of the line that it asked for.
    highest: HashMap<(u64, String), ComponentVersion>,
    incarnations: u64,
    published: u64,
    /// Whether nodes only go and come, with what they had.
    is_quiet: bool,
}

impl World {
    pub fn new(seed: u64) -> World {
        let mut choices = Choices::new(seed);
        let is_quiet = choices.one_in(4);
        let settings = Settings {
            forget: Duration::from_millis(if is_quiet { LONGER_THAN_ANY_STORY } else { FORGET }),
            collect: Duration::from_millis(COLLECT),
            ..Settings::default()
        };
        World {
            dice: Choices::new(!seed),
            base: Moment::default(),
            now: 0,
            catalogues: Catalogues::new(settings),
            sessions: Sessions::default(),
            calls: Calls::new(MOST_BYTES),
            left: Vec::new(),
            prefer: *choices.pick(&[Prefer::Local, Prefer::Any]),
            affinity: *choices.pick(&[Affinity::None, Affinity::Session]),
            hosts: Vec::new(),
            local: Vec::new(),
            refusals: VecDeque::new(),
            own: Vec::new(),
            ledger: Ledger::default(),
            asking: HashMap::new(),
            highest: HashMap::new(),
            incarnations: 1,
            published: 0,
            is_quiet,
            choices,
        }
    }

    /// Plays the story. Returns how its calls ended.
    ///
    /// # Errors
    ///
    /// The promise that did not hold.
    pub fn play(mut self) -> Result<Vec<String>, String> {
        self.catalogues.set_own_state(State::Ready);
        for number in 0..3 {
            self.start(number);
        }
        self.pass(400)?;
        let shown = self.shown();
        for _ in 0..STEPS {
            self.step()?;
            let passes = self.choices.below(60) as u64;
            self.pass(passes)?;
            if self.is_quiet && shown != self.shown() {
                return Err(format!(
                    "the description changed from {shown:?} to {:?}",
                    self.shown()
                ));
            }
        }
        self.pass(20_000)?;
        self.end()
    }

    fn at(&self, time: u64) -> Moment {
        self.base + Duration::from_millis(time)
    }

    fn step(&mut self) -> Result<(), String> {
        let index = self.choices.below(self.hosts.len().max(1));
        let words = if self.is_quiet { 0 } else { 4 };
        match self.choices.below(26 + words) {
            0..16 => {
                for _ in 0..=self.choices.below(4) {
                    self.ask()?;
                }
                Ok(())
            }
            16 | 17 => self.kill(index),
            18 | 19 => {
                self.hang(index);
                Ok(())
            }
            20 | 21 => {
                self.leave(index);
                Ok(())
            }
            22..26 => {
                let number = self.choices.below(3);
                self.start(number);
                Ok(())
            }
            26 | 27 => {
                self.swap(index);
                Ok(())
            }
            28 => self.swap_own(),
            _ => {
                self.settle(index);
                Ok(())
            }
        }
    }

    fn ask(&mut self) -> Result<(), String> {
        let id = self.ledger.calls.len() as u64 + 1;
        let is_idempotent = self.choices.one_in(2);
        let component = if self.choices.one_in(60) { "nobody" } else { "calc" };
        let method = match self.choices.one_in(60) {
            true => "missing",
            false if is_idempotent => IDEMPOTENT,
            false => ONCE,
        };
        let wanted = match self.choices.below(5) {
            0 => Wanted::Any,
            1 => Wanted::Line(Line::of(&semver::Version::new(1, 0, 0))),
            2 => Wanted::range("*"),
            3 if self.choices.one_in(8) => Wanted::range("^7"),
            _ => Wanted::range("^1"),
        };
        let session = (!self.choices.one_in(5)).then(|| self.choices.below(4) as u64);
        let padding = if self.choices.one_in(80) { MOST_BYTES } else { 0 };
        let timeout = 100 + self.choices.below(2_500) as u64;
        let request = Request {
            component: component.into(),
            named: component.into(),
            target: Target::Method(method.into()),
            wanted: wanted.clone(),
            session,
            origin: Origin::of_session("S"),
            delegate: None,
            groups: 0,
            arguments: format!("[{}{id}]", " ".repeat(padding)).into(),
            timeout: Duration::from_millis(timeout),
        };
        let call = Call {
            deadline: self.now + timeout,
            is_idempotent: method == IDEMPOTENT,
            executions: Vec::new(),
            attempts: 0,
            tried: Vec::new(),
            at: None,
            reply: None,
        };
        self.ledger.add(id, call);
        let asking = Asking {
            component: component.into(),
            wanted,
            session,
        };
        self.asking.insert(id, asking);
        self.with_calls(|calls, now, routing| calls.begin(now, request, id, routing))
    }

    /// Lets the calls do something, and does what they ask for.
    fn with_calls<D: FnOnce(&mut Calls<u64>, Moment, &mut Routing<'_, Dice<'_>>)>(
        &mut self,
        does: D,
    ) -> Result<(), String> {
        let now = self.at(self.now);
        let dice = &mut self.dice;
        let mut routing = Routing {
            catalogues: &self.catalogues,
            sessions: &mut self.sessions,
            prefer: self.prefer,
            rollout: None,
            dice: Box::new(|| dice.number()) as Dice<'_>,
            left: &mut self.left,
        };
        does(&mut self.calls, now, &mut routing);
        drop(routing);
        while let Some(output) = self.calls.poll() {
            self.carry_out(output)?;
        }
        self.refuse_next()
    }

    /// One attempt is refused that nobody executes.
    fn refuse_next(&mut self) -> Result<(), String> {
        match self.refusals.pop_front() {
            None => Ok(()),
            Some(Refused::Here(number)) => self.answer(Place::Here, number, Outcome::Refused(Refusal::Full)),
            Some(Refused::Full(peer, number)) => {
                self.with_calls(|calls, now, routing| calls.link_full(now, &peer, number, routing))
            }
            Some(Refused::Withdrawn(peer, number)) => {
                self.ledger.endings.push("withdrawn".into());
                self.with_calls(|calls, now, routing| calls.never_taken(now, &peer, number, routing))
            }
        }
    }

    fn carry_out(&mut self, output: Output<u64>) -> Result<(), String> {
        match output {
            Output::Send { peer, number, body } => {
                let body = body.joined();
                let frame = mesh_cluster::calls::CallFrame::read(&body).map_err(|error| error.to_string())?;
                let id = id_of(&frame.arguments)?;
                let version = ComponentVersion::parse(frame.version).map_err(|error| error.to_string())?;
                self.check_choice(id, Place::Node(peer.clone()), &version, number)?;
                self.send(&peer, number, body)
            }
            Output::Here {
                number,
                component,
                request,
                ..
            } => {
                let id = id_of(&request.arguments)?;
                let version = component.version().clone();
                self.check_choice(id, Place::Here, &version, number)?;
                if self.choices.one_in(10) {
                    self.refusals.push_back(Refused::Here(number));
                    return Ok(());
                }
                let may_be_repeated = component.is_idempotent(request.target.aim());
                self.ledger.executed(id, self.now, may_be_repeated)?;
                let ends = self.now + 1 + self.choices.below(1_000) as u64;
                self.local.push(Local { number, id, ends });
                Ok(())
            }
            Output::Withdraw { peer, number } => {
                let now = self.now;
                let host = self.hosts.iter_mut().find(|host| host.peer == peer);
                if host.is_some_and(|host| host.withdraw(now, number)) {
                    self.refusals.push_back(Refused::Withdrawn(peer, number));
                }
                Ok(())
            }
            Output::Cancel { place, number, .. } => {
                let latency = self.choices.below(30) as u64;
                let now = self.now;
                let host = self
                    .hosts
                    .iter_mut()
                    .find(|host| Some(&host.peer) == place.peer());
                if let Some(host) = host {
                    host.receive(now + latency, Frame::Cancel { number });
                }
                Ok(())
            }
            Output::Reply { caller, reply } => {
                self.check_failure(caller, &reply)?;
                self.ledger.replied(caller, self.now, reply)
            }
        }
    }

    fn send(&mut self, peer: &Peer, number: u64, body: Bytes) -> Result<(), String> {
        if self.choices.one_in(40) {
            self.refusals.push_back(Refused::Full(peer.clone(), number));
            return Ok(());
        }
        let latency = self.choices.below(30) as u64;
        let (now, sent) = (self.now, self.now);
        let host = self.hosts.iter_mut().find(|host| host.peer == *peer);
        let host = host.ok_or_else(|| format!("attempt {number} goes to {peer:?}, which nobody is"))?;
        host.untaken.push(number);
        host.receive(now + latency, Frame::Call { number, body, sent });
        Ok(())
    }
}

type Dice<'a> = Box<dyn FnMut() -> u64 + 'a>;
