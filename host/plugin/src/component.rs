//! A loaded version as the host holds it: started, called, stopped.
//!
//! The work on its threads meanwhile is in `lifecycle.rs`.

use super::ffi::interpose;
use super::instance::{Identity, Instance, Services};
use super::job::{Answer, Job};
use super::lane::{Limits, Refused, Wake};
use super::latency::Latencies;
use super::lifecycle::{self, LaneZero};
use super::{Descriptor, LoadError, LoadErrorKind, Stage};
use bytes::Bytes;
use mesh_wire::stamp::Stamp;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How long a component that failed may take to end.
const AFTER_FAILURE: Duration = Duration::from_secs(2);
/// How long the report about a library may take to arrive.
const REPORT: Duration = Duration::from_millis(500);
/// Without the host's own key functions the process has room for this many libraries.
const LIBRARIES_WITHOUT_KEY_RELEASE: u64 = 900;

/// Looks at what a library says of itself, and refuses it or not.
pub type Approval = Box<dyn FnOnce(&Descriptor) -> Result<(), LoadError> + Send + Sync>;

/// The library to load, and its name and version.
pub struct LoadRequest {
    /// The library file.
    pub library: PathBuf,
    /// The name to register it under.
    pub name: String,
    /// The mesh's name.
    pub mesh: String,
    /// The mesh's domain.
    pub domain: String,
    /// JSON object for the component.
    pub config: String,
    /// How many lanes, 1 to 64.
    pub lanes: u32,
    /// The limits of each lane.
    pub limits: Limits,
    /// Where its private copy goes, and how that is tried out.
    pub stage: Stage,
    /// How long the component may take to start.
    pub start_timeout: Duration,
    /// The services of the host for the component.
    pub services: Arc<dyn Services>,
    /// Whether it asks for what its callers want with their rights.
    pub delegates: bool,
    /// A last look at what the library says of itself, before any instance is made.
    pub approve: Approval,
}

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

/// The fate of a library after its component was stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unloaded {
    /// Its memory is mapped no more.
    Gone,
    /// It is still there, for this reason.
    Resident(String),
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
    /// Taken when it ends.
    pub(super) lane_zero: Mutex<Option<JoinHandle<LaneZero>>>,
    /// The code that answers in place of a library.
    pub(super) native: Option<Arc<dyn Native>>,
}

/// A component that is part of the host itself.
pub trait Native: Send + Sync {
    /// Answers a call, now or later, from any thread. Must not wait.
    fn call(&self, call: NativeCall, answer: Box<dyn Answer>);
}

