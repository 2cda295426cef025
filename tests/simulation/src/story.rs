//! One story: a mesh, two components, callers, events and swaps, until all is settled.
//!
//! Enters: a seed. Leaves: the promises that did not hold. Guarantees: one thread; time passes only where the story lets it.

use crate::actor::{Actor, COUNTER, NESTED, OTHER, Surroundings};
use crate::cast::Cast;
use crate::ledger::{Call, End, Ledger, Receiver};
use crate::temper::Temper;
use mesh_choices::Choices;
use mesh_core::mesh::swaps::{Progress, Report, Step};
use mesh_core::mesh::{Clock, Mesh, Settings, Site};
use mesh_deploy::swap::{Ending, Limits, Swaps, Wanted};
use mesh_plugin::{Component, ComponentState, Job, JobKind, LoadRequest, Rehearsal, Stage};
use mesh_session::{AdmissionLimits, Share};
use mesh_store::MemoryStore;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::Instant;

const NAME: &str = "Story";
const CALLERS: usize = 3;
const LANES: u32 = 2;
const CALL_TIMEOUT: Duration = Duration::from_millis(400);
const START_TIMEOUT: Duration = Duration::from_millis(150);
const LIMITS: Limits = Limits {
    probation: Duration::from_millis(200),
    drain: Duration::from_millis(300),
    handover: Duration::from_millis(100),
    max_error_percent: 20,
};
/// Timers are as exact as this.
const TICK: Duration = Duration::from_millis(2);
/// A story that goes on for longer has a circle.
const LONGEST: Duration = Duration::from_secs(60);

/// Plays the story of a seed.
///
/// # Errors
///
/// The promises that did not hold.
///
/// # Panics
///
/// When there is no memory or no thread.
pub fn play(seed: u64) -> Result<(), Vec<String>> {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => panic!("no runtime: {error}"),
    };
    let faults = runtime.block_on(async {
        let mut story = Story::begin(seed).await;
        story.goes_on().await;
        story.settles().await;
        story.ends().await;
        let mut faults = std::mem::take(&mut story.ledger.book().faults);
        if !faults.is_empty() {
            faults.extend(story.reports.iter().map(in_words));
        }
        faults
    });
    match faults.is_empty() {
        true => Ok(()),
        false => Err(faults),
    }
}

/// A swap that has not ended.
struct Running {
    task: JoinHandle<Option<Report>>,
    progress: UnboundedReceiver<Progress>,
    step: Option<Step>,
}

struct Story {
    choices: Choices,
    mesh: Arc<Mesh>,
    clock: Clock,
    /// The time up to which `clock` was moved.
    moved: Instant,
    cast: Cast,
    ledger: Ledger,
    shares: Vec<Arc<Share>>,
    swaps: Arc<Swaps>,
    running: Vec<Running>,
    reports: Vec<Report>,
    /// The steps of the swaps that go on.
    steps: Vec<Step>,
    stage: Stage,
    libraries: usize,
    /// The schema of the versions of the counter; none where they have no state.
    has_state: bool,
}

