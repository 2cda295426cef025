//! A story: an edge with callers, nodes that come, go, hang and swap versions, and a clock that is moved.

use crate::components::{Calc, IDEMPOTENT, ONCE};
use crate::host::{Back, Frame, Host, MOST_BYTES, id_of};
use crate::ledger::{Call, Ledger};
use bytes::Bytes;
use mesh_choices::Choices;
use mesh_cluster::calls::{
    AnswerFrame, CallError, Calls, Outcome, Output, Refusal, Reply, Request, Routing, Target, Wanted,
};
use mesh_cluster::catalogue::{Catalogues, Publication, Settings};
use mesh_cluster::choice::{Asked, Prefer, Sessions, Tried};
use mesh_cluster::component::{Affinity, Rank};
use mesh_cluster::peer::{Incarnation, NodeName, NodeState, Peer, Standing, Verdict};
use mesh_cluster::provider::{Place, Provider};
use mesh_wire::origin::Origin;
use mesh_wire::versions::{ComponentVersion, Line};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

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

pub struct World {
    choices: Choices,
    dice: Choices,
    base: Instant,
    now: u64,
    catalogues: Catalogues,
    sessions: Sessions,
    calls: Calls<u64>,
    left: Vec<usize>,
    prefer: Prefer,
    affinity: Affinity,
    hosts: Vec<Host>,
    local: Vec<Local>,
    /// Attempts that a full link, or a full queue of the edge, refuses.
    refusals: VecDeque<(Place, u64)>,
    own: Vec<Calc>,
    ledger: Ledger,
    asking: HashMap<u64, Asking>,
    /// The highest version that a session has had of the line that it asked for.
    highest: HashMap<(u64, String), ComponentVersion>,
    incarnations: u128,
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
            base: Instant::now(),
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
        self.catalogues.set_own_state(NodeState::Ready);
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

