//! A loaded version of a component as the host holds it: started, called, stopped.
//!
//! Enters: a [`LoadRequest`], and calls. Leaves: answers, and figures about them. Guarantees: what its library does, and on
//! which threads, is its runner's business (`runner`); a call goes to a lane without passing that.

use super::instance::Instance;
use super::job::{Answer, Job};
use super::lane::{Refused, Wake};
use super::latency::Latencies;
use super::runner::{LoadRequest, Runner};
use super::{Descriptor, LoadError, Stage};
use mesh_wire::stamp::Stamp;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// How long a component that failed may take to end.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// Where a loaded version is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ComponentState {
    /// Made, and getting ready.
    Starting = 0,
    /// Answers calls.
    Active = 1,
    /// Gets no new calls; finishes those it has.
    Draining = 2,
    /// Has no calls any more, and is kept to take over again should its successor turn out to be bad.
    Parked = 3,
    /// Was stopped; its library is still in memory.
    Resident = 4,
    /// Its code does not run any more.
    Stopped = 5,
}

impl ComponentState {
    /// The word shown to people.
    pub fn as_str(self) -> &'static str {
        match self {
            ComponentState::Starting => "starting",
            ComponentState::Active => "active",
            ComponentState::Draining => "draining",
            ComponentState::Parked => "parked",
            ComponentState::Resident => "resident",
            ComponentState::Stopped => "stopped",
        }
    }
}

/// A loaded, started component.
pub struct Component {
    pub(super) instance: Arc<Instance>,
    descriptor: Arc<Descriptor>,
    library: PathBuf,
    /// When the file was written last and how long it was, just before it was loaded.
    stamp: Option<Stamp>,
    state: AtomicU8,
    calls: AtomicU64,
    timeouts: AtomicU64,
    /// Why its library is still in memory after it was stopped.
    resident: OnceLock<String>,
    /// Runs the library's code.
    pub(super) runner: Runner,
}

impl Component {
    /// Loads a library, makes its component and waits until it has started and says that it is well.
    ///
    /// # Errors
    ///
    /// One sentence for each way in which a library can be unusable. Nothing of it is left in memory then, unless a
    /// thread of its own still runs.
    pub async fn load(request: LoadRequest) -> Result<Component, LoadError> {
        let start_timeout = request.start_timeout;
        let component = Component::create(request).await?;
        let outcome = match component.start(start_timeout).await {
            Ok(()) => component.check_health(start_timeout).await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(()) => Ok(component),
            Err(error) => {
                component.discard(AFTER_FAILURE).await;
                Err(error)
            }
        }
    }

    /// Loads a library and makes its component, which has not started yet.
    ///
    /// # Errors
    ///
    /// As for [`Component::load`].
    pub async fn create(request: LoadRequest) -> Result<Component, LoadError> {
        let library = request.library.clone();
        let stamp = Stamp::of(&library);
        let loaded = Runner::load(request).await?;
        Ok(Component {
            instance: loaded.instance,
            descriptor: loaded.descriptor,
            runner: loaded.runner,
            library,
            stamp,
            state: AtomicU8::new(ComponentState::Starting as u8),
            calls: AtomicU64::new(0),
            timeouts: AtomicU64::new(0),
            resident: OnceLock::new(),
        })
    }

    /// Asks a library what it is: in a process of its own, where libraries are tried out, else in this one. Nothing of it runs but
    /// its constructors and destructors.
    ///
    /// # Errors
    ///
    /// As for [`Component::load`], as far as that goes.
    pub async fn inspect(library: PathBuf, stage: Stage) -> Result<Descriptor, LoadError> {
        Runner::describe(library, stage).await
    }

    /// The name it is registered under.
    pub fn name(&self) -> &str {
        &self.instance.identity().component
    }

    /// The library's own description.
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// The running instance.
    pub fn instance(&self) -> &Arc<Instance> {
        &self.instance
    }

    /// The file it was loaded from.
    pub fn library(&self) -> &Path {
        &self.library
    }

    /// Whether the file was written anew since it was loaded.
    pub fn library_has_changed(&self) -> bool {
        self.stamp.is_some() && Stamp::of(&self.library) != self.stamp
    }