impl Story {
    async fn begin(seed: u64) -> Story {
        let mut choices = Choices::new(seed);
        let cast = Cast::default();
        let stage = Stage {
            folder: PathBuf::new(),
            rehearsal: Rehearsal::played_by(Arc::new(cast.clone())),
        };
        let clock = Clock::stopped();
        let mesh = Mesh::with_clock(
            settings(stage.clone()),
            Arc::new(MemoryStore::default()),
            None,
            clock.clone(),
        );
        let has_state = !choices.one_in(4);
        let mut story = Story {
            choices,
            clock,
            moved: Instant::now(),
            cast,
            ledger: Ledger::default(),
            shares: (0..CALLERS).map(|_| Arc::default()).collect(),
            swaps: Swaps::new(mesh.clone()),
            mesh,
            running: Vec::new(),
            reports: Vec::new(),
            steps: Vec::new(),
            stage,
            libraries: 0,
            has_state,
        };
        let schema = has_state.then_some(1);
        let first = Temper {
            hangs: *story.choices.pick(&[0, 0, 0, 2]),
            snapshot: Temper::any(&mut story.choices, schema).snapshot,
            restore: Temper::any(&mut story.choices, schema).restore,
            ..Temper::good(schema)
        };
        for (name, temper) in [(COUNTER, first), (OTHER, Temper::good(None))] {
            let request = story.request(name, temper);
            let loading = tokio::spawn(Component::load(request));
            while !loading.is_finished() {
                story.all_move();
                story.time_passes(Duration::from_millis(1)).await;
            }
            let registered = match loading.await {
                Ok(Ok(component)) => story
                    .mesh
                    .register(Arc::new(component))
                    .map_err(|error| error.to_string()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            if let Err(error) = registered {
                story.ledger.fault(format!("{name} does not load: {error}"));
            }
        }
        story.looks_who_serves();
        story
    }

    fn request(&mut self, name: &str, temper: Temper) -> LoadRequest {
        self.libraries += 1;
        let library = PathBuf::from(format!("{name}-{}", self.libraries));
        self.cast.prepare(&library, temper);
        LoadRequest {
            library,
            name: name.to_owned(),
            mesh: NAME.to_owned(),
            domain: NAME.to_owned(),
            config: "{}".to_owned(),
            lanes: LANES,
            limits: mesh_plugin::Limits {
                bytes: 1 << 20,
                calls_of_each: 1000,
                lanes: LANES as usize,
            },
            stage: self.stage.clone(),
            start_timeout: START_TIMEOUT,
            services: self.mesh.services(),
            delegates: false,
            approve: Box::new(|_| Ok(())),
        }
    }

    /// The part in which something new happens.
    async fn goes_on(&mut self) {
        let steps = 60 + self.choices.below(240);
        let mut swaps = 1 + self.choices.below(2);
        for step in 0..steps {
            match self.choices.below(100) {
                0..28 => self.somebody_calls(),
                28..36 => self.an_event_is_published(),
                36..46 => self.something_is_answered_later(),
                46..48 => self.mesh.expire(),
                48..50 if swaps > 0 && step > 10 => {
                    swaps -= 1;
                    self.a_swap_begins();
                }
                _ => self.a_lane_moves(),
            }
            let pause = match self.choices.below(100) {
                0..70 => None,
                70..75 => Some(Duration::ZERO),
                75..94 => Some(Duration::from_millis(1)),
                94..98 => Some(Duration::from_millis(8)),
                _ => Some(Duration::from_millis(60)),
            };
            if let Some(pause) = pause {
                self.time_passes(pause).await;
            }
            if swaps > 0 && step + 60 > steps && self.running.is_empty() {
                swaps -= 1;
                self.a_swap_begins();
            }
        }
    }

    /// Nothing new happens, until all is answered and all swaps are over.
    async fn settles(&mut self) {
        let began = Instant::now();
        loop {
            self.cast.actors().iter_mut().for_each(Actor::calms_down);
            self.all_move();
            while self.choices.one_in(2) {
                self.something_is_answered_later();
            }
            let pause = 1 + self.choices.below(6) as u64;
            self.time_passes(Duration::from_millis(pause)).await;
            if self.choices.one_in(20) {
                self.mesh.expire();
            }
            let are_answered = self.ledger.book().calls.iter().all(|call| !call.ends.is_empty());
            if self.running.is_empty() && are_answered {
                break;
            }
            if began.elapsed() > LONGEST {
                self.ledger.fault("the story does not end".to_owned());
                break;
            }
        }
        // Events that are still queued are worked off.
        while !self.cast.actors().iter().all(Actor::is_idle) && began.elapsed() < LONGEST {
            self.all_move();
            self.time_passes(Duration::from_millis(4)).await;
        }
    }

    async fn time_passes(&mut self, time: Duration) {
        match time.is_zero() {
            true => tokio::task::yield_now().await,
            false => tokio::time::sleep(time).await,
        }
        let now = Instant::now();
        self.clock.advance(now - self.moved);
        self.moved = now;
        self.looks_who_serves();
        let mut running = Vec::new();
        for swap in std::mem::take(&mut self.running) {
            if !swap.task.is_finished() {
                running.push(swap);
                continue;
            }
            match swap.task.await {
                Ok(Some(report)) => {
                    self.looks_at_pauses(&report);
                    self.reports.push(report);
                }
                Ok(None) => self.ledger.fault("a swap ended without a report".to_owned()),
                Err(error) => self.ledger.fault(format!("a swap ended with a panic: {error}")),
            }
        }
        self.running = running;
        self.looks_at_the_step();
    }

    fn serving(&self) -> Option<Arc<Component>> {
        let registry = self.mesh.registry();
        registry.versions(COUNTER).first()?.replaceable().ok().cloned()
    }

    fn looks_who_serves(&self) {
        let Some(serving) = self.serving() else { return };
        let number = serving.instance().identity().number;
        let actors = self.cast.actors();
        let actor = actors.iter().find(|actor| actor.library.number() == number);
        if let Some(actor) = actor {
            self.ledger.book().serves(actor.number);
        }
    }

    /// Steps change only where time passes, or other tasks have a turn.
    fn looks_at_the_step(&mut self) {
        for swap in &mut self.running {
            while let Ok(progress) = swap.progress.try_recv() {
                swap.step = Some(progress.step);
            }
        }
        self.steps.clear();
        self.steps
            .extend(self.running.iter().filter_map(|swap| swap.step));
    }

    fn somebody_calls(&mut self) {
        let caller = self.choices.below(CALLERS);
        let target = match self.choices.below(10) {
            0..5 => (COUNTER, "count"),
            5..7 => (COUNTER, "later"),
            7 => (COUNTER, "ask"),
            8 => (COUNTER, "ask_back"),
            _ => (OTHER, "back"),
        };
        self.call(caller, target);
    }

    fn call(&mut self, caller: usize, (component, method): (&'static str, &'static str)) -> usize {
        let call = {
            let mut book = self.ledger.book();
            book.calls.push(Call {
                caller,
                method: (component == COUNTER).then_some(method),
                ends: Vec::new(),
            });
            book.calls.len() - 1
        };
        let receiver = Receiver {
            call,
            ledger: self.ledger.clone(),
            share: self.shares[caller].clone(),
        };
        let job = Job {
            payload: format!("[{call}]").into(),
            ..Job::new(JobKind::Call, 0)
        };
        let called = self
            .mesh
            .call_from_host((component, method), "", job, CALL_TIMEOUT, Box::new(receiver));
        if let Err((failure, _)) = called {
            let why = failure.message().to_owned();
            self.ledger.book().ended(call, End::Refused(why));
        }
        call
    }

    fn an_event_is_published(&mut self) {
        let event = {
            let mut book = self.ledger.book();
            book.heard.push(Vec::new());
            book.heard.len() - 1
        };
        let actors = self.cast.actors();
        if let Some(other) = actors.iter().find(|actor| actor.component == OTHER) {
            other.library.emit("tick", event.to_string().as_bytes());
        }
    }

    fn something_is_answered_later(&mut self) {
        let (cast, ledger) = (self.cast.clone(), self.ledger.clone());
        let mut actors = cast.actors();
        let chosen = self.choices.below(actors.len());
        actors[chosen].answer_later(&mut Surroundings {
            ledger: &ledger,
            choices: &mut self.choices,
            steps: &self.steps,
        });
    }

    fn a_lane_moves(&mut self) {
        let moves = 1 + self.choices.below(6);
        let (cast, ledger) = (self.cast.clone(), self.ledger.clone());
        let mut actors = cast.actors();
        let chosen = self.choices.below(actors.len());
        let actor = &mut actors[chosen];
        let lane = self.choices.below(actor.lanes());
        for _ in 0..moves {
            actor.step(
                lane,
                &mut Surroundings {
                    ledger: &ledger,
                    choices: &mut self.choices,
                    steps: &self.steps,
                },
            );
        }
    }

    /// Each lane does some of what it has to do.
    fn all_move(&mut self) {
        let (cast, ledger) = (self.cast.clone(), self.ledger.clone());
        let mut actors = cast.actors();
        for actor in actors.iter_mut() {
            for lane in 0..actor.lanes() {
                for _ in 0..4 {
                    let mut around = Surroundings {
                        ledger: &ledger,
                        choices: &mut self.choices,
                        steps: &self.steps,
                    };
                    if !actor.step(lane, &mut around) {
                        break;
                    }
                }
            }
        }
    }

    fn a_swap_begins(&mut self) {
        let Some(serving) = self.serving() else { return };
        let schema = self.has_state.then(|| 1 + self.choices.below(3) as u32);
        let temper = Temper::any(&mut self.choices, schema);
        let load = self.request(COUNTER, temper);
        let wanted = Wanted {
            component: COUNTER.to_owned(),
            replaces: Some(serving.descriptor().version().text().to_owned()),
            load: Some(load),
            drops_state: false,
        };
        let swaps = self.swaps.clone();
        let (told, progress) = unbounded_channel();
        let task = tokio::spawn(async move {
            let ongoing = swaps.run(vec![wanted], LIMITS, Some(told), |_| {}).await;
            ongoing.end.await.ok()
        });
        self.running.push(Running {
            task,
            progress,
            step: None,
        });
    }

    /// Whether calls waited no longer than they may, there and back.
    fn looks_at_pauses(&self, report: &Report) {
        let limit = (LIMITS.handover + TICK).as_secs_f64() * 1e3;
        let at = |wanted: Step| {
            let step = report.steps.iter().find(|step| step.step == wanted)?;
            Some(step.after_milliseconds)
        };
        let between = |from: Step, to: Step| Some(at(to)? - at(from)?);
        let pauses = [
            between(Step::Quiet, Step::Switch),
            between(Step::Quiet, Step::Reopen),
            between(Step::QuietBack, Step::SwitchBack),
            self.has_state.then_some(report.paused_milliseconds),
        ];
        for pause in pauses.into_iter().flatten() {
            if pause > limit {
                let steps: Vec<_> = report
                    .steps
                    .iter()
                    .map(|step| (step.step, step.after_milliseconds))
                    .collect();
                self.ledger
                    .fault(format!("calls waited for {pause} ms: {steps:?}"));
            }
        }
    }

    async fn ends(&mut self) {
        self.looks_at_calls().await;
        self.looks_at_events();
        self.looks_at_state();
        self.looks_at_versions().await;
    }

    /// Each call was answered once and counts no more, and the version that serves answers.
    async fn looks_at_calls(&mut self) {
        self.ledger.book().look_at_routes();
        let hangs = self.serving().is_none_or(|serving| serving.pending() > 0);
        let call = self.call(0, (COUNTER, "count"));
        let began = Instant::now();
        while began.elapsed() < CALL_TIMEOUT && self.ledger.book().calls[call].ends.is_empty() {
            self.all_move();
            self.time_passes(Duration::from_millis(1)).await;
        }
        self.mesh.expire();
        let mut book = self.ledger.book();
        let ends = book.calls[call].ends.clone();
        let is_answered = matches!(ends[..], [End::By(_) | End::Failed(_)]);
        if !is_answered && !hangs && !book.may_lose {
            book.faults
                .push(format!("the version that serves in the end does not: {ends:?}"));
        }
        let unended: Vec<usize> = book
            .calls
            .iter()
            .enumerate()
            .filter(|(_, call)| call.ends.len() != 1)
            .map(|(number, _)| number)
            .collect();
        if !unended.is_empty() {
            book.faults
                .push(format!("the calls {unended:?} were not answered once"));
        }
        for (caller, share) in self.shares.iter().enumerate() {
            let held = share.held();
            if held.calls != 0 {
                book.faults.push(format!("caller {caller} still holds {held:?}"));
            }
        }
    }

    fn looks_at_events(&self) {
        let mut book = self.ledger.book();
        let of = |wanted: &dyn Fn(usize) -> bool| -> Vec<usize> {
            let heard = book.heard.iter().map(Vec::len).enumerate();
            heard
                .filter(|(_, count)| wanted(*count))
                .map(|(event, _)| event)
                .collect()
        };
        let (doubled, lost) = (of(&|count| count > 1), of(&|count| count == 0));
        if !doubled.is_empty() {
            book.faults
                .push(format!("the events {doubled:?} were heard twice"));
        }
        if !lost.is_empty() && !book.may_lose {
            book.faults.push(format!("the events {lost:?} were lost"));
        }
    }

    /// The version that serves has all that was acknowledged, once.
    fn looks_at_state(&self) {
        let actors = self.cast.actors();
        let mut book = self.ledger.book();
        let Some(serving) = book.serving.last().and_then(|actor| actors.get(*actor)) else {
            return;
        };
        if serving.obeyed_late {
            let number = serving.number;
            book.faults
                .push(format!("version {number} serves, and took over a state late"));
        }
        let lost_state = |report: &Report| report.notes.iter().any(|note| note.contains("is lost"));
        let is_whole = !book.may_lose_state
            && self.has_state
            && !self
                .reports
                .iter()
                .any(|report| lost_state(report) || went_without_state(report));
        let events = serving.events.windows(2).all(|pair| pair[0] < pair[1]);
        if self.has_state && !events {
            let events = &serving.events;
            book.faults
                .push(format!("the state has its events as {events:?}"));
        }
        let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
        for operation in &serving.operations {
            *counts.entry(*operation).or_default() += 1;
        }
        let doubled: Vec<u64> = counts
            .iter()
            .filter(|(_, count)| **count > 1)
            .map(|(one, _)| *one)
            .collect();
        if !doubled.is_empty() {
            book.faults
                .push(format!("the operations {doubled:?} are in the state twice"));
        }
        if !is_whole {
            return;
        }
        let acknowledged: BTreeSet<u64> = book
            .calls
            .iter()
            .enumerate()
            .filter(|(_, call)| call.method.is_some() && matches!(call.ends.first(), Some(End::By(_))))
            .map(|(number, _)| number as u64)
            .collect();
        let missing: Vec<u64> = acknowledged
            .into_iter()
            .filter(|operation| !counts.contains_key(operation))
            .map(|operation| operation & !NESTED)
            .collect();
        if !missing.is_empty() {
            book.faults
                .push(format!("the operations {missing:?} are not in the state"));
        }
    }

    /// Each version serves, or its lanes have been left.
    async fn looks_at_versions(&mut self) {
        let serving = self.serving();
        if let Some(serving) = &serving
            && serving.state() != ComponentState::Active
        {
            self.ledger
                .fault(format!("the version that serves is {:?}", serving.state()));
        }
        for retired in self.mesh.retired() {
            if retired.resident_reason().is_none() {
                let version = retired.descriptor().version().text();
                self.ledger.fault(format!(
                    "version {version} was neither unloaded nor kept for a reason"
                ));
            }
        }
        let number = serving.map(|serving| serving.instance().identity().number);
        for actor in self.cast.actors().iter() {
            if !(actor.has_left() || Some(actor.library.number()) == number || actor.component == OTHER) {
                self.ledger
                    .fault(format!("the lanes of version {} go on", actor.number));
            }
        }
        let mesh = self.mesh.clone();
        let stops = tokio::spawn(async move { mesh.stop_components(Duration::from_millis(100)).await });
        while !stops.is_finished() {
            self.all_move();
            self.time_passes(Duration::from_millis(4)).await;
        }
        let left = self.cast.actors().iter().all(Actor::has_left);
        if !left {
            self.ledger.fault("a version does not stop".to_owned());
        }
    }
}

/// A swap as it is told beside faults.
fn in_words(report: &Report) -> String {
    let steps = report.steps.iter();
    let steps: Vec<String> = steps
        .map(|step| format!("{:?} at {}", step.step, step.after_milliseconds))
        .collect();
    let (title, ending, reason) = (report.title(), report.ending, &report.reason);
    let (steps, notes) = (steps.join(", "), &report.notes);
    format!("swap {title}: {ending:?} because of {reason:?}, {steps}; {notes:?}")
}

/// The state could not be handed over, because the new version does not read it.
fn went_without_state(report: &Report) -> bool {
    let switched = report.steps.iter().any(|step| step.step == Step::Switch);
    let handed_over = report.steps.iter().any(|step| step.step == Step::Snapshot);
    report.ending != Some(Ending::Refused) && switched && !handed_over
}

fn settings(stage: Stage) -> Settings {
    Settings {
        name: NAME.to_owned(),
        domain: NAME.to_owned(),
        call_timeout: CALL_TIMEOUT,
        acknowledge_timeout: Duration::from_secs(5),
        lane_queue: 1 << 20,
        session_queue: 1 << 20,
        admission: AdmissionLimits {
            all: 1000,
            per_address: 1000,
        },
        compression: false,
        ping_interval: Duration::from_secs(60),
        subscriptions_each: mesh_session::pubsub::Limits {
            count: 1000,
            bytes: 1 << 20,
        },
        stage,
        site: Site::default(),
        console: false,
    }
}