    fn at(&self, time: u64) -> Instant {
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
            executions: 0,
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

    /// Starts a node, or starts it anew, with what it had.
    fn start(&mut self, number: usize) {
        let node = NodeName::parse(&format!("shop-{number}")).expect("it is a name");
        let former = self.hosts.iter().rev().find(|host| host.peer.node == node);
        if former.is_some_and(|host| host.is_running) {
            return;
        }
        let calc = former.map(|host| host.calc.clone());
        let calc = calc.unwrap_or_else(|| {
            let calc = |minor| Calc {
                major: 1,
                minor,
                is_settled: true,
            };
            vec![calc(number as u64 % 2)]
        });
        self.incarnations += 1;
        let peer = Peer {
            node,
            incarnation: Incarnation(self.incarnations),
        };
        let mut host = Host::new(peer, self.affinity);
        let heard = self.now + self.choices.below(50) as u64;
        host.verdicts.push_back((heard, Verdict::Alive));
        if self.choices.one_in(2) {
            host.offer(heard, Vec::new());
        }
        host.offer(heard + self.choices.below(100) as u64, calc);
        host.send(heard + 50, Back::State(NodeState::Ready));
        self.hosts.push(host);
    }

    fn kill(&mut self, index: usize) -> Result<(), String> {
        let Some(host) = self.hosts.get_mut(index).filter(|host| host.is_running) else {
            return Ok(());
        };
        host.is_running = false;
        host.resumes = None;
        host.verdicts.clear();
        let away = self.now + self.choices.below(200) as u64;
        host.verdicts.push_back((away, Verdict::Away));
        host.verdicts
            .push_back((away + self.choices.below(400) as u64, Verdict::Lost));
        Ok(())
    }

    fn hang(&mut self, index: usize) {
        let Some(host) = self.hosts.get_mut(index) else {
            return;
        };
        if !host.is_running || host.is_hung || host.is_draining {
            return;
        }
        host.is_hung = true;
        host.verdicts.clear();
        host.verdicts.push_back((self.now + 150, Verdict::Suspect));
        host.verdicts.push_back((self.now + 700, Verdict::Lost));
        host.resumes = Some(self.now + self.choices.below(1_500) as u64);
    }

    fn leave(&mut self, index: usize) {
        let Some(host) = self.hosts.get_mut(index) else {
            return;
        };
        if host.is_running && !host.is_hung && !host.is_draining {
            host.is_draining = true;
            host.send(
                self.now + self.choices.below(20) as u64,
                Back::State(NodeState::Draining),
            );
        }
    }

    /// The node replaces its version by a higher one, or now and then by a lower one.
    fn swap(&mut self, index: usize) {
        let Some(host) = self
            .hosts
            .get_mut(index)
            .filter(|host| host.is_running && !host.is_hung)
        else {
            return;
        };
        let mut calc = host.calc.clone();
        for version in &mut calc {
            match self.choices.below(6) {
                0 => version.minor = version.minor.saturating_sub(1),
                1 => {
                    *version = Calc {
                        major: version.major + 1,
                        ..*version
                    }
                }
                _ => version.minor += 1,
            }
            version.is_settled = false;
        }
        host.offer(self.now + self.choices.below(20) as u64, calc);
    }

    fn settle(&mut self, index: usize) {
        let Some(host) = self
            .hosts
            .get_mut(index)
            .filter(|host| host.is_running && !host.is_hung)
        else {
            return;
        };
        let mut calc = host.calc.clone();
        calc.iter_mut().for_each(|version| version.is_settled = true);
        host.offer(self.now + self.choices.below(20) as u64, calc);
    }

    fn swap_own(&mut self) -> Result<(), String> {
        let minor = self.choices.below(4) as u64;
        self.own = match self.choices.one_in(3) {
            true => Vec::new(),
            false => vec![Calc {
                major: 1,
                minor,
                is_settled: true,
            }],
        };
        let own = self.own.iter().map(|calc| calc.made(self.affinity)).collect();
        let now = self.at(self.now);
        let published = self.catalogues.set_own(now, own);
        self.check_publication(published, true)
    }

    /// Lets time pass, event by event.
    fn pass(&mut self, milliseconds: u64) -> Result<(), String> {
        let end = self.now + milliseconds;
        loop {
            let calls = self.calls.next().map(|at| self.time_of(at));
            let catalogues = self.catalogues.next().map(|at| self.time_of(at));
            let hosts = self.hosts.iter().filter_map(Host::next);
            let local = self.local.iter().map(|local| local.ends);
            let next = hosts.chain(local).chain(calls).chain(catalogues).min();
            let Some(next) = next.filter(|next| *next <= end) else {
                break;
            };
            self.now = self.now.max(next);
            self.happen()?;
        }
        self.now = end;
        self.happen()
    }

    fn time_of(&self, at: Instant) -> u64 {
        (at - self.base).as_millis() as u64
    }

    fn happen(&mut self) -> Result<(), String> {
        let now = self.now;
        for index in 0..self.hosts.len() {
            self.hosts[index].work(now, &mut self.choices, &mut self.ledger)?;
            while let Some((_, verdict)) = self.hosts[index].verdicts.pop_front_if(|(at, _)| *at <= now) {
                self.judge(index, verdict)?;
            }
            while let Some((_, back)) = self.hosts[index].from.pop_front_if(|(at, _)| *at <= now) {
                self.hear(index, back)?;
            }
            let host = &mut self.hosts[index];
            let says_goodbye = host.from.iter().any(|(_, back)| matches!(back, Back::Goodbye));
            if host.is_draining && host.is_running && !host.is_hung && host.is_idle() && !says_goodbye {
                host.send(now + 30, Back::Goodbye);
            }
        }
        self.hosts.retain(|host| {
            let is_over = matches!(host.standing.verdict, Verdict::Lost | Verdict::Left);
            host.is_running || !is_over || !host.from.is_empty()
        });
        let (over, running): (Vec<Local>, Vec<Local>) = std::mem::take(&mut self.local)
            .into_iter()
            .partition(|local| local.ends <= now);
        self.local = running;
        for local in over {
            let payload = format!("[{}]", local.id).into();
            self.answer(
                Place::Here,
                local.number,
                Outcome::Answered { status: 0, payload },
            )?;
        }
        self.with_calls(|calls, now, _| calls.tick(now))?;
        let instant = self.at(now);
        let published = self.catalogues.tick(instant);
        self.check_publication(published, false)?;
        self.check()
    }

    fn judge(&mut self, index: usize, verdict: Verdict) -> Result<(), String> {
        if self.hosts[index].standing.verdict == Verdict::Left {
            return Ok(());
        }
        let peer = self.hosts[index].peer.clone();
        // A new incarnation is seen: the former is lost at once.
        let is_former = |host: &Host| host.peer.node == peer.node && host.peer != peer;
        if let Some(former) = self.hosts.iter().position(is_former)
            && former < index
            && !matches!(self.hosts[former].standing.verdict, Verdict::Lost | Verdict::Left)
        {
            self.hosts[former].verdicts.clear();
            self.hosts[former].standing.verdict = Verdict::Lost;
            self.lose(former)?;
        }
        self.hosts[index].standing.verdict = verdict;
        let standing = self.hosts[index].standing;
        let now = self.at(self.now);
        self.catalogues
            .stand(now, &peer, standing)
            .map_err(|error| error.to_string())?;
        if verdict == Verdict::Lost {
            return self.lose(index);
        }
        // A beat names the catalogue. One that was missed is asked for.
        let host = &mut self.hosts[index];
        if let Some(catalogue) = host.catalogue.as_ref().filter(|_| host.is_running)
            && self
                .catalogues
                .lacks(&peer, catalogue.revision(), catalogue.hash())
        {
            let body = catalogue.body();
            host.send(self.now + 20, Back::Catalogue(body));
        }
        Ok(())
    }

    /// A peer is lost or has left: its link says what became of frames that it has not taken.
    fn lose(&mut self, index: usize) -> Result<(), String> {
        let peer = self.hosts[index].peer.clone();
        self.ledger.lost.insert(peer.node.clone());
        let told = self.hosts[index].void(self.now, &mut self.choices);
        let is_first = self.choices.one_in(2);
        if is_first {
            self.with_calls(|calls, now, routing| calls.lost(now, &peer, routing))?;
        }
        for (number, is_unknown) in told {
            self.with_calls(|calls, now, routing| match is_unknown {
                true => calls.unknown(now, &peer, number, routing),
                false => calls.never_taken(now, &peer, number, routing),
            })?;
        }
        self.with_calls(|calls, now, routing| calls.lost(now, &peer, routing))
    }

    fn hear(&mut self, index: usize, back: Back) -> Result<(), String> {
        let now = self.at(self.now);
        let peer = self.hosts[index].peer.clone();
        match back {
            Back::Taken(number) => {
                self.hosts[index].untaken.retain(|other| *other != number);
                self.calls.taken(&peer, number);
                Ok(())
            }
            Back::Answer(answer) => self.answer(Place::Node(peer), answer.number, answer.outcome),
            Back::Catalogue(body) => {
                let received = self.catalogues.receive(now, &peer, &body);
                received.map(|_| ()).map_err(|error| error.to_string())
            }
            Back::State(state) => {
                let host = &mut self.hosts[index];
                host.standing.state = state;
                let standing = host.standing;
                if matches!(standing.verdict, Verdict::Lost | Verdict::Left) {
                    return Ok(());
                }
                let stood = self.catalogues.stand(now, &peer, standing);
                stood.map_err(|error| error.to_string())
            }
            Back::Goodbye => {
                let host = &mut self.hosts[index];
                host.is_running = false;
                host.verdicts.clear();
                let was_lost = host.standing.verdict == Verdict::Lost;
                host.standing = Standing {
                    verdict: Verdict::Left,
                    state: NodeState::Draining,
                };
                let standing = host.standing;
                if was_lost {
                    return Ok(());
                }
                self.catalogues
                    .stand(now, &peer, standing)
                    .map_err(|error| error.to_string())?;
                self.lose(index)
            }
        }
    }

    fn answer(&mut self, place: Place, number: u64, outcome: Outcome) -> Result<(), String> {
        self.ledger.arrived(&place, number);
        let answer = AnswerFrame { number, outcome };
        self.with_calls(|calls, now, routing| calls.answered(now, &place, answer, routing))?;
        match self.calls.counts().late == self.ledger.late {
            true => Ok(()),
            false => Err(format!(
                "attempt {number} of {place:?} is counted as late, or is not"
            )),
        }
    }

    /// Lets the calls do something, and does what they ask for.
    fn with_calls<D: FnOnce(&mut Calls<u64>, Instant, &mut Routing<'_, Dice<'_>>)>(
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

    /// One attempt is refused by a full link, or by a full queue of the edge.
    fn refuse_next(&mut self) -> Result<(), String> {
        match self.refusals.pop_front() {
            None => Ok(()),
            Some((Place::Here, number)) => self.answer(Place::Here, number, Outcome::Refused(Refusal::Full)),
            Some((Place::Node(peer), number)) => {
                self.with_calls(|calls, now, routing| calls.link_full(now, &peer, number, routing))
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
                    self.refusals.push_back((Place::Here, number));
                    return Ok(());
                }
                self.ledger.executed(id)?;
                let ends = self.now + 1 + self.choices.below(1_000) as u64;
                self.local.push(Local { number, id, ends });
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
            self.refusals.push_back((Place::Node(peer.clone()), number));
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

    /// A call goes where it may, and no session goes back to a lower version while a higher one takes calls.
    fn check_choice(
        &mut self,
        id: u64,
        place: Place,
        version: &ComponentVersion,
        number: u64,
    ) -> Result<(), String> {
        let asking = self.asking[&id].clone();
        let to = Tried {
            place: place.clone(),
            version: version.clone(),
        };
        self.ledger.attempt(id, number, to)?;
        let call = &self.ledger.calls[&id];
        self.ledger
            .endings
            .extend(match (call.attempts, call.executions) {
                (1, _) => None,
                (_, 0) => Some("rerouted".into()),
                _ => Some("repeated".into()),
            });
        let is_new = |provider: &&Provider| {
            let of = (&provider.place, provider.component.version());
            call.tried
                .iter()
                .all(|tried| (&tried.place, &tried.version) != of)
        };
        let asked = asking.wanted.asked();
        let fitting: Vec<&Provider> = self
            .catalogues
            .providers(&asking.component)
            .iter()
            .filter(|provider| asked.admits(provider.component.version()))
            .filter(is_new)
            .collect();
        let chosen = fitting
            .iter()
            .find(|provider| provider.place == place && provider.component.version() == version)
            .ok_or_else(|| format!("call {id} goes to {place:?} with {version}, which does not fit"))?;
        let takes = |provider: &Provider| provider.standing == Standing::READY;
        if !takes(chosen) {
            let is_last =
                chosen.standing.verdict == Verdict::Suspect && chosen.standing.state == NodeState::Ready;
            if !is_last || fitting.iter().any(|provider| takes(provider)) {
                return Err(format!(
                    "call {id} goes to {place:?}, which is {:?}",
                    chosen.standing
                ));
            }
        }
        let Some(session) = asking.session else {
            return Ok(());
        };
        let key = match &asking.wanted {
            Wanted::Any => "".to_owned(),
            Wanted::Line(line) => line.to_string(),
            Wanted::Range(range) => range.0.to_string(),
        };
        let key = (session, key);
        if let Some(highest) = self.highest.get(&key)
            && Rank::of(version) < Rank::of(highest)
            && fitting.iter().any(|provider| {
                provider.component.rank() >= Rank::of(highest) && provider.standing == chosen.standing
            })
        {
            return Err(format!("call {id} goes back from {highest} to {version}"));
        }
        let is_higher = |known: &ComponentVersion| Rank::of(version) > Rank::of(known);
        if self.highest.get(&key).is_none_or(is_higher) {
            self.highest.insert(key, version.clone());
        }
        Ok(())
    }

    /// Nobody is told that no node can take a call while one could.
    fn check_failure(&self, id: u64, reply: &Reply) -> Result<(), String> {
        let Reply::Failed(CallError::Unavailable { .. } | CallError::Busy { .. }) = reply else {
            return Ok(());
        };
        let (call, asking) = (&self.ledger.calls[&id], &self.asking[&id]);
        let tried = call.tried.iter().chain(call.at.as_ref().map(|(_, tried)| tried));
        let tried: Vec<&Tried> = tried.collect();
        let asked: Asked<'_> = asking.wanted.asked();
        let can = |provider: &&Provider| {
            let is_new = tried
                .iter()
                .all(|tried| tried.place != provider.place || tried.version != *provider.component.version());
            provider.standing == Standing::READY && asked.admits(provider.component.version()) && is_new
        };
        match self.catalogues.providers(&asking.component).iter().find(can) {
            Some(provider) if call.attempts < 3 => Err(format!(
                "call {id} got {reply:?}, although {:?} could serve",
                provider.place
            )),
            _ => Ok(()),
        }
    }

    fn check_publication(&mut self, published: Option<Publication>, is_own: bool) -> Result<(), String> {
        if published.is_none() {
            return Ok(());
        }
        if !is_own && self.now < self.published + COLLECT && self.published > 0 {
            return Err(format!(
                "two publications came within {} ms",
                self.now - self.published
            ));
        }
        self.published = self.now;
        Ok(())
    }

    fn shown(&self) -> Vec<String> {
        let entries = self.catalogues.published().iter();
        entries
            .map(|entry| format!("{} {}", entry.listed, entry.component.version()))
            .collect()
    }

    /// The promises that hold at each moment.
    fn check(&mut self) -> Result<(), String> {
        let waiting = self.ledger.waiting().count();
        if self.calls.waiting() != waiting {
            return Err(format!("{} calls wait of {waiting}", self.calls.waiting()));
        }
        if let Some((id, _)) = self.ledger.waiting().find(|(_, call)| call.deadline <= self.now) {
            return Err(format!("call {id} waits beyond its deadline"));
        }
        for host in &self.hosts {
            let is_here = |call: &Call| {
                let place = call.at.as_ref().map(|(_, tried)| &tried.place);
                place.and_then(Place::peer) == Some(&host.peer)
            };
            let expected = self.ledger.waiting().filter(|(_, call)| is_here(call)).count();
            let counted = self.calls.in_flight().at(&host.peer) as usize;
            if counted > expected {
                return Err(format!(
                    "{counted} calls are in flight to {:?}, not {expected}",
                    host.peer
                ));
            }
        }
        Ok(())
    }

    fn end(mut self) -> Result<Vec<String>, String> {
        if let Some((id, call)) = self.ledger.waiting().next() {
            return Err(format!("call {id} has no answer: {call:?}"));
        }
        if let Some(next) = self.calls.next() {
            return Err(format!("the calls wait for {}", self.time_of(next)));
        }
        for host in self.hosts.iter().filter(|host| host.is_running) {
            if host.running() > 0 || self.calls.in_flight().at(&host.peer) > 0 {
                return Err(format!("{:?} has {} calls at the end", host.peer, host.running()));
            }
        }
        // Each line that somebody offers is in the description.
        let listed = self.catalogues.published().iter();
        let lines: Vec<Line> = listed
            .map(|entry| Line::of(entry.component.version().exact()))
            .collect();
        for host in self
            .hosts
            .iter()
            .filter(|host| host.is_running && host.standing.verdict == Verdict::Alive)
        {
            for calc in &host.calc {
                let line = Line::of(&semver::Version::new(calc.major, calc.minor, 0));
                if !lines.contains(&line) {
                    return Err(format!("{line} of {:?} is not in the description", host.peer));
                }
            }
        }
        Ok(self.ledger.endings)
    }
}

type Dice<'a> = Box<dyn FnMut() -> u64 + 'a>;