    /// Where it is in its life.
    pub fn state(&self) -> ComponentState {
        match self.state.load(Ordering::Acquire) {
            0 => ComponentState::Starting,
            1 => ComponentState::Active,
            2 => ComponentState::Draining,
            3 => ComponentState::Parked,
            4 => ComponentState::Resident,
            _ => ComponentState::Stopped,
        }
    }

    /// Calls taken so far.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Calls given up because their deadline passed.
    pub fn timeouts(&self) -> u64 {
        self.timeouts.load(Ordering::Relaxed)
    }

    /// Whether its code was told to end.
    pub fn has_ended(&self) -> bool {
        matches!(self.state(), ComponentState::Resident | ComponentState::Stopped)
    }

    /// Why its library is still in memory after it was stopped.
    pub fn resident_reason(&self) -> Option<&str> {
        self.resident.get().map(String::as_str)
    }

    /// Notes that its library is still in memory after it was stopped.
    pub fn set_resident(&self, reason: &str) {
        let _ = self.resident.set(reason.to_owned());
        self.set_state(ComponentState::Resident);
    }

    /// Notes where it is in its life.
    pub fn set_state(&self, state: ComponentState) {
        self.state.store(state as u8, Ordering::Release);
    }

    /// Whether it answers requests for the web routes that it lists. One built before there were such requests does not.
    pub fn answers_web_requests(&self) -> bool {
        self.instance.uses().web()
    }

    /// Calls that it has and has not answered.
    pub fn pending(&self) -> usize {
        self.instance.lanes().iter().map(|lane| lane.pending()).sum()
    }

    /// Requests that it has made and that are not over, of those that name the call they are made for.
    pub fn requests(&self) -> usize {
        self.instance.requests()
    }

    /// Events that it has and has not worked on yet.
    pub fn unfinished_events(&self) -> usize {
        self.instance.lanes().iter().map(|lane| lane.events()).sum()
    }

    /// Calls and events that wait until a version takes them.
    pub fn waiting(&self) -> usize {
        self.instance.lanes().iter().map(|lane| lane.waiting()).sum()
    }

    /// How long its calls took.
    pub fn latencies(&self) -> Latencies {
        let mut all = Latencies::default();
        self.instance
            .lanes()
            .iter()
            .for_each(|lane| lane.latency().add_to(&mut all));
        all
    }

    /// Calls that ended with an error.
    pub fn errors(&self) -> u64 {
        self.instance
            .lanes()
            .iter()
            .map(|lane| lane.faults().errors())
            .sum()
    }

    /// Calls that ended with a panic.
    pub fn panics(&self) -> u64 {
        self.instance
            .lanes()
            .iter()
            .map(|lane| lane.faults().panics())
            .sum()
    }

    /// Completions that came late or twice.
    pub fn late_completions(&self) -> u64 {
        self.instance.late_completions()
    }

    /// Events dropped because a lane's queue was full.
    pub fn dropped_events(&self) -> u64 {
        self.instance
            .lanes()
            .iter()
            .map(|lane| lane.dropped_events())
            .sum()
    }

    /// Calls refused because too many were waiting.
    pub fn refused_calls(&self) -> u64 {
        self.instance
            .lanes()
            .iter()
            .map(|lane| lane.refused_calls())
            .sum()
    }

    /// How many lanes it has.
    pub fn lanes(&self) -> usize {
        self.instance.lanes().len()
    }

    /// Hands a call to a lane, which is woken when the returned [`Wake`] is dropped.
    ///
    /// # Errors
    ///
    /// When it is not taken; it comes back.
    pub fn call(&self, job: Job, answer: Box<dyn Answer>, deadline: Instant) -> Result<Wake, Box<Refused>> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.instance.submit(job, answer, deadline)
    }

    /// Gives up calls whose deadline has passed.
    pub fn expire(&self, now: Instant) {
        let expired: usize = self.instance.lanes().iter().map(|lane| lane.expire(now)).sum();
        self.timeouts.fetch_add(expired as u64, Ordering::Relaxed);
    }
}
