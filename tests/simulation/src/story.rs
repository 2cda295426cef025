//! One story: a mesh, two components, callers, events and swaps, until all is settled.
//!
//! Enters: a seed. Leaves: the promises that did not hold. Guarantees: one thread; time passes only where the story lets it.

mod promises;

use crate::actor::{Actor, COUNTER, OTHER, Surroundings};
use crate::cast::Cast;
use crate::ledger::{Call, DRAIN, End, Ledger, Receiver};
use crate::temper::{Duty, Temper};
use mesh_choices::Choices;
use mesh_core::mesh::swaps::{Progress, Report, Step};
use mesh_core::mesh::{Clock, Mesh, Settings, Site};
use mesh_deploy::swap::{Ending, Limits, Swaps, Wanted};
use mesh_plugin::{Component, Job, JobKind, LoadRequest, Rehearsal, Stage};
use mesh_session::{AdmissionLimits, Share};
use mesh_store::MemoryStore;
use promises::in_words;
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
    drain: DRAIN,
    handover: Duration::from_millis(100),
    state_bytes: 1024,
    max_error_percent: 20,
};
/// A story that goes on for longer has a circle.
const LONGEST: Duration = Duration::from_secs(60);

/// Plays the story of a seed. Returns how its swaps ended.
///
/// # Errors
///
/// The promises that did not hold.
///
/// # Panics
///
/// When there is no memory or no thread.
pub fn play(seed: u64) -> Result<Vec<Ending>, Vec<String>> {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => panic!("no runtime: {error}"),
    };
    let (faults, endings) = runtime.block_on(async {
        let mut story = Story::begin(seed).await;
        story.goes_on().await;
        story.settles().await;
        story.ends().await;
        let mut faults = std::mem::take(&mut story.ledger.book().faults);
        if !faults.is_empty() {
            faults.extend(story.reports.iter().map(in_words));
        }
        let endings: Vec<Ending> = story.reports.iter().filter_map(|report| report.ending).collect();
        (faults, endings)
    });
    match faults.is_empty() {
        true => Ok(endings),
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
    /// Threads have little else to do, so that most hand-overs get to their end.
    is_lively: bool,
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
        let is_lively = !choices.one_in(3);
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
            is_lively,
        };
        let schema = has_state.then_some(1);
        let first = Temper {
            hangs: *story.choices.pick(&[0, 0, 0, 2]),
            snapshot: Temper::any(&mut story.choices, schema).snapshot,
            restore: match story.choices.one_in(4) {
                true => Duty::Slowly(Duration::from_millis(80 + story.choices.below(320) as u64)),
                false => Temper::any(&mut story.choices, schema).restore,
            },
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
        story.looks_who_serves(story.moved);
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
            stack_bytes: mesh_plugin::LANE_STACK,
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
            if self.is_lively && self.choices.one_in(2) {
                self.all_move();
                self.something_is_answered_later();
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
        let before = std::mem::replace(&mut self.moved, now);
        self.looks_who_serves(before);
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

    /// `before` is when it was looked last.
    fn looks_who_serves(&self, before: Instant) {
        let Some(serving) = self.serving() else { return };
        let number = serving.instance().identity().number;
        let actors = self.cast.actors();
        let actor = actors.iter().find(|actor| actor.library.number() == number);
        if let Some(actor) = actor {
            self.ledger.book().serves(actor.number, before);
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
            let made_at = book.serving.len().saturating_sub(1);
            book.calls.push(Call {
                caller,
                method: (component == COUNTER).then_some(method),
                made_at,
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
        let temper = match self.choices.one_in(3) {
            true => Temper::that_panics(&mut self.choices, schema),
            false => Temper::any(&mut self.choices, schema),
        };
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
}

fn settings(stage: Stage) -> Settings {
    Settings {
        name: NAME.to_owned(),
        domain: NAME.to_owned(),
        call_timeout: CALL_TIMEOUT,
        client_timeout: CALL_TIMEOUT,
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