/// A call of a component that is part of the host itself.
#[derive(Clone, Debug)]
pub struct NativeCall {
    /// The method's name, one that the component's descriptor lists.
    pub method: Bytes,
    /// A JSON array of arguments.
    pub arguments: Bytes,
    /// A JSON object about the caller.
    pub origin: Bytes,
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
        static LOADED: AtomicU64 = AtomicU64::new(0);
        let count = LOADED.fetch_add(1, Ordering::Relaxed);
        if count >= LIBRARIES_WITHOUT_KEY_RELEASE && !interpose::is_active() {
            return Err(LoadError::new(
                LoadErrorKind::Resources,
                "900 libraries were loaded, and thread keys cannot be released in this build of the host: restart it to load more",
            ));
        }
        let (library, patience) = (request.library.clone(), request.start_timeout);
        let stamp = Stamp::of(&library);
        let (report, opened) = oneshot::channel();
        let (after_rehearsal, rehearsed) = oneshot::channel();
        let thread_name = request.name.clone();
        let lane_zero = thread::Builder::new()
            .name(format!("{thread_name}/0"))
            .spawn(move || lifecycle::lane_zero(request, after_rehearsal, report))
            .map_err(|error| {
                LoadError::new(LoadErrorKind::Resources, format!("cannot start a lane: {error}"))
            })?;
        let failed = |what: String| {
            let message = format!("{} could not be created: {what}", library.display());
            LoadError::new(LoadErrorKind::Create, message)
        };
        // The rehearsal has as long as the component. The report has its result in any case.
        let _ = tokio::time::timeout(patience + REPORT, rehearsed).await;
        let opened = match tokio::time::timeout(patience, opened).await {
            Ok(Ok(opened)) => opened,
            // A lane that ends without a report has panicked in host code.
            Ok(Err(_)) => Err(failed("its lane ended with a panic".to_owned())),
            Err(_) => {
                // Its thread cannot be ended, and so the library stays for as long as that runs.
                tokio::spawn(lifecycle::clear_away(lane_zero, Duration::ZERO));
                let limit = patience.as_millis();
                return Err(failed(format!("it did not return within {limit} ms")));
            }
        };
        let opened = match opened {
            Ok(opened) => opened,
            Err(error) => {
                lifecycle::clear_away(lane_zero, Duration::from_secs(10)).await;
                return Err(error);
            }
        };
        let component = Component {
            instance: opened.instance,
            descriptor: opened.descriptor,
            library,
            stamp,
            state: AtomicU8::new(ComponentState::Starting as u8),
            calls: AtomicU64::new(0),
            timeouts: AtomicU64::new(0),
            resident: OnceLock::new(),
            lane_zero: Mutex::new(Some(lane_zero)),
            native: None,
        };
        Ok(component)
    }

    /// A component that is part of the host itself: no library, no lanes. `number` groups what it subscribes to.
    pub fn native(
        identity: Identity,
        descriptor: Descriptor,
        services: Arc<dyn Services>,
        native: Arc<dyn Native>,
    ) -> Component {
        Component {
            instance: Arc::new(Instance::new(identity, Box::new([]), services)),
            descriptor: Arc::new(descriptor),
            library: PathBuf::from("(part of the host)"),
            stamp: None,
            state: AtomicU8::new(ComponentState::Active as u8),
            calls: AtomicU64::new(0),
            timeouts: AtomicU64::new(0),
            resident: OnceLock::new(),
            lane_zero: Mutex::new(None),
            native: Some(native),
        }
    }

    /// Asks a library what it is: in a process of its own, where libraries are tried out, else in this one. Nothing of it runs but
    /// its constructors and destructors.
    ///
    /// # Errors
    ///
    /// As for [`Component::load`], as far as that goes.
    pub async fn inspect(library: PathBuf, stage: Stage) -> Result<Descriptor, LoadError> {
        let (report, described) = oneshot::channel();
        let lane = thread::Builder::new()
            .name("inspect".to_owned())
            .spawn(move || lifecycle::look(&library, &stage, report))
            .map_err(|error| {
                LoadError::new(LoadErrorKind::Resources, format!("cannot start a lane: {error}"))
            })?;
        let described = described.await;
        lifecycle::clear_away(lane, Duration::from_secs(5)).await;
        described.unwrap_or_else(|_| {
            Err(LoadError::new(
                LoadErrorKind::File,
                "the library could not be looked at",
            ))
        })
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

    /// Whether it is part of the host itself.
    pub fn is_native(&self) -> bool {
        self.native.is_some()
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
        self.instance.knows_http()
    }

    /// Calls that it has and has not answered.
    pub fn pending(&self) -> usize {
        self.instance.lanes().iter().map(|lane| lane.pending()).sum()
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
        if let Some(native) = &self.native {
            native.call(
                NativeCall {
                    method: job.target,
                    arguments: job.payload,
                    origin: job.origin,
                },
                answer,
            );
            return Ok(Wake::nobody());
        }
        self.instance.submit(job, answer, deadline)
    }

    /// Gives up calls whose deadline has passed.
    pub fn expire(&self, now: Instant) {
        let expired: usize = self.instance.lanes().iter().map(|lane| lane.expire(now)).sum();
        self.timeouts.fetch_add(expired as u64, Ordering::Relaxed);
    }
}
